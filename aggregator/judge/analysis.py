"""From loaded runs to compared and judged cases."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aggregator.judge.same_work import difference_in_work
from aggregator.judge.sections import Section, split
from aggregator.judge.sides import Side
from aggregator.read.run_folder import LoadedRun
from method import drift, pairs, stopping
from method.compare import ANYTIME, FIXED, Design, Paired, paired
from method.drift import Drift
from method.verdict import FEWEST_BLOCKS, Judged, Verdict, before_testing, judge_all
from runners.harness.case import Case, Competitor
from runners.harness.record import Host, Record
from runners.harness.run import Run, RunState, Warmup

ROOF = "roof"
"""The workload that measures what the machine can do: no competitor wins it."""


@dataclass(frozen=True)
class Comparison:
    """Two sides of one case: `paired` is log(time of right / time of left), from median steps where steps are compared.

    `means` is the same from mean steps, and `tails` is the difference of the two. `drift` is how much more the right
    side drifted than the left side; if significant, it widens the interval of `paired`.
    """

    case: Case
    left: Side
    right: Side
    paired: Paired | None
    means: Paired | None
    tails: Paired | None
    drift: Drift | None
    incomparable: str | None
    disturbed: str | None
    decides: bool = False
    judged: Judged | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict, once judged."""
        if self.judged is None:
            raise ValueError("not judged yet")
        return self.judged.verdict

    @property
    def winner(self) -> Side | None:
        """The faster side, only where the verdict names one."""
        return {Verdict.FASTER: self.right, Verdict.SLOWER: self.left}.get(self.verdict)

    @property
    def is_self(self) -> bool:
        """Both sides are the same program under two aliases (A/A)."""
        return self.left.competitor.without_alias == self.right.competitor.without_alias


@dataclass(frozen=True)
class CaseResult:
    """One case: its sides in the plan's order and the comparisons between them.

    The comparison marked `decides` is the best side against its runner-up: the case is won only there.
    """

    case: Case
    sides: tuple[Side, ...]
    comparisons: tuple[Comparison, ...]
    warmups: Sequence[Warmup] = ()

    @property
    def is_self(self) -> bool:
        """Its sides are a program compared with itself (A/A)."""
        return any(comparison.is_self for comparison in self.comparisons)

    @property
    def is_roof(self) -> bool:
        """It measures the machine, not the competitors."""
        return self.case.workload == ROOF

    @property
    def finished(self) -> bool:
        """Every side did all that was planned."""
        return bool(self.sides) and all(side.finished for side in self.sides)

    @property
    def in_run_order(self) -> list[tuple[Record, Side]]:
        """The replicates with steps that may be compared, in run order."""
        found = [(record, side) for side in self.sides for record in side.ok.values()]
        timed = [entry for entry in found if entry[0].samples and entry[0].samples.step_ns]
        return sorted(timed, key=lambda entry: (entry[0].block.sequence, entry[0].record_id))

    def between(self, left: Side, right: Side) -> Comparison:
        """The comparison of two sides in this order. A pair that the report does not judge has no verdict."""
        pair = (left.competitor, right.competitor)
        judged = (one for one in self.comparisons if (one.left.competitor, one.right.competitor) == pair)
        design = next((one.paired.design for one in self.comparisons if one.paired), FIXED)
        return next(judged, None) or compare_sides(self.case, left, right, design)

    @property
    def reference(self) -> Side | None:
        """The side that the ratios of the case compare with: the slower of the fastest two, or the first A/A label."""
        found = self.deciding
        if found is None:
            return self.comparisons[0].left if self.is_self else None
        return found.left if found.paired and found.paired.log_ratio < 0 else found.right

    @property
    def deciding(self) -> Comparison | None:
        """Best against runner-up, or None where fewer than two sides can be compared."""
        return next((comparison for comparison in self.comparisons if comparison.decides), None)


@dataclass(frozen=True)
class Environment:
    """What one run measured on one machine with one set of software. Nothing is compared across environments."""

    run: LoadedRun
    records: tuple[Record, ...]
    cases: tuple[CaseResult, ...] = field(default=())

    @property
    def host(self) -> Host | None:
        """The machine, from the first record that describes it."""
        return next((record.host for record in self.records if record.host), None)


