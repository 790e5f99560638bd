"""A loader with a known rate, simulated event by event, and measured by the production loop and statistic.

Each of `workers` makes a batch in WORK_MS, up to `jitter` more or less. A worker stops while `prefetch` of its batches
are being made or waiting. Batches arrive in the order of the workers' turns, as in PyTorch, or as they get ready.
"""

import heapq
import random
import statistics

import pytest

from method.statistic import retained, seconds
from runners.harness.case import Block, Case, Competitor
from runners.harness.loop import sample_deliveries
from runners.harness.record import SCHEMA_VERSION, Check, Record, Samples, Status
from runners.harness.sampling import Sampling
from runners.harness.workload import StepWork

MS = 1_000_000
WORK_MS = 40
PAUSE_MS = 1000
SHAPES = [
    (workers, depth // workers)
    for depth in (1, 2, 4, 8, 16, 32, 64)
    for workers in (1, 2, 4, 8, 16, 32)
    if workers <= depth
]
SHAPES += [(3, 2), (5, 4), (7, 9), (12, 5)]
SAMPLING = Sampling(5, 40, 200, 2.0)


class Loader:
    """The simulated loader and its clock. `step` waits for the next batch and takes it."""

    def __init__(self, workers: int, prefetch: int, jitter: float, in_turn: bool, seed: int = 0) -> None:
        self.now, self.in_turn, self.workers, self.prefetch = 0, in_turn, workers, prefetch
        self._draw, self._jitter = random.Random(seed), jitter
        self._free_at = [0] * workers  # when each worker has made all its batches
        self._ready: list[tuple[int, int, int]] = []  # (place in the order, ready at, worker)
        self._asked = 0
        for _ in range(prefetch):
            for worker in range(workers):
                self._ask(worker)

    def _ask(self, worker: int) -> None:
        spread = self._draw.uniform(1 - self._jitter, 1 + self._jitter)
        self._free_at[worker] = max(self._free_at[worker], self.now) + int(WORK_MS * MS * spread)
        ready = self._free_at[worker]
        heapq.heappush(self._ready, (self._asked if self.in_turn else ready, ready, worker))
        self._asked += 1

    def step(self) -> None:
        _, ready, worker = heapq.heappop(self._ready)
        self.now = max(self.now, ready)
        self._ask(worker)

    def pause(self) -> None:
        """The consumer pauses until the queue is full, and for another PAUSE_MS."""
        self.now = max(self.now, *self._free_at) + PAUSE_MS * MS

    def work(self) -> StepWork:
        queue = self.workers * self.prefetch
        parts = {"workers": self.workers, "queue_batches": queue}
        return StepWork(self.step, lambda: None, 32, Check, lambda: None, lambda: None, **parts)


def reading(loader: Loader) -> Record:
    """The record of a loader, made by the production loop."""
    times, discarded = sample_deliveries(loader.work(), SAMPLING, lambda: loader.now)
    case = Case("load", "cpu", batch_size=32, seed=25, input_size=224, stage="decode", workers=loader.workers)
    samples = Samples(times, discarded, 32, times[0], 0, 0, queue_batches=loader.workers * loader.prefetch)
    who, block = Competitor("pytorch", "plain", "torch"), Block(0, 0, 0, 1, "")
    return Record(SCHEMA_VERSION, "one", "run", Status.OK, None, case, who, block, [], samples=samples)


def true_seconds(loader: Loader) -> float:
    """The true seconds a batch in the long run, from the simulation itself, without a pause."""
    for _ in range(50 * loader.workers * loader.prefetch):
        loader.step()
    began, rounds = loader.now, 4000 // loader.workers
    for _ in range(rounds * loader.workers):
        loader.step()
    return (loader.now - began) / (rounds * loader.workers) / 1e9


def opened(workers: int, prefetch: int, jitter: float, in_turn: bool, paused: bool, seed: int = 0) -> Loader:
    """A loader that has delivered its first batch. If the consumer then `paused`, its queue is full."""
    loader = Loader(workers, prefetch, jitter, in_turn, seed)
    loader.step()
    if paused:
        loader.pause()
    return loader


@pytest.mark.parametrize("paused", [False, True], ids=["at once", "after a pause"])
@pytest.mark.parametrize("in_turn", [True, False], ids=["in turn", "as ready"])
@pytest.mark.parametrize(("workers", "prefetch"), SHAPES)
def test_bursts_of_a_known_rate_are_measured_exactly(workers, prefetch, in_turn, paused):
    record = reading(opened(workers, prefetch, 0.0, in_turn, paused))
    assert seconds(record) == pytest.approx(WORK_MS / 1e3 / workers, rel=1e-9)


@pytest.mark.parametrize("paused", [False, True], ids=["at once", "after a pause"])
@pytest.mark.parametrize("in_turn", [True, False], ids=["in turn", "as ready"])
@pytest.mark.parametrize(("workers", "prefetch"), SHAPES)
def test_uneven_workers_are_measured_within_two_percent(workers, prefetch, in_turn, paused):
    truth = true_seconds(Loader(workers, prefetch, 0.05, in_turn))
    assert seconds(reading(opened(workers, prefetch, 0.05, in_turn, paused))) == pytest.approx(truth, rel=0.02)


@pytest.mark.parametrize("paused", [False, True], ids=["at once", "after a pause"])
@pytest.mark.parametrize("in_turn", [True, False], ids=["in turn", "as ready"])
@pytest.mark.parametrize(("workers", "prefetch"), SHAPES)
def test_workers_that_drift_apart_do_not_bias_the_mean(workers, prefetch, in_turn, paused):
    truth = statistics.fmean(true_seconds(Loader(workers, prefetch, 0.1, in_turn, seed)) for seed in range(2))
    loaders = [opened(workers, prefetch, 0.1, in_turn, paused, seed) for seed in range(8)]
    assert statistics.fmean(seconds(reading(loader)) for loader in loaders) == pytest.approx(truth, rel=0.01)


@pytest.mark.parametrize(("workers", "prefetch"), [shape for shape in SHAPES if shape[0] > 2])
def test_the_median_interval_would_be_far_off(workers, prefetch):
    record = reading(opened(workers, prefetch, 0.0, True, paused=False))
    assert statistics.median(retained(record.samples)) / 1e9 < 0.01 * seconds(record)


@pytest.mark.parametrize(("workers", "prefetch"), SHAPES)
def test_a_window_without_deliveries_discarded_would_be_off_after_a_pause(workers, prefetch):
    """A queue of one batch hands over only this batch at once: 1 of 41."""
    record = reading(opened(workers, prefetch, 0.0, True, paused=True))
    measured = len(retained(record.samples))
    assert abs(sum(record.samples.step_ns[:measured]) / measured / 1e9 / seconds(record) - 1) > 0.015
