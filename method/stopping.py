"""Which case gets the next block: the case that is expected to be decided soonest, until all cases are answered.

The rule looks at the data after every block. The test allows any number of looks (method/anytime.py). The launcher
applies the rule while it measures, an audit applies it again to the records.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from method import drift
from method.anytime import FIRST_LOOK
from method.compare import ANYTIME, ENDED_ALPHA, Design, Paired, blocks_until_narrower, has_ended, paired
from method.pairs import Pair, compared, most_compared
from method.statistic import Summary
from method.verdict import DELTA, MOST_BLOCKS, is_named, missing
from runners.harness.case import Competitor
from runners.harness.run import Run, Stopping


@dataclass(frozen=True)
class Look:
    """The state of a pair of competitors at one moment.

    `named` says whether a winner is named. `further` is about how many more blocks the pair needs: 0 if it is done,
    MOST_BLOCKS if that many are not enough.
    """

    pair: Pair
    paired: Paired | None
    named: bool
    further: int


@dataclass(frozen=True)
class Standing:
    """The state of a case after `blocks` blocks, failed blocks included. A block takes about `block_seconds`."""

    blocks: int
    looks: tuple[Look, ...] = ()
    block_seconds: float = 1.0

    @property
    def further(self) -> int | None:
        """About how many more blocks the next answer needs; None if the case is done."""
        return min((look.further for look in self.looks if look.further), default=None)

    def decided_after(self, most: int) -> int | None:
        """About how many more blocks decide the case; None if `most` blocks in all are not enough."""
        needed = [look.further for look in self.looks if look.pair.decides and look.further]
        return needed[0] if needed and self.blocks + needed[0] <= most else None


def standing(
    blocks: int,
    competitors: Sequence[Competitor],
    replicates: Mapping[Competitor, Mapping[int, Summary]],
    rule: Stopping,
    asked: int,
    continued: bool = False,
    extended: bool = False,
) -> Standing:
    """The state of a case, from the summaries of its ok replicates by competitor and block.

    `asked` is the largest number of comparisons of the whole run. Each comparison uses the level divided by it
    (Bonferroni), so that a report, which adjusts less strictly (Holm), names every winner that is named here. A pair
    gets no blocks if one of its sides fails more often than not. In a run that was `continued`, no case ends on width.
    A case that was `extended` since then is judged by the anytime-valid test alone.
    """
    active = [competitor for competitor in competitors if len(replicates.get(competitor, ())) >= max(1, blocks / 2)]
    levels: dict[Competitor, dict[int, float]] = {}
    drifts: dict[Competitor, dict[int, float]] = {}
    for competitor in active:
        summaries = replicates[competitor]
        levels[competitor] = {block: math.log(summary.seconds) for block, summary in summaries.items()}
        drifts[competitor] = {block: each.drift for block, each in summaries.items() if each.drift is not None}
    looks = []
    for pair in compared(active, levels):
        left, right = levels[pair.left], levels[pair.right]
        shared = sorted(left.keys() & right.keys())
        if len(shared) >= max(1, blocks / 2):
            difference = drift.between(drifts[pair.left], drifts[pair.right])
            widened = difference.bound if difference else 0.0
            log_ratios = [right[block] - left[block] for block in shared]
            comparison = paired(log_ratios, ANYTIME if extended else Design(False, rule), widened)
            looks.append(_look(pair, comparison, rule, asked, continued))
    seconds = sum(fmean(summary.taken for summary in side.values()) for side in replicates.values() if side)
    return Standing(blocks, tuple(looks), seconds)


def of_case(run: Run, case: int, replicates: Mapping[Competitor, Mapping[int, Summary]]) -> Standing:
    """The state of the case with this index in an adaptive run, from the summaries of its replicates so far."""
    assert run.stopping is not None
    return standing(
        run.blocks(case),
        run.cases[case].competitors,
        replicates,
        run.stopping,
        comparisons(run),
        continued=bool(run.continued),
        extended=extended(run, case),
    )


def next_cases(standings: Sequence[Standing], rule: Stopping, continued: bool = False, at_once: int = 1) -> list[int]:
    """The indexes of the cases that get the next `every` blocks, at most `at_once`; none if every case is done.

    Cases that can be decided come first, in the order of the expected time to their decision. Then come cases with
    other open comparisons, in the order of the expected time to their next answer.
    """
    most = MOST_BLOCKS if continued else rule.most_blocks
    due = []
    for index, case in enumerate(standings):
        if case.further is not None and case.blocks + rule.every <= most:
            decided = case.decided_after(most)
            needed = case.further if decided is None else decided
            due.append((decided is None, needed * case.block_seconds, index))
    return [index for _, _, index in sorted(due)[:at_once]]


def extended(run: Run, case: int) -> bool:
    """Whether the case with this index got blocks after the run had first ended."""
    return bool(run.continued) and case in run.extensions[run.continued[0] :]


def comparisons(run: Run) -> int:
    """The largest number of comparisons of the run."""
    return sum(most_compared(case.competitors) for case in run.cases)


def _look(pair: Pair, found: Paired, rule: Stopping, asked: int, continued: bool) -> Look:
    if found.n < FIRST_LOOK:
        return Look(pair, found, False, FIRST_LOOK - found.n)
    if found.p is None or found.sd is None:
        return Look(pair, found, False, 0)  # all blocks are equal to the last digit, so more blocks would not help
    named = is_named(found, min(1.0, found.p * asked))
    if named or _within(found) or (not continued and has_ended(found.n, found.sd, rule)):
        return Look(pair, found, named, 0)
    needed = missing(found, asked)
    ways = [MOST_BLOCKS, needed] if isinstance(needed, int) else [MOST_BLOCKS]
    narrow = None
    if not continued:
        narrow = blocks_until_narrower(found.sd, math.log1p(rule.half_width), MOST_BLOCKS, ENDED_ALPHA)
    if narrow is not None:
        ways.append(max(1, narrow - found.n))
    return Look(pair, found, False, min(ways))


def _within(found: Paired) -> bool:
    return found.low is not None and found.high is not None and found.low > -DELTA and found.high < DELTA
