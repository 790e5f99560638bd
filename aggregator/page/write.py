"""A report on disk: report.html, report.md and the figures."""

from pathlib import Path

from aggregator.model import Report
from aggregator.page.html import render_html
from aggregator.page.markdown import render_markdown
from runners.harness.files import write_atomically

FIGURES = "figures"


def write_report(report: Report, folder: Path) -> Path:
    """Write report.md, report.html and figures/ into `folder`; gives report.html's path. Raises OSError."""
    drawings = folder / FIGURES
    drawings.mkdir(parents=True, exist_ok=True)
    for figure in report.figures:
        write_atomically(drawings / f"{figure.name}.svg", figure.svg.encode(), lasting=False)
    write_atomically(folder / "report.md", render_markdown(report).encode())
    page = folder / "report.html"
    write_atomically(page, render_html(report).encode())
    return page
