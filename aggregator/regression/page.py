"""The findings as Markdown, for the summary of a CI job or for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.base.text import clean
from aggregator.report.model import Table
from aggregator.report.page.markdown import escape, table

LONGEST = 400


@dataclass(frozen=True)
class Findings:
    """What comparing BASE with HEAD found: `said` stands above the table, `reading` below it, both in Markdown.

    `regressions` counts what the gate fails on; `untested` is a gate in which no comparison came to a test.
    """

    said: tuple[str, ...]
    table: Table
    reading: tuple[str, ...]
    regressions: int = 0
    untested: bool = False


def page(
    base: str, head: str, findings: Findings, failed: Sequence[str], missing: Sequence[str], changed: Sequence[str]
) -> str:
    """The whole page. `base` and `head` are the arguments of the command; the lists have a sentence for each entry."""
    parts = [f"# {escape(clean(base, 120))} → {escape(clean(head, 120))}", *findings.said]
    if failed:
        parts += ["## Failed in HEAD, not in BASE", _list(failed)]
    if findings.table.rows:
        parts += [escape(findings.table.caption), table(findings.table)]
        parts += ["\n".join(f"{number}. {escape(text)}" for number, text in enumerate(findings.table.notes, 1))]
        parts += findings.reading
    if missing:
        parts += ["## Not compared", _list(missing)]
    if changed:
        parts += ["## What else differs, BASE → HEAD", _list(changed)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {escape(clean(line, LONGEST))}" for line in lines)
