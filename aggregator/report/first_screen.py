"""The first screen of a report: for each case one sentence, and each side's rate with its interval."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from aggregator.base.case_names import digest, group, heading, parameters
from aggregator.base.quantities import DASH, count, duration, percent, ratio_of, significant, with_half_width
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.means import Mean, geometric_mean
from aggregator.judge.metrics import items_per_second
from aggregator.judge.sides import Side, ranked
from aggregator.report.answers import ALONE, score, sentence, turned
from aggregator.report.figures.style import Palette, called
from aggregator.report.model import Interval, Outcome, OutcomeSide, Words
from method.verdict import FEWEST_BLOCKS, SMALLEST_DIFFERENCE, Verdict
from runners.harness.case import Case

VERBS = {"train": "trains {}", "infer": "runs {}", "load": "loads images ({})", "fit": "trains {} from disk"}
"""What a competitor does in a case, with the network or the stage."""
BASELINE = "baseline"
UNITS = {"load": "batch", "fit": "training"}
"""What the compared time is the time of, where it is not a step."""
TIES = {Verdict.EQUIVALENT: "tied", Verdict.FEW_BLOCKS: "without a verdict", ALONE: f"with {ALONE}"}


def outcome(case: CaseResult, anchor: str, palette: Palette, titles: Mapping[str, str]) -> Outcome:
    """A case as the first screen shows it, its fastest side first."""
    ranking = ranked(case.sides)
    ordered = [*ranking, *(side for side in case.sides if side not in ranking)]
    rates = {side.label: geometric_mean([math.log(rate) for rate in side.values(items_per_second)]) for side in ranking}
    widest = max((rate.ends[1] for rate in rates.values()), default=1.0)
    winner = score(case)[1]
    speeds = {side.label: _speed(case, side, ranking) for side in ordered}
    if not any(interval for _, interval in speeds.values() if interval != BASELINE):
        speeds = dict.fromkeys(speeds, ("", ""))  # a baseline of no ratio says nothing
    return Outcome(
        digest=digest(case.case),
        anchor=anchor,
        title=f"{heading(case.case.workload)}: {group(case.case)}, {parameters(case.case)}",
        sentence=_sentence(case, titles),
        sides=tuple(
            OutcomeSide(
                name=called(side.competitor, titles),
                label=side.name,
                mark=palette.number(side.name),
                rate=rate_text(rates.get(side.label)),
                time=_time(case.case, side),
                speed=speeds[side.label][0],
                interval=speeds[side.label][1],
                bar=_bar(rates.get(side.label), widest),
                is_winner=side is winner,
            )
            for side in ordered
        ),
        is_won=winner is not None,
    )


def totals(cases: Sequence[CaseResult], titles: Mapping[str, str]) -> str:
    """`5 cases: ONNX Runtime (ort) wins 2, TensorFlow (graph) wins 1, 0 tied, 2 undecided.`"""
    scores = [score(case) for case in cases]
    wins = Counter(called(winner.competitor, titles) for _, winner in scores if winner)
    said = [f"{name} wins {number}" for name, number in sorted(wins.items(), key=lambda one: (-one[1], one[0]))]
    rest = Counter(verdict for verdict, winner in scores if winner is None)
    said += [f"{number} {TIES.get(verdict, verdict)}" for verdict, number in rest.items()]
    return f"{count(len(cases), 'case')}: {', '.join(said)}." if cases else ""


def title(cases: Sequence[CaseResult], titles: Mapping[str, str]) -> str:
    """Who was compared: `TensorFlow, PyTorch and ONNX Runtime compared`."""
    names = list(dict.fromkeys(called(side.competitor, titles, ()) for case in cases for side in case.sides))
    if any(case.is_self for case in cases):
        names = [name.rpartition(" ")[0] for name in names[:1]]  # less the label
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "Nothing"
    if len(names) == 1 and any(case.is_self for case in cases):
        return f"{listed} compared with itself"
    return f"{listed} compared" if len(names) > 1 else f"{listed} measured"


def rate_text(rate: Mean | None) -> str:
    """`520 ± 40 images/s`."""
    if rate is None:
        return ""
    if rate.low is None or rate.high is None:
        return f"{significant(rate.value, 2)} images/s"
    return with_half_width(rate.value, rate.low, rate.high, "images/s")


def _sentence(case: CaseResult, titles: Mapping[str, str]) -> Words:
    """The outcome in words; the parts that matter most are strong."""
    verdict, winner = score(case)
    found = case.deciding
    if found is None or found.paired is None or verdict is Verdict.NOT_COMPARABLE:
        return _without_ratio(case, verdict, titles)
    shown, slow, fast = turned(found)
    text, interval = ratio_of(shown)
    fastest, second = called(fast.competitor, titles), called(slow.competitor, titles)
    work = VERBS.get(case.case.workload, f"does {clean(case.case.workload, 40)} {{}}").format(group(case.case))
    blocks = count(found.paired.n, "block")
    after = f" as {second}" + (", the second fastest" if len(case.sides) > 2 else "") + f" ({interval}, {blocks})."
    if found.winner and not found.is_self:
        others = [called(side.competitor, titles) for side in case.sides if not side.finished]
        unfinished = "" if winner else f" No side wins the case: {', '.join(others)} did not finish."
        return ((f"{fastest} {work} ", False), (f"{text} times as fast", True), (after + unfinished, False))
    if verdict is Verdict.EQUIVALENT:
        return (
            (f"No difference of {percent(SMALLEST_DIFFERENCE)} or more", True),
            (f" between {fastest} and {second}.", False),
        )
    bounds = interval.replace("–", " to ")
    undecided = f": {fastest} is {bounds} times as fast as {second} ({blocks})." if interval else "."
    said = {
        Verdict.UNDECIDED: "Undecided",
        Verdict.DISTURBED: "No winner, because the machine was disturbed",
        Verdict.FEW_BLOCKS: f"No verdict with fewer than {FEWEST_BLOCKS} blocks",
    }
    return ((said.get(found.verdict, "No winner"), True), (undecided, False))


def _without_ratio(case: CaseResult, verdict: str, titles: Mapping[str, str]) -> Words:
    if case.is_self:
        return ((sentence(case.comparisons[0]).capitalize(), True), (": one program under two labels.", False))
    if verdict is Verdict.NOT_COMPARABLE:
        return (("Not comparable", True), (": the sides did not do the same work.", False))
    unfinished = [called(side.competitor, titles) for side in case.sides if not side.finished]
    if not unfinished:
        return (("Nothing to compare", True), (": the case has one side.", False))
    return (("No winner", True), (f": {', '.join(unfinished)} did not finish.", False))


def _time(case: Case, side: Side) -> str:
    """The compared time, or why there is none."""
    if not side.ok:
        errors = [record.error.kind for record in side.failures if record.error]
        return clean(side.unavailable.kind if side.unavailable else errors[0] if errors else DASH, 40)
    return f"{duration(*geometric_mean(list(side.logs.values()))[:3])} a {UNITS.get(case.workload, 'step')}"


def _speed(case: CaseResult, side: Side, ranking: Sequence[Side]) -> tuple[str, str]:
    """How many times as fast a side is as the slowest side, and the interval; both empty where there is no ratio."""
    if side not in ranking or len(ranking) < 2:
        return "", ""
    if side is ranking[-1]:
        return "1×", BASELINE
    found = case.between(side, ranking[-1])
    text, interval = ("", "") if found.incomparable else ratio_of(found.paired)
    return (f"{text}×", f"{interval}, n {found.paired.n}") if found.paired and text else ("", "")


def _bar(rate: Mean | None, widest: float) -> Interval | None:
    """The bar from 0 to the rate, and the ends of the interval, in per cent of the widest."""
    if rate is None:
        return None
    low, high = rate.ends
    return Interval(
        f"{100 * low / widest:.1f}", f"{100 * (high - low) / widest:.1f}", f"{100 * rate.value / widest:.1f}"
    )
