"""Which package may import which, read from the syntax tree of every file."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHARED = {"runners.harness", "runners.reference"}

ALLOWED = {
    "runners/harness": {"runners.harness"},
    "runners/reference": {"runners.reference", "runners.harness", "numpy", "PIL"},
    "dataset_prep": {"dataset_prep", "runners.harness", "numpy", "PIL", "rich"},
    "method": {"method", "runners.harness", "arch", "numpy", "scipy", "statsmodels"},
    "launcher": {
        "launcher",
        "method",
        "runners.harness",
        "runners.reference",
        "docker",
        "psutil",
        "pydantic",
        "requests",
        "rich",
        "tenacity",
    },
    "aggregator": {
        "aggregator",
        "method",
        "runners.harness",
        "PIL",
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
FLOORS = {
    "aggregator": (
        ("base",),
        ("read",),
        ("judge",),
        ("report",),
        ("export", "published", "regression", "site"),
        ("commands",),
        ("cli",),
        ("__main__",),
    ),
    "launcher": (
        ("errors", "isolation"),
        ("gpus", "machine", "ownership", "stop", "text"),
        ("options", "processes"),
        ("build", "datasets"),
        ("engines", "plan"),
        ("run",),
        ("hosts", "slurm"),
        ("commands",),
        ("cli",),
        ("__main__",),
    ),
}
"""The rooms (subpackages) of a package, from the lowest floor up. A file may import from its own room and from rooms on
lower floors only."""
FRAMEWORKS = sorted(
    folder.name
    for folder in (ROOT / "runners").iterdir()
    if folder.is_dir() and folder.name not in ("harness", "reference", "__pycache__")
)
CATALOGUE = "runners.reference.layers."
FORBIDDEN_IN_FRAMEWORKS = {"method", "launcher", "aggregator", "dataset_prep"}


def imported(path: Path) -> set[str]:
    """All modules that a file imports anywhere, as dotted names."""
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


def climbs(folder: str, room: str, names: set[str]) -> set[str]:
    """The rooms that a file of `room` imports through these names, but may not import."""
    floor = {name: height for height, rooms in enumerate(FLOORS[folder]) for name in rooms}
    reached = {name.split(".")[1] for name in names if name.startswith(f"{folder}.")}
    return {other for other in reached if other != room and floor[other] >= floor[room]}


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_package_imports_only_allowed_packages(folder: str) -> None:
    assert files(folder)
    for path in files(folder):
        foreign = {package(name) for name in imported(path)} - ALLOWED[folder] - sys.stdlib_module_names
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_imports_no_other_package_of_ours_and_no_other_framework(framework: str) -> None:
    """Its environment lacks the packages of other frameworks, and the build of its image imports every module."""
    others = {f"runners.{name}" for name in FRAMEWORKS if name != framework}
    for path in files(f"runners/{framework}"):
        wrong = {package(name) for name in imported(path)} & (others | FORBIDDEN_IN_FRAMEWORKS)
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_declaration_needs_no_framework(framework: str) -> None:
    """The launcher reads it on machines where neither the framework nor numpy is installed."""
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


@pytest.mark.parametrize("folder", FLOORS)
def test_a_room_imports_from_lower_floors_only(folder: str) -> None:
    rooms = {name for floor in FLOORS[folder] for name in floor}
    for path in files(folder):
        room = path.relative_to(ROOT / folder).parts[0].removesuffix(".py")
        if room != "__init__":
            assert room in rooms, f"{path.relative_to(ROOT)} lies in no room of FLOORS"
            wrong = climbs(folder, room, imported(path))
            assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}, which is not below {room}"


@pytest.mark.parametrize(
    ("room", "name", "wrong"),
    [
        ("read", "aggregator.judge.sides.Side", {"judge"}),
        ("site", "aggregator.published.source.Source", {"published"}),
        ("judge", "aggregator.read.schema.record_adapter", set()),
        ("judge", "aggregator.judge.sides.Side", set()),
        ("judge", "numpy.linalg", set()),
    ],
)
def test_the_rule_of_floors_can_fail(room: str, name: str, wrong: set[str]) -> None:
    assert climbs("aggregator", room, {name}) == wrong


def test_the_rule_can_fail(tmp_path: Path) -> None:
    offender = tmp_path / "offender.py"
    offender.write_text("def f():\n    import docker\n    from runners.harness import clock\n")
    assert {package(name) for name in imported(offender)} == {"docker", "runners.harness"}
