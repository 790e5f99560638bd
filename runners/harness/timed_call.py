"""Times calls that a loader's library makes, such as the stages of its pipeline."""

from collections.abc import Callable
from typing import Any

from runners.harness.clock import now_ns


class TimedCall:
    """A function that reports the duration of each call in ns. It can be sent to another process."""

    def __init__(
        self, function: Callable[..., Any], report: Callable[[int], object], clock: Callable[[], int] = now_ns
    ) -> None:
        self._function, self._report, self._clock = function, report, clock

    def __call__(self, *arguments: Any) -> Any:
        began = self._clock()
        result = self._function(*arguments)
        self._report(self._clock() - began)
        return result
