"""Calls the user's function that builds a model, and puts what goes wrong in there into words."""

import importlib.util
import sys
import traceback
from pathlib import Path
from typing import Any

from runners.harness.faults import is_out_of_memory
from runners.harness.own_model import ONNX, ModelError, OwnModel, located
from runners.harness.terminal import shown
from runners.harness.workload import Invalid, Request, Unsupported, Unusable

MODULE = "own_model"
"""The name of the user's file among Python's modules."""


def built(request: Request, kind: type | tuple[type, ...], said: str) -> Any:
    """What the user's function returns for the request's framework, which must be of this `kind`, in words `said`.

    Raises Unusable, and Unsupported where the function has no model for the framework.
    """
    model, framework = request.model, request.competitor.framework
    assert model
    call = f"{model.function}({framework!r})"
    try:
        found = getattr(_imported(model.path), model.function)(framework)
    except ModuleNotFoundError as error:
        raise Unsupported(
            f"{model.path.name} needs the package {error.name!r}, which the environment of {framework} does not have; "
            f"import it where {model.function} builds the model of another framework"
        ) from error
    except (Exception, SystemExit) as error:
        if is_out_of_memory(framework, error):
            raise
        raise Unusable(f"{call} raised {described(error)}") from error
    if found is None:
        raise Unsupported(f"{call} in {model.path.name} returned None: there is no model for {framework}")
    if not isinstance(found, kind):
        raise Unusable(f"{call} returned {_a(found)}; {framework} takes {said}")
    return found


def _imported(path: Path) -> Any:
    """The user's file as a module. It may import other modules of its folder."""
    sys.path.append(str(path.parent.absolute()))  # last, so that no file there stands in for an installed package
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec
    assert spec.loader
    module = sys.modules[MODULE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def onnx_of(request: Request) -> OwnModel:
    """The ONNX file to load: the user's, or the file whose path the user's function returns. Raises Unusable."""
    model = request.model
    assert model
    if model.kind == ONNX:
        return model
    path = built(request, (str, Path), "the path of an ONNX file")
    try:
        found = located(str(model.path.parent / path))
        if found.kind != ONNX:
            raise ModelError(f"{path}: is not an ONNX file")
        found.input_shape(request.case.input_shape or "")
        if found.fixed_batch not in (None, request.case.batch_size):
            raise ModelError(f"{path}: it is made for a batch of {found.fixed_batch}")
    except ModelError as error:
        raise Unusable(str(error)) from error
    return found


def explained(error: Exception, model: OwnModel, framework: str) -> Exception:
    """An error that nobody foresaw, as a fault of the user's model; any other error as it is."""
    known = isinstance(error, (Unsupported, Invalid, Unusable)) or getattr(error, "died_worker", None)
    if known or is_out_of_memory(framework, error):
        return error
    found = Unusable(f"{model.path.name} in {framework} raised {described(error)}")
    found.__cause__ = error
    return found


def described(error: BaseException) -> str:
    """The error in a line, with the place in the user's file."""
    text = shown(" ".join(str(error).split()))[:300]
    name = getattr(sys.modules.get(MODULE), "__file__", None)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    place = f" ({Path(name).name}, line {lines[-1]})" if name and lines else ""
    return f"{type(error).__name__}{f': {text}' if text else ''}{place}"


def require_tensor(result: object, kind: type, said: str) -> None:
    """Raise Unusable unless the model's result is a single tensor of the framework."""
    if not isinstance(result, kind):
        raise Unusable(f"the model returns {_a(result)}, and must return a single tensor ({said})")


def _a(value: object) -> str:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
