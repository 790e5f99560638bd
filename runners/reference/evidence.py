"""Builds the work of `train` and `infer`, evidence included, from a few functions that a framework supplies."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.harness.agreement import LOSS_STEPS
from runners.harness.faults import is_out_of_memory
from runners.harness.memory import enough_for_float64
from runners.harness.record import Check
from runners.harness.workload import Invalid, Request, Seen, Stage, StepWork
from runners.reference.batch import REFERENCE_IMAGES, images, shared_batch
from runners.reference.cost import step_cost
from runners.reference.layers import CLASSES, layers
from runners.reference.sketch import sketch
from runners.reference.weights import Array, digest, weights

COMPARED_LOSSES = max(LOSS_STEPS) + 1

Images64 = NDArray[np.float64]
Logits = Callable[[Array], NDArray[Any]]
"""Maps N × 3 × side × side images in float32 to N × classes logits, in any type that numpy can read."""
Double = Callable[[Images64, NDArray[np.int64], int, Images64], tuple[list[float], NDArray[Any]]]
"""double(images, labels, steps, others) trains a fresh model in float64 for `steps` steps on one batch.

It returns the loss before each step, and the trained model's logits of `others` in evaluation mode. It must follow Adam
exactly (Kingma and Ba 2015, algorithm 1), and batch norms must keep the biased variance of a batch, so that frameworks
differ by rounding alone.
"""


def inference(
    request: Request,
    *,
    step: Callable[[], object],
    synchronize: Callable[[], None],
    logits: Logits,
    parameters: Mapping[str, int],
    seen: Callable[[], Seen],
    stages: Mapping[str, Stage] | None = None,
    close: Callable[[], None] = lambda: None,
) -> StepWork:
    """The work of `infer`. Only `step` is timed: one forward pass in evaluation mode.

    `logits` runs the code of `step`, compiled code included, on other images; it gets as many images as a batch has.
    `parameters` gives the number of elements of every array that the model holds, by the name of the shared weight.
    Raises Invalid.
    """
    case = request.case
    assert_parameters(case.network, CLASSES[case.network], parameters)

    def check() -> Check:
        reference = images(case.seed, max(case.batch_size, REFERENCE_IMAGES), case.input_size)
        found = in_timed_shape(logits, reference, case.batch_size)
        return model_check(request, CLASSES[case.network], parameters, found)

    return step_work(request, step, synchronize, check, seen, stages, close)


def in_timed_shape(logits: Logits, reference: Array, batch_size: int) -> NDArray[np.float64]:
    """The logits of the reference batch, which `reference` begins with.

    They are computed a batch at a time, because another shape would be compiled again.
    """
    parts = np.split(reference, len(reference) // batch_size)
    return np.concatenate([np.asarray(logits(part), np.float64) for part in parts])[:REFERENCE_IMAGES]


def training(
    request: Request,
    *,
    step: Callable[[], Any],
    synchronize: Callable[[], None],
    logits: Logits,
    double: Double,
    parameters: Mapping[str, int],
    seen: Callable[[], Seen],
    stages: Mapping[str, Stage] | None = None,
    close: Callable[[], None] = lambda: None,
) -> StepWork:
    """The work of `train`. Only `step` is timed: one optimiser step.

    `step` returns the loss before the update as a value of the framework, which is read after the clock: reading it
    within the step would wait for the device. `logits` are computed by a fresh model with the shared weights, in
    evaluation mode and in the case's precision. For `double` see Double, for `parameters` see `inference`. Raises
    Invalid.
    """
    case, classes = request.case, CLASSES[request.case.network]
    assert_parameters(case.network, classes, parameters)
    recorded = Recorded(step, seen)

    def check() -> Check:
        values = recorded.losses()
        evidence = training_check(request, classes, parameters, logits, double, values[:COMPARED_LOSSES])
        return replace(evidence, loss_first=values[0], loss_last=values[-1])

    return step_work(request, recorded.step, synchronize, check, recorded.seen, stages, close)


class Recorded:
    """A training step that keeps the first losses and the latest, in the framework's own values."""

    def __init__(self, step: Callable[[], Any], seen: Callable[[], Seen]) -> None:
        self._step, self._seen = step, seen
        self._losses: list[Any] = []

    def step(self) -> None:
        """The step."""
        self._losses[COMPARED_LOSSES:] = [self._step()]

    def seen(self) -> Seen:
        """The settings in effect; first the missing steps, because `seen` may take a step whose loss is not kept."""
        self._complete()
        return self._seen()

    def losses(self) -> list[float]:
        """The loss before each of the first steps, then the latest."""
        self._complete()
        return [float(loss) for loss in self._losses]

    def _complete(self) -> None:
        while len(self._losses) < COMPARED_LOSSES:
            self.step()


