"""Which case gets the next block: the one that is expected to be decided soonest; none once all is answered.

Looking at the answer after every block costs nothing, since the test may be looked at as often as one likes
(method/anytime.py). The launcher asks while it measures, an audit asks again from the records.
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
    """What is known of a pair of competitors at one moment.

    `further` is about how many more blocks answer it, MOST_BLOCKS where so many would not; 0 where it is done.
    """

    pair: Pair
    paired: Paired | None
    named: bool
    further: int


@dataclass(frozen=True)
class Standing:
    """Where a case stands after `blocks` blocks, whatever became of them; a block takes about so many seconds."""

    blocks: int
    looks: tuple[Look, ...] = ()
    block_seconds: float = 1.0

    @property
    def further(self) -> int | None:
        """About how many more blocks bring its next answer; None where all is done."""
        return min((look.further for look in self.looks if look.further), default=None)

    def decided_after(self, most: int) -> int | None:
        """About how many more blocks decide the case, where `most` blocks in all are enough for that."""
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
    """Where a case stands, from what each ok replicate comes to, by competitor and block.

    `asked` is how many comparisons the whole run can come to. Each is held to a level that is as much stricter
    (Bonferroni), so that a report, which adjusts less (Holm), names whatever was named here. Pairs of which a side
    fails more often than not get no block on their account. In a run that was `continued` no case ends on width; one
    that was `extended` since then keeps the anytime-valid test alone.
    """
    taking_part = [one for one in competitors if len(replicates.get(one, ())) >= max(1, blocks / 2)]
    levels = {one: {block: math.log(it.seconds) for block, it in replicates[one].items()} for one in taking_part}
    drifts = {
        one: {block: it.drift for block, it in replicates[one].items() if it.drift is not None} for one in taking_part
    }
    found = []
    for pair in compared(taking_part, levels):
        left, right = levels[pair.left], levels[pair.right]
        shared = sorted(left.keys() & right.keys())
        if len(shared) >= max(1, blocks / 2):
            apart = drift.between(drifts[pair.left], drifts[pair.right])
            differences = [right[block] - left[block] for block in shared]
            widened = apart.bound if apart else 0.0
            seen = paired(differences, ANYTIME if extended else Design(False, rule), widened)
            found.append(_look(pair, seen, rule, asked, continued))
    seconds = sum(fmean(one.taken for one in side.values()) for side in replicates.values() if side)
    return Standing(blocks, tuple(found), seconds)


def of_case(run: Run, case: int, replicates: Mapping[Competitor, Mapping[int, Summary]]) -> Standing:
    """Where the case with this index stands in an adaptive run, from what its replicates so far come to."""
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


def next_case(standings: Sequence[Standing], rule: Stopping, continued: bool = False) -> int | None:
    """The index of the case that gets the next `every` blocks; None when every case is done.

    Cases that can be decided come first, and of these the one that is expected to be decided soonest. Once there are no
    more of them, the other open comparisons are answered, again the soonest first.
    """
    most = MOST_BLOCKS if continued else rule.most_blocks
    due = []
    for index, found in enumerate(standings):
        if found.further is not None and found.blocks + rule.every <= most:
            decided = found.decided_after(most)
            needed = found.further if decided is None else decided
            due.append((decided is None, needed * found.block_seconds, index))
    return min(due)[2] if due else None


def extended(run: Run, case: int) -> bool:
    """Whether the case with this index got blocks after the run had ended once."""
    return bool(run.continued) and case in run.extensions[run.continued[0] :]


def comparisons(run: Run) -> int:
    """How many comparisons the run can come to."""
    return sum(most_compared(case.competitors) for case in run.cases)


def _look(pair: Pair, found: Paired, rule: Stopping, asked: int, continued: bool) -> Look:
    if found.n < FIRST_LOOK:
        return Look(pair, found, False, FIRST_LOOK - found.n)
    if found.p is None or found.sd is None:
        return Look(pair, found, False, 0)  # the same to the last digit: no number of blocks makes that a measurement
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
