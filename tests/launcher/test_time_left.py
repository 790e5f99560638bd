"""The time that a run still takes, as its display says it: a range that holds the truth, and that narrows."""

import dataclasses
from pathlib import Path

import pytest
from launcher_fakes import A, B, Behaviour, FakeEngine, case, failing, framework_tree, ok, run_of, scattered
from rich.console import Console

from launcher.cli import main
from launcher.plan.estimate import Bounds, Durations, longest
from launcher.run.budget import Budget
from launcher.run.folder import RunFolder
from launcher.run.loop import Measurement
from launcher.run.progress import Display
from launcher.run.replicate import Replicator
from launcher.stop import Stop
from runners.harness.record import Status
from runners.harness.run import PlannedCase, Run, Stopping

RULE = Stopping(most_blocks=12, every=1, half_width=0.02)


class Heard(Display):
    """Keeps the time left that it is told after each replicate, and how much time had passed by then."""

    def __init__(self, clock: "Clock") -> None:
        super().__init__(Console(quiet=True))
        self.told: list[tuple[float, Bounds]] = []
        self._clock = clock

    def end(self, case: str, competitor: str, block: int, result: str, seconds: float, left: Bounds) -> None:  # noqa: ARG002
        """A replicate ended."""
        self.told.append((self._clock.now, left))


class Clock:
    """A clock that stands still except while a replicate runs."""

    now = 0.0

    def lasting(self, seconds: float, behave: Behaviour = ok) -> Behaviour:
        """The behaviour, taking so long."""

        def run(record, job, stop):  # type: ignore[no-untyped-def]
            self.now += seconds
            return behave(record, job, stop)

        return run


def told(
    folder: Path,
    run: Run,
    clock: Clock,
    script: dict[object, Behaviour],
    budget: Budget | None = None,
    before: Durations | None = None,
) -> list[tuple[float, Bounds]]:
    """What a run says, with the time that it then really took."""
    where, stop, display = RunFolder(folder), Stop(), Heard(clock)
    where.make()
    replicator = Replicator(where, run, FakeEngine(run, script), {}, stop, lambda: round(clock.now * 1e9))
    Measurement(where, run, replicator, Durations(before), stop, budget).carry_out(display)
    return [(clock.now - passed, left) for passed, left in display.told]


def two_cases(blocks: int = 8) -> Run:
    return run_of(*(PlannedCase(case(batch_size=batch), [A, B], blocks) for batch in (8, 32)))


def test_the_time_left_is_a_range_that_holds_the_truth_and_narrows_to_it(tmp_path: Path) -> None:
    clock = Clock()
    found = told(tmp_path, two_cases(), clock, {A.label: clock.lasting(6.0), B.label: clock.lasting(9.0)})
    assert all(low <= truth + 0.01 and truth - 0.01 <= high for truth, (low, high) in found)
    assert found[0][1][1] > 1.5 * found[0][1][0]
    assert all(low == high == pytest.approx(truth) for truth, (low, high) in found[4:])
    assert found[-1] == (0.0, (0.0, 0.0))


def test_what_this_run_shows_counts_more_than_many_earlier_runs(tmp_path: Path) -> None:
    """An earlier run on a busy machine had replicates that took a hundred seconds."""
    before, run, clock = Durations(), two_cases(), Clock()
    for planned in run.cases:
        for one in (A, B):
            for _ in range(50):
                before.add(planned.case.label, "infer", one.label, 100.0)
    found = told(tmp_path, run, clock, dict.fromkeys((A.label, B.label), clock.lasting(4.0)), before=before)
    assert found[0][1][0] > 10 * found[0][0]
    truth, left = found[3]
    assert left == (pytest.approx(truth), pytest.approx(truth))


def test_what_is_left_out_takes_no_time(tmp_path: Path) -> None:
    clock = Clock()
    bad = clock.lasting(4.0, failing(Status.FAILED, "ERROR"))
    found = told(tmp_path, two_cases(), clock, {A.label: clock.lasting(4.0), B.label: bad})
    assert len(found) == 18
    truth, left = found[4]
    assert left == (pytest.approx(truth), pytest.approx(truth))


