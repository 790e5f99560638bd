"""Says while a run goes on what it has found, with a line for each comparison."""

from collections.abc import Iterator, Mapping

from launcher.text import duration
from method.compare import Paired, ratio
from method.stopping import Look, Standing
from method.verdict import MOST_BLOCKS


def describe(standing: Standing, titles: Mapping[str, str], seconds_a_block: float) -> Iterator[str]:
    """`PyTorch (eager) is 1.30 times as fast as …; answered`, or the bounds and about how long the answer takes."""
    for look in standing.looks:
        if look.paired is not None and look.paired.low is not None:
            yield f"{_said(look, look.paired, titles)}; {_state(look, seconds_a_block)}"


def _said(look: Look, found: Paired, titles: Mapping[str, str]) -> str:
    """Ratios say how many times as fast: time of the slower by time of the faster."""
    fast, slow, turned = look.pair.left, look.pair.right, found
    if found.log_ratio < 0:
        fast, slow, turned = slow, fast, found.swapped()
    assert turned.low is not None
    assert turned.high is not None
    bounds = f"{ratio(turned.low):.2f} to {ratio(turned.high):.2f}"
    one, other = fast.called(titles), slow.called(titles)
    if look.named:
        return f"{one} is {ratio(turned.log_ratio):.2f} times as fast as {other} ({bounds})"
    return f"{one} is between {bounds.replace(' to ', ' and ')} times as fast as {other}"


def _state(look: Look, seconds_a_block: float) -> str:
    blocks = f"{look.paired.n if look.paired else 0} blocks"
    if look.named:
        return f"answered, {blocks}"
    if look.further == 0:
        return f"done without a winner, {blocks}"
    if look.further >= MOST_BLOCKS:
        return f"open, {blocks}"
    return f"open, {blocks}, about {duration(look.further * seconds_a_block)} more"
