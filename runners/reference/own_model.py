"""Builds the work of `infer` for a user's own model from a few functions that a framework supplies."""

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np

from runners.harness.case import Case
from runners.harness.own_model import read_shape
from runners.harness.record import Check
from runners.harness.workload import Invalid, Request, Seen, Stage, StepWork, Unusable
from runners.reference.batch import REFERENCE_IMAGES
from runners.reference.evidence import Logits, in_timed_shape
from runners.reference.layout import nhwc
from runners.reference.sketch import sketch
from runners.reference.stream import normal, stream
from runners.reference.weights import Array

IMAGE = 3
"""The dimensions of an image: channels, height, width."""


def inputs(case: Case, count: int) -> Array:
    """`count` standard-normal inputs of the case's shape: count × the shape. Input n is the same for every `count`."""
    shape = read_shape(case.input_shape or "")
    batch = np.empty((count, *shape), np.float32)
    for number in range(count):
        source = stream(case.seed, f"input/{case.input_shape}/{number}")
        batch[number] = normal(source, math.prod(shape)).reshape(shape)
    return batch


def channels_last(batch: Array) -> Array:
    """Images with their channels last; other inputs as they are."""
    return nhwc(batch) if batch.ndim == IMAGE + 1 else batch


def inference(
    request: Request,
    *,
    step: Callable[[], object],
    synchronize: Callable[[], None],
    outputs: Logits,
    parameters: int | None,
    seen: Callable[[], Seen],
    layout: str,
    stages: Mapping[str, Stage] | None = None,
    close: Callable[[], None] = lambda: None,
) -> StepWork:
    """The work of `infer`. Only `step` is timed: one forward pass.

    `outputs` runs the code of `step` on other inputs; it gets as many inputs as a batch has, channels first. Nothing
    is stored to compare with, so the outputs of the frameworks are compared with each other. `layout` is the layout of
    a batch, if the inputs are images.
    """
    case = request.case

    def evaluated(part: Array) -> np.ndarray:
        found = np.asarray(outputs(part))
        if found.ndim == 0 or len(found) != len(part):
            raise Unusable(f"of {len(part)} inputs the model makes an output of the shape {found.shape}")
        return found

    def check() -> Check:
        found = in_timed_shape(evaluated, inputs(case, max(case.batch_size, REFERENCE_IMAGES)), case.batch_size)
        summary = sketch(found)
        if (found[0] == found[1]).all():
            raise Invalid("LOGITS", "the outputs of two different inputs are equal: the model ignores its input")
        return Check(parameters=parameters, logits_sketch=summary)

    def seen_with_layout() -> Seen:
        images = len(read_shape(case.input_shape or "")) == IMAGE
        return dataclasses.replace(seen(), layout=layout if images else None)

    return StepWork(
        step=step,
        synchronize=synchronize,
        items=case.batch_size,
        check=check,
        seen=seen_with_layout,
        close=close,
        stages=stages or {},
    )
