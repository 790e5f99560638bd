"""A real run of every installed framework, with one case for each workload, from the profile to the report."""

from collections.abc import Callable
from pathlib import Path

import pytest
from invariants import INVARIANTS
from needs import KNOWN, ROOT, asked, frameworks, lacking
from real_runs import bench

from aggregator.read.run_folder import load_run
from launcher.plan.discovery import discover
from runners.harness.record import Status

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def run(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    installed = [name for name in asked(pytestconfig) or KNOWN if lacking(name) is None]
    if not installed:
        pytest.skip("no virtual environment of any framework: make images ENGINE=venv")
    return bench(tmp_path_factory.mktemp("line"), "line", "venv", installed)


@pytest.mark.parametrize("framework", frameworks(*KNOWN))
def test_every_workload_of_a_framework_runs(run: Path, framework: str) -> None:
    declaration = discover(ROOT)[framework].declaration
    assert declaration is not None
    records = [record for record in load_run(run).records if record.competitor.framework == framework]
    assert {record.case.workload for record in records} == declaration.workloads.keys()
    assert {(record.status, record.error) for record in records} == {(Status.OK, None)}


@pytest.mark.frameworks
@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.__name__)
def test_every_invariant_holds(run: Path, invariant: Callable[[Path], None]) -> None:
    invariant(run)
