"""One fixed piece of work, timed on either side of the window: did the machine itself become faster or slower?"""

from runners.harness.clock import now_ns

SIZE = 20
REPETITIONS = 5
_ROWS = [[float(row * SIZE + column) for column in range(SIZE)] for row in range(SIZE)]
_COLUMNS = [list(column) for column in zip(*_ROWS, strict=True)]


def fastest_ns() -> int:
    """The shortest of several times of one matrix product in plain Python, which no library can change."""
    return min(_once_ns() for _ in range(REPETITIONS))


def _once_ns() -> int:
    began = now_ns()
    for row in _ROWS:
        for column in _COLUMNS:
            sum(a * b for a, b in zip(row, column, strict=True))
    return now_ns() - began
