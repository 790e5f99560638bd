"""All published numbers as one page: Markdown for a terminal or a forge, and HTML in the look of a report."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aggregator.published.figure import published_figure
from aggregator.published.numbers import Numbers
from aggregator.published.source import TITLES
from aggregator.published.tables import part_title, tables
from aggregator.report.model import Figure, Table
from aggregator.report.page import markdown
from aggregator.report.page.html import page_environment, source
from runners.harness.files import write_atomically

HEADING = "Published numbers"
SAID = (
    "A published number comes from one run and has no interval. It allows ratios, but no verdict.",
    "Every ratio says how many times as fast one framework is as another. Above 1, the first is the faster one.",
)
CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Part:
    """The numbers that a source has in one place; `figure` is drawn only for a page."""

    title: str
    tables: Sequence[Table]
    figure: Figure | None


@dataclass(frozen=True)
class Chapter:
    """One source."""

    title: str
    name: str
    remarks: Sequence[str]
    parts: Sequence[Part]


def chapters(found: Sequence[Numbers], with_figures: bool) -> list[Chapter]:
    """Each source with its tables, and its figures if they are wanted."""
    return [
        Chapter(
            TITLES[numbers.source.name],
            numbers.source.name,
            numbers.source.remarks() if numbers.is_stored else (),
            [
                Part(
                    part_title(part, numbers.source.parts),
                    tables(members),
                    published_figure(members, part) if with_figures else None,
                )
                for part, members in numbers.parts.items()
            ],
        )
        for numbers in found
    ]


def render_markdown(found: Sequence[Chapter]) -> str:
    """The page in Markdown; columns are padded, so that a terminal shows them as tables."""
    blocks = [f"# {HEADING}", _list(SAID)]
    for chapter in found:
        blocks += [f"## {chapter.title}", *([_list(chapter.remarks)] if chapter.remarks else [])]
        for part in chapter.parts:
            blocks += [f"### {markdown.escape(part.title)}"] if part.title else []
            for table in part.tables:
                blocks += [markdown.escape(table.caption), aligned(table)]
            if part.figure:
                title = markdown.escape(part.figure.title)
                blocks += [f"![{title}](figures/{part.figure.name}.svg)", markdown.escape(part.figure.caption)]
    return "\n\n".join(blocks) + "\n"


def write(found: Sequence[Chapter], folder: Path) -> Path:
    """Write published.md, published.html and the figures; returns the path of the page. Raises OSError."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for figure in (part.figure for chapter in found for part in chapter.parts if part.figure):
        write_atomically(folder / "figures" / f"{figure.name}.svg", figure.svg.encode(), lasting=False)
    environment, page = page_environment(), folder / "published.html"
    template = environment.get_template("published.html.j2")
    html = template.render(heading=HEADING, said=SAID, chapters=found, style=source(environment, "style.css"))
    write_atomically(folder / "published.md", render_markdown(found).encode())
    write_atomically(page, html.encode())
    return page


def aligned(table: Table) -> str:
    """A pipe table whose columns are as wide as their widest cell."""
    rows = [[cell.strip() for cell in CELL.split(line)[1:-1]] for line in markdown.table(table).splitlines()]
    widths = [max(len(row[index]) for row in rows) for index in range(len(table.columns))]
    lines = []
    for number, row in enumerate(rows):
        cells = []
        for index, (text, width) in enumerate(zip(row, widths, strict=True)):
            if number == 1:
                text = text.replace("-", "-" * (width - len(text) + 1), 1)
            cells.append(text.ljust(width) if index < table.labels else text.rjust(width))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {markdown.escape(line)}" for line in lines)
