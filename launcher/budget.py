"""The time that a run may spend on measuring: `BUDGET=30m`."""

import re

from launcher.errors import UsageError

_FORM = re.compile("".join(rf"(?:(\d{{1,6}}(?:\.\d+)?){unit})?" for unit in "hms"), re.ASCII)


def seconds(text: str) -> float | None:
    """`90s`, `30m`, `1.5h`, `1h30m` in seconds; None for nothing. Anything else is a UsageError."""
    if not text:
        return None
    parts = _FORM.fullmatch(text.lower())
    hours, minutes, rest = (float(part or 0) for part in parts.groups()) if parts else (0.0, 0.0, 0.0)
    total = hours * 3600 + minutes * 60 + rest
    if total <= 0:
        raise UsageError(f"--budget {text!r}: a time like 90s, 30m, 2h or 1h30m")
    return total


class Budget:
    """What is left of it: replicates and pilots count, from start to end; what was cut off does not.

    One that does not `cut_planned` blocks bounds only those that are added to them.
    """

    def __init__(self, total: float | None, spent: float = 0.0, cuts_planned: bool = True) -> None:
        self.total, self.spent, self.cuts_planned = total, spent, cuts_planned

    def spend(self, seconds: float) -> None:
        """A replicate took this long."""
        self.spent += seconds

    @property
    def left(self) -> float | None:
        """Seconds left, at least 0; None where nothing bounds the run."""
        return None if self.total is None else max(0.0, self.total - self.spent)

    def allows(self, seconds: float) -> bool:
        """Whether what is expected to take this long still fits."""
        return self.left is None or seconds <= self.left
