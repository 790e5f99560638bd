"""Runs given more than once: two copies of one run are one, two states of it are a mistake."""

from collections.abc import Sequence
from pathlib import Path

from aggregator.base.text import clean
from aggregator.read.run_folder import CannotReport, LoadedRun

Found = tuple[Path, LoadedRun]


def without_copies(found: Sequence[Found]) -> tuple[list[Found], list[str]]:
    """The runs without copies, each with its folder, and a sentence for every copy left out.

    Records held twice would be counted as twice the evidence. Raises CannotReport for two folders that share some
    records and not all: one of them is an earlier state of the other, and only their owner knows which to take.
    """
    kept: list[Found] = []
    left_out = []
    for folder, run in found:
        original = next((earlier for earlier in kept if _shared(earlier[1], run)), None)
        if original is None:
            kept.append((folder, run))
        elif original[1].records == run.records and original[1].plan == run.plan:
            left_out.append(f"{folder} is a copy of {original[0]}; run {clean(run.name, 80)} is taken once")
        else:
            raise CannotReport(
                f"{original[0]} and {folder} hold some of the same records of run {clean(run.name, 80)} but not all; "
                f"give the fuller one alone"
            )
    return kept, left_out


def _shared(one: LoadedRun, other: LoadedRun) -> bool:
    """Whether a record is in both, to the last value: ids alone may be alike on two machines."""
    records = {record.record_id: record for record in one.records}
    return any(records.get(record.record_id) == record for record in other.records)
