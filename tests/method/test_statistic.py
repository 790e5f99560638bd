"""The compared number of a replicate, its mean and its drift."""

import math
import statistics

import numpy as np
import pytest

from method.statistic import FEWEST_IN_QUARTER, retained, seconds, summarise
from runners.harness.case import Block, Case, Competitor
from runners.harness.record import SCHEMA_VERSION, Record, Samples, Status

CASE, TORCH = (
    Case("train", "cpu", batch_size=8, seed=25, network="cnn4", input_size=32, scope="compute"),
    Competitor("pytorch", "eager"),
)


def records_of(*lengths):
    """Records with steps around 10 ms; every third record has a drift."""
    draw = np.random.default_rng(3)
    for number, length in enumerate(lengths):
        drift = np.linspace(1, 1.1 if number % 3 == 0 else 1.001, length)
        steps = (1e7 * drift * draw.lognormal(0, 0.01, length)).astype(int).tolist()
        samples = Samples(steps, 5, 8, None, 1, 1)
        block = Block(number, 0, 0, 0, "")
        yield Record(SCHEMA_VERSION, "", "", Status.OK, None, CASE, TORCH, block, [], samples=samples)


def test_the_summary_of_steps_is_median_mean_and_drift():
    records = list(records_of(*[85, 86, 85, 6, 64, 65, 7, 200, 85, 66, 67, 68, 85, 85]))
    found = [summarise(record) for record in records]
    assert {one.drift is None for one in found} == {True, False}
    for record, one in zip(records, found, strict=True):
        steps = retained(record.samples)
        assert one.seconds == seconds(record) == statistics.median(steps) / 1e9
        assert one.mean_seconds == pytest.approx(statistics.fmean(steps) / 1e9, rel=1e-12)
        quarter = len(steps) // 4
        if quarter < FEWEST_IN_QUARTER:
            assert one.drift is None
        else:
            first, last = statistics.median(steps[:quarter]), statistics.median(steps[-quarter:])
            assert one.drift == pytest.approx(math.log(last / first))


def test_a_record_without_steps_cannot_be_compared():
    (record,) = records_of(5)
    with pytest.raises(ArithmeticError):
        summarise(record)
