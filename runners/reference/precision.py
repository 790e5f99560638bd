"""The names of number formats in a case."""

from collections.abc import Iterable

NAMES = {"float32": "fp32", "float64": "fp64", "float16": "fp16", "bfloat16": "bf16"}

DTYPES = {"fp32": "float32", "tf32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""The names of a precision's numbers in NumPy and in most frameworks."""


def precision(dtypes: Iterable[object]) -> str:
    """The precision of tensors of these types. Names of different types are joined, so that they equal no precision."""
    names = {str(getattr(dtype, "name", dtype)).rpartition(".")[2] for dtype in dtypes}
    return "+".join(sorted(NAMES.get(name, name) for name in names))
