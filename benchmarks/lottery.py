"""Why processes of the same program differ for their whole life: an experiment over settings that may matter.

    .venv/bin/python -m benchmarks.lottery [--framework pytorch] [--case "infer --network resnet18 …"] [--processes 30]
        [--levels "as usual;huge pages, and memory kept"]

Every round starts one process of each level, in a new random order, so that a drift of the machine affects all levels
alike. A process is an ordinary replicate. The table has a row for each level: the median over processes of the median
step, the scatter between processes, the share of processes more than 10 % slower than the fastest tenth, minor faults a
step (median, least and most), the rank correlation of step times and faults, and the share of memory in huge pages. A
process takes about six seconds.
"""

import argparse
import os
import random
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import stats

from aggregator.judge.metrics import faults_a_step
from method.statistic import seconds
from runners.harness.host import ALLOCATOR
from runners.harness.record import Record

ROOT = Path(__file__).resolve().parents[1]
CASE = "infer --network resnet18 --input-size 128 --batch-size 8"
SAMPLING = "--warmup-steps 10 --min-steps 60 --max-steps 200 --min-seconds 1.5"
APART = 0.10
"""A process is in a slow mode if it is slower than the fastest tenth by more than this."""


@dataclass(frozen=True)
class Level:
    """A setting: environment variables, and words before the command."""

    variables: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[str] = ()


def tunables(*settings: str) -> Level:
    """glibc's malloc with these settings."""
    return Level({ALLOCATOR: ":".join(f"glibc.malloc.{setting}" for setting in settings)})


LEVELS = {
    "as usual": Level(),
    "huge pages, and memory kept": tunables("hugetlb=1", "mmap_threshold=1073741824", "trim_threshold=4294967296"),
    "huge pages": tunables("hugetlb=1"),
    "one arena": tunables("arena_max=1"),
    "memory kept": tunables("mmap_threshold=1073741824", "trim_threshold=4294967296"),
    "threads bound": Level({"OMP_PROC_BIND": "close", "OMP_PLACES": "cores"}),
    "addresses not randomised": Level(before=("setarch", "-R")),
    "threads sleep": Level({"OMP_WAIT_POLICY": "passive"}),
    "no AVX-512": Level({"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}),
}


def main() -> None:
    """Run the experiment and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--framework", default="pytorch")
    parser.add_argument("--case", default=CASE)
    parser.add_argument("--processes", type=int, default=30)
    parser.add_argument("--levels", default=";".join(LEVELS))
    given = parser.parse_args()
    names = [name.strip() for name in given.levels.split(";")]
    found: dict[str, list[Record]] = {name: [] for name in names}
    for number in range(given.processes):
        order = random.Random(number).sample(names, len(names))
        for name in order:
            found[name].append(measured(given.framework, given.case, LEVELS[name]))
        print(f"round {number + 1} of {given.processes}", file=sys.stderr, flush=True)
    print(f"{given.framework}, {given.case}, {given.processes} processes a level, interleaved\n")
    print(
        "| setting | median step | scatter of processes | in a slow mode | slowest ÷ fastest | faults a step "
        "| with the step | huge |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, records in found.items():
        print(row(name, records))


def measured(framework: str, case: str, level: Level) -> Record:
    """The record of one process."""
    from aggregator.read.run_folder import load_run

    python = ROOT / ".venvs" / framework / "bin" / "python"
    threads = ["--threads", str(len(os.sched_getaffinity(0)))]
    with tempfile.TemporaryDirectory() as out:
        records = Path(out) / "records"
        command = [*level.before, str(python), "-m", f"runners.{framework}", *shlex.split(f"{case} {SAMPLING}")]
        environment = {**os.environ, **level.variables}
        subprocess.run(
            [*command, *threads, "--out", str(records)], cwd=ROOT, env=environment, check=True, capture_output=True
        )
        (record,) = load_run(Path(out)).records
    return record


def row(name: str, records: Sequence[Record]) -> str:
    """A line of the table."""
    medians = np.array([seconds(record) for record in records])
    slow = np.mean(medians > (1 + APART) * np.quantile(medians, 0.1))
    faults = [faults_a_step(record) or 0.0 for record in records]
    correlation = stats.spearmanr(medians, faults).statistic
    huge = np.median([record.health.huge_page_fraction or 0.0 for record in records if record.health])
    return (
        f"| {name} | {1000 * np.median(medians):.2f} ms | {np.std(np.log(medians), ddof=1):.1%} | {slow:.0%} | "
        f"{medians.max() / medians.min():.2f} | {np.median(faults):.0f} ({min(faults):.0f}–{max(faults):.0f}) | "
        f"{correlation:.2f} | {huge:.0%} |"
    )


if __name__ == "__main__":
    main()
