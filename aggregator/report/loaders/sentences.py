"""What bounds each loader, in sentences: the stage that takes its time, and the limits that it comes near."""

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from aggregator.judge.analysis import CaseResult
from aggregator.judge.metrics import Metric, items_per_second
from aggregator.judge.sides import Side
from aggregator.report.model import Remarks
from aggregator.report.loaders.tables import worst_mean
from aggregator.report.loaders.limits import DECODING, HANDING_OVER, STORAGE, cold_share
from aggregator.report.loaders.pipeline import BUSY, bottleneck
from aggregator.judge.cases import natural
from aggregator.base.quantities import duration, percent
from aggregator.base.case_names import parameters
from aggregator.base.text import clean
from method.compare import interval_of_mean
from runners.harness.case import Case
from runners.harness.record import Record

STAGES = {"decode": "decoding", "batch": "batching", "normalize": "normalising"}
"""What each stage adds to the one before it."""
NEAR = 0.7
"""From this share of a limit on, a loader is said to be bound by it."""
FEWEST = 2
"""Replicates without which a rate has no interval, and a difference between two says nothing."""
PAST = 1.1
"""A loader beyond this share of the reference decoder's rate has a faster decoder, and the reference bounds it not."""
NOTE = (
    "A loader's own stages are watched over a stretch of batches: 90 % of 2 is that of the time of two tasks at once "
    "nine tenths were spent in some, waiting for a CPU included. "
    f"Where workers are busy from {percent(BUSY)} on, the stage that takes most of it is called the bottleneck. "
    "Decoding includes reading and resizing. A stage's share of an image's time is what adding it costs, by the rates "
    "with and without it; where their intervals overlap nothing is measurable. In brackets is the rate's share of a "
    f"limit, all of which have a table below: from {percent(NEAR)} on a loader is said to be bound by it, beyond "
    f"{percent(PAST)} of the reference decoder's rate to have a faster one."
)


class Level(NamedTuple):
    """Seconds an image: geometric mean over replicates, and the ends of its 95 % interval."""

    low: float
    middle: float
    high: float


def load_remarks(cases: Sequence[CaseResult]) -> Remarks | None:
    """A sentence for each competitor and setting of which its records tell what bounds it, one for each track whose
    pixels differ; None where there is neither."""
    pipelines: dict[tuple[Case, str], dict[str, Side]] = {}
    for result in sorted(cases, key=natural):
        for side in (side for side in result.sides if side.ok and result.case.stage in STAGES):
            key = dataclasses.replace(result.case, stage=None), side.label
            pipelines.setdefault(key, {})[result.case.stage or ""] = side
    several = len({case.dataset for case, _ in pipelines}) > 1
    lines = [
        f"{clean(label, 60)}, {parameters(case)}{_data(case) if several else ''}: {said}."
        for (case, label), stages in pipelines.items()
        if (said := "; ".join(clause for clause in _clauses(stages) if clause))
    ]
    lines += _other_pixels(cases)
    return Remarks("What bounds data loading", NOTE, tuple(lines)) if lines else None


def _clauses(stages: dict[str, Side]) -> tuple[str, ...]:
    longest = stages[[stage for stage in STAGES if stage in stages][-1]]
    return bottleneck(longest), _by_stage(stages), *_by_limit(longest)


def _data(case: Case) -> str:
    return f", {clean(case.dataset.id, 40)}" if case.dataset else ""


def _by_stage(stages: dict[str, Side]) -> str:
    """What each stage adds to an image's time, as a share of the longest pipeline's."""
    present = [stage for stage in STAGES if stage in stages]
    if len(present) < 2 or any(len(side.ok) < FEWEST for side in stages.values()):
        return ""
    whole = _level(stages[present[-1]]).middle
    said: list[str] = []
    added: list[str] = []
    before = None
    for stage, name in STAGES.items():
        added.append(name)
        if stage in stages:
            said.append(f"{' and '.join(added)} {_share(_level(stages[stage]), before, whole)}")
            before, added = _level(stages[stage]), []
    return f"{duration(whole)} an image, of which {', '.join(said)}"


def _share(own: Level, before: Level | None, whole: float) -> str:
    if before is None:
        return percent(min(1.0, own.middle / whole))
    return "nothing measurable" if own.low <= before.high else percent((own.middle - before.middle) / whole)


def _level(side: Side) -> Level:
    logs = [-math.log(items_per_second(record)) for record in side.ok.values()]
    middle = math.fsum(logs) / len(logs)
    low, high = interval_of_mean(logs) or (middle, middle)
    return Level(math.exp(low), math.exp(middle), math.exp(high))


def _by_limit(side: Side) -> list[str]:
    """Which limits the longest pipeline comes near, with a warm page cache and with a cold one."""
    decoding, handing = _median(side, DECODING.share), _median(side, HANDING_OVER.share)
    past = decoding is not None and decoding > PAST
    limits = {DECODING: None if past else decoding, HANDING_OVER: handing}
    known = sorted(((share, limit.name) for limit, share in limits.items() if share is not None), reverse=True)
    near = [(share, name) for share, name in known if share >= NEAR]
    found = [f"it decodes faster than the reference ({percent(decoding)})"] if decoding and past else []
    if known:
        said = [f"{name} ({percent(share)})" for share, name in near or known]
        alone = f"bound by no limit alone: nearest is {', then '.join(said)}"
        found.append(f"bound by {' and '.join(said)}" if near else alone)
    return [*found, _by_storage(side)]


def _by_storage(side: Side) -> str:
    """Whether storage is what holds a loader up once files are not in the page cache."""
    cold, warm = _median(side, cold_share), _median(side, STORAGE.share)
    if cold is not None and cold >= NEAR:
        return f"with a cold page cache bound by storage ({percent(cold)})"
    if cold is None and warm is not None and warm > 1:
        return f"faster than storage, which would bind it without the page cache ({percent(warm)})"
    return ""


def _median(side: Side, read: Metric) -> float | None:
    values = [value for record in side.ok.values() if (value := read(record)) is not None]
    return statistics.median(values) if values else None


def _other_pixels(cases: Sequence[CaseResult]) -> list[str]:
    """By how much the loaders differ in the tracks that do not ask for equal pixels."""
    tracks: dict[str, dict[str, list[Record]]] = {}
    for result in cases:
        for side in (side for side in result.sides if side.ok and result.case.track != "matched"):
            track = tracks.setdefault(clean(result.case.track, 40), {})
            track.setdefault(clean(side.label, 60), []).extend(side.ok.values())
    return [
        f"With {track} settings the work is not the same: mean differences to the reference decoder, of 255, are "
        + ", ".join(f"{worst_mean(records)} ({label})" for label, records in sides.items())
        + "."
        for track, sides in tracks.items()
    ]
