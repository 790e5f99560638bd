"""Raw samples in the page: to four digits, more coarsely where room is scarce, or named as left out."""

import base64
import dataclasses
import gzip
import json
import re
import statistics

import pytest
from make_records import TF, TORCH, make_records, make_run, planned, step_case, write_folder

from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import load_run
from aggregator.report.page import packing, size_limits
from aggregator.report.page.samples import LEVELS, MIDDLE, packed_samples
from runners.harness.record import Failure, Status

PLENTY = 1_000_000
FAILED = {"status": Status.UNSUPPORTED, "error": Failure("UNSUPPORTED", "not here")}
SHARES = {8: "an eighth", 4: "a quarter", 2: "half"}


def parts_of(folder, change=lambda record: record):
    run = make_run([planned(step_case("cnn4", 8), [TORCH, TF], 3)])
    written = write_folder(folder / "r", run, [change(record) for record in make_records(run)])
    return [env.cases for env in analyse([load_run(written)])]


@pytest.fixture
def parts(tmp_path):
    return parts_of(tmp_path)


def steps_by_replicate(parts):
    return {
        (side.name, number): list(record.samples.step_ns)
        for side in parts[0][0].sides
        for number, record in side.ok.items()
    }


def unpacked(packed):
    text = gzip.decompress(base64.b64decode(packed.text)).decode() if packed.zipped else packed.text
    data = json.loads(text)
    assert data["levels"] == LEVELS
    (case,) = data["parts"][0].values()
    return case


def steps_of(unit, middle, signs):
    """What the page's script makes of a replicate."""
    found = re.findall(r"~(\d+)~|([^~])", signs)
    return [unit * (int(far) if far else middle + LEVELS.index(sign) - MIDDLE) for far, sign in found]


def test_samples_are_there_in_run_order(parts):
    samples = packed_samples(parts, PLENTY)
    case = unpacked(samples.packed)
    assert "four digits" in samples.said
    assert [block for _, block, *_ in case] == [0, 0, 1, 1, 2, 2]
    kept = steps_by_replicate(parts)
    for label, block, warmup, unit, middle, signs in case:
        assert warmup == 5
        assert steps_of(unit, middle, signs) == pytest.approx(kept[label, block], rel=5e-4)


@pytest.mark.parametrize("finer", SHARES)
def test_scarce_room_makes_them_coarser_and_says_how_much(parts, finer):
    exact = len(packed_samples(parts, PLENTY).packed.text)
    tried = (packed_samples(parts, left) for left in range(exact - 1, 0, -5))
    samples = next(one for one in tried if f"{SHARES[finer]} " in one.said)
    kept = steps_by_replicate(parts)
    for label, block, _, unit, middle, signs in unpacked(samples.packed):
        low, _, high = statistics.quantiles(kept[label, block])
        assert unit <= (high - low) / finer * 1.1
        assert steps_of(unit, middle, signs) == pytest.approx(kept[label, block], abs=unit / 2 + 1)


def test_steps_far_from_the_others_are_kept_as_numbers(tmp_path):
    def with_outliers(record):
        steps = [90_000_000_000, *record.samples.step_ns[1:40], 1_000_000, *record.samples.step_ns[41:]]
        return dataclasses.replace(record, samples=dataclasses.replace(record.samples, step_ns=steps))

    parts = parts_of(tmp_path, with_outliers)
    for label, _, _, unit, middle, signs in unpacked(packed_samples(parts, PLENTY).packed):
        steps = steps_of(unit, middle, signs)
        assert (steps[0], steps[40], len(steps)) == (90_000_000_000, 1_000_000, 80), label


def test_one_long_case_has_all_the_room_that_is_left(parts, monkeypatch):
    """What every tenth case takes says how much all take: of a single one that is itself."""
    monkeypatch.setattr(packing, "PLAIN", 0)
    samples = packed_samples(parts, PLENTY)
    assert packed_samples(parts, len(samples.packed.text)) == samples


def test_cases_without_steps_say_nothing_of_how_long_the_others_are(tmp_path):
    """Every tenth case stands for all: one that nobody could run is none of them."""

    def nothing_of_the_first(record):
        return record if record.case.batch_size == 16 else dataclasses.replace(record, samples=None, **FAILED)

    run = make_run([planned(step_case("cnn4", batch), [TORCH, TF], 3) for batch in (8, 16)])
    written = write_folder(tmp_path / "r", run, [nothing_of_the_first(record) for record in make_records(run)])
    samples = packed_samples([env.cases for env in analyse([load_run(written)])], PLENTY)
    assert samples.packed is not None


def test_long_data_are_packed_into_the_same_bytes_each_time(parts, monkeypatch):
    plain = packed_samples(parts, PLENTY).packed
    assert not plain.zipped
    monkeypatch.setattr(packing, "PLAIN", 100)
    packed = packed_samples(parts, PLENTY).packed
    assert packed.zipped
    assert gzip.decompress(base64.b64decode(packed.text)).decode() == plain.text
    assert packed == packed_samples(parts, PLENTY).packed


@pytest.mark.parametrize("left", [0, 200])
def test_too_many_samples_are_named_with_where_they_are(parts, left):
    samples = packed_samples(parts, left)
    assert samples.packed is None
    assert samples.said.startswith("This page has no room for 480 raw samples")
    assert "export --format parquet" in samples.said


def test_the_longer_the_page_the_less_room_for_samples():
    assert size_limits.for_samples(100_000) == size_limits.MOST_PACKED
    assert size_limits.for_samples(1_500_000) == size_limits.PAGE - size_limits.SPARE - 1_500_000
    assert size_limits.for_samples(3_000_000) == 0
