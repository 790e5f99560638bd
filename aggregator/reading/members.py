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

BEGIN, BETWEEN, END = b"{", b'\n "', b"\n}\n"
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

    def __init__(self, name: str, kind: Any) -> None:
        self._begin = f'{name}": '.encode("ascii")
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind)
        self._remembers = name not in OWN
        self._last: bytes | None = None
        self._found = Member(None, False)
        self._known: dict[bytes, Member] = {}

    def __call__(self, piece: bytes) -> Member:
        """The member in this piece of the file. Raises ValidationError, OtherLayout."""
        if piece == self._last:  # comparing is much faster than looking up, which has to go through all of it
            return self._found
        if not self._remembers:
            return self._read(piece)
        self._found = self._known.get(piece) or self._read(piece)
        self._last = piece
        if len(self._known) < MOST_KNOWN and len(piece) <= LONGEST_KNOWN:
            self._known[piece] = self._found
        return self._found

    def _read(self, piece: bytes) -> Member:
        if not (piece.startswith(self._begin) and piece.endswith(b",")):
            raise OtherLayout
        text = piece[len(self._begin) : -1]
        return Member(self._adapter.validate_json(text, strict=True), is_wide(text))


class OtherLayout(Exception):
    """The piece is not laid out as this project writes the member."""


def read_members(data: bytes) -> tuple[Record, bool] | None:
    """The record, and whether any of its numbers may be beyond 64 bits; None where it has to be read the ordinary way,
    be it for its layout or because it is not valid."""
    before, *pieces = data.split(BETWEEN)
    readers = _readers()
    if before != BEGIN or len(pieces) != len(readers) or not pieces[-1].endswith(END):
        return None
    pieces[-1] = pieces[-1].removesuffix(END) + b","
    try:
        members = [read(piece) for read, piece in zip(readers, pieces, strict=True)]
    except (ValidationError, OtherLayout):
        return None
    return Record(*[member.value for member in members]), any(member.wide for member in members)


def is_wide(text: bytes) -> bool:
    """Whether a number in it may be beyond 64 bits."""
    return WIDE in text.translate(DIGITS)


@cache
def _readers() -> list[Reader]:
    """In the order in which a record is written."""
    kinds = get_type_hints(Record)
    return [Reader(field.name, kinds[field.name]) for field in dataclasses.fields(Record)]
