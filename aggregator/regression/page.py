"""The findings as Markdown: a job's summary renders it, a terminal can show it."""

from collections.abc import Sequence

from aggregator.base.text import clean
from aggregator.regression.findings import Findings
from aggregator.report.page.markdown import escape, table

LONGEST = 400


def page(
    base: str, head: str, findings: Findings, failed: Sequence[str], missing: Sequence[str], changed: Sequence[str]
) -> str:
    """The whole page; `base` and `head` are what was asked for, the lists one sentence an entry."""
    parts = [f"# {escape(clean(base, 120))} → {escape(clean(head, 120))}", *findings.said]
    if failed:
        parts += ["## Failed in HEAD, not in BASE", _list(failed)]
    if findings.table.rows:
        parts += [escape(findings.table.caption), table(findings.table)]
        parts += ["\n".join(f"{number}. {escape(text)}" for number, text in enumerate(findings.table.footnotes, 1))]
        parts += findings.reading
    if missing:
        parts += ["## Not compared", _list(missing)]
    if changed:
        parts += ["## What else differs, BASE → HEAD", _list(changed)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {escape(clean(line, LONGEST))}" for line in lines)
