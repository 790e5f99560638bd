"""The rules for every framework's folder. A new folder is tested without a change here."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from runners.harness.agreement import LOGITS_TOLERANCE

ROOT = Path(__file__).resolve().parent.parent
FRAMEWORKS = sorted(folder.name for folder in (ROOT / "images").iterdir() if folder.is_dir())
CLOCKS = {"time", "timeit", "datetime"}


def declared(framework: str) -> dict:
    """The declaration, read as in the launcher: with the host's Python, which has no framework installed."""
    command = [sys.executable, "-m", f"runners.{framework}", "--list"]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


def test_every_framework_has_an_image_and_runners():
    runners = {
        folder.name
        for folder in (ROOT / "runners").iterdir()
        if folder.is_dir() and folder.name not in ("harness", "reference", "__pycache__")
    }
    assert set(FRAMEWORKS) == runners


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_declaration_names_existing_modules_and_known_formats(framework):
    found = declared(framework)
    assert found["name"] == framework
    assert found["workloads"]
    for name, workload in found["workloads"].items():
        module = ROOT / "runners" / framework / f"{name}.py"
        functions = [node.name for node in ast.parse(module.read_text()).body if isinstance(node, ast.FunctionDef)]
        assert "prepare" in functions, f"{module} has no prepare(request)"
        assert workload["variants"], f"{framework} {name} declares no variant"
        assert set(workload["precisions"]) <= set(LOGITS_TOLERANCE)
        for loader in (*workload["loaders"], *workload["more_loaders"]):
            assert name != "load" or (ROOT / "runners" / framework / f"loader_{loader}.py").is_file()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_tells_its_errors_of_full_memory_from_others(framework):
    tree = ast.parse((ROOT / "runners" / framework / "device.py").read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert "is_out_of_memory" in functions, f"runners/{framework}/device.py needs is_out_of_memory(error)"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_no_runner_owns_a_clock_or_writes_a_result(framework):
    for path in (ROOT / "runners" / framework).glob("*.py"):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & CLOCKS, f"{path.name} imports a clock"
            if isinstance(node, ast.ImportFrom):
                assert node.module not in {*CLOCKS, "runners.harness.clock"}, f"{path.name} imports a clock"
        assert "write_record" not in text


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_requirements_are_pinned_exactly(framework):
    folder = ROOT / "images" / framework
    chosen = set(folder.glob("requirements-version*.txt"))  # for a version that a user names; pip finds the others
    files = [*sorted({*folder.glob("requirements*.txt")} - chosen), *folder.glob("constraints.txt")]
    assert folder / "requirements.txt" in files
    for path in files:
        for line in path.read_text().splitlines():
            line = line.split("#")[0].strip()
            if line and not line.startswith("-c "):
                assert re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==[\w.+!]+", line), f"{path}: {line!r} is not pinned"


def test_the_dockerfile_works_with_both_builders_and_drops_root():
    text = (ROOT / "images" / "Dockerfile").read_text()
    instructions = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    for only_buildkit in ("--mount", "--chmod", "<<"):
        assert not any(only_buildkit in line for line in instructions)
    for argument in ("ARG BASE_IMAGE=python:3.11-slim-bookworm", "ARG DEVICE=cpu", "ARG EXTRA_INDEX=", "ARG COMMIT"):
        assert any(line.startswith(argument) for line in instructions), f"no {argument}"
    assert instructions[-1].startswith("USER ")
    assert instructions[-1] != "USER root"
    installs = max(number for number, line in enumerate(instructions) if "pip install" in line)
    copies = min(number for number, line in enumerate(instructions) if line.startswith("COPY runners"))
    assert installs < copies, "the source comes last"
    assert not list((ROOT / "images").glob("*/Dockerfile")), "there is one recipe for all"
