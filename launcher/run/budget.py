"""The time budget of a run."""


class Budget:
    """The time that a run may spend on replicates and pilots; a replicate that was cut off does not count.

    It bounds planned blocks only where it `cuts_planned`, else only the blocks that an adaptive run adds.
    """

    def __init__(self, total: float | None, spent: float = 0.0, cuts_planned: bool = True) -> None:
        self.total, self.spent, self.cuts_planned = total, spent, cuts_planned

    def spend(self, seconds: float) -> None:
        """A replicate took this long."""
        self.spent += seconds

    @property
    def left(self) -> float | None:
        """Seconds left; None where nothing bounds the run."""
        return None if self.total is None else max(0.0, self.total - self.spent)

    def allows(self, seconds: float) -> bool:
        """Whether there is room for so many seconds."""
        return self.left is None or seconds <= self.left
