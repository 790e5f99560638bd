"""Axes: their ends, the values that have labels, and where a value is."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from aggregator.report.model import Interval

MOST_TICKS = 5


class Axis(NamedTuple):
    """The ends of an axis, and the values that have labels."""

    low: float
    high: float
    ticks: tuple[float, ...] = ()
    is_log: bool = False

    def place(self, value: float, length: float = 100.0) -> float:
        """Where a value is on an axis of that length; a value beyond an end is at that end."""
        value = min(max(value, self.low), self.high)
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low) * length
        return (value - self.low) / (self.high - self.low) * length

    def interval(self, low: float, middle: float, high: float) -> Interval:
        """An interval and its middle, in per cent of the axis."""
        left, right = self.place(low), self.place(high)
        return Interval(f"{left:.1f}", f"{right - left:.1f}", f"{self.place(middle):.1f}")


def amounts(values: Sequence[float]) -> Axis:
    """An axis from 0 to a round number above all values."""
    high = max(values, default=0.0) or 1.0
    steps = [digit * 10.0 ** (math.floor(math.log10(high)) - 1) for digit in (1, 2, 2.5, 5, 10, 20)]
    step = next(step for step in steps if math.ceil(high / step - 1e-9) <= MOST_TICKS)
    count = math.ceil(high / step - 1e-9)
    return Axis(0.0, count * step, tuple(round(step * index, 12) for index in range(count + 1)))


def ratios(values: Sequence[float]) -> Axis:
    """A logarithmic axis around all values and 1, with a label at 1."""
    found = logarithmic([1.0, *values])
    if found.high / found.low > 2.2:
        return found
    widths = [digit * 10.0**power for power in (-3, -2, -1) for digit in (1, 2, 5)]
    step = next(width for width in widths if (found.high - found.low) / width <= MOST_TICKS)
    near = [round(1 + step * index, 6) for index in range(-MOST_TICKS, MOST_TICKS + 1)]
    return found._replace(ticks=tuple(value for value in near if found.low <= value <= found.high))


def logarithmic(values: Sequence[float], margin: float = 0.03) -> Axis:
    """A logarithmic axis around all values, with this share of their distance as a margin at both ends."""
    room = max((max(values) / min(values)) ** margin, 1.002)
    low, high = min(values) / room, max(values) * room
    digits = (1, 1.5, 2, 3, 5, 7) if high / low < 5 else (1, 2, 5) if high / low < 200 else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    found = [round(digit * 10.0**decade, 9) for decade in decades for digit in digits]
    return Axis(low, high, tuple(value for value in found if low <= value <= high), is_log=True)
