"""Raw samples in the page: as they are, packed, or named as left out."""

import base64
import gzip
import json

import pytest
from make_records import TF, TORCH, make_records, make_run, planned, step_case, write_folder

from aggregator import page_samples
from aggregator.analysis import analyse
from aggregator.load import load_run
from aggregator.page_samples import packed_samples


@pytest.fixture
def environments(tmp_path):
    run = make_run([planned(step_case("cnn4", 8), [TORCH, TF], 3)])
    return analyse([load_run(write_folder(tmp_path / "r", run, make_records(run)))])


def test_few_samples_are_plain_json_in_run_order(environments):
    packed = packed_samples(environments)
    assert not packed.zipped
    (case,) = json.loads(packed.text)[0].values()
    assert len(case) == 6
    assert [block for _, block, *_ in case] == [0, 0, 1, 1, 2, 2]
    records = {
        (side.label, number): record for side in environments[0].cases[0].sides for number, record in side.ok.items()
    }
    for label, block, warmup, unit, steps in case:
        samples = records[label, block].samples
        assert warmup == samples.warmup_steps
        assert [step * unit for step in steps] == pytest.approx(samples.step_ns, rel=5e-4)
        assert 1000 <= min(steps) < 10000


def test_many_samples_are_packed(environments, monkeypatch):
    plain = packed_samples(environments).text
    monkeypatch.setattr(page_samples, "PLAIN", 100)
    packed = packed_samples(environments)
    assert packed.zipped
    assert gzip.decompress(base64.b64decode(packed.text)).decode() == plain
    assert packed == packed_samples(environments), "the same bytes, whatever the time of day"


def test_too_many_samples_are_named_with_where_they_are(environments, monkeypatch):
    monkeypatch.setattr(page_samples, "PLAIN", 100)
    monkeypatch.setattr(page_samples, "MOST", 100)
    packed = packed_samples(environments)
    assert packed.text == ""
    assert packed.missing.startswith("The 480 raw samples")
    assert "export --format parquet" in packed.missing