def analyse(runs: Iterable[LoadedRun], baseline: str | None = None) -> list[Environment]:
    """Compare every case of every run and judge all comparisons together."""
    found = []
    for run in runs:
        sections = split(run.records)
        blocks: defaultdict[Case, set[int]] = defaultdict(set)
        for record in run.records if len(sections) > 1 else ():
            blocks[record.case].add(record.block.number)
        for index, section in enumerate(sections):
            cases = tuple(_case_results(run, section, blocks, index == 0, baseline))
            found.append(Environment(run, tuple(section.records), cases))
    return _judge(found)


def competitors_of(runs: Iterable[LoadedRun], unavailable: bool = False) -> list[str]:
    """Every competitor's label, in order of first appearance.

    A competitor that could run no case, such as an image that failed to build, is included only if `unavailable`.
    """
    labels: dict[str, None] = {}
    for run in runs:
        for planned in run.plan.cases if run.plan else []:
            named = [*planned.competitors, *(one.competitor for one in planned.unavailable if unavailable)]
            labels.update(dict.fromkeys(competitor.label for competitor in named))
        labels.update(dict.fromkeys(record.competitor.label for record in run.records))
    return list(labels)


def _case_results(
    run: LoadedRun, section: Section, blocks: Mapping[Case, set[int]], first: bool, baseline: str | None
) -> Iterator[CaseResult]:
    """The cases of one section; `blocks` has those of all sections, where there are several."""
    by_case: defaultdict[Case, list[Record]] = defaultdict(list)
    for record in section.records:
        by_case[record.case].append(record)
    plan = {planned.case: index for index, planned in enumerate(run.plan.cases if run.plan else [])}
    unplanned = sorted((case for case in by_case if case not in plan), key=repr)
    started = {record.case for record in run.records} if first and not plan.keys() <= by_case.keys() else set()
    for case in [*plan, *unplanned]:
        # A case that was planned and never started has no machine; it belongs to the run's first section.
        if case in by_case or (first and case not in started):
            index = plan.get(case)
            records = by_case.get(case, [])
            elsewhere = blocks.get(case, set()) - {record.block.number for record in records}
            sides = _sides(run, index, records, len(elsewhere))
            warmups = run.plan.cases[index].warmups if run.plan and index is not None else ()
            yield CaseResult(
                case, sides, tuple(_comparisons(case, sides, baseline, design_of(run.plan, index))), warmups
            )


def planned_blocks(run: LoadedRun, plan: Run, index: int) -> int:
    """How many blocks the case was to have. If a time budget ended the run, the last added blocks may be missing."""
    blocks, case = plan.blocks(index), plan.cases[index].case
    may_be_cut = plan.budget_seconds is not None and plan.state is RunState.COMPLETE
    if plan.stopping is None or not may_be_cut or plan.extensions[-1:] != [index]:
        return blocks
    started = max((record.block.number + 1 for record in run.records if record.case == case), default=0)
    return min(blocks, max(started, blocks - plan.stopping.every))


def design_of(plan: Run | None, index: int | None) -> Design:
    """How the number of blocks of a case was determined. Without run.json it is unknown: the strictest design holds."""
    if plan is None or index is None:
        return ANYTIME
    if plan.stopping is None:
        return FIXED
    return ANYTIME if stopping.extended(plan, index) else Design(False, plan.stopping)


def _sides(run: LoadedRun, index: int | None, records: list[Record], elsewhere: int) -> tuple[Side, ...]:
    """Every side of a case. Blocks that ran whole in another section, `elsewhere`, are not missing in this section."""
    planned = run.plan.cases[index] if run.plan and index is not None else None
    blocks = max(0, planned_blocks(run, run.plan, index) - elsewhere) if run.plan and index is not None else None
    unavailable = {entry.competitor: entry for entry in planned.unavailable} if planned else {}
    order = dict.fromkeys([*(planned.competitors if planned else []), *unavailable])
    own: defaultdict[Competitor, list[Record]] = defaultdict(list)
    for record in records:
        own[record.competitor].append(record)
    order |= dict.fromkeys(sorted(own))
    return tuple(
        Side(
            competitor,
            blocks if planned and competitor in planned.competitors else None,
            tuple(own.get(competitor, ())),
            unavailable.get(competitor),
            run.plan.titles if run.plan else {},
        )
        for competitor in order
    )


