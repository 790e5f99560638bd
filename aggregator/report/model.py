"""The report as frozen text and drawings. Templates lay it out and compute nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property


def noted(*notes: str) -> tuple[str, ...]:
    """The notes of a cell, less those that say nothing."""
    return tuple(filter(None, notes))


def numbered(notes: Iterable[str]) -> dict[str, int]:
    """Notes with their numbers, in the order in which they are first needed; the same note has one number."""
    return {note: number for number, note in enumerate(dict.fromkeys(notes), 1)}


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a detail in small print (n), its notes, which stand under the table.

    `value` is the number of the text in seconds, bytes, images per second or a fraction: columns are sorted by it.
    `side` names the competitor whose compared time the cell shows: the page can give it relative to another's.
    `link` is the place of the page that the text leads to, and `mark` the number of the mark before it.
    """

    text: str
    detail: str = ""
    notes: tuple[str, ...] = ()
    value: float | None = None
    side: str = ""
    link: str = ""
    mark: int | None = None


@dataclass(frozen=True)
class Table:
    """A table in print: the first `labels` columns name the row, the others hold numbers.

    `groups` are headings above the columns, each with how many it spans; none where every column stands for itself.
    `cases` has the digest of each row's case (see words.digest); none where rows are about something else. `lines` are
    sentences above the table.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    labels: int = 1
    title: str = ""
    groups: tuple[tuple[str, int], ...] = ()
    cases: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    @cached_property
    def notes(self) -> dict[str, int]:
        """The notes of all cells with their numbers."""
        return numbered(note for row in self.rows for cell in row for note in cell.notes)


@dataclass(frozen=True)
class Panel:
    """One panel of a figure: its heading, and its SVG with a title for a reader who cannot see it.

    `cases` has the digests of its cases where its marks do not name them.
    """

    heading: str
    svg: str
    cases: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True)
class Figure:
    """One drawing: file name without suffix, title, caption, the SVG.

    The page shows the `panels`, as many beside each other as it has room for, where a figure has any. `legend` has
    each competitor with the number of its mark; it is empty where the marks have their names beside them.
    """

    name: str
    title: str
    caption: str
    svg: str
    panels: tuple[Panel, ...] = ()
    legend: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Interval:
    """A mark and its interval on the small axis of the answers, in per cent of the width of the axis."""

    low: str
    width: str
    middle: str


@dataclass(frozen=True)
class Answer:
    """One comparison in one line. `ratio` is empty where none may be shown.

    `anchor` is empty where the case is not told by itself.
    """

    case: str
    digest: str
    anchor: str
    kind: str
    verdict: str
    compared: str
    ratio: str
    interval: str
    blocks: str
    notes: tuple[str, ...] = ()
    mark: Interval | None = None
    value: float | None = None
    """The ratio as a number, where it is shown."""


Words = tuple[tuple[str, bool], ...]
"""A sentence in parts; the parts with True are strong."""


@dataclass(frozen=True)
class OutcomeSide:
    """One side of a case on the first screen: its rate and time, and how many times as fast it is as the baseline.

    `mark` numbers its colour and shape in the report's `marks`.
    """

    name: str
    mark: int
    rate: str
    time: str
    speed: str
    interval: str
    bar: Interval | None
    is_winner: bool


@dataclass(frozen=True)
class Outcome:
    """One case on the first screen."""

    digest: str
    anchor: str
    title: str
    sentence: Words
    sides: tuple[OutcomeSide, ...]
    is_won: bool


@dataclass(frozen=True)
class CaseDetail:
    """Everything about one case."""

    title: str
    digest: str
    anchor: str
    summary: str
    settings: str
    effective: Table
    checks: Table
    figure: Figure | None
    commands: tuple[tuple[str, str], ...]
    """Each competitor with the command that repeats its side of the case."""
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class AnswerAxis:
    """The small axis of the answers: the labels of its two ends, and the place of 1 in per cent."""

    left: str
    one: str
    right: str


@dataclass(frozen=True)
class AnswerGroup:
    """The answers of one workload, `open` where there are not too many to read through."""

    title: str
    answers: tuple[Answer, ...]
    open: bool


@dataclass(frozen=True)
class Rate:
    """A rate on the axis of a loader's limits: what it is the rate of, the number in words, its place."""

    name: str
    text: str
    place: Interval


