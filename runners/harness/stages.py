"""Times `fit` stage by stage: load, build, train, save, restore, evaluate."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runners.harness.clock import now_ns
from runners.harness.record import Epoch
from runners.harness.workload import FitWork


@dataclass(frozen=True)
class Fitted:
    """Stage times in ns, and an entry of history an epoch."""

    stage_ns: dict[str, int]
    history: list[Epoch]


def time_stages(work: FitWork, epochs: int, scratch: Path, clock: Callable[[], int] = now_ns) -> Fitted:
    """Run a whole training once. `train` is the sum of its epochs, since nothing happens between them."""
    stage_ns: dict[str, int] = {}

    def timed(stage: str, verb: Callable[[], object]) -> object:
        began = clock()
        result = verb()
        stage_ns[stage] = clock() - began
        return result

    timed("load", work.load)
    timed("build", work.build)
    history = []
    for epoch in range(epochs):
        began = clock()
        loss, accuracy = work.train_epoch(epoch)
        history.append(Epoch(epoch, loss, accuracy, clock() - began))
    stage_ns["train"] = sum(entry.seconds_ns for entry in history)
    saved = scratch / "model"
    timed("save", lambda: work.save(saved))
    timed("restore", lambda: work.restore(saved))
    timed("evaluate", work.evaluate)
    return Fitted(stage_ns, history)
