"""Did two replicates of one case do the same work? Their checks alone decide.

The launcher asks before it spends more blocks on a case, the aggregator before it compares competitors.
"""

import math
from collections.abc import Mapping, Sequence

from runners.harness.case import OWN_MODEL
from runners.harness.record import Check, DeliveredImages

LOGITS_TOLERANCE = {"fp32": 1e-4, "tf32": 2e-2, "bf16": 2e-2, "fp16": 2e-2}
LOSS_TOLERANCE = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 2e-2, "fp16": 2e-2}
FP64_TOLERANCE = 1e-5
"""The relative tolerance between the float64 runs of two frameworks, which differ by rounding alone."""
GRADIENT_TOLERANCE = 1e-5
"""The relative tolerance between the gradient of several processes and of one process, in float32."""
LOSS_STEPS = (1, 3)
"""The loss is compared after this many optimiser steps from the shared weights."""
WIDEST_LOSS_TOLERANCE: Mapping[str, Mapping[int, float]] = {
    "fp32": {1: 1e-2, 3: 5e-2},
    "tf32": {1: 1e-2, 3: 1e-1},
    "bf16": {1: 2e-2, 3: 1e-1},
    "fp16": {1: 2e-2, 3: 1e-1},
}
"""The upper limit of the loss tolerance, by precision and number of steps.

The float64 run does not execute the timed step, so a mistake in the timed step would widen its own tolerance without
a limit. The largest differences between correct frameworks were 2e-3 after one step (VGG16; ResNet-50 9e-4; Keras's ε
is part of it) and 2e-2 after three steps. A learning rate that is a tenth too high makes 6e-1 for VGG16."""

IMAGES_TOLERANCE = 4.0
"""The mean absolute difference between two sides' pixels of an image, of 255: either may differ by 2 from the reference
(runners/reference/pixels.py)."""

_MODEL = ("trainable", "non_trainable", "weights_digest", "logits_sketch")
_PIXELS = ("delivered_items", "pixel_mean_difference", "pixel_worst_image")
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "infer": _MODEL,
    OWN_MODEL: ("logits_sketch",),
    "roof": ("logits_sketch",),
    "train": (*_MODEL, "losses"),
    "scale": (*_MODEL, "losses", "gradient_difference"),
    "export": (*_MODEL, "file_bytes", "export_difference"),
    "load": _PIXELS,
    "fit": (*_MODEL, "losses", *_PIXELS, "accuracy", "accuracy_restored"),
}
"""The evidence that a comparison requires, by `Case.evidence`. For other workloads no evidence is required."""


def disagreement(left: Check, right: Check, precision: str, evidence: str) -> str | None:
    """One sentence on why the two checks do not show the same work, or None if they do."""
    for name in ("trainable", "non_trainable", "weights_digest", "delivered_items"):
        ours, theirs = getattr(left, name), getattr(right, name)
        if ours is not None and theirs is not None and ours != theirs:
            return f"{_words(name)} differs: {ours} and {theirs}"
    reason = (
        _logits_disagreement(left, right, precision)
        or _loss_disagreement(left, right, precision)
        or _images_disagreement(left.images, right.images)
    )
    return reason or _missing(left, right, REQUIRED.get(evidence, ()))


def relative_error(left: Sequence[float], right: Sequence[float]) -> float:
    """‖left − right‖ / ‖right‖; infinite if the lengths differ or `right` is empty or zero."""
    size = math.hypot(*right)
    if len(left) != len(right) or size == 0:
        return math.inf
    return math.hypot(*(a - b for a, b in zip(left, right, strict=True))) / size


