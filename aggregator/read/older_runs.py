"""A run description of an earlier version, in today's form."""

import contextlib
import json
from typing import Any

from runners.harness import strict_json

OWN_WARMUPS_SINCE = 4
"""Before this version of run.json all programs of a case shared one warm-up, the longest of any."""


def upgraded(data: bytes) -> bytes:
    """The description as today's version has it. What is not of the earlier form either is left as it is.

    Raises RepeatedKey.
    """
    try:
        run = strict_json.loads(data)
    except strict_json.RepeatedKey:
        raise
    except (ValueError, RecursionError):
        return data
    if not isinstance(run, dict) or not isinstance(run.get("run_version"), int):
        return data
    if run["run_version"] >= OWN_WARMUPS_SINCE:
        return data
    with contextlib.suppress(KeyError, TypeError, AttributeError):
        for case in run["cases"]:
            shared = case.pop("warmup", None)
            case["warmups"] = _by_program(shared) if shared else []
        return json.dumps(run).encode("ascii")
    return data


def _by_program(shared: dict[str, Any]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for pilot in shared["pilots"]:
        competitor = pilot.pop("competitor")
        own = {"competitor": competitor, "pilots": [], **{key: shared[key] for key in ("warmup_steps", "kept_steps")}}
        found.setdefault(json.dumps(competitor), own)["pilots"].append(pilot)
    return list(found.values())
