"""The results in the custom form of benchmark-tracking actions (`customSmallerIsBetter`): smaller is better.

Such an action sets one run beside the last, which are unpaired: what it reports is a ratio, never a verdict.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from aggregator.comparison.analysis import Environment
from aggregator.exports.names import unique_names
from aggregator.exports.summary import Place, Summary, summaries
from runners.harness.files import write_atomically

INERT = str.maketrans({"`": "'", "|": "/", "<": "(", ">": ")"})
"""An action puts the names into comments and pages, between backticks and bars."""


def write(environments: Iterable[Environment], folder: Path) -> list[Path]:
    """Write benchmark.json. Raises OSError."""
    found = list(summaries(environments))
    names = unique_names((one.place for one in found), _name)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "benchmark.json"
    text = json.dumps([_entry(one, names[one.place]) for one in found], indent=1, allow_nan=False)
    write_atomically(path, f"{text}\n".encode())
    return [path]


def _name(place: Place) -> str:
    return f"{place.case} · {place.competitor}".translate(INERT)


def _entry(found: Summary, name: str) -> dict[str, str | float]:
    """One bar of the chart: seconds, with half the 95 % interval where there is one."""
    about = f"n {found.n}, run {found.place.run}".translate(INERT)
    entry: dict[str, str | float] = {"name": name, "unit": "s", "value": found.seconds, "extra": about}
    if found.low is not None and found.high is not None:
        entry["range"] = f"± {(found.high - found.low) / 2:.3g}"
    return entry
