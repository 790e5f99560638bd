"""Every declared variant and loader in containers: the profile `smoke`, up to the report."""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from invariants import INVARIANTS, ok
from needs import ROOT
from real_runs import bench

from aggregator.read.run_folder import LoadedRun, load_run
from launcher.plan.discovery import choose, discover
from runners.harness.record import Status

pytestmark = [pytest.mark.docker, pytest.mark.full, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bench(tmp_path_factory.mktemp("smoke"), "smoke", "docker", [])


@pytest.fixture(scope="module")
def loaded(run: Path) -> LoadedRun:
    return load_run(run)


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.__name__)
def test_every_invariant_holds(run: Path, invariant: Callable[[Path], None]) -> None:
    invariant(run)


@pytest.mark.parametrize("workload", ["infer", "scale", "load", "fit", "export"])
def test_every_variant_and_every_loader_took_part(loaded: LoadedRun, workload: str) -> None:
    tried = [record.competitor for record in loaded.records if record.case.workload == workload]
    assert {(one.framework, one.loader or one.variant) for one in tried} == set(declared(workload))


def test_only_few_cases_are_unsupported_and_each_has_a_reason(loaded: LoadedRun) -> None:
    lacking = [record for record in loaded.records if record.status is not Status.OK]
    assert {record.status for record in lacking} <= {Status.UNSUPPORTED}
    assert all(record.error and record.error.message for record in lacking)
    assert len(lacking) <= 2


def test_every_case_is_compared_between_frameworks(loaded: LoadedRun) -> None:
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for record in ok(loaded):
        sides[record.case.label].add(record.competitor.framework)
    assert min(map(len, sides.values())) >= 2


def test_pinned_versions_are_in_every_record(loaded: LoadedRun) -> None:
    for record in ok(loaded):
        pins = (ROOT / "images" / record.competitor.framework / "requirements.txt").read_text().split()
        pinned = dict(line.split("==") for line in pins if "==" in line)
        assert record.host is not None
        assert {name: pinned[name] for name in ("numpy", "pillow")}.items() <= record.host.packages.items()


def test_a_container_sees_every_cpu(loaded: LoadedRun) -> None:
    seen = {record.effective.visible_cpus for record in ok(loaded) if record.effective}
    assert seen == {len(os.sched_getaffinity(0))}


def test_its_report_claims_no_winner(run: Path) -> None:
    page, text = (run / "report.html").read_text(), (run / "report.md").read_text()
    answer = text.partition("## All comparisons")[2].partition("## Figures")[0]
    assert answer.count("too few blocks") >= 8
    assert "is faster**" not in answer
    assert "is faster</span>" not in page.partition('id="answer"')[2].partition('id="figures')[0]
    assert " wins " not in text.partition("## All comparisons")[0]
    assert json.loads((run / "run.json").read_bytes())["state"] == "complete"


def declared(workload: str) -> Iterator[tuple[str, str]]:
    """(framework, variant or loader) of all frameworks that take part by default."""
    for framework, found in choose(ROOT, discover(ROOT), []).items():
        assert found.declaration is not None
        if offer := found.declaration.workloads.get(workload):
            for name in offer.every_loader or offer.variants:
                yield framework, name
