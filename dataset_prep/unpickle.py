"""Reads the pickles of the CIFAR archives without running what a pickle may ask to run.

A pickle is a program. These need three names of numpy to rebuild an array of bytes; each is answered with an
inert stand-in, so that not even numpy's own code sees the contents before they are checked. The interpreter of
the standard library written in Python is used: the one in C reserves memory for whatever index a pickle names.
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
"""What a malformed pickle is known to raise."""


class _Array:
    """Stands in for numpy.ndarray; keeps the state that the pickle gives it."""

    __slots__ = ("state",)

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Dtype:
    """Stands in for numpy.dtype; only unsigned bytes are admitted."""

    __slots__ = ()

    def __init__(self, code: object, *_flags: object) -> None:
        if code not in (b"u1", "u1"):
            raise pickle.UnpicklingError(f"array of type {code!r}, not of bytes")

    def __setstate__(self, state: object) -> None:
        """Byte order and alignment, without meaning for single bytes."""


class _Reconstruct:
    """Stands in for numpy's function that makes an empty array to be filled from a state."""

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
            raise pickle.UnpicklingError(f"asks for {module}.{name}, which such a file has no need of") from None


def load(data: bytes, what: str) -> dict[object, object]:
    """The dictionary in a CIFAR pickle, its arrays as stand-ins for `pixels`. Raises BadInput."""
    try:
        found = _Restricted(io.BytesIO(data), encoding="bytes").load()
    except UNPICKLING_FAULTS as error:
        raise BadInput(f"{what}: refused ({error or type(error).__name__}); it is not a CIFAR archive") from error
    if not isinstance(found, dict):
        raise BadInput(f"{what}: holds a {type(found).__name__}, not the dictionary of a CIFAR archive")
    return found


def pixels(stand_in: object, what: str, row: int) -> NDArray[np.uint8]:
    """The array of bytes behind a stand-in, in rows of `row` bytes. Raises BadInput."""
    state = getattr(stand_in, "state", None) if isinstance(stand_in, _Array) else None
    match state:
        case (_, (int(rows), int(columns)), _Dtype(), 0, bytes(raw)) if columns == row and rows > 0:
            if len(raw) == math.prod((rows, columns)):
                return np.frombuffer(raw, np.uint8).reshape(rows, columns)
    raise BadInput(f"{what}: its images are not rows of {row:,} bytes")
