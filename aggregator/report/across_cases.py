"""Across cases: the best setting of each competitor, scaling with batch and workers, and families of networks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aggregator.base.case_names import contest_title, group, parameters
from aggregator.base.competitor_names import called
from aggregator.base.quantities import (
    DASH,
    count,
    duration,
    percent,
    ratio_and_interval,
    ratio_of,
    significant,
    with_half_width,
)
from aggregator.base.text import clean
from aggregator.judge.across_cases import (
    CHOICES,
    LEVEL,
    Peak,
    Ratio,
    Scaling,
    Setting,
    adaptive,
    along,
    peaks,
    program,
    ratio_of_peaks,
    scaling,
    tasks,
)
from aggregator.judge.analysis import CaseResult, Environment
from aggregator.judge.cases import by_contest, contests
from aggregator.judge.families import SIZES, FamilyRatio, families, planned_blocks
from aggregator.report.answers import incomplete
from aggregator.report.cells import MEAN_NOTE
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Across, Cell, Table
from aggregator.report.settings import setting_cells, setting_columns
from method.compare import ratio
from method.verdict import FEWEST_BLOCKS
from runners.harness.axes import Axis
from runners.harness.case import Case

FIT = "fit"
CHOSEN = tuple(axis.name for axis in CHOICES)
MOST_LINES = 24
"""Sentences under one table."""
UNKNOWN_WORK = "no ratio: nothing shows that both do the same work"
NO_VERDICT = "; no verdict: the two were not measured side by side"
DISTURBED = "; the machine was disturbed"

Titles = Mapping[str, str]


def across_cases(env: Environment, titles: Titles) -> tuple[Across, ...]:
    """Everything that the cases of an environment show together; nothing where they have no two cases alike."""
    apart, is_adaptive, planned = _contests(env), adaptive(env), planned_blocks(env)
    kinds: list[list[Across | None]] = [[_best_settings(members, titles, is_adaptive) for members in apart]]
    for axis in (axis for axis in CHOICES if axis.kind is int):
        kinds.append([_scaling(members, axis, titles, is_adaptive) for members in apart])
    kinds.append([_families(ratios, titles) for members in apart for ratios in families(members, planned)])
    return tuple(one for kind in kinds for one in _captioned_once([one for one in kind if one]))


def _captioned_once(found: Sequence[Across]) -> list[Across]:
    """Tables of one kind, of which the first says how to read all of them."""
    return [*found[:1], *(replace(one, table=replace(one.table, caption="")) for one in found[1:])]


def _contests(env: Environment) -> list[list[CaseResult]]:
    """The cases of each contest and device."""
    grouped: dict[tuple[int, str], list[CaseResult]] = {}
    for number, members in enumerate(by_contest(contests(env.cases))):
        for case in members:
            grouped.setdefault((number, case.case.device), []).append(case)
    return list(grouped.values())


def _title(what: str, case: Case) -> str:
    """`Best settings: data loading, CPU`."""
    contest = contest_title(case)
    return f"{what}: {contest[:1].lower()}{contest[1:]}, {clean(case.device, 20).upper()}"


def _subjects(case: Case) -> tuple[str, ...]:
    """The axes that a table has always: the case's network or stage."""
    return tuple(name for name in ("network", "stage") if getattr(case, name))


def _best_settings(cases: Sequence[CaseResult], titles: Titles, is_adaptive: bool) -> Across | None:
    """For each task a row with the peak of each framework with its loader, and a sentence."""
    asked = [(members, found) for members in tasks(cases) if (found := peaks(members))]
    if not asked:
        return None
    first = [members[0].case for members, _ in asked]
    named, notes = setting_columns(first, _subjects(first[0]), CHOSEN), Footnotes()
    measured = {peak.program for _, found in asked for peak in found}
    planned = dict.fromkeys(program(side) for members, _ in asked for case in members for side in case.sides)
    programs = [one for one in planned if one in measured]
    rows: list[tuple[Cell, ...]] = []
    lines: list[str] = []
    for members, found in asked:
        varied, peak_of = _varied(members), {peak.program: peak for peak in found}
        shown = [_peak_cell(peak_of[one], varied, notes) if one in peak_of else Cell(DASH) for one in programs]
        rows.append((*setting_cells(named, members[0].case), Cell(str(len(members))), *shown))
        lines.append(_task(members[0].case, len(asked)) + _sentence(members, found, varied, titles, is_adaptive))
    table = Table(
        caption=(
            "The fastest setting in which each competitor was measured: its peak. Variants of a framework count as "
            f"settings. {MEAN_NOTE}. The peak is chosen after the measurement: if several settings are equally fast, "
            "chance decides which of them is the peak, and its rate is a little too high. There is no verdict on peaks "
            "in different cases, because they were not measured side by side: the 95 % interval of their ratio is that "
            "of two independent means (Welch), and n is the number of replicates of each. Peaks in the same case were "
            "measured side by side, and the case has a verdict of its own."
        ),
        columns=(*named, "cases", *(called(one, titles) for one in programs)),
        rows=tuple(rows),
        labels=len(named),
        footnotes=notes.texts,
        title=_title("Best settings", first[0]),
    )
    return Across(_shortened(lines), table)


