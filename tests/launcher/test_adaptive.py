"""Adaptive runs, time budgets, pilots and A/A runs, with a fake engine."""

import dataclasses
import io
import itertools
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from launcher_fakes import A, B, Behaviour, FakeEngine, case, failing, ok, run_of, scattered, with_check
from rich.console import Console

from launcher import text as texts
from launcher.engines.engine import Job, Outcome
from launcher.errors import UsageError
from launcher.plan.cases import doubled
from launcher.plan.estimate import Durations, spent
from launcher.run.arguments import case_arguments
from launcher.run.budget import Budget
from launcher.run.folder import RunFolder, load
from launcher.run.loop import Measurement
from launcher.run.pilots import pilot_run, settle
from launcher.run.progress import Display
from launcher.run.replicate import Replicator
from launcher.stop import Ending, Stop
from method.schedule import Replicate, run_schedule
from runners.harness.case import Competitor
from runners.harness.record import Check, Record, Samples, Status
from runners.harness.run import Pilot, PlannedCase, Run, RunState, Stopping, Warmup
from runners.harness.sampling import Sampling

RULE = Stopping(most_blocks=12, every=1, half_width=0.02)
SECOND = 10**9


def carry_out(
    path: Path, run: Run, engine: FakeEngine, budget: Budget | None = None, stop: Stop | None = None, seconds: int = 1
) -> Run:
    """Every replicate takes one second of the fake clock, or `seconds`."""
    folder, stop = RunFolder(path), stop or Stop()
    folder.make()
    clock = iter(range(0, 10**6 * SECOND, seconds * SECOND))
    replicator = Replicator(folder, run, engine, {}, stop, lambda: next(clock))
    return Measurement(folder, run, replicator, Durations(), stop, budget).carry_out(Display(Console(quiet=True)))


def two_cases(**changes: object) -> Run:
    cases = [PlannedCase(case(), [A, B], 8), PlannedCase(case(batch_size=32), [A, B], 8)]
    return dataclasses.replace(run_of(*cases), stopping=RULE, **changes)


def by_batch(quiet: float, noisy: float) -> dict[object, Behaviour]:
    """Batch 8 is quiet, batch 32 noisy."""
    calm, wild = scattered(quiet, 1), scattered(noisy, 2)

    def behave(record: Record, job: Job, stop: Stop) -> Outcome:
        return (calm if record.case.batch_size == 8 else wild)(record, job, stop)

    return {A.label: behave, B.label: behave}


def blocks_run(engine: FakeEngine) -> Counter[int]:
    return Counter(number for number, _, label in engine.started if label == A.label)


def test_further_blocks_go_where_an_answer_is_missing_and_nowhere_else(tmp_path: Path) -> None:
    run = two_cases()
    engine = FakeEngine(run, by_batch(0.001, 0.05))
    done = carry_out(tmp_path, run, engine)
    assert done.state is RunState.COMPLETE
    assert blocks_run(engine) == {0: 8, 1: 12}
    assert done.extensions == [1, 1, 1, 1]
    assert (done.blocks(0), done.blocks(1)) == (8, 12)
    assert load(RunFolder(tmp_path)).extensions == [1, 1, 1, 1]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("steps", [[2**64] * 10, [5] * 60 + [0] * 20, [0] * 80, []])
def test_a_record_without_times_widens_no_interval(tmp_path: Path, steps: list[int]) -> None:
    """Of one that no report could use nothing is learned, and the run goes on."""

    def untimed(record: Record, job: Job, stop: Stop) -> Outcome:
        return ok(dataclasses.replace(record, samples=Samples(steps, 0, 8, 1, 1, 1)), job, stop)

    run = dataclasses.replace(run_of(PlannedCase(case(), [A, B], 8)), stopping=RULE)
    ended = carry_out(tmp_path / "run", run, FakeEngine(run, {A.label: untimed, B.label: scattered(0.001, 1)}))
    assert ended.state is RunState.COMPLETE


