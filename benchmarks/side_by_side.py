"""Shared functions of the benchmarks that compare our measurements with a user's own code."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def wanted(offered: Sequence[str], asked: str) -> list[str]:
    """The offered names that are asked for; all offered names if nothing is asked for."""
    return [name for name in offered if not asked or name in asked.split(",")]


def run_python(framework: str, *words: str) -> str:
    """The output of a module in a framework's own Python. If it fails, exit with the end of its errors."""
    command = [str(ROOT / ".venvs" / framework / "bin" / "python"), "-m", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return done.stdout


def replicate(framework: str, *words: str) -> dict[str, Any]:
    """The record of an ordinary replicate."""
    with tempfile.TemporaryDirectory() as out:
        run_python(framework, f"runners.{framework}", *words, "--out", out)
        record = json.loads(next(Path(out).glob("*.json")).read_text())
    if record["status"] != "ok":
        sys.exit(f"{framework} {' '.join(words)}: {record['error']['message']}")
    return dict(record)


def root_of(data: Path) -> str:
    """The folder with the images of a prepared data set."""
    return str(json.loads((data / "manifest.json").read_text()).get("root") or data)
