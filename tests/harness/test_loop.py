"""The timing loop, with a clock that moves only when the fake work says so."""

import gc

import pytest

from runners.harness.loop import (
    delivery_counts,
    quiet_collector,
    sample_deliveries,
    sample_groups,
    sample_steps,
)
from runners.harness.record import Check
from runners.harness.sampling import Sampling
from runners.harness.workload import StepWork

MS = 1_000_000


class FakeClock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def work(self, *durations_ms: float, forever: float = 1.0):
        """A step that takes the given times one after another, and after them always `forever`."""
        left = list(durations_ms)

        def step() -> None:
            self.now += int((left.pop(0) if left else forever) * MS)

        return step


def step_work(step, synchronize=lambda: None, **kwargs) -> StepWork:
    return StepWork(
        step=step, synchronize=synchronize, items=4, check=Check, seen=lambda: None, close=lambda: None, **kwargs
    )


def test_every_step_is_kept_warm_up_included():
    clock = FakeClock()
    times = sample_steps(step_work(clock.work(500, 20, 10)), Sampling(2, 3, 3, 0), clock)
    assert times == [500 * MS, 20 * MS, 10 * MS, 1 * MS, 1 * MS]


def test_a_sample_ends_after_the_device_has_finished():
    clock = FakeClock()

    def synchronize() -> None:
        clock.now += 7 * MS

    times = sample_steps(step_work(clock.work(forever=1), synchronize), Sampling(0, 2, 2, 0), clock)
    assert times == [8 * MS, 8 * MS]


def test_sampling_continues_until_minimum_steps_and_seconds_are_reached():
    clock = FakeClock()
    assert len(sample_steps(step_work(clock.work(forever=10)), Sampling(1, 3, 1000, 0.5), clock)) == 1 + 50
    assert len(sample_steps(step_work(clock.work(forever=10)), Sampling(1, 80, 1000, 0.5), clock)) == 1 + 80


def test_warm_up_time_does_not_count_towards_the_seconds():
    clock = FakeClock()
    times = sample_steps(step_work(clock.work(5000, forever=10)), Sampling(1, 3, 1000, 0.1), clock)
    assert len(times) == 1 + 10


def test_sampling_stops_at_the_maximum():
    clock = FakeClock()
    assert len(sample_steps(step_work(clock.work(forever=1)), Sampling(2, 3, 7, 60), clock)) == 2 + 7


def test_deliveries_discard_two_queue_depths_and_half_a_round_and_span_twenty_in_whole_rounds():
    work = step_work(lambda: None, workers=3, queue_batches=7)
    assert delivery_counts(work, Sampling(5, 40, 200, 0)) == (14 + 1, 141)
    assert delivery_counts(work, Sampling(20, 400, 400, 0)) == (20 + 1, 402)


def test_the_rate_of_a_bursty_loader_comes_from_elapsed_time_not_from_single_intervals():
    clock = FakeClock()
    bursts = [0.0, 0.0, 0.0, 40.0] * 200
    work = step_work(clock.work(*bursts), workers=4, queue_batches=8)
    times, discarded = sample_deliveries(work, Sampling(0, 1, 1, 0), clock)
    steady = times[discarded:]
    assert discarded == 16 + 2
    assert len(steady) == 160
    assert sum(steady) / len(steady) == 10 * MS
    assert sorted(steady)[len(steady) // 2] == 0


@pytest.mark.parametrize("queue", [1, 4, 16, 64])
def test_a_queue_filled_before_the_window_does_not_change_the_rate(queue: int):
    """The queue's batches are delivered at once; then the loop measures the loader's own rate."""
    clock = FakeClock()
    work = step_work(clock.work(*[0.0] * queue, forever=5), workers=1, queue_batches=queue)
    times, discarded = sample_deliveries(work, Sampling(0, 1, 1, 0), clock)
    steady = times[discarded:]
    assert sum(steady) / len(steady) == 5 * MS


def test_collector_pauses_are_logged_and_its_state_restored():
    frozen_before = gc.get_freeze_count()
    with quiet_collector() as pauses:
        assert gc.get_freeze_count() > frozen_before
        assert gc.isenabled()
        gc.collect()
    assert len(pauses) == 1
    assert pauses[0] > 0
    gc.collect()
    assert len(pauses) == 1


class AsynchronousDevice:
    """A step takes the CPU `submit_ms` and, at the same time, the device `busy_ms`. A wait for it adds `wait_ms`."""

    def __init__(self, clock: FakeClock, submit_ms: int, busy_ms: int, wait_ms: int) -> None:
        self.clock, self.free_at, self.waits = clock, 0, 0
        self.submit, self.busy, self.wait = submit_ms * MS, busy_ms * MS, wait_ms * MS

    def step(self) -> None:
        self.clock.now += self.submit
        self.free_at = max(self.free_at, self.clock.now) + self.busy

    def synchronize(self) -> None:
        self.waits += 1
        self.clock.now = max(self.clock.now, self.free_at) + self.wait


def test_throughput_waits_once_a_group_so_that_cpu_and_device_overlap():
    clock = FakeClock()
    device = AsynchronousDevice(clock, submit_ms=3, busy_ms=5, wait_ms=1)
    work = step_work(device.step, device.synchronize)
    assert sample_steps(work, Sampling(1, 2, 2, 0), clock) == [9 * MS] * 3
    device.waits = 0
    assert sample_groups(work, Sampling(1, 40, 40, 0), clock) == [(3 + 10 * 5 + 1) * MS] * 4
    assert device.waits == 1 + 4


def test_groups_fill_the_seconds_of_the_window_but_not_more_than_its_maximum():
    clock = FakeClock()
    work = step_work(clock.work(forever=10))
    assert len(sample_groups(work, Sampling(5, 40, 200, 2.0), clock)) == 20
    assert len(sample_groups(work, Sampling(5, 40, 50, 60.0), clock)) == 50
    assert len(sample_groups(work, Sampling(5, 11, 50, 0.0), clock)) == 2
