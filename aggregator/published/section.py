"""The section of a report that compares its ratios with published ratios."""

from collections.abc import Sequence
from dataclasses import replace

from aggregator.base.case_names import labels
from aggregator.judge.analysis import Environment
from aggregator.published import fit, loaders, steps
from aggregator.report.model import Published, Report, Table

NO_VERDICT = (
    "A published figure is one run without an interval. Ratios of such figures are shown here, and never "
    "part of a verdict."
)
SECTIONS = (steps.SECTION, loaders.SECTION, fit.SECTION)


def with_published(report: Report, environments: Sequence[Environment]) -> Report:
    """The report with this section, if one of its comparisons has the settings of a published figure."""
    names = labels([result.case for env in environments for result in env.cases])
    parts = [(part.title, env.cases) for part, env in zip(report.parts, environments, strict=True)]
    tables: list[Table] = []
    remarks: list[str] = []
    for section in SECTIONS:
        found = [table for title, cases in parts if (table := section.table(title, cases, names))]
        tables += found
        remarks += section.remarks() if found else ()
    return replace(report, published=Published(tuple(tables), (NO_VERDICT, *remarks))) if tables else report
