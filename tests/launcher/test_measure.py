"""A run carried out with a fake engine: order, safety of records, failures, resuming."""

import dataclasses
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from launcher_fakes import EXITED, A, B, FakeEngine, case, ending, failing, ok, run_of, with_check
from pydantic import TypeAdapter
from rich.console import Console

from launcher.datasets.assignment import Dataset
from launcher.engines.engine import Job, Outcome
from launcher.errors import NotReady, UsageError
from launcher.plan.estimate import Durations
from launcher.run.budget import Budget
from launcher.run.folder import RunFolder, load
from launcher.run.loop import Measurement
from launcher.run.progress import Display
from launcher.run.replicate import Replicator
from launcher.stop import Ending, Stop
from method.schedule import run_schedule
from runners.harness.manifest import Item, Manifest, write_manifest
from runners.harness.record import SCHEMA_VERSION, Check, Record, Status
from runners.harness.run import PlannedCase, Run, RunState


def carry_out(
    path: Path,
    run: Run,
    engine: FakeEngine,
    stop: Stop | None = None,
    datasets: dict[str, Dataset] | None = None,
    budget: Budget | None = None,
) -> tuple[Run, Measurement]:
    folder = RunFolder(path)
    folder.records.mkdir(parents=True, exist_ok=True)
    folder.logs.mkdir(exist_ok=True)
    clock = iter(range(0, 10**15, 10**9))
    stop = stop or Stop()
    replicator = Replicator(folder, run, engine, datasets or {}, stop, lambda: next(clock))
    measurement = Measurement(folder, run, replicator, Durations(), stop, budget)
    return measurement.carry_out(Display(Console(quiet=True))), measurement


def records(path: Path) -> dict[str, Record]:
    found = [TypeAdapter(Record).validate_json(file.read_bytes()) for file in (path / "records").glob("*.json")]
    return {record.record_id: record for record in found}


def two_cases(blocks: int = 3) -> Run:
    return run_of(PlannedCase(case(), [A, B], blocks), PlannedCase(case(batch_size=32), [A, B], blocks))


def test_everything_runs_in_the_order_of_the_schedule(tmp_path: Path) -> None:
    run = two_cases()
    engine = FakeEngine(run)
    done, measurement = carry_out(tmp_path, run, engine)
    expected = [(one.case, one.block, one.competitor.label) for one in run_schedule(run)]
    assert engine.started == expected
    assert done.state is RunState.COMPLETE
    assert not measurement.failed
    assert len(records(tmp_path)) == 12


def test_each_record_is_there_before_the_next_replicate_starts(tmp_path: Path) -> None:
    run = two_cases(2)
    counts: list[int] = []

    def count(record: Record, job: Job, stop: Stop) -> Outcome:
        counts.append(len(list(job.records.glob("*.json"))))
        return ok(record, job, stop)

    carry_out(tmp_path, run, FakeEngine(run, {A.label: count, B.label: count}))
    assert counts == list(range(8))


def test_a_resumed_run_measures_only_what_is_missing(tmp_path: Path) -> None:
    run = two_cases()
    stop = Stop()
    seen = 0

    def interrupt_at_fifth(record: Record, job: Job, own: Stop) -> Outcome:
        nonlocal seen
        seen += 1
        if seen == 5:
            stop.request()
            return Outcome(Ending.INTERRUPTED, -15)
        return ok(record, job, own)

    script = {A.label: interrupt_at_fifth, B.label: interrupt_at_fifth}
    first = FakeEngine(run, script)
    stopped, _ = carry_out(tmp_path, run, first, stop)
    assert stopped.state is RunState.INCOMPLETE
    assert len(records(tmp_path)) == 4
    second = FakeEngine(run)
    reread = load(RunFolder(tmp_path))
    done, _ = carry_out(tmp_path, reread, second)
    assert done.state is RunState.COMPLETE
    assert first.started[:4] + second.started == [
        (one.case, one.block, one.competitor.label) for one in run_schedule(run)
    ]


