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
from aggregator.published.figure import line_words, lines, place
from aggregator.published.numbers import Numbers, Setting, stored
from aggregator.published.source import MEMORY, TITLES, Source, Value
from aggregator.published.tables import heads, printed_ratio, setting_texts
from aggregator.report.figures.dot_plot import about
from aggregator.report.figures.style import Palette, Row
from aggregator.report.footnotes import Footnotes
from aggregator.report.model import Cell, Figure, Published, Report, Table
from method.compare import ANYTIME, Paired, paired, ratio
from method.pairs import shared_blocks
from method.verdict import FEWEST_BLOCKS, Verdict, before_testing
from runners.harness.case import Case

SAID = (
    "A published number comes from one run and has no interval. Its ratio is never part of a verdict.",
    "Every ratio says how many times as fast one side is as the other. Above 1, the first is the faster one.",
)
OWN_PIXELS = "the sides had their own default settings and delivered different pixels, so no winner is named"


@dataclass(frozen=True)
class Match:
    """A case of ours with a published setting, and two sides: `over` stands for `theirs`, `under` for the baseline."""

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
    known = [result for env in environments for result in env.cases]
    for numbers in stored():
        tables_before = len(tables)
        for index, (part, env) in enumerate(zip(report.parts, environments, strict=True)):
            if found := matches(numbers, env.cases):
                title = ". ".join(text for text in (part.title, TITLES[numbers.source.name]) if text)
                tables += [_ratios(title, numbers, found), *_memory(title, numbers, found)]
                prefix = f"part-{index + 1}-" if len(environments) > 1 else ""
                figures += _figure(prefix, title, numbers, found, known)
        remarks += (_same(numbers.source), *numbers.source.remarks()) if len(tables) > tables_before else ()
    if not tables:
        return report
    return replace(report, published=Published(tuple(tables), (*SAID, *remarks), tuple(figures)))


def matches(numbers: Numbers, cases: Sequence[CaseResult]) -> list[Match]:
    """The cases that have a published setting, with each side of a framework of the source and each of its baseline.

    They have the order of the source. The sides need not be compared elsewhere in the report: no verdict is given here.
    """
    found = []
    for result in sorted(cases, key=natural):
        setting = numbers.source.setting(result.case)
        if setting is None:
            continue
        named = [(numbers.source.theirs(side.competitor), side) for side in result.sides if side.slowdown == 1]
        standing = [(name, side) for name, side in named if name and numbers.cell(setting, name)]
        for under in (side for name, side in standing if name == numbers.baseline):
            for name, over in standing:
                if name != numbers.baseline:
                    found.append(Match(result, setting, name, over, under, _compared(result, over, under)))
    order = {setting: index for index, setting in enumerate(numbers.cells)}
    return sorted(found, key=lambda match: order.get(match.setting, len(order)))


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
    names = [*source.fixed, *source.settings]
    same = ", ".join(dict.fromkeys(heads(names)))
    return f"A case stands beside a published number if these agree: {same}. {source.stands()}"


def _notes(numbers: Numbers, match: Match) -> Iterator[str]:
    """Where our work differs from the source's, and why our ratio allows no verdict."""
    source, found = numbers.source, match.found
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


def _ratios(title: str, numbers: Numbers, found: Sequence[Match]) -> Table:
    """Their ratio and ours, for each pair of sides."""
    notes, values = Footnotes(), [value for value in numbers.source.values if value.ratio]
    entries = []
    for match in found:
        cells = [cell for value in values for cell in _cells(numbers, match, value, notes)]
        entries.append((match, f"{match.name} vs {match.under.name} ({numbers.baseline})", cells))
    named = [f"{value.name}: " if len(values) > 1 else "" for value in values]
    return _table(
        f"{title}. How many times as fast: the published ratio, and ours with its 95 % interval over n blocks.",
        numbers,
        entries,
        [f"{name}{what}" for name in named for what in ("published", "ours")],
        notes.texts,
    )


def _cells(numbers: Numbers, match: Match, value: Value, notes: Footnotes) -> tuple[Cell, Cell]:
    published = numbers.ratio(match.setting, match.theirs, numbers.baseline, value)
    gone = notes.mark(numbers.source.no_number) if published is None else ()
    marks = tuple(number for text in _notes(numbers, match) for number in notes.mark(text))
    ours = match.ratio(value)
    text, interval = ratio_of(ours)
    if ours is None or not text:
        return Cell(printed_ratio(published), "", gone, published), Cell(DASH, "", marks)
    shown = Cell(f"{text}×", f"{interval}, n {ours.n}", marks, ratio(ours.log_ratio))
    return Cell(printed_ratio(published), "", gone, published), shown


