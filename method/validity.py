"""Which records may be compared, beyond what types can express. Launcher and report ask here, so that they agree."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from method.statistic import WHOLE_STAGES
from runners.harness.case import Block, Case
from runners.harness.record import (
    DAMAGED,
    FLIPS,
    MOST_IMAGES,
    MOST_SIDE,
    Check,
    DeliveredImages,
    Epoch,
    Failure,
    Health,
    Host,
    Record,
    Resources,
    Samples,
    Status,
)
from runners.harness.run import MOST_BLOCKS

LARGEST = 2**63 - 1
CACHE_STATES = ("cold", "warm", None)
IDENTITY = ("block", "case")
"""The parts without which it cannot be told what a record is about."""
EVIDENCE = ("effective", "samples", "resources", "check", "host", "health", "history")
"""The parts without which it cannot be compared."""
JUDGED = (*IDENTITY, *EVIDENCE)


@dataclass(frozen=True)
class Refusal:
    """Why a record must not be compared: the part at fault, and for each such part the rule that it breaks.

    `kind` is DAMAGED where no runner can have measured what the record says: then it says nothing about the work.
    """

    kind: str
    parts: dict[str, str]

    @property
    def failure(self) -> Failure:
        """The reason as a record states it."""
        return Failure(self.kind, next(iter(self.parts.values())))


def refusal(record: Record) -> Refusal | None:
    """Why the record must not be compared, or None."""
    found = {name: broken(name, getattr(record, name)) for name in JUDGED}
    wrong = {name: rule for name, rule in found.items() if rule} or _incomplete(record)
    return Refusal(DAMAGED, wrong) if wrong else _other_precision(record)


def broken(name: str, part: Any) -> str | None:
    """The first rule that this part of a record breaks, in words. None where it is as it must be, or is null.

    `name` is one of JUDGED.
    """
    if part is None:
        return None
    problem = _unbounded(part, name)
    return RULES[name](part) if problem is None and name in RULES else problem


def _incomplete(record: Record) -> dict[str, str]:
    """What is missing of a record whose parts are as they must be: the part at fault, and why."""
    if record.status is not Status.OK:
        return {} if record.error else {"error": f"status {record.status} without an error"}
    if record.error:
        return {"error": f"status ok with an error: {record.error.kind}"}
    samples = record.samples
    if samples is None:
        return {"samples": "samples: missing from a record that is ok"}
    if stage := WHOLE_STAGES.get(record.case.workload):
        return {} if stage in samples.stage_ns else {"samples": f"samples.stage_ns: no {stage} stage"}
    if len(samples.step_ns) == samples.warmup_steps:
        return {"samples": "samples.step_ns: no step after warm-up"}
    return {}


def _other_precision(record: Record) -> Refusal | None:
    """A check of equal work that needs one record alone."""
    effective, asked = record.effective, record.case.precision
    if record.status is not Status.OK or not record.case.network or effective is None or effective.precision == asked:
        return None
    wrong = f"effective.precision: {effective.precision}, asked for was {asked}"
    return Refusal("PRECISION", {"effective": wrong})


def _unbounded(value: object, where: str) -> str | None:
    """Names the first number that is not finite or that no counter could hold."""
    if _bounded(value):
        return None
    if isinstance(value, int):
        return f"{where}: beyond 64 bits"
    if isinstance(value, float):
        return f"{where}: {value} is not a finite number"
    items = enumerate(value) if isinstance(value, list) else _members(value).items()
    return next(problem for name, item in items if (problem := _unbounded(item, f"{where}.{name}")))


def _bounded(value: object) -> bool:
    """Whether no number within is at fault. Nearly all records pass, so that names are found for the others alone."""
    if isinstance(value, int):
        return -LARGEST <= value <= LARGEST
    if isinstance(value, float):
        return math.isfinite(value)
    if value is None or isinstance(value, str):
        return True
    if isinstance(value, list) and value and isinstance(value[0], (int, float)):
        # A record's lists are of one type each, and the longest by far are of numbers.
        return (
            all(map(math.isfinite, value))
            if isinstance(value[0], float)
            else _bounded(min(value)) and _bounded(max(value))
        )
    items = value if isinstance(value, list) else _members(value).values()
    return all(_bounded(item) for item in items if item is not None and not isinstance(item, str))


def _members(value: object) -> dict[str, object]:
    """What is in a dictionary or a dataclass, by name."""
    return value if isinstance(value, dict) else vars(value)


def _misplaced(block: Block) -> str | None:
    if min(block.number, block.position, block.sequence) < 0:
        return "a negative number in its block"
    return f"block or place beyond {MOST_BLOCKS}" if max(block.number, block.position) > MOST_BLOCKS else None


def _empty_batch(case: Case) -> str | None:
    return f"case.batch_size: {case.batch_size} is no batch" if case.batch_size < 1 else None


def _negative(resources: Resources) -> str | None:
    for name, value in vars(resources).items():
        if isinstance(value, int | float) and value < 0:
            return f"resources.{name}: {value} is negative"
    return None


def _implausible_check(check: Check) -> str | None:
    shares = {"accuracy": check.accuracy, "accuracy_restored": check.accuracy_restored}
    problem = _outside("check", shares, 0, 1, "is no share")
    return _implausible_images(check.images) if problem is None and check.images else problem


def _implausible_images(images: DeliveredImages) -> str | None:
    count, side = len(images.positions), images.side
    if not (0 < count <= MOST_IMAGES and 0 < side <= MOST_SIDE):
        return f"check.images: {count} images of {side} pixels a side, allowed are {MOST_IMAGES} of {MOST_SIDE}"
    if len(images.flips) != count or not set(images.flips) <= set(FLIPS):
        return f"check.images.flips: not one of {', '.join(FLIPS)} for each image"
    if min(images.positions) < 0 or len(set(images.positions)) < count:
        return "check.images.positions: negative, or the same twice"
    wanted = 3 * side**2 * count
    try:
        held = len(images.pixels) if len(images.rgb) <= 2 * wanted else None
    except ValueError:
        held = None
    return None if held == wanted else f"check.images.rgb: not the base64 of {wanted} bytes"


def _implausible_host(host: Host) -> str | None:
    if host.cpus < 1:
        return f"host.cpus: {host.cpus} is not positive"
    return f"host.memory_bytes: {host.memory_bytes} is negative" if host.memory_bytes < 0 else None


def _implausible_health(health: Health) -> str | None:
    shares = {"steal_fraction": health.steal_fraction, "others_cpu_fraction": health.others_cpu_fraction}
    # Read a moment after the clock, so that a busy machine's may exceed its window, though not by as much again.
    waited = {"pressure_some_fraction": health.pressure_some_fraction}
    clocks = {"mhz_low": health.mhz_low, "mhz_high": health.mhz_high}
    return (
        _outside("health", shares, 0, 1, "is no share")
        or _outside("health", waited, 0, 2, "is no share")
        or _outside("health", clocks, 0, 1e6, "is no clock of a CPU")
    )


def _outside(part: str, values: dict[str, float | None], low: float, high: float, wrong: str) -> str | None:
    for name, value in values.items():
        if value is not None and not low <= value <= high:
            return f"{part}.{name}: {value} {wrong}"
    return None


def _implausible_history(history: list[Epoch]) -> str | None:
    found = ((index, _implausible_epoch(epoch)) for index, epoch in enumerate(history))
    return next((f"history.{index}.{problem}" for index, problem in found if problem), None)


def _implausible_epoch(epoch: Epoch) -> str | None:
    if epoch.seconds_ns <= 0:
        return f"seconds_ns: {epoch.seconds_ns} is not a positive time"
    if epoch.waited_ns is not None and not 0 <= epoch.waited_ns <= epoch.seconds_ns:
        return f"waited_ns: {epoch.waited_ns} of {epoch.seconds_ns}"
    for name, share in (("accuracy", epoch.accuracy), ("test_accuracy", epoch.test_accuracy)):
        if share is not None and not 0 <= share <= 1:
            return f"{name}: {share} is no share"
    return None


def _untimed(samples: Samples) -> str:
    """Names the first time that is none, of which there must be one: nearly all records have only such as are."""
    times = {"first_step_ns": samples.first_step_ns, "import_ns": samples.import_ns, "setup_ns": samples.setup_ns}
    times |= {f"step_ns.{index}": value for index, value in enumerate(samples.step_ns)}
    times |= {f"group_ns.{index}": value for index, value in enumerate(samples.group_ns)}
    times |= {f"stage_ns.{name}": value for name, value in samples.stage_ns.items()}
    wrong = ((name, value) for name, value in times.items() if value is not None and value <= 0)
    return next(f"samples.{name}: {value} is not a positive time" for name, value in wrong)


def _implausible_samples(samples: Samples) -> str | None:
    single = samples.import_ns, samples.setup_ns, 1 if samples.first_step_ns is None else samples.first_step_ns
    series = samples.step_ns, samples.group_ns, samples.stage_ns.values()
    if min(*single, *(min(times, default=1) for times in series)) <= 0:
        return _untimed(samples)
    for name, items in samples.stage_items.items():
        if name not in samples.stage_ns:
            return f"samples.stage_items.{name}: of a stage that was not timed"
        if items < 1:
            return f"samples.stage_items.{name}: {items} is not positive"
    for stage in samples.pipeline:
        if min(stage.workers, stage.tasks + 1, stage.busy_ns + 1) < 1:
            done = f"{stage.tasks} tasks of {stage.busy_ns} ns, {stage.workers} at once"
            return f"samples.pipeline: {stage.name!r} has {done}"
    if not 0 <= samples.warmup_steps <= len(samples.step_ns):
        return f"samples.warmup_steps: {samples.warmup_steps} of {len(samples.step_ns)} steps"
    if samples.group_ns and samples.group_steps < 1:
        return "samples.group_steps: not positive"
    if samples.injected_slowdown < 1:
        return f"samples.injected_slowdown: {samples.injected_slowdown} is no slowdown"
    for name, value in (("flops_per_step", samples.flops_per_step), ("bytes_per_step", samples.bytes_per_step)):
        if value is not None and value < 1:
            return f"samples.{name}: {value} is not positive"
    if samples.compiler_cache not in CACHE_STATES:
        return f"samples.compiler_cache: {samples.compiler_cache!r} is neither cold nor warm nor null"
    return None if samples.items_per_step > 0 else "samples.items_per_step: not positive"


RULES: dict[str, Callable[[Any], str | None]] = {
    "block": _misplaced,
    "case": _empty_batch,
    "samples": _implausible_samples,
    "resources": _negative,
    "check": _implausible_check,
    "host": _implausible_host,
    "health": _implausible_health,
    "history": _implausible_history,
}
"""Of each part, besides the bounds of its numbers."""
