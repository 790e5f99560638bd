"""The names of number formats, as a case writes them."""

from collections.abc import Iterable

NAMES = {"float32": "fp32", "float64": "fp64", "float16": "fp16", "bfloat16": "bf16"}

DTYPES = {"fp32": "float32", "tf32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""What NumPy, and most frameworks, call the numbers of a precision."""


def precision(dtypes: Iterable[object]) -> str:
    """What tensors of these types are computed in; several are joined, so that they equal no case's precision."""
    found = {str(dtype).rpartition(".")[2] for dtype in dtypes}
    return "+".join(sorted(NAMES.get(name, name) for name in found))
