"""`export`: write the records, or the results, in another program's form."""

import argparse
import sys
from pathlib import Path

from aggregator.commands.shared import OK, RUN_HELP, SOME_FAILED, known, load_runs, not_writable, printable
from aggregator.comparison.analysis import analyse
from aggregator.exports import benchmark_action, openmetrics, pyperf_suites, tables
from aggregator.reading.load import CannotReport
from runners.harness.record import Status

HELP = "write the records, or the results, in another program's form"
FORMATS = {
    "pyperf": pyperf_suites.write,
    "csv": tables.write_csv,
    "parquet": tables.write_parquet,
    "openmetrics": openmetrics.write,
    "benchmark-action": benchmark_action.write,
}


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--format", default=next(iter(FORMATS)), help=f"one of: {', '.join(FORMATS)}")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")


def run(given: argparse.Namespace) -> int:
    """Write the files; each one's path is a line of standard output."""
    known("format", given.format, tuple(FORMATS))
    runs = [found for _, found in load_runs(given.runs)]
    if not any(record.status is Status.OK for found in runs for record in found.records):
        names = ", ".join(found.name for found in runs)
        raise CannotReport(f"{names}: no replicate ended well, so there is nothing to export")
    try:
        made = FORMATS[given.format](analyse(runs), given.out)
    except OSError as error:
        return not_writable("the files", given.out, error)
    for path in made:
        print(printable(str(path)))
    quarantined = [item.file for found in runs for item in found.quarantined]
    if quarantined:
        print(f"left out: {printable(', '.join(quarantined))} (the report says why)", file=sys.stderr)
    return SOME_FAILED if quarantined else OK
