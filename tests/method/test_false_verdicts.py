"""One program under two labels, 2,000 times over, through the code that makes verdicts: how often is it wrong?

The times are those of `benchmarks/noise.py`: 100 steps of 10 ms a process, 5 s from process to process, in the order
of `method.schedule`. "drift": the machine's level is a random walk of 0.45 % over one second (1 % from process to
process); processes scatter by 2 %, steps by 3 % with correlation 0.8; 2 % of the steps are longer by 0.3 × Pareto(3).
"level flips": the machine changes between two levels 10 % apart and stays on each for 60 s on average, in mid-run as
well, besides a random walk of 0.1 % over one second; processes scatter by 4 %, steps by 3 % with correlation 0.9; 3 %
of them are longer by 0.3 × Pareto(1.5), whose variance is infinite. Seed 25. A fixed number of blocks is 10; an
adaptive run looks every 2 blocks from 8 to 30 for a half-width of 2 %. Gates and steadiness are not asked: they can
only take verdicts away, and with such steps they mostly would (tests/aggregator/test_aa.py takes the whole path).
"""

import gc
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property

import numpy as np
import pytest
from scipy import stats

from benchmarks.noise import DRIFT, FLIPS, SCENARIOS, A, B, Noise, experiments
from method.compare import ADAPTIVE_ALPHA, FIXED_ALPHA, Paired, paired, ratio
from method.statistic import seconds
from method.stopping import next_case, progress
from method.verdict import FEWEST_BLOCKS, Judged, Verdict, judge_all
from runners.harness.case import Block, Case, Competitor
from runners.harness.record import SCHEMA_VERSION, Record, Samples, Status
from runners.harness.run import Stopping

EXPERIMENTS = 2000
BLOCKS = 10
RULE = Stopping(most_blocks=30, every=2, half_width=0.02)
CASE = Case("infer", "cpu", 8, 25, network="resnet18", input_size=224, scope="compute")


def record_of(who: Competitor, number: int, times: np.ndarray) -> Record:
    samples = Samples((times * 1e9).astype(int).tolist(), 0, 8, None, 0, 0)
    block = Block(number, 0, 0, 0, "")
    return Record(SCHEMA_VERSION, "", "", Status.OK, None, CASE, who, block, [], samples=samples)


class Experiment:
    """One run: its records, made when they are first asked for."""

    def __init__(self, times: np.ndarray) -> None:
        self.times = times
        self.logs: dict[Competitor, dict[int, float]] = {A: {}, B: {}}

    def records(self, blocks: int) -> list[Record]:
        return [record_of(who, n, self.times[side, n]) for side, who in enumerate((A, B)) for n in range(blocks)]

    def measure(self, blocks: int) -> None:
        """Go on to this number of blocks."""
        for side, who in enumerate((A, B)):
            for n in range(len(self.logs[who]), blocks):
                self.logs[who][n] = float(np.log(seconds(record_of(who, n, self.times[side, n]))))

    def compared(self, blocks: int, alpha: float) -> Paired:
        self.measure(blocks)
        return paired([self.logs[B][n] - self.logs[A][n] for n in range(blocks)], alpha)

    @cached_property
    def fixed(self) -> Paired:
        return self.compared(BLOCKS, FIXED_ALPHA)

    @cached_property
    def adaptive(self) -> Paired:
        """The comparison after as many blocks as the rule of stopping asks for."""
        blocks = FEWEST_BLOCKS
        self.measure(blocks)
        while next_case([progress(blocks, self.logs)], RULE) is not None:
            blocks += RULE.every
            self.measure(blocks)
        return self.compared(blocks, ADAPTIVE_ALPHA)


