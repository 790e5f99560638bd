"""Did two replicates of one case do the same work? Read from their checks alone.

The launcher asks before it spends further blocks on a case, the aggregator before it ranks anyone.
"""

import math
from collections.abc import Sequence

from runners.harness.record import Check

LOGITS_TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2, "fp16": 2e-2}
LOSS_TOLERANCE = 1e-3
FP64_TOLERANCE = 1e-5
"""Between the float64 runs of two frameworks, which differ by rounding alone: the sharpest gate there is."""
LOSS_STEPS = (1, 3)
"""The loss is compared after this many optimiser steps from the shared weights."""


def disagreement(left: Check, right: Check, precision: str) -> str | None:
    """Why the two did not do the same work, in one sentence, or None where every evidence both have agrees."""
    for name in ("trainable", "non_trainable", "weights_digest", "delivered_items"):
        ours, theirs = getattr(left, name), getattr(right, name)
        if ours is not None and theirs is not None and ours != theirs:
            return f"{name.replace('_', ' ')} differs: {ours} and {theirs}"
    if left.logits_sketch and right.logits_sketch:
        error = relative_error(left.logits_sketch, right.logits_sketch)
        if precision not in LOGITS_TOLERANCE:
            return f"no tolerance is known for precision {precision}"
        allowed = LOGITS_TOLERANCE[precision]
        if not error <= allowed:
            return f"logits of the reference batch differ by {error:.1e}, allowed {allowed:.0e}"
    return _loss_disagreement(left, right)


def relative_error(left: Sequence[float], right: Sequence[float]) -> float:
    """‖left − right‖ / ‖right‖, infinite where the lengths differ or nothing is there to compare with."""
    size = math.hypot(*right)
    if len(left) != len(right) or size == 0:
        return math.inf
    return math.hypot(*(a - b for a, b in zip(left, right, strict=True))) / size


def loss_tolerance(left: Check, right: Check, step: int) -> float:
    """The larger of 1e-3 and ten times what either framework differs from its own float64 run."""
    own = [
        abs(check.losses[step] - check.losses_fp64[step]) / abs(check.losses_fp64[step])
        for check in (left, right)
        if check.losses and check.losses_fp64 and len(check.losses_fp64) > step and check.losses_fp64[step]
    ]
    return max([LOSS_TOLERANCE, *(10 * difference for difference in own)])


def _loss_disagreement(left: Check, right: Check) -> str | None:
    pairs = [("loss", left.losses, right.losses), ("loss in float64", left.losses_fp64, right.losses_fp64)]
    for name, ours, theirs in pairs:
        if not (ours and theirs):
            continue
        if min(len(ours), len(theirs)) <= max(LOSS_STEPS):
            return f"{name}: {max(LOSS_STEPS) + 1} steps are needed, one side has fewer"
        for step in LOSS_STEPS:
            allowed = loss_tolerance(left, right, step) if name == "loss" else FP64_TOLERANCE
            if not abs(ours[step] - theirs[step]) <= allowed * abs(theirs[step]):
                numbers = f"{ours[step]:.6g} and {theirs[step]:.6g}, allowed {allowed:.1e}"
                return f"{name} after {step} optimiser steps differs: {numbers}"
    return None
