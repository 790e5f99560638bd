"""Says while a run goes on what it has found, with a line for each comparison."""

from collections.abc import Iterator

from launcher.text import duration
from method.compare import Paired, ratio
from method.stopping import Look, Standing
from method.verdict import MOST_BLOCKS


def describe(standing: Standing, seconds_a_block: float) -> Iterator[str]:
    """`pytorch/eager is 1.30 times as fast as …: answered`, or the bounds and about how long the answer still takes."""
    for look in standing.looks:
        if look.paired is not None and look.paired.low is not None:
            yield f"{_said(look, look.paired)}; {_state(look, seconds_a_block)}"


def _said(look: Look, found: Paired) -> str:
    """Ratios say how many times as fast: time of the slower by time of the faster."""
    fast, slow, turned = look.pair.left, look.pair.right, found
    if found.log_ratio < 0:
        fast, slow, turned = slow, fast, found.swapped()
    assert turned.low is not None
    assert turned.high is not None
    bounds = f"{ratio(turned.low):.2f} to {ratio(turned.high):.2f}"
    if look.named:
        return f"{fast.label} is {ratio(turned.log_ratio):.2f} times as fast as {slow.label} ({bounds})"
    return f"{fast.label} is {bounds} times as fast as {slow.label}"


def _state(look: Look, seconds_a_block: float) -> str:
    blocks = f"{look.paired.n if look.paired else 0} blocks"
    if look.named:
        return f"answered, {blocks}"
    if look.further == 0:
        return f"done without a winner, {blocks}"
    if look.further >= MOST_BLOCKS:
        return f"open, {blocks}"
    return f"open, {blocks}, about {duration(look.further * seconds_a_block)} more"