def test_half_a_block_is_not_completed_hours_later(tmp_path: Path) -> None:
    """Processes of two sessions are no pair: a block that was cut is measured again whole."""
    run, stop = two_cases(), Stop()

    def interrupt_at_fourth(record: Record, job: Job, own: Stop) -> Outcome:
        if len(list(job.records.glob("*.json"))) == 3:
            stop.request()
            return Outcome(Ending.INTERRUPTED, -15)
        return ok(record, job, own)

    first = FakeEngine(run, {A.label: interrupt_at_fourth, B.label: interrupt_at_fourth})
    carry_out(tmp_path, run, first, stop)
    assert len(records(tmp_path)) == 3
    again = FakeEngine(run)
    reread = load(RunFolder(tmp_path))
    carry_out(tmp_path, reread, again)
    assert first.started[:2] + again.started == [
        (one.case, one.block, one.competitor.label) for one in run_schedule(run)
    ]


def test_a_damaged_record_is_measured_again(tmp_path: Path) -> None:
    run = two_cases(1)
    carry_out(tmp_path, run, FakeEngine(run))
    damaged = sorted((tmp_path / "records").glob("*.json"))[0]
    damaged.write_bytes(damaged.read_bytes()[:100])
    again = FakeEngine(run)
    carry_out(tmp_path, run, again)
    assert [one[:2] for one in again.started] == [(0, 0), (0, 0)]
    assert len(records(tmp_path)) == 4


def test_a_record_about_another_case_is_refused(tmp_path: Path) -> None:
    run = run_of(PlannedCase(case(), [A], 1))

    def forge(record: Record, job: Job, stop: Stop) -> Outcome:
        return ok(dataclasses.replace(record, case=case(batch_size=64)), job, stop)

    carry_out(tmp_path, run, FakeEngine(run, {A.label: forge}))
    (record,) = records(tmp_path).values()
    assert record.status is Status.FAILED
    assert record.error
    assert "batch_size" in record.error.message


@pytest.mark.parametrize(
    ("outcome", "status", "kind"),
    [
        (Outcome(Ending.TIMEOUT, -9), Status.TIMEOUT, "TIMEOUT"),
        (Outcome(Ending.EXITED, 137, out_of_memory=True), Status.OOM, "OOM(host)"),
        (Outcome(Ending.EXITED, 139), Status.CRASHED, "CRASH(SIGSEGV)"),
        (Outcome(Ending.EXITED, -11), Status.CRASHED, "CRASH(SIGSEGV)"),
        (Outcome(Ending.EXITED, 134), Status.CRASHED, "CRASH(SIGABRT)"),
        (Outcome(Ending.EXITED, 135), Status.CRASHED, "SHM"),
        (Outcome(Ending.EXITED, -9), Status.CRASHED, "KILLED"),
        (Outcome(Ending.EXITED, 1), Status.FAILED, "ERROR"),
        (Outcome(Ending.EXITED, 0), Status.FAILED, "RECORD"),
        (Outcome(Ending.EXITED, 143), Status.CRASHED, "CRASH(SIGTERM)"),
        (Outcome(Ending.EXITED, None, message="did not start"), Status.FAILED, "ERROR"),
        (Outcome(Ending.LOST, None), Status.CRASHED, "LOST"),
    ],
)
def test_a_runner_that_leaves_no_record_gets_one_from_the_launcher(
    tmp_path: Path, outcome: Outcome, status: Status, kind: str
) -> None:
    run = run_of(PlannedCase(case(), [A], 1))
    done, measurement = carry_out(tmp_path, run, FakeEngine(run, {A.label: ending(outcome)}))
    (record,) = records(tmp_path).values()
    assert (record.status, record.error and record.error.kind) == (status, kind)
    assert record.error
    assert record.error.exit_code == outcome.code
    assert record.error.log_tail.endswith("last line")
    assert measurement.failed
    assert done.state is RunState.COMPLETE


