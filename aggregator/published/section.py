"""The section of a report that sets its ratios beside published ratios, in the shape of each source."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aggregator.base.case_names import digest, parameters
from aggregator.base.quantities import DASH, ratio_of
from aggregator.base.text import clean
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult, Comparison, Environment, compare_sides
from aggregator.judge.cases import natural
from aggregator.judge.sides import Side
from aggregator.published.numbers import Numbers, Setting, stored
from aggregator.published.source import MEMORY, TITLES, Source, Value, column, shown
from aggregator.published.tables import Column, ratio_cell, table_of
from aggregator.report.build import palette_of
from aggregator.report.figures.axes import ratios
from aggregator.report.figures.dot_plot import dot_plot, row_of
from aggregator.report.figures.style import Palette, Row
from aggregator.report.model import Cell, Figure, Published, Report, Table, noted
from method.compare import ANYTIME, Paired, paired, ratio
from method.pairs import shared_blocks
from method.verdict import FEWEST_BLOCKS, Verdict, before_testing
from runners.harness.case import Case

SAID = (
    "A published number comes from one run and has no interval. Its ratio is never part of a verdict.",
    "Every ratio says how many times as fast one side is as the other. Above 1, the first is the faster one.",
)
OWN_PIXELS = "the sides had their own default settings and delivered different pixels, so no winner is named"
COMPARED = "Published ratios and ours"
Cells = dict[tuple[str, str], dict[Case, Cell]]
"""Cells by group and heading of their column, and by case."""


@dataclass(frozen=True)
class Match:
    """A case of ours with a published setting, and two sides: `over` stands for `theirs`, `under` for the baseline."""

    numbers: Numbers
    result: CaseResult
    setting: Setting
    theirs: str
    over: Side
    under: Side
    found: Comparison

    @property
    def case(self) -> Case:
        """The case."""
        return self.result.case

    @property
    def name(self) -> str:
        """Our side and the framework that it stands for."""
        return f"{self.over.name} ({self.theirs})"

    @property
    def verdict(self) -> Verdict | None:
        """Why our ratio allows no verdict; None where it does."""
        return before_testing(self.found.paired, bool(self.found.incomparable), bool(self.found.disturbed))

    def published(self, value: Value) -> float:
        """Their ratio; NaN where a number is missing."""
        return float(self.numbers.ratios(self.theirs, self.numbers.baseline, value)[self.setting])

    def ratio(self, value: Value) -> Paired | None:
        """How many times as fast `over` is as `under`; None if the sides did different work."""
        if self.found.incomparable or self.found.paired is None or not value.stage:
            return None if self.found.incomparable else self.found.paired
        seconds = metrics.stage(value.stage)
        blocks = [(self.over.ok[n], self.under.ok[n]) for n in shared_blocks([self.over.logs, self.under.logs])]
        times = [(seconds(over), seconds(under)) for over, under in blocks]
        logs = [math.log(under / over) for over, under in times if over and under]
        return paired(logs, self.found.paired.design) if logs else None


def with_published(report: Report, environments: Sequence[Environment]) -> Report:
    """The report with this section, if a case of it has a published setting and sides that stand for the source's."""
    tables: list[Table] = []
    figures: list[Figure] = []
    remarks: list[str] = []
    palette = palette_of(environments)
    for numbers in stored():
        tables_before = len(tables)
        for index, (part, env) in enumerate(zip(report.parts, environments, strict=True)):
            if found := matches(numbers, env.cases):
                title = ". ".join(text for text in (part.title, TITLES[numbers.source.name]) if text)
                tables += [_ratios(title, found), *_memory(title, found)]
                prefix = f"part-{index + 1}-" if len(environments) > 1 else ""
                figures += _figure(prefix, title, found, palette)
        remarks += (_same(numbers.source), *numbers.source.remarks()) if len(tables) > tables_before else ()
    if not tables:
        return report
    return replace(report, published=Published(tuple(tables), (*SAID, *remarks), tuple(figures)))


