"""Times `fit` stage by stage: load, build, train, save, restore, evaluate, and further formats of the saved model."""

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runners.harness.clock import now_ns
from runners.harness.record import Epoch
from runners.harness.workload import FitWork, Invalid, Unsupported

FULL = "the model could not be saved (is the disk of {} full?):"
CUT_OFF = "the saved model cannot be read back (was its file changed or cut off?):"


@dataclass(frozen=True)
class Fitted:
    """The times of the stages in ns, and one history entry for each epoch."""

    stage_ns: dict[str, int]
    history: list[Epoch]


def time_stages(
    work: FitWork, epochs: int, scratch: Path, test_each_epoch: bool = False, clock: Callable[[], int] = now_ns
) -> Fitted:
    """Run a whole training once. The stage `train` is the sum of its epochs, without the tests between them."""
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
        passed = work.train_epoch(epoch)
        took = clock() - began
        test_loss, test_accuracy = work.evaluate() if test_each_epoch else (None, None)
        history.append(Epoch(epoch, passed.loss, passed.accuracy, took, passed.waited_ns, test_loss, test_accuracy))
    stage_ns["train"] = sum(entry.seconds_ns for entry in history)
    saved = scratch / "model"
    timed("save", lambda: _explained("SAVE", FULL.format(tempfile.gettempdir()), lambda: work.save(saved)))
    timed("restore", lambda: _explained("RESTORE", CUT_OFF, lambda: work.restore(saved)))
    timed("evaluate", work.evaluate)
    return Fitted(stage_ns, history)


def time_further(work: FitWork, scratch: Path, clock: Callable[[], int] = now_ns) -> dict[str, int]:
    """Save and restore the trained model in each further format. Returns ns by stage: `save pt2`, `restore pt2`."""
    stage_ns = {}
    for name, form in work.further.items():
        path = scratch / "further"
        for stage, verb, kind, explanation in (
            ("save", form.save, "SAVE", FULL.format(tempfile.gettempdir())),
            ("restore", form.restore, "RESTORE", CUT_OFF),
        ):
            began = clock()
            _explained(kind, explanation, functools.partial(verb, path))
            stage_ns[f"{stage} {name}"] = clock() - began
    return stage_ns


def _explained(kind: str, explanation: str, verb: Callable[[], None]) -> None:
    """Call `verb`, and put an explanation before the message of any error.

    Frameworks raise different errors for a full disk or a broken file. The error stays as the cause, since it may say
    that memory is full (runners/harness/faults.py).
    """
    try:
        verb()
    except (Invalid, Unsupported, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise Invalid(kind, f"{explanation} {reason}") from error
