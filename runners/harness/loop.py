"""The only loop: repeats a step and keeps every time it took.

Nothing is averaged here and no sample is dropped; what to compare is the aggregator's business.
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
"""Steps between two waits for the device where throughput is measured."""


@contextlib.contextmanager
def quiet_collector(clock: Callable[[], int] = now_ns) -> Iterator[list[int]]:
    """Freeze what is alive out of the garbage collector's sight; yields the pauses it still makes, in ns.

    Collection stays on: a framework that makes garbage every step pays for it, as it would for its user.
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
    """Time each step on its own, the device synchronised at both edges. Returns ns, warm-up included."""
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
    """Time groups of steps with one wait for the device after each. Returns ns a group; the steps are warm already.

    At least as many steps and seconds as for latency, and never more groups than steps there.
    """
    step = work.step

    def group() -> None:
        for _ in range(GROUP_STEPS):
            step()

    groups = Sampling(0, -(-sampling.min_steps // GROUP_STEPS), sampling.max_steps, sampling.min_seconds)
    return sample_steps(dataclasses.replace(work, step=group), groups, clock)


def delivery_counts(work: StepWork, sampling: Sampling) -> tuple[int, int]:
    """(discarded, measured at least) deliveries of a loader: the queue is drained of what it gathered while
    nobody was timing, and the window spans whole rounds of the workers and many queue depths.

    Workers that waited in front of a full queue start together, so they deliver a whole round at once, and with time
    drift apart. Counted from the end of such a round the window would lose half a round to that (2.5 % of 20 rounds);
    counted from the middle of a round it does not.
    """
    workers = max(1, work.workers)
    drained = max(sampling.warmup_steps, QUEUE_DEPTHS_DISCARDED * work.queue_batches, 1)
    wanted = max(sampling.min_steps, QUEUE_DEPTHS_MEASURED * work.queue_batches, ROUNDS_MEASURED * workers)
    return drained + workers // 2, -(-wanted // workers) * workers


def sample_deliveries(work: StepWork, sampling: Sampling, clock: Callable[[], int] = now_ns) -> tuple[list[int], int]:
    """Time a loader from delivery to delivery without ever pausing it.

    One interval means nothing by itself (a worker pool delivers in bursts); their sum over the window does.
    Returns (intervals in ns with the discarded ones first, number discarded). The first interval runs from
    the call to the first delivery.
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
