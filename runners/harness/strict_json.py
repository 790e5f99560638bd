"""JSON as this project writes it.

Python's reader, like most, takes an object with a key that stands twice and keeps the last value: a record could say
`"status": "failed"` to one reader and `"status": "ok"` to another.
"""

import json
from collections import Counter
from typing import Any


class RepeatedKey(ValueError):
    """A key stands twice in one object."""


def loads(text: str | bytes) -> Any:
    """The value of the text. Raises ValueError, RepeatedKey and RecursionError."""
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise RepeatedKey(f"the key {name!r} stands twice")
    return found
