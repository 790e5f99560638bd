"""A report on disk: report.html, report.md, card.png and the figures."""

import errno
import re
from pathlib import Path

from aggregator.base.leftovers import remove_leftovers
from aggregator.report.model import Report
from aggregator.report.page import card
from aggregator.report.page.html import render_html
from aggregator.report.page.markdown import render_markdown
from runners.harness.files import write_atomically

FIGURES = "figures"
DRAWN = re.compile(
    r"""samples-case-\d+-[0-9a-f]{10}\.svg
    | (part-\d+-)? (
        (relative-speed | peak-memory | peak-gpu-memory | first-step) (- ([a-z]+ | [0-9a-f]{8}))?
        | roofline-\d+ | loader-(throughput | first-batch | cost) | fit-(history | accuracy-by-time)
        | published-(steps | fit | load)
    ) \.svg""",
    re.VERBOSE | re.ASCII,
)
"""The names that a report's figures can have."""


def write_report(report: Report, folder: Path, address: str = "") -> Path:
    """Write report.md, report.html, card.png and figures/ into `folder`; no figure of an earlier report stays in it.

    `address` is where the folder will be on the web, with a slash at its end. Gives report.html's path. Raises OSError.
    """
    drawings = folder / FIGURES
    if drawings.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, f"{FIGURES} in it is a link, which is not followed")
    drawings.mkdir(parents=True, exist_ok=True)
    made = [drawings / f"{figure.name}.svg" for figure in report.figures]
    for figure, path in zip(report.figures, made, strict=True):
        write_atomically(path, figure.svg.encode(), lasting=False)
    remove_leftovers(drawings, made, lambda path: bool(DRAWN.fullmatch(path.name)))
    page = folder / "report.html"
    write_atomically(folder / card.NAME, card.card(report), lasting=False)
    write_atomically(folder / "report.md", render_markdown(report).encode())
    write_atomically(page, render_html(report, address).encode())
    return page
