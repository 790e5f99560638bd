"""The section of a report that sets its ratios beside published ones."""

from collections.abc import Mapping, Sequence

from aggregator.judge.analysis import CaseResult
from aggregator.report.model import Published, Table
from aggregator.published.fit_comparison import fit_remarks, fit_table
from aggregator.published.loader_comparison import load_remarks, load_table
from aggregator.published.step_comparison import step_remarks, step_table
from runners.harness.case import Case

NO_VERDICT = (
    "A published figure is one run without an interval, so that it is a ratio here and never part of a verdict."
)
SOURCES = ((step_table, step_remarks), (load_table, load_remarks), (fit_table, fit_remarks))


def beside_published(parts: Sequence[tuple[str, Sequence[CaseResult]]], names: Mapping[Case, str]) -> Published | None:
    """A table for each source and part that has comparisons of published cells, or None where none has."""
    tables: list[Table] = []
    remarks: list[str] = []
    for table_of, remarks_of in SOURCES:
        found = [table for title, cases in parts if (table := table_of(title, cases, names))]
        tables += found
        remarks += remarks_of() if found else ()
    return Published(tuple(tables), (NO_VERDICT, *remarks)) if tables else None