@pytest.mark.parametrize(
    ("code", "line", "kind"),
    [
        (134, "Check failed: CUDA_ERROR_OUT_OF_MEMORY: out of memory", "OOM(gpu)"),
        (1, "cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "OOM(gpu)"),
        (134, "Check failed: h != kInvalidChunkHandle", "CRASH(SIGABRT)"),
    ],
)
def test_a_process_that_the_full_memory_of_a_gpu_killed_says_so_in_its_log(
    tmp_path: Path, code: int, line: str, kind: str
) -> None:
    def die(_record: Record, job: Job, _stop: Stop) -> Outcome:
        job.log.write_text(f"{line}\nAborted\n")
        return Outcome(Ending.EXITED, code)

    run = run_of(PlannedCase(case(), [A], 1))
    carry_out(tmp_path, run, FakeEngine(run, {A.label: die}))
    (record,) = records(tmp_path).values()
    assert record.error
    assert (record.error.kind, record.status is Status.OOM) == (kind, kind == "OOM(gpu)")


def test_memory_failures_name_the_limit(tmp_path: Path) -> None:
    run = run_of(PlannedCase(case(), [A], 1))
    carry_out(tmp_path, run, FakeEngine(run, {A.label: ending(Outcome(Ending.EXITED, 137, True))}))
    (record,) = records(tmp_path).values()
    assert record.error
    assert "2.0 GiB" in record.error.message


def test_a_lost_replicate_is_measured_again_when_resumed_and_its_whole_block_with_it(tmp_path: Path) -> None:
    run = run_of(PlannedCase(case(), [A, B], 2))
    carry_out(tmp_path, run, FakeEngine(run, {(A.label, 0): ending(Outcome(Ending.LOST, None))}))
    again = FakeEngine(run)
    carry_out(tmp_path, run, again)
    assert sorted(again.started) == [(0, 0, A.label), (0, 0, B.label)]
    assert all(record.status is Status.OK for record in records(tmp_path).values())


def test_a_good_record_is_kept_and_flagged_when_the_process_fails_after_it(tmp_path: Path) -> None:
    run = run_of(PlannedCase(case(), [A], 1))
    done, measurement = carry_out(tmp_path, run, FakeEngine(run, {A.label: with_check(Check(), code=3)}))
    (record,) = records(tmp_path).values()
    assert record.status is Status.OK
    assert measurement.failed
    assert "exit code 3" in done.warnings[0]


def test_who_fails_at_first_is_not_tried_again_and_the_others_go_on(tmp_path: Path) -> None:
    run = run_of(PlannedCase(case(), [A, B], 4))
    engine = FakeEngine(run, {A.label: failing(Status.CRASHED, "CRASH(SIGSEGV)")})
    carry_out(tmp_path, run, engine)
    assert [label for _, _, label in engine.started].count(A.label) == 1
    assert [label for _, _, label in engine.started].count(B.label) == 4


def test_who_fails_later_is_tried_again(tmp_path: Path) -> None:
    run = run_of(PlannedCase(case(), [A, B], 4))
    engine = FakeEngine(run, {(A.label, 1): failing(Status.FAILED, "ERROR")})
    carry_out(tmp_path, run, engine)
    assert [label for _, _, label in engine.started].count(A.label) == 4


def test_larger_batches_are_not_tried_after_one_ran_out_of_memory(tmp_path: Path) -> None:
    cases = [PlannedCase(case(batch_size=16), [A], 3), PlannedCase(case(batch_size=64), [A, B], 3)]
    seed = next(seed for seed in range(100) if run_schedule(run_of(*cases, seed=seed))[0].case == 0)
    run = run_of(*cases, seed=seed)
    engine = FakeEngine(run, {A.label: failing(Status.OOM, "OOM(host)")})
    done, _ = carry_out(tmp_path, run, engine)
    (reason,) = done.cases[1].unavailable
    assert (reason.competitor, reason.kind, reason.reason) == (A, "NOT TRIED", "not tried (16 ran out of memory)")
    assert [label for _, _, label in engine.started] == [A.label, B.label, B.label, B.label]


def test_competitors_that_disagree_get_no_further_blocks(tmp_path: Path) -> None:
    run = run_of(PlannedCase(case(), [A, B], 4), PlannedCase(case(batch_size=32), [A], 2))
    checks = {A.label: with_check(Check(trainable=100)), B.label: with_check(Check(trainable=101))}
    engine = FakeEngine(run, checks)
    done, measurement = carry_out(tmp_path, run, engine)
    assert [place[:2] for place in engine.started].count((0, 0)) == 2
    assert not [place for place in engine.started if place[0] == 0 and place[1] > 0]
    assert [place for place in engine.started if place[0] == 1 and place[1] == 1]
    assert "trainable differs: " in done.warnings[0]
    assert measurement.failed


def test_hostile_checks_that_cannot_be_compared_count_as_disagreement(tmp_path: Path) -> None:
    run = run_of(PlannedCase(case(), [A, B], 2))
    engine = FakeEngine(run, {A.label: with_check(Check(losses=[1.0])), B.label: with_check(Check(losses=[1.0]))})
    done, _ = carry_out(tmp_path, run, engine)
    assert done.warnings
    assert len(engine.started) == 2


def test_a_full_disk_ends_the_run_and_keeps_the_records(tmp_path: Path) -> None:
    run = run_of(PlannedCase(case(), [A, B], 2))

    def full(_record: Record, _job: Job, _stop: Stop) -> Outcome:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NotReady, match="RUN=run-1"):
        carry_out(tmp_path, run, FakeEngine(run, {(A.label, 1): full}))
    assert len(records(tmp_path)) >= 2
    assert load(RunFolder(tmp_path)).state is RunState.INCOMPLETE


