"""Writes a small ONNX file without the package `onnx`: a matrix product of N × 4 inputs with a shared matrix."""

import struct
from collections.abc import Sequence
from pathlib import Path

MATRIX = [[0.5, -1.25, 2.0], [1.5, 0.25, -0.75], [-2.0, 1.0, 0.125], [0.75, -0.5, 1.0]]
FLOAT32 = 1


def tiny_onnx(
    path: Path,
    shape: Sequence[int | str | None] = ("batch", 4),
    inputs: Sequence[str] = ("x",),
    kind: int = FLOAT32,
    outside: str = "",
) -> Path:
    """Write it; `outside` names another file that holds the matrix."""
    numbers = struct.pack("<12f", *(number for row in MATRIX for number in row))
    matrix = _packed(1, 4, 3) + _number(2, FLOAT32) + _text(8, "matrix")
    if outside:
        (path.parent / outside).write_bytes(numbers)
        matrix += _field(13, _text(1, "location") + _text(2, outside)) + _number(14, 1)
    else:
        matrix += _field(9, numbers)
    node = _text(1, inputs[0]) + _text(1, "matrix") + _text(2, "y") + _text(4, "MatMul")
    graph = _field(1, node) + _text(2, "tiny") + _field(5, matrix)
    graph += b"".join(_field(11, _tensor(name, kind, shape)) for name in inputs)
    graph += _field(12, _tensor("y", FLOAT32, (shape[0], 3)))
    path.write_bytes(_number(1, 10) + _field(7, graph) + _field(8, _number(2, 21)))
    return path


def _tensor(name: str, kind: int, shape: Sequence[int | str | None]) -> bytes:
    sizes = (_number(1, size) if isinstance(size, int) else _text(2, size) if size else b"" for size in shape)
    return _text(1, name) + _field(
        2, _field(1, _number(1, kind) + _field(2, b"".join(_field(1, one) for one in sizes)))
    )


def _varint(value: int) -> bytes:
    return bytes([value & 127 | 128]) + _varint(value >> 7) if value > 127 else bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _field(field, text.encode())


def _packed(field: int, *values: int) -> bytes:
    return _field(field, b"".join(map(_varint, values)))