@dataclass(frozen=True)
class LoaderLimits:
    """One loader in one setting: its own rate and the rates that limit it, and in sentences what bounds it.

    `mark` numbers the competitor's colour and shape in the report's `marks`; `digest` is the case's.
    """

    title: str
    digest: str
    mark: int
    own: Rate
    limits: tuple[Rate, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Loading:
    """What bounds data loading: a drawing for each loader and setting, all on one axis.

    `ticks` are the labels of the axis with their places in per cent; `further` says how many drawings are left out.
    """

    caption: str
    loaders: tuple[LoaderLimits, ...]
    ticks: tuple[tuple[str, str], ...]
    further: str
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class ShownSide:
    """One competitor's training images, each with its address and description. `mark` numbers its colour and shape."""

    name: str
    mark: int
    images: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ShownImages:
    """The images of all competitors in the cases that prepare images alike."""

    title: str
    sides: tuple[ShownSide, ...]


@dataclass(frozen=True)
class Shown:
    """What the networks saw. `further` says what is left out."""

    caption: str
    images: tuple[ShownImages, ...]
    further: str


@dataclass(frozen=True)
class Part:
    """One environment's results."""

    title: str
    totals: str
    outcomes: tuple[Outcome, ...]
    further: str
    """How many cases are not among `outcomes`; empty where all are."""
    across_cases: tuple[Table, ...]
    scores: Table
    groups: tuple[AnswerGroup, ...]
    axis: AnswerAxis | None
    going_on: tuple[str, ...]
    """How to get the missing answers."""
    advice: tuple[str, ...]
    """What to change on the machine before measuring again, where comparisons stayed open."""
    loading: Loading | None
    figures: tuple[Figure, ...]
    """The most telling figure first."""
    open_figures: int
    """How many of them are shown; the others are folded."""
    undrawn: tuple[str, ...]
    """Workloads without a figure, in sentences."""
    tables: tuple[Table, ...]
    shown: Shown | None
    in_common: tuple[str, ...]
    """The settings in effect that each competitor had in all its cases; the cases do not list them again."""
    cases: tuple[CaseDetail, ...]
    untold: str
    """How many cases are not among `cases`; empty where all are."""

    @property
    def answers(self) -> tuple[Answer, ...]:
        """All answers, in order."""
        return tuple(answer for group in self.groups for answer in group.answers)

    @cached_property
    def notes(self) -> dict[str, int]:
        """The notes of all answers with their numbers."""
        return numbered(note for answer in self.answers for note in answer.notes)


@dataclass(frozen=True)
class Published:
    """Our ratios next to published ratios, remarks on the source, and a figure for each source."""

    tables: tuple[Table, ...]
    remarks: tuple[str, ...]
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A replicate, a competitor or a file that gives no number, and why."""

    what: str
    where: str
    kind: str
    reason: str
    log: str = ""


@dataclass(frozen=True)
class Packed:
    """`text` is JSON or, where `zipped`, base64 of it in gzip."""

    text: str
    zipped: bool = False


@dataclass(frozen=True)
class PackedSamples:
    """Raw samples as numbers, and in a sentence how fine they are; without any, why and where they are."""

    packed: Packed | None = None
    said: str = ""


@dataclass(frozen=True)
class SideBySide:
    """Several environments beside each other; `title` calls them machines or sessions. `answer` says how far their
    winners agree, `versions` which versions differ, and `reading` how to read the table of the fastest."""

    title: str
    answer: str
    fastest: Table
    reading: str
    versions: str
    rates: Table
    facts: Table


@dataclass(frozen=True)
class Report:
    """The whole report, in the order in which it is read."""

    title: str
    where: str
    """What was measured, on which machine, on which day."""
    versions: str
    """The frameworks with their versions."""
    marks: tuple[tuple[str, str], ...]
    """Each competitor's colour, and its shape as the path of an SVG in a square from -1 to 1."""
    headline: tuple[str, ...]
    self_check: Table | None
    facts: tuple[tuple[str, str], ...]
    incomplete: tuple[str, ...]
    side_by_side: SideBySide | None
    parts: tuple[Part, ...]
    machines: Table
    software: Table
    differences: tuple[str, ...]
    warnings: tuple[str, ...]
    failures: tuple[Failed, ...]
    quarantined: tuple[Failed, ...]
    unlisted: str
    """How many failures and files are not listed."""
    failed_count: int
    quarantined_count: int
    """How many replicates failed or were unavailable, and how many files were quarantined, listed or not."""
    method: tuple[str, ...]
    limits: tuple[str, ...]
    data: Packed
    """What the page's script needs; see page_data."""
    samples: Callable[[int], PackedSamples]
    """The raw samples in at most so many bytes."""
    clean: bool = field(default=True)
    """Nothing failed, is missing or was quarantined."""
    published: Published | None = None
    """Added by published/, which is made of the report's own tables."""

    @property
    def in_short(self) -> str:
        """The outcome in a line, for a link to the report."""
        totals = [part.totals for part in self.parts if part.totals]
        return totals[0] if len(self.parts) == len(totals) == 1 else next(iter(self.headline), "")

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure that goes into a file."""
        details = [detail.figure for part in self.parts for detail in part.cases if detail.figure]
        published = self.published.figures if self.published else ()
        return (*(figure for part in self.parts for figure in part.figures), *details, *published)
