"""How drawings look: a colour, a shape and a dash pattern for each competitor, and common colours and sizes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, count
from typing import Any, NamedTuple

from aggregator.base.competitor_names import called
from runners.harness.case import WAYS, Competitor

# A hue a framework, from Okabe & Ito's colour-blind-safe palette; its further competitors are shades of it. All are
# seen on a light page and on a dark one.
COLOURS = (
    ("#0072B2", "#56B4E9", "#6A6FD8", "#3E8FA8"),
    ("#D55E00", "#E69F00", "#A8651E", "#E8806A"),
    ("#009E73", "#7FB24A", "#3D8B3D", "#4DB594"),
    ("#CC79A7", "#9A5BB0", "#B0507F", "#B98FCC"),
)
HOURGLASS, BOW, STAR = "M-1,-1H1L-1,1H1Z", "M-1,-1V1L1,-1V1Z", "M0,-1L.3,-.3L1,0L.3,.3L0,1L-.3,.3L-1,0L-.3,-.3Z"
CROSSED = "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z"
LYING, STANDING = "M-1,-.4H1V.4H-1Z", "M-.4,-1H.4V1H-.4Z"
BUILT_IN = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
OUTLINES = {
    "circle": "M-1,0A1,1 0 0 1 1,0A1,1 0 0 1 -1,0Z",
    "square": "M-.9,-.9H.9V.9H-.9Z",
    "triangle-up": "M0,-1L1,.8H-1Z",
    "diamond": "M0,-1L.8,0L0,1L-.8,0Z",
    "cross": "M-.35,-1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z",
    "triangle-down": "M0,1L1,-.8H-1Z",
    "triangle-right": "M1,0L-.8,1V-1Z",
    "triangle-left": "M-1,0L.8,1V-1Z",
}
"""The outlines of the shapes that Vega-Lite has by name."""
SHAPES = (*BUILT_IN, HOURGLASS, BOW, STAR, CROSSED, LYING, STANDING)
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 1], [1, 3])
INK, GREY = "#444444", "#8a8a8a"
WIDTH = 680
TEXT = 11
BESIDE = 20
"""The most characters of a name beside a mark."""
GRID = "#dddddd"
Row = dict[str, Any]
Named = tuple[str, str]
"""A framework, and the name of one of its competitors."""


class Mark(NamedTuple):
    """Which hue, which shade of it, which shape."""

    hue: int
    shade: int
    shape: int


class Palette:
    """Gives every competitor a colour, a shape and a dash pattern, alike wherever it is drawn.

    The hue is its framework's. A framework's first competitor in each workload has the framework's own shape too; the
    others, be they variants or versions, have shades of the hue and further shapes. No two of one workload share both.
    """

    def __init__(self, cases: Iterable[tuple[str, Sequence[Named]]], titles: Mapping[str, str] | None = None) -> None:
        """`titles` are the names of frameworks as people write them."""
        self._titles = titles or {}
        workloads: dict[str, list[Named]] = {}
        for workload, competitors in cases:
            workloads.setdefault(workload, []).extend(competitors)
        everyone = list(dict.fromkeys(found for members in workloads.values() for found in members))
        frameworks = list(dict.fromkeys(framework for framework, _ in everyone))
        marks: dict[Named, Mark] = {}
        for named in everyone:
            rivals = {other for members in workloads.values() if named in members for other in members}
            known, hue = [marks[rival] for rival in rivals if rival in marks], frameworks.index(named[0])
            shade = _free(count(), {mark.shade for mark in known if mark.hue == hue})
            shape = _free(chain([hue], count(len(frameworks))), {mark.shape for mark in known})
            marks[named] = Mark(hue, shade, shape)
        self._marks = {name: mark for (_, name), mark in marks.items()}

    def shown(self, rows: Sequence[Row]) -> list[str]:
        """The competitors that occur in `rows`, in the report's order."""
        return self.order({row["competitor"] for row in rows})

    def order(self, labels: Collection[str]) -> list[str]:
        """The same labels in the report's order."""
        return [label for label in self._marks if label in labels]

    def readable(self, who: Competitor) -> str:
        """`TensorFlow (graph)`: the competitor as people write it, then loader and variant."""
        return called(who, self._titles)

    def beside(self, rivals: Sequence[Competitor]) -> list[str]:
        """Short names for competitors beside each other: as much of loader and variant as there is room for."""
        found = []
        for who in rivals:
            for parts in (WAYS, WAYS[:1], WAYS[1:], ()):
                name, same = (
                    called(who, self._titles, parts),
                    [called(other, self._titles, parts) for other in rivals],
                )
                if len(name) <= BESIDE and same.count(name) == 1:
                    break
            else:
                name = self.readable(who)
            found.append(name)
        return found

    def colour(self, label: str) -> str:
        """One competitor's colour."""
        mark = self._marks[label]
        shades = COLOURS[mark.hue % len(COLOURS)]
        return shades[mark.shade % len(shades)]

    def shape(self, label: str) -> str:
        """Its shape, as Vega-Lite names it or is given it to draw."""
        return SHAPES[self._marks[label].shape % len(SHAPES)]

    def number(self, label: str) -> int:
        """The place of a competitor among `marks`."""
        return list(self._marks).index(label)

    @property
    def marks(self) -> tuple[tuple[str, str], ...]:
        """Every competitor's colour, and its shape as the path of an SVG in a square from -1 to 1."""
        return tuple((self.colour(label), OUTLINES.get(self.shape(label), self.shape(label))) for label in self._marks)

    def dash(self, label: str) -> list[int]:
        """Its dash pattern: pixels drawn and left out."""
        return DASHES[self._marks[label].shape % len(DASHES)]


def _free(wishes: Iterable[int], taken: Collection[int]) -> int:
    return next(wish for wish in wishes if wish not in taken)
