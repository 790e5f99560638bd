"""How many steps the replicates of a program discard as warm-up and then keep, found from a few pilots of a case.

Warm-up: MSER-5 (White: An effective truncation heuristic for bias reduction in simulation output, Simulation 1997;
Franklin, White: Stationarity tests and MSER-5, WSC 2008). Steps to keep: the optimal number of iterations (Kalibera,
Jones: Rigorous benchmarking in reasonable time, ISMM 2013, section 5).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from runners.harness.case import Competitor
from runners.harness.record import Record, Samples, Status
from runners.harness.run import Pilot, Warmup

BATCH = 5
"""MSER-5 works on medians of five steps each."""
LEVEL_SPREAD = 0.03
"""Parts of a pilot with a smaller relative difference are on one level."""
MARGIN = 1.5
"""Each replicate discards the longest warm-up of its program's pilots times this."""
FEWEST_STEPS, MOST_STEPS = 40, 200
"""Bounds of the steps to keep."""
KEPT_SECONDS, FEWEST_SLOW_STEPS = 5.0, 10
"""Slow steps are kept for KEPT_SECONDS, but at least FEWEST_SLOW_STEPS of them. A process takes about five seconds to
start, and to measure for as long as a start takes is always near the best use of the time."""
RHYTHM_P = 0.01
"""A swing counts as noise if one in a hundred shuffled series has it too."""
FEWEST_CORRELATED = 10
"""The fewest steps for an estimate of their correlation."""
SHUFFLES, RESAMPLES, SEED = 499, 200, 25


def pilot(record: Record) -> Pilot:
    """Where the warm-up of this pilot ended.

    Step 0 is always warm-up and a metric of its own, so the series begins with step 1. `settled` is False in two cases.
    First, MSER-5 cut off as much as it may, and the two halves differ by more than LEVEL_SPREAD (in a level series
    MSER-5 may cut that far by chance). Second, a sine fits a swing larger than LEVEL_SPREAD, crest to trough, into the
    rest, and chance does not explain it (half a sine is a trend).
    """
    steps = _samples(record).step_ns
    medians = _medians(np.asarray(steps[1:], dtype=float))
    cut = mser(medians)
    half = len(medians) // 2
    settled = half > 0 and (cut < half or not _apart(medians[:half], medians[half:])) and not _swings(medians[cut:])
    return Pilot(len(steps), 1 + BATCH * cut, settled)


def usable(record: Record) -> bool:
    """Whether the record can serve as a pilot: it is ok, has two or more steps, and all its times are positive."""
    samples = record.samples
    if record.status is not Status.OK or samples is None or len(samples.step_ns) < 2:
        return False
    return min(samples.step_ns) > 0 and samples.import_ns > 0 and samples.setup_ns > 0


def plans(pilots: Iterable[Record]) -> list[Warmup]:
    """The warm-up of each program, from the pilots of a case. Pilots that are not `usable` are ignored.

    Each program has a warm-up of its own. A common warm-up would make a program with steps ten times as long discard as
    many of them as the program that needs most.
    """
    by_program: defaultdict[Competitor, list[Record]] = defaultdict(list)
    for record in filter(usable, pilots):
        by_program[record.competitor.without_alias].append(record)
    return [plan(by_program[program]) for program in sorted(by_program)]


def plan(pilots: Sequence[Record]) -> Warmup:
    """The steps that a program's replicates discard and keep at least, from one or more `usable` pilots of it."""
    judged = [pilot(record) for record in pilots]
    discarded = math.ceil(MARGIN * max(each.unsettled for each in judged))
    costs = [_cost(_samples(record), each.unsettled, discarded) for record, each in zip(pilots, judged, strict=True)]
    affordable = max(FEWEST_SLOW_STEPS, math.floor(KEPT_SECONDS / max(cost.step for cost in costs)))
    return Warmup(pilots[0].competitor.without_alias, judged, discarded, min(_optimal(costs), affordable))