def test_a_clear_answer_ends_a_case_at_once(tmp_path: Path) -> None:
    """However much it scatters: three blocks, where the difference is large enough."""
    run = from_three_blocks()
    fast, slow = scattered(0.03, 3), scattered(0.03, 4, level=3.0)
    engine = FakeEngine(run, {A.label: fast, B.label: slow})
    done = carry_out(tmp_path, run, engine)
    assert max(blocks_run(engine).values()) <= 4
    assert done.state is RunState.COMPLETE


def from_three_blocks(**changes: object) -> Run:
    run = two_cases(**changes)
    return dataclasses.replace(run, cases=[dataclasses.replace(one, blocks=3) for one in run.cases])


def test_a_fixed_number_of_blocks_is_fixed(tmp_path: Path) -> None:
    run = dataclasses.replace(two_cases(), stopping=None)
    engine = FakeEngine(run, by_batch(0.5, 0.5))
    assert carry_out(tmp_path, run, engine).extensions == []
    assert blocks_run(engine) == {0: 8, 1: 8}


def test_the_case_that_is_answered_soonest_comes_first(tmp_path: Path) -> None:
    run = two_cases()
    engine = FakeEngine(run, by_batch(0.04, 0.8))
    done = carry_out(tmp_path, run, engine)
    assert done.extensions == sorted(done.extensions)
    assert blocks_run(engine)[1] == 12


def test_a_run_that_ended_is_continued_for_its_open_cases(tmp_path: Path) -> None:
    """Beyond its most blocks, for the comparisons without an answer, and it says since when."""
    run = two_cases()
    ended = carry_out(tmp_path, run, FakeEngine(run, by_batch(0.001, 0.05)))
    assert ended.blocks(1) == 12
    going_on = dataclasses.replace(ended, continued=[len(ended.extensions)], budget_seconds=70.0)
    engine = FakeEngine(going_on, by_batch(0.001, 0.05))
    done = carry_out(tmp_path, going_on, engine, Budget(70.0, spent(tmp_path)))
    assert done.blocks(1) > 12
    assert done.blocks(0) == 8
    assert done.continued == [4]
    assert load(RunFolder(tmp_path)).continued == [4]


def test_what_is_known_is_said_as_it_comes(tmp_path: Path) -> None:
    run = from_three_blocks()
    folder = RunFolder(tmp_path)
    folder.make()
    clock = iter(range(0, 10**6 * SECOND, SECOND))
    behave = by_batch(0.01, 0.1)
    script = {A.label: behave[A.label], B.label: lambda *given: scattered(0.01, 9, level=2.0)(*given)}
    replicator = Replicator(folder, run, FakeEngine(run, script), {}, Stop(), lambda: next(clock))
    heard = Console(record=True, file=io.StringIO(), width=400)
    Measurement(folder, run, replicator, Durations(), Stop()).carry_out(Display(heard))
    said, named = heard.export_text(), [re.escape(who.called({})) for who in (A, B)]
    assert re.search(
        rf"{named[0]} is [12]\.\d+ times as fast as {named[1]} \([\d.]+ to [\d.]+\); answered, \d+ blocks", said
    )


def test_an_interrupted_adaptive_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    run = two_cases()
    whole = FakeEngine(run, by_batch(0.001, 0.05))
    carry_out(tmp_path / "whole", run, whole)
    stop, script, seen = Stop(), by_batch(0.001, 0.05), 0

    def cut(record: Record, job: Job, own: Stop) -> Outcome:
        nonlocal seen
        seen += 1
        if seen == 35:
            stop.request()
            return Outcome(Ending.INTERRUPTED, -15)
        return script[A.label](record, job, own)

    first = FakeEngine(run, {A.label: cut, B.label: cut})
    stopped = carry_out(tmp_path / "cut", run, first, stop=stop)
    assert stopped.state is RunState.INCOMPLETE
    again = load(RunFolder(tmp_path / "cut"))
    second = FakeEngine(again, script)
    done = carry_out(tmp_path / "cut", again, second)
    assert done.state is RunState.COMPLETE
    assert first.started[:34] + second.started == whole.started
    assert done.extensions == [1, 1, 1, 1]


