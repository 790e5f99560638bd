"""Records as pyperf suites, one for each competitor: `python -m pyperf compare_to a.json b.json` compares them.

pyperf pools the values of all processes, while this project compares one number per process and block. Its significance
test is therefore too optimistic: use its files for further analysis, not for verdicts.
"""

import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import pyperf  # type: ignore[import-untyped]

from aggregator.base.leftovers import remove_leftovers
from aggregator.base.text import clean
from aggregator.export.names import case_names, unique_names
from aggregator.export.times import times_ns
from aggregator.judge.analysis import CaseResult, Environment
from aggregator.judge.sides import Side
from method.schedule import slug
from runners.harness.case import Competitor
from runners.harness.files import write_atomically
from runners.harness.record import Host, Record, Samples

LONGEST = 120
"""Most characters of a file's name: a competitor's name may be any text."""
FACTS = {"run_id", "record_id", "block", "position", "sequence"}
Metadata = dict[str, str | int | float]


def write(environments: Iterable[Environment], folder: Path) -> list[Path]:
    """Write the suites into `folder`, with a subfolder for each further environment, and remove earlier suites.

    Raises OSError.
    """
    made: list[Path] = []
    for index, env in enumerate(environments):
        target = folder / f"environment-{index + 1}" if index else folder
        for name, suite in _suites(env):
            text = io.StringIO()
            suite.dump(text)
            target.mkdir(parents=True, exist_ok=True)
            made.append(target / f"{name}.json")
            write_atomically(made[-1], text.getvalue().encode())
    others = (one for one in folder.glob("environment-[0-9]*") if one.is_dir() and not one.is_symlink())
    for target in (folder, *others):
        remove_leftovers(target, made, _is_ours)
    return made


def _is_ours(path: Path) -> bool:
    """Whether a file is a suite of this project: no other program records a replicate's place in its run."""
    if path.suffix != ".json":
        return False
    try:
        [first, *_] = pyperf.BenchmarkSuite.load(str(path)).get_benchmarks()
        return set(first.get_runs()[0].get_metadata()) >= FACTS
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # pyperf has no error of its own for a file that is no suite.
        return False


def _suites(env: Environment) -> Iterator[tuple[str, pyperf.BenchmarkSuite]]:
    # The same name for a case in every competitor's file.
    cases = case_names(env.cases)
    found: dict[Competitor, list[tuple[CaseResult, Side]]] = {}
    for result in env.cases:
        for side in result.sides:
            if side.ok:
                found.setdefault(side.competitor, []).append((result, side))
    files = unique_names(found, lambda competitor: slug(competitor)[:LONGEST] or "competitor")
    for competitor, members in found.items():
        benchmarks = [pyperf.Benchmark(_runs(side, cases[result.case])) for result, side in members]
        yield files[competitor], pyperf.BenchmarkSuite(benchmarks)


def _runs(side: Side, name: str) -> list[pyperf.Run]:
    """A pyperf run for each replicate. pyperf needs facts on the machine from all of them or from none."""
    records = [record for _, record in sorted(side.ok.items())]
    hosted = all(record.host for record in records)
    return [_run(record, {"name": name, "competitor": side.label}, hosted) for record in records]


def _run(record: Record, named: Metadata, hosted: bool) -> pyperf.Run:
    """One replicate: its warm-up and its values in seconds."""
    samples = record.samples
    assert samples is not None
    metadata = _clean({**named, **_facts(record, samples), **(_machine(record.host) if hosted and record.host else {})})
    warmups, values = times_ns(record)
    in_seconds = [time / 1e9 for time in values], [(1, time / 1e9) for time in warmups]
    return pyperf.Run(*in_seconds, metadata, collect_metadata=False)


def _facts(record: Record, samples: Samples) -> Metadata:
    """The record's facts on the replicate."""
    found: Metadata = {
        "unit": "second",
        "loops": 1,
        "date": _date(record.block.started_at),
        "run_id": record.run_id,
        "record_id": record.record_id,
        "block": record.block.number,
        "position": record.block.position,
        "sequence": record.block.sequence,
        "items_per_step": samples.items_per_step,
    }
    if samples.injected_slowdown != 1:
        found["injected_slowdown"] = samples.injected_slowdown
    if record.resources and (record.resources.rss_peak_bytes or 0) > 0:
        found["mem_max_rss"] = record.resources.rss_peak_bytes or 0
    return found


def _machine(host: Host) -> Metadata:
    """Machine and versions; the machine's name only as the digest in the record."""
    found: Metadata = {
        "hostname": host.hostname_digest,
        "cpu_model_name": host.cpu_model,
        "cpu_count": host.cpus,
        "platform": f"{host.os}, {host.kernel}",
        "python_version": host.python,
        "engine": host.engine,
    }
    packages = {f"package {clean(name, 100)}": version for name, version in sorted(host.packages.items())}
    return {**packages, **found}


def _date(text: str) -> str:
    """The time of day; empty for any other text, on which pyperf would fail."""
    try:
        return datetime.fromisoformat(text).isoformat(sep=" ")
    except ValueError:
        return ""


def _clean(metadata: Metadata) -> Metadata:
    """One printable line each; pyperf takes no empty text."""
    shown = {key: clean(value, 300) if isinstance(value, str) else value for key, value in metadata.items()}
    return {key: value for key, value in shown.items() if value != ""}