def _comparisons(case: Case, sides: tuple[Side, ...], baseline: str | None, design: Design) -> Iterator[Comparison]:
    contenders = {side.competitor: side for side in sides if side.unavailable is None}
    levels = {one: side.logs for one, side in contenders.items()}
    reference = next((one for one, side in contenders.items() if side.label == baseline), None)
    for pair in pairs.compared(list(contenders), levels, reference):
        yield compare_sides(case, contenders[pair.left], contenders[pair.right], design, pair.decides)


def compare_sides(case: Case, left: Side, right: Side, design: Design, decides: bool = False) -> Comparison:
    """Two sides of one run, compared over the blocks that both finished; not judged yet."""
    shared = sorted(set(left.ok) & set(right.ok))
    logs = [right.logs[number] - left.logs[number] for number in shared]
    means = [right.log_means[n] - left.log_means[n] for n in shared if n in right.log_means and n in left.log_means]
    tails = [mean - median for mean, median in zip(means, logs, strict=True)] if means else []
    apart = drift.between(left.drifts, right.drifts)
    compared = paired(logs, design, apart.bound if apart else 0.0) if logs else None
    return Comparison(
        case,
        left,
        right,
        paired=compared,
        means=paired(means) if means else None,
        tails=paired(tails) if tails else None,
        drift=apart,
        incomparable=incomparable(case, left, right, [(left.ok[number], right.ok[number]) for number in shared]),
        disturbed=_disturbed(left, right, compared),
        decides=decides,
    )


def incomparable(case: Case, left: Side, right: Side, pairs: Iterable[tuple[Record, Record]]) -> str | None:
    """Why the sides cannot be compared: a failed check of either, or work that differs in one of the `pairs`."""
    return _by_track(case, left, right) or _different_work(left, right, pairs)


def _by_track(case: Case, left: Side, right: Side) -> str | None:
    """Verdicts need the matched track; a program and itself do the same work in any track."""
    if case.track == "matched" or left.competitor.without_alias == right.competitor.without_alias:
        return None
    return f"{case.track} settings: the sides need not do the same work"


def _different_work(left: Side, right: Side, pairs: Iterable[tuple[Record, Record]]) -> str | None:
    for side in (left, right):
        for record in side.failures:
            if record.failed_check:
                reason = f"{record.error.kind}: {record.error.message}" if record.error else "invalid"
                return f"{side.name}, block {record.block.number}: {reason}"
    seen = set()
    for one, other in pairs:
        # Replicates mostly share the same evidence, which is compared once.
        evidence = id(one.effective), id(one.check), id(other.effective), id(other.check)
        difference = None if evidence in seen else difference_in_work(one, other)
        if difference:
            return f"block {other.block.number}: {difference}"
        seen.add(evidence)
    return None


def _disturbed(left: Side, right: Side, compared: Paired | None) -> str | None:
    if compared and compared.identical and compared.n >= FEWEST_BLOCKS:
        same = f"the ratio is identical to the last digit in all {compared.n} blocks"
        return f"{same}: the clock stood still, or records were copied"
    return next((f"{side.name}: {side.disturbance}" for side in (left, right) if side.disturbance), None)


def judged(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """All comparisons of one report with their verdicts. They are judged together: Holm's adjustment spans them."""
    early = [before_testing(found.paired, bool(found.incomparable), bool(found.disturbed)) for found in comparisons]
    tested = [found.paired for found, known in zip(comparisons, early, strict=True) if known is None and found.paired]
    late = iter(judge_all(tested))
    return [
        replace(found, judged=Judged(known) if known else next(late))
        for found, known in zip(comparisons, early, strict=True)
    ]


def _judge(environments: list[Environment]) -> list[Environment]:
    verdicts = iter(judged([found for env in environments for case in env.cases for found in case.comparisons]))
    return [
        replace(
            env,
            cases=tuple(
                replace(case, comparisons=tuple(next(verdicts) for _ in case.comparisons)) for case in env.cases
            ),
        )
        for env in environments
    ]
