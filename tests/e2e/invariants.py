"""Invariants of every finished run, for any machine, engine and profile. Each function checks a run's folder."""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

from needs import ROOT

from aggregator.read.run_folder import LoadedRun, load_run
from method.schedule import run_schedule
from runners.harness.agreement import disagreement
from runners.harness.record import Record, Status
from runners.harness.run import RunState

MATCHED = "matched"
MEAN_ALLOWED, WORST_ALLOWED = 0.5, 2.0
"""Largest differences between a loader's pixels and the reference, out of 255: on average, and in the worst image."""
STAGES = {"load", "build", "train", "save", "restore", "evaluate"}


def every_record_is_valid(folder: Path) -> None:
    run = load_run(folder)
    assert run.quarantined == ()
    assert run.plan is not None
    assert run.plan.state is not RunState.COMPLETE or run.problems == ()


def every_planned_replicate_left_one_record(folder: Path) -> None:
    run = load_run(folder)
    assert run.plan is not None
    ids = [record.record_id for record in run.records]
    assert len(ids) == len(set(ids))
    planned = {replicate.record_id for replicate in run_schedule(run.plan)}
    assert set(ids) <= planned
    untried = {gone.competitor for case in run.plan.cases for gone in case.unavailable}
    if run.plan.state is RunState.COMPLETE and not untried:
        assert set(ids) == planned


def what_was_asked_for_is_in_effect(folder: Path) -> None:
    run = load_run(folder)
    assert run.plan is not None
    cpus = len(run.plan.cpus)
    for record in ok(run):
        assert record.effective is not None
        assert record.effective.device == record.case.device
        assert record.effective.visible_cpus == cpus
        if record.case.workload != "load":
            assert record.effective.precision == record.case.precision
            threads = cpus // (record.case.processes or 1)  # processes of one replicate share its CPUs
            assert record.effective.threads_intra == threads or record.unknown["effective.threads_intra"]


def every_record_says_what_it_ran_from(folder: Path) -> None:
    run = load_run(folder)
    assert run.plan is not None
    for record in ok(run):
        assert record.host is not None
        assert record.host.engine == run.plan.engine
        assert (record.host.image_id or "").startswith("sha256:") == (run.plan.engine in ("docker", "slurm-apptainer"))
        assert record.host.packages


def competitors_did_the_same_work(folder: Path) -> None:
    cases: defaultdict[str, list[Record]] = defaultdict(list)
    for record in ok(load_run(folder)):
        if record.case.track == MATCHED:
            cases[record.case.label].append(record)
    for records in cases.values():
        for one, other in combinations(records, 2):
            assert one.check is not None
            assert other.check is not None
            assert disagreement(one.check, other.check, one.case.precision, one.case.evidence) is None


def every_loader_delivered_every_image_once_with_the_reference_s_pixels(folder: Path) -> None:
    for record in ok(load_run(folder)):
        if record.case.workload == "load" and record.case.track == MATCHED:
            assert record.check is not None
            assert record.case.dataset is not None
            assert record.check.delivered_items == record.case.dataset.items
            assert (record.check.pixel_mean_difference or 0) <= MEAN_ALLOWED
            assert (record.check.pixel_worst_image or 0) <= WORST_ALLOWED


def every_restored_model_is_the_trained_one(folder: Path) -> None:
    for record in ok(load_run(folder)):
        if record.case.workload == "fit":
            assert record.check is not None
            assert record.samples is not None
            assert record.check.accuracy == record.check.accuracy_restored
            assert [epoch.epoch for epoch in record.history or ()] == list(range(record.case.epochs or 0))
            further = {stage for stage in record.samples.stage_ns if stage.startswith(("save ", "restore "))}
            assert set(record.samples.stage_ns) - further == STAGES


def the_audit_proves_it(folder: Path) -> None:
    command = [sys.executable, "-m", "aggregator", "audit", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def its_report_is_there(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert page.count("<script") == 3, "the page's data, its samples and its own script"
    assert (folder / "report.md").read_text().startswith("# ")
    assert list((folder / "figures").glob("*.svg"))


def nothing_is_left_running(folder: Path) -> None:
    run = load_run(folder)
    assert run.plan is not None
    docker = ["docker", "ps", "-aq", "--filter", f"label=levelfield.run={folder.name}"]
    command = docker if run.plan.engine == "docker" else ["pgrep", "-f", f"run-id {folder.name}"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == ""


def ok(run: LoadedRun) -> Iterator[Record]:
    """The records with status ok."""
    return (record for record in run.records if record.status is Status.OK)


INVARIANTS: tuple[Callable[[Path], None], ...] = (
    every_record_is_valid,
    every_planned_replicate_left_one_record,
    what_was_asked_for_is_in_effect,
    every_record_says_what_it_ran_from,
    competitors_did_the_same_work,
    every_loader_delivered_every_image_once_with_the_reference_s_pixels,
    every_restored_model_is_the_trained_one,
    the_audit_proves_it,
    its_report_is_there,
    nothing_is_left_running,
)