def matches(numbers: Numbers, cases: Sequence[CaseResult]) -> list[Match]:
    """The cases that have a published setting, with each side of a framework of the source and each of its baseline.

    They have the order of the source. The sides need not be compared elsewhere in the report: no verdict is given here.
    A missing published number is shown if the source says why it is missing.
    """
    source, found = numbers.source, []
    places = {setting: place for place, setting in enumerate(numbers.settings)}
    for result in sorted(cases, key=natural):
        setting = source.setting(result.case)
        if setting is None or setting not in places:
            continue
        named = [
            (name, side) for side in result.sides if side.slowdown == 1 and (name := source.theirs(side.competitor))
        ]
        for under in (side for name, side in named if name == numbers.baseline):
            for name, over in named:
                match = Match(numbers, result, setting, name, over, under, _compared(result, over, under))
                if name != numbers.baseline and (source.no_number or not math.isnan(match.published(source.values[0]))):
                    found.append(match)
    return sorted(found, key=lambda match: places[match.setting])


def _compared(result: CaseResult, over: Side, under: Side) -> Comparison:
    """The two sides, so that the ratio says how many times as fast `over` is.

    Other settings than the matched ones are no reason against a ratio here: the source compared such work too.
    """
    design = next((one.paired.design for one in result.comparisons if one.paired), ANYTIME)
    return compare_sides(replace(result.case, track="matched"), over, under, design)


def _others(source: Source, case: Case, found: Sequence[Match]) -> str:
    """The settings of a case that the source's tables do not have, unless all cases and the source agree on them."""
    cases = [match.case for match in found]
    agreed = [name for name, theirs in source.noted.items() if all(getattr(one, name) == theirs for one in cases)]
    data = case.dataset.id if case.dataset and len({one.dataset for one in cases}) > 1 else ""
    more = (parameters(case, *source.fixed, *source.settings, *agreed), clean(data, 40))
    return ", ".join(text for text in more if text)


def _same(source: Source) -> str:
    same = ", ".join(dict.fromkeys(map(column, (*source.fixed, *source.settings))))
    return f"A case stands beside a published number if these agree: {same}. {source.stands()}"


def _notes(match: Match) -> Iterator[str]:
    """Where our work differs from the source's, and why our ratio allows no verdict."""
    source, found = match.numbers.source, match.found
    for name, theirs in source.noted.items():
        ours = getattr(match.case, name)
        if ours != theirs:
            yield f"{name}: the source has {theirs}, we have {clean(str(ours or DASH), 40)}"
    if source.images:
        records = [record for side in (match.over, match.under) for record in side.ok.values()]
        images = sorted({record.samples.items_per_step for record in records if record.samples})
        if images != [source.images]:
            had = " or ".join(map(str, images)) or DASH
            yield f"images per epoch: the source has {source.images}, we have {had}"
    if match.verdict is Verdict.FEW_BLOCKS:
        yield f"ours has fewer than {FEWEST_BLOCKS} blocks"
    elif match.verdict is not None:
        reason = found.incomparable or found.disturbed or "no block that both sides finished"
        yield f"ours is {match.verdict}: {clean(reason, 300)}"
    elif match.case.track != "matched":
        yield OWN_PIXELS


def _ratios(title: str, found: Sequence[Match]) -> Table:
    """Their ratio and ours, for each pair of sides."""
    numbers, cells = found[0].numbers, Cells()
    values = [value for value in numbers.source.values if value.ratio]
    for match in found:
        group = f"{match.name} vs {match.under.name} ({numbers.baseline})"
        for value in values:
            named = f"{value.name}: " if len(values) > 1 else ""
            published, ours = _cells(match, value)
            cells.setdefault((group, f"{named}published"), {})[match.case] = published
            cells.setdefault((group, f"{named}ours"), {})[match.case] = ours
    caption = f"{title}. How many times as fast: the published ratio, and ours with its 95 % interval over n blocks."
    return _table(caption, found, cells)