def training_check(
    request: Request,
    classes: int,
    parameters: Mapping[str, int],
    logits: Logits,
    double: Double,
    losses: list[float],
) -> Check:
    """The evidence of a training: logits of a fresh model, the first losses, and a run in float64."""
    case = request.case
    reference = images(case.seed, REFERENCE_IMAGES, case.input_size)
    check = model_check(request, classes, parameters, np.asarray(logits(reference), np.float64))
    losses_fp64, evaluated_fp64 = _run_in_float64(request, classes, double, reference)
    return replace(check, losses=losses, losses_fp64=losses_fp64, evaluated_fp64=evaluated_fp64)


def shared_sizes(network: str, classes: int) -> dict[str, int]:
    """The number of elements of each shared weight, by name."""
    return {f"{layer.name}.{part}": size for layer in layers(network, classes) for part, size in layer.sizes.items()}


def assert_parameters(network: str, classes: int, found: Mapping[str, int]) -> None:
    """Raise Invalid unless the model holds exactly the shared weights, each in its size."""
    wanted = shared_sizes(network, classes)
    if one_sided := sorted(set(found) ^ set(wanted)):
        raise Invalid("PARAMETERS", f"parameters that only one side has: {', '.join(one_sided[:6])}")
    for name, size in wanted.items():
        if found[name] != size:
            raise Invalid("PARAMETERS", f"{name} has {found[name]} elements, the reference {size}")


def model_check(request: Request, classes: int, parameters: Mapping[str, int], logits: NDArray[np.float64]) -> Check:
    """The evidence of a model: its parameters, and the logits of the reference batch."""
    case = request.case
    statistics = sum(size for name, size in parameters.items() if name.endswith((".mean", ".var")))
    return Check(
        trainable=sum(parameters.values()) - statistics,
        non_trainable=statistics,
        weights_digest=digest(weights(case.network, case.seed, classes)),
        logits_sketch=sketch(logits),
    )


def _run_in_float64(
    request: Request, classes: int, double: Double, reference: Array
) -> tuple[list[float] | None, list[float] | None]:
    """The first losses in float64, and a sketch of the logits afterwards; None for both if memory does not suffice."""
    if request.case.device == "cpu" and not enough_for_float64():
        return None, None
    try:
        batch, targets = shared_batch(request, classes)
        losses, logits = double(batch.astype(np.float64), targets, COMPARED_LOSSES, reference.astype(np.float64))
    except Exception as error:
        if is_out_of_memory(request.competitor.framework, error):
            return None, None
        raise
    return losses, sketch(logits)


def step_work(
    request: Request,
    step: Callable[[], object],
    synchronize: Callable[[], None],
    check: Callable[[], Check],
    seen: Callable[[], Seen],
    stages: Mapping[str, Stage] | None,
    close: Callable[[], None],
) -> StepWork:
    """The work of the request's case, with its images and its cost."""
    case = request.case
    cost = step_cost(case.workload, case.network, case.input_size, case.images_a_step, case.precision)
    return StepWork(
        step=step,
        synchronize=synchronize,
        items=case.images_a_step,
        check=check,
        seen=seen,
        close=close,
        flops=cost.flops,
        bytes=cost.bytes,
        stages=stages or {},
    )
