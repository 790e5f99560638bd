"""The results in the custom form of benchmark-tracking actions (`customSmallerIsBetter`): smaller is better.

Such an action compares a run with the previous run. The two are not paired: the action reports ratios, not verdicts.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from aggregator.base.text import clean
from aggregator.export.names import unique_names
from aggregator.export.results import Place, Result, results, write_file
from aggregator.judge.analysis import Environment

INERT = str.maketrans({"`": "'", "|": "/", "<": "(", ">": ")"})
"""An action puts the names into comments and pages, between backticks and vertical bars."""


def write(environments: Iterable[Environment], folder: Path) -> list[Path]:
    """Write benchmark.json. Raises OSError."""
    measured = list(environments)
    found, where = list(results(measured)), _where(measured)
    names = unique_names((one.place for one in found), lambda place: _name(place, where))
    text = json.dumps([_entry(one, names[one.place]) for one in found], indent=1, allow_nan=False)
    return write_file(folder, "benchmark.json", f"{text}\n".encode())


def _name(place: Place, where: Sequence[str]) -> str:
    _, environment, case, competitor = place
    return f"{case} · {competitor}{where[environment - 1]}".translate(INERT)


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


def _entry(found: Result, name: str) -> dict[str, str | float]:
    """One bar of the chart: seconds, with half of the 95 % interval if there is one."""
    about = f"n {found.seconds.n}, run {found.place[0]}".translate(INERT)
    entry: dict[str, str | float] = {"name": name, "unit": "s", "value": found.seconds.value, "extra": about}
    if found.seconds.low is not None and found.seconds.high is not None:
        entry["range"] = f"± {(found.seconds.high - found.seconds.low) / 2:.3g}"
    return entry