def loss_tolerance(left: Check, right: Check, step: int, precision: str) -> float:
    """The relative tolerance of the loss after `step` steps.

    It is the precision's tolerance (1e-3 in float32), or, if that is more, ten times the distance of either framework
    from its own float64 run, up to WIDEST_LOSS_TOLERANCE.
    """
    distances = [
        abs(check.losses[step] - check.losses_fp64[step]) / abs(check.losses_fp64[step])
        for check in (left, right)
        if check.losses and check.losses_fp64 and len(check.losses_fp64) > step and check.losses_fp64[step]
    ]
    wanted = max([LOSS_TOLERANCE[precision], *(10 * distance for distance in distances)])
    return min(WIDEST_LOSS_TOLERANCE[precision][step], wanted)


def _logits_disagreement(left: Check, right: Check, precision: str) -> str | None:
    if left.logits_sketch and right.logits_sketch:
        if precision not in LOGITS_TOLERANCE:
            return f"there is no tolerance for precision {precision}"
        error, allowed = relative_error(left.logits_sketch, right.logits_sketch), LOGITS_TOLERANCE[precision]
        if not error <= allowed:
            return f"logits of the reference batch differ by {error:.1e}, allowed {allowed:.0e}"
    if left.evaluated_fp64 and right.evaluated_fp64:
        error = relative_error(left.evaluated_fp64, right.evaluated_fp64)
        if not error <= FP64_TOLERANCE:
            return f"logits after training in float64 differ by {error:.1e}, allowed {FP64_TOLERANCE:.0e}"
    return None


def _loss_disagreement(left: Check, right: Check, precision: str) -> str | None:
    pairs = [("loss", left.losses, right.losses), ("loss in float64", left.losses_fp64, right.losses_fp64)]
    for name, ours, theirs in pairs:
        if not (ours and theirs):
            continue
        if min(len(ours), len(theirs)) <= max(LOSS_STEPS):
            return f"{name}: {max(LOSS_STEPS) + 1} steps are needed, one side has fewer"
        for step in LOSS_STEPS:
            allowed = loss_tolerance(left, right, step, precision) if name == "loss" else FP64_TOLERANCE
            if not abs(ours[step] - theirs[step]) <= allowed * abs(theirs[step]):
                numbers = f"{ours[step]:.6g} and {theirs[step]:.6g}, allowed {allowed:.1e}"
                return f"{name} after {step} optimiser steps differs: {numbers}"
    return None


def _images_disagreement(left: DeliveredImages | None, right: DeliveredImages | None) -> str | None:
    """Why the images that two sides trained on differ, or None. Records before version 12 keep no images."""
    if left is None and right is None:
        return None
    if left is None or right is None:
        return "a record holds no evidence of its images"
    if (left.side, left.positions) != (right.side, right.positions):
        return f"the training images shown differ: {left.positions} and {right.positions}"
    ours, theirs = _upright(left), _upright(right)
    size = 3 * left.side**2
    for number, position in enumerate(left.positions):
        pairs = zip(ours[number * size :][:size], theirs[number * size :][:size], strict=True)
        difference = sum(abs(one - other) for one, other in pairs) / size
        if difference > IMAGES_TOLERANCE:
            return (
                f"pixels of training image {position} differ by {difference:.1f} of 255, allowed {IMAGES_TOLERANCE:g}"
            )
    return None


def _upright(images: DeliveredImages) -> bytes:
    """The pixels with every flip undone."""
    row, pixels, upright = 3 * images.side, images.pixels, []
    for number, flip in enumerate(images.flips):
        first = number * row * images.side
        rows = [pixels[start : start + row] for start in range(first, first + row * images.side, row)]
        if flip in ("upside-down", "both"):
            rows.reverse()
        if flip in ("left-right", "both"):
            rows = [b"".join(line[start : start + 3] for start in range(row - 3, -1, -3)) for line in rows]
        upright += rows
    return b"".join(upright)


def _missing(left: Check, right: Check, required: Sequence[str]) -> str | None:
    for name in required:
        if getattr(left, name) in (None, []) or getattr(right, name) in (None, []):
            return f"a record holds no evidence of its {_words(name)}"
    return None


def _words(name: str) -> str:
    return name.replace("_", " ")
