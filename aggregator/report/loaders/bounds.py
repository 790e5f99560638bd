"""What bounds each loader, drawn: its own rate among the rates of decoding, storage and handing over alone."""

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from aggregator.base.case_names import digest, group, parameters
from aggregator.base.competitor_names import called
from aggregator.base.quantities import count, percent, significant
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import natural
from aggregator.judge.means import Mean, geometric_mean
from aggregator.judge.metrics import items_per_second
from aggregator.judge.sides import Side
from aggregator.report.figures.axes import Axis, logarithmic
from aggregator.report.figures.style import Palette
from aggregator.report.first_screen import rate_text
from aggregator.report.loaders.limits import LIMITS
from aggregator.report.loaders.sentences import NEAR, sentences
from aggregator.report.loaders.tables import worst_mean
from aggregator.report.model import LoaderLimits, Loading, Rate
from aggregator.report.page import size_limits
from runners.harness.case import Case
from runners.harness.record import Record

STAGES = ("decode", "batch", "normalize")
"""Each stage includes the stages before it. A loader's limits are drawn for its longest measured stage."""
EDGE = 4.5
"""Per cent of the axis; a label nearer to an end would reach beyond it."""
CAPTION = (
    "Rates in images per second, all on one logarithmic axis. A loader's own rate is measured with its files in the "
    "page cache and has its 95 % interval. Decoding alone: the reference decoder on one thread, times the number of "
    "workers or of CPUs, whichever is smaller. Storage alone: files read one after the other with a cold page cache. "
    f"Handing over alone: images that are decoded already. A loader that reaches {percent(NEAR)} of such a rate is "
    "bound by it."
)
Found = tuple[Case, Side, list[str]]
"""A loader in one case, and what its records say about it."""


def loading(cases: Sequence[CaseResult], palette: Palette, titles: Mapping[str, str]) -> Loading | None:
    """A drawing for each loader and setting whose records show what bounds it, and a sentence for each track in which
    pixels may differ; None where there is neither."""
    longest: dict[tuple[Case, str], tuple[Case, Side]] = {}
    for result in sorted(cases, key=natural):
        for side in (side for side in result.sides if side.ok and result.case.stage in STAGES):
            longest[dataclasses.replace(result.case, stage=None), side.label] = result.case, side
    told = [(case, side, said) for case, side in longest.values() if (said := sentences(side))]
    shown, left = told[: size_limits.MOST_BOUNDS], len(told) - size_limits.MOST_BOUNDS
    remarks = tuple(_other_pixels(cases))
    if not told and not remarks:
        return None
    axis = axis_of([rate for _, side, _ in shown for rate in (*_own(side).ends, *_limits(side).values())])
    places = {f"{rate:.12g}": axis.place(rate) for rate in axis.ticks}
    several = len({case.dataset for case, _, _ in told}) > 1
    return Loading(
        caption=CAPTION if shown else "",
        loaders=tuple(_drawn(found, axis, palette, titles, several) for found in shown),
        ticks=tuple((label, f"{place:.1f}") for label, place in places.items() if EDGE < place < 100 - EDGE),
        further=f"{count(left, 'further drawing')} left out: the table of limits has all loaders." if left > 0 else "",
        remarks=remarks,
    )


def _drawn(found: Found, axis: Axis, palette: Palette, titles: Mapping[str, str], several: bool) -> LoaderLimits:
    case, side, said = found
    data = f", {clean(case.dataset.id, 40)}" if several and case.dataset else ""
    own = _own(side)
    low, high = own.ends
    return LoaderLimits(
        title=f"{called(side.competitor, titles)}: {group(case)}, {parameters(case)}{data}",
        digest=digest(case),
        mark=palette.number(side.name),
        own=Rate("this loader", rate_text(own), axis.interval(low, own.value, high)),
        limits=tuple(
            Rate(f"{name} alone", f"{significant(rate, 3)} images/s", axis.interval(rate, rate, rate))
            for name, rate in _limits(side).items()
        ),
        sentences=tuple(said),
    )


def _own(side: Side) -> Mean:
    return geometric_mean([math.log(rate) for rate in side.values(items_per_second)])


def _limits(side: Side) -> dict[str, float]:
    """Medians over replicates of the limits that were measured."""
    return {limit.name: statistics.median(values) for limit in LIMITS if (values := side.values(limit.rate))}


def axis_of(rates: Iterable[float]) -> Axis:
    """The axis of these rates. It spans more than a factor of two, so that it has a tick."""
    known = list(rates) or [1.0]
    low, high = min(known), max(known)
    return logarithmic([low, high] if high > 2 * low else [low / 2, high * 2], margin=1 / 18)


def _other_pixels(cases: Sequence[CaseResult]) -> list[str]:
    """How far the loaders' pixels are from the reference in the tracks that do not ask for equal pixels."""
    tracks: dict[str, dict[str, list[Record]]] = {}
    for result in cases:
        for side in (side for side in result.sides if side.ok and result.case.track != "matched"):
            track = tracks.setdefault(clean(result.case.track, 40), {})
            track.setdefault(side.name, []).extend(side.ok.values())
    return [
        f"With {track} settings the loaders do not do the same work. Mean difference from the reference decoder, of "
        "255: " + ", ".join(f"{label} {worst_mean(records)}" for label, records in sides.items()) + "."
        for track, sides in tracks.items()
    ]
