"""One record from bytes: strict types, then the rules that types cannot express."""

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from aggregator.reading.members import is_wide, read_members
from aggregator.reading.schema import record_adapter
from runners.harness.record import (
    SCHEMA_VERSION,
    Check,
    Epoch,
    Failure,
    Health,
    Host,
    Record,
    Resources,
    Samples,
    Status,
)
from runners.harness.run import MOST_BLOCKS

BOM = b"\xef\xbb\xbf"
LARGEST = 2**63 - 1
EVIDENCE = ("effective", "samples", "resources", "check", "host", "health", "history")
CACHE_STATES = ("cold", "warm", None)


class BadRecord(Exception):
    """These bytes are not a record; `offset` is the byte at which that shows."""

    def __init__(self, reason: str, offset: int | None = None) -> None:
        super().__init__(reason)
        self.offset = offset


class NewerSchema(Exception):
    """The record was written by a newer version of this project."""


def parse_record(data: bytes) -> Record:
    """A record that may be compared, or one turned `invalid` where only its evidence is unusable.

    Raises BadRecord where not even its case can be told, NewerSchema where the schema is newer.
    """
    found = read_members(data)
    if found:
        return _judged(*found)
    try:
        record = record_adapter().validate_json(data)
    except ValidationError as error:
        return _salvage(data, error)
    return _judged(record, is_wide(data))


def _salvage(data: bytes, error: ValidationError) -> Record:
    """Keep the identity of a record whose evidence is malformed, so that its cell can say so."""
    document = _decode(data)
    if not isinstance(document, dict):
        raise BadRecord("not a JSON object", 0)
    if "schema_version" in document:
        _check_version(document["schema_version"])
    text = json.dumps(_without_surrogates(document))
    try:
        record = record_adapter().validate_json(text)
    except ValidationError as second:
        reason = _first_problem(second)
    else:
        return _judged(record)
    stripped = {**_without_surrogates(document), **dict.fromkeys(EVIDENCE), "unknown": {}}
    try:
        identity = record_adapter().validate_json(json.dumps(stripped))
    except ValidationError:
        raise BadRecord(f"not a record: {_first_problem(error) if document else 'empty'}") from error
    _refuse_identity(identity)
    return _as_invalid(identity, {"": reason})


def _judged(record: Record, wide: bool = True) -> Record:
    """`wide` says whether any of its numbers may be beyond 64 bits."""
    _check_version(record.schema_version)
    _refuse_identity(record, wide)
    problems = _problems(record, wide)
    return _as_invalid(record, problems) if problems else record


def _refuse_identity(record: Record, wide: bool = True) -> None:
    if record.block.number < 0 or record.block.position < 0 or record.block.sequence < 0:
        raise BadRecord("not a record: a negative number in its block")
    if max(record.block.number, record.block.position) > MOST_BLOCKS:
        raise BadRecord(f"not a record: block or place beyond {MOST_BLOCKS}")
    problem = (_unbounded(record.case, "case") or _unbounded(record.block, "block")) if wide else None
    if problem is None and record.case.batch_size < 1:
        problem = f"case.batch_size: {record.case.batch_size} is no batch"
    if problem:
        raise BadRecord(f"not a record: {problem}")


def _decode(data: bytes) -> Any:
    if data.startswith(BOM):
        raise BadRecord("starts with a byte order mark", 0)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRecord("not UTF-8", error.start) from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode("utf-8"))
        reason = "truncated" if at >= len(data.rstrip()) or error.msg.startswith("Unterminated") else "not JSON"
        raise BadRecord(f"{reason}: {error.msg}", at) from error
    except RecursionError as error:
        raise BadRecord("nested too deeply", 0) from error
    except ValueError as error:
        raise BadRecord(f"not JSON: {error}", 0) from error


def _check_version(version: object) -> None:
    if isinstance(version, bool) or not isinstance(version, int):
        return
    if version > SCHEMA_VERSION:
        raise NewerSchema(f"schema version {version}, this program reads up to {SCHEMA_VERSION}")
    if version < 1:
        raise BadRecord(f"schema version {version} was never published")


