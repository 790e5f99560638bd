"""`python -m runners.harness.importable jax` imports every module of a framework's folder.

It runs while an image is built, so that a missing package fails the build and not the first run.
"""

import importlib
import pkgutil
import sys


def modules(framework: str) -> list[str]:
    """The names of all modules in a framework's folder, except `__main__`, whose import runs a replicate."""
    package = importlib.import_module(f"runners.{framework}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return [f"runners.{framework}.{name}" for name in found if name != "__main__"]


if __name__ == "__main__":
    for module in modules(sys.argv[1]):
        importlib.import_module(module)
