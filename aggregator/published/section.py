"""The section of a report that sets its ratios beside published ones."""

from collections.abc import Sequence
from dataclasses import replace

from aggregator.base.case_names import labels
from aggregator.judge.analysis import Environment
from aggregator.published.fit_comparison import fit_remarks, fit_table
from aggregator.published.loader_comparison import load_remarks, load_table
from aggregator.published.step_comparison import step_remarks, step_table
from aggregator.report.model import Published, Report, Table

NO_VERDICT = (
    "A published figure is one run without an interval, so that it is a ratio here and never part of a verdict."
)
SOURCES = ((step_table, step_remarks), (load_table, load_remarks), (fit_table, fit_remarks))


def with_published(report: Report, environments: Sequence[Environment]) -> Report:
    """The report with this section, where one of its comparisons has the settings of a published figure."""
    names = labels([result.case for env in environments for result in env.cases])
    parts = [(part.title, env.cases) for part, env in zip(report.parts, environments, strict=True)]
    tables: list[Table] = []
    remarks: list[str] = []
    for table_of, remarks_of in SOURCES:
        found = [table for title, cases in parts if (table := table_of(title, cases, names))]
        tables += found
        remarks += remarks_of() if found else ()
    return replace(report, published=Published(tuple(tables), (NO_VERDICT, *remarks))) if tables else report
