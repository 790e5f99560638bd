"""Reads the pickles of the CIFAR archives without running their code.

A pickle is a program. These pickles need three names of numpy to rebuild an array of bytes. Each name becomes an inert
stand-in, so that not even numpy's code sees the contents before they are checked. The unpickler is the standard
library's Python version, because the C version reserves memory for any index that a pickle names.
"""

import io
import math
import pickle
import struct

import numpy as np
from numpy.typing import NDArray

from dataset_prep.errors import BadInput

UNPICKLING_FAULTS = (
    pickle.UnpicklingError, EOFError, AttributeError, LookupError, TypeError, ValueError, ArithmeticError, MemoryError,
    AssertionError, struct.error,
)  # fmt: skip
"""The known errors of malformed pickles."""


class _Array:
    """Stands in for numpy.ndarray, and keeps the state from the pickle."""

    __slots__ = ("state",)

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Dtype:
    """Stands in for numpy.dtype, and allows only unsigned bytes."""

    __slots__ = ()

    def __init__(self, code: object, *_flags: object) -> None:
        if code not in (b"u1", "u1"):
            raise pickle.UnpicklingError(f"array of type {code!r}, not of bytes")

    def __setstate__(self, state: object) -> None:
        """Ignores byte order and alignment, which have no meaning for single bytes."""


class _Reconstruct:
    """Stands in for numpy's function that makes an empty array."""

    __slots__ = ()

    def __call__(self, *_arguments: object) -> _Array:
        return _Array()


ADMITTED: dict[tuple[str, str], object] = {
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
}


class _Restricted(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> object:
        try:
            return ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"asks for {module}.{name}, which such a file does not need") from None


def load(data: bytes, what: str) -> dict[object, object]:
    """The dictionary in a CIFAR pickle, with stand-ins for arrays, which `pixels` reads. Raises BadInput."""
    try:
        content = _Restricted(io.BytesIO(data), encoding="bytes").load()
    except UNPICKLING_FAULTS as error:
        raise BadInput(f"{what}: refused ({error or type(error).__name__}); it is not a CIFAR archive") from error
    if not isinstance(content, dict):
        raise BadInput(f"{what}: holds a {type(content).__name__}, not the dictionary of a CIFAR archive")
    return content


def pixels(stand_in: object, what: str, row: int) -> NDArray[np.uint8]:
    """The array (images × `row` bytes) of a stand-in. Raises BadInput."""
    state = getattr(stand_in, "state", None) if isinstance(stand_in, _Array) else None
    match state:
        case (_, (int(rows), int(columns)), _Dtype(), 0, bytes(raw)) if columns == row and rows > 0:
            if len(raw) == math.prod((rows, columns)):
                return np.frombuffer(raw, np.uint8).reshape(rows, columns)
    raise BadInput(f"{what}: its images are not rows of {row:,} bytes")
