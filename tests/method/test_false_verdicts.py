"""How often the production code names a winner among two labels of one program, in many simulated runs.

The times come from `benchmarks/noise.py`: 100 steps of 10 ms a process, 5 s from process to process, in the order of
`method.schedule`. In the scenario "drift", the machine's level is a random walk of 0.45 % over one second (1 % from
process to process); processes scatter by 2 %, steps by 3 % with correlation 0.8; 2 % of the steps are longer by
0.3 × Pareto(3). In the scenario "level flips", the machine jumps between two levels 10 % apart and stays on each for
60 s on average, with a random walk of 0.1 % over one second; processes scatter by 4 %, steps by 3 % with correlation
0.9; 3 % of the steps are longer by 0.3 × Pareto(1.5), whose variance is infinite. The seed is 25. A fixed number of
blocks is 10. An adaptive run looks after every block from 3 to 30, until there is a winner or a half-width of 2 %.

`make test` runs 250 experiments for each scenario, with bounds that hold in 99.9 % if the rate is right.
`make test-all` runs 2,000, with the bounds of docs/method-evidence.md.
"""

import gc
import math
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property

import numpy as np
import pytest
from scipy import stats

from benchmarks.noise import DRIFT, FLIPS, SCENARIOS, A, B, Noise, experiments
from method import anytime, drift
from method.compare import ALPHA, ANYTIME_ALPHA, Design, Paired, paired
from method.statistic import Summary, summarise
from method.stopping import next_cases, standing
from method.verdict import FEWEST_BLOCKS, Judged, Verdict, judge_all
from runners.harness.case import Block, Case, Competitor
from runners.harness.record import SCHEMA_VERSION, Record, Samples, Status
from runners.harness.run import Stopping

FEW, MANY = 250, 2000
BLOCKS = 10
RULE = Stopping(most_blocks=30, every=1, half_width=0.02)
ADAPTIVE = Design(False, RULE)
CASE = Case("infer", "cpu", batch_size=8, seed=25, network="resnet18", input_size=224, scope="compute")


def most(rate: float, of: int) -> float:
    """The bound that the share of wrong experiments stays below in 99.9 %, if each is wrong at this rate."""
    return float(stats.binom.ppf(0.999, of, rate)) / of


def record_of(who: Competitor, number: int, times: np.ndarray) -> Record:
    samples = Samples((times * 1e9).astype(int).tolist(), 0, 8, None, 0, 0)
    block = Block(number, 0, 0, 0, "")
    return Record(SCHEMA_VERSION, "", "", Status.OK, None, CASE, who, block, [], samples=samples)


class Experiment:
    """A run: seconds, indexed by label, block and step."""

    def __init__(self, times: np.ndarray, asked: int = 1) -> None:
        self.times, self.asked = times, asked

    def records(self, blocks: int) -> list[Record]:
        return [record_of(who, n, self.times[side, n]) for side, who in enumerate((A, B)) for n in range(blocks)]

    @cached_property
    def summaries(self) -> dict[Competitor, list[Summary]]:
        blocks = self.times.shape[1]
        found = [summarise(record) for record in self.records(blocks)]
        return {A: found[:blocks], B: found[blocks:]}

    def compared(self, blocks: int, design: Design) -> Paired:
        left, right = (self.summaries[who][:blocks] for who in (A, B))
        differences = [math.log(b.seconds) - math.log(a.seconds) for a, b in zip(left, right, strict=True)]
        drifts = [{n: one.drift for n, one in enumerate(side) if one.drift is not None} for side in (left, right)]
        apart = drift.between(*drifts)
        return paired(differences, design, apart.bound if apart else 0.0)

    @cached_property
    def fixed(self) -> Paired:
        return self.compared(BLOCKS, Design(fixed=True))

    @cached_property
    def adaptive(self) -> Paired:
        """The comparison after as many blocks as the stopping rule demands."""
        blocks = FEWEST_BLOCKS
        while self._goes_on(blocks):
            blocks += RULE.every
        return self.compared(blocks, ADAPTIVE)

    def _goes_on(self, blocks: int) -> bool:
        so_far = {who: dict(enumerate(found[:blocks])) for who, found in self.summaries.items()}
        return next_cases([standing(blocks, [A, B], so_far, RULE, self.asked)], RULE) != []


