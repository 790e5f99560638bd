"""Warm-up detection and the number of steps kept: simulated pilots and replicates through the production code."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.signal import lfilter

from launcher.plan.cases import pilot_sampling
from method import drift
from method.statistic import seconds, summarise
from method.warmup import FEWEST_STEPS, MOST_STEPS, mser, pilot, plan, plans
from runners.harness.case import Block, Case, Competitor
from runners.harness.loop import sample_steps
from runners.harness.record import SCHEMA_VERSION, Check, Record, Samples, Status
from runners.harness.sampling import Sampling
from runners.harness.workload import StepWork

CASE = Case("train", "cpu", batch_size=32, seed=25, network="cnn4", input_size=32, scope="compute")
TORCH, TF = Competitor("pytorch", "eager"), Competitor("tensorflow", "graph")

LEVEL = 0.020
"""Seconds a step; 2 s are 100 steps."""
BETWEEN, WITHIN, ALIKE_STEPS, SPIKES, SPIKE = 0.01, 0.02, 0.5, 0.03, 1.3
"""Log-normal scatter of processes and of steps, correlation of one step with the next; this share of the steps lasts
this many times as long."""
PILOT = pilot_sampling(Sampling())
"""Steps of a pilot with the launcher's default of 4 s."""
DRIFT = 0.03
"""The smallest drift that flags a plan: 4 replicates may show a smaller drift by chance."""
PLANS, REPLICATES = 125, 4
"""Replicates after three pilots: 500 series for each shape."""


def decay(draw, steps):
    """1.2 to 3 times as slow at first, with an exponential decay over 2 to 15 steps."""
    height, constant = draw.uniform(0.2, 2), draw.uniform(2, 15)
    return lambda jitter: 1 + height * np.exp(-steps / (constant * jitter))


def plateau(draw, steps):
    """10 to 100 % slower for the first 10 to 60 steps, as before a compiler has finished."""
    height, end = draw.uniform(0.1, 1), draw.uniform(10, 60)
    return lambda jitter: np.where(steps < end * jitter, 1 + height, 1.0)


def slowdown(draw, steps):
    """10 to 50 % faster for the first 10 to 60 steps, as before a processor's boost ends."""
    depth, end = draw.uniform(0.1, 0.5), draw.uniform(10, 60)
    return lambda jitter: np.where(steps < end * jitter, 1 - depth, 1.0)


def flat(_draw, steps):
    """Constant from the first step on."""
    return lambda _jitter: np.ones(len(steps))


def cyclic(draw, steps):
    """A sine of 8 to 30 %, crest to trough, with a period of 15 to 100 steps and any phase."""
    swing, period = draw.uniform(0.08, 0.3), draw.uniform(15, 100)
    return lambda _jitter: 1 + swing / 2 * np.sin(2 * np.pi * (steps / period + draw.uniform()))


def ramp(draw, steps):
    """10 to 50 % slower every 200 steps, without end."""
    slope = draw.uniform(0.1, 0.5) / 200
    return lambda _jitter: 1 + slope * steps


def process(draw, shape_of, sampling) -> tuple[float, Record]:
    """(true level, record) of a process with noise, a first step of half a second, and a warm-up varied by 15 %."""
    level = LEVEL * draw.lognormal(0, BETWEEN)
    shape = shape_of(draw.uniform(0.85, 1.15))
    fresh = draw.normal(0, WITHIN * math.sqrt(1 - ALIKE_STEPS**2), len(shape))
    jitter = np.exp(lfilter([1], [1, -ALIKE_STEPS], fresh))
    times = level * shape * jitter * np.where(draw.random(len(shape)) < SPIKES, SPIKE, 1)
    times[0] += 0.5
    now = 0
    left = iter((times * 1e9).astype(int).tolist())

    def step() -> None:
        nonlocal now
        now += next(left)

    work = StepWork(step, lambda: None, 32, Check, lambda: None, lambda: None)
    return level, record_of(sample_steps(work, sampling, lambda: now), sampling.warmup_steps)


def record_of(step_ns, warmup=0, competitor=TORCH, start_s=3.0) -> Record:
    samples = Samples(step_ns, warmup, 32, step_ns[0], import_ns=int(start_s * 1e9), setup_ns=1)
    block = Block(0, 0, 0, 1, "")
    return Record(SCHEMA_VERSION, "one", "run", Status.OK, None, CASE, competitor, block, [], samples=samples)