def mser(series: np.ndarray) -> int:
    """The k ≤ n / 2 that minimises var(series[k:]) / (n − k): the number of leading values to cut off."""
    count = len(series)
    scores = [float(np.var(series[k:])) / (count - k) for k in range(count // 2 + 1)] if count else [0.0]
    return int(np.argmin(scores))


@dataclass(frozen=True)
class _Cost:
    """The costs in a pilot.

    `step` is seconds a step, `start` seconds until the first kept step. `level` is the log of the median step,
    `variance` the variance of `level`.
    """

    step: float
    start: float
    level: float
    variance: float
    variance_of_one_step: float


def _cost(samples: Samples, unsettled: int, discarded: int) -> _Cost:
    steps = np.asarray(samples.step_ns[unsettled:], dtype=float) / 1e9
    step = float(np.median(steps))
    start = (samples.import_ns + samples.setup_ns + sum(samples.step_ns[:unsettled])) / 1e9
    variance = _variance_of_median(np.log(steps))
    return _Cost(step, start + max(0, discarded - unsettled) * step, math.log(step), variance, variance * len(steps))


def _optimal(costs: Sequence[_Cost]) -> int:
    """Kalibera & Jones: sqrt(cost of a process / cost of a step × variance within / variance between), within bounds.

    With a single pilot, or if the pilots scatter no more than their steps explain, it is MOST_STEPS.
    """
    within = float(np.mean([cost.variance_of_one_step for cost in costs]))
    total = float(np.var([cost.level for cost in costs], ddof=1)) if len(costs) > 1 else 0.0
    between = total - float(np.mean([cost.variance for cost in costs]))
    if between <= 0:
        return MOST_STEPS
    process = float(np.mean([cost.start for cost in costs])) / float(np.mean([cost.step for cost in costs]))
    return min(MOST_STEPS, max(FEWEST_STEPS, math.ceil(math.sqrt(process * within / between))))


def _variance_of_median(series: np.ndarray) -> float:
    """The variance of the median by the stationary bootstrap, because steps of a process are correlated."""
    # Imported here, because the import takes longer than most commands, which do not need it.
    from arch.bootstrap import StationaryBootstrap, optimal_block_length

    block = math.nan
    if len(series) >= FEWEST_CORRELATED:
        with np.errstate(divide="ignore", invalid="ignore"):  # steps may be equal to the nanosecond
            block = float(optimal_block_length(series)["stationary"].iloc[0])
    bootstrap = StationaryBootstrap(math.ceil(block) if block > 1 else 1, series, seed=SEED)
    return float(np.asarray(bootstrap.var(np.median, reps=RESAMPLES)).item())


def _medians(steps: np.ndarray) -> np.ndarray:
    whole = len(steps) // BATCH * BATCH
    return np.asarray(np.median(steps[:whole].reshape(-1, BATCH), axis=1))


def _apart(before: np.ndarray, after: np.ndarray) -> bool:
    low, high = sorted((float(np.median(before)), float(np.median(after))))
    return high / low - 1 > LEVEL_SPREAD


def _swings(series: np.ndarray) -> bool:
    """Whether a sine fits a swing larger than LEVEL_SPREAD into the series, and chance does not explain it."""
    relative = series / np.median(series)
    if len(series) < 4 or _swing(relative) <= LEVEL_SPREAD:
        return False
    shuffled = stats.permutation_test(
        (relative,), _swing, permutation_type="pairings", n_resamples=SHUFFLES, alternative="greater", rng=SEED
    )
    return bool(shuffled.pvalue <= RHYTHM_P)


def _swing(series: np.ndarray, axis: int = -1) -> np.ndarray:
    """The largest sine from crest to trough: the periodogram's height is half the square of its amplitude."""
    # Imported here, because every command loads this module, and few need it.
    from scipy import signal

    _, power = signal.periodogram(series, nfft=4 * series.shape[axis], scaling="spectrum", axis=axis)
    return np.asarray(2 * np.sqrt(2 * power.max(axis=axis)))


def _samples(record: Record) -> Samples:
    if not usable(record) or record.samples is None:
        raise ValueError(f"record {record.record_id} cannot be a pilot")
    return record.samples