def _memory(title: str, numbers: Numbers, found: Sequence[Match]) -> list[Table]:
    """The published memory on a GPU beside ours, if the source has it for a case that ran on a GPU."""
    entries = []
    for match in (match for match in found if match.case.device == "gpu"):
        for theirs, side in ((match.theirs, match.over), (numbers.baseline, match.under)):
            published = (numbers.cell(match.setting, theirs) or {}).get(MEMORY)
            ours = [used / 2**20 for used in side.values(metrics.peak_gpu_memory)]
            middle = statistics.median(ours) if ours else None
            if published is not None:
                mine = Cell(DASH) if middle is None else Cell(f"{middle:.0f}", f"n {len(ours)}", value=middle)
                cells = [Cell(f"{published:.0f}", value=published), mine]
                entries.append((match, f"{side.name} ({theirs})", cells))
    caption = (
        f"{title}. GPU memory. {numbers.source.memory}. Ours is the peak of the process or, where that is unknown, of "
        "its allocator: the median over n replicates."
    )
    return [_table(caption, numbers, entries, ["published, MB", "ours, MiB"])] if entries else []


def _table(
    caption: str,
    numbers: Numbers,
    entries: Sequence[tuple[Match, str, list[Cell]]],
    columns: Sequence[str],
    notes: tuple[str, ...] = (),
) -> Table:
    """A row for each case, labelled with the settings of the source and with those that only ours has.

    An entry has the cells of one case in one group of columns.
    """
    source = numbers.source
    rows: dict[Case, dict[str, list[Cell]]] = {}
    for match, group, cells in entries:
        rows.setdefault(match.case, {})[group] = cells
    groups = list(dict.fromkeys(group for _, group, _ in entries))
    settings = {match.case: match.setting for match, _, _ in entries}
    more = [_others(source, case, [match for match, _, _ in entries]) for case in rows]
    names = [*heads(source.settings), *(["other settings of ours"] if any(more) else [])]
    dashes = [Cell(DASH)] * len(columns)
    made = []
    for (case, row), other in zip(rows.items(), more, strict=True):
        labels = [*setting_texts(numbers, settings[case], source.settings), *([other] if any(more) else [])]
        made.append((*map(Cell, labels), *(cell for group in groups for cell in row.get(group, dashes))))
    return Table(
        caption,
        (*names, *list(columns) * len(groups)),
        tuple(made),
        len(names),
        notes,
        groups=(("", len(names)), *((group, len(columns)) for group in groups)),
        cases=tuple(digest(case) for case in rows),
    )


def _figure(
    prefix: str, title: str, numbers: Numbers, found: Sequence[Match], known: Sequence[CaseResult]
) -> list[Figure]:
    """The published ratio and ours, with its interval, for each case in which both are known.

    Competitors look as they do in the other figures of the report, which has the cases `known`.
    """
    source, value = numbers.source, numbers.source.values[0]
    several = len({match.under.name for match in found}) > 1
    marks = [(one.case.workload, [(side.competitor.framework, side.name) for side in one.sides]) for one in known]
    rows: dict[tuple[str, ...], Row] = {}
    for match in found:
        published, ours = numbers.ratio(match.setting, match.theirs, numbers.baseline, value), match.ratio(value)
        if published is None or ours is None or ours.low is None or ours.high is None:
            continue
        where = place(source, match.setting, (*source.parts, source.panel))
        words, more = line_words(source, match.setting), _others(source, match.case, found)
        mine = [match.over.name, *([f"vs {match.under.name}"] if several else []), *words, more]
        middle, low, high = (ratio(log) for log in (ours.log_ratio, ours.low, ours.high))
        for parts, row in (
            (mine, {"value": middle, "low": low, "high": high, **about(match.result, match.over, middle, low, high)}),
            ([match.theirs, *words, "published"], {**dict.fromkeys(("value", "low", "high"), published), "hollow": 1}),
        ):
            label = clean(", ".join(part for part in parts if part), 60)
            marks.append((match.case.workload, [(match.over.competitor.framework, label)]))
            rows[where["panel"], where["case"], label] = {"hollow": 0, **where, **row, "competitor": label}
    if not rows:
        return []
    axis = f"times as fast as {clean(numbers.baseline, 40)} (log scale)"
    caption = (
        "Hollow marks are published ratios, each from one run. Filled marks are ours, with 95 % intervals over n "
        "blocks. A mark above 1 is faster than the baseline."
    )
    drawn = lines(source, list(rows.values()), axis, Palette(marks), ratios=True)
    return [Figure(f"{prefix}published-{source.name}", f"{title}: published ratios and ours", caption, drawn)]
