"""Proves with a small replicate that a program computes on the run's device, before anything is measured."""

import json
from pathlib import Path
from typing import Any

from launcher.build.programs import split
from launcher.engines.engine import Engine, Job, Limits
from launcher.engines.outcomes import failure
from launcher.errors import BuildFailed, Interrupted, NotReady
from launcher.ownership.temporary import temporary_folder
from launcher.stop import Ending, Stop
from runners.harness.case import Competitor
from runners.harness.record import log_tail

SECONDS = 300.0
"""The first process on a GPU may compile its kernels for minutes."""

_NAME = "probe"
_SHORT = ("--batch-size", "1", "--warmup-steps", "0", "--min-steps", "1", "--max-steps", "1", "--min-seconds", "0")


def prove(engine: Engine, program: str, device: str, limits: Limits, stop: Stop) -> None:
    """Run one step of inference as a replicate: the same container or process, and the same checks of the device.

    Raises BuildFailed where the program cannot compute there, NotReady where the replicate cannot start at all.
    """
    framework, version = split(program)
    chosen = ["--framework-version", version] if version else []
    with temporary_folder() as folder:
        records, compiled, log = folder / "records", folder / "compiled", folder / "log"
        records.mkdir()
        compiled.mkdir()
        job = Job(
            run_id=_NAME,
            record_id=_NAME,
            competitor=Competitor(framework, "", version=version),
            case_arguments=["infer", *chosen, "--device", device, "--threads", str(len(limits.cpus)), *_SHORT],
            order_arguments=["--run-id", _NAME, "--record-id", _NAME],
            records=records,
            compiled=compiled,
            log=log,
            device=device,
            timeout=SECONDS,
        )
        outcome = engine.run(job, stop)
        if outcome.ending is Ending.INTERRUPTED:
            raise Interrupted(f"interrupted while {program} was tried on the {device}")
        if outcome.message:
            raise NotReady(outcome.message)
        record = _read(records / f"{_NAME}.json")
        tail = log_tail(log.read_text("utf-8", "replace")) if log.exists() else ""
    if record.get("status") != "ok":
        _, ended = failure(outcome, SECONDS, limits.memory_bytes, tail)
        error = record.get("error") or {"kind": ended.kind, "message": ended.message}
        raise BuildFailed(f"{program} does not compute on the {device}: {error['kind']}: {error['message']}", tail)


def _read(path: Path) -> dict[str, Any]:
    """The probe's record, or nothing where it left none that can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
