"""How long a training waits for its data."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from runners.harness.clock import now_ns

Item = TypeVar("Item")


class Waiting:
    """Adds up the time that a loop stands still until its next batch is there, the end of the data included.

    It is what the training loop sees: on a device that works beside the CPU, waiting may cost nothing.
    """

    def __init__(self, clock: Callable[[], int] = now_ns) -> None:
        self._clock = clock
        self._waited_ns = 0

    def watched(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items; making the iterator, which starts a loader's workers, is waiting too."""
        began = self._clock()
        iterator = iter(items)
        for item in iterator:
            self._waited_ns += self._clock() - began
            yield item
            began = self._clock()
        self._waited_ns += self._clock() - began

    def taken(self) -> int:
        """Nanoseconds since the last call."""
        waited, self._waited_ns = self._waited_ns, 0
        return waited
