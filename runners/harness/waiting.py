"""How long a training loop waits for its data."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from runners.harness.clock import now_ns

Item = TypeVar("Item")


class Waiting:
    """Adds up the time that a loop waits for its next batch, or for the end of the data.

    On a GPU this time may cost nothing, because the GPU computes meanwhile.
    """

    def __init__(self, clock: Callable[[], int] = now_ns) -> None:
        self._clock = clock
        self._waited_ns = 0

    def watched(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items. The time to make the iterator counts as waiting: it starts a loader's workers."""
        began = self._clock()
        iterator = iter(items)
        for item in iterator:
            self._waited_ns += self._clock() - began
            yield item
            began = self._clock()
        self._waited_ns += self._clock() - began

    def taken(self) -> int:
        """Nanoseconds waited since the last call."""
        waited, self._waited_ns = self._waited_ns, 0
        return waited