def test_a_disagreement_gets_no_further_blocks(tmp_path: Path) -> None:
    run = dataclasses.replace(run_of(PlannedCase(case(), [A, B], 8)), stopping=RULE)
    script = {A.label: with_check(Check(trainable=1)), B.label: with_check(Check(trainable=2))}
    assert carry_out(tmp_path, run, FakeEngine(run, script)).extensions == []


def test_a_competitor_that_fails_leaves_nobody_to_compare(tmp_path: Path) -> None:
    run = dataclasses.replace(run_of(PlannedCase(case(), [A, B], 8)), stopping=RULE)
    script = {A.label: scattered(0.5), B.label: failing(Status.FAILED, "ERROR")}
    assert carry_out(tmp_path, run, FakeEngine(run, script)).extensions == []


def test_a_budget_ends_the_run_between_blocks(tmp_path: Path) -> None:
    run = two_cases(budget_seconds=38.0)
    engine = FakeEngine(run, by_batch(0.001, 0.8))
    budget = Budget(38.0)
    done = carry_out(tmp_path, run, engine, budget)
    assert done.state is RunState.COMPLETE
    assert len(engine.started) % 2 == 0
    assert 32 <= len(engine.started) <= 38
    assert budget.spent <= 38
    assert any("time budget of 38 s" in text for text in done.warnings)


def test_a_run_that_its_budget_ended_stays_complete_when_resumed(tmp_path: Path) -> None:
    run = dataclasses.replace(two_cases(budget_seconds=37.0), stopping=dataclasses.replace(RULE, every=2))
    engine = FakeEngine(run, by_batch(0.001, 0.05))
    folder, stop = RunFolder(tmp_path), Stop()
    folder.make()
    clock = (second * SECOND for second in itertools.chain(range(66), itertools.count(66, 3)))
    replicator = Replicator(folder, run, engine, {}, stop, lambda: next(clock))
    done = Measurement(folder, run, replicator, Durations(), stop, Budget(37.0)).carry_out(Display(Console(quiet=True)))
    assert done.state is RunState.COMPLETE
    assert len(engine.started) < len(run_schedule(done))
    again = FakeEngine(done)
    assert carry_out(tmp_path, done, again, Budget(37.0, spent(tmp_path))).state is RunState.COMPLETE
    assert again.started == []


def test_a_budget_too_small_for_the_planned_blocks_leaves_the_run_incomplete(tmp_path: Path) -> None:
    run = two_cases(budget_seconds=30.0)
    engine = FakeEngine(run, by_batch(0.001, 0.001))
    done = carry_out(tmp_path, run, engine, Budget(30.0))
    assert done.state is RunState.INCOMPLETE
    assert len(engine.started) <= 30
    assert max(blocks_run(engine).values()) - min(blocks_run(engine).values()) <= 1


def test_a_budget_that_nobody_asked_for_bounds_what_comes_after_the_planned_blocks(tmp_path: Path) -> None:
    run = two_cases(budget_seconds=10.0)
    engine = FakeEngine(run, by_batch(0.001, 0.8))
    done = carry_out(tmp_path / "none", run, engine, Budget(10.0, cuts_planned=run.budget_cuts_planned))
    assert done.state is RunState.COMPLETE
    assert (len(engine.started), done.extensions) == (32, [])
    assert any("time budget of 10 s ended the run" in text for text in done.warnings)
    engine = FakeEngine(run, by_batch(0.001, 0.8))
    done = carry_out(tmp_path / "some", run, engine, Budget(36.0, cuts_planned=run.budget_cuts_planned))
    assert (len(engine.started), len(done.extensions)) == (36, 2)


@pytest.mark.parametrize(
    ("change", "cuts"),
    [
        ({}, False),
        ({"settings": {"budget": "30m"}}, True),
        ({"stopping": None}, True),
        ({"settings": {"budget": "30m"}, "budget_seconds": None}, False),
    ],
)
def test_a_budget_cuts_planned_blocks_where_it_was_asked_for_or_there_are_no_others(
    change: dict[str, object], cuts: bool
) -> None:
    assert dataclasses.replace(two_cases(budget_seconds=1800.0), **change).budget_cuts_planned is cuts  # type: ignore[arg-type]


