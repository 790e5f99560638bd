"""`export`: write the records, or the results, in another program's form."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from aggregator.commands.shared import (
    OK,
    RUN_HELP,
    SOME_FAILED,
    load_runs,
    not_writable,
    printable,
    refuse_unknown,
    target_folder,
)
from aggregator.export import benchmark_action, csv_parquet, openmetrics, pyperf_suites
from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import CannotReport
from runners.harness.record import Status
from runners.harness.run import PILOTS

HELP = "write the records, or the results, in another program's form"
FORMATS = {
    "pyperf": pyperf_suites.write,
    "csv": csv_parquet.write_csv,
    "parquet": csv_parquet.write_parquet,
    "openmetrics": openmetrics.write,
    "benchmark-action": benchmark_action.write,
}


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--format", default=next(iter(FORMATS)), help=f"one of: {', '.join(FORMATS)}")
    parser.add_argument("--out", type=target_folder, required=True, help="folder for the files")


def run(given: argparse.Namespace) -> int:
    """Write the files; each one's path is a line of standard output."""
    refuse_unknown("format", given.format, tuple(FORMATS))
    loaded = load_runs(given.runs)
    _refuse_records(given.out, [folder for folder, _ in loaded])
    runs = [found for _, found in loaded]
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


def _refuse_records(out: Path, folders: Sequence[Path]) -> None:
    """Raises CannotReport if the next report would take the exported files for records."""
    target = Path(os.path.realpath(out))
    for records in (folder / part / "records" for folder in folders for part in ("", PILOTS)):
        if target.is_relative_to(os.path.realpath(records)):
            raise CannotReport(f"{out} is reserved for the records of the run; give another --out DIR")
