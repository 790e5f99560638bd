"""The results in the custom form of benchmark-tracking actions (`customSmallerIsBetter`): smaller is better.

Such an action sets one run beside the last, which are unpaired: what it reports is a ratio, never a verdict.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from aggregator.base.text import clean
from aggregator.export.names import unique_names
from aggregator.export.summary import Place, Summary, summaries
from aggregator.judge.analysis import Environment
from runners.harness.files import write_atomically

INERT = str.maketrans({"`": "'", "|": "/", "<": "(", ">": ")"})
"""An action puts the names into comments and pages, between backticks and bars."""


def write(environments: Iterable[Environment], folder: Path) -> list[Path]:
    """Write benchmark.json. Raises OSError."""
    measured = list(environments)
    found, where = list(summaries(measured)), _where(measured)
    names = unique_names((one.place for one in found), lambda place: _name(place, where[place.environment - 1]))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "benchmark.json"
    text = json.dumps([_entry(one, names[one.place]) for one in found], indent=1, allow_nan=False)
    write_atomically(path, f"{text}\n".encode())
    return [path]


def _name(place: Place, where: str) -> str:
    return f"{place.case} · {place.competitor}{where}".translate(INERT)


def _where(environments: Sequence[Environment]) -> list[str]:
    """What tells each environment from the others, whatever their order: its machine, and its run where several have
    that; nothing of one that is alone."""
    told = [""] * len(environments)
    for fact in (_machine, _run):
        taken = Counter(told)
        told = [one if taken[one] == 1 else one + fact(env) for one, env in zip(told, environments, strict=True)]
    return told


def _machine(env: Environment) -> str:
    host = next((record.host for record in env.records if record.host), None)
    if host is None:
        return ""
    return f" · {clean(host.cpu_model, 80)}, {host.cpus} CPUs, machine {clean(host.hostname_digest, 40)}"


def _run(env: Environment) -> str:
    return f" · run {clean(env.run.name, 80)}"


def _entry(found: Summary, name: str) -> dict[str, str | float]:
    """One bar of the chart: seconds, with half the 95 % interval where there is one."""
    about = f"n {found.n}, run {found.place.run}".translate(INERT)
    entry: dict[str, str | float] = {"name": name, "unit": "s", "value": found.seconds, "extra": about}
    if found.low is not None and found.high is not None:
        entry["range"] = f"± {(found.high - found.low) / 2:.3g}"
    return entry
