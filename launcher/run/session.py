"""Carries a prepared run out: the pilots, the replicates, the report."""

import dataclasses
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.datasets.assignment import Dataset
from launcher.engines.engine import Engine
from launcher.errors import ExitCode, Interrupted, NotReady
from launcher.options import ON_NODES
from launcher.ownership.temporary import other_launchers
from launcher.plan.estimate import TIMINGS_NAME, Bounds, Durations, earlier, expected_bounds, spent
from launcher.processes import run_child
from launcher.run import forecast
from launcher.run.budget import Budget
from launcher.run.folder import RunFolder
from launcher.run.loop import Measurement
from launcher.run.pilots import pilot_run, settle
from launcher.run.progress import Display
from launcher.run.replicate import Replicator
from launcher.stop import Ending, Stop
from launcher.text import say
from runners.harness.run import Run, RunState

REPORT_SECONDS = 600.0

Measure = Callable[[RunFolder, Run, Replicator, Durations, Stop, Budget], Measurement]


@dataclass(frozen=True)
class Session:
    """A run that this launcher can go on with, its folder and its data sets."""

    folder: RunFolder
    run: Run
    datasets: dict[str, Dataset]


def carry_out(
    root: Path, results: Path, stop: Stop, engine: Engine, session: Session, made: Measure = Measurement
) -> int:
    """Measure as far as possible, then have the run reported. Returns the exit code.

    `made` makes the measurement of a run, or of its pilots.
    """
    if engine.name not in ON_NODES:
        session = dataclasses.replace(session, run=_warned_of_others(session.run))
    failed = False
    fault: NotReady | OSError | None = None
    try:
        failed = _measured(session, engine, earlier(results), stop, made)
    except (NotReady, OSError) as error:
        fault = error
    reported = stop.urgent or report(root, session.folder.path)
    if fault:
        raise fault
    if stop.requested:
        raise Interrupted(f"interrupted; the records are kept, and RUN={session.folder.path.name} resumes the run")
    return ExitCode.CASES_FAILED if failed or not reported else ExitCode.OK


def _measured(session: Session, engine: Engine, before: Durations, stop: Stop, made: Measure) -> bool:
    """Measure the pilots that are due, then the run; whether anything failed or was left out."""
    folder, run = session.folder, session.run
    budget = Budget(run.budget_seconds, spent(folder.path), run.budget_cuts_planned)
    of_pilots = Durations(before)
    of_pilots.read(folder.pilots.path / TIMINGS_NAME)
    durations = Durations(before, of_pilots)
    durations.read(folder.path / TIMINGS_NAME)

    def measure(where: RunFolder, what: Run, known: Durations, display: Display) -> bool:
        replicator = Replicator(where, what, engine, session.datasets, stop)
        measurement = made(where, what, replicator, known, stop, budget)
        done = measurement.carry_out(display)
        if done.state is RunState.COMPLETE:
            where.forget_compiled()
        return measurement.failed or done.state is not RunState.COMPLETE

    def after_pilots() -> tuple[Bounds, Bounds]:
        every = range(len(run.cases))
        return expected_bounds(run.cases, durations, 0), forecast.of_further(run, every, durations)

    pilots = pilot_run(run)
    if pilots:
        folder.pilots.make()
        folder.pilots.write(pilots)
        say("pilots, to find the warm-up:")
        measure(folder.pilots, pilots, of_pilots, Display(later=after_pilots))
        if not stop.requested:
            run = settle(run, pilots, folder.pilots)
            for text in run.warnings[len(session.run.warnings) :]:
                say(f"warning: {text}")
            folder.write(run)
    return measure(folder, run, durations, Display())


def _warned_of_others(run: Run) -> Run:
    """The run, with a warning where other launchers are at work on this machine."""
    pids = ", ".join(str(one.pid) for one in other_launchers())
    if not pids:
        return run
    warning = f"another launcher works on this machine too (process {pids}): the times of both runs are worthless"
    say(f"WARNING: {warning}")
    return dataclasses.replace(run, warnings=[*run.warnings, warning])


def report(root: Path, folder: Path) -> bool:
    """Have the aggregator report the run; whether there is a new page. Ctrl-C raises Interrupted."""
    return aggregated(root, ["report", str(folder)], folder, f"make report RUN={folder.name}")


def aggregated(root: Path, words: Sequence[str], folder: Path, again: str) -> bool:
    """Have the aggregator make the page of the folder; whether there is a new one. `again` says how to make it later.

    Ctrl-C raises Interrupted.
    """
    stop, before = Stop(), _made_at(folder)
    with stop.on_signals():
        sys.stdout.flush()
        ended = run_child([sys.executable, "-m", "aggregator", *words], root, 1, stop, REPORT_SECONDS)
    if ended.ending is Ending.INTERRUPTED:
        raise Interrupted(f"interrupted during the report; {again}")
    # The exit code says whether cases failed, not whether there is a page.
    made = _made_at(folder) != before
    if not made:
        say(f"no complete report (exit code {ended.code}); to make it: python -m aggregator {shlex.join(words)}")
    return made


def _made_at(folder: Path) -> int | None:
    page = folder / "report.html"
    return page.stat().st_mtime_ns if page.is_file() else None
