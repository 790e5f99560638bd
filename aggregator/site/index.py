"""The site's first page as frozen text and drawings: every run, and the history of ratios."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aggregator.base.quantities import DASH, count
from aggregator.base.text import clean
from aggregator.site.history import History, histories
from aggregator.site.summary import Place, RunSummary


@dataclass(frozen=True)
class Entry:
    """One run; `folder` is safe in an address, and so is `card`, the address of its image, if it has one."""

    folder: str
    card: str
    date: str
    facts: tuple[tuple[str, str], ...]
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
    entries = tuple(_entry(run, cards.get(run.run_id, "")) for run in runs)
    refused = tuple((clean(file, 200), clean(reason, 300)) for file, reason in left_out)
    return Index(f"Levelfield: {count(len(runs), 'run')}", entries, tuple(histories(runs)), refused)


def date(started: str) -> str:
    """`2026-01-02 03:04 UTC`; a text that is no time as it is."""
    try:
        return datetime.fromisoformat(started).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError):
        return clean(started, 40) or DASH


def _entry(run: RunSummary, card: str) -> Entry:
    machines = dict.fromkeys(_machine(place) for place in run.places)
    versions: dict[str, dict[str, None]] = {}
    for place in run.places:
        for program, version in place.versions.items():
            versions.setdefault(clean(program, 80), {})[clean(version, 120)] = None
    facts = (
        ("profile", clean(run.profile, 80) or DASH),
        ("machine", "; ".join(machines) or DASH),
        *((program, ", ".join(found)) for program, found in versions.items()),
        ("replicates", f"{run.ok} ok of {run.recorded} recorded"),
    )
    lines = (tuple(clean(text, 600) for text in texts) for texts in (run.headline, run.incomplete))
    return Entry(run.run_id, card, date(run.started), facts, *lines)


def _machine(place: Place) -> str:
    parts = (place.cpu, place.gpu, place.engine)
    return clean(", ".join(part for part in parts if part), 200) or DASH