@pytest.fixture(scope="module", autouse=True)
def no_garbage_collected_by_hand() -> Iterator[None]:
    """statsmodels does so in every adjustment, which here would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", lambda: 0)
        yield


@pytest.fixture(scope="module", params=SCENARIOS, ids=lambda noise: noise.name)
def runs(request: pytest.FixtureRequest) -> list[Experiment]:
    noise: Noise = request.param
    return [Experiment(times) for times in experiments(noise, EXPERIMENTS, RULE.most_blocks, seed=25)]


@pytest.fixture(scope="module")
def slowed(runs: list[Experiment]) -> list[Experiment]:
    """Half of them, with B 5 % slower than the program it is."""
    return [Experiment(run.times * np.array([1, 1.05])[:, None, None]) for run in runs[: EXPERIMENTS // 2]]


def share(found: Sequence[Paired], test: Callable[[Paired], bool]) -> float:
    return sum(map(test, found)) / len(found)


@cache
def judged(found: Paired) -> Judged:
    """Its verdict, alone in its report."""
    return judge_all([found])[0]


def significant(found: Paired) -> bool:
    """What would be a winner but for the smallest difference that matters."""
    p_holm = judged(found).p_holm
    return p_holm is not None and p_holm < FIXED_ALPHA


def named(found: Paired) -> bool:
    return judged(found).verdict in (Verdict.FASTER, Verdict.SLOWER)


def covers(truth: float) -> Callable[[Paired], bool]:
    return lambda found: found.low is not None and found.high is not None and found.low <= truth <= found.high


def test_a_fixed_number_of_blocks_seldom_names_a_winner_among_equals(runs: list[Experiment]) -> None:
    found = [run.fixed for run in runs]
    assert share(found, significant) <= 0.065
    assert share(found, named) <= 0.065
    assert 0.93 <= share(found, covers(0.0)) <= 0.97


def test_nor_does_the_rule_of_stopping(runs: list[Experiment]) -> None:
    found = [run.adaptive for run in runs]
    assert len({one.n for one in found}) > 5
    assert share(found, significant) <= 0.055
    assert share(found, named) <= 0.055
    assert 0.93 <= share(found, covers(0.0)) <= 0.97


def test_the_interval_holds_a_true_ratio_as_often(slowed: list[Experiment]) -> None:
    for found in ([run.fixed for run in slowed], [run.adaptive for run in slowed]):
        assert 0.93 <= share(found, covers(float(np.log(1.05)))) <= 0.97


def test_interval_and_test_never_contradict_each_other(runs: list[Experiment]) -> None:
    for found in (*(run.fixed for run in runs), *(run.adaptive for run in runs)):
        assert significant(found) is not covers(0.0)(found)


def test_a_hidden_slowdown_is_named_once_the_interval_is_narrow(slowed: list[Experiment]) -> None:
    found = [run.adaptive for run in slowed]
    narrow = [one for one in found if one.high is not None and one.high - one.log_ratio <= np.log1p(0.02)]
    assert len(narrow) >= 25
    assert share(narrow, lambda one: judged(one).verdict is Verdict.SLOWER) >= 0.8


@pytest.mark.parametrize("noise", SCENARIOS, ids=lambda noise: noise.name)
def test_the_same_times_fool_a_test_on_pooled_steps(noise: Noise) -> None:
    times = experiments(noise, 500, BLOCKS, seed=25).reshape(500, 2, -1)
    assert np.mean(stats.ttest_ind(times[:, 0], times[:, 1], axis=1, equal_var=False).pvalue < FIXED_ALPHA) > 0.2


@pytest.mark.parametrize("noise", SCENARIOS, ids=lambda noise: noise.name)
def test_the_same_times_fool_any_test_where_one_label_runs_first(noise: Noise) -> None:
    found = [Experiment(times).fixed for times in experiments(noise, 500, BLOCKS, seed=25, interleaved=False)]
    assert share(found, significant) > 0.2


def test_to_stop_once_the_interval_leaves_one_names_far_too_many(runs: list[Experiment]) -> None:
    looks = range(FEWEST_BLOCKS, RULE.most_blocks + 1, RULE.every)
    z = np.log(np.median([run.times for run in runs], axis=-1))
    d = z[:, 1] - z[:, 0]
    seen = [stats.ttest_1samp(d[:, :blocks], 0, axis=1).pvalue < ADAPTIVE_ALPHA for blocks in looks]
    assert np.mean(np.any(seen, axis=0)) > 0.08


@pytest.mark.parametrize("noise", [DRIFT, FLIPS], ids=lambda noise: noise.name)
def test_swapped_labels_mirror_and_shuffled_records_change_nothing(noise: Noise) -> None:
    def compared(records: Sequence[Record]) -> Paired:
        logs: dict[Competitor, dict[int, float]] = {A: {}, B: {}}
        for record in records:
            logs[record.competitor][record.block.number] = float(np.log(seconds(record)))
        return paired([logs[B][n] - z for n, z in logs[A].items()])

    for index, times in enumerate(experiments(noise, 50, BLOCKS, seed=25)):
        run, turned = Experiment(times), Experiment(times[::-1])
        found, mirrored = compared(run.records(BLOCKS)), compared(turned.records(BLOCKS))
        assert (mirrored.low, mirrored.high) == (-(found.high or 0), -(found.low or 0))
        small, large = sorted((ratio(found.log_ratio), ratio(mirrored.log_ratio)))
        assert small == 1 / large
        assert (mirrored.p, mirrored.sd, mirrored.p_permutation) == (found.p, found.sd, found.p_permutation)
        shuffled = run.records(BLOCKS)
        random.Random(index).shuffle(shuffled)
        assert compared(shuffled) == found
