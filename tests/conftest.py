"""What a test needs and this machine lacks: such a test is skipped, and listed with the reason."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@cache
def lacking(need: str) -> str | None:
    """Why the tests with a marker cannot run here, or None where they can."""
    if need == "docker":
        try:
            answered = subprocess.run(["docker", "version"], capture_output=True, timeout=20).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            answered = False
        return None if answered else "no Docker engine answers"
    if need == "venvs":
        names = [folder.name for folder in (ROOT / "images").iterdir() if folder.is_dir()]
        missing = [name for name in names if not (ROOT / ".venvs" / name / "bin" / "python").exists()]
        return f"no virtual environment for {', '.join(missing)}: make images ENGINE=venv" if missing else None
    if need == "browser":
        found = os.environ.get("CHROMIUM") or shutil.which("chromium")
        return None if found else "no chromium here: apt-get install chromium, or CHROMIUM=path of another Chromium"
    raise ValueError(f"no such need: {need}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for need in ("browser", "docker", "venvs"):
            if item.get_closest_marker(need) and (reason := lacking(need)):
                item.add_marker(pytest.mark.skip(reason=f"needs {need}: {reason}"))
