"""Checks any run: `.venv/bin/python -m pytest tests/e2e/test_any_run.py --run results/<run>`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from invariants import INVARIANTS


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.__name__)
def test_every_invariant_holds(pytestconfig: pytest.Config, invariant: Callable[[Path], None]) -> None:
    if not pytestconfig.getoption("--run"):
        pytest.skip("no run is given: --run results/<run> examines one")
    invariant(Path(pytestconfig.getoption("--run")))
