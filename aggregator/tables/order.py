"""The order of a table's rows: numbers as numbers, so that 32 stands before 128."""

import re

from aggregator.comparison.analysis import CaseResult
from runners.harness.case import Case

STAGES = {"decode": "1", "batch": "2", "normalize": "3", "transfer": "4", "product": "1", "copy": "2"}


def natural(result: CaseResult) -> tuple[object, ...]:
    """The key of its case."""
    return of_case(result.case)


def of_case(case: Case) -> tuple[object, ...]:
    """A key to sort cases by: equal work first, then stage, network, size, workers, batch, and all that is left."""
    sizes = (case.input_size or 0, case.workers or 0, case.batch_size)
    numbers = (*sizes, bool(case.cache), bool(case.augment), case.epochs or 0)
    network = tuple(
        (len(part), part) if part.isdigit() else (0, part) for part in re.split(r"(\d+)", case.network or "")
    )
    return (case.track != "matched", STAGES.get(case.stage or "", case.stage or ""), network, *numbers, repr(case))
