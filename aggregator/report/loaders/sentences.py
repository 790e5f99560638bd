"""What bounds each loader, in sentences: its bottleneck, and the limits that its rate is close to."""

import dataclasses
import math
import statistics
from collections.abc import Sequence

from aggregator.base.case_names import parameters
from aggregator.base.quantities import duration, percent
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import natural
from aggregator.judge.means import Mean, geometric_mean
from aggregator.judge.metrics import Metric, items_per_second
from aggregator.judge.sides import Side
from aggregator.report.loaders.limits import DECODING, HANDING_OVER, STORAGE, cold_share
from aggregator.report.loaders.pipeline import BUSY, bottleneck
from aggregator.report.loaders.tables import worst_mean
from aggregator.report.model import Remarks
from runners.harness.case import Case
from runners.harness.record import Record

STAGES = {"decode": "decoding", "batch": "batching", "normalize": "normalising"}
"""What each stage adds to the stage before it."""
NEAR = 0.7
"""A loader is bound by a limit from this share of it on."""
FEWEST = 2
"""A rate has an interval from so many replicates on."""
PAST = 1.1
"""A loader beyond this share of the reference decoder's rate has a faster decoder: the reference is no limit to it."""
NOTE = (
    "Loaders report how busy each stage of their pipeline was. “decode 90 % of 2” means that the stage decode can run "
    "two tasks at once, and that 90 % of the time of both was spent on tasks; the time in which a task waits for a CPU "
    f"counts. A stage is called the bottleneck where its workers were busy for {percent(BUSY)} of the time or more; of "
    "several stages that share their workers, it is the stage that took most of that time. Decoding includes reading "
    "and resizing. The share of a stage in the time of an image is computed from the rates with and without the stage; "
    "it is not measurable where their intervals overlap. A percentage after the name of a limit is the loader's rate "
    f"as a share of that limit; the limits have a table below. A loader is bound by a limit from {percent(NEAR)} of it "
    f"on. A loader beyond {percent(PAST)} of the reference decoder's rate has a decoder that is faster than the "
    "reference."
)


def loader_remarks(cases: Sequence[CaseResult]) -> Remarks | None:
    """A sentence for each competitor and setting whose records show what bounds it, and for each track in which pixels
    may differ; None where there are no sentences."""
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
    """What each stage adds to the time of an image, as a share of the time in the longest pipeline."""
    present = [stage for stage in STAGES if stage in stages]
    if len(present) < 2 or any(len(side.ok) < FEWEST for side in stages.values()):
        return ""
    whole = _seconds(stages[present[-1]]).value
    said: list[str] = []
    added: list[str] = []
    before = None
    for stage, name in STAGES.items():
        added.append(name)
        if stage in stages:
            said.append(f"{' and '.join(added)} {_share(_seconds(stages[stage]), before, whole)}")
            before, added = _seconds(stages[stage]), []
    return f"an image takes {duration(whole)}: {', '.join(said)}"


def _share(own: Mean, before: Mean | None, whole: float) -> str:
    if before is None:
        return percent(min(1.0, own.value / whole))
    return "not measurable" if own.ends[0] <= before.ends[1] else percent((own.value - before.value) / whole)


def _seconds(side: Side) -> Mean:
    """Seconds per image."""
    return geometric_mean([-math.log(rate) for rate in side.values(items_per_second)])


def _by_limit(side: Side) -> list[str]:
    """Which limits the longest pipeline comes near, with a warm page cache and with a cold page cache."""
    decoding, handing = _median(side, DECODING.share), _median(side, HANDING_OVER.share)
    past = decoding is not None and decoding > PAST
    limits = {DECODING: None if past else decoding, HANDING_OVER: handing}
    shares = sorted(((share, limit.name) for limit, share in limits.items() if share is not None), reverse=True)
    near = [(share, name) for share, name in shares if share >= NEAR]
    found = [f"decodes faster than the reference decoder ({percent(decoding)})"] if decoding and past else []
    if shares:
        said = [f"{name} ({percent(share)})" for share, name in near or shares]
        far = f"not bound by a single limit; closest to {', then '.join(said)}"
        found.append(f"bound by {' and '.join(said)}" if near else far)
    return [*found, _by_storage(side)]


def _by_storage(side: Side) -> str:
    """Whether storage bounds a loader when files are not in the page cache."""
    cold, warm = _median(side, cold_share), _median(side, STORAGE.share)
    if cold is not None and cold >= NEAR:
        return f"bound by storage when the page cache is cold ({percent(cold)})"
    if cold is None and warm is not None and warm > 1:
        return f"faster than storage ({percent(warm)}), which would bind the loader without the page cache"
    return ""


def _median(side: Side, read: Metric) -> float | None:
    values = side.values(read)
    return statistics.median(values) if values else None


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
