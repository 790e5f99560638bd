"""A clock around calls that a runner does not make itself: those of a loader's own stages."""

from collections.abc import Callable
from typing import Any

from runners.harness.clock import now_ns


class TimedCall:
    """A function that says after each call how many ns it took. It can be sent to another process."""

    def __init__(
        self, function: Callable[..., Any], told: Callable[[int], object], clock: Callable[[], int] = now_ns
    ) -> None:
        self._function, self._told, self._clock = function, told, clock

    def __call__(self, *given: Any) -> Any:
        began = self._clock()
        result = self._function(*given)
        self._told(self._clock() - began)
        return result
