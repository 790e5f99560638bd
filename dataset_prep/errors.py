"""What can go wrong here, each with the exit code that the person's shell sees."""


class PreparationError(Exception):
    """Nothing was prepared; the message says what happened, where, and what to do."""

    exit_code = 2


class BadInput(PreparationError):
    """What was asked for, or the data itself, cannot be used."""


class NotReady(PreparationError):
    """The machine, the network or the disk cannot do it now."""

    exit_code = 3
