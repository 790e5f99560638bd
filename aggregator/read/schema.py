"""The record's published form: a JSON Schema and a page for people, both generated from the dataclasses."""

import dataclasses
import inspect
import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from runners.harness import case, record
from runners.harness.record import SCHEMA_HISTORY, SCHEMA_VERSION, Record
from runners.harness.run import Run


@cache
def record_adapter() -> TypeAdapter[Record]:
    """Reads a record strictly: no unknown key, no coercion."""
    return TypeAdapter(Record)


@cache
def run_adapter() -> TypeAdapter[Run]:
    """Reads run.json just as strictly."""
    return TypeAdapter(Run)


def json_schema() -> str:
    """The JSON Schema of a record, as stored in docs/record.schema.json."""
    document: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "; ".join(f"version {version}: {note}" for version, note in SCHEMA_HISTORY.items()),
        **record_adapter().json_schema(),
        "title": f"Levelfield record, schema version {SCHEMA_VERSION}",
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def reference_page() -> str:
    """The field reference, as stored in docs/record.md."""
    lines = [
        "# The record",
        "",
        "<!-- Generated: python -m aggregator schema --markdown > docs/record.md -->",
        "",
        inspect.cleandoc(record.__doc__ or ""),
        "",
        "The same as a [JSON Schema](record.schema.json), printed by `python -m aggregator schema`.",
        "",
        "## History",
        "",
        *(f"- version {version}: {note}" for version, note in sorted(SCHEMA_HISTORY.items(), reverse=True)),
        "",
        "A report reads every version up to its own, refuses a newer one, and never guesses.",
    ]
    for kind in _kinds():
        lines += [
            "",
            f"## {kind.__name__}",
            "",
            inspect.cleandoc(kind.__doc__ or ""),
            "",
            "| field | type |",
            "| --- | --- |",
        ]
        lines += [f"| `{field.name}` | {_type_name(field.type)} |" for field in dataclasses.fields(kind)]
    statuses = ", ".join(f"`{status}`" for status in record.Status)
    lines += ["", "## Status", "", inspect.cleandoc(record.Status.__doc__ or ""), "", statuses, ""]
    return "\n".join(lines)


def _kinds() -> list[Any]:
    nested = [record.Failure, record.Effective, record.PipelineStage, record.Samples, record.Resources]
    nested += [record.DeliveredImages, record.Check, record.Host]
    return [
        Record,
        case.Case,
        case.DatasetRef,
        case.ModelRef,
        case.Competitor,
        case.Block,
        *nested,
        record.Health,
        record.Epoch,
    ]


def _type_name(kind: Any) -> str:
    name = inspect.formatannotation(kind).replace("runners.harness.record.", "").replace("runners.harness.case.", "")
    # What is a list in JSON may be another sequence once it is read.
    return name.replace("collections.abc.Sequence", "list").replace(" | None", " or null")
