"""Keeps variables of the user's shell from this process and its children. It runs first, so it imports little."""

import os
import site
import sys

STDOUT, STDERR = 1, 2
UNWANTED = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONINSPECT"),
    *("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_REQUIRE_VIRTUALENV", "PIP_DRY_RUN"),
)
"""Variables that make Python import other modules, or pip install elsewhere or nothing; the Makefile has them too."""


def isolate() -> None:
    """Forget these variables, and the folders that PYTHONPATH added to the path of imports; fill in closed streams."""
    # A stream that the caller closed would give its number to the next file, and a child would print into that.
    while os.open(os.devnull, os.O_RDWR) <= STDERR:
        pass
    sys.stdout, sys.stderr = sys.stdout or os.fdopen(STDOUT, "w"), sys.stderr or os.fdopen(STDERR, "w")
    added = {os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path}
    added -= {os.path.dirname(os.path.dirname(os.path.abspath(__file__))), *site.getsitepackages()}
    sys.path[:] = [path for path in sys.path if path not in added]
    for name in UNWANTED:
        os.environ.pop(name, None)
