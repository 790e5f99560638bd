"""Reads from an ONNX file what a plan needs: its input, its output, and the files that hold its weights.

The launcher and the frameworks' environments other than ONNX Runtime's have no package `onnx`. The file is in the
encoding of Protocol Buffers: numbered fields, each with its length, so weights are passed over unread.
"""

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FLOAT32 = 1
FLOATS = {FLOAT32, 10, 11, 16}
TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 8: "text", 10: "float16", 11: "float64"}
EXTERNAL = 1
Span = tuple[int, int]


class NotOnnx(ValueError):
    """The bytes are no ONNX model."""


@dataclass(frozen=True)
class Tensor:
    """An input or an output. A dimension that the file leaves open is None or has a name; `shape` may be unknown."""

    name: str
    type: str
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class OnnxFile:
    """`parameters` counts the floating-point numbers of all initializers; `weights` are the files beside this one."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parameters: int
    weights: tuple[str, ...]


def read(path: Path) -> OnnxFile:
    """Read the file. Raises NotOnnx, OSError."""
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise NotOnnx("it is empty") from error
        with data:
            try:
                return _model(data)
            except (IndexError, UnicodeDecodeError, TypeError) as error:
                raise NotOnnx("its bytes are not in ONNX's format") from error


def _model(data: mmap.mmap) -> OnnxFile:
    model = _fields(data, (0, len(data)))
    versions, graphs = [value for number, value in model if number == 1], _spans(data, (0, len(data)), 7)
    if not versions or len(graphs) != 1:
        raise NotOnnx("its bytes are not in ONNX's format")
    inputs, outputs, initializers, parameters = [], [], set(), 0
    weights: dict[str, None] = {}
    for number, value in _fields(data, graphs[0]):
        if number == 5:
            name, elements, files = _initializer(data, _span(value))
            initializers.add(name)
            parameters += elements
            weights |= dict.fromkeys(files)
        elif number == 11:
            inputs.append(_tensor(data, _span(value)))
        elif number == 12:
            outputs.append(_tensor(data, _span(value)))
    # Up to version 3 of the format, initializers are among the inputs.
    given = tuple(tensor for tensor in inputs if tensor.name not in initializers)
    return OnnxFile(given, tuple(outputs), parameters, tuple(weights))


def _tensor(data: mmap.mmap, span: Span) -> Tensor:
    name = "".join(_texts(data, span, 1))
    for described in _spans(data, span, 2):
        for tensor in _spans(data, described, 1):
            kind = next((value for number, value in _fields(data, tensor) if number == 1), 0)
            shapes = [_dimensions(data, shape) for shape in _spans(data, tensor, 2)]
            return Tensor(name, TYPES.get(_number(kind), f"type {kind}"), shapes[0] if shapes else None)
    return Tensor(name, "no tensor", None)


def _dimensions(data: mmap.mmap, span: Span) -> tuple[int | str | None, ...]:
    found: list[int | str | None] = []
    for dimension in _spans(data, span, 1):
        fixed = [_number(value) for number, value in _fields(data, dimension) if number == 1]
        named = [text for text in _texts(data, dimension, 2) if text]
        found.append(fixed[0] if fixed and 0 < fixed[0] < 2**31 else named[0] if named else None)
    return tuple(found)


def _initializer(data: mmap.mmap, span: Span) -> tuple[str, int, list[str]]:
    """Its name, how many floating-point numbers it holds, and the files that they are in."""
    name, kind, external = "", 0, False
    sizes: list[int] = []
    files: list[str] = []
    for number, value in _fields(data, span):
        if number == 1:
            sizes += [value] if isinstance(value, int) else _packed(data, value)
        elif number == 2:
            kind = _number(value)
        elif number == 8:
            name = _text(data, _span(value))
        elif number == 13:
            key, location = _texts(data, _span(value), 1), _texts(data, _span(value), 2)
            files += location if key == ["location"] else []
        elif number == 14:
            external = value == EXTERNAL
    return name, math.prod(sizes) if kind in FLOATS else 0, files if external else []


def _fields(data: mmap.mmap, span: Span) -> Iterator[tuple[int, int | Span]]:
    """The fields of a message: the number of each, and its value or, for a longer one, where its bytes are."""
    at, end = span
    while at < end:
        key, at = _varint(data, at)
        number, form = key >> 3, key & 7
        value: int | Span
        if form == 0:
            value, at = _varint(data, at)
        elif form == 2:
            length, at = _varint(data, at)
            value, at = (at, at + length), at + length
        elif form in (1, 5):
            length = 8 if form == 1 else 4
            value, at = (at, at + length), at + length
        else:
            raise IndexError
        if at > end or number == 0:
            raise IndexError
        yield number, value


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at + shift // 7]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at + shift // 7 + 1
    raise IndexError


def _packed(data: mmap.mmap, span: Span) -> Iterator[int]:
    at, end = span
    while at < end:
        value, at = _varint(data, at)
        yield value


def _spans(data: mmap.mmap, span: Span, wanted: int) -> list[Span]:
    return [_span(value) for number, value in _fields(data, span) if number == wanted]


def _texts(data: mmap.mmap, span: Span, wanted: int) -> list[str]:
    return [_text(data, found) for found in _spans(data, span, wanted)]


def _text(data: mmap.mmap, span: Span) -> str:
    return data[slice(*span)].decode()


def _span(value: int | Span) -> Span:
    if isinstance(value, int):
        raise TypeError
    return value


def _number(value: int | Span) -> int:
    if not isinstance(value, int):
        raise TypeError
    return value
