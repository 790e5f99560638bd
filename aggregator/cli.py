"""`python -m aggregator report|audit|aa|export|published|schema`."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from aggregator import aa
from aggregator.analysis import analyse, competitors_of
from aggregator.audit import audit
from aggregator.build import build_report
from aggregator.export import write_pyperf
from aggregator.html import render_html
from aggregator.load import CannotReport, find_run, load_pilots, load_run
from aggregator.markdown import render_markdown
from aggregator.model import Report
from aggregator.published.page import page as published_page
from aggregator.published.step_csv import read as read_published
from aggregator.published.step_times import kept, kept_source
from aggregator.schema import json_schema, reference_page
from aggregator.words import clean
from runners.harness.files import write_atomically
from runners.harness.run import RUN_VERSION

OK, SOME_FAILED, USAGE, NOT_WRITABLE = 0, 1, 2, 3
FORMATS = ("pyperf",)
RUN_HELP = "a run's folder, or its id under results/"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the last line of standard output of `report` and `export` is what it made."""
    given = _parser().parse_args(arguments)
    try:
        return int(COMMANDS[given.command](given))
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
    report.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    report.add_argument("--out", type=Path, help="where to write (default: the first run's folder)")
    report.add_argument("--baseline", help="competitor that the others are compared with (default: the plan's first)")
    report.add_argument(
        "--target-accuracy",
        type=_share,
        help="test accuracy in per cent that trainings are timed to (default: the highest that all reached)",
    )
    audit_ = commands.add_parser("audit", help="prove from the records that the run kept to its order and rules")
    audit_.add_argument("run", metavar="RUN", help=RUN_HELP)
    itself = commands.add_parser("aa", help="count how often a program was called different from itself (A/A runs)")
    itself.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    export = commands.add_parser("export", help="write the samples in another program's form")
    export.add_argument("runs", nargs=1, metavar="RUN", help=RUN_HELP)
    export.add_argument("--format", default=FORMATS[0], help=f"one of: {', '.join(FORMATS)}")
    export.add_argument("--out", type=Path, required=True, help="folder for the files, one a competitor")
    published = commands.add_parser("published", help="compare the step times that others published with each other")
    published.add_argument("files", nargs="*", type=Path, metavar="CSV", help="others of that form (default: our copy)")
    schema = commands.add_parser("schema", help="print the JSON Schema of a record")
    schema.add_argument("--markdown", action="store_true", help="print the reference page for people instead")
    return parser


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f"{text}: must be above 0 and at most 100 per cent")
    return value / 100


def _folders(names: Sequence[str]) -> list[Path]:
    return list(dict.fromkeys(find_run(name).resolve() for name in names))


def _report(given: argparse.Namespace) -> int:
    folders = _folders(given.runs)
    runs = [load_run(folder) for folder in folders]
    if given.baseline is not None:
        _known("competitor", given.baseline, competitors_of(runs))
    report = build_report(runs, analyse(runs, given.baseline), given.target_accuracy)
    target = given.out or folders[0]
    try:
        page = write_report(report, target)
    except OSError as error:
        return _not_writable("the report", target, error)
    for line in (*report.headline, *report.incomplete):
        print(line, file=sys.stderr)
    if report.failures or report.quarantined:
        counted = f"{len(report.failures)} failed or unavailable, {len(report.quarantined)} quarantined"
        print(f"{counted}; see the report's section on failures", file=sys.stderr)
    print(_printable(str(page)))
    return OK if report.clean else SOME_FAILED


def _audit(given: argparse.Namespace) -> int:
    folder = find_run(given.run)
    run = load_run(folder)
    if run.plan and run.plan.run_version < RUN_VERSION:
        raise CannotReport(f"{folder}: made by an earlier version in an order of its own; it can only be reported")
    findings = audit(run, *load_pilots(folder))
    for line in (line for finding in findings for line in finding.lines()):
        print(line)
    return SOME_FAILED if any(finding.failed for finding in findings) else OK


def _aa(given: argparse.Namespace) -> int:
    summary = aa.summarise(analyse([load_run(folder) for folder in _folders(given.runs)]))
    if summary is None:
        raise CannotReport("no comparison of a program with itself here; `make aa` measures some")
    for line in aa.sentences(summary):
        print(line)
    return OK if summary.passes else SOME_FAILED


def _export(given: argparse.Namespace) -> int:
    _known("format", given.format, FORMATS)
    runs = [load_run(folder) for folder in _folders(given.runs)]
    try:
        made = write_pyperf(analyse(runs), given.out)
    except OSError as error:
        return _not_writable("the files", given.out, error)
    if not made:
        raise CannotReport(f"{runs[0].name}: no replicate ended well, so there is nothing to export")
    for path in made:
        print(_printable(str(path)))
    quarantined = [item.file for run in runs for item in run.quarantined]
    if quarantined:
        print(f"left out: {_printable(', '.join(quarantined))} (the report says why)", file=sys.stderr)
    return SOME_FAILED if quarantined else OK


def _published(given: argparse.Namespace) -> int:
    found = (read_published(given.files), None) if given.files else (kept(), kept_source())
    sys.stdout.write(published_page(*found))
    return OK


def _schema(given: argparse.Namespace) -> int:
    sys.stdout.write(reference_page() if given.markdown else json_schema())
    return OK


def _known(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise CannotReport(f"no {what} {name!r} here; known: {', '.join(known)}{hint}")


def _not_writable(what: str, target: Path, error: OSError) -> int:
    message = f"aggregator: cannot write {what} to {target}: {error.strerror}; give another --out DIR"
    print(message, file=sys.stderr)
    return NOT_WRITABLE


def _printable(text: str) -> str:
    return clean(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


COMMANDS = {
    "report": _report,
    "audit": _audit,
    "aa": _aa,
    "export": _export,
    "published": _published,
    "schema": _schema,
}