def _without_surrogates(value: Any) -> Any:
    """Paths that are not UTF-8 travel as lone surrogates, which strict JSON readers refuse."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def _as_invalid(record: Record, problems: dict[str, str]) -> Record:
    """Without its results, and without the parts that are at fault: what they say of machine and settings, such as
    an impossible number of CPUs, would set the record apart from the very run whose comparison it makes invalid."""
    failure = Failure("INVALID", next(iter(problems.values())))
    dropped = {"samples", "resources", "history"} | (problems.keys() & set(EVIDENCE))
    without: dict[str, Any] = dict.fromkeys(dropped)
    return dataclasses.replace(record, status=Status.INVALID, error=failure, **without)


def _problems(record: Record, wide: bool) -> dict[str, str]:
    """For each part of the evidence that is at fault the first rule that it breaks, in a sentence."""
    found: dict[str, str] = {}
    for name in EVIDENCE:
        part = getattr(record, name)
        if part is None:
            continue
        problem = _unbounded(part, name) if wide else None
        if problem is None and name in IMPLAUSIBLE:
            problem = IMPLAUSIBLE[name](part)
        if problem:
            found[name] = problem
    if found:
        return found
    if record.status is Status.OK:
        return _incomplete_evidence(record)
    return {} if record.error else {"error": f"status {record.status} without an error"}


def _unbounded(value: object, where: str) -> str | None:
    """Names the first number that is not finite or that no counter could hold."""
    if _bounded(value):
        return None
    if isinstance(value, int):
        return f"{where}: beyond 64 bits"
    if isinstance(value, float):
        return f"{where}: {value} is not a finite number"
    items = enumerate(value) if isinstance(value, list) else _members(value).items()
    return next(problem for name, item in items if (problem := _unbounded(item, f"{where}.{name}")))


def _bounded(value: object) -> bool:
    """Whether no number within is at fault. Nearly all records pass, so that names are found for the others alone."""
    if isinstance(value, int):
        return -LARGEST <= value <= LARGEST
    if isinstance(value, float):
        return math.isfinite(value)
    if value is None or isinstance(value, str):
        return True
    if isinstance(value, list) and value and isinstance(value[0], (int, float)):
        # A record's lists are of one type each, and the longest by far are of numbers.
        return (
            all(map(math.isfinite, value))
            if isinstance(value[0], float)
            else _bounded(min(value)) and _bounded(max(value))
        )
    items = value if isinstance(value, list) else _members(value).values()
    return all(_bounded(item) for item in items if item is not None and not isinstance(item, str))


def _members(value: object) -> dict[str, object]:
    """What is in a dictionary or a dataclass, by name."""
    return value if isinstance(value, dict) else vars(value)


def _negative(resources: Resources) -> str | None:
    for name, value in vars(resources).items():
        if value is not None and value < 0:
            return f"resources.{name}: {value} is negative"
    return None


def _implausible_check(check: Check) -> str | None:
    shares = {"accuracy": check.accuracy, "accuracy_restored": check.accuracy_restored}
    return _outside("check", shares, 0, 1, "is no share")


def _implausible_host(host: Host) -> str | None:
    if host.cpus < 1:
        return f"host.cpus: {host.cpus} is not positive"
    return f"host.memory_bytes: {host.memory_bytes} is negative" if host.memory_bytes < 0 else None


def _implausible_health(health: Health) -> str | None:
    shares = {"steal_fraction": health.steal_fraction, "others_cpu_fraction": health.others_cpu_fraction}
    # Read a moment after the clock, so that a busy machine's may exceed its window, though not by as much again.
    waited = {"pressure_some_fraction": health.pressure_some_fraction}
    clocks = {"mhz_low": health.mhz_low, "mhz_high": health.mhz_high}
    return (
        _outside("health", shares, 0, 1, "is no share")
        or _outside("health", waited, 0, 2, "is no share")
        or _outside("health", clocks, 0, 1e6, "is no clock of a CPU")
    )


def _outside(part: str, values: dict[str, float | None], low: float, high: float, wrong: str) -> str | None:
    for name, value in values.items():
        if value is not None and not low <= value <= high:
            return f"{part}.{name}: {value} {wrong}"
    return None


def _implausible_history(history: list[Epoch]) -> str | None:
    found = ((index, _implausible_epoch(epoch)) for index, epoch in enumerate(history))
    return next((f"history.{index}.{problem}" for index, problem in found if problem), None)


def _implausible_epoch(epoch: Epoch) -> str | None:
    if epoch.seconds_ns <= 0:
        return f"seconds_ns: {epoch.seconds_ns} is not a positive time"
    if epoch.waited_ns is not None and not 0 <= epoch.waited_ns <= epoch.seconds_ns:
        return f"waited_ns: {epoch.waited_ns} of {epoch.seconds_ns}"
    for name, share in (("accuracy", epoch.accuracy), ("test_accuracy", epoch.test_accuracy)):
        if share is not None and not 0 <= share <= 1:
            return f"{name}: {share} is no share"
    return None


def _implausible_samples(samples: Samples) -> str | None:
    singles = {"first_step_ns": samples.first_step_ns, "import_ns": samples.import_ns, "setup_ns": samples.setup_ns}
    stages = {f"stage_ns.{name}": value for name, value in samples.stage_ns.items()}
    for name, times in (("step_ns", samples.step_ns), ("group_ns", samples.group_ns)):
        if min(times, default=1) <= 0:
            singles |= {f"{name}.{index}": value for index, value in enumerate(times)}
    for name, value in {**singles, **stages}.items():
        if value is not None and value <= 0:
            return f"samples.{name}: {value} is not a positive time"
    for name, items in samples.stage_items.items():
        if name not in samples.stage_ns:
            return f"samples.stage_items.{name}: of a stage that was not timed"
        if items < 1:
            return f"samples.stage_items.{name}: {items} is not positive"
    for stage in samples.pipeline:
        if min(stage.workers, stage.tasks + 1, stage.busy_ns + 1) < 1:
            done = f"{stage.tasks} tasks of {stage.busy_ns} ns, {stage.workers} at once"
            return f"samples.pipeline: {stage.name!r} has {done}"
    if not 0 <= samples.warmup_steps <= len(samples.step_ns):
        return f"samples.warmup_steps: {samples.warmup_steps} of {len(samples.step_ns)} steps"
    if samples.group_ns and samples.group_steps < 1:
        return "samples.group_steps: not positive"
    if samples.injected_slowdown < 1:
        return f"samples.injected_slowdown: {samples.injected_slowdown} is no slowdown"
    for name, value in {"flops_per_step": samples.flops_per_step, "bytes_per_step": samples.bytes_per_step}.items():
        if value is not None and value < 1:
            return f"samples.{name}: {value} is not positive"
    if samples.compiler_cache not in CACHE_STATES:
        return f"samples.compiler_cache: {samples.compiler_cache!r} is neither cold nor warm nor null"
    return None if samples.items_per_step > 0 else "samples.items_per_step: not positive"


def _incomplete_evidence(record: Record) -> dict[str, str]:
    """What an `ok` record must hold to be compared at all: the part at fault, and why."""
    samples = record.samples
    if samples is None:
        return {"samples": "samples: missing from a record that is ok"}
    if record.case.network and record.effective and record.effective.precision != record.case.precision:
        wrong = f"effective.precision: {record.effective.precision}, asked for was {record.case.precision}"
        return {"effective": wrong}
    if record.case.workload == "fit":
        return {} if "train" in samples.stage_ns else {"samples": "samples.stage_ns: no train stage"}
    if len(samples.step_ns) == samples.warmup_steps:
        return {"samples": "samples.step_ns: no step after warm-up"}
    return {}


IMPLAUSIBLE: dict[str, Callable[[Any], str | None]] = {
    "samples": _implausible_samples,
    "resources": _negative,
    "check": _implausible_check,
    "host": _implausible_host,
    "health": _implausible_health,
    "history": _implausible_history,
}
"""The rules of each part that types cannot express."""
