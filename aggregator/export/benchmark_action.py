"""The results in the custom form of benchmark-tracking actions (`customSmallerIsBetter`): smaller is better.

Such an action compares a run with the previous run. The two are not paired: the action reports ratios, not verdicts.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from aggregator.base.text import clean
from aggregator.export.names import unique_names
from aggregator.export.results import results, write_file
from aggregator.judge.analysis import Environment

INERT = str.maketrans({"`": "'", "|": "/", "<": "(", ">": ")"})
"""An action puts the names into comments and pages, between backticks and vertical bars."""


def write(environments: Iterable[Environment], folder: Path) -> list[Path]:
    """Write benchmark.json: seconds, with half of the 95 % interval if there is one. Raises OSError."""
    measured = list(environments)
    where, table = _where(measured), results(measured)
    places = zip(table["case"], table["competitor"], table["environment"], strict=True)
    shown = [f"{case} · {competitor}{where[number - 1]}".translate(INERT) for case, competitor, number in places]
    names = unique_names(range(len(shown)), shown.__getitem__)
    numbers = zip(table["seconds"], (table["high"] - table["low"]) / 2, table["n"], table["run"], strict=True)
    entries = []
    for index, (seconds, half, n, run) in enumerate(numbers):
        about = f"n {n}, run {run}".translate(INERT)
        interval = {} if math.isnan(half) else {"range": f"± {half:.3g}"}
        entries.append({"name": names[index], "unit": "s", "value": seconds, "extra": about, **interval})
    text = json.dumps(entries, indent=1, allow_nan=False)
    return write_file(folder, "benchmark.json", f"{text}\n".encode())


def _where(environments: Sequence[Environment]) -> list[str]:
    """The machine of each environment, and its run if several have the same machine; empty for a single environment."""
    told = [""] * len(environments)
    for fact in (_machine, _run):
        taken = Counter(told)
        told = [one if taken[one] == 1 else one + fact(env) for one, env in zip(told, environments, strict=True)]
    return told


def _machine(env: Environment) -> str:
    host = env.host
    if host is None:
        return ""
    return f" · {clean(host.cpu_model, 80)}, {host.cpus} CPUs, machine {clean(host.hostname_digest, 40)}"


def _run(env: Environment) -> str:
    return f" · run {clean(env.run.name, 80)}"
