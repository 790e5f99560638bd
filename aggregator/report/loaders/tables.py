"""Tables of data loading: rates, epochs and start-up, what a loader takes, its pixels, and what bounds it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from aggregator.judge import metrics
from aggregator.judge.analysis import CaseResult
from aggregator.judge.metrics import Metric
from aggregator.judge.sides import Side
from aggregator.report.model import Cell, Table
from aggregator.report.cells import MEAN_NOTE, by_column, columns, range_cell, rate_cell
from aggregator.report.footnotes import Footnotes
from aggregator.report.loaders.limits import LIMITS, STORAGE, storage_bytes
from aggregator.report.loaders.pipeline import busy_stages, busy_text
from aggregator.judge.cases import natural
from aggregator.report.settings import setting_cells, setting_columns
from aggregator.base.quantities import DASH, amount, bytes_range, duration_range, percent_range, rate_range
from aggregator.base.case_names import digest
from aggregator.base.text import clean
from runners.harness.record import Record

Row = tuple[CaseResult, Side]
SETTINGS = ("stage", "workers", "batch_size")
Column = tuple[str, Callable[[Side], Cell]]
RANGES = "Medians (lowest–highest) over n replicates."
PASSES = {"second epoch": "second_epoch", "epoch, cold page cache": "cold_epoch"}
POOLS = ("workers_alive", "private_threadpool_size")
"""Where a loader's settings tell how many workers were seen; the second is how many threads tf.data's pool has."""


def load_tables(cases: Sequence[CaseResult]) -> list[Table]:
    """Every table that these cases of `load` fill."""
    ordered = sorted(cases, key=natural)
    rows = [(result, side) for result in ordered for side in result.sides if side.ok]
    found = [_rates(ordered)]
    if rows:
        found += [_epochs(rows), _resources(rows), _pixels(rows)]
    limits = _limits(rows)
    return [*found, limits] if limits else found


def _rates(cases: Sequence[CaseResult]) -> Table:
    notes, labels, named = Footnotes(), columns(cases), setting_columns([result.case for result in cases], SETTINGS)
    rows = [
        (*setting_cells(named, result.case), *by_column(result, labels, notes, rate_cell))
        for result in cases
    ]
    heads = (*named, *(clean(label, 60) for label in labels))
    caption = f"Data loading: images a second, delivery to delivery. {MEAN_NOTE}."
    return Table(
        caption, heads, tuple(rows), len(named), notes.texts, cases=tuple(digest(result.case) for result in cases)
    )


def _epochs(rows: Sequence[Row]) -> Table:
    notes = Footnotes()
    shown = [
        ("import", _range(metrics.import_time, duration_range)),
        ("set-up", _range(metrics.setup_time, duration_range)),
        ("first batch", _range(metrics.first_step, duration_range)),
        ("first epoch", _stage("epoch", metrics.stage("epoch"), duration_range, notes)),
        *(
            (head, _stage(stage, metrics.stage(stage), duration_range, notes))
            for head, stage in PASSES.items()
            if any(_has_stage(record, stage) for record in _records(rows))
        ),
    ]
    caption = (
        f"{RANGES} The first batch and the first epoch are those of a fresh pass, the start of its workers included; "
        "the second epoch is of the same loader. Files lie in the page cache, but for the epoch with a cold one, a "
        "fresh pass too."
    )
    return _per_side("Data loading: epochs and start-up", caption, rows, shown, notes)


def _resources(rows: Sequence[Row]) -> Table:
    gpu = any(metrics.peak_gpu_memory(record) is not None for record in _records(rows))
    queued = any(_queue(record) for record in _records(rows))
    watched = any(busy_stages(side) for _, side in rows)
    shown = [
        ("CPU time an image", _range(metrics.cpu_time, duration_range)),
        ("peak memory", _range(metrics.peak_memory, bytes_range)),
        *([("peak GPU memory", _range(metrics.peak_gpu_memory, bytes_range))] if gpu else []),
        ("workers seen", _texts(_workers_seen)),
        *([("batches queued", _texts(_queue))] if queued else []),
        *([("stages busy", lambda side: Cell(busy_text(side) or DASH))] if watched else []),
    ]
    caption = (
        f"{RANGES} CPU time is that of all processes over the timed steps, warm-up included, without the whole passes; "
        "memory is the peak of the process tree. Workers seen are those found while they ran, or the threads of the "
        "loader's pool; batches queued are how many may be ready at once. Stages busy: of the loader's own pipeline, "
        "medians, of all the tasks that could run at once."
    )
    return _per_side("Data loading: what it takes", caption, rows, shown, Footnotes())


def _pixels(rows: Sequence[Row]) -> Table:
    """A row a competitor and track: pixels depend on neither workers nor batch."""
    found: dict[tuple[str, str, str], list[Record]] = {}
    for result, side in rows:
        data = clean(result.case.dataset.id, 40) if result.case.dataset else DASH
        found.setdefault((clean(side.label, 60), clean(result.case.track, 40), data), []).extend(side.ok.values())
    cells = tuple(
        (
            *map(Cell, name),
            Cell(_listed(map(_decoder, records))),
            Cell(worst_mean(records)),
            Cell(_worst_image(records)),
        )
        for name, records in found.items()
    )
    caption = (
        "Absolute differences to the reference decoder, of 255, over the whole data set and in its worst image: the "
        "highest over all stages and replicates. In the track matched a loader that is further off than allowed is "
        "not timed; in any other track pixels, and so the work, may differ."
    )
    heads = ("competitor", "track", "data", "decoder", "mean difference", "worst image")
    return Table(caption, heads, cells, 4, title="Data loading: pixels")


def worst_mean(records: Sequence[Record]) -> str:
    """The largest mean difference to the reference decoder, of 255."""
    values = [record.check.pixel_mean_difference for record in records if record.check]
    return _largest([value for value in values if value is not None])


def _worst_image(records: Sequence[Record]) -> str:
    values = [record.check.pixel_worst_image for record in records if record.check]
    return _largest([value for value in values if value is not None])


def _largest(values: Sequence[float]) -> str:
    return f"{max(values):.2f}" if values else DASH


def _limits(rows: Sequence[Row]) -> Table | None:
    notes = Footnotes()
    shown: list[Column] = []
    groups = []
    for limit in LIMITS:
        if any(limit.rate(record) is not None for record in _records(rows)):
            own = [("images", _stage(limit.stage, limit.rate, rate_range, notes))]
            own += [("bytes", _range(storage_bytes, _bandwidth))] if limit is STORAGE else []
            own += [("share", _range(limit.share, percent_range))]
            shown += own
            groups.append((limit.name, len(own)))
    if not shown:
        return None
    caption = (
        f"{RANGES} What a loader could deliver if one thing alone took time, and its steady rate as a share of that. "
        "Decoding: the reference decoder on one thread, times the workers or the CPUs, whichever are fewer; a loader "
        "with a faster decoder can pass 100 %. Storage: the files read one after the other with a cold page cache; "
        "steady rates are with a warm one and can pass it, and so can reading several files at once. Handing over: "
        "the loader's own machinery with images that lie decoded in memory."
    )
    table = _per_side("Data loading: limits", caption, rows, shown, notes)
    return replace(table, groups=(("", len(table.columns) - len(shown)), *groups))


def _per_side(title: str, caption: str, rows: Sequence[Row], shown: Sequence[Column], notes: Footnotes) -> Table:
    """A row a case and competitor, those columns behind its name and n."""
    named = setting_columns([result.case for result, _ in rows], SETTINGS)
    cells = tuple(
        (
            *setting_cells(named, result.case),
            Cell(clean(side.label, 60)),
            Cell(str(len(side.ok))),
            *(show(side) for _, show in shown),
        )
        for result, side in rows
    )
    heads = (*named, "competitor", "n", *(head for head, _ in shown))
    cases = tuple(digest(result.case) for result, _ in rows)
    return Table(caption, heads, cells, len(named) + 1, notes.texts, title, cases=cases)


def _records(rows: Sequence[Row]) -> list[Record]:
    return [record for _, side in rows for record in side.ok.values()]


def _range(read: Metric, show: Callable[[Sequence[float]], str]) -> Callable[[Side], Cell]:
    return lambda side: range_cell(side, read, show)


def _stage(
    stage: str, read: Metric, show: Callable[[Sequence[float]], str], notes: Footnotes
) -> Callable[[Side], Cell]:
    """The same of a stage, whose absence has its reason in the records."""

    def cell(side: Side) -> Cell:
        found = range_cell(side, read, show)
        reasons = [record.unknown[name] for record in side.ok.values() if (name := _unknown(stage)) in record.unknown]
        return Cell(DASH, "", notes.mark(clean(reasons[0], 300))) if found.text == DASH and reasons else found

    return cell


def _has_stage(record: Record, stage: str) -> bool:
    """Whether a record has this stage, or says why not."""
    return metrics.stage(stage)(record) is not None or _unknown(stage) in record.unknown


def _unknown(stage: str) -> str:
    return f"samples.stage_ns.{stage}"


def _texts(read: Callable[[Record], str]) -> Callable[[Side], Cell]:
    return lambda side: Cell(_listed(map(read, side.ok.values())))


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(text for text in texts if text)) or DASH


def _workers_seen(record: Record) -> str:
    found = record.effective.settings if record.effective else {}
    seen = next((clean(found[name], 20) for name in POOLS if name in found), "")
    return f"{seen} ({clean(found['worker_kind'], 20)})" if seen and "worker_kind" in found else seen


def _decoder(record: Record) -> str:
    return clean(record.effective.settings.get("decoder", ""), 60) if record.effective else ""


def _queue(record: Record) -> str:
    return str(record.samples.queue_batches) if record.samples and record.samples.queue_batches else ""


def _bandwidth(values: Sequence[float]) -> str:
    return amount(float(np.median(values)), "B/s")
