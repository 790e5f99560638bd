"""Tables of data loading: rates, epochs and start-up, resources, pixels, and the limits of a loader."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from aggregator.base.quantities import DASH, amount, bytes_range, duration_range, percent_range, rate_range
from aggregator.base.text import clean
from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import natural
from aggregator.judge.metrics import Metric
from aggregator.judge.sides import Side
from aggregator.report.cells import MEAN_NOTE, range_cell, rate_cell
from aggregator.report.loaders.limits import LIMITS, STORAGE, storage_bytes
from aggregator.report.loaders.packed import packed_against_loose
from aggregator.report.loaders.pipeline import busy_stages, busy_text
from aggregator.report.model import Cell, Table
from aggregator.report.resources.tables import ENERGY_NOTE, energy_columns
from aggregator.report.tables import COUNT, Column, Row, by_competitor, by_side, setting_columns, spread
from runners.harness.record import Record

SETTINGS = ("stage", "workers", "batch_size")
RANGES = "Medians (lowest–highest) over n replicates."
PASSES = {"second epoch": "second_epoch", "epoch, cold page cache": "cold_epoch"}
POOLS = ("workers_alive", "private_threadpool_size")
"""The settings in which a loader reports how many workers ran; tf.data reports the threads of its pool."""


def loader_tables(cases: Sequence[CaseResult]) -> list[Table]:
    """Every table that these cases of `load` fill."""
    ordered = sorted(cases, key=natural)
    rows = [(result, side) for result in ordered for side in result.sides if side.ok]
    rates = f"Data loading: images per second, from delivery to delivery. {MEAN_NOTE}."
    found = [
        by_competitor(ordered, setting_columns(ordered, SETTINGS), [("rate", lambda _, side: rate_cell(side))], rates)
    ]
    if compared := packed_against_loose(ordered, SETTINGS):
        found.append(compared)
    if rows:
        found += [_epochs(rows), _resources(rows), _pixels(rows)]
    limits = _limits(rows)
    return [*found, limits] if limits else found


def _epochs(rows: Sequence[Row]) -> Table:
    shown = [
        spread("import", metrics.import_time, duration_range),
        spread("set-up", metrics.setup_time, duration_range),
        spread("first batch", metrics.first_step, duration_range),
        _stage("first epoch", "epoch", metrics.stage("epoch"), duration_range),
        *(
            _stage(head, stage, metrics.stage(stage), duration_range)
            for head, stage in PASSES.items()
            if any(_has_stage(record, stage) for record in _records(rows))
        ),
    ]
    caption = (
        f"{RANGES} The first batch, the first epoch and the epoch with a cold page cache include the start of the "
        "workers; the second epoch goes on with the same loader. Files are in the page cache, except in the epoch with "
        "a cold page cache."
    )
    return _per_side("Data loading: epochs and start-up", caption, rows, shown)


def _resources(rows: Sequence[Row]) -> Table:
    gpu = any(side.values(metrics.peak_gpu_memory) for _, side in rows)
    queued = any(_queue(record) for record in _records(rows))
    watched = any(busy_stages(side) for _, side in rows)
    energy = energy_columns(rows)
    shown = [
        spread("CPU time per image", metrics.cpu_time, duration_range),
        spread("peak memory", metrics.peak_memory, bytes_range),
        *([spread("peak GPU memory", metrics.peak_gpu_memory, bytes_range)] if gpu else []),
        *energy,
        _texts("workers seen", _workers_seen),
        *([_texts("batches queued", _queue)] if queued else []),
        *([("stages busy", lambda _, side: Cell(busy_text(side) or DASH))] if watched else []),
    ]
    caption = (
        f"{RANGES} CPU time is the CPU time of all processes during the timed steps and their warm-up, without the "
        "epochs. Memory is the peak of the process tree. Workers seen: how many workers ran, or how many threads the "
        "pool of the loader has. Batches queued: how many finished batches the loader may hold. Stages busy: the share "
        "of time in which each stage of the loader's pipeline was busy, of the time of all tasks that the stage can "
        f"run at once (medians).{f' {ENERGY_NOTE}' if energy else ''}"
    )
    return _per_side("Data loading: resources", caption, rows, shown)


def _pixels(rows: Sequence[Row]) -> Table:
    """A row a competitor and track: pixels depend on neither workers nor batch."""
    found: dict[tuple[str, str, str], list[Record]] = {}
    for result, side in rows:
        data = clean(result.case.dataset.id, 40) if result.case.dataset else DASH
        found.setdefault((side.name, clean(result.case.track, 40), data), []).extend(side.ok.values())
    cells = tuple(
        (
            *map(Cell, name),
            Cell(_listed(metrics.setting(record, "decoder") for record in records)),
            Cell(worst_mean(records)),
            Cell(_worst_image(records)),
        )
        for name, records in found.items()
    )
    caption = (
        "Absolute difference from the reference decoder on a scale of 0 to 255: the mean over the whole data set, and "
        "the mean of the worst image. Each is the highest of all stages and replicates. In the track matched, a loader "
        "beyond the allowed difference is not timed; in any other track the pixels, and so the work, may differ."
    )
    heads = ("competitor", "track", "data", "decoder", "mean difference", "worst image")
    return Table(caption, heads, cells, 4, title="Data loading: pixels")


def worst_mean(records: Sequence[Record]) -> str:
    """The largest mean difference from the reference decoder, of 255."""
    return _largest([record.check.pixel_mean_difference for record in records if record.check])


def _worst_image(records: Sequence[Record]) -> str:
    return _largest([record.check.pixel_worst_image for record in records if record.check])


def _largest(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{max(known):.2f}" if known else DASH


def _limits(rows: Sequence[Row]) -> Table | None:
    shown: list[Column] = []
    groups = []
    for limit in LIMITS:
        if any(side.values(limit.rate) for _, side in rows):
            own = [_stage("images", limit.stage, limit.rate, rate_range)]
            own += [spread("bytes", storage_bytes, _bandwidth)] if limit is STORAGE else []
            own += [spread("share", limit.share, percent_range)]
            shown += own
            groups.append((limit.name, len(own)))
    if not shown:
        return None
    caption = (
        f"{RANGES} A limit is the rate that a loader would have if one part of the work took all the time; the share "
        "is the loader's steady rate over that limit. Decoding: the reference decoder on one thread, times the number "
        "of workers or of CPUs, whichever is smaller. A loader with a faster decoder can exceed 100 %. Storage: the "
        "files are read one after the other with a cold page cache. Steady rates are measured with a warm page cache "
        "and can exceed this limit, and so can a loader that reads several files at once. Handing over: the loader's "
        "own overhead, measured with images that are decoded and in memory."
    )
    table = _per_side("Data loading: limits", caption, rows, shown)
    return replace(table, groups=(("", len(table.columns) - len(shown)), *groups))


def _per_side(title: str, caption: str, rows: Sequence[Row], shown: Sequence[Column]) -> Table:
    named = setting_columns([result for result, _ in rows], SETTINGS)
    return by_side(rows, named, [COUNT, *shown], caption, title)


def _records(rows: Sequence[Row]) -> list[Record]:
    return [record for _, side in rows for record in side.ok.values()]


def _stage(head: str, stage: str, read: Metric, show: Callable[[Sequence[float]], str]) -> Column:
    """A column of medians and ranges; the records say why a stage is missing."""

    def cell(_: CaseResult, side: Side) -> Cell:
        found = range_cell(side, read, show)
        reasons = [record.unknown[name] for record in side.ok.values() if (name := _unknown(stage)) in record.unknown]
        return Cell(DASH, "", (clean(reasons[0], 300),)) if found.text == DASH and reasons else found

    return head, cell


def _has_stage(record: Record, stage: str) -> bool:
    """Whether a record has this stage, or says why not."""
    return metrics.stage(stage)(record) is not None or _unknown(stage) in record.unknown


def _unknown(stage: str) -> str:
    return f"samples.stage_ns.{stage}"


def _texts(head: str, read: Callable[[Record], str]) -> Column:
    return head, lambda _, side: Cell(_listed(map(read, side.ok.values())))


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(text for text in texts if text)) or DASH


def _workers_seen(record: Record) -> str:
    seen = next((found for name in POOLS if (found := metrics.setting(record, name))), "")
    kind = metrics.setting(record, "worker_kind")
    return f"{seen} ({kind})" if seen and kind else seen


def _queue(record: Record) -> str:
    return str(record.samples.queue_batches) if record.samples and record.samples.queue_batches else ""


def _bandwidth(values: Sequence[float]) -> str:
    return amount(float(np.median(values)), "B/s")
