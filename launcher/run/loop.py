"""Starts one replicate after the other. Each record is safe before the next replicate starts."""

import dataclasses
import errno
from collections.abc import Sequence

from launcher.errors import NotReady
from launcher.plan.estimate import Bounds, Durations, note, times, total
from launcher.run import forecast
from launcher.run.answers import describe
from launcher.run.budget import Budget
from launcher.run.folder import RunFolder
from launcher.run.looks import Looks
from launcher.run.progress import Display
from launcher.run.replicate import Replicator
from launcher.run.skipping import Skipping
from launcher.stop import Stop
from launcher.text import duration
from method.schedule import Replicate, run_schedule
from runners.harness.case import Competitor
from runners.harness.record import Record, Status
from runners.harness.run import NOT_TRIED, Run, RunState

LONGEST_REASON = 600
"""Characters of a failure's reason on the terminal; all of it is in the record."""


class Measurement:
    """One pass over a run's schedule, which an adaptive run makes longer. Replicates with a record are not repeated."""

    def __init__(
        self,
        folder: RunFolder,
        run: Run,
        replicator: Replicator,
        durations: Durations,
        stop: Stop,
        budget: Budget | None = None,
    ) -> None:
        self._folder, self._run, self._replicator = folder, run, replicator
        self._durations, self._stop, self._budget = durations, stop, budget or Budget(None)
        self._skipping, self._looks = Skipping(run.cases), Looks(run)
        self._schedule = run_schedule(run)
        self._fixed = sum(len(case.competitors) * case.blocks for case in run.cases)
        self._done = 0
        self._open: Sequence[int] = range(len(run.cases))
        self._whole: dict[tuple[int, int], dict[Competitor, Record]] = {}
        self._begun: tuple[int, int] | None = None
        self._notes: list[str] = []
        self.failed = False
        self._over_budget = False

    def carry_out(self, display: Display) -> Run:
        """Measure what is missing. Writes the run as it then stands, and returns it."""
        state = RunState.INCOMPLETE
        try:
            with display:
                display.plan(len(self._schedule))
                ended = self._scheduled_part(display) and self._further_blocks(display)
                if ended or (self._over_budget and self._done >= self._fixed):
                    state = RunState.COMPLETE
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
                raise self._not_writable(error) from error
            raise
        finally:
            self._run = self._as_it_stands(state)
            self._keep()
        return self._run

    def _keep(self) -> None:
        try:
            self._folder.write(self._run)
        except OSError as error:
            raise self._not_writable(error) from error

    def _not_writable(self, error: OSError) -> NotReady:
        return NotReady(
            f"{self._folder.path}: {error.strerror}; the records so far are safe. "
            f"Make room, then resume with RUN={self._run.run_id}"
        )

    def _scheduled_part(self, display: Display) -> bool:
        """Do the replicates of the schedule that are not done; False where the run ends early."""
        for index in range(self._done, len(self._schedule)):
            if not self._step(index, self._schedule[index], display):
                return False
            self._done += 1
        return True

    def _further_blocks(self, display: Display) -> bool:
        """Add blocks to the cases of an adaptive run as its rule says; False where the run ends early."""
        if self._run.stopping is None:
            return True
        for index in range(len(self._run.cases)):
            self._say_standing(index, display)
        while open_cases := self._looks.open_cases(self._run, self._skipping.closed):
            self._open, cases = open_cases, open_cases[: self._run.at_once]
            longer = dataclasses.replace(self._run, extensions=[*self._run.extensions, *cases])
            schedule = run_schedule(longer)
            if not self._fits(schedule[self._done :], display):
                return True
            self._run, self._schedule = longer, schedule
            self._keep()
            display.plan(len(schedule))
            if not self._scheduled_part(display):
                return False
            for index in cases:
                self._say_standing(index, display)
        return True

    def _say_standing(self, case: int, display: Display) -> None:
        planned = self._run.cases[case]
        seconds = sum(self._durations.seconds(planned, one) for one in planned.competitors)
        for text in describe(self._looks.standing(self._run, case), self._run.titles, seconds):
            display.say(f"{planned.case.label}: {text}")

    def _step(self, index: int, replicate: Replicate, display: Display) -> bool:
        """Do one replicate; False ends the run early."""
        block = self._block(replicate)
        kept = self._earlier(block)
        record = kept.get(replicate.competitor)
        if record is not None or self._skipping.skips(replicate):
            display.skip()
        else:
            place = (replicate.case, replicate.block)
            if self._stop.requested:
                return False
            if self._begun != place and not self._is_due(index) and not self._fits(block, display):
                return False
            self._begun = place
            record = self._measured(index, replicate, display)
            if record is None:
                return False
        if record is not None:
            self._observe(replicate, record, display)
        return True

    def _block(self, replicate: Replicate) -> list[Replicate]:
        """All replicates of the replicate's block, which are neighbours in the schedule."""
        first = replicate.sequence - replicate.position
        return self._schedule[first : first + len(self._run.cases[replicate.case].competitors)]

    def _earlier(self, block: Sequence[Replicate]) -> dict[Competitor, Record]:
        """The block's records from an earlier launcher, if none is missing: processes hours apart are no pair.

        They are read once for each block, before any of it is measured.
        """
        place = (block[0].case, block[0].block)
        if place not in self._whole:
            found = {one.competitor: self._replicator.earlier(one) for one in block if not self._skipping.skips(one)}
            records = {who: record for who, record in found.items() if record is not None}
            self._whole = {place: records if len(records) == len(found) else {}}
        return self._whole[place]

    def _observe(self, replicate: Replicate, record: Record, display: Display) -> None:
        before = len(self._skipping.warnings)
        self._skipping.observe(replicate, record)
        self._looks.observe(replicate, record)
        bad = record.status not in (Status.OK, Status.UNSUPPORTED) or len(self._skipping.warnings) > before
        self.failed |= bad or bool(self._replicator.flags)
        for warning in self._skipping.warnings[before:]:
            display.say(warning)

    def _measured(self, index: int, replicate: Replicate, display: Display) -> Record | None:
        case = self._run.cases[replicate.case].case
        display.begin(case.label, replicate.competitor.label, self._left(index, display))
        found = self._replicator.measure(replicate)
        if found is None:
            return None
        record, seconds = found
        self._account(replicate, record, seconds, display)
        return record

    def _account(self, replicate: Replicate, record: Record, seconds: float, display: Display) -> None:
        """Keep and show what a replicate took."""
        case, competitor = self._run.cases[replicate.case].case, replicate.competitor
        self._budget.spend(seconds)
        ok = record.status is Status.OK
        note(self._folder.path, case, competitor, seconds, ok)
        if ok:
            self._durations.add(case.label, case.workload, competitor.label, seconds)
        result = "ok" if record.error is None else _in_a_line(f"{record.error.kind}: {record.error.message}")
        left = self._left(replicate.sequence + 1, display)
        display.end(case.label, competitor.label, replicate.block, result, seconds, left)

    def _left(self, index: int, display: Display) -> Bounds:
        """The time until the run ends, from this replicate on, with what comes after it."""
        due = [
            one
            for one in self._schedule[index:]
            if not self._skipping.will_skip(one) and not self._folder.record_path(one).exists()
        ]
        planned = forecast.of((one for one in due if one.sequence < self._fixed), self._run.cases, self._durations)
        added = forecast.of((one for one in due if one.sequence >= self._fixed), self._run.cases, self._durations)
        later, possible = display.later(), forecast.of_further(self._run, self._open, self._durations)
        left = forecast.within(self._budget, total([planned, later[0]]), total([added, possible, later[1]]))
        return times(1 / self._run.at_once, left)

    def _is_due(self, index: int) -> bool:
        """Whether the budget does not matter: for a planned block, unless the budget may cut planned blocks."""
        return index < self._fixed and not self._budget.cuts_planned

    def _fits(self, replicates: Sequence[Replicate], display: Display) -> bool:
        """Whether the budget has room for these replicates; if not, says so."""
        cases = self._run.cases
        due = [one for one in replicates if not self._skipping.skips(one)]
        if not self._budget.allows(sum(self._durations.seconds(cases[one.case], one.competitor) for one in due)):
            self._over_budget = True
            total = duration(self._budget.total or 0)
            self._note(f"the time budget of {total} ended the run: the next block would not have fitted", display)
        return not self._over_budget

    def _note(self, text: str, display: Display) -> None:
        self._notes.append(text)
        display.say(text)

    def _as_it_stands(self, state: RunState) -> Run:
        cases = [
            dataclasses.replace(
                case,
                unavailable=[
                    *(one for one in case.unavailable if one.kind != NOT_TRIED),
                    *(reason for (place, _), reason in self._skipping.not_tried.items() if place == index),
                ],
            )
            for index, case in enumerate(self._run.cases)
        ]
        found = [*self._run.warnings, *self._skipping.warnings, *self._replicator.flags, *self._notes]
        return dataclasses.replace(self._run, state=state, cases=cases, warnings=list(dict.fromkeys(found)))


def _in_a_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