@pytest.mark.parametrize("code", [143, -15, 1])
def test_what_ends_while_all_is_to_end_is_measured_again(tmp_path: Path, code: int) -> None:
    run = run_of(PlannedCase(case(), [A], 1))
    stop = Stop()

    def cut_off(record: Record, job: Job, own: Stop) -> Outcome:
        own.request()
        failing(Status.FAILED, "ERROR")(record, job, own)
        return Outcome(Ending.EXITED, code)

    stopped, _ = carry_out(tmp_path, run, FakeEngine(run, {A.label: cut_off}), stop)
    assert stopped.state is RunState.INCOMPLETE
    assert records(tmp_path) == {}
    again = FakeEngine(run)
    done, _ = carry_out(tmp_path, run, again)
    assert (done.state, len(again.started)) == (RunState.COMPLETE, 1)


def test_a_runner_that_cannot_write_its_record_ends_the_run(tmp_path: Path) -> None:
    run = run_of(PlannedCase(case(), [A, B], 2))
    engine = FakeEngine(run, {A.label: ending(Outcome(Ending.EXITED, 3)), B.label: ending(Outcome(Ending.EXITED, 3))})
    with pytest.raises(NotReady, match=r"no record could be written there \(last line\).*RUN=run-1"):
        carry_out(tmp_path, run, engine)
    assert len(engine.started) == 1
    assert records(tmp_path) == {}


@pytest.mark.parametrize(
    ("old", "new", "kind", "words"),
    [
        (b'"first_step_ns": 10', b'"first_step_ns": "10"', "INVALID", "samples.first_step_ns: "),
        (b'"import_ns": 1', b'"import_ns": true', "INVALID", "samples.import_ns: "),
        (b'"first_step_ns": 10', b'"first_step_ns": -5', "INVALID", "samples.first_step_ns: -5 is not a positive time"),
        (b'"first_step_ns": 10', b'"first_step_ns": 1e999', "INVALID", "samples.first_step_ns: "),
        (b'"error": null', b'"error": {"kind": "X", "message": "y"}', "INVALID", "status ok with an error"),
        (b'"run_id"', b'"run-id', "RECORD", "Expecting"),
        (b'"status": "ok"', b'"status": "failed", "status": "ok"', "RECORD", "the key 'status' stands twice"),
        (b'"status": "ok"', b'"status": "fine"', "RECORD", "status: "),
        (b'"schema_version": ', b'"schema_version": 9', "RECORD", f"schema_version 9{SCHEMA_VERSION} does not exist"),
        (b'"batch_size": 8', b'"batch_size": 64', "RECORD", "it measured another case: batch_size differs"),
        (b'"fake"', b'"\\ud800"', "RECORD", "Invalid JSON"),
        (b"{", b"\xef\xbb\xbf{", "RECORD", ""),
        (b"{", b"[" * 200_000, "RECORD", "nested too deeply"),
        (b"\n}\n", b"\n}\n\0", "RECORD", "Extra data"),
    ],
)
def test_a_rejected_record_is_kept_and_its_fault_named(
    tmp_path: Path, old: bytes, new: bytes, kind: str, words: str
) -> None:
    """By the rules of the report, which would otherwise count fewer replicates than the launcher."""
    run = run_of(PlannedCase(case(), [A], 1))

    def garble(record: Record, job: Job, stop: Stop) -> Outcome:
        outcome = ok(record, job, stop)
        path = job.records / f"{record.record_id}.json"
        assert old in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(old, new))
        return outcome

    _, measurement = carry_out(tmp_path, run, FakeEngine(run, {A.label: garble}))
    (record,) = records(tmp_path).values()
    assert record.error
    assert measurement.failed
    assert (record.status, record.error.kind) == (Status.INVALID if kind == "INVALID" else Status.FAILED, kind)
    rejected = tmp_path / "logs" / f"{record.record_id}.rejected"
    assert rejected.is_file()
    assert f"{rejected}: {words}" in record.error.message


