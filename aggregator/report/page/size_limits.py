"""How much one report draws and describes in full. Sentences say what is left out, and where to find it.

Verdicts, ratios, scores and tables are always of every case.
"""

from collections.abc import Sequence

from aggregator.base.case_names import title
from aggregator.base.quantities import count
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import by_workload
from aggregator.report.model import Failed

MOST_DRAWN = 250
"""Cases of one workload in a figure, which has a line for each side of a case."""
MOST_AT_A_GLANCE = 24
"""Cases on the first screen, in the order of the plan."""
MOST_BOUNDS = 24
"""Loaders in one setting whose limits are drawn."""
MOST_TOLD = 250
"""Cases that a report describes in full, in the order of the plan."""
MOST_LISTED = 300
"""Failed replicates in the list of failures, and quarantined files."""
SAMPLES = 200_000
"""Bytes that the drawings of raw samples share."""
SPARE = 1_000
"""Bytes of a page around its samples."""
PAGE, MOST_PACKED = 2_000_000, 1_000_000
"""Bytes of a page, and how many of them raw samples may take as numbers."""


def for_samples(page: int) -> int:
    """Bytes that a page of so many without them leaves for the samples as numbers."""
    return max(0, min(MOST_PACKED, PAGE - SPARE - page))


def at_a_glance(cases: Sequence[CaseResult]) -> tuple[Sequence[CaseResult], str]:
    """The cases on the first screen, and a sentence on the others."""
    others = len(cases) - MOST_AT_A_GLANCE
    said = f"{count(others, 'further case')}: all comparisons are in the table below." if others > 0 else ""
    return cases[:MOST_AT_A_GLANCE], said


def drawn(cases: Sequence[CaseResult]) -> tuple[list[CaseResult], tuple[str, ...]]:
    """The cases that figures can show, and a sentence on each workload that has too many."""
    crowded = {name: len(members) for name, members in by_workload(cases) if len(members) > MOST_DRAWN}
    said = tuple(
        f"Not drawn: {title(name)}, which has {number} cases; a figure can show {MOST_DRAWN}. The tables have all "
        "cases."
        for name, number in crowded.items()
    )
    return [case for case in cases if case.case.workload not in crowded], said


def listed(failures: Sequence[Failed], quarantined: Sequence[Failed]) -> tuple[Sequence[Failed], Sequence[Failed], str]:
    """The failures and the files that are listed, and a sentence on the others."""
    left = [
        count(len(found) - MOST_LISTED, one)
        for found, one in ((failures, "further failure"), (quarantined, "further quarantined file"))
        if len(found) > MOST_LISTED
    ]
    said = f"Not listed: {' and '.join(left)}. The tables say why each number is missing." if left else ""
    return failures[:MOST_LISTED], quarantined[:MOST_LISTED], said


def told(parts: Sequence[Sequence[CaseResult]]) -> list[tuple[Sequence[CaseResult], str]]:
    """For each part of a report, the cases that it describes in full, and a sentence on the other cases."""
    found: list[tuple[Sequence[CaseResult], str]] = []
    left = MOST_TOLD
    for cases in parts:
        shown = cases[:left]
        left -= len(shown)
        others = len(cases) - len(shown)
        said = (
            f"The first {MOST_TOLD} cases of this report are described in full. The settings, evidence, commands and "
            f"raw samples of {count(others, 'further case')} are only in the records; the answers are above, the "
            "numbers in the tables."
        )
        found.append((shown, said if others else ""))
    return found