def test_blocks_that_may_be_added_are_in_the_longest_time_until_their_cases_are_answered(tmp_path: Path) -> None:
    run, clock = dataclasses.replace(two_cases(3), stopping=RULE), Clock()
    calm, wild = scattered(0.001, 1), scattered(0.9, 2)

    def behave(record, job, stop):  # type: ignore[no-untyped-def]
        return (calm if record.case.batch_size == 8 else wild)(record, job, stop)

    found = told(tmp_path, run, clock, dict.fromkeys((A.label, B.label), clock.lasting(5.0, behave)))
    assert len(found) > 12
    planned = found[8]
    assert planned[1] == (pytest.approx(5.0 * 3), pytest.approx(5.0 * (3 + 2 * 2 * 9)))
    assert all(low - 0.01 <= truth <= high + 0.01 for truth, (low, high) in found[4:])


@pytest.mark.parametrize("cuts", [True, False])
def test_a_budget_bounds_the_longest_time(tmp_path: Path, cuts: bool) -> None:
    run, clock = dataclasses.replace(two_cases(3), stopping=RULE, budget_seconds=80.0), Clock()
    script = dict.fromkeys((A.label, B.label), clock.lasting(5.0, scattered(0.9, 2)))
    found = told(tmp_path, run, clock, script, Budget(80.0, cuts_planned=cuts))
    assert len(found) == 16
    assert all(truth <= high + 0.01 for truth, (_, high) in found[3:])
    assert [high for _, (_, high) in found[4:12]] == pytest.approx([80.0 - 5.0 * done for done in range(5, 13)])


@pytest.mark.parametrize(("cuts", "replicates", "left"), [(True, 8, 5.0), (False, 12, 20.0)])
def test_planned_blocks_are_cut_only_by_a_budget_that_was_asked_for(
    tmp_path: Path, cuts: bool, replicates: int, left: float
) -> None:
    run, clock = dataclasses.replace(two_cases(3), stopping=RULE, budget_seconds=45.0), Clock()
    script = dict.fromkeys((A.label, B.label), clock.lasting(5.0, scattered(0.9, 2)))
    found = told(tmp_path, run, clock, script, Budget(45.0, cuts_planned=cuts))
    assert len(found) == replicates
    assert found[7][1][1] == pytest.approx(left)


def test_nodes_that_measure_at_once_share_the_time(tmp_path: Path) -> None:
    clock = Clock()
    run = dataclasses.replace(two_cases(), at_once=4)
    truth, (low, high) = told(tmp_path, run, clock, dict.fromkeys((A.label, B.label), clock.lasting(4.0)))[8]
    assert low == high == pytest.approx(truth / 4)


def test_the_last_pilot_tells_of_the_run_that_follows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = framework_tree(tmp_path)
    profile = tree / "profiles" / "tiny.toml"
    profile.write_text(profile.read_text().replace("blocks = 2", "blocks = 2\npilots = 2"))
    main(["bench", "--profile", "tiny", "--engine", "venv"], tree)
    lines = [line for line in capsys.readouterr().err.splitlines() if " · block " in line]
    assert [line.partition("]")[0] for line in lines] == ["[1/2", "[2/2", "[1/2", "[2/2"]
    assert ["left" in line for line in lines] == [True, True, True, False]
    assert " to " in lines[1]


def test_the_longest_time_has_as_many_blocks_as_the_rule_allows() -> None:
    durations, run = Durations(), two_cases(3)
    for planned in run.cases:
        for one in (A, B):
            durations.add(planned.case.label, "infer", one.label, 5.0)
    assert longest(run.cases, durations, 0, RULE) == 5.0 * 4 * 12
    assert longest(run.cases, durations, 3, RULE) == 5.0 * 4 * 15
