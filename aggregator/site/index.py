"""The site's first page as frozen text and drawings: every run, and the history of ratios."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aggregator.base.quantities import DASH, count
from aggregator.base.text import clean
from aggregator.report.hosts import told_apart
from aggregator.site.history import History, histories
from aggregator.site.summary import Place, RunSummary


@dataclass(frozen=True)
class Entry:
    """One run; `folder` is safe in an address, and so is `card`, the address of its image, if it has one.

    `facts` have one value or several, each in a line of its own.
    """

    folder: str
    card: str
    date: str
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    elsewhere: tuple[tuple[str, str], ...]
    """The newest run of these cases on each other machine: its folder, and the machine in words."""
    headline: tuple[str, ...]
    incomplete: tuple[str, ...]


@dataclass(frozen=True)
class Index:
    """The page, in the order in which it is read."""

    title: str
    entries: tuple[Entry, ...]
    histories: tuple[History, ...]
    left_out: tuple[tuple[str, str], ...]


def build_index(runs: Sequence[RunSummary], left_out: Sequence[tuple[str, str]], cards: Mapping[str, str]) -> Index:
    """The page on these runs, newest first, and on the files that could not be used; `cards` by the run's id."""
    entries = tuple(_entry(run, cards.get(run.run_id, ""), runs) for run in runs)
    refused = tuple((clean(file, 200), clean(reason, 300)) for file, reason in left_out)
    return Index(f"Levelfield: {count(len(runs), 'run')}", entries, tuple(histories(runs)), refused)


def date(started: str) -> str:
    """`2026-01-02 03:04 UTC`; a text that is no time as it is."""
    try:
        return datetime.fromisoformat(started).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError):
        return clean(started, 40) or DASH


def _entry(run: RunSummary, card: str, runs: Sequence[RunSummary]) -> Entry:
    versions: dict[str, dict[str, None]] = {}
    for place in run.places:
        for program, version in place.versions.items():
            versions.setdefault(clean(program, 80), {})[clean(version, 120)] = None
    facts = (
        ("profile", (clean(run.profile, 80) or DASH,)),
        ("machine", tuple(_machines(run.places)) or (DASH,)),
        *((program, (", ".join(found),)) for program, found in versions.items()),
        ("replicates", (f"{run.ok} ok of {run.recorded} recorded",)),
    )
    lines = (tuple(clean(text, 600) for text in texts) for texts in (run.headline, run.incomplete))
    return Entry(run.run_id, card, date(run.started), facts, _elsewhere(run, runs), *lines)


def _machines(places: Sequence[Place]) -> list[str]:
    """Each machine in words, once."""
    names = [_machine(place) for place in places]
    told = told_apart(names, [f"machine {clean(place.machine, 40)}" if place.machine else "" for place in places])
    return list(dict.fromkeys(told))


def _machine(place: Place) -> str:
    parts = (place.described, place.engine) if place.described else (place.cpu, place.gpu, place.engine)
    return clean(", ".join(part for part in parts if part), 200) or DASH


def _elsewhere(run: RunSummary, runs: Sequence[RunSummary]) -> tuple[tuple[str, str], ...]:
    """The newest run with the same profile and a case in common, on each machine that `run` has not measured."""
    found = {_identity(place): ("", "") for place in run.places}
    for other in runs:
        common = len(_cases(other) & _cases(run)) if other.profile == run.profile else 0
        for place in other.places if common else ():
            found.setdefault(_identity(place), (other.run_id, f"{_machine(place)} ({count(common, 'common case')})"))
    return tuple(one for one in found.values() if one[0])


def _identity(place: Place) -> tuple[str, str, str]:
    return place.machine, place.cpu, place.gpu


def _cases(run: RunSummary) -> set[str]:
    return {contest.digest for place in run.places for contest in place.contests}
