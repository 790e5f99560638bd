"""Raw samples in the page: as they are, packed, or named as left out."""

import base64
import gzip
import json

import pytest
from make_records import TF, TORCH, make_records, make_run, planned, step_case, write_folder

from aggregator.comparison.analysis import analyse
from aggregator.page import room
from aggregator.page import samples as page_samples
from aggregator.page.samples import packed_samples
from aggregator.reading.load import load_run


@pytest.fixture
def parts(tmp_path):
    run = make_run([planned(step_case("cnn4", 8), [TORCH, TF], 3)])
    return [env.cases for env in analyse([load_run(write_folder(tmp_path / "r", run, make_records(run)))])]


def test_few_samples_are_plain_json_in_run_order(parts):
    packed = packed_samples(parts)
    assert not packed.zipped
    (case,) = json.loads(packed.text)[0].values()
    assert len(case) == 6
    assert [block for _, block, *_ in case] == [0, 0, 1, 1, 2, 2]
    records = {(side.label, number): record for side in parts[0][0].sides for number, record in side.ok.items()}
    for label, block, warmup, unit, steps in case:
        samples = records[label, block].samples
        assert warmup == samples.warmup_steps
        assert [step * unit for step in steps] == pytest.approx(samples.step_ns, rel=5e-4)
        assert 1000 <= min(steps) < 10000


def test_many_samples_are_packed(parts, monkeypatch):
    plain = packed_samples(parts).text
    monkeypatch.setattr(page_samples, "PLAIN", 100)
    packed = packed_samples(parts)
    assert packed.zipped
    assert gzip.decompress(base64.b64decode(packed.text)).decode() == plain
    assert packed == packed_samples(parts), "the same bytes, whatever the time of day"


@pytest.mark.parametrize("left", [0, 300])
def test_too_many_samples_are_named_with_where_they_are(parts, monkeypatch, left):
    monkeypatch.setattr(page_samples, "PLAIN", 100)
    monkeypatch.setattr(room, "MOST_PACKED", left)
    packed = packed_samples(parts)
    assert packed.text == ""
    assert packed.missing.startswith("The 480 raw samples")
    assert "export --format parquet" in packed.missing


def test_the_more_cases_the_less_room_for_samples():
    assert room.for_samples(1) == room.MOST_PACKED
    assert room.for_samples(150) == 500_000
    assert room.for_samples(1000) == 0
