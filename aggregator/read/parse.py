"""One record from bytes: strict types, then the rules that types cannot express."""

import dataclasses
import json
from typing import Any

from pydantic import ValidationError

from aggregator.read.schema import record_adapter
from method.validity import EVIDENCE, IDENTITY, Refusal, refusal
from runners.harness import strict_json
from runners.harness.record import DAMAGED, SCHEMA_VERSION, Record, Status

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
        document = _decode(data)
        try:
            record = record_adapter().validate_json(data)
        except ValidationError as error:
            return _salvage(document, error)
    except RecursionError as error:
        raise BadRecord("nested too deeply", 0) from error
    return _judged(record)


def _salvage(document: Any, error: ValidationError) -> Record:
    """Keep the identity of a record whose evidence is malformed, so that its cell can say so."""
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
    _refuse_identity(refusal(identity))
    return _as_invalid(identity, Refusal(DAMAGED, {"": reason}))


def _judged(record: Record) -> Record:
    _check_version(record.schema_version)
    refused = refusal(record)
    _refuse_identity(refused)
    return _as_invalid(record, refused) if refused else record


def _refuse_identity(refused: Refusal | None) -> None:
    for name in IDENTITY:
        if refused and name in refused.parts:
            raise BadRecord(f"not a record: {refused.parts[name]}")


def _decode(data: bytes) -> Any:
    if data.startswith(BOM):
        raise BadRecord("starts with a byte order mark", 0)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRecord("not UTF-8", error.start) from error
    try:
        return strict_json.loads(text)
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode("utf-8"))
        reason = "truncated" if at >= len(data.rstrip()) or error.msg.startswith("Unterminated") else "not JSON"
        raise BadRecord(f"{reason}: {error.msg}", at) from error
    except strict_json.RepeatedKey as error:
        raise BadRecord(str(error)) from error
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


def _as_invalid(record: Record, refused: Refusal) -> Record:
    """Without its results, and without the parts that are at fault: what they say of machine and settings, such as
    an impossible number of CPUs, would set the record apart from the very run that it belongs to."""
    dropped = {"samples", "resources", "history"} | (refused.parts.keys() & set(EVIDENCE))
    without: dict[str, Any] = dict.fromkeys(dropped)
    return dataclasses.replace(record, status=Status.INVALID, error=refused.failure, **without)
