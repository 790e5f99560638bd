"""Did two replicates of one case do the same work? Read from their checks alone.

The launcher asks before it spends further blocks on a case, the aggregator before it ranks anyone.
"""

import math
from collections.abc import Sequence

from runners.harness.record import Check

LOGITS_TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2, "fp16": 2e-2}
LOSS_TOLERANCE = 1e-3
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
    if not (left.losses and right.losses):
        return None
    if min(len(left.losses), len(right.losses)) <= max(LOSS_STEPS):
        return f"losses of the first {max(LOSS_STEPS) + 1} steps are needed, one side has fewer"
    for step in LOSS_STEPS:
        ours, theirs = left.losses[step], right.losses[step]
        allowed = loss_tolerance(left, right, step)
        if not abs(ours - theirs) <= allowed * abs(theirs):
            return f"loss after {step} optimiser steps differs: {ours:.6g} and {theirs:.6g}, allowed {allowed:.1e}"
    return None
