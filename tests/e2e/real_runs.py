"""Makes a run as a user does: with the launcher's command line, the real frameworks and a report."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from needs import ROOT


def bench(out: Path, profile: str, engine: str, frameworks: Sequence[str]) -> Path:
    """The folder of a finished run with one block for each case."""
    command = [sys.executable, "-m", "launcher", "bench", "--profile", profile, "--blocks", "1", "--out", str(out)]
    command += ["--engine", engine, "--frameworks", ",".join(frameworks)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-4000:] + ended.stdout[-2000:]
    (folder,) = (path.parent for path in out.glob("*/run.json"))
    assert ended.stdout.rstrip().endswith(str(folder / "report.html"))
    return folder
