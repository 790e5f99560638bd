"""Python runs this file at its start: it puts the mistake that MISTAKE names into a process of a replicate."""

import os
import signal
import sys

from runners.harness import lockstep, rank
from runners.harness.workload import StepWork

name, _, number = os.environ.get("MISTAKE", "").partition(" ")
here = rank.VARIABLE in os.environ and str(rank.own().number) == number


def disturbed_after_three_steps(usual, disturb):
    """A wrapper of `leading` or `follow` that calls `disturb` in place of the fourth step."""

    def wrapped(work: StepWork, *more):
        steps = 0

        def step():
            nonlocal steps
            steps += 1
            return disturb() if steps == 4 else work.step()

        return usual(StepWork(**{**vars(work), "step": step}), *more)

    return wrapped


def dies():
    os.kill(os.getpid(), signal.SIGKILL)


def fails():
    raise RuntimeError("on purpose")


if here and name in ("dies", "fails"):
    for wrapped in ("leading", "follow"):
        usual = getattr(lockstep, wrapped)
        setattr(lockstep, wrapped, disturbed_after_three_steps(usual, {"dies": dies, "fails": fails}[name]))
elif name == "all_cpus":
    rank.settle = lambda: None
elif name == "same_part":
    from runners.reference import scaling

    def first_part(request):
        size = request.case.images_a_step // request.rank.count
        return tuple(array[:size] for array in scaling.shared_batch(request))

    scaling.own_part = first_part
elif name == "summed" and rank.VARIABLE in os.environ:
    if sys.orig_argv[2] == "runners.pytorch":
        from torch import distributed
        from torch.nn import parallel

        class Summed(parallel.DistributedDataParallel):
            """The gradients are added, and not divided by the number of processes."""

            def __init__(self, *arguments, **options):
                super().__init__(*arguments, **options)
                self.register_comm_hook(None, added)

        def added(_, bucket):
            exchange = distributed.all_reduce(bucket.buffer(), async_op=True).get_future()
            return exchange.then(lambda done: done.value()[0])

        parallel.DistributedDataParallel = Summed
    else:
        from keras.src.losses import loss

        loss.scale_loss_for_distribution = lambda value: value
