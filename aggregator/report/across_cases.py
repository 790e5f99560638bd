"""Across cases: the best setting of each competitor, scaling with batch and workers, and families of networks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from aggregator.base.case_names import contest_title, group, parameters
from aggregator.base.competitor_names import called
from aggregator.base.quantities import DASH, count, duration, percent, ratio_and_interval, ratio_of
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
from aggregator.judge.cases import contests
from aggregator.judge.families import SIZES, FamilyRatio, families, planned_blocks
from aggregator.report.answers import incomplete
from aggregator.report.cells import MEAN_NOTE
from aggregator.report.first_screen import IMAGES, rate_text
from aggregator.report.model import Cell, Table, noted
from aggregator.report.tables import setting_cells, setting_columns
from method.compare import ratio
from method.verdict import FEWEST_BLOCKS
from runners.harness.axes import Axis
from runners.harness.case import Case

FASTEST = {"fit": "trains fastest", "export": "exports fastest"}
"""What a sentence says of the peak where a duration is compared."""
CHOSEN = tuple(axis.name for axis in CHOICES)
MOST_LINES = 24
"""Sentences above one table."""
UNKNOWN_WORK = "no ratio: nothing shows that both do the same work"
NO_VERDICT = "; no verdict: the two were not measured side by side"
DISTURBED = "; the machine was disturbed"
FROM_TO = "{} to {}"

Titles = Mapping[str, str]


def across_cases(env: Environment, titles: Titles) -> tuple[Table, ...]:
    """Everything that the cases of an environment show together; nothing where they have no two cases alike."""
    by_contest: defaultdict[tuple[str, str, str], list[CaseResult]] = defaultdict(list)
    for result in contests(env.cases):
        by_contest[result.case.workload, result.case.track, result.case.device].append(result)
    apart, is_adaptive, planned = list(by_contest.values()), adaptive(env), planned_blocks(env)
    kinds: list[list[Table | None]] = [
        [_best_settings(members, titles, is_adaptive) for members in apart],
        *([_scaling(members, axis, titles, is_adaptive) for members in apart] for axis in CHOICES if axis.kind is int),
        [_families(ratios, titles) for members in apart for ratios in families(members, planned)],
    ]
    # The first table of a kind says how to read all of them.
    return tuple(
        replace(table, caption="") if index else table
        for kind in kinds
        for index, table in enumerate(one for one in kind if one)
    )


def _title(what: str, case: Case) -> str:
    """`Best settings: data loading, CPU`."""
    contest = contest_title(case)
    return f"{what}: {contest[:1].lower()}{contest[1:]}, {clean(case.device, 20).upper()}"


def _subjects(case: Case) -> tuple[str, ...]:
    """The axes that a table has always: the case's network or stage."""
    return tuple(name for name in ("network", "stage") if getattr(case, name))


def shortened(lines: Sequence[str]) -> tuple[str, ...]:
    """The first sentences above a table, and how many rows have none."""
    further = len(lines) - MOST_LINES
    return (*lines[:MOST_LINES], *([f"{count(further, 'further row')} of the table."] if further > 0 else []))


def _best_settings(cases: Sequence[CaseResult], titles: Titles, is_adaptive: bool) -> Table | None:
    """For each task a row with the peak of each framework with its loader, and a sentence."""
    asked = [(members, found) for members in tasks(cases) if (found := peaks(members))]
    if not asked:
        return None
    named = setting_columns([members[0] for members, _ in asked], _subjects(cases[0].case), CHOSEN)
    measured = {peak.program for _, found in asked for peak in found}
    planned = dict.fromkeys(program(side) for members, _ in asked for case in members for side in case.sides)
    programs = [one for one in planned if one in measured]
    rows, lines = [], []
    for members, found in asked:
        varied, peak_of = _varied(members), {peak.program: peak for peak in found}
        shown = [_peak_cell(peak_of[one], varied) if one in peak_of else Cell(DASH) for one in programs]
        rows.append((*setting_cells(named, members[0].case), Cell(str(len(members))), *shown))
        task = filter(None, (group(members[0].case), parameters(members[0].case, *CHOSEN)))
        about = f"{', '.join(task)}: " if len(asked) > 1 else ""
        lines.append(about + _sentence(members, found, varied, titles, is_adaptive))
    return Table(
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
        title=_title("Best settings", cases[0].case),
        lines=shortened(lines),
    )


def _called(peak: Peak, titles: Titles) -> str:
    """The framework with its loader, `PyTorch (spdl)`, and the variant if it was chosen among several."""
    return called(peak.best.side.competitor if peak.variants > 1 else peak.program, titles)


def _varied(members: Sequence[CaseResult]) -> list[Axis]:
    """The axes of choice in which the cases of a task differ."""
    return [axis for axis in CHOICES if len({getattr(result.case, axis.name) for result in members}) > 1]


def _chosen(peak: Peak, varied: Sequence[Axis]) -> list[str]:
    """`batch 64`, `8 workers`, `cache on`."""
    case = peak.best.case.case
    return [axis.chosen(value) for axis in varied if (value := getattr(case, axis.name)) is not None]


def _where(peak: Peak, varied: Sequence[Axis]) -> str:
    """` at batch 64, 8 workers and cache on`."""
    words = _chosen(peak, varied)
    return f" at {' and '.join(filter(None, (', '.join(words[:-1]), *words[-1:])))}"


