"""The first screen of a report: for each case one sentence, and each side's rate with its interval."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from aggregator.base.case_names import digest, group, heading, parameters
from aggregator.base.case_names import title as workload_name
from aggregator.base.competitor_names import called
from aggregator.base.quantities import DASH, count, duration, percent, ratio_of, significant, with_half_width
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.means import Mean, geometric_mean
from aggregator.judge.metrics import items_per_second
from aggregator.judge.sides import Side, ranked
from aggregator.report import hosts
from aggregator.report.answers import ALONE, score, sentence, turned
from aggregator.report.figures.style import Palette
from aggregator.report.model import Interval, Outcome, OutcomeSide, Words
from method.compare import Paired
from method.verdict import DELTA, FEWEST_BLOCKS, SMALLEST_DIFFERENCE, Verdict
from runners.harness.case import Case
from runners.harness.record import Record

VERBS = {
    "train": "trains {}",
    "infer": "runs {}",
    "scale": "trains {}",
    "load": "loads images ({})",
    "fit": "trains {} from disk",
    "export": "exports {}",
}
"""What a competitor does in a case, with the network or the stage."""
BASELINE = "baseline"
IMAGES = "images/s"
UNITS = {"load": "a batch", "fit": "a training", "export": "an export"}
"""What the compared time is the time of, where it is not a step."""
RATES = {"export": "exports/s"}
"""The unit of a rate, where it is not images per second."""
TIES = {Verdict.EQUIVALENT: "tied", Verdict.FEW_BLOCKS: "without a verdict", ALONE: f"with {ALONE}"}
WORK = {"train": "training", "infer": "inference", "scale": "data-parallel training"}
"""What a workload is called in the line below the title, where that is not its name in a sentence."""


def outcome(case: CaseResult, anchor: str, palette: Palette) -> Outcome:
    """A case as the first screen shows it: the fastest side first if the case has one, else the sides by name."""
    ranking = ranked(case.sides)
    rates = {side.label: geometric_mean([math.log(rate) for rate in side.values(items_per_second)]) for side in ranking}
    widest = max((rate.ends[1] for rate in rates.values()), default=1.0)
    winner = score(case)[1]
    is_ranked = _is_ranked(case)
    ordered = sorted(ranking, key=lambda side: 0 if is_ranked else side.name.casefold())
    ordered += [side for side in case.sides if side not in ranking]
    return Outcome(
        digest=digest(case.case),
        anchor=anchor,
        title=f"{heading(case.case.workload)}: {group(case.case)}, {parameters(case.case)}",
        sentence=_sentence(case),
        sides=tuple(
            OutcomeSide(
                name=side.name,
                mark=palette.number(side.name),
                rate=rate_text(rates.get(side.label), RATES.get(case.case.workload, IMAGES)),
                time=_time(case.case, side),
                speed=speed,
                interval=interval,
                bar=_bar(rates.get(side.label), widest),
                is_winner=side is winner,
            )
            for side, (speed, interval) in zip(ordered, _speeds(case, ordered, is_ranked), strict=True)
        ),
        is_won=winner is not None,
    )


def totals(cases: Sequence[CaseResult]) -> str:
    """`5 cases: ONNX Runtime (ort) wins 2, TensorFlow (graph) wins 1, 0 tied, 2 undecided.`"""
    scores = [score(case) for case in cases]
    wins = Counter(winner.name for _, winner in scores if winner)
    said = [f"{name} wins {number}" for name, number in sorted(wins.items(), key=lambda one: (-one[1], one[0]))]
    rest = Counter(verdict for verdict, winner in scores if winner is None)
    said += [f"{number} {TIES.get(verdict, verdict)}" for verdict, number in rest.items()]
    return f"{count(len(cases), 'case')}: {', '.join(said)}." if cases else ""


def title(cases: Sequence[CaseResult], titles: Mapping[str, str]) -> str:
    """Who was compared: `TensorFlow, PyTorch and ONNX Runtime compared`."""
    sides = [side for case in cases for side in case.sides]
    names = list(dict.fromkeys(called(side.competitor.without_alias, titles, ()) for side in sides))
    if len(names) == 1:
        return f"{names[0]} compared with itself" if any(case.is_self for case in cases) else f"{names[0]} measured"
    return f"{_listed(names)} compared" if names else "Nothing compared"


def work(cases: Sequence[CaseResult]) -> str:
    """What was measured: `Training, inference and data loading`."""
    names = dict.fromkeys(WORK.get(case.case.workload) or workload_name(case.case.workload) for case in cases)
    listed = _listed(list(names))
    return listed[:1].upper() + listed[1:]


def versions(records: Iterable[Record], titles: Mapping[str, str]) -> str:
    """The frameworks with their versions: `TensorFlow 2.21.0 · PyTorch 2.14.1`."""
    found = []
    for program, packages in hosts.versions(records).items():
        name = titles.get(program.partition("@")[0]) or program
        package, _, version = packages.rpartition(" ")
        found.append(f"{name} {version}" if version and " " not in package else f"{name} ({packages})")
    return " · ".join(found)


def rate_text(rate: Mean | None, unit: str = IMAGES) -> str:
    """`520 ± 40 images/s`."""
    if rate is None:
        return ""
    if rate.low is None or rate.high is None:
        return f"{significant(rate.value, 2)} {unit}"
    return with_half_width(rate.value, rate.low, rate.high, unit)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _is_ranked(case: CaseResult) -> bool:
    """Whether one side of the case is shown to be faster than the next."""
    found = case.deciding
    return found is not None and found.winner is not None


def _sentence(case: CaseResult) -> Words:
    """The outcome in words; the parts that matter most are strong."""
    verdict, winner = score(case)
    found = case.deciding
    if found is None or found.paired is None or verdict is Verdict.NOT_COMPARABLE:
        return _without_ratio(case, verdict)
    shown, slow, fast = turned(found)
    text, interval = ratio_of(shown)
    work = VERBS.get(case.case.workload, f"does {clean(case.case.workload, 40)} {{}}").format(group(case.case))
    blocks = count(found.paired.n, "block")
    if _is_ranked(case):
        second = ", the second fastest" if len(case.sides) > 2 else ""
        others = [side.name for side in case.sides if not side.finished]
        unfinished = "" if winner else f" No side wins the case: {', '.join(others)} did not finish."
        return (
            (f"{fast.name} {work} ", False),
            (f"{text} times as fast", True),
            (f" as {slow.name}{second} ({interval}, {blocks}).{unfinished}", False),
        )
    bounds = f"{fast.name} is between {interval.replace('–', ' and ')} times as fast as {slow.name} ({blocks})"
    if verdict is Verdict.EQUIVALENT:
        return ((f"No difference of {percent(SMALLEST_DIFFERENCE)} or more", True), (f": {bounds}.", False))
    if found.verdict is Verdict.UNDECIDED and interval:
        bounds += _why_open(found.paired)
    said = {
        Verdict.UNDECIDED: "Undecided",
        Verdict.DISTURBED: "No winner, because the machine was disturbed",
        Verdict.FEW_BLOCKS: f"No verdict with fewer than {FEWEST_BLOCKS} blocks",
    }
    return ((said.get(found.verdict, "No winner"), True), (f": {bounds}." if interval else ".", False))


def _why_open(pair: Paired) -> str:
    """Why a difference is not shown, although the interval excludes equal speed."""
    if pair.low is None or pair.high is None or pair.low <= 0 <= pair.high:
        return ""
    if abs(pair.log_ratio) < DELTA:
        return f", not shown to be {percent(SMALLEST_DIFFERENCE)} apart"
    return "; among all comparisons of this report, chance may explain it"


def _without_ratio(case: CaseResult, verdict: str) -> Words:
    if case.is_self:
        return ((sentence(case.comparisons[0]).capitalize(), True), (": one program under two labels.", False))
    if verdict is Verdict.NOT_COMPARABLE:
        return (("Not comparable", True), (": the sides did not do the same work.", False))
    unfinished = [side.name for side in case.sides if not side.finished]
    if not unfinished:
        return (("Nothing to compare", True), (": the case has one side.", False))
    return (("No winner", True), (f": {', '.join(unfinished)} did not finish.", False))


def _time(case: Case, side: Side) -> str:
    """The compared time, or why there is none."""
    if not side.ok:
        errors = [record.error.kind for record in side.failures if record.error]
        return clean(side.unavailable.kind if side.unavailable else errors[0] if errors else DASH, 40)
    return f"{duration(*geometric_mean(list(side.logs.values()))[:3])} {UNITS.get(case.workload, 'a step')}"


def _speeds(case: CaseResult, sides: Sequence[Side], is_ranked: bool) -> list[tuple[str, str]]:
    """For each side, how many times as fast it is as the case's baseline, and the interval, where there is a ratio."""
    found = [_speed(case, side, is_ranked) for side in sides]
    if any(speed for speed, _ in found):  # a baseline of no ratio says nothing
        found = [("1×", BASELINE) if side is case.reference else said for side, said in zip(sides, found, strict=True)]
    return found


def _speed(case: CaseResult, side: Side, is_ranked: bool) -> tuple[str, str]:
    """A number alone looks like a result, so only sides that are ranked have more than the interval."""
    if 0 < len(side.ok) < FEWEST_BLOCKS:
        return "", f"n {len(side.ok)}: no interval"
    if case.reference is None or side is case.reference:
        return "", ""
    found = case.between(side, case.reference)
    text, interval = ("", "") if found.incomparable else ratio_of(found.paired)
    if found.paired is None or not text:
        return "", ""
    return (f"{text}×", f"{interval}, n {found.paired.n}") if is_ranked else (f"{interval}×", f"n {found.paired.n}")


def _bar(rate: Mean | None, widest: float) -> Interval | None:
    """The bar from 0 to the rate, and the ends of the interval, in per cent of the widest; without one, no width."""
    if rate is None:
        return None
    low, high = rate.ends
    width = "" if rate.low is None else f"{100 * (high - low) / widest:.1f}"
    return Interval(f"{100 * low / widest:.1f}", width, f"{100 * rate.value / widest:.1f}")
