"""How many steps the replicates of a program discard and keep on a case, from a few pilots.

Warm-up: MSER-5 (White: An effective truncation heuristic for bias reduction in simulation output, Simulation 1997;
Franklin, White: Stationarity tests and MSER-5, WSC 2008). Steps to keep: the optimal number of iterations of Kalibera,
Jones: Rigorous benchmarking in reasonable time, ISMM 2013, section 5.
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
"""MSER-5: the series is one of medians of five steps each."""
LEVEL_SPREAD = 0.03
"""Parts of a pilot that differ by no more are on one level."""
MARGIN = 1.5
"""The longest warm-up of a program's pilots, times this, is what each of its replicates discards."""
FEWEST_STEPS, MOST_STEPS = 40, 200
"""Steps to keep, whatever the pilots' variances say."""
KEPT_SECONDS, FEWEST_SLOW_STEPS = 5.0, 10
"""Slow steps are kept for KEPT_SECONDS, but FEWEST_SLOW_STEPS of them at the least. A process takes about five seconds
to start; to measure for as long as a start takes is never far from the best use of the time."""
RHYTHM_P = 0.01
"""A rhythm that one in a hundred shuffled series shows as well is taken for noise."""
FEWEST_CORRELATED = 10
"""Of fewer steps it cannot be told how much they resemble their neighbours."""
SHUFFLES, RESAMPLES, SEED = 499, 200, 25


def pilot(record: Record) -> Pilot:
    """Where the warm-up of this pilot ended.

    Step 0 is a metric of its own and always warm-up, so the series judged begins with step 1. `settled` is False where
    no end was found: MSER-5 went as far as it may and the halves lie more than LEVEL_SPREAD apart (in a level series
    it may go that far by chance), or what it left swings by more than that, crest to trough, in one sine (half a sine
    being a trend), which it does not when shuffled.
    """
    steps = _samples(record).step_ns
    medians = _medians(np.asarray(steps[1:], dtype=float))
    cut = mser(medians)
    half = len(medians) // 2
    settled = half > 0 and (cut < half or not _apart(medians[:half], medians[half:])) and not _swings(medians[cut:])
    return Pilot(len(steps), 1 + BATCH * cut, settled)


def usable(record: Record) -> bool:
    """Whether anything can be learned from the pilot: it went well, and its times are times."""
    samples = record.samples
    if record.status is not Status.OK or samples is None or len(samples.step_ns) < 2:
        return False
    return min(samples.step_ns) > 0 and samples.import_ns > 0 and samples.setup_ns > 0


def plans(pilots: Iterable[Record]) -> list[Warmup]:
    """What the pilots of a case call for, by program; those that are not `usable` are passed over.

    Each program has a warm-up of its own. If the program that needs most steps decided for all, a program whose steps
    last ten times as long would discard as many of them.
    """
    found: defaultdict[Competitor, list[Record]] = defaultdict(list)
    for record in filter(usable, pilots):
        found[record.competitor.without_alias].append(record)
    return [plan(found[competitor]) for competitor in sorted(found)]


def plan(pilots: Sequence[Record]) -> Warmup:
    """What all replicates of these pilots' program discard and keep at least; one `usable` pilot or more."""
    judged = [pilot(record) for record in pilots]
    discarded = math.ceil(MARGIN * max(found.unsettled for found in judged))
    costs = [_cost(_samples(record), found.unsettled, discarded) for record, found in zip(pilots, judged, strict=True)]
    affordable = max(FEWEST_SLOW_STEPS, math.floor(KEPT_SECONDS / max(cost.step for cost in costs)))
    return Warmup(pilots[0].competitor.without_alias, judged, discarded, min(_optimal(costs), affordable))


def mser(series: np.ndarray) -> int:
    """The k ≤ n / 2 that minimises var(series[k:]) / (n − k): to drop more would lose more than it mends."""
    count = len(series)
    scores = [float(np.var(series[k:])) / (count - k) for k in range(count // 2 + 1)] if count else [0.0]
    return int(np.argmin(scores))


@dataclass(frozen=True)
class _Cost:
    """What one pilot says: seconds a step and until the first kept step; log of its level, variances thereof."""

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
    """Kalibera & Jones: sqrt(cost of a process / cost of a step × variance within / variance between), in bounds.

    Where the pilots scatter no more than their steps explain, or there is only one, many steps are worth their time.
    """
    within = float(np.mean([cost.variance_of_one_step for cost in costs]))
    seen = float(np.var([cost.level for cost in costs], ddof=1)) if len(costs) > 1 else 0.0
    between = seen - float(np.mean([cost.variance for cost in costs]))
    if between <= 0:
        return MOST_STEPS
    process = float(np.mean([cost.start for cost in costs])) / float(np.mean([cost.step for cost in costs]))
    return min(MOST_STEPS, max(FEWEST_STEPS, math.ceil(math.sqrt(process * within / between))))


def _variance_of_median(series: np.ndarray) -> float:
    """By the stationary bootstrap, since the steps of a process resemble their neighbours."""
    # Imported where it is needed: it takes longer than most commands that never ask for it.
    from arch.bootstrap import StationaryBootstrap, optimal_block_length

    block = math.nan
    if len(series) >= FEWEST_CORRELATED:
        with np.errstate(divide="ignore", invalid="ignore"):  # where steps are equal to the nanosecond
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
    """Whether one sine fits a swing larger than LEVEL_SPREAD into the series, beyond what chance does."""
    relative = series / np.median(series)
    if len(series) < 4 or _swing(relative) <= LEVEL_SPREAD:
        return False
    shuffled = stats.permutation_test(
        (relative,), _swing, permutation_type="pairings", n_resamples=SHUFFLES, alternative="greater", rng=SEED
    )
    return bool(shuffled.pvalue <= RHYTHM_P)


def _swing(series: np.ndarray, axis: int = -1) -> np.ndarray:
    """From crest to trough of the largest sine: the periodogram's height is half the square of an amplitude."""
    # Imported where it is needed, as above: every command loads this module, and few ask for a swing.
    from scipy import signal

    _, power = signal.periodogram(series, nfft=4 * series.shape[axis], scaling="spectrum", axis=axis)
    return np.asarray(2 * np.sqrt(2 * power.max(axis=axis)))


def _samples(record: Record) -> Samples:
    if not usable(record) or record.samples is None:
        raise ValueError(f"record {record.record_id} cannot be a pilot")
    return record.samples
