"""What comparing BASE with HEAD came to, ready to be printed."""

from dataclasses import dataclass

from aggregator.report.model import Table


@dataclass(frozen=True)
class Findings:
    """`said` stands before the table and `reading` after it, both in Markdown and in words of this project alone.

    `regressions` counts what the gate fails on; `untested` is a gate in which no comparison came to a test.
    """

    said: tuple[str, ...]
    table: Table
    reading: tuple[str, ...]
    regressions: int = 0
    untested: bool = False
