"""report.md: the same report as Markdown for a code host, with its figures in a folder."""

import re
from itertools import zip_longest

from aggregator.base.text import clean_lines
from aggregator.report.model import Cell, Report, Table
from aggregator.report.page.html import page_environment

ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
SPECIAL = re.compile(r"[\\`*\[\]|~$#]|(?<!\w)_|_(?!\w)")
LINE_START = re.compile(r"^(?=[-+=:])|^(\d+)(?=[.)](?!\S))")
LINKED = re.compile(r"(?i)(?<=@)|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=#)(?=\w)")
UNSEEN = "\u200b"
"""A space of no width. Escapes and entities do not help against links and mentions: a forge looks for these in the text
that it has decoded."""


def escape(text: str) -> str:
    """Text that no Markdown reader takes for anything else, at the start of a line or within: no table bar, heading,
    list, quote, emphasis or tag, and no link, address or mention that the text did not mark as one."""
    plain = LINKED.sub(UNSEEN, " ".join(text.split()))
    marked = SPECIAL.sub(lambda found: "\\" + found[0], plain.translate(ENTITIES))
    return LINE_START.sub(lambda found: (found[1] or "") + "\\", marked)


def fence(text: str) -> str:
    """A fenced block that `text` cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}text\n{clean_lines(text)}\n{marks}"


def table(found: Table) -> str:
    """A pipe table: names to the left, numbers to the right."""
    marks = [":--" if index < found.labels else "--:" for index, _ in enumerate(found.columns)]
    lines = [_line([escape(column) for column in _heads(found)]), _line(marks)]
    for row in found.rows:
        cells = [_cell(cell, found.notes) if cell else "" for _, cell in zip_longest(found.columns, row)]
        lines.append(_line(cells))
    return "\n".join(lines)


def _heads(found: Table) -> list[str]:
    """The columns' headings; the first of a group names it too, since a pipe table has one line of headings."""
    heads, start = list(found.columns), 0
    for name, span in found.groups:
        if name:
            heads[start] = f"{name}: {heads[start]}"
        start += span
    return heads


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell, numbers: dict[str, int]) -> str:
    detail = f" ({escape(cell.detail)})" if cell.detail else ""
    notes = f"<sup>{' '.join(str(numbers[note]) for note in cell.notes)}</sup>" if cell.notes else ""
    return f"{escape(cell.text)}{detail}{notes}"


def render_markdown(report: Report) -> str:
    """report.md."""
    environment = page_environment(md=escape, fence=fence, table=table)
    environment.autoescape = False
    text = environment.get_template("report.md.j2").render(report=report)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
