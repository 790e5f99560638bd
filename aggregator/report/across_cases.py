"""Across cases: the best setting of each competitor, scaling with batch and workers, and families of networks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aggregator.base.case_names import contest_title, digest, group, parameters
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
    SIZES,
    FamilyRatio,
    Peak,
    Ratio,
    Scaling,
    Setting,
    adaptive,
    along,
    families,
    peaks,
    planned_blocks,
    ratio_of_peaks,
    scaling,
    tasks,
)
from aggregator.judge.analysis import CaseResult, Environment
from aggregator.judge.cases import by_contest, contests
from aggregator.report.answers import incomplete
from aggregator.report.first_screen import readable
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Across, Cell, Table
from aggregator.report.settings import setting_cells, setting_columns
from method.verdict import FEWEST_BLOCKS
from runners.harness.axes import Axis
from runners.harness.case import Case

FIT = "fit"
CHOSEN = tuple(axis.name for axis in CHOICES)
MOST_LINES = 24
"""Sentences under one table."""
UNKNOWN_WORK = "no ratio: nothing shows that both do the same work"
NO_VERDICT = "; no verdict: the two were not measured side by side"

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
    """A row for the peak of each framework with its loader in each task, and a sentence for each task."""
    asked = [(members, found) for members in tasks(cases) if (found := peaks(members))]
    if not asked:
        return None
    first = [members[0].case for members, _ in asked]
    named, notes = setting_columns(first, _subjects(first[0]), CHOSEN), Footnotes()
    rows: list[tuple[Cell, ...]] = []
    digests: list[str] = []
    lines: list[str] = []
    for members, found in asked:
        varied = _varied(members)
        for peak in found:
            times = _times_cell(members, peak, found[-1], is_adaptive)
            name = (*setting_cells(named, members[0].case), Cell(_program(peak, titles)))
            tried = Cell(str(len(peak.tried)), value=len(peak.tried))
            rows.append((*name, _setting_cell(peak, varied), tried, _speed_cell(peak, notes), times))
            digests.append(digest(peak.best.case.case))
        lines.append(_task(members[0].case, len(asked)) + _sentence(members, found, varied, titles, is_adaptive))
    is_fit = first[0].workload == FIT
    heads = ("competitor", "best setting", "settings measured", "training time" if is_fit else "images/s")
    table = Table(
        caption=(
            "The fastest setting in which each competitor was measured: its peak. Variants of a framework count as "
            "settings. The peak is chosen after the measurement: if several settings are equally fast, chance decides "
            "which of them is the peak, and its rate is a little too high. The last column says how many times as fast "
            "a competitor is as the slowest one of the same task, each at its peak, with the 95 % interval. There is "
            "no verdict, because peaks in different cases were not measured side by side: the interval is that of two "
            "independent means (Welch), and n is the number of replicates of each. Peaks in the same case were "
            "measured side by side: n is then the number of blocks, and the case has a verdict of its own."
        ),
        columns=(*named, *heads, "times as fast"),
        rows=tuple(rows),
        labels=len(named) + 2,
        footnotes=notes.texts,
        title=_title("Best settings", first[0]),
        cases=tuple(digests),
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
    return readable(replace(peak.best.side.competitor, variant=""), titles)


def _best(peak: Peak, titles: Titles) -> str:
    """The same, with the variant if it was chosen among several: `PyTorch (compile)`."""
    return readable(peak.best.side.competitor, titles) if peak.variants > 1 else _program(peak, titles)


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


def _setting_cell(peak: Peak, varied: Sequence[Axis]) -> Cell:
    last = [axis.column for axis in varied if axis.kind is int and peak.is_last(axis)]
    return Cell(_setting(peak, varied), f"largest value of {' and '.join(last)}" if last else "")


def _speed(setting: Setting) -> str:
    """Images per second; the training's duration for `fit`."""
    if setting.case.case.workload == FIT:
        return duration(*setting.time[:3])
    rate = setting.rate
    if rate.low is None or rate.high is None:
        return f"{significant(rate.value, 2)} images/s"
    return with_half_width(rate.value, rate.low, rate.high, "images/s")


def _speed_cell(peak: Peak, notes: Footnotes) -> Cell:
    best = peak.best
    value = best.time.value if best.case.case.workload == FIT else best.rate.value
    said = (incomplete(best.side), best.side.disturbance and f"{best.side.name}: {clean(best.side.disturbance, 300)}")
    marks = tuple(number for text in said for number in notes.mark(text or ""))
    return Cell(_speed(best).removesuffix(" images/s"), f"n {best.rate.n}", marks, value)


