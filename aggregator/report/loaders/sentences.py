"""What bounds a loader, in sentences: the limits that its rate is close to, and its busiest stage."""

import statistics

from aggregator.base.quantities import count, percent
from aggregator.base.text import clean
from aggregator.judge.metrics import Metric, setting
from aggregator.judge.sides import Side
from aggregator.report.loaders.limits import DECODING, HANDING_OVER, STORAGE, cold_share
from aggregator.report.loaders.pipeline import busy_stages

NEAR = 0.7
"""A loader is bound by a limit from this share of it on."""
PAST = 1.1
"""A loader beyond this share of the reference decoder's rate has a faster decoder: the reference is no limit to it."""
SOURCE = "stage_statistics"
"""The setting in which a loader names the source of its numbers on stages."""


def sentences(side: Side) -> list[str]:
    """At most two: what bounds the loader, and which stage is the busiest."""
    return [said for said in (_bound(side), _busiest(side)) if said]


def _bound(side: Side) -> str:
    clauses = [said for said in (*_by_limit(side), _by_storage(side)) if said]
    said = "; ".join(clauses)
    return f"{said[0].upper()}{said[1:]}." if said else ""


def _by_limit(side: Side) -> list[str]:
    """Which limits the loader comes near with a warm page cache."""
    decoding, handing = _median(side, DECODING.share), _median(side, HANDING_OVER.share)
    past = decoding is not None and decoding > PAST
    limits = {DECODING: None if past else decoding, HANDING_OVER: handing}
    shares = sorted(((share, limit.name) for limit, share in limits.items() if share is not None), reverse=True)
    near = [(share, name) for share, name in shares if share >= NEAR]
    found = [f"decodes faster than the reference decoder ({percent(decoding)})"] if decoding and past else []
    if len(near) > 1:
        found.append("bound by " + " and ".join(f"{name} ({percent(share)})" for share, name in near))
    elif near:
        found.append(f"bound by {near[0][1]}: it reaches {percent(near[0][0])} of the rate of {near[0][1]} alone")
    elif shares:
        share, name = shares[0]
        found.append(
            f"not bound by a single limit: it reaches {percent(share)} of the rate of {name} alone, the closest"
        )
    return found


def _by_storage(side: Side) -> str:
    """Whether storage bounds a loader when files are not in the page cache."""
    cold, warm = _median(side, cold_share), _median(side, STORAGE.share)
    if cold is not None and cold >= NEAR:
        return f"bound by storage when the page cache is cold ({percent(cold)})"
    if cold is None and warm is not None and warm > 1:
        return "without the page cache, storage would bind it"
    return ""


def _busiest(side: Side) -> str:
    """The busiest stage of the loader's own pipeline; empty where no replicate was observed."""
    stages = busy_stages(side)
    if not stages:
        return ""
    busiest = max(stages, key=lambda stage: stage.share)
    source = next((text for record in side.ok.values() if (text := setting(record, SOURCE))), "its own statistics")
    share = percent(busiest.share)
    of = "of the time" if busiest.workers == 1 else f"of the time of its {count(busiest.workers, 'worker')}"
    return f"Busiest stage: {clean(busiest.name, 40)}, at work {share} {of}, by {source}."


def _median(side: Side, read: Metric) -> float | None:
    values = side.values(read)
    return statistics.median(values) if values else None
