"""The ratios of one machine from run to run, as a table and a figure, without a verdict on how they change.

Runs are not paired with each other: the machine can change a ratio from run to run.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aggregator.base.quantities import DASH, ratio_and_interval
from aggregator.base.text import clean
from aggregator.report.model import Cell, Figure, Table
from aggregator.site.history_figure import Point, draw_history
from aggregator.site.summary import Contest, Place, RunSummary
from method.verdict import Verdict

SHOWN = 20
"""So many of the newest runs of a machine are shown; older runs are in the list of runs."""
CAPTION = (
    "How many times as fast the first competitor is as the second: above 1, the first is faster. Each ratio has its "
    "95 % interval and number of blocks, and a note if the run reached no verdict. Runs are not paired with each "
    "other, so that there is no verdict on how a ratio changed: the machine may have changed."
)
Key = tuple[str, str, str]
"""A case's digest, and the two sides: `over`, `under`."""
Series = dict[int, Contest]
"""One comparison of one case, by the run's column."""


@dataclass(frozen=True)
class History:
    """One machine's runs."""

    title: str
    table: Table
    figure: Figure


def histories(runs: Sequence[RunSummary]) -> Iterator[History]:
    """A history for each machine that measured something in two runs or more; `runs` newest first."""
    machines: dict[tuple[str, ...], list[tuple[RunSummary, Place]]] = {}
    for run in reversed(runs):
        for place in run.places:
            if place.engine:
                machines.setdefault((place.machine, place.cpu, place.gpu, place.engine), []).append((run, place))
    for number, (machine, found) in enumerate(machines.items()):
        # A run of other cases has no column.
        repeated = sorted({column for one in _series([place for _, place in found]).values() for column in one})
        visits = [found[column] for column in repeated[-SHOWN:]]
        series = _series([place for _, place in visits])
        if series:
            yield _history(machine, visits, series, len(repeated), f"history-{number + 1}")


def _series(places: Sequence[Place]) -> dict[Key, Series]:
    """Each comparison with a ratio in two columns or more."""
    found: dict[Key, Series] = {}
    for column, place in enumerate(places):
        for contest in place.contests:
            found.setdefault((contest.digest, contest.over, contest.under), {}).setdefault(column, contest)
    return {key: one for key, one in found.items() if sum(contest.shown is not None for contest in one.values()) > 1}


def _history(
    machine: tuple[str, ...],
    visits: Sequence[tuple[RunSummary, Place]],
    series: dict[Key, Series],
    number: int,
    name: str,
) -> History:
    digest, *facts = machine
    title = clean(", ".join(part for part in facts if part), 200)
    title += f" (machine {clean(digest, 40)})" if digest else ""
    older = f" The newest {len(visits)} of {number} are shown." if number > len(visits) else ""
    order = range(len(visits) - 1, -1, -1)
    heads = [f"{column + 1}: {clean(visits[column][0].run_id, 60)}" for column in order]
    used = [place.versions for _, place in visits]
    versions = [
        (Cell(clean(program, 80)), Cell(""), *(Cell(clean(used[column].get(program, DASH), 120)) for column in order))
        for program in dict.fromkeys(program for found in used for program in found)
    ]
    names = _names(series)
    rows = [(*map(Cell, names[key]), *(_cell(one.get(column)) for column in order)) for key, one in series.items()]
    table = Table(CAPTION + older, ("case", "compared", *heads), tuple(versions + rows), labels=2)
    points = [
        Point("\n".join(names[key]), column + 1, shown.ratio, shown.low, shown.high, _decided(contest))
        for key, one in series.items()
        for column, contest in sorted(one.items())
        if (shown := contest.shown)
    ]
    return History(title, table, draw_history(points, name))


def _names(series: dict[Key, Series]) -> dict[Key, tuple[str, str]]:
    """The newest name of each case, and its two sides; digests distinguish cases of the same name."""
    names = {}
    for key, one in series.items():
        newest = one[max(one)]
        names[key] = clean(newest.case, 160), f"{clean(newest.under, 80)} compared with {clean(newest.over, 80)}"
    taken = Counter(names.values())
    return {
        key: (case if taken[case, pair] == 1 else f"{case} · {clean(key[0], 20)}", pair)
        for key, (case, pair) in names.items()
    }


def _cell(contest: Contest | None) -> Cell:
    if contest is None:
        return Cell(DASH)
    if contest.shown is None:
        return Cell(f"{DASH} {contest.verdict}")
    shown = contest.shown
    text, interval = ratio_and_interval(shown.ratio, shown.low, shown.high)
    return Cell(f"{text}×", f"{interval}, n {shown.blocks}" + ("" if _decided(contest) else f", {contest.verdict}"))


def _decided(contest: Contest) -> bool:
    return contest.verdict in (Verdict.FASTER, Verdict.SLOWER, Verdict.EQUIVALENT)