def _times_cell(members: Sequence[CaseResult], peak: Peak, slowest: Peak, is_adaptive: bool) -> Cell:
    if peak is slowest:
        return Cell("1×", "baseline", value=1.0)
    found = ratio_of_peaks(members, peak, slowest, is_adaptive)
    if found is None:
        return Cell(DASH)
    text, interval = ratio_and_interval(found.value, found.low, found.high)
    return Cell(f"{text}×", f"{interval}, {_n(found)}", value=found.value)


def _n(found: Ratio) -> str:
    """`n 8 and 7`; `n 8` for blocks."""
    return f"n {' and '.join(map(str, found.n))}"


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
    if compared.low <= 1:
        bounds = interval.replace(DASH, " to ")
        return (
            f"{said}, {other}{by} {_speed(second.best)}. Which of the two is faster is open: the first is {bounds} "
            f"times as fast ({over})."
        )
    return f"{said}, {text} times {'as fast as' if is_fit else 'the peak of'} {other} ({interval}, {over})."


def _scaling(cases: Sequence[CaseResult], axis: Axis, titles: Titles, is_adaptive: bool) -> Across | None:
    """A row for each side of each group of cases that differ only in `axis`."""
    groups = [(members, found) for members in along(cases, axis) if (found := scaling(members, axis, is_adaptive))]
    if not groups:
        return None
    first = [members[0].case for members, _ in groups]
    named, rows = setting_columns(first, _subjects(first[0]), (axis.name,)), []
    digests = []
    for members, found in groups:
        name = setting_cells(named, members[0].case)
        rows += [(*name, Cell(readable(one.side.competitor, titles)), *_scaling_cells(one)) for one in found]
        digests += [digest(members[0].case) for _ in found]
    column = axis.column
    table = Table(
        caption=(
            f"How many times as many images per second a competitor reaches with the largest value of {column} as with "
            "the smallest, with the 95 % interval of two independent means (Welch); n is the number of replicates of "
            f"each. The last column has the value from which on no larger one brings {percent(LEVEL)} more, judged by "
            "the means. There is no verdict."
        ),
        columns=(*named, "competitor", column, "times as many images/s", "levels off at"),
        rows=tuple(rows),
        labels=len(named) + 2,
        title=_title(f"Scaling with {column}", first[0]),
        cases=tuple(digests),
    )
    return Across((), table)


def _scaling_cells(found: Scaling) -> tuple[Cell, ...]:
    text, interval = ratio_and_interval(found.ratio.value, found.ratio.low, found.ratio.high)
    enough = Cell(str(found.enough), value=found.enough)
    if found.enough == found.largest:
        enough = Cell(DASH, "the largest is faster still")
    return (
        Cell(f"{found.smallest} to {found.largest}", value=found.largest / max(1, found.smallest)),
        Cell(f"{text}×", f"{interval}, {_n(found.ratio)}", value=found.ratio.value),
        enough,
    )


def _families(ratios: Sequence[FamilyRatio], titles: Titles) -> Across:
    """A row and a sentence for each pair of sides in each family."""
    first = ratios[0].cases[0]
    rows = []
    lines = []
    for one in ratios:
        text, interval = ratio_of(one.paired)
        fast, slow = (readable(side.competitor, titles) for side in (one.fast, one.slow))
        networks = ", ".join(dict.fromkeys(group(case) for case in one.cases))
        number = f"{len(one.cases)} of {one.of}" if len(one.cases) < one.of else str(len(one.cases))
        rows.append(
            (
                Cell(clean(one.family, 60), networks if networks != one.family else ""),
                Cell(f"{fast} compared with {slow}"),
                Cell(f"{text}×", interval, value=float(text)),
                Cell(number, value=len(one.cases)),
                Cell(str(one.paired.n)),
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
        "with the 95 % interval over blocks. In each block the logs of the ratios are averaged over the cases; the "
        "interval follows from the scatter of these means. Only blocks count that were planned beforehand and that "
        "all cases have. Cases are left out if the sides cannot be compared there, were disturbed or have fewer than "
        f"{FEWEST_BLOCKS} such blocks. The mean is no verdict. It is about these cases, not about other networks."
    )
    rest = parameters(first, *SIZES, *CHOSEN)
    title = f"{_title('Families of networks', first)}{rest and f', {rest}'}"
    heads = ("family", "compared", "times as fast", "cases", "blocks")
    return Across(_shortened(lines), Table(caption, heads, tuple(rows), 2, title=title))


def _family(one: FamilyRatio) -> str:
    """At the start of a sentence; a family of one network has the network's name, which stays as it is."""
    names = {case.network for case in one.cases}
    return clean(one.family if one.family in names else one.family[:1].upper() + one.family[1:], 60)
