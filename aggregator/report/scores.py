"""Tables in the shapes that the field publishes."""

from collections.abc import Sequence

from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import by_contest, by_workload
from aggregator.judge.roofline import ROOF, Roof, side_rate
from aggregator.report.model import Cell, Table
from aggregator.report.cells import MEAN_NOTE, by_column, columns, limit_cell
from aggregator.report.fit.tables import fit_tables
from aggregator.report.footnotes import Footnotes
from aggregator.report.loaders.tables import load_tables
from aggregator.judge.cases import natural
from aggregator.report.resources.tables import startup_table
from aggregator.report.steps.tables import step_tables
from aggregator.report.answers import ALONE, score
from aggregator.base.quantities import DASH
from aggregator.base.case_names import digest, group, settings
from aggregator.base.text import clean
from method.verdict import Verdict
from runners.harness.case import Case

ROOF_STAGES = {"product": "matrix product", "copy": "copy of a large array"}
TALLY = (
    Verdict.EQUIVALENT,
    Verdict.UNDECIDED,
    Verdict.DISTURBED,
    Verdict.NOT_COMPARABLE,
    Verdict.FEW_BLOCKS,
    Verdict.INCOMPLETE,
    ALONE,
)


def result_tables(
    cases: Sequence[CaseResult], names: dict[Case, str], roof: Roof, target: float | None = None
) -> tuple[Table, ...]:
    """Every table that these cases fill."""
    groups = by_workload(cases)
    found = []
    for workload, members in groups:
        if workload == "fit":
            found += fit_tables(members, target)
        elif workload == "load":
            found += load_tables(members)
        elif workload == ROOF:
            found.append(_roof_table(members))
        else:
            found += step_tables(members, roof)
    resources = (startup_table(name, members, names) for name, members in groups if name not in (ROOF, "load"))
    return (*found, *(table for table in resources if table))


def score_table(cases: Sequence[CaseResult]) -> Table:
    """How many cases of each workload were won by whom, tied, open or not comparable."""
    shown = [verdict for verdict in TALLY if any(score(case)[0] == verdict for case in cases)]
    winners = list(dict.fromkeys(clean(side.label, 60) for case in cases if (side := score(case)[1])))
    rows = [_score_row(members, winners, shown) for members in by_contest(cases)]
    won = [f"won by {label}" for label in winners] or ["won"]
    heads = ("workload", "cases", "all sides finished", *won, *(_tally_name(verdict) for verdict in shown))
    caption = "A case is won only where every side finished and the fastest also beats the runner-up."
    return Table(caption, heads, tuple(rows), 1)


def _tally_name(verdict: str) -> str:
    return "too few blocks" if verdict == Verdict.FEW_BLOCKS else verdict


def _score_row(cases: list[CaseResult], winners: list[str], shown: list[str]) -> tuple[Cell, ...]:
    scores = [score(case) for case in cases]
    won = [winner and clean(winner.label, 60) for _, winner in scores]
    numbers = [len(cases), sum(case.finished for case in cases)]
    numbers += [won.count(label) for label in winners] or [0]
    numbers += [sum(verdict == found for found, _ in scores) for verdict in shown]
    name = f"{clean(cases[0].case.workload, 40)}{settings(cases[0].case)}"
    return (Cell(name), *(Cell(str(number)) for number in numbers))


def _roof_table(cases: list[CaseResult]) -> Table:
    """What the machine can do: the rates to which the steps' attainable times refer."""
    notes, labels = Footnotes(), columns(cases)
    rows = []
    for result in sorted(cases, key=natural):
        case, reached = result.case, [found for side in result.sides if (found := side_rate(side))]
        best = max(reached, key=lambda rate: rate.per_second, default=None)
        name = (ROOF_STAGES.get(group(case), group(case)), clean(case.precision, 40), case.device.upper())
        cells = by_column(result, labels, notes, limit_cell)
        rows.append((*map(Cell, name), *cells, Cell(clean(best.by, 60) if best else DASH)))
    return Table(
        f"Measured rates; the best of each row is the limit that attainable times refer to. {MEAN_NOTE}.",
        ("measured", "precision", "device", *(clean(label, 60) for label in labels), "best"),
        tuple(rows),
        3,
        notes.texts,
        title="What the machine can do",
        cases=tuple(digest(result.case) for result in sorted(cases, key=natural)),
    )
