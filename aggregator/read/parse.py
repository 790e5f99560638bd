"""One record from bytes: strict types, then the rules that types cannot express."""

import dataclasses
import json
from typing import Any

from pydantic import ValidationError

from aggregator.read.schema import record_adapter
from aggregator.read.validity import EVIDENCE, IDENTITY, JUDGED, broken
from runners.harness.record import SCHEMA_VERSION, Failure, Record, Status

BOM = b"\xef\xbb\xbf"


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
    try:
        record = record_adapter().validate_json(data)
    except ValidationError as error:
        try:
            return _salvage(data, error)
        except RecursionError:
            raise BadRecord("nested too deeply", 0) from error
    return _judged(record, _problems(record))


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
        return _judged(record, _problems(record))
    stripped = {**_without_surrogates(document), **dict.fromkeys(EVIDENCE), "unknown": {}}
    try:
        identity = record_adapter().validate_json(json.dumps(stripped))
    except ValidationError:
        raise BadRecord(f"not a record: {_first_problem(error) if document else 'empty'}") from error
    _refuse_identity(_problems(identity))
    return _as_invalid(identity, {"": reason})


def _judged(record: Record, problems: dict[str, str]) -> Record:
    """`problems` names for each part that breaks a rule which one."""
    _check_version(record.schema_version)
    _refuse_identity(problems)
    if not problems:
        problems = _incomplete(record)
    return _as_invalid(record, problems) if problems else record


def _refuse_identity(problems: dict[str, str]) -> None:
    for name in IDENTITY:
        if name in problems:
            raise BadRecord(f"not a record: {problems[name]}")


def _problems(record: Record) -> dict[str, str]:
    found = {name: broken(name, getattr(record, name)) for name in JUDGED}
    return {name: problem for name, problem in found.items() if problem}


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


def _incomplete(record: Record) -> dict[str, str]:
    """What is missing of a record whose parts are as they must be: the part at fault, and why."""
    if record.status is not Status.OK:
        return {} if record.error else {"error": f"status {record.status} without an error"}
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
