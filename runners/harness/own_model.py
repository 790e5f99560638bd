"""A user's own model: an ONNX file, or a function in a Python file that builds the model for each framework."""

import hashlib
import keyword
import math
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from runners.harness import onnx_file
from runners.harness.case import ModelRef
from runners.harness.onnx_file import NotOnnx, OnnxFile

ONNX, FUNCTION = "onnx", "function"
KINDS = {ONNX: "an ONNX file", FUNCTION: "a function in a Python file"}
OWN = "own:"
"""How the name of an own model begins among the networks."""
OF_MODEL = ("network", "input_size", "input_shape")
"""The axes of a case that follow from its model."""
PRECISIONS = ("fp32", "tf32")
FORMS = "an ONNX file (model.onnx), or a function in a Python file (my_models.py:build)"
LONGEST_NAME = 60
MOST_DIMENSIONS, MOST_ELEMENTS = 5, 2**28


class ModelError(ValueError):
    """What is wrong with the model that was named, and what to do about it."""


@dataclass(frozen=True)
class OwnModel:
    """Where the model is. `function` is empty for an ONNX file."""

    path: Path
    function: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.function}" if self.function else str(self.path)

    @property
    def kind(self) -> str:
        """A key of KINDS."""
        return FUNCTION if self.function else ONNX

    @property
    def network(self) -> str:
        """The model's name among the networks: `own:tiny`, `own:my_models.build`."""
        name = ".".join(filter(None, (self.path.stem, self.function)))
        return OWN + re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:LONGEST_NAME]

    @cached_property
    def onnx(self) -> OnnxFile:
        """What the ONNX file says about itself. Raises ModelError unless one float32 tensor goes in, and one out."""
        try:
            found = onnx_file.read(self.path)
        except NotOnnx as error:
            raise ModelError(f"{self.path}: not an ONNX file: {error}") from error
        except OSError as error:
            raise ModelError(f"{self.path}: cannot be read ({error.strerror})") from error
        for what, tensors in (("input", found.inputs), ("output", found.outputs)):
            if len(tensors) != 1:
                names = ", ".join(tensor.name for tensor in tensors[:6])
                raise ModelError(f"{self.path}: it has {len(tensors)} {what}s ({names}), and must have a single {what}")
            if tensors[0].type != "float32":
                raise ModelError(f"{self.path}: its {what} is {tensors[0].type}, and must be float32")
        return found

    @property
    def fixed_batch(self) -> int | None:
        """The batch size that an ONNX file is made for, if it is made for one alone. Raises ModelError."""
        shape = None if self.function else self.onnx.inputs[0].shape
        return shape[0] if shape and isinstance(shape[0], int) else None

    def input_shape(self, asked: str) -> str:
        """The shape of one input, such as `3x224x224`: as `asked` for, or as the ONNX file says. Raises ModelError."""
        wanted = read_shape(asked) if asked else None
        if self.function:
            if wanted is None:
                raise ModelError(f"{self}: what is the shape of its input? For example --input-shape 3,224,224")
            return _joined(wanted)
        whole = self.onnx.inputs[0].shape
        if whole is not None and len(whole) < 2:
            raise ModelError(f"{self.path}: its input has no dimension but the batch")
        fixed = None if whole is None else whole[1:]
        if wanted is None:
            if fixed is None or not all(isinstance(size, int) for size in fixed):
                open_ones = "" if fixed is None else f" ({', '.join(str(size or '?') for size in fixed)})"
                raise ModelError(
                    f"{self.path}: it leaves the shape of its input open{open_ones}; "
                    "give it, for example --input-shape 3,224,224"
                )
            return _joined([size for size in fixed if isinstance(size, int)])
        if fixed is not None and not _fits(wanted, fixed):
            its = ", ".join(str(size or "?") for size in fixed)
            raise ModelError(f"{self.path}: its input has the shape {its}, not {', '.join(map(str, wanted))}")
        return _joined(wanted)

    def reference(self) -> ModelRef:
        """The model's identity in a case. Raises ModelError.

        The digest of a single file is its SHA-256. With files of weights, it is the SHA-256 of the list of digests.
        """
        digests, size = [], 0
        for path in (self.path, *self._weights()):
            total = hashlib.sha256()
            try:
                with path.open("rb") as file:
                    while part := file.read(1 << 20):
                        total.update(part)
                        size += len(part)
            except OSError as error:
                raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
            digests.append(total.hexdigest())
        one = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
        return ModelRef(self.kind, f"sha256:{one}", size)

    def _weights(self) -> list[Path]:
        """The files of an ONNX file's weights. They must be in its folder, because containers see this folder alone."""
        folder, paths = self.path.parent.resolve(), []
        for name in () if self.function else self.onnx.weights:
            path = folder / name
            if not path.resolve().is_relative_to(folder):
                raise ModelError(f"{self.path}: its weights are in {name}, and must be in its own folder")
            if not path.is_file():
                raise ModelError(f"{self.path}: the file of its weights is missing: {path}")
            paths.append(path)
        return paths


def located(text: str) -> OwnModel:
    """The model that an option names. Raises ModelError unless it is a file of one of the two forms."""
    path, colon, function = text.rpartition(":")
    if text.lower().endswith(".onnx"):
        path, function = text, ""
    elif text.endswith(".py"):
        raise ModelError(f"{text}: which function in it? For example {text}:build")
    elif not colon or not path.endswith(".py"):
        hint = f"; did you mean {path}.py:{function}?" if colon and Path(f"{path}.py").is_file() else ""
        raise ModelError(f"{text}: must name {FORMS}{hint}")
    elif not function.isidentifier() or keyword.iskeyword(function):
        raise ModelError(f"{text}: {function!r} is not the name of a function")
    found = OwnModel(Path(path), function)
    try:
        os.fsencode(found.path.name).decode()
        if not stat.S_ISREG(found.path.stat().st_mode):
            raise ModelError(f"{path}: is not a file")
        found.path.open("rb").close()
        if not found.path.resolve().parent.samefile(found.path.parent):
            raise ModelError(f"{path}: is a link to another folder, which a container does not see; copy the file")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: rename the file, because its name is not UTF-8") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    return found


def read_shape(text: str) -> tuple[int, ...]:
    """The shape of one input from `3,224,224` or `3x224x224`. Raises ModelError."""
    words = re.split("[,x]", text.replace(" ", ""))
    if not all(word.isascii() and word.isdigit() and 0 < len(word) < 10 and int(word) for word in words):
        raise ModelError(f"--input-shape {text!r}: whole numbers separated by commas, without the batch: 3,224,224")
    shape = tuple(map(int, words))
    if len(shape) > MOST_DIMENSIONS or math.prod(shape) > MOST_ELEMENTS:
        raise ModelError(f"--input-shape {text!r}: at most {MOST_DIMENSIONS} numbers, and {MOST_ELEMENTS} elements")
    return shape


def _joined(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _fits(wanted: Sequence[int], fixed: Sequence[int | str | None]) -> bool:
    return len(wanted) == len(fixed) and all(
        not isinstance(size, int) or size == asked for asked, size in zip(wanted, fixed, strict=True)
    )
