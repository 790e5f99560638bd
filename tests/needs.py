"""The needs of tests, and the frameworks that they test."""

import importlib.util
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from runners.harness import nvidia

ROOT = Path(__file__).resolve().parent.parent
SSHD = Path("/usr/sbin/sshd")
KNOWN = sorted(folder.name for folder in (ROOT / "images").iterdir() if folder.is_dir())


def asked(config: pytest.Config) -> list[str]:
    """The frameworks of --frameworks: only their tests run. Empty for all tests."""
    return config.getoption("--frameworks").replace(",", " ").split()


def needed(item: pytest.Item) -> set[str]:
    """The frameworks whose environments a test needs: all that its markers name."""
    return {name for marker in item.iter_markers("frameworks") for name in marker.args}


def about(item: pytest.Item) -> set[str]:
    """The frameworks that a test tests: all that it needs, and its parameter `framework`.

    A marker without names means all frameworks.
    """
    callspec = getattr(item, "callspec", None)
    if any(not marker.args for marker in item.iter_markers("frameworks")):
        return set(KNOWN)
    return needed(item) | ({callspec.params.get("framework")} & set(KNOWN) if callspec else set())


@cache
def lacking(need: str) -> str | None:
    """Why a test with this need cannot run here, with advice; None if it can."""
    if need == "docker":
        try:
            answered = subprocess.run(["docker", "version"], capture_output=True, timeout=20).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            answered = False
        return None if answered else "no Docker engine answers"
    if need == "gpu":
        try:
            return None if nvidia.listed() else "nvidia-smi lists no GPU"
        except nvidia.NoAnswer as error:
            return f"no NVIDIA GPU: {error}"
    if need == "slurm":
        try:
            answered = subprocess.run(["sinfo"], capture_output=True, timeout=20).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            answered = False
        return None if answered else "no Slurm controller answers"
    if need == "ssh":
        found = SSHD.exists() and shutil.which("ssh")
        return None if found else "no OpenSSH server and client here: apt-get install openssh-server openssh-client"
    if need == "browser":
        missing = [name for name in ("playwright", "axe_playwright_python") if importlib.util.find_spec(name) is None]
        if missing:
            return f"no {' and no '.join(missing)} in .venv: make test-all installs it"
        found = os.environ.get("CHROMIUM") or shutil.which("chromium")
        return None if found else "no chromium here: apt-get install chromium, or CHROMIUM=path of another Chromium"
    if (ROOT / ".venvs" / need / "bin" / "python").exists():
        return None
    return f"no virtual environment of {need}: make images ENGINE=venv FRAMEWORKS={need}"


def frameworks(*names: str) -> list[ParameterSet]:
    """The frameworks as values of a parameter `framework`. Each value needs that framework's environment."""
    return [pytest.param(name, marks=pytest.mark.frameworks(name)) for name in names]
