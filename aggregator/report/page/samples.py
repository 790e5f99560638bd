"""Raw samples for the page's script: every step of every replicate, with the digits for which the page has room."""

from collections.abc import Iterator, Sequence

import numpy as np

from aggregator.base.case_names import digest
from aggregator.base.quantities import count
from aggregator.judge.analysis import CaseResult
from aggregator.report.model import Packed, PackedSamples
from aggregator.report.page.packing import pack
from runners.harness.record import Samples

DIGITS = 4
"""A step is rounded to so many digits if there is room: much finer than any difference that matters to a verdict."""
ROUNDED_TO = {
    None: "four digits",
    8: "an eighth of the interquartile range of its replicate",
    4: "a quarter of the interquartile range of its replicate",
    2: "half of the interquartile range of its replicate",
    1: "the interquartile range of its replicate",
}
"""By how many times finer than the interquartile range; the first that fits is taken."""
LEVELS = " !#$%'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}"
"""A character for each level around the middle, which JSON and HTML do not escape."""
FAR = "~"
MIDDLE = len(LEVELS) // 2
EVERY, HOPELESS = 10, 1.2
"""Every tenth case is packed first. If these cases exceed their share of the bytes by this factor, the others are not
packed."""
_SIGNS = np.frombuffer(LEVELS.encode("ascii"), np.uint8)


def packed_samples(parts: Sequence[Sequence[CaseResult]], left: int) -> PackedSamples:
    """The samples of the cases that each part describes in full, in at most `left` bytes. By case digest, for each
    replicate in run order: `[competitor, block, warm-up steps, ns per unit, middle in units, steps]`.

    A step is a character of LEVELS, which is its distance from the middle in units, or its units between two FAR.
    """
    steps = _steps(parts)
    few = [[result for result in part if any(each.step_ns for each in _samples(result))][::EVERY] for part in parts]
    # A step needs half a byte or more: of more steps than these, none need be packed.
    for finer in ROUNDED_TO if steps <= 2 * left else ():
        if len(_packed(few, finer, always=True).text) * steps > HOPELESS * left * _steps(few):
            continue
        found = _packed(parts, finer)
        if len(found.text) <= left:
            return PackedSamples(
                found, f"With JavaScript, the samples of a case can be saved as CSV, rounded to {ROUNDED_TO[finer]}."
            )
    return PackedSamples(
        said=f"This page has no room for {count(steps, 'raw sample')}: they are in the records of the run, and "
        "`python -m aggregator export --format parquet` makes a table of them."
    )


def _packed(parts: Sequence[Sequence[CaseResult]], finer: int | None, always: bool = False) -> Packed:
    cases = [{digest(result.case): _replicates(result, finer) for result in part} for part in parts]
    return pack({"levels": LEVELS, "parts": cases}, always)


def _steps(parts: Sequence[Sequence[CaseResult]]) -> int:
    return sum(len(samples.step_ns) for part in parts for result in part for samples in _samples(result))


def _samples(result: CaseResult) -> Iterator[Samples]:
    return (record.samples for side in result.sides for record in side.ok.values() if record.samples)


def _replicates(result: CaseResult, finer: int | None) -> list[tuple[str, int, int, int, int, str]]:
    return [
        (side.name, record.block.number, record.samples.warmup_steps, *_signs(record.samples, finer))
        for record, side in result.in_run_order
        if record.samples
    ]


def _signs(samples: Samples, finer: int | None) -> tuple[int, int, str]:
    """The unit in ns, the middle in units, and the steps."""
    steps = np.asarray(samples.step_ns, dtype=np.int64)
    ordered = np.sort(steps).tolist()
    unit = 10 ** max(0, len(str(ordered[0])) - DIGITS)
    if finer:
        unit = max(unit, (ordered[len(ordered) * 3 // 4] - ordered[len(ordered) // 4]) // finer)
    units = np.rint(steps / unit).astype(np.int64)
    middle = round(ordered[len(ordered) // 2] / unit)
    levels = units - middle + MIDDLE
    near = (levels >= 0) & (levels < len(LEVELS))
    signs = _SIGNS[np.where(near, levels, 0)].tobytes().decode("ascii")
    if near.all():
        return unit, middle, signs
    pieces, begin = [], 0
    for at in np.flatnonzero(~near).tolist():
        pieces += [signs[begin:at], f"{FAR}{units[at]}{FAR}"]
        begin = at + 1
    return unit, middle, "".join([*pieces, signs[begin:]])
