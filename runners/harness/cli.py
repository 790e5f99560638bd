"""From a command line to one record: prepare, check, measure, write."""

import dataclasses
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from runners.harness import rank, together
from runners.harness.case import AXES, Case
from runners.harness.expected import NOT_COMPARED, shortcoming
from runners.harness.host import writing_remedy
from runners.harness.manifest import Manifest, ManifestError, read_manifest, splits_read
from runners.harness.options import USAGE, Options, read
from runners.harness.own_model import ModelError
from runners.harness.record import SCHEMA_VERSION, Record, Status, provenance, write_record
from runners.harness.replicate import attempt
from runners.harness.terminal import shown
from runners.harness.workload import Framework

NOT_READY = 3


def main(framework: Framework, argv: list[str] | None = None) -> int:
    """Run one replicate, or one process of a replicate."""
    code = _run(framework, argv)
    if rank.own().count > 1:
        # A framework's clean-up at the end of Python waits for the other processes, which may have ended.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _run(framework: Framework, argv: list[str] | None) -> int:
    """Run it.

    Exit code 0: the record is `ok`; 1: the record says what went wrong; 2: usage; 3: the record cannot be written.
    """
    signal.signal(signal.SIGTERM, _terminated)
    arguments = sys.argv[1:] if argv is None else argv
    options = read(framework, arguments)
    if options is None:
        print(json.dumps(dataclasses.asdict(framework), indent=1))
        return 0
    try:
        case, manifest = _case(options)
    except (ManifestError, ModelError) as error:
        print(shown(str(error)), file=sys.stderr)
        return USAGE
    own = rank.own()
    if not options.check_only and not own.number and not _writable(options.out):
        return NOT_READY
    record = Record(
        schema_version=SCHEMA_VERSION,
        record_id=options.record_id,
        run_id=options.run_id,
        status=Status.OK,
        error=None,
        case=case,
        competitor=options.competitor,
        block=options.block,
        command=provenance().get("command") or ["python", "-m", f"runners.{framework.name}", *arguments],
    )
    with tempfile.TemporaryDirectory(prefix="levelfield-") as scratch:
        if own.count == 1 and (case.processes or 1) > 1:
            ended = together.attempt(framework, options, record, arguments, Path(scratch))
            if isinstance(ended, int):
                return ended
            record = ended
        else:
            record = attempt(framework, options, record, manifest, Path(scratch))
    if record.error:
        print(shown(f"{record.status}: {record.error.kind}: {record.error.message}"), file=sys.stderr)
    if own.number:
        return together.leave_behind(record)
    if options.check_only:
        return _report_check(record)
    if not _written(record, options.out):
        return NOT_READY
    return 0 if record.status is Status.OK else 1


def _report_check(record: Record) -> int:
    """Print the evidence of a `--check` and the comparison. Returns 1 unless the evidence shows the case's work."""
    print(json.dumps(dataclasses.asdict(record.check) if record.check else None, indent=1))
    if record.check is None or record.status is not Status.OK:
        return 1
    reason, compared = shortcoming(record.case, record.check)
    print(compared, file=sys.stderr)
    if reason:
        print(f"NOT THE SAME WORK: {reason}", file=sys.stderr)
        return 1
    if not compared.startswith(NOT_COMPARED):
        print("ok", file=sys.stderr)
    return 0


def _case(options: Options) -> tuple[Case, Manifest | None]:
    given = options.parameters
    manifest = read_manifest(options.manifest) if options.manifest else None
    splits = splits_read(options.workload, manifest, given.split) if manifest else ()
    dataset = manifest.reference(*splits) if manifest else None
    values = {axis.name: getattr(given, axis.name) for axis in AXES}
    model = options.model.reference() if options.model else None
    return Case(options.workload, given.device, dataset=dataset, model=model, **values), manifest


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".levelfield-"):
            return True
    except OSError as error:
        return _say_unwritable(folder, error)


def _say_unwritable(folder: Path, error: OSError) -> bool:
    print(f"{folder}: cannot write there ({error.strerror}); {writing_remedy(folder, error)}", file=sys.stderr)
    return False


def _written(record: Record, folder: Path) -> bool:
    try:
        print(write_record(record, folder), file=sys.stderr)
        return True
    except OSError as error:
        return _say_unwritable(folder, error)


def _terminated(_signal: int, _frame: object) -> NoReturn:
    """On SIGTERM, run the `finally` clauses before the process ends: no worker or scratch folder stays behind."""
    raise SystemExit(128 + signal.SIGTERM)
