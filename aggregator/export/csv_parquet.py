"""Replicates and their samples as two tidy tables, in CSV or Parquet, written batch by batch."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyarrow.csv import CSVWriter  # type: ignore[import-untyped]
from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]

from aggregator.base.text import clean
from aggregator.export.columns import IDENTITY, REPLICATES, SAMPLES, Row, replicate
from aggregator.export.names import case_names, unique_names
from aggregator.export.times import times_ns
from aggregator.judge.analysis import Environment
from runners.harness.files import open_atomically
from runners.harness.record import Status

BATCH = 100_000
"""About how many samples a batch has: it is in memory in addition to the records."""
FORMULA = r"^[=+\-@\t\r]"


def write_csv(environments: Iterable[Environment], folder: Path) -> list[Path]:
    """Write replicates.csv and samples.csv; a spreadsheet takes no cell for a formula. Raises OSError."""
    return _write(environments, folder, "csv", CSVWriter, _inert)


def write_parquet(environments: Iterable[Environment], folder: Path) -> list[Path]:
    """Write replicates.parquet and samples.parquet. Raises OSError."""
    return _write(environments, folder, "parquet", ParquetWriter, lambda batch: batch)


def _write(
    environments: Iterable[Environment],
    folder: Path,
    suffix: str,
    writer: Callable[[BinaryIO, pa.Schema], Any],
    prepare: Callable[[pa.RecordBatch], pa.RecordBatch],
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{suffix}" for name in ("replicates", "samples")]
    with ExitStack() as stack:
        files = [stack.enter_context(open_atomically(path)) for path in paths]
        pairs = zip(files, (REPLICATES, SAMPLES), strict=True)
        writers = [stack.enter_context(writer(file, schema)) for file, schema in pairs]
        for batches in _batches(list(environments)):
            for target, batch in zip(writers, batches, strict=True):
                target.write_batch(prepare(batch))
    return paths


def _batches(environments: Sequence[Environment]) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """(replicates, samples of those that are ok), in run order."""
    rows: list[Row] = []
    times: list[tuple[Sequence[int], Sequence[int]]] = []
    held = 0
    results = [result for env in environments for result in env.cases]
    cases = case_names(results)
    sides = (side.competitor for result in results for side in result.sides)
    names = unique_names(sides, lambda competitor: clean(competitor.label, 300))
    for number, env in enumerate(environments, 1):
        for record in env.records:
            rows.append(replicate(record, env.run.name, number, cases[record.case], names[record.competitor]))
            times.append(times_ns(record) if record.status is Status.OK else ([], []))
            held += 1 + sum(map(len, times[-1]))
            if held >= BATCH:
                yield _tables(rows, times)
                rows, times, held = [], [], 0
    if rows:
        yield _tables(rows, times)


def _tables(rows: list[Row], times: list[tuple[Sequence[int], Sequence[int]]]) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    replicates = pa.RecordBatch.from_pylist(rows, REPLICATES)
    counts = [len(warm) + len(kept) for warm, kept in times]
    steps = np.concatenate([np.arange(count) for count in counts])
    warm_up = steps < np.repeat([len(warm) for warm, _ in times], counts)
    nanoseconds = np.fromiter((time for pair in times for part in pair for time in part), np.int64, sum(counts))
    identity = replicates.select(list(IDENTITY)).take(pa.array(np.repeat(np.arange(len(rows)), counts)))
    columns = (*identity.columns, pa.array(steps), pa.array(warm_up), pa.array(nanoseconds / 1e9))
    return replicates, pa.RecordBatch.from_arrays(list(columns), schema=SAMPLES)


def _inert(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it."""
    columns = [
        pc.if_else(pc.match_substring_regex(column, FORMULA), pc.binary_join_element_wise("'", column, ""), column)
        if pa.types.is_string(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
