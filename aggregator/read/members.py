"""A record read member by member: most of what replicates hold they repeat, and what was read once need not be again.

Only files laid out as this project writes them are read so, each member of the record beginning a line with one space
and its name; any other file takes the ordinary way. No raw newline can be inside a JSON string, so where every piece
between two such lines is valid by itself, so is the whole, with just these members.
"""

import dataclasses
from functools import cache
from typing import Any, NamedTuple, get_type_hints

from pydantic import TypeAdapter, ValidationError

from aggregator.read.validity import JUDGED, broken
from runners.harness.record import Record

BEGIN, BETWEEN, END = b'{\n "', b',\n "', b"\n}\n"
OWN = ("record_id", "block", "samples", "resources", "health")
"""What each replicate has of its own."""
MOST_KNOWN, LONGEST_KNOWN = 1000, 2**16
"""How many values of a field are remembered, and how many bytes each may have: hostile records could hold gigabytes."""
RECENT = 4
"""How many values a field may take in turn, such as the sides of a case, to be still found by comparing."""
DIGITS = bytes(ord("0") if chr(byte).isdecimal() else ord(" ") for byte in range(256))
WIDE = b"0" * 19
"""Where there are no 19 digits on end, no number is beyond 64 bits."""


class Member(NamedTuple):
    """A value, and the first rule that it breaks (see validity.py)."""

    value: Any
    problem: str | None


class Reader:
    """Reads one field of the record, and remembers what it read where replicates repeat it."""

    def __init__(self, name: str, kind: Any, end: bytes) -> None:
        self.name = name
        self._begin = f'{name}": '.encode("ascii")
        self._end = end
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind)
        self._judged = name in JUDGED
        self._remembers = name not in OWN
        self._known: dict[bytes, Member] = {}
        """By the member's text, whatever ends it. To look it up takes longer than to compare with a recent one."""
        self.recent: list[tuple[bytes, Member]] = []
        """The pieces that were found last, each with what ends it, and the member in it."""

    def find(self, data: bytes, start: int) -> tuple[Member, int]:
        """The member whose piece starts there, and where the next one does. Raises ValidationError, OtherLayout."""
        stop = data.find(self._end, start)
        if stop < 0 or not data.startswith(self._begin, start):
            raise OtherLayout
        after = stop + len(self._end)
        text = data[start + len(self._begin) : stop]
        if not self._remembers or len(text) > LONGEST_KNOWN:
            return self._read(text), after
        member = self._known.get(text) or self._read(text)
        if len(self._known) < MOST_KNOWN:
            self._known[text] = member
        self.recent = [(data[start:after], member), *self.recent[: RECENT - 1]]
        return member, after

    def _read(self, text: bytes) -> Member:
        value = self._adapter.validate_json(text, strict=True)
        return Member(value, broken(self.name, value, is_wide(text)) if self._judged else None)


class OtherLayout(Exception):
    """The piece is not laid out as this project writes the member."""


def read_members(data: bytes) -> tuple[Record, dict[str, str]] | None:
    """The record, and for each part that breaks a rule which one (see validity.py); None where it has to be read the
    ordinary way, be it for its layout or because it is not valid."""
    if not data.startswith(BEGIN):
        return None
    start, values, problems = len(BEGIN), {}, {}
    try:
        for reader in _readers():
            # To compare is much faster than to look for where the piece ends.
            for piece, member in reader.recent:  # noqa: B007 (used below)
                if data.startswith(piece, start):
                    start += len(piece)
                    break
            else:
                member, start = reader.find(data, start)
            values[reader.name], problem = member
            if problem:
                problems[reader.name] = problem
    except (ValidationError, OtherLayout):
        return None
    if start < len(data):
        return None
    record = object.__new__(Record)
    vars(record).update(values)  # as pydantic does it: a frozen class itself sets each for itself, which takes longer
    return record, problems


def is_wide(text: bytes) -> bool:
    """Whether a number in it may be beyond 64 bits."""
    return WIDE in text.translate(DIGITS)


@cache
def _readers() -> list[Reader]:
    """In the order in which a record is written."""
    kinds = get_type_hints(Record)
    *others, last = dataclasses.fields(Record)
    return [
        *(Reader(field.name, kinds[field.name], BETWEEN) for field in others),
        Reader(last.name, kinds[last.name], END),
    ]
