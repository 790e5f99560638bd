"""LiteRT's settings, set for a request and read back for the record."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from runners.harness.workload import Invalid, Request, Seen
from runners.reference.precision import precision

WHY = "LiteRT does not report its threads; it got the requested number"


def configure(request: Request) -> None:
    """Raise Invalid unless the case's device is a CPU."""
    if request.case.device != "cpu":
        raise Invalid("DEVICE", "a GPU was requested, Levelfield runs LiteRT on a CPU only")


def interpreter_of(request: Request, path: Path, shape: Sequence[int] = ()) -> Interpreter:
    """An interpreter of the model in a file, with its tensors allocated, its input in this shape if one is given."""
    interpreter = Interpreter(str(path), num_threads=request.threads)
    if shape:
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], shape, strict=True)
    interpreter.allocate_tensors()
    return interpreter


def set_input(interpreter: Interpreter, images: np.ndarray) -> None:
    """Copy a batch into the model's input."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)


def result(interpreter: Interpreter) -> np.ndarray:
    """A copy of the logits."""
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def seen(interpreter: Interpreter) -> Seen:
    """The settings in effect, read back from the model and its logits."""
    types = {np.dtype(tensor["dtype"]) for tensor in interpreter.get_tensor_details()}
    operations = sorted({operation["op_name"] for operation in interpreter._get_ops_details()})
    return Seen(
        device="cpu",
        precision=precision([result(interpreter).dtype]),
        threads_intra=None,
        layout="NHWC" if interpreter.get_input_details()[0]["shape"][-1] == 3 else "NCHW",
        parameters=precision(dtype for dtype in types if dtype.kind == "f"),
        settings={"operations": ", ".join(operations)},
        unknown={"threads_intra": WHY, "threads_inter": WHY},
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is LiteRT's error for full memory, for which it has no exception class."""
    return isinstance(error, RuntimeError) and any(part in str(error) for part in ("bad_alloc", "Failed to allocate"))