def _shortened(lines: Sequence[str]) -> tuple[str, ...]:
    further = len(lines) - MOST_LINES
    return (*lines[:MOST_LINES], *([f"{count(further, 'further row')} of the table."] if further > 0 else []))


def _task(case: Case, tasks: int) -> str:
    """What is to be done, where a table has several tasks: `resnet18, 224 px: `."""
    return f"{', '.join(filter(None, (group(case), parameters(case, *CHOSEN))))}: " if tasks > 1 else ""


def _program(peak: Peak, titles: Titles) -> str:
    """The framework with its loader: `PyTorch (spdl)`."""
    return called(peak.program, titles)


def _best(peak: Peak, titles: Titles) -> str:
    """The same, with the variant if it was chosen among several: `PyTorch (compile)`."""
    return called(peak.best.side.competitor, titles) if peak.variants > 1 else _program(peak, titles)


def _varied(members: Sequence[CaseResult]) -> list[Axis]:
    """The axes of choice in which the cases of a task differ."""
    return [axis for axis in CHOICES if len({getattr(result.case, axis.name) for result in members}) > 1]


def _setting(peak: Peak, varied: Sequence[Axis]) -> str:
    """`batch 64, 8 workers, cache on`, and the variant if several were measured."""
    case, variant = peak.best.case.case, peak.best.side.competitor.variant
    return ", ".join([*_chosen(case, varied), *([f"variant {clean(variant, 40)}"] if peak.variants > 1 else [])])


def _chosen(case: Case, varied: Sequence[Axis]) -> list[str]:
    return [axis.chosen(value) for axis in varied if (value := getattr(case, axis.name)) is not None]


def _where(peak: Peak, varied: Sequence[Axis]) -> str:
    """` at batch 64, 8 workers and cache on`."""
    words = _chosen(peak.best.case.case, varied)
    return f" at {' and '.join(filter(None, (', '.join(words[:-1]), *words[-1:])))}"


def _speed(setting: Setting) -> str:
    """Images per second; the training's duration for `fit`."""
    if setting.case.case.workload == FIT:
        return duration(*setting.time[:3])
    rate = setting.rate
    if rate.low is None or rate.high is None:
        return f"{significant(rate.value, 2)} images/s"
    return with_half_width(rate.value, rate.low, rate.high, "images/s")


def _peak_cell(peak: Peak, varied: Sequence[Axis], notes: Footnotes) -> Cell:
    best = peak.best
    value = best.time.value if best.case.case.workload == FIT else best.rate.value
    last = [axis.column for axis in varied if axis.kind is int and peak.is_last(axis)]
    said = (
        f"The largest value of {' and '.join(last)} that was measured; a larger one may be faster." if last else "",
        incomplete(best.side),
        f"{best.side.name}: {clean(best.side.disturbance, 300)}" if best.side.disturbance else "",
    )
    marks = tuple(number for text in said for number in notes.mark(text))
    speed = _speed(best).replace(" images/s", "/s")
    return Cell(speed, f"{_setting(peak, varied)}, n {best.rate.n}", marks, _short(value))


def _short(value: float) -> float:
    """To sort by: more digits would only take space in the page."""
    return float(f"{value:.4g}")


def _n(found: Ratio) -> str:
    """`n 8 and 7`; `8 blocks` of two that were measured side by side."""
    return count(found.n[0], "block") if found.side_by_side else f"n {' and '.join(map(str, found.n))}"


def _sentence(
    members: Sequence[CaseResult], found: Sequence[Peak], varied: Sequence[Axis], titles: Titles, is_adaptive: bool
) -> str:
    """The highest peak, against the second highest."""
    top, *others = found
    is_fit = top.best.case.case.workload == FIT
    how, by = ("trains fastest", ", in") if is_fit else ("peaks", " with")
    said = f"{_best(top, titles)} {how}{_where(top, varied)}{by} {_speed(top.best)}"
    if not others:
        return f"{said}."
    second = others[0]
    rank = ", the second fastest," if len(others) > 1 else ""
    other = f"{_best(second, titles)}{rank}{_where(second, varied)}"
    compared = ratio_of_peaks(members, top, second, is_adaptive)
    if compared is None:
        return f"{said}, {other}{by} {_speed(second.best)} ({UNKNOWN_WORK})."
    text, interval = ratio_and_interval(compared.value, compared.low, compared.high)
    over = _n(compared) + ("" if compared.side_by_side else NO_VERDICT)
    if top.best.side.disturbance or second.best.side.disturbance:
        over += DISTURBED
    if compared.low <= 1:
        bounds = interval.replace(DASH, " to ")
        return (
            f"{said}, {other}{by} {_speed(second.best)}. Which of the two is faster is open: the first is {bounds} "
            f"times as fast ({over})."
        )
    return f"{said}, {text} times {'as fast as' if is_fit else 'the peak of'} {other} ({interval}, {over})."


