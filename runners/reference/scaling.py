"""Builds the work of `scale`: a training step that several processes take together, with its evidence.

Batch norms use their stored statistics, and train only their scale and shift. In training mode they would use the
statistics of the images of their own process, so that N processes would compute something else than one process.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.harness.agreement import GRADIENT_TOLERANCE
from runners.harness.record import Check
from runners.harness.workload import Invalid, Request, Seen, StepWork
from runners.reference.batch import shared_batch
from runners.reference.evidence import (
    COMPARED_LOSSES,
    Double,
    Logits,
    Recorded,
    assert_parameters,
    step_work,
    training_check,
)
from runners.reference.layers import CLASSES
from runners.reference.weights import Array

Gradients = Mapping[str, NDArray[Any]]
"""An array for each trained array of the network."""


def own_part(request: Request) -> tuple[Array, NDArray[np.int64]]:
    """The images and labels of this process: its part of the whole batch."""
    return tuple(map(request.rank.share, shared_batch(request)))  # type: ignore[return-value]


def scaling(
    request: Request,
    *,
    step: Callable[[], Any],
    synchronize: Callable[[], None],
    gradients: Callable[[], Gradients],
    alone: Callable[[Array, NDArray[np.int64]], Gradients],
    whole: Callable[[list[float]], list[float]],
    logits: Logits,
    double: Double,
    parameters: Mapping[str, int],
    seen: Callable[[], Seen],
) -> StepWork:
    """The work of `scale`. Only `step` is timed: one optimiser step of all processes.

    `step` returns a loss; `whole` makes losses of the whole batch from such values, and all processes call it.
    `gradients` computes the gradients of the timed program at the shared weights, with its exchange between the
    processes; all of them call it. `alone` gives the gradients of these images at the shared weights, computed by this
    process without the others. `logits`, `double` and `parameters` are as in `training` of
    runners/reference/evidence.py. Raises Invalid.
    """
    classes = CLASSES[request.case.network]
    assert_parameters(request.case.network, classes, parameters)
    recorded = Recorded(step, seen)

    def check() -> Check:
        exchanged, values = gradients(), whole(recorded.losses())
        if request.rank.number:
            return Check()
        difference = largest_difference(exchanged, alone(*shared_batch(request)))
        if not difference <= GRADIENT_TOLERANCE:
            count = request.rank.count
            raise Invalid(
                "GRADIENTS",
                f"the mean gradient of {count} processes differs from the gradient of one process on the whole batch "
                f"by {difference:.1e}, allowed {GRADIENT_TOLERANCE:.0e}",
            )
        evidence = training_check(request, classes, parameters, logits, double, values[:COMPARED_LOSSES])
        return replace(evidence, loss_first=values[0], loss_last=values[-1], gradient_difference=difference)

    return step_work(request, recorded.step, synchronize, check, recorded.seen, None, lambda: None)


def largest_difference(found: Gradients, wanted: Gradients) -> float:
    """The largest ‖found − wanted‖ / ‖wanted‖ of the arrays. Raises Invalid if the arrays are not the same."""
    if sorted(found) != sorted(wanted):
        raise Invalid("GRADIENTS", "the processes exchange gradients of other arrays than one process computes")
    return max(_difference(np.asarray(found[name], np.float64), np.asarray(wanted[name], np.float64)) for name in found)


def _difference(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