def _cells(match: Match, value: Value) -> tuple[Cell, Cell]:
    published = ratio_cell(match.published(value))
    if published.value is None:
        published = replace(published, notes=noted(match.numbers.source.no_number))
    notes, ours = tuple(_notes(match)), match.ratio(value)
    text, interval = ratio_of(ours)
    if ours is None or not text:
        return published, Cell(DASH, "", notes)
    return published, Cell(f"{text}×", f"{interval}, n {ours.n}", notes, ratio(ours.log_ratio))


def _memory(title: str, found: Sequence[Match]) -> list[Table]:
    """The published memory on a GPU beside ours, if the source has it for a case that ran on a GPU."""
    numbers, cells = found[0].numbers, Cells()
    for match in (match for match in found if numbers.source.memory and match.case.device == "gpu"):
        for theirs, side in ((match.theirs, match.over), (numbers.baseline, match.under)):
            published = float(numbers.table[MEMORY, theirs][match.setting])
            ours = [used / 2**20 for used in side.values(metrics.peak_gpu_memory)]
            middle = statistics.median(ours) if ours else None
            if not math.isnan(published):
                mine = Cell(DASH) if middle is None else Cell(f"{middle:.0f}", f"n {len(ours)}", value=middle)
                group = f"{side.name} ({theirs})"
                cells.setdefault((group, "published, MB"), {})[match.case] = Cell(f"{published:.0f}", value=published)
                cells.setdefault((group, "ours, MiB"), {})[match.case] = mine
    caption = (
        f"{title}. GPU memory. {numbers.source.memory}. Ours is the peak of the process or, where that is unknown, of "
        "its allocator: the median over n replicates."
    )
    return [_table(caption, found, cells)] if cells else []


def _table(caption: str, found: Sequence[Match], cells: Cells) -> Table:
    """A row for each case that has a cell, with the settings of the source and those that only ours has."""
    source = found[0].numbers.source
    told = [match for match in found if any(match.case in column for column in cells.values())]
    settings = {match.case: match.setting for match in told}
    more = [_others(source, case, told) for case in settings]
    columns = [
        Column("", column(name), [Cell(shown(name, text)) for text in texts])
        for name, texts in zip(source.settings, zip(*settings.values(), strict=True), strict=True)
    ]
    columns += [Column("", "other settings of ours", list(map(Cell, more)))] if any(more) else []
    labels = len(columns)
    for (group, head), members in cells.items():
        columns.append(Column(group, head, [members.get(case, Cell(DASH)) for case in settings]))
    return table_of(caption, columns, labels, tuple(map(digest, settings)))


def _figure(prefix: str, title: str, found: Sequence[Match], palette: Palette) -> list[Figure]:
    """The published ratio and ours, with its interval, for each case in which both are known."""
    numbers, value = found[0].numbers, found[0].numbers.source.values[0]
    several = len({match.under.name for match in found}) > 1
    rows: list[Row] = []
    for match in found:
        published, ours = match.published(value), match.ratio(value)
        if math.isnan(published) or ours is None or ours.low is None or ours.high is None:
            continue
        for hollow, logs in ((False, (ours.log_ratio, ours.low, ours.high)), (True, [math.log(published)] * 3)):
            row = row_of(match.result, match.over, *map(ratio, logs))
            case = f"{row['case']}, vs {match.under.name}" if several else row["case"]
            panel = f"{row['panel']}, {clean(match.case.device, 20).upper()}"
            rows.append({**row, "workload": COMPARED, "panel": panel, "case": case, "hollow": hollow})
    if not rows:
        return []
    axis = f"times as fast as {clean(numbers.baseline, 40)} (log scale)"
    caption = (
        "Hollow marks are published ratios, each from one run. Filled marks are ours, with 95 % intervals over n "
        "blocks. A mark above 1 is faster than the baseline."
    )
    ticks = ratios([row[end] for row in rows for end in ("low", "high")])
    return [dot_plot(f"{prefix}published-{numbers.source.name}", title, caption, rows, ticks, axis, palette)]
