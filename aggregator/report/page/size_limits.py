"""How much one report draws and tells in full. Beyond that it says in words what it leaves out, and where that is.

Verdicts, ratios, scores and tables are always of every case.
"""

from collections.abc import Sequence

from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import by_workload
from aggregator.report.model import Failed
from aggregator.base.quantities import count
from aggregator.base.case_names import title

MOST_DRAWN = 250
"""Cases of one workload in a figure, which has a line for every side of each."""
MOST_TOLD = 250
"""Cases told one by one, in the order of the plan."""
MOST_LISTED = 300
"""Failed replicates in the list of failures, and quarantined files."""
SAMPLES = 200_000
"""Bytes that the drawings of raw samples share."""
SPARE = 1_000
"""Bytes of a page around its samples."""
PAGE, MOST_PACKED = 2_000_000, 1_000_000
"""Bytes of a page, and the most of them for raw samples as numbers."""


def for_samples(page: int) -> int:
    """Bytes that a page of so many without them leaves for the samples as numbers."""
    return max(0, min(MOST_PACKED, PAGE - SPARE - page))


def drawn(cases: Sequence[CaseResult]) -> tuple[list[CaseResult], tuple[str, ...]]:
    """The cases that figures can show, and a sentence on each workload that has too many."""
    crowded = {name: len(members) for name, members in by_workload(cases) if len(members) > MOST_DRAWN}
    said = tuple(
        f"Not drawn: {title(name)}, whose {number} cases are more than the {MOST_DRAWN} that a figure can show. "
        "The tables have all of them."
        for name, number in crowded.items()
    )
    return [case for case in cases if case.case.workload not in crowded], said


def listed(failures: Sequence[Failed], quarantined: Sequence[Failed]) -> tuple[Sequence[Failed], Sequence[Failed], str]:
    """Those of both that are listed, and a sentence on the others."""
    left = [
        count(len(found) - MOST_LISTED, one)
        for found, one in ((failures, "further failure"), (quarantined, "further quarantined file"))
        if len(found) > MOST_LISTED
    ]
    said = f"Not listed: {' and '.join(left)}. The tables say why each number is missing." if left else ""
    return failures[:MOST_LISTED], quarantined[:MOST_LISTED], said


def told(cases: Sequence[CaseResult], before: int) -> tuple[Sequence[CaseResult], str]:
    """The cases told one by one, `before` others having been, and a sentence on those that are not."""
    shown = cases[: max(0, MOST_TOLD - before)]
    left = len(cases) - len(shown)
    if not left:
        return shown, ""
    return shown, (
        f"Told one by one are the first {MOST_TOLD} cases of this report. The settings, evidence, commands and raw "
        f"samples of {count(left, 'further case')} are in the records alone; their answers are above, their numbers in "
        "the tables."
    )
