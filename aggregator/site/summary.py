"""The summary of a run that a site keeps: enough for the index and the history without the records."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import Field, TypeAdapter

from aggregator.base.case_names import digest, labels
from aggregator.base.text import clean
from aggregator.judge.analysis import Comparison, Environment
from aggregator.judge.cases import contests
from aggregator.judge.sections import machine_name
from aggregator.read.run_folder import LoadedRun
from aggregator.report import hosts
from aggregator.report.answers import ratio_text
from aggregator.report.model import Report
from method.compare import ratio
from method.verdict import Verdict
from runners.harness.case import STRICT
from runners.harness.record import Status

SUMMARY_VERSION = 3
"""1 had no order seed, 2 no machines in words."""
LEAST, MOST = 1e-6, 1e6
"""Ratios beyond these cannot be ratios of two measured times."""
Shown = Annotated[float, Field(ge=LEAST, le=MOST, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class ShownRatio:
    """How many times as fast `under` is as `over`, with the 95 % interval over so many blocks."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    ratio: Shown
    low: Shown
    high: Shown
    blocks: Count


@dataclass(frozen=True)
class Contest:
    """One comparison of one case (`digest` is the case's). `under` sorts before `over`, in every run alike.

    `verdict` says how `over` did against `under`; there is no `shown` where no ratio may be shown.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    case: str
    digest: str
    over: str
    under: str
    verdict: Verdict
    shown: ShownRatio | None


@dataclass(frozen=True)
class Place:
    """What one run measured on one machine with one set of software; `machine` is the digest of the host's name,
    empty on a cluster, where the machine is a type of node. `described` is the machine in words, as reports name it.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    machine: str
    cpu: str
    gpu: str
    engine: str
    versions: dict[str, str]
    contests: list[Contest]
    described: str = ""


@dataclass(frozen=True)
class RunSummary:
    """One run: `ok` replicates of `recorded` ones, and what its report says first.

    `order_seed` and `started` tell it from another run of its id.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    summary_version: Annotated[int, Field(ge=1)]
    run_id: str
    profile: str
    started: str
    ok: Count
    recorded: Count
    headline: list[str]
    incomplete: list[str]
    places: list[Place]
    order_seed: int | None = None


@cache
def summary_adapter() -> TypeAdapter[RunSummary]:
    """Reads a summary strictly: a site's folder may have come from anywhere."""
    return TypeAdapter(RunSummary)


def impossible(summary: RunSummary) -> str | None:
    """Which values contradict each other, in words; None if none do."""
    if summary.ok > summary.recorded:
        return f"ok: {summary.ok} of {summary.recorded} recorded"
    if len({repr(place) for place in summary.places}) < len(summary.places):
        return "places: the same one twice"
    for at, place in enumerate(summary.places):
        for index, contest in enumerate(place.contests):
            if contest.shown and not contest.shown.low <= contest.shown.ratio <= contest.shown.high:
                return f"places.{at}.contests.{index}.shown: the ratio is not within its interval"
    return None


def is_earlier_state(summary: RunSummary, run: LoadedRun) -> bool:
    """Whether the summary is of an earlier state of this run: seed, start, machines and cases are the same."""
    seed, started = _began(run)
    hosts = [record.host for record in run.records if record.host]
    machines = {(clean(host.hostname_digest, 40), clean(host.cpu_model, 80)) for host in hosts}
    cases = {digest(record.case) for record in run.records}
    return (
        bool(started)
        and summary.started == started
        and (summary.summary_version == 1 or summary.order_seed == seed)
        and {(place.machine, place.cpu) for place in summary.places if place.machine} <= machines
        and {contest.digest for place in summary.places for contest in place.contests} <= cases
    )


def summarise(run: LoadedRun, environments: Sequence[Environment], report: Report) -> RunSummary:
    """The summary of one run from its analysis and its report."""
    names = labels([result.case for env in environments for result in env.cases])
    seed, started = _began(run)
    places = [_place(env, names) for env in environments]
    return RunSummary(
        SUMMARY_VERSION,
        run_id=run.name,
        profile=clean(run.plan.profile, 80) if run.plan else "",
        started=started,
        ok=sum(record.status is Status.OK for record in run.records),
        recorded=len(run.records),
        headline=list(report.headline),
        incomplete=list(report.incomplete),
        # Two environments may differ in nothing that is kept, such as the kernel.
        places=[place for index, place in enumerate(places) if place not in places[:index]],
        order_seed=seed,
    )


def to_json(summary: RunSummary) -> bytes:
    """The same summary always gives the same bytes."""
    return (json.dumps(dataclasses.asdict(summary), indent=1, allow_nan=False) + "\n").encode("ascii")


def _began(run: LoadedRun) -> tuple[int | None, str]:
    """(order seed, start): of its plan, or else of its first record."""
    if run.plan:
        return run.plan.order_seed, clean(run.plan.started_at, 40)
    first = min((record.block for record in run.records), key=lambda block: block.started_at, default=None)
    return (first.order_seed, clean(first.started_at, 40)) if first else (None, "")


def _place(env: Environment, names: dict[Any, str]) -> Place:
    host = env.host
    found = [
        _contest(comparison, names[result.case]) for result in contests(env.cases) for comparison in result.comparisons
    ]
    return Place(
        machine=clean(machine_name(host), 40) if host else "",
        cpu=clean(host.cpu_model, 80) if host else "",
        gpu=clean(host.gpu or "", 80) if host else "",
        engine=clean(host.engine, 40) if host else "",
        versions=hosts.versions(env.records),
        contests=found,
        described=hosts.in_short(host) if host else "",
    )


def _contest(found: Comparison, name: str) -> Contest:
    left, right, pair, verdict = found.left.label, found.right.label, found.paired, found.verdict
    if right < left:
        left, right, pair = right, left, pair and pair.swapped()
        verdict = {Verdict.FASTER: Verdict.SLOWER, Verdict.SLOWER: Verdict.FASTER}.get(verdict, verdict)
    shown = None
    if pair and pair.low is not None and pair.high is not None and ratio_text(pair, verdict)[0]:
        low, high = ratio(pair.low), ratio(pair.high)
        if low >= LEAST and high <= MOST:  # of two blocks that scatter, an interval may be wider
            shown = ShownRatio(ratio(pair.log_ratio), low, high, pair.n)
    return Contest(name, digest(found.case), clean(right, 80), clean(left, 80), verdict, shown)
