"""The only timing loop: it repeats a step and keeps the time of every repetition.

It neither averages nor drops samples; the aggregator decides what to compare.
"""

import contextlib
import dataclasses
import gc
from collections.abc import Callable, Iterator

from runners.harness.clock import now_ns
from runners.harness.sampling import Sampling
from runners.harness.workload import StepWork

QUEUE_DEPTHS_DISCARDED = 2
QUEUE_DEPTHS_MEASURED = 20
ROUNDS_MEASURED = 40
GROUP_STEPS = 10
"""Steps between two waits for the device, when throughput is measured."""


@contextlib.contextmanager
def quiet_collector(clock: Callable[[], int] = now_ns) -> Iterator[list[int]]:
    """Hide all living objects from the garbage collector. Yields the list of the collector's pauses, in ns.

    Collection stays on: a framework that makes garbage in every step pays for it, as it does for its users.
    """
    pauses: list[int] = []
    began = 0

    def note(phase: str, _info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = clock()
        else:
            pauses.append(clock() - began)

    gc.collect()
    gc.freeze()
    gc.callbacks.append(note)
    try:
        yield pauses
    finally:
        gc.callbacks.remove(note)
        gc.unfreeze()


def sample_steps(work: StepWork, sampling: Sampling, clock: Callable[[], int] = now_ns) -> list[int]:
    """Time each step, with a wait for the device before and after it. Returns ns, the warm-up included."""
    step, synchronize = work.step, work.synchronize
    times: list[int] = []
    append = times.append
    least, most = sampling.warmup_steps + sampling.min_steps, sampling.warmup_steps + sampling.max_steps
    enough_ns = int(sampling.min_seconds * 1e9)
    steady_since = clock()
    synchronize()
    while True:
        began = clock()
        step()
        synchronize()
        ended = clock()
        append(ended - began)
        count = len(times)
        if count == sampling.warmup_steps:
            steady_since = ended
        if count >= most or (count >= least and ended - steady_since >= enough_ns):
            return times


def sample_groups(work: StepWork, sampling: Sampling, clock: Callable[[], int] = now_ns) -> list[int]:
    """Time groups of steps, with one wait for the device after each group. Returns ns a group, without a warm-up.

    It takes at least as many steps and seconds as for latency, and at most `max_steps` groups.
    """
    step = work.step

    def group() -> None:
        for _ in range(GROUP_STEPS):
            step()

    groups = Sampling(0, -(-sampling.min_steps // GROUP_STEPS), sampling.max_steps, sampling.min_seconds)
    return sample_steps(dataclasses.replace(work, step=group), groups, clock)


def delivery_counts(work: StepWork, sampling: Sampling) -> tuple[int, int]:
    """How many deliveries of a loader to discard, and how many to measure at least.

    The discarded deliveries empty the queue, which filled up before the clock started. The measured deliveries are
    whole rounds of the workers and many times the queue's depth.

    Workers that waited at a full queue start together: they deliver a whole round at once, and drift apart with time.
    A window that starts at the end of such a round would lose half a round (2.5 % of 20 rounds); a window that starts
    in the middle of a round does not.
    """
    workers = max(1, work.workers)
    discarded = max(sampling.warmup_steps, QUEUE_DEPTHS_DISCARDED * work.queue_batches, 1)
    measured = max(sampling.min_steps, QUEUE_DEPTHS_MEASURED * work.queue_batches, ROUNDS_MEASURED * workers)
    return discarded + workers // 2, -(-measured // workers) * workers


def sample_deliveries(work: StepWork, sampling: Sampling, clock: Callable[[], int] = now_ns) -> tuple[list[int], int]:
    """Time a loader from delivery to delivery without ever pausing it.

    A single interval means nothing, because workers deliver in bursts; the sum over the window counts. Returns all
    intervals in ns, and how many of them at the start are to be discarded. The first interval runs from the call to the
    first delivery.
    """
    step = work.step
    workers = max(1, work.workers)
    discarded, measured = delivery_counts(work, sampling)
    enough_ns = int(sampling.min_seconds * 1e9)
    times: list[int] = []
    append = times.append
    last = clock()
    steady_since = last
    while True:
        step()
        now = clock()
        append(now - last)
        last = now
        kept = len(times) - discarded
        if kept == 0:
            steady_since = now
        if kept >= measured and kept % workers == 0 and (now - steady_since >= enough_ns or kept >= sampling.max_steps):
            return times, discarded