@pytest.fixture(scope="module", autouse=True)
def no_garbage_collected_by_hand() -> Iterator[None]:
    """statsmodels calls gc.collect in every adjustment, which would take most of the time here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", lambda: 0)
        yield


@pytest.fixture(scope="module", params=[FEW, pytest.param(MANY, marks=[pytest.mark.full, pytest.mark.timeout(600)])])
def number(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module", params=SCENARIOS, ids=lambda noise: noise.name)
def runs(request: pytest.FixtureRequest, number: int) -> list[Experiment]:
    noise: Noise = request.param
    return [Experiment(times) for times in experiments(noise, number, RULE.most_blocks, seed=25)]


@pytest.fixture(scope="module")
def slowed(runs: list[Experiment]) -> list[Experiment]:
    """Half of the experiments, with B slowed by 5 %."""
    return [Experiment(run.times * np.array([1, 1.05])[:, None, None]) for run in runs[: len(runs) // 2]]


def share(found: Sequence[Paired], test: Callable[[Paired], bool]) -> float:
    return sum(map(test, found)) / len(found)


@cache
def judged(found: Paired) -> Judged:
    """The verdict of a comparison that is alone in its report."""
    return judge_all([found])[0]


def significant(found: Paired) -> bool:
    """Whether a winner would be named if every difference mattered."""
    p_holm = judged(found).p_holm
    return p_holm is not None and p_holm < ALPHA


def named(found: Paired) -> bool:
    return judged(found).verdict in (Verdict.FASTER, Verdict.SLOWER)


def covers(truth: float) -> Callable[[Paired], bool]:
    return lambda found: found.low is not None and found.high is not None and found.low <= truth <= found.high


def test_a_fixed_number_of_blocks_seldom_names_a_winner_among_equals(runs: list[Experiment], number: int) -> None:
    found = [run.fixed for run in runs]
    bound = 0.065 if number == MANY else most(0.05, number)
    assert share(found, significant) <= bound
    assert share(found, named) <= bound
    assert share(found, covers(0.0)) >= 1 - bound - 0.005


def test_looks_after_every_block_seldom_name_a_winner_among_equals(runs: list[Experiment], number: int) -> None:
    found = [run.adaptive for run in runs]
    bound = 0.055 if number == MANY else most(0.05, number)
    assert len({one.n for one in found}) > 3
    assert share(found, significant) <= bound
    assert share(found, named) <= bound
    assert share(found, covers(0.0)) >= 1 - bound - 0.005


def test_the_interval_holds_a_true_ratio_as_often(slowed: list[Experiment], number: int) -> None:
    """Over all runs, and over the many runs that ended with a winner or on width.

    The few other runs are selected by their result, and no interval promises anything about such a selection.
    """
    truth, most_missed = float(np.log(1.05)), 0.06 if number == MANY else most(0.05, number // 2)
    assert share([run.fixed for run in slowed], covers(truth)) >= 1 - most_missed - 0.01
    found = [run.adaptive for run in slowed]
    assert share(found, covers(truth)) >= 1 - most_missed
    for kind in (True, False):
        of_kind = [one for one in found if one.anytime is kind]
        if len(of_kind) >= max(100, len(found) / 2):
            assert share(of_kind, covers(truth)) >= 1 - most_missed, kind


def test_no_confidence_sequence_ever_leaves_the_truth_more_often(runs: list[Experiment], number: int) -> None:
    """With a look after every block, for any stopping rule."""
    ever = 0
    for run in runs:
        differences = [math.log(b.seconds / a.seconds) for a, b in zip(*run.summaries.values(), strict=True)]
        ever += anytime.p_value(differences) < ANYTIME_ALPHA
    assert ever / len(runs) <= (0.03 if number == MANY else most(ANYTIME_ALPHA, number))


def test_a_named_winner_s_interval_excludes_one(runs: list[Experiment], slowed: list[Experiment]) -> None:
    for run in (*runs, *slowed):
        for found in (run.fixed, run.adaptive):
            assert not (named(found) and covers(0.0)(found))


def test_a_hidden_slowdown_is_named_once_the_interval_is_narrow(slowed: list[Experiment]) -> None:
    found = [run.adaptive for run in slowed]
    narrow = [one for one in found if one.high is not None and one.high - one.log_ratio <= np.log1p(0.02)]
    if len(narrow) < 10:
        pytest.skip(f"{len(narrow)} of {len(found)} intervals are narrow: too few to ask for a share of them")
    assert share(narrow, lambda one: judged(one).verdict is Verdict.SLOWER) >= 0.8


def test_an_unfinished_warm_up_of_one_side_names_no_more_winners(
    runs: list[Experiment], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every replicate B's quarters take 3, 2, 1 and 0 % longer, so its median is 1.5 % too long."""
    quarters = np.repeat([1.03, 1.02, 1.01, 1.0], 25)

    def warming() -> list[Paired]:
        times = (run.times * np.stack([np.ones(100), quarters])[:, None, :] for run in runs[: number // 4])
        return [Experiment(one).adaptive for one in times]

    found = share(warming(), named)
    assert found <= most(0.05, number // 4)
    if number == MANY:
        monkeypatch.setattr(drift.Drift, "bound", 0.0)
        assert share(warming(), named) > 2 * found, "the same without the widening"


def test_random_drift_changes_nothing(runs: list[Experiment], number: int) -> None:
    draw = np.random.default_rng(25)
    ramp = np.repeat([0.03, 0.02, 0.01, 0.0], 25)
    wandering = [
        Experiment(run.times * (1 + draw.choice([-1, 1], (2, RULE.most_blocks, 1)) * ramp))
        for run in runs[: number // 4]
    ]
    assert share([run.adaptive for run in wandering], named) <= most(0.05, len(wandering))


@pytest.mark.parametrize("noise", SCENARIOS, ids=lambda noise: noise.name)
def test_the_same_times_fool_a_test_on_pooled_steps(noise: Noise) -> None:
    times = experiments(noise, 500, BLOCKS, seed=25).reshape(500, 2, -1)
    assert np.mean(stats.ttest_ind(times[:, 0], times[:, 1], axis=1, equal_var=False).pvalue < ALPHA) > 0.2


@pytest.mark.parametrize("noise", SCENARIOS, ids=lambda noise: noise.name)
def test_the_same_times_fool_any_test_where_one_label_runs_first(noise: Noise) -> None:
    found = [Experiment(times).fixed for times in experiments(noise, 500, BLOCKS, seed=25, interleaved=False)]
    assert share(found, significant) > 0.2


def test_a_t_test_after_every_block_names_far_too_many_winners(runs: list[Experiment]) -> None:
    z = np.log(np.median([run.times for run in runs], axis=-1))
    d = z[:, 1] - z[:, 0]
    looks = range(FEWEST_BLOCKS, RULE.most_blocks + 1)
    seen = [stats.ttest_1samp(d[:, :blocks], 0, axis=1).pvalue < ALPHA for blocks in looks]
    assert np.mean(np.any(seen, axis=0)) > 0.15


POWER = [
    # true ratio, scatter of a block, comparisons: named, blocks
    (1.05, 0.05, 1, 0.997, 17.1),
    (1.05, 0.05, 11, 0.955, 23.3),
    (1.10, 0.05, 1, 1.0, 8.0),
    (1.10, 0.05, 11, 1.0, 11.5),
    (1.10, 0.13, 1, 0.93, 22.9),
    (1.10, 0.13, 11, 0.70, 27.5),
    (1.30, 0.10, 1, 1.0, 6.2),
    (1.30, 0.10, 11, 1.0, 8.8),
    (1.60, 0.13, 1, 1.0, 5.2),
    (1.60, 0.13, 11, 1.0, 7.1),
    (6.70, 0.15, 1, 1.0, 3.5),
    (6.70, 0.15, 11, 1.0, 4.6),
]
"""The results of 4,000 experiments with normal differences (docs/method-evidence.md)."""


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("true", "scatter", "asked", "share_named", "blocks"), POWER)
def test_a_difference_is_named_as_often_and_as_soon_as_the_docs_say(
    true: float, scatter: float, asked: int, share_named: float, blocks: float
) -> None:
    draw = np.random.default_rng(25)
    found = []
    for _ in range(600):
        levels = np.stack([np.zeros(30), math.log(true) + draw.normal(0, scatter, 30)])
        found.append(Experiment(np.exp(levels)[:, :, None] * 0.01 * np.ones(4), asked).adaptive)
    beside = [paired([0.0, 1.0, -1.0])] * (asked - 1)
    hits = np.mean([judge_all([one, *beside])[0].verdict is Verdict.SLOWER for one in found])
    assert hits == pytest.approx(share_named, abs=0.03 + 2 * math.sqrt(share_named * (1 - share_named) / 600))
    assert np.mean([one.n for one in found]) == pytest.approx(blocks, rel=0.1)


@pytest.mark.parametrize("noise", [DRIFT, FLIPS], ids=lambda noise: noise.name)
@pytest.mark.parametrize("design", [Design(fixed=True), ADAPTIVE], ids=["fixed", "adaptive"])
def test_swapped_labels_mirror_and_shuffled_records_change_nothing(noise: Noise, design: Design) -> None:
    def compared(records: Sequence[Record]) -> Paired:
        logs: dict[Competitor, dict[int, float]] = {A: {}, B: {}}
        for record in records:
            logs[record.competitor][record.block.number] = math.log(summarise(record).seconds)
        return paired([logs[B][n] - logs[A][n] for n in sorted(logs[A])], design)

    for index, times in enumerate(experiments(noise, 50, BLOCKS, seed=25)):
        run, turned = Experiment(times), Experiment(times[::-1])
        found, mirrored = compared(run.records(BLOCKS)), compared(turned.records(BLOCKS))
        assert (mirrored.low, mirrored.high) == (-(found.high or 0), -(found.low or 0))
        small, large = sorted((math.exp(-abs(found.log_ratio)), math.exp(abs(mirrored.log_ratio))))
        assert small == pytest.approx(1 / large, rel=1e-15)
        assert (mirrored.p, mirrored.sd, mirrored.p_permutation) == (found.p, found.sd, found.p_permutation)
        shuffled = run.records(BLOCKS)
        random.Random(index).shuffle(shuffled)
        assert compared(shuffled) == found
