"""Notes under a table, numbered in the order in which its rows first need them."""


class Footnotes:
    """Numbers the notes of one table; the same reason has one number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, text: str) -> tuple[int, ...]:
        """The number of this note, as a cell or line carries it; nothing for an empty one."""
        return (self._numbers.setdefault(text, len(self._numbers) + 1),) if text else ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The notes in the order of their numbers."""
        return tuple(self._numbers)
