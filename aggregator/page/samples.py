"""Raw samples for the page's script: every step of every replicate, to four digits, packed where they are many."""

import base64
import gzip
import json
from collections.abc import Iterator, Sequence

import numpy as np

from aggregator.comparison.analysis import CaseResult
from aggregator.model import PackedSamples
from aggregator.page import room
from aggregator.text.quantities import count
from aggregator.text.words import clean, digest
from runners.harness.record import Samples

DIGITS = 4
"""A step is rounded to so many: far finer than any difference that a verdict rests on."""
PLAIN = 250_000
"""Bytes of JSON that go in as they are."""


def packed_samples(parts: Sequence[Sequence[CaseResult]]) -> PackedSamples:
    """The samples of the cases that each part tells one by one, as a list of parts: by case digest
    `[competitor, block, warm-up steps, ns a unit, [steps in units]]`, a replicate each, in run order."""
    steps = sum(len(samples.step_ns) for part in parts for result in part for samples in _samples(result))
    left = room.for_samples(sum(map(len, parts)))
    # No step that scatters goes into half a byte: of more than these nothing need be packed to see that it is too much.
    if steps <= 2 * left:
        text = json.dumps(
            [{digest(result.case): _replicates(result) for result in part} for part in parts], separators=(",", ":")
        )
        if len(text) <= min(PLAIN, left):
            return PackedSamples(text)
        zipped = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
        if len(zipped) <= left:
            return PackedSamples(zipped, zipped=True)
    return PackedSamples(
        missing=f"The {count(steps, 'raw sample')} would make this page too long: they are in the run's records, and "
        "`python -m aggregator export --format parquet` makes a table of them."
    )


def _samples(result: CaseResult) -> Iterator[Samples]:
    return (record.samples for side in result.sides for record in side.ok.values() if record.samples)


def _replicates(result: CaseResult) -> list[tuple[str, int, int, int, list[int]]]:
    found = sorted(
        ((record, side) for side in result.sides for record in side.ok.values()),
        key=lambda entry: (entry[0].block.sequence, entry[0].record_id),
    )
    return [
        (clean(side.label, 60), record.block.number, record.samples.warmup_steps, *_rounded(record.samples.step_ns))
        for record, side in found
        if record.samples and record.samples.step_ns
    ]


def _rounded(step_ns: Sequence[int]) -> tuple[int, list[int]]:
    """The unit in ns, a power of ten, in which the shortest step has DIGITS digits, and the steps in it."""
    steps = np.asarray(step_ns, dtype=float)
    unit = 10 ** max(0, int(np.floor(np.log10(steps.min()))) - DIGITS + 1)
    return unit, np.rint(steps / unit).astype(int).tolist()
