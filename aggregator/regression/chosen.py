"""What BASE and HEAD name on the command line: a run, or one competitor of a run."""

from dataclasses import dataclass
from pathlib import Path

from aggregator.read.run_folder import CannotReport, find_run


@dataclass(frozen=True)
class Chosen:
    """A run's folder, and one competitor's label in it; None stands for all of them."""

    folder: Path
    competitor: str | None


def choose(argument: str) -> Chosen:
    """What `RUN` or `RUN:COMPETITOR` names; a path or a label may hold colons too. Raises CannotReport."""
    colons = [place for place, char in enumerate(argument) if char == ":"]
    for end in (len(argument), *reversed(colons)):
        try:
            return Chosen(find_run(argument[:end]).resolve(), argument[end + 1 :] or None)
        except CannotReport:
            continue
    return Chosen(find_run(argument.partition(":")[0]), None)


def refuse_unfit(base: Chosen, head: Chosen) -> None:
    """Raises CannotReport where the two cannot be compared, with what to ask instead."""
    if (base.competitor is None) != (head.competitor is None):
        raise CannotReport("name a competitor in both, RUN:ONE and RUN:OTHER, or in neither")
    if base == head:
        raise CannotReport("BASE and HEAD are the same; name two competitors of the run: RUN:ONE RUN:OTHER")