def simulated(shape) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the medians of all replicates of a shape, and for each plan whether it was flagged.

    Its pilots or the drift over its replicates flag a plan.
    """
    draw = np.random.default_rng(7)
    off, flagged = [], []
    for _ in range(PLANS):
        shape_of = shape(draw, np.arange(600))
        pilots = [process(draw, shape_of, PILOT)[1] for _ in range(3)]
        fixed = plan(pilots)
        unsettled = not all(found.settled for found in fixed.pilots)
        sampling = Sampling(fixed.warmup_steps, fixed.kept_steps, MOST_STEPS, 2.0)
        drifts = {}
        for number in range(REPLICATES):
            level, record = process(draw, shape_of, sampling)
            off.append(abs(seconds(record) / level - 1))
            drifts[number] = summarise(record).drift
        drifted = drift.of_side(drifts)
        flagged.append(unsettled or (drifted is not None and drifted.significant and drifted.bound > DRIFT))
    return np.array(off), np.array(flagged)


@pytest.mark.parametrize("shape", [flat, decay, plateau, slowdown])
def test_a_warm_up_leaves_more_than_one_percent_in_at_most_two_percent_of_series(shape):
    off, flagged = simulated(shape)
    assert np.mean(off > 0.01) <= 0.02
    assert np.mean(flagged) <= 0.20  # series that settle are seldom flagged


@pytest.mark.parametrize("shape", [cyclic, ramp])
def test_series_that_never_settle_are_flagged(shape):
    _, flagged = simulated(shape)
    assert np.mean(flagged) >= 0.90


@pytest.mark.parametrize("shape", [decay, plateau, slowdown])
def test_without_discarding_the_warm_up_the_same_series_are_off(shape):
    """Shows what the two per cent above are worth."""
    draw = np.random.default_rng(7)
    processes = [process(draw, shape(draw, np.arange(600)), Sampling(0, 40, 40, 0)) for _ in range(200)]
    assert np.mean([abs(seconds(record) / level - 1) > 0.01 for level, record in processes]) > 0.20


def test_mser_cuts_where_the_level_begins_and_never_beyond_the_middle():
    noise = np.tile([1.0, 1.01], 8)
    assert mser(noise) == 0
    assert mser(np.concatenate([[9.0, 5.0, 3.0], noise])) == 3
    assert mser(np.arange(20.0)) == 10
    assert mser(np.array([])) == 0


def noisy(seed: int, steps: int, level: float = LEVEL, sd: float = 0.01) -> list[int]:
    return (level * np.random.default_rng(seed).lognormal(0, sd, steps) * 1e9).astype(int).tolist()


def test_the_first_step_is_always_warm_up_and_the_end_is_given_in_steps():
    level = noisy(1, 100)
    assert pilot(record_of([10**9, *level])) == dataclasses.replace(pilot(record_of(level)), steps=101)
    slow = [2 * time for time in noisy(2, 15)]
    found = pilot(record_of([10**9, *slow, *level]))
    assert (found.steps, found.unsettled, found.settled) == (116, 16, True)


def test_each_program_discards_one_and_a_half_times_the_longest_warm_up_of_its_own_pilots():
    slow = [2 * time for time in noisy(2, 15)]
    quick = record_of([10**9, *noisy(3, 115)])
    late = record_of([10**9, *slow, *noisy(4, 100)], competitor=TF)
    labelled = dataclasses.replace(late, competitor=dataclasses.replace(TF, alias="B"))
    broken = dataclasses.replace(quick, samples=None)
    torch, tf = plans([late, quick, broken, labelled])
    assert (torch.competitor, len(torch.pilots)) == (TORCH, 1)
    assert (tf.competitor, len(tf.pilots)) == (TF, 2)
    assert torch == plan([quick])
    assert torch.warmup_steps < tf.warmup_steps == math.ceil(1.5 * 16)


def pilots_of(levels, sd=0.05, **more) -> list[Record]:
    return [record_of(noisy(seed, 201, level, sd), **more) for seed, level in enumerate(levels)]


ALIKE, APART = (0.0200, 0.0203, 0.0197), (0.020, 0.024, 0.017)


def test_more_steps_are_kept_if_a_process_costs_more_and_fewer_if_processes_differ_more():
    cheap, dear = (plan(pilots_of(ALIKE, start_s=start)).kept_steps for start in (2, 10))
    assert FEWEST_STEPS < cheap < dear < MOST_STEPS
    assert plan(pilots_of(APART, start_s=2)).kept_steps == FEWEST_STEPS


def test_most_steps_are_kept_if_processes_do_not_differ():
    assert plan(pilots_of(ALIKE[:1])).kept_steps == MOST_STEPS
    assert plan([record_of(noisy(1, 201))] * 3).kept_steps == MOST_STEPS


def test_more_steps_are_kept_if_steps_are_correlated():
    def kept(resembling: int) -> int:
        levels = enumerate((0.0200, 0.0206, 0.0194))
        pilots = [np.repeat(noisy(seed, 240 // resembling, level), resembling) for seed, level in levels]
        return plan([record_of(steps.tolist(), start_s=600) for steps in pilots]).kept_steps

    assert FEWEST_STEPS < 1.5 * kept(1) < kept(4) < MOST_STEPS


@pytest.mark.parametrize(("level", "kept"), [(0.1, 50), (0.25, 20), (5.0, 10)])
def test_slow_steps_are_kept_for_five_seconds_but_at_least_ten(level, kept):
    assert plan(pilots_of((level,) * 3, sd=0.001)).kept_steps == pytest.approx(kept, abs=1)


def test_steps_equal_to_the_nanosecond_are_a_level():
    fixed = plan([record_of([20_000_000] * 40)] * 3)
    assert all(found.settled for found in fixed.pilots)
    assert (fixed.warmup_steps, fixed.kept_steps) == (2, MOST_STEPS)


@pytest.mark.parametrize("steps", range(2, 16))
def test_a_pilot_of_few_steps_gives_a_plan(steps):
    fixed = plan([record_of(noisy(5, steps))])
    assert 2 <= fixed.warmup_steps <= math.ceil(1.5 * (1 + steps / 2))
    assert fixed.pilots[0].settled <= (steps > 10)  # one median of five has no beginning and no end


def test_a_replicate_without_steps_is_no_pilot():
    with pytest.raises(ValueError, match="cannot be a pilot"):
        plan([dataclasses.replace(record_of([1, 2]), samples=None)])
