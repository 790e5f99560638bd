"""Who runs out of memory on a batch is not started on a larger one: in the pilots, after them, and when resumed."""

import dataclasses
from pathlib import Path

import pytest
from launcher_fakes import A, B, Behaviour, FakeEngine, case, failing, ok, run_of
from rich.console import Console

from launcher.engines.engine import Job, Outcome
from launcher.plan.cases import doubled
from launcher.plan.estimate import Durations
from launcher.run.folder import RunFolder, load
from launcher.run.loop import Measurement
from launcher.run.pilots import pilot_run, settle
from launcher.run.progress import Display
from launcher.run.replicate import Replicator
from launcher.run.skipping import Skipping
from launcher.stop import Stop
from method.schedule import run_schedule
from runners.harness.record import Record, Samples, Status
from runners.harness.run import PlannedCase, Run, RunState

BATCHES = (1, 8, 16, 32)


def row(seed: int, pilots: int = 0, blocks: int = 2) -> tuple[Run, int]:
    """One row of four batches for two competitors."""
    return run_of(*(PlannedCase(case(batch_size=batch), [A, B], blocks) for batch in BATCHES), seed=seed), pilots


def at_most(batch: int) -> Behaviour:
    """A runner for which larger batches are too large."""

    def behave(record: Record, job: Job, stop: Stop) -> Outcome:
        if record.case.batch_size > batch:
            return failing(Status.OOM, "OOM(host)")(record, job, stop)
        return ok(dataclasses.replace(record, samples=Samples([10] * 200, 0, 8, 10, 1, 1)), job, stop)

    return behave


def measured(folder: RunFolder, run: Run, engine: FakeEngine) -> Run:
    folder.make()
    folder.write(run)
    replicator = Replicator(folder, run, engine, {}, Stop())
    return Measurement(folder, run, replicator, Durations(), Stop()).carry_out(Display(Console(quiet=True)))


def carry_out(path: Path, run: Run, pilots: int, script: dict[object, Behaviour]) -> tuple[Run, list[FakeEngine]]:
    """The pilots where there are any, then the run, as `bench` has them: (the run at its end, an engine for each)."""
    folder, engines = RunFolder(path), []
    folder.make()
    run = dataclasses.replace(run, pilots=pilots)
    piloted = pilot_run(run)
    if piloted:
        engines.append(FakeEngine(piloted, script))
        measured(folder.pilots, piloted, engines[0])
        run = settle(run, piloted, folder.pilots)
    engines.append(FakeEngine(run, script))
    return measured(folder, run, engines[-1]), engines


def started(engine: FakeEngine, label: str = A.label) -> list[int]:
    """The batches that were started, in order."""
    return [engine.run_plan.cases[number].case.batch_size for number, _, who in engine.started if who == label]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("pilots", [0, 3])
def test_nothing_larger_than_what_is_known_to_be_too_large_is_started(tmp_path: Path, seed: int, pilots: int) -> None:
    done, engines = carry_out(tmp_path, *row(seed, pilots), {A.label: at_most(1), B.label: at_most(64)})
    too_large = 1000
    for engine in engines:
        for batch in started(engine):
            assert batch <= too_large
            too_large = min(too_large, batch) if batch > 1 else too_large
        assert started(engine).count(1) >= 2
        assert all(started(engine, B.label).count(batch) >= 2 for batch in BATCHES)
    assert done.state is RunState.COMPLETE
    if pilots:
        assert [batch for batch in started(engines[-1]) if batch > 1] == [8]
        reasons = {one.reason for planned in done.cases[2:] for one in planned.unavailable}
        assert reasons == {"not tried (8 ran out of memory)"}
        assert not done.warnings


def test_the_plan_knows_what_the_pilots_found_when_the_run_is_resumed(tmp_path: Path) -> None:
    run, _ = row(3)
    carry_out(tmp_path, run, 2, {A.label: at_most(1)})
    for path in (tmp_path / "records").glob("c00[123]*"):
        path.unlink()
    again = load(RunFolder(tmp_path))
    engine = FakeEngine(again, {A.label: at_most(1)})
    measured(RunFolder(tmp_path), again, engine)
    assert started(engine) == [8]


def test_both_labels_of_one_program_have_one_memory(tmp_path: Path) -> None:
    run, _ = row(5, blocks=1)
    labelled = run_of(*map(doubled, run.cases), seed=5)
    script = {f"{A.label}:{alias}": at_most(1) for alias in "AB"}
    _, (_, engine) = carry_out(tmp_path, labelled, 2, script)
    assert sorted(started(engine, f"{A.label}:A") + started(engine, f"{A.label}:B")) == [1, 1, 8, 8]


def test_other_rows_are_tried(tmp_path: Path) -> None:
    cases = [PlannedCase(case(batch_size=8), [A], 1), PlannedCase(case(batch_size=32, input_size=64), [A], 1)]
    done, (engine,) = carry_out(tmp_path, run_of(*cases), 0, {A.label: at_most(1)})
    assert sorted(started(engine)) == [8, 32]
    assert not any(one.unavailable for one in done.cases)


def test_who_ran_at_a_larger_batch_is_never_said_not_to_have_tried_it(tmp_path: Path) -> None:
    """Out of memory on a smaller batch by accident: the larger one has its records, and goes on."""
    run, _ = row(0)
    script: dict[object, Behaviour] = {}

    def once(record: Record, job: Job, stop: Stop) -> Outcome:
        accident = record.case.batch_size == 8 and record.block.number == 1
        return (failing(Status.OOM, "OOM(host)") if accident else at_most(64))(record, job, stop)

    script[A.label] = once
    done, (engine,) = carry_out(tmp_path, run, 0, script)
    assert len(started(engine)) == 8
    assert not any(one.unavailable for one in done.cases)


def test_looking_ahead_decides_nothing(tmp_path: Path) -> None:
    """On a cluster a larger batch may be running already, and may fit, when a smaller one runs out of memory."""
    run, _ = row(1, blocks=1)
    due = {(one.case, one.competitor): one for one in run_schedule(run)}
    small, large = due[1, A], due[3, A]
    engine = FakeEngine(run, {A.label: failing(Status.OOM, "OOM(host)")})
    folder = RunFolder(tmp_path)
    folder.make()
    replicator = Replicator(folder, run, engine, {}, Stop())
    found = replicator.measure(small)
    fitting = replicator.measure(due[0, B])
    assert found
    assert fitting
    skipping = Skipping(run.cases)
    skipping.observe(small, found[0])
    assert skipping.will_skip(large)
    assert skipping.not_tried == {}
    skipping.observe(large, dataclasses.replace(fitting[0], case=run.cases[3].case, competitor=A))
    assert not skipping.will_skip(large)
    assert not skipping.skips(large)
