"""All published numbers as one page: Markdown for a terminal or a forge, and HTML in the look of a report."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aggregator.base.text import clean
from aggregator.published.figure import published_figure
from aggregator.published.numbers import Numbers
from aggregator.published.source import TITLES
from aggregator.published.tables import tables
from aggregator.report.figures.style import Palette
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


def render(found: Sequence[Numbers]) -> str:
    """The page in Markdown, without figures."""
    return _markdown(_chapters(found, None))


def write(found: Sequence[Numbers], folder: Path) -> Path:
    """Write published.md, published.html and the figures; returns the path of the page. Raises OSError."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    palette = Palette([(one.source.name, [(name, clean(name, 60)) for name in one.frameworks]) for one in found])
    chapters = _chapters(found, palette)
    for figure in (part.figure for chapter in chapters for part in chapter.parts if part.figure):
        write_atomically(folder / "figures" / f"{figure.name}.svg", figure.svg.encode(), lasting=False)
    environment, page = page_environment(), folder / "published.html"
    html = environment.get_template("published.html.j2").render(
        heading=HEADING, said=SAID, chapters=chapters, marks=palette.marks, style=source(environment, "style.css")
    )
    write_atomically(folder / "published.md", _markdown(chapters).encode())
    write_atomically(page, html.encode())
    return page


def _chapters(found: Sequence[Numbers], palette: Palette | None) -> list[Chapter]:
    """Each source with its tables, and its figures in the look of `palette`."""
    chapters = []
    for numbers in found:
        parts = [
            Part(
                numbers.source.title_of(part),
                tables(members),
                published_figure(members, part, palette) if palette else None,
            )
            for part, members in numbers.parts.items()
        ]
        remarks = numbers.source.remarks() if numbers.is_stored else ()
        chapters.append(Chapter(TITLES[numbers.source.name], numbers.source.name, remarks, parts))
    return chapters


def _markdown(found: Sequence[Chapter]) -> str:
    """The page in Markdown; columns are padded, so that a terminal shows them as tables."""
    blocks = [f"# {HEADING}", _list(SAID)]
    for chapter in found:
        blocks += [f"## {chapter.title}", *([_list(chapter.remarks)] if chapter.remarks else [])]
        for part in chapter.parts:
            blocks += [f"### {markdown.escape(part.title)}"] if part.title else []
            for table in part.tables:
                blocks += [markdown.escape(table.caption), _aligned(table)]
            if part.figure:
                title = markdown.escape(part.figure.title)
                blocks += [f"![{title}](figures/{part.figure.name}.svg)", markdown.escape(part.figure.caption)]
    return "\n\n".join(blocks) + "\n"


def _aligned(table: Table) -> str:
    """A pipe table whose columns are as wide as their widest cell."""
    rows = [[cell.strip() for cell in CELL.split(line)[1:-1]] for line in markdown.table(table).splitlines()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    marks = [text.replace("-", "-" * (width - len(text) + 1), 1) for text, width in zip(rows[1], widths, strict=True)]
    sides = [str.ljust] * table.labels + [str.rjust] * (len(widths) - table.labels)
    lines = [[pad(text, width) for pad, text, width in zip(sides, row, widths, strict=True)] for row in rows]
    lines[1] = marks
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {markdown.escape(line)}" for line in lines)
