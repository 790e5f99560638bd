"""Numbers as text: each with its unit, and with no more digits than its interval supports."""

import math
import statistics
from collections.abc import Sequence

from method.compare import Paired, ratio
from method.verdict import FEWEST_BLOCKS

TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
ENERGY_UNITS = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"))
BYTE_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))
DASH = "–"
FACTORS_APART = 4


def decimals(half_width: float) -> int:
    """The decimal place of the first digit of `half_width`: further digits mean nothing."""
    if half_width <= 0 or not math.isfinite(half_width):
        return 3
    return max(-9, min(6, math.ceil(-math.log10(half_width) - 1e-6)))


def rounded(value: float, places: int) -> str:
    """`value` to `places` decimals; negative places round to tens, hundreds …"""
    return f"{round(value, places):.{max(0, places)}f}"


def significant(value: float, digits: int) -> str:
    """`value` to so many significant digits."""
    if value == 0 or not math.isfinite(value):
        return "0"
    return rounded(value, digits - 1 - math.floor(math.log10(abs(value))))


def ratio_and_interval(value: float, low: float, high: float) -> tuple[str, str]:
    """("1.23", "1.19–1.27"), with the digits that the interval supports.

    If the bounds are factors apart, each number gets two significant digits: decimals would turn a small bound into 0.
    If a bound would be rounded to 1, all get one digit more, to show on which side of 1 the bound is.
    """
    if high > FACTORS_APART * low:
        return significant(value, 2), f"{significant(low, 2)}–{significant(high, 2)}"
    places = min(4, decimals((high - low) / 2))
    if places < 4 and any(end != 1 and round(end, places) == 1 for end in (low, high)):
        places += 1
    return rounded(value, places), f"{rounded(low, places)}–{rounded(high, places)}"


def ratio_of(pair: Paired | None) -> tuple[str, str]:
    """The ratio of two sides and its 95 % interval; both empty where there is no interval, or one of two blocks."""
    if pair is None or pair.low is None or pair.high is None or pair.n < FEWEST_BLOCKS:
        return "", ""
    return ratio_and_interval(ratio(pair.log_ratio), ratio(pair.low), ratio(pair.high))


def with_half_width(value: float, low: float, high: float, unit: str) -> str:
    """`44.6 ± 0.3 ms`; if the ends are factors apart, `40 (10–90) ms`."""
    half = (high - low) / 2
    if half <= 0:
        return f"{significant(value, 3)} {unit}"
    if 0 < FACTORS_APART * low < high:
        return f"{significant(value, 2)} ({significant(low, 2)}–{significant(high, 2)}) {unit}"
    places = decimals(half)
    return f"{rounded(value, places)} ± {rounded(half, places)} {unit}"


def time_unit(seconds: float) -> tuple[float, str]:
    """(divisor, name) of the unit in which `seconds` reads best."""
    return next(((size, name) for size, name in TIME_UNITS if seconds >= size), TIME_UNITS[-1])


def duration(seconds: float, low: float | None = None, high: float | None = None) -> str:
    """A time, with its half-width where an interval is known, else to two digits."""
    size, name = time_unit(seconds)
    if low is None or high is None:
        return f"{significant(seconds / size, 2)} {name}"
    return with_half_width(seconds / size, low / size, high / size, name)


def amount(value: float, unit: str, low: float | None = None, high: float | None = None) -> str:
    """`812 GFLOP`, `14.2 ± 0.1 GB/s`: with its half-width where an interval is known, else to three digits."""
    size, prefix = next(((size, prefix) for size, prefix in PREFIXES if value >= size), PREFIXES[-1])
    name = f"{prefix}{unit}"
    if low is None or high is None:
        return f"{significant(value / size, 3)} {name}"
    return with_half_width(value / size, low / size, high / size, name)


def middle_bytes(values: Sequence[float]) -> str:
    """Median of bytes, to three digits."""
    return bytes_range([statistics.median(values)]) if values else DASH


def duration_range(values: Sequence[float]) -> str:
    """Median with the lowest and highest: `1.2 s (1.1–1.4)`."""
    if not values:
        return DASH
    size, name = time_unit(statistics.median(values))
    return _range([value / size for value in values], name)


def bytes_range(values: Sequence[float]) -> str:
    """Median of bytes with the lowest and highest."""
    return _range_in(BYTE_UNITS, values)


def energy_range(values: Sequence[float]) -> str:
    """Median of joules with the lowest and highest."""
    return _range_in(ENERGY_UNITS, values)


def percent_range(values: Sequence[float]) -> str:
    """Median of fractions as per cent, with the lowest and highest."""
    return _range([value * 100 for value in values], "%") if values else DASH


def rate_range(values: Sequence[float]) -> str:
    """Median of images per second with the lowest and highest: `641/s (630–652)`."""
    return _range(values, "/s").replace(" /s", "/s") if values else DASH


def number_range(values: Sequence[float]) -> str:
    """Median of numbers without a unit, with the lowest and highest."""
    return _range(values, "") if values else DASH


def size(number: int) -> str:
    """A number of bytes, to three digits."""
    unit, name = next(((unit, name) for unit, name in BYTE_UNITS if number >= unit), BYTE_UNITS[-1])
    return f"{number / unit:.3g} {name}"


def percent(fraction: float, digits: int = 0) -> str:
    """`2 %`."""
    return f"{fraction * 100:.{digits}f} %"


def count(number: int, noun: str) -> str:
    """`1 case`, `2 cases`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _range_in(units: Sequence[tuple[float, str]], values: Sequence[float]) -> str:
    """The range in the largest unit that the median reaches."""
    if not values:
        return DASH
    middle = statistics.median(values)
    size, name = next(((size, name) for size, name in units if middle >= size), units[-1])
    return _range([value / size for value in values], name)


def _range(values: Sequence[float], unit: str) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    text = f"{significant(middle, 3)} {unit}".rstrip()
    return text if len(values) == 1 or low == high else f"{text} ({significant(low, 3)}–{significant(high, 3)})"