def test_a_resumed_run_has_spent_what_its_replicates_took(tmp_path: Path) -> None:
    run = two_cases()
    carry_out(tmp_path, run, FakeEngine(run, {B.label: failing(Status.FAILED, "ERROR"), A.label: scattered(0.01)}))
    assert spent(tmp_path) == pytest.approx(18.0)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("1h30m", 5400), ("2H", 7200)]
)
def test_budgets_are_times(text: str, seconds: float) -> None:
    assert texts.seconds(text) == seconds


@pytest.mark.parametrize("text", ["30", "m", "0m", "-1m", "1m1h", "1e3s", "nan", "٣m"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="30m"):
        texts.seconds(text)


def test_a_label_is_shown_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    Display().say("pytorch/eager:A: [bold]ok[/bold]")
    assert capsys.readouterr().err == "pytorch/eager:A: [bold]ok[/bold]\n"


def decaying(slow: int) -> Callable[[Record, Job, Stop], Outcome]:
    """A runner whose first steps are slow."""

    def run(record: Record, job: Job, stop: Stop) -> Outcome:
        chance = random.Random(record.record_id)
        steps = [round((3e7 if index < slow else 1e7) * (1 + 0.01 * chance.gauss(0, 1))) for index in range(200)]
        return ok(dataclasses.replace(record, samples=Samples(steps, 0, 8, steps[0], SECOND, SECOND)), job, stop)

    return run


def test_pilots_find_the_warmup_that_the_run_then_keeps(tmp_path: Path) -> None:
    run = run_of(PlannedCase(case(), [A, B], 2), PlannedCase(case(workload="fit", network="cnn4"), [A], 2))
    run, folder = dataclasses.replace(run, pilots=3), RunFolder(tmp_path)
    pilots = pilot_run(run)
    assert pilots is not None
    assert [len(one.competitors) for one in pilots.cases] == [2, 0]
    assert pilots.cases[0].sampling.warmup_steps == 0
    folder.pilots.make()
    engine = FakeEngine(pilots, {A.label: decaying(20), B.label: decaying(40)})
    replicator = Replicator(folder.pilots, pilots, engine, {}, Stop())
    Measurement(folder.pilots, pilots, replicator, Durations(), Stop()).carry_out(Display(Console(quiet=True)))
    assert len(engine.started) == 6
    settled = settle(run, pilots, folder.pilots)
    for competitor, least in ((A, 30), (B, 60)):
        warmup = settled.cases[0].warmup(competitor)
        assert warmup is not None
        assert len(warmup.pilots) == 3
        assert least <= warmup.warmup_steps <= 1.5 * least
    assert settled.cases[1].warmups == []
    assert settled.pilots == 0
    assert pilot_run(settled) is None


def test_each_replicate_is_sampled_as_its_own_pilots_fixed(tmp_path: Path) -> None:
    warmups = [Warmup(A, [Pilot(80, 9, True)], 14, 90)]
    run = run_of(PlannedCase(case(), [A, B, dataclasses.replace(A, alias="A")], 1, warmups=warmups))
    folder = RunFolder(tmp_path)
    asked: dict[str, list[str]] = {}

    def listening(record: Record, job: Job, stop: Stop) -> Outcome:
        asked[job.competitor.label] = job.case_arguments
        return ok(record, job, stop)

    engine = FakeEngine(run, dict.fromkeys((one.label for one in run.cases[0].competitors), listening))
    replicator = Replicator(folder, run, engine, {}, Stop())
    Measurement(folder, run, replicator, Durations(), Stop()).carry_out(Display(Console(quiet=True)))
    for label, warmup, kept in ((A.label, "14", "90"), (f"{A.label}:A", "14", "90"), (B.label, "5", "40")):
        arguments = asked[label]
        assert arguments[arguments.index("--warmup-steps") + 1] == warmup
        assert arguments[arguments.index("--min-steps") + 1] == kept


def test_pilots_that_all_fail_leave_the_profiles_warmup(tmp_path: Path) -> None:
    run = dataclasses.replace(run_of(PlannedCase(case(), [A], 2)), pilots=3)
    folder = RunFolder(tmp_path)
    pilots = pilot_run(run) or pytest.fail("no pilots")
    settled = settle(run, pilots, folder.pilots)
    assert settled.cases == run.cases
    assert settled.warnings == [f"{run.cases[0].case.label}: only 0 of 3 pilots of {A.label} can be used"]
    assert pilot_run(settled) is None


@pytest.mark.parametrize("spoilt", [{"step_ns": [5]}, {"step_ns": [5, 0, 5]}, {"import_ns": -1}])
def test_a_pilot_without_times_is_no_pilot(tmp_path: Path, spoilt: dict[str, object]) -> None:
    run = dataclasses.replace(run_of(PlannedCase(case(), [A], 2)), pilots=2)
    folder = RunFolder(tmp_path)
    pilots = pilot_run(run) or pytest.fail("no pilots")
    folder.pilots.make()

    def odd(record: Record, job: Job, stop: Stop) -> Outcome:
        samples = dataclasses.replace(Samples([9, 9, 9], 0, 8, 9, 1, 1), **spoilt)
        return ok(dataclasses.replace(record, samples=samples), job, stop)

    replicator = Replicator(folder.pilots, pilots, FakeEngine(pilots, {A.label: odd}), {}, Stop())
    Measurement(folder.pilots, pilots, replicator, Durations(), Stop()).carry_out(Display(Console(quiet=True)))
    settled = settle(run, pilots, folder.pilots)
    assert settled.cases[0].warmups == []
    assert "only 0 of 2 pilots" in settled.warnings[0]


@pytest.mark.parametrize(
    "change", [{"extensions": [7]}, {"stopping": Stopping(30, 0, 0.02)}, {"run_version": 5}, {"budget_seconds": -1.0}]
)
def test_what_no_run_can_have_had_is_not_resumed(tmp_path: Path, change: dict[str, object]) -> None:
    folder, run = RunFolder(tmp_path), dataclasses.replace(two_cases(), **change)
    folder.write(run)
    with pytest.raises(UsageError, match="start a new run"):
        load(folder)


def test_who_failed_at_first_costs_the_budget_nothing(tmp_path: Path) -> None:
    run = dataclasses.replace(run_of(PlannedCase(case(), [A, B], 8)), stopping=None, budget_seconds=24.0)
    engine = FakeEngine(run, {B.label: failing(Status.FAILED, "ERROR")})
    assert carry_out(tmp_path, run, engine, Budget(24.0)).state is RunState.COMPLETE
    assert len(engine.started) == 9


def test_an_aa_case_is_one_program_under_two_labels() -> None:
    labels = doubled(PlannedCase(case(), [A, B], 8)).competitors
    assert [one.label for one in labels] == [f"{A.label}:A", f"{A.label}:B"]
    run = run_of(PlannedCase(case(), labels, 8))
    assert len({one.record_id for one in run_schedule(run)}) == 16


def test_an_aa_case_has_pilots_of_its_program_once() -> None:
    pilots = pilot_run(dataclasses.replace(run_of(doubled(PlannedCase(case(), [A, B], 8))), pilots=3))
    assert pilots is not None
    assert len(run_schedule(pilots)) == 3


@pytest.mark.parametrize(
    ("alias", "workload", "slowed"), [("B", "infer", True), ("A", "infer", False), ("B", "load", False)]
)
def test_a_slowdown_is_injected_into_the_second_label_only(alias: str, workload: str, slowed: bool) -> None:
    replicate = Replicate(0, 0, 0, 0, Competitor("alpha", "eager", "", alias))
    words = case_arguments(case(workload=workload), replicate, Sampling(), 2, 1.05)
    assert ("--inject-slowdown" in words) is slowed
    assert words[words.index("--alias") + 1] == alias