ODD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": lambda path: (path.mkdir(), (path / "x").write_text("")),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path.name),
    "link": lambda path: path.symlink_to("/etc/passwd"),
    "huge": lambda path: path.touch() or os.truncate(path, 2**31),
    "empty": Path.touch,
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_in_a_record_s_place_is_a_dash_and_measured_again(tmp_path: Path, kind: str) -> None:
    run = run_of(PlannedCase(case(), [A], 2))

    def leave(record: Record, job: Job, _stop: Stop) -> Outcome:
        ODD[kind](job.records / f"{record.record_id}.json")
        (job.records / f".{record.record_id}.json.x.tmp").mkdir()
        return EXITED

    _, measurement = carry_out(tmp_path, run, FakeEngine(run, {(A.label, 1): leave}))
    bad = next(one for one in records(tmp_path).values() if one.block.number == 1)
    assert bad.error
    assert (bad.error.kind, measurement.failed) == ("RECORD", True)
    assert len(list((tmp_path / "records").iterdir())) == 2
    path = tmp_path / "records" / f"{bad.record_id}.json"
    path.unlink()
    ODD[kind](path)
    again = FakeEngine(run)
    carry_out(tmp_path, run, again)
    assert again.started == [(0, 1, A.label)]
    assert all(record.status is Status.OK for record in records(tmp_path).values())


@pytest.mark.parametrize("kind", ODD)
def test_a_run_json_that_is_no_file_ends_the_resuming(tmp_path: Path, kind: str) -> None:
    ODD[kind](tmp_path / "run.json")
    with pytest.raises(UsageError, match=r"run\.json"):
        load(RunFolder(tmp_path))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"run_version": 6, "run_version": 6}', "{}", "\ufeff{}", "\0"])
def test_a_run_json_that_the_launcher_did_not_write_is_named_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UsageError, match=r"cannot be resumed \(run\.json: [^\n]*\); start a new run$"):
        load(RunFolder(tmp_path))


def test_data_that_changes_during_a_run_makes_the_replicate_invalid(tmp_path: Path) -> None:
    def manifest(digit: str) -> Manifest:
        return Manifest("set", "folder", None, ("a",), {"train": (Item("a/0.jpg", 0, 1, digit * 64, 1, 1),)})

    path = write_manifest(manifest("0"), tmp_path)
    run = run_of(PlannedCase(case(workload="load", dataset=manifest("0").reference("train")), [A], 1))

    def change(_record: Record, _job: Job, _stop: Stop) -> Outcome:
        write_manifest(manifest("1"), tmp_path)
        return Outcome(Ending.EXITED, 1)

    carry_out(tmp_path, run, FakeEngine(run, {A.label: change}), None, {"load": Dataset(path, manifest("0"))})
    (record,) = records(tmp_path).values()
    assert record.error
    assert (record.status, record.error.kind) == (Status.INVALID, "DATA")
    assert "changed during the run" in record.error.message


def test_nothing_temporary_stays_beside_the_records(tmp_path: Path) -> None:
    run = run_of(PlannedCase(case(), [A], 1))

    def torn(record: Record, job: Job, _stop: Stop) -> Outcome:
        (job.records / f".{record.record_id}.json"[:41]).with_suffix(".abc.tmp").write_text("half")
        (job.records / f"{record.record_id}.json").write_text('{"schema_version": 1, ')
        return Outcome(Ending.EXITED, 1)

    carry_out(tmp_path, run, FakeEngine(run, {A.label: torn}))
    assert [path.name for path in (tmp_path / "records").iterdir()] == [f"{next(iter(records(tmp_path)))}.json"]