def _speed(setting: Setting) -> str:
    """Images per second; the duration of a whole training or export."""
    return duration(*setting.time[:3]) if setting.case.case.workload in FASTEST else rate_text(setting.rate)


def _peak_cell(peak: Peak, varied: Sequence[Axis]) -> Cell:
    best = peak.best
    value = best.time.value if best.case.case.workload in FASTEST else best.rate.value
    last = [axis.column for axis in varied if axis.kind is int and peak.is_last(axis)]
    variant = [f"variant {clean(best.side.competitor.variant, 40)}"] if peak.variants > 1 else []
    notes = noted(
        f"The largest value of {' and '.join(last)} that was measured; a larger one may be faster." if last else "",
        incomplete(best.side),
        f"{best.side.name}: {clean(best.side.disturbance, 300)}" if best.side.disturbance else "",
    )
    setting = ", ".join([*_chosen(peak, varied), *variant])
    return Cell(_speed(best).replace(f" {IMAGES}", "/s"), f"{setting}, n {best.rate.n}", notes, value)


def _n(found: Ratio) -> str:
    """`n 8 and 7`; `8 blocks` of two that were measured side by side."""
    return count(found.n[0], "block") if found.side_by_side else f"n {' and '.join(map(str, found.n))}"


def _sentence(
    members: Sequence[CaseResult], found: Sequence[Peak], varied: Sequence[Axis], titles: Titles, is_adaptive: bool
) -> str:
    """The highest peak, against the second highest."""
    top, *others = found
    fastest = FASTEST.get(top.best.case.case.workload)
    how, by = (fastest, ", in") if fastest else ("peaks", " with")
    said = f"{_called(top, titles)} {how}{_where(top, varied)}{by} {_speed(top.best)}"
    if not others:
        return f"{said}."
    second = others[0]
    rank = ", the second fastest," if len(others) > 1 else ""
    other = f"{_called(second, titles)}{rank}{_where(second, varied)}"
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
    return f"{said}, {text} times {'as fast as' if fastest else 'the peak of'} {other} ({interval}, {over})."


def _scaling(cases: Sequence[CaseResult], axis: Axis, titles: Titles, is_adaptive: bool) -> Table | None:
    """A row for each group of cases that differ only in `axis`, with a column for each side."""
    groups = [(members, found) for members in along(cases, axis) if (found := scaling(members, axis, is_adaptive))]
    if not groups:
        return None
    named = setting_columns([members[0] for members, _ in groups], _subjects(cases[0].case), (axis.name,))
    sides = {one.side.label: one.side for _, found in groups for one in found}
    rows = []
    for members, found in groups:
        values = [getattr(result.case, axis.name) for result in members]
        ends, of_side = (min(values), max(values)), {one.side.label: one for one in found}
        shown = [_scaling_cell(of_side[label], ends) if label in of_side else Cell(DASH) for label in sides]
        rows.append((*setting_cells(named, members[0].case), Cell(FROM_TO.format(*ends)), *shown))
    return Table(
        caption=(
            f"How many times as high the rate of a competitor is with the largest value of {axis.column} as with the "
            "smallest, with the 95 % interval of two independent means (Welch); n is the number of replicates "
            f"of each. Enough is the smallest value that no larger one beats by {percent(LEVEL)} or more, judged by "
            "the means; it is missing if that is the largest. There is no verdict."
        ),
        columns=(*named, axis.column, *(called(side.competitor, titles) for side in sides.values())),
        rows=tuple(rows),
        labels=len(named) + 1,
        title=_title(f"Scaling with {axis.column}", cases[0].case),
    )


def _scaling_cell(found: Scaling, ends: tuple[int, int]) -> Cell:
    text, interval = ratio_and_interval(found.ratio.value, found.ratio.low, found.ratio.high)
    own = (found.smallest, found.largest)
    more = [FROM_TO.format(*own)] if own != ends else []
    more += [f"{found.enough} is enough"] if found.enough != found.largest else []
    return Cell(f"{text}×", ", ".join([interval, _n(found.ratio), *more]), value=found.ratio.value)


def _families(ratios: Sequence[FamilyRatio], titles: Titles) -> Table:
    """A row and a sentence for each pair of sides in each family."""
    first = ratios[0].cases[0]
    rows, lines = [], []
    for one in ratios:
        text, interval = ratio_of(one.paired)
        fast, slow = (called(side.competitor, titles) for side in (one.fast, one.slow))
        networks = ", ".join(dict.fromkeys(group(case) for case in one.cases))
        number = f"{len(one.cases)} of {one.of}" if len(one.cases) < one.of else str(len(one.cases))
        rows.append(
            (
                Cell(clean(one.family, 60), networks if networks != one.family else ""),
                Cell(f"{fast} compared with {slow}"),
                Cell(f"{text}×", f"{interval}, n {one.paired.n}", value=ratio(one.paired.log_ratio)),
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
    return Table(caption, heads, tuple(rows), 2, title, lines=shortened(lines))


def _family(one: FamilyRatio) -> str:
    """At the start of a sentence; a family of one network has the network's name, which stays as it is."""
    names = {case.network for case in one.cases}
    return clean(one.family if one.family in names else one.family[:1].upper() + one.family[1:], 60)
