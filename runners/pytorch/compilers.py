"""The requirements of PyTorch's two compilers, and the cache of torch.compile."""

import os
import re
import shutil
import sysconfig
import tempfile
from pathlib import Path

import torch

from runners.harness.workload import Request, Unsupported


def assert_script() -> None:
    """Raise Unsupported if this torch has no TorchScript any more. TorchScript has been deprecated since torch 2.5."""
    if not hasattr(getattr(torch, "jit", None), "script"):
        raise Unsupported(f"torch {torch.__version__} has no TorchScript any more; choose an older one, or compile")


def ready_inductor(request: Request) -> None:
    """Let `torch.compile` keep its code in the request's folder. Raises Unsupported if it cannot compile here."""
    compiler = os.environ.get("CXX") or "g++"
    if shutil.which(compiler) is None:
        raise Unsupported(f"torch.compile needs a C++ compiler, finds no {compiler}; apt-get install g++, or set CXX")
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        raise Unsupported(f"torch.compile needs Python's headers, not in {headers}; apt-get install python3-dev")
    for folder in (Path(torch.__file__).parent, headers, request.compiler_cache):
        if re.search(r"[\s'\"\\]", str(folder)):
            raise Unsupported(
                "torch.compile names folders to the compiler without quotes, and this folder has a blank or a quote in "
                f"its name: {folder}; move it elsewhere"
            )
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(request.compiler_cache)
    if not request.compiler_cache.is_relative_to(request.scratch):
        # Inductor keeps a precompiled C++ header (150 MB) for all cases below the temporary folder, which is empty in
        # a new container: that cost a warm start twelve seconds. So all cases of a run share a temporary folder.
        tempfile.tempdir = str(request.compiler_cache.parent)
