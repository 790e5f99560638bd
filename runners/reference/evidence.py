"""Makes `train` and `infer` of the few functions that a framework supplies, with the evidence of the case's work."""

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
"""From N × 3 × side × side images in float32 to N × classes logits, in any type that numpy knows."""
Double = Callable[[Images64, NDArray[np.int64], int, Images64], tuple[list[float], NDArray[Any]]]
"""double(images, labels, steps, others): a fresh model trained so many steps in float64, on the one batch. Gives the
loss before each step, and the trained model's logits of other images in evaluation mode.

It follows Adam to the letter (Kingma and Ba 2015, algorithm 1), and batch norms keep the biased variance of a batch:
nothing but rounding is left to differ between frameworks.
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
    """`infer`: `step` is one forward pass in evaluation mode, and all that is timed.

    `logits` does what `step` does, with the same compiled code, for as many images as a batch has. `parameters` gives
    the number of elements of every array that the model holds, by its shared weight's name. Raises Invalid.
    """
    case = request.case
    assert_parameters(case.network, CLASSES[case.network], parameters)

    def check() -> Check:
        # In the shape that was timed: another would compile anew.
        reference = images(case.seed, max(case.batch_size, REFERENCE_IMAGES), case.input_size)
        parts = np.split(reference, len(reference) // case.batch_size)
        found = np.concatenate([np.asarray(logits(part), np.float64) for part in parts])
        return _of_model(request, CLASSES[case.network], parameters, found[:REFERENCE_IMAGES])

    return _step_work(request, step, synchronize, check, seen, stages, close)


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
    """`train`: `step` is one optimiser step, and all that is timed. It gives the loss before the update, as a number of
    the framework's that is read later: to read it at once would wait for the device.

    `logits` are those of a fresh model with the shared weights, in evaluation mode and in the case's precision.
    `double` and `parameters`: see above. Raises Invalid.
    """
    case, classes = request.case, CLASSES[request.case.network]
    assert_parameters(case.network, classes, parameters)
    losses: list[Any] = []

    def noting_step() -> None:
        losses[COMPARED_LOSSES:] = [step()]  # the first four, then the latest

    def complete() -> None:
        while len(losses) < COMPARED_LOSSES:
            noting_step()

    def seen_afterwards() -> Seen:
        complete()  # to look at what was in effect may cost a further step, which would be missing from the losses
        return seen()

    def check() -> Check:
        complete()
        told = [float(loss) for loss in losses]
        evidence = of_training(request, classes, parameters, logits, double, told[:COMPARED_LOSSES])
        return replace(evidence, loss_first=told[0], loss_last=told[-1])

    return _step_work(request, noting_step, synchronize, check, seen_afterwards, stages, close)


def of_training(
    request: Request,
    classes: int,
    parameters: Mapping[str, int],
    logits: Logits,
    double: Double,
    losses: list[float],
) -> Check:
    """What shows that a training was the case's: a fresh model's logits, the first losses, and a run in float64."""
    case = request.case
    reference = images(case.seed, REFERENCE_IMAGES, case.input_size)
    model = _of_model(request, classes, parameters, np.asarray(logits(reference), np.float64))
    in_double = _in_double(request, classes, double, reference)
    return replace(model, losses=losses, losses_fp64=in_double[0], evaluated_fp64=in_double[1])


def shared_sizes(network: str, classes: int) -> dict[str, int]:
    """How many numbers each of the shared weights has, by name."""
    return {f"{layer.name}.{part}": size for layer in layers(network, classes) for part, size in layer.sizes.items()}


def assert_parameters(network: str, classes: int, found: Mapping[str, int]) -> None:
    """Raise Invalid unless the model holds the shared weights and nothing else, each in its size."""
    wanted = shared_sizes(network, classes)
    if one_sided := sorted(set(found) ^ set(wanted)):
        raise Invalid("PARAMETERS", f"parameters that only one side has: {', '.join(one_sided[:6])}")
    for name, size in wanted.items():
        if found[name] != size:
            raise Invalid("PARAMETERS", f"{name} has {found[name]} elements, the reference {size}")


def _of_model(request: Request, classes: int, parameters: Mapping[str, int], logits: NDArray[np.float64]) -> Check:
    case = request.case
    statistics = sum(size for name, size in parameters.items() if name.endswith((".mean", ".var")))
    return Check(
        trainable=sum(parameters.values()) - statistics,
        non_trainable=statistics,
        weights_digest=digest(weights(case.network, case.seed, classes)),
        logits_sketch=sketch(logits),
    )


def _in_double(
    request: Request, classes: int, double: Double, reference: Array
) -> tuple[list[float] | None, list[float] | None]:
    """(the first losses in float64, a sketch of the logits afterwards); None for both where memory does not suffice."""
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


def _step_work(
    request: Request,
    step: Callable[[], object],
    synchronize: Callable[[], None],
    check: Callable[[], Check],
    seen: Callable[[], Seen],
    stages: Mapping[str, Stage] | None,
    close: Callable[[], None],
) -> StepWork:
    case = request.case
    cost = step_cost(case.workload, case.network, case.input_size, case.batch_size, case.precision)
    return StepWork(
        step=step,
        synchronize=synchronize,
        items=case.batch_size,
        check=check,
        seen=seen,
        close=close,
        flops=cost.flops,
        bytes=cost.bytes,
        stages=stages or {},
    )
