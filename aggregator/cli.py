"""`python -m aggregator report|schema`."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from aggregator.analysis import analyse, competitors_of
from aggregator.build import build_report
from aggregator.html import render_html
from aggregator.load import CannotReport, find_run, load_run
from aggregator.markdown import render_markdown
from aggregator.model import Report
from aggregator.schema import json_schema, reference_page
from aggregator.words import clean
from runners.harness.files import write_atomically

OK, SOME_FAILED, USAGE, NOT_WRITABLE = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the last line of standard output is what it made."""
    given = _parser().parse_args(arguments)
    if given.command == "schema":
        sys.stdout.write(reference_page() if given.markdown else json_schema())
        return OK
    try:
        return _report(given.runs, given.out, given.baseline)
    except CannotReport as error:
        print(f"aggregator: {_printable(str(error))}", file=sys.stderr)
        return USAGE


def write_report(report: Report, folder: Path) -> Path:
    """Write report.md, report.html and figures/ into `folder`; gives report.html's path. Raises OSError."""
    drawings = folder / "figures"
    drawings.mkdir(parents=True, exist_ok=True)
    for figure in report.figures:
        write_atomically(drawings / f"{figure.name}.svg", figure.svg.encode())
    write_atomically(folder / "report.md", render_markdown(report).encode())
    page = folder / "report.html"
    write_atomically(page, render_html(report).encode())
    return page


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m aggregator", description="Turn records into a report.")
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser("report", help="compare a run's records and write report.md and report.html")
    report.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder, or its id under results/")
    report.add_argument("--out", type=Path, help="where to write (default: the first run's folder)")
    report.add_argument("--baseline", help="competitor that the others are compared with (default: the plan's first)")
    schema = commands.add_parser("schema", help="print the JSON Schema of a record")
    schema.add_argument("--markdown", action="store_true", help="print the reference page for people instead")
    return parser


def _report(names: Sequence[str], out: Path | None, baseline: str | None) -> int:
    folders = list(dict.fromkeys(find_run(name).resolve() for name in names))
    runs = [load_run(folder) for folder in folders]
    known = competitors_of(runs)
    if baseline is not None and baseline not in known:
        close = difflib.get_close_matches(baseline, known, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise CannotReport(f"no competitor {baseline!r} here; known: {', '.join(known)}{hint}")
    report = build_report(runs, analyse(runs, baseline))
    target = out or folders[0]
    try:
        page = write_report(report, target)
    except OSError as error:
        print(
            f"aggregator: cannot write the report to {target}: {error.strerror}; give another --out DIR",
            file=sys.stderr,
        )
        return NOT_WRITABLE
    for line in (*report.headline, *report.incomplete):
        print(line, file=sys.stderr)
    if report.failures or report.quarantined:
        counted = f"{len(report.failures)} failed or unavailable, {len(report.quarantined)} quarantined"
        print(f"{counted}; see the report's section on failures", file=sys.stderr)
    print(_printable(str(page)))
    return OK if report.clean else SOME_FAILED


def _printable(text: str) -> str:
    return clean(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
