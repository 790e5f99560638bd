"""Raw samples for the page's script: every step of every replicate, to four digits, packed where they are many."""

import base64
import gzip
import json
from collections.abc import Sequence

import numpy as np

from aggregator.analysis import CaseResult, Environment
from aggregator.model import PackedSamples
from aggregator.quantities import count
from aggregator.words import clean, digest

DIGITS = 4
"""A step is rounded to so many: far finer than any difference that a verdict rests on."""
PLAIN, MOST = 2**20, 700 * 2**10
"""Bytes of JSON that go in as they are; bytes of base64 at most, beyond which the page says where the samples are."""


def packed_samples(environments: Sequence[Environment]) -> PackedSamples:
    """The samples of all cases that have steps: for each part and case digest `[competitor, block, warm-up steps,
    ns a unit, [steps in units]]`, a replicate each, in run order."""
    parts = [{digest(result.case): _replicates(result) for result in env.cases} for env in environments]
    text = json.dumps(parts, separators=(",", ":"))
    if len(text) <= PLAIN:
        return PackedSamples(text)
    zipped = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    if len(zipped) <= MOST:
        return PackedSamples(zipped, zipped=True)
    steps = sum(len(found[4]) for part in parts for case in part.values() for found in case)
    return PackedSamples(
        missing=f"The {count(steps, 'raw sample')} would make this page too long: they are in the run's records, and "
        "`python -m aggregator export --format parquet` makes a table of them."
    )


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
