"""What PyTorch's two compilers need, and where they keep what they made."""

import os
import shutil
import sysconfig
import tempfile
from pathlib import Path

import torch

from runners.harness.workload import Request, Unsupported


def assert_script() -> None:
    """Raise Unsupported where this torch has no TorchScript any more; it has been deprecated since 2.5."""
    if not hasattr(getattr(torch, "jit", None), "script"):
        raise Unsupported(f"torch {torch.__version__} has no TorchScript any more; choose an older one, or compile")


def ready_inductor(request: Request) -> None:
    """Let `torch.compile` keep its code in the request's folder. Raises Unsupported where it could build none."""
    compiler = os.environ.get("CXX") or "g++"
    if shutil.which(compiler) is None:
        raise Unsupported(f"torch.compile needs a C++ compiler, finds no {compiler}; apt-get install g++, or set CXX")
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        raise Unsupported(f"torch.compile needs Python's headers, not in {headers}; apt-get install python3-dev")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(request.compiler_cache)
    if not request.compiler_cache.is_relative_to(request.scratch):
        # Its precompiled C++ header (150 MB) is no case's own: it keeps that below the temporary folder, for all. That
        # of a container is empty every time, which cost a warm start twelve seconds; the run's cases can share one.
        tempfile.tempdir = str(request.compiler_cache.parent)
