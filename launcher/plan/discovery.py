"""Finds the frameworks: each is a folder under images/ and runners/ that declares what it can do."""

import dataclasses
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from launcher.build.programs import require_version, split
from launcher.errors import require_name
from launcher.options import ALL
from runners.harness.workload import Framework

NOT_FRAMEWORKS = {"harness", "reference"}
LIST_SECONDS = 60


@dataclass(frozen=True)
class Contestant:
    """A framework and its declaration; `problem` says why there is none. `version` is set where a run asks for one."""

    name: str
    declaration: Framework | None
    problem: str = ""
    version: str = ""

    def computes_on(self, device: str) -> bool:
        """Whether a workload of the framework runs on this device; True where it could not declare any."""
        offered = self.declaration.workloads.values() if self.declaration else ()
        return not offered or any(device in workload.devices for workload in offered)


def discover(root: Path, python: str = sys.executable) -> dict[str, Contestant]:
    """Every framework of the tree by name, in order."""
    names = {
        folder.name
        for parent in ("images", "runners")
        for folder in _folders(root / parent)
        if folder.name not in NOT_FRAMEWORKS and folder.name.isidentifier()
    }
    return {name: _contestant(root, name, python) for name in sorted(names)}


def choose(root: Path, contestants: dict[str, Contestant], wanted: list[str]) -> dict[str, Contestant]:
    """The wanted programs (`tensorflow`, `tensorflow@2.16.2`) by name; `all` stands for every framework.

    Where none is wanted: the frameworks that take part without being named. An unknown name or a version that cannot
    be installed is a UsageError.
    """
    if ALL in wanted:
        wanted = list(dict.fromkeys([*contestants, *(program for program in wanted if program != ALL)]))
    for program in wanted:
        name, _ = split(program)
        require_name("framework", name, [*contestants, ALL])
        if program != name:
            require_version(root, program)
    usual = [name for name, found in contestants.items() if not (found.declaration and found.declaration.by_name)]
    programs = [program for name in contestants for program in wanted or usual if split(program)[0] == name]
    return {
        program: dataclasses.replace(contestants[name], version=version)
        for program in programs
        for name, version in (split(program),)
    }


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return [path for path in parent.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))]


def _contestant(root: Path, name: str, python: str) -> Contestant:
    if not (root / "runners" / name / "__main__.py").is_file():
        return Contestant(name, None, f"runners/{name}/__main__.py is missing")
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        answer = subprocess.run(
            [python, "-m", f"runners.{name}", "--list"],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is ours to act on: a framework it ended would look like a broken one
            capture_output=True,
            timeout=LIST_SECONDS,
            check=True,
        ).stdout
        declaration = TypeAdapter(Framework).validate_python(json.loads(answer))
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return Contestant(name, None, f"python -m runners.{name} --list failed: {last or error.returncode}")
    except subprocess.TimeoutExpired:
        return Contestant(name, None, f"python -m runners.{name} --list gave no answer within {LIST_SECONDS} s")
    except (ValidationError, ValueError) as error:
        return Contestant(name, None, f"python -m runners.{name} --list gave no usable declaration: {error}")
    if declaration.name != name:
        return Contestant(name, None, f"runners/{name} declares itself as {declaration.name!r}")
    return Contestant(name, declaration)
