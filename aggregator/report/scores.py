"""Who won how many cases: as the first sentences of a report, and as a table."""

from collections import Counter
from collections.abc import Sequence

from aggregator.base.case_names import contest_title, settings
from aggregator.base.quantities import count
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import by_contest, contests
from aggregator.report.answers import ALONE, score
from aggregator.report.model import Cell, Table
from aggregator.report.undecided import answered
from method.verdict import Verdict

TALLY = (
    Verdict.EQUIVALENT,
    Verdict.UNDECIDED,
    Verdict.DISTURBED,
    Verdict.NOT_COMPARABLE,
    Verdict.FEW_BLOCKS,
    Verdict.INCOMPLETE,
    ALONE,
)
TOO_FEW = "too few blocks"
OUTCOMES = {Verdict.FEW_BLOCKS: f"without a verdict ({TOO_FEW})", ALONE: f"with {ALONE}"}
"""How a sentence names an outcome, where not by its verdict."""


def score_table(cases: Sequence[CaseResult]) -> Table:
    """How many cases of each workload each side won, and how many have another outcome."""
    shown = [verdict for verdict in TALLY if any(score(case)[0] == verdict for case in cases)]
    winners = list(dict.fromkeys(side.name for case in cases if (side := score(case)[1])))
    rows = [_score_row(members, winners, shown) for members in by_contest(cases)]
    won = [f"won by {label}" for label in winners] or ["won"]
    heads = (
        "workload",
        "cases",
        "all sides finished",
        *won,
        *(TOO_FEW if verdict == Verdict.FEW_BLOCKS else verdict for verdict in shown),
    )
    caption = "A case counts as won only if every side finished and the fastest side beats the second fastest."
    return Table(caption, heads, tuple(rows), 1)


def _score_row(cases: list[CaseResult], winners: list[str], shown: list[str]) -> tuple[Cell, ...]:
    scores = [score(case) for case in cases]
    won = [winner and winner.name for _, winner in scores]
    numbers = [len(cases), sum(case.finished for case in cases)]
    numbers += [won.count(label) for label in winners] or [0]
    numbers += [sum(verdict == found for found, _ in scores) for verdict in shown]
    name = f"{clean(cases[0].case.workload, 40)}{settings(cases[0].case)}"
    return (Cell(name), *(Cell(str(number)) for number in numbers))


def headline(cases: Sequence[CaseResult]) -> list[str]:
    """How many comparisons have an answer; then for each workload, how many cases each side won."""
    members = contests(cases)
    found = [line for line in (answered(members),) if line]
    for group in by_contest(members):
        scores = [score(case) for case in group]
        wins = Counter(winner.name for _, winner in scores if winner)
        said = [f"{name} wins {number}" for name, number in sorted(wins.items(), key=lambda one: (-one[1], one[0]))]
        rest = Counter(verdict for verdict, winner in scores if winner is None)
        said += [f"{number} {OUTCOMES.get(verdict, verdict)}" for verdict, number in rest.items()]
        found.append(f"{contest_title(group[0].case)}, {count(len(group), 'case')}: {', '.join(said)}.")
    return found
