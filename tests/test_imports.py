"""Who may import whom, read from the syntax tree of every file."""

import ast
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHARED = {"runners.harness", "runners.reference"}

ALLOWED = {
    "runners/harness": {"runners.harness"},
    "runners/reference": {"runners.reference", "runners.harness", "numpy", "PIL"},
    "dataset_prep": {"dataset_prep", "runners.harness", "numpy", "PIL"},
    "method": {"method", "runners.harness", "arch", "numpy", "scipy", "statsmodels"},
    "launcher": {"launcher", "method", "runners.harness", "docker", "requests", "rich", "pydantic"},
    "aggregator": {
        "aggregator",
        "method",
        "runners.harness",
        "altair",
        "jinja2",
        "markupsafe",
        "numpy",
        "pandas",
        "prometheus_client",
        "pyarrow",
        "pydantic",
        "pydantic_core",
        "pyperf",
        "scipy",
        "vl_convert",
    },
}
FRAMEWORKS = sorted(
    folder.name
    for folder in (ROOT / "runners").iterdir()
    if folder.is_dir() and folder.name not in ("harness", "reference", "__pycache__")
)
FLOORS = {
    "launcher": (
        *("errors", "text", "stop", "machine", "options", "ownership", "processes"),
        *("datasets", "build", "engines", "plan", "run", "commands", "cli", "__main__"),
    ),
}
"""Files and folders of a package from the ground up. A file imports from its own folder and from floors below it."""
CATALOGUE = "runners.reference.layers."
FORBIDDEN_IN_FRAMEWORKS = {"method", "launcher", "aggregator", "dataset_prep"}


def imported(path: Path) -> set[str]:
    """Every module a file imports, wherever in the file, as dotted names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; the repository root is the only import root"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def package(name: str) -> str:
    """`runners.harness.clock` → `runners.harness`; `numpy.linalg` → `numpy`."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "runners" else parts[0]


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_box_imports_only_what_it_may(folder: str) -> None:
    assert files(folder)
    for path in files(folder):
        foreign = {package(name) for name in imported(path)} - ALLOWED[folder] - sys.stdlib_module_names
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


def upward(box: str, floors: tuple[str, ...], path: Path, folder: Path = ROOT) -> set[str]:
    """What a file of the package imports from its own floor's neighbours above, or from no floor at all."""

    def floor(parts: Sequence[str]) -> int:
        return floors.index(parts[0]) if parts[0] in floors else len(floors)

    own = floor(path.relative_to(folder / box).with_suffix("").parts)
    inside = {name for name in imported(path) if name.startswith(f"{box}.")}
    return {name for name in inside if floor(name.split(".")[1:]) > own}


@pytest.mark.parametrize("box", FLOORS)
def test_imports_go_down_the_floors_of_a_package(box: str) -> None:
    found = {path.relative_to(ROOT / box).with_suffix("").parts[0] for path in files(box)} - {"__init__"}
    assert found == set(FLOORS[box])
    for path in files(box):
        if path != ROOT / box / "__init__.py":
            assert not upward(box, FLOORS[box], path), f"{path.relative_to(ROOT)} imports from above"


def test_an_import_from_above_is_found(tmp_path: Path) -> None:
    offender = tmp_path / "box" / "low" / "offender.py"
    offender.parent.mkdir(parents=True)
    offender.write_text("import box.high\nfrom box import ground, low\nfrom box.top.file import name\nimport boxes\n")
    assert upward("box", ("ground", "low", "high", "top"), offender, tmp_path) == {"box.high", "box.top.file.name"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_imports_no_other_box_and_no_other_framework(framework: str) -> None:
    """Other frameworks' packages are not in its environment: the build of its image imports every module."""
    others = {f"runners.{name}" for name in FRAMEWORKS if name != framework}
    for path in files(f"runners/{framework}"):
        wrong = {package(name) for name in imported(path)} & (others | FORBIDDEN_IN_FRAMEWORKS)
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_declaration_needs_no_framework(framework: str) -> None:
    """The plan reads it on a machine where neither the framework nor numpy is installed."""
    for name in ("__init__", "__main__", "framework"):
        for path in files(f"runners/{framework}"):
            if path.stem == name:
                foreign = {module for module in imported(path) if package(module) not in sys.stdlib_module_names}
                foreign -= {module for module in foreign if module.startswith(CATALOGUE)}
                assert {package(module) for module in foreign} <= {"runners.harness", f"runners.{framework}"}


def test_the_catalogue_of_networks_needs_nothing() -> None:
    for name in ("__init__", "layers"):
        found = {package(module) for module in imported(ROOT / "runners" / "reference" / f"{name}.py")}
        assert found <= sys.stdlib_module_names


def test_the_rule_can_fail(tmp_path: Path) -> None:
    offender = tmp_path / "offender.py"
    offender.write_text("def f():\n    import docker\n    from runners.harness import clock\n")
    assert {package(name) for name in imported(offender)} == {"docker", "runners.harness"}
