"""A record read member by member: most of what replicates hold they repeat, and what was read once need not be again.

Only files laid out as this project writes them are read so, each member of the record beginning a line with one space
and its name; any other file takes the ordinary way. No raw newline can be inside a JSON string, so where every piece
between two such lines is valid by itself, so is the whole, with just these members.
"""

import dataclasses
from functools import cache
from typing import Any, NamedTuple, get_type_hints

from pydantic import TypeAdapter, ValidationError

from runners.harness.record import Record

BEGIN, BETWEEN, END = b'{\n "', b',\n "', b"\n}\n"
OWN = ("record_id", "block", "samples", "resources", "health")
"""What each replicate has of its own."""
MOST_KNOWN, LONGEST_KNOWN = 1000, 2**16
"""How many values of a field are remembered, and how many bytes each may have: hostile records could hold gigabytes."""
DIGITS = bytes(ord("0") if chr(byte).isdecimal() else ord(" ") for byte in range(256))
WIDE = b"0" * 19
"""Where there are no 19 digits on end, no number is beyond 64 bits."""


class Member(NamedTuple):
    """A value, and whether a number in it may be beyond 64 bits."""

    value: Any
    wide: bool


class Reader:
    """Reads one field of the record, and remembers what it read where replicates repeat it."""

    def __init__(self, name: str, kind: Any, end: bytes) -> None:
        self._begin = f'{name}": '.encode("ascii")
        self._end = end
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind)
        self._remembers = name not in OWN
        self._known: dict[bytes, Member] = {}
        self.last = b""
        """The piece of the file that was read last, with what ends it; `found` is the member in it."""
        self.found = Member(None, False)

    def find(self, data: bytes, start: int) -> int:
        """Read the piece that starts there, and tell where the next one does. Raises ValidationError, OtherLayout."""
        stop = data.find(self._end, start)
        piece = data[start:stop]
        if stop < 0 or not piece.startswith(self._begin):
            raise OtherLayout
        after = stop + len(self._end)
        if not self._remembers:
            self.found = self._read(piece)
            return after
        self.found = self._known.get(piece) or self._read(piece)
        self.last = data[start:after]
        if len(self._known) < MOST_KNOWN and len(piece) <= LONGEST_KNOWN:
            self._known[piece] = self.found
        return after

    def _read(self, piece: bytes) -> Member:
        text = piece[len(self._begin) :]
        return Member(self._adapter.validate_json(text, strict=True), is_wide(text))


class OtherLayout(Exception):
    """The piece is not laid out as this project writes the member."""


def read_members(data: bytes) -> tuple[Record, bool] | None:
    """The record, and whether any of its numbers may be beyond 64 bits; None where it has to be read the ordinary way,
    be it for its layout or because it is not valid."""
    if not data.startswith(BEGIN):
        return None
    start, wide, values = len(BEGIN), False, []
    try:
        for reader in _readers():
            # To compare a piece with the last one is much faster than to look for where it ends.
            if reader.last and data.startswith(reader.last, start):
                start += len(reader.last)
            else:
                start = reader.find(data, start)
            values.append(reader.found.value)
            wide = wide or reader.found.wide
    except (ValidationError, OtherLayout):
        return None
    return (Record(*values), wide) if start == len(data) else None


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