def _scaling(cases: Sequence[CaseResult], axis: Axis, titles: Titles, is_adaptive: bool) -> Across | None:
    """A row for each group of cases that differ only in `axis`, with a column for each side."""
    groups = [(members, found) for members in along(cases, axis) if (found := scaling(members, axis, is_adaptive))]
    if not groups:
        return None
    first = [members[0].case for members, _ in groups]
    named = setting_columns(first, _subjects(first[0]), (axis.name,))
    sides = {one.side.label: one.side for _, found in groups for one in found}
    rows = []
    for members, found in groups:
        values = [getattr(result.case, axis.name) for result in members]
        ends, of_side = (min(values), max(values)), {one.side.label: one for one in found}
        shown = [_scaling_cell(of_side[label], ends) if label in of_side else Cell(DASH) for label in sides]
        rows.append((*setting_cells(named, members[0].case), Cell(_from_to(*ends)), *shown))
    table = Table(
        caption=(
            f"How many times as many images per second a competitor reaches with the largest value of {axis.column} as "
            "with the smallest, with the 95 % interval of two independent means (Welch); n is the number of replicates "
            f"of each. Enough is the smallest value that no larger one beats by {percent(LEVEL)} or more, judged by "
            "the means; it is missing if that is the largest. There is no verdict."
        ),
        columns=(*named, axis.column, *(called(side.competitor, titles) for side in sides.values())),
        rows=tuple(rows),
        labels=len(named) + 1,
        title=_title(f"Scaling with {axis.column}", first[0]),
    )
    return Across((), table)


def _scaling_cell(found: Scaling, ends: tuple[int, int]) -> Cell:
    text, interval = ratio_and_interval(found.ratio.value, found.ratio.low, found.ratio.high)
    own = (found.smallest, found.largest)
    more = [_from_to(*own)] if own != ends else []
    more += [f"{found.enough} is enough"] if found.enough != found.largest else []
    return Cell(f"{text}×", ", ".join([interval, _n(found.ratio), *more]), value=_short(found.ratio.value))


def _from_to(smallest: int, largest: int) -> str:
    return f"{smallest} to {largest}"


def _families(ratios: Sequence[FamilyRatio], titles: Titles) -> Across:
    """A row and a sentence for each pair of sides in each family."""
    first = ratios[0].cases[0]
    rows = []
    lines = []
    for one in ratios:
        text, interval = ratio_of(one.paired)
        fast, slow = (called(side.competitor, titles) for side in (one.fast, one.slow))
        networks = ", ".join(dict.fromkeys(group(case) for case in one.cases))
        number = f"{len(one.cases)} of {one.of}" if len(one.cases) < one.of else str(len(one.cases))
        rows.append(
            (
                Cell(clean(one.family, 60), networks if networks != one.family else ""),
                Cell(f"{fast} compared with {slow}"),
                Cell(f"{text}×", f"{interval}, n {one.paired.n}", value=_short(ratio(one.paired.log_ratio))),
                Cell(number),
            )
        )
        over = f"geometric mean of {count(len(one.cases), 'case')} over {count(one.paired.n, 'block')}"
        low = one.paired.low
        if low is not None and low > 0:
            lines.append(f"{_family(one)}: {fast} is {text} times as fast as {slow} ({interval}; {over}).")
        else:
            bounds = interval.replace(DASH, " to ")
            lines.append(
                f"{_family(one)}: which is faster is open. {fast} is {bounds} times as fast as {slow} ({over})."
            )
    caption = (
        "How many times as fast one side is as the other in a family of networks: the geometric mean over its cases, "
        "with the 95 % interval over n blocks. In each block the logs of the ratios are averaged over the cases; the "
        "interval follows from the scatter of these means. Only blocks count that were planned beforehand and that "
        "all cases have. Cases are left out if the sides cannot be compared there, were disturbed or have fewer than "
        f"{FEWEST_BLOCKS} such blocks. The mean is no verdict. It is about these cases, not about other networks."
    )
    rest = parameters(first, *SIZES, *CHOSEN)
    title = f"{_title('Families of networks', first)}{rest and f', {rest}'}"
    heads = ("family", "compared", "times as fast", "cases")
    return Across(_shortened(lines), Table(caption, heads, tuple(rows), 2, title=title))


def _family(one: FamilyRatio) -> str:
    """At the start of a sentence; a family of one network has the network's name, which stays as it is."""
    names = {case.network for case in one.cases}
    return clean(one.family if one.family in names else one.family[:1].upper() + one.family[1:], 60)
