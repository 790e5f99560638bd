"""What is known about one case, in sentences."""

import math

from aggregator.base.quantities import amount, bytes_range, count, percent, ratio_and_interval, significant
from aggregator.base.text import clean
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult, Comparison
from aggregator.judge.health import PROCESS_SPREAD
from aggregator.judge.roofline import PRODUCT, Roof, Unknown
from aggregator.judge.sides import Side
from aggregator.report.answers import incomplete, sentence
from aggregator.report.machine_advice import needed
from method.compare import Paired, ratio
from method.statistic import STEP_WORKLOADS
from method.verdict import FEWEST_BLOCKS, Verdict
from runners.harness.run import Warmup

MANY_FAULTS, APART = 100, 1.5
"""So many page faults a step take a tenth of a millisecond or more; by this factor processes have to differ."""
GPU_PEAKS = {
    "held by the process": metrics.gpu_process,
    "given out by its allocator": metrics.gpu_allocated,
    "reserved by its allocator": metrics.gpu_reserved,
}


def remarks(result: CaseResult, roof: Roof) -> list[str]:
    """Everything about one case that is a sentence."""
    found = [*map(_compared, result.comparisons), *_attainable(result, roof)]
    found += map(_warmup, result.warmups)
    found += _unread(result)
    advised = needed([result])
    found += [f"What a quieter machine would need: {' '.join(advised)}"] if advised else []
    for side in result.sides:
        label = side.name
        found += [f"{label}: {clean(text, 200)}" for _, text in side.signals]
        found += filter(None, (about(side) for about in (incomplete, _gpu_memory, _scatter, _faults, _own_drift)))
    return found


def _attainable(result: CaseResult, roof: Roof) -> list[str]:
    """What a step needs at the least, and which of the machine's limits it meets first."""
    found = roof.attainable(result)
    if isinstance(found, Unknown):
        return []
    unit, what = ("FLOP/s", "the matrix product") if found.limit == PRODUCT else ("B/s", "the copy")
    rate = amount(found.rate.per_second, unit, found.rate.low, found.rate.high)
    return [
        f"a step needs {amount(found.flops, 'FLOP')} and {amount(found.bytes, 'B')} of memory traffic at the least, "
        f"{significant(found.intensity, 3)} FLOP/B: the limit is {what}, {rate} (n {found.rate.n}, "
        f"{clean(found.rate.by, 60)})"
    ]


def _scatter(side: Side) -> str:
    """How much processes that do the same differ."""
    if side.scatter is None or side.scatter <= PROCESS_SPREAD:
        return ""
    return f"{side.name}: processes scatter by {percent(side.scatter)}"


def _faults(side: Side) -> str:
    """Where the processes of a step give memory back to the kernel and take it again, some more often than others.

    A loader's workers fault for other reasons, such as a fork.
    """
    workload = side.records[0].case.workload if side.records else ""
    rates = side.values(metrics.faults_a_step) if workload in STEP_WORKLOADS else []
    if len(rates) < FEWEST_BLOCKS or max(rates) < MANY_FAULTS or max(rates) < APART * min(rates):
        return ""
    return (
        f"{side.name}: its processes took {min(rates):.0f} to {max(rates):.0f} page faults a step: the C "
        "library gives memory back to the kernel and takes it again, more often in some processes than in others "
        "(docs/method.md)"
    )


def _own_drift(side: Side) -> str:
    """Where the steps of a process became slower or faster in replicate after replicate."""
    found = side.drift
    if found is None or not found.significant:
        return ""
    changed = percent(math.expm1(abs(found.mean)), 1)
    return (
        f"{side.name}: the last quarter of its steps {'slower' if found.mean > 0 else 'faster'} than the "
        f"first by {changed} on average over {count(found.n, 'replicate')}"
    )


def _test(compared: Paired) -> str:
    return "t test" if compared.design.fixed else "anytime-valid test"


def _gpu_memory(side: Side) -> str:
    """All three peaks of the GPU's memory, of which tables show one."""
    peaks = [
        (f"{bytes_range(values)} {what}", len(values))
        for what, read in GPU_PEAKS.items()
        if (values := side.values(read))
    ]
    said = ", ".join(text for text, _ in peaks)
    return f"{side.name}: GPU memory at the peak {said} (n {max(n for _, n in peaks)})" if peaks else ""


def _warmup(found: Warmup) -> str:
    """What a side's pilots saw, and what they fixed for every replicate of it."""
    ends = ", ".join(f"{pilot.unsettled} of {pilot.steps}" for pilot in found.pilots)
    endless = sum(not pilot.settled for pilot in found.pilots)
    return (
        f"{clean(found.competitor.label, 80)}: {count(found.warmup_steps, 'step')} of warm-up discarded, "
        f"{found.kept_steps} or more kept; its pilots warmed up for {ends} steps"
        + (f", and no end of it was seen in {endless}" if endless else "")
    )


def _unread(result: CaseResult) -> list[str]:
    """What of the machine's state could not be read, and so disturbed nothing as far as is known."""
    names_by_reason: dict[str, dict[str, None]] = {}
    for record in (next(iter(side.ok.values())) for side in result.sides if side.ok):
        for name, reason in record.unknown.items():
            part, _, counter = name.partition(".")
            if part == "health" and not (counter.startswith("gpu") and result.case.device != "gpu"):
                names_by_reason.setdefault(clean(reason, 120), {})[clean(counter, 60).replace("_", " ")] = None
    return [f"not readable here: {', '.join(names)} ({reason})" for reason, names in names_by_reason.items()]


def _compared(comparison: Comparison) -> str:
    """The verdict and what is behind it."""
    names = f"{comparison.right.name} ÷ {comparison.left.name}"
    return f"{names}: {'; '.join([sentence(comparison), *_statistics(comparison)])}"


def _statistics(comparison: Comparison) -> list[str]:
    """The ratio of the mean steps beside that of the median steps: slow steps move the one and not the other. And the
    p-values, where a test was made."""
    compared, means, judged = comparison.paired, comparison.means, comparison.judged
    if compared is None or comparison.verdict is Verdict.NOT_COMPARABLE:
        return []
    said = []
    found, of_means = _with_interval(compared), _with_interval(means) if means else ""
    if found:
        ratios = f"median steps {found}, of mean steps {of_means}" if of_means else f"times {found}"
        said.append(f"ratio of {ratios}, {count(compared.n, 'block')}")
    if compared.p is not None and judged is not None and judged.p_holm is not None:
        said.append(f"{_test(compared)} p = {compared.p:.2g}, after Holm {judged.p_holm:.2g}")
        said.append(f"sign-flip test p = {compared.p_permutation:.2g}")
    return said


def _with_interval(pair: Paired) -> str:
    if pair.low is None or pair.high is None:
        return ""
    text, interval = ratio_and_interval(ratio(pair.log_ratio), ratio(pair.low), ratio(pair.high))
    return f"{text} (95 % CI {interval})"
