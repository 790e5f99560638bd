"""Remarks on one case, in sentences."""

import math

from aggregator.base.quantities import amount, bytes_range, count, percent, ratio_of, significant
from aggregator.base.text import clean
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult, Comparison
from aggregator.judge.health import PROCESS_SPREAD
from aggregator.judge.roofline import PRODUCT, Roof, Unknown
from aggregator.judge.sides import Side
from aggregator.report.answers import incomplete, sentence, turned
from aggregator.report.machine_advice import needed
from method.compare import Paired
from method.statistic import STEP_WORKLOADS
from method.verdict import FEWEST_BLOCKS, Verdict
from runners.harness.run import Warmup

MANY_FAULTS, APART = 100, 1.5
"""From so many page faults per step on they take a tenth of a millisecond; processes must differ by this factor."""
GPU_PEAKS = {
    "held by the process": metrics.gpu_process,
    "given out by its allocator": metrics.gpu_allocated,
    "reserved by its allocator": metrics.gpu_reserved,
}


def remarks(result: CaseResult, roof: Roof) -> list[str]:
    """All remarks on one case."""
    found = [*_own_model(result), *map(_compared, result.comparisons), *_attainable(result, roof)]
    names = {side.competitor: side.name for side in result.sides}
    found += [_warmup(names.get(one.competitor, one.competitor.label), one) for one in result.warmups]
    found += _unread(result)
    advised = needed([result])
    found += [f"To make the machine quieter: {' '.join(advised)}"] if advised else []
    for side in result.sides:
        label = side.name
        found += [f"{label}: {clean(text, 200)}" for _, text in side.signals]
        found += filter(None, (about(side) for about in (incomplete, _gpu_memory, _scatter, _faults, _own_drift)))
    return found


def _own_model(result: CaseResult) -> list[str]:
    """What the outputs of a user's own model were compared with."""
    loaded = sorted({clean(side.competitor.framework, 40) for side in result.sides if side.ok})
    if result.case.model is None or not loaded:
        return []
    if len(loaded) > 1:
        return ["a user's own model: nothing is stored of it, so the outputs of its frameworks were compared"]
    return [f"only {loaded[0]} ran this user's own model: its outputs were compared with no other framework's"]


def _attainable(result: CaseResult, roof: Roof) -> list[str]:
    """The smallest cost of a step, and which limit of the machine it reaches first."""
    found = roof.attainable(result)
    if isinstance(found, Unknown):
        return []
    unit, what = ("FLOP/s", "the matrix product") if found.limit == PRODUCT else ("B/s", "the copy")
    rate = amount(found.rate.per_second, unit, found.rate.low, found.rate.high)
    return [
        f"a step needs at least {amount(found.flops, 'FLOP')} and {amount(found.bytes, 'B')} of memory traffic "
        f"({significant(found.intensity, 3)} FLOP/B); its limit is {what} at {rate} (n {found.rate.n}, "
        f"{clean(found.rate.by, 60)})"
    ]


def _scatter(side: Side) -> str:
    """How much the processes of a side differ, if it is much."""
    if side.scatter is None or side.scatter <= PROCESS_SPREAD:
        return ""
    return f"{side.name}: the times of its processes scatter by {percent(side.scatter)} (standard deviation)"


def _faults(side: Side) -> str:
    """Page faults, if some processes have many more than others. A loader's workers fault for other reasons: a fork."""
    workload = side.records[0].case.workload if side.records else ""
    rates = side.values(metrics.faults_a_step) if workload in STEP_WORKLOADS else []
    if len(rates) < FEWEST_BLOCKS or max(rates) < MANY_FAULTS or max(rates) < APART * min(rates):
        return ""
    return (
        f"{side.name}: its processes had {min(rates):.0f} to {max(rates):.0f} page faults per step: the C library "
        "returns memory to the kernel and requests it again, in some processes more often than in others "
        "(docs/method.md)"
    )


def _own_drift(side: Side) -> str:
    """Drift: the steps of a process became slower or faster in all replicates."""
    found = side.drift
    if found is None or not found.significant:
        return ""
    changed = percent(math.expm1(abs(found.mean)), 1)
    return (
        f"{side.name}: the last quarter of its steps was {changed} {'slower' if found.mean > 0 else 'faster'} "
        f"than the first (mean over {count(found.n, 'replicate')})"
    )


def _gpu_memory(side: Side) -> str:
    """All three peaks of GPU memory; tables show one of them."""
    peaks = [
        (f"{bytes_range(values)} {what}", len(values))
        for what, read in GPU_PEAKS.items()
        if (values := side.values(read))
    ]
    said = ", ".join(text for text, _ in peaks)
    return f"{side.name}: GPU memory at the peak {said} (n {max(n for _, n in peaks)})" if peaks else ""


def _warmup(name: str, found: Warmup) -> str:
    """The warm-up that the pilots of a side had, and the warm-up that they fixed for all its replicates."""
    ends = ", ".join(f"{pilot.unsettled} of {pilot.steps}" for pilot in found.pilots)
    endless = sum(not pilot.settled for pilot in found.pilots)
    return (
        f"{clean(name, 80)}: {count(found.warmup_steps, 'step')} of warm-up discarded, "
        f"{found.kept_steps} or more steps kept; in its pilots the warm-up took {ends} steps"
        + (f" and did not end in {count(endless, 'pilot')}" if endless else "")
    )


def _unread(result: CaseResult) -> list[str]:
    """Which counters of the machine could not be read: the report cannot tell whether they were disturbed."""
    names_by_reason: dict[str, dict[str, None]] = {}
    for record in (next(iter(side.ok.values())) for side in result.sides if side.ok):
        for name, reason in record.unknown.items():
            part, _, counter = name.partition(".")
            if part == "health" and not (counter.startswith("gpu") and result.case.device != "gpu"):
                names_by_reason.setdefault(clean(reason, 120), {})[clean(counter, 60).replace("_", " ")] = None
    return [f"not readable here: {', '.join(names)} ({reason})" for reason, names in names_by_reason.items()]


def _compared(comparison: Comparison) -> str:
    """The verdict with its numbers."""
    _, slow, fast = turned(comparison)
    return f"{fast.name} compared with {slow.name}: {'; '.join([sentence(comparison), *_statistics(comparison)])}"


def _statistics(comparison: Comparison) -> list[str]:
    """The ratios of median and mean steps (slow steps change only the mean), and the p-values of the tests."""
    compared, _, fast = turned(comparison)
    means, judged = comparison.means, comparison.judged
    if means and fast is comparison.right:
        means = means.swapped()
    if compared is None or comparison.verdict is Verdict.NOT_COMPARABLE:
        return []
    said = []
    found, of_means = _with_interval(compared), _with_interval(means) if means else ""
    if found:
        ratios = f"median steps {found}, of mean steps {of_means}" if of_means else f"times {found}"
        said.append(f"ratio of {ratios}, {count(compared.n, 'block')}")
    if compared.p is not None and judged is not None and judged.p_holm is not None:
        test = "t test" if compared.design.fixed else "anytime-valid test"
        said.append(f"{test} p = {compared.p:.2g}, after Holm's adjustment {judged.p_holm:.2g}")
        said.append(f"sign-flip test p = {compared.p_permutation:.2g}")
    return said


def _with_interval(pair: Paired) -> str:
    text, interval = ratio_of(pair)
    return f"{text} (95 % CI {interval})" if text else ""
