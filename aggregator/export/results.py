"""The table that the formats of results share: a row for each competitor in each case, in a few numbers."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from aggregator.base.text import clean
from aggregator.export.names import case_names, unique_names
from aggregator.judge.analysis import Environment
from aggregator.judge.means import geometric_mean
from aggregator.judge.metrics import peak_memory
from runners.harness.files import write_atomically

LABELS = ["run", "environment", "case", "competitor", "workload", "device", "framework"]
"""What a row is of: no two rows have the same. `environment` counts machines with a set of versions, from 1."""


def results(environments: Iterable[Environment]) -> pd.DataFrame:
    """A row for each side with a replicate that ended well, in the plan's order: LABELS and its numbers.

    `seconds` is the geometric mean over `n` fresh processes of the compared time (a median step, the time per batch of
    a loader, a whole training), `low` and `high` are the ends of its 95 % interval. `peak_bytes` is a median. A number
    that is unknown is NaN.
    """
    rows = []
    for number, env in enumerate(environments, 1):
        cases = case_names(env.cases)
        sides = [(result.case, side) for result in env.cases for side in result.sides]
        names = unique_names(((side.competitor, side.label) for _, side in sides), lambda named: clean(named[1], 300))
        for case, side in sides:
            if side.ok:
                about = (env.run.name, case.workload, case.device, side.competitor.framework)
                run, workload, device, framework = (clean(text, 300) for text in about)
                peaks = side.values(peak_memory)
                labels = (run, number, cases[case], names[side.competitor, side.label], workload, device, framework)
                mean = geometric_mean(list(side.logs.values()))
                rows.append((*labels, *mean, float(np.median(peaks)) if peaks else None))
    table = pd.DataFrame(rows, columns=[*LABELS, "seconds", "low", "high", "n", "peak_bytes"])
    return table.astype(dict.fromkeys(("low", "high", "peak_bytes"), float))


def write_file(folder: Path, name: str, content: bytes) -> list[Path]:
    """Write the only file of a format. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / name, content)
    return [folder / name]
