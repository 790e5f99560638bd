"""Runs the tests whose needs this machine meets. The last lines list the others, with advice."""

from pathlib import Path

import pytest
from closing import pytest_deselected, pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown
from needs import KNOWN, ROOT, about, asked, lacking, needed

from launcher.errors import unknown

LONGEST_FIRST = ("e2e", "runners_data", "runners")
"""Folders whose tests start real frameworks. They come first, because they take long."""

__all__ = ["pytest_deselected", "pytest_sessionfinish", "pytest_terminal_summary", "pytest_testnodedown"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--frameworks", default="", help="only the tests of these frameworks, separated by commas")
    parser.addoption("--run", default="", help="the folder of a run for tests/e2e/test_any_run.py")


def pytest_configure(config: pytest.Config) -> None:
    for name in asked(config):
        if name not in KNOWN:
            raise pytest.UsageError(unknown("framework", name, KNOWN))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if only := set(asked(config)):
        config.hook.pytest_deselected(items=[item for item in items if not about(item) & only])
        items[:] = [item for item in items if about(item) & only]
    for item in items:
        needs = [
            *(need for need in ("browser", "docker", "gpu", "slurm", "ssh") if item.get_closest_marker(need)),
            *sorted(needed(item)),
        ]
        for reason in filter(None, map(lacking, needs)):
            item.add_marker(pytest.mark.skip(reason=reason))
    items.sort(key=lambda item: _place(item.path))


def _place(path: Path) -> int:
    folder = path.relative_to(ROOT / "tests").parts[0]
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
