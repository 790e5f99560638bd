"""Could a user beat our variant `tuned` with documented switches? It compares each switch with `tuned`.

.venv/bin/python -m benchmarks.switches pytorch infer resnet18 [--input-size 224] [--batch-size 1] [--seconds 8]
    [--blocks 6] [--without compile]

A switch that is set in code takes turns with `tuned` in one process (see benchmarks/own_loop.py); benchmarks/own_loops/
has the loops and their names. An environment variable needs processes of its own: `tuned` with it and `tuned` without
it, one after the other, in blocks. The ratio says how many times faster the switch is.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import ttest_1samp

from benchmarks.own_loop import ask, interval_of_median
from benchmarks.side_by_side import ROOT

BEAT = 1.05
ENVIRONMENTS = {
    "pytorch": {
        "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
        "GOMP_CPU_AFFINITY (threads pinned)": {"OMP_PROC_BIND": "close", "OMP_PLACES": "cores"},
        "MALLOC_TRIM_THRESHOLD_ (memory kept)": {"MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_MMAP_MAX_": "0"},
        "THP_MEM_ALLOC_ENABLE=1": {"THP_MEM_ALLOC_ENABLE": "1"},
        "ATEN_CPU_CAPABILITY=avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    },
    "tensorflow": {
        "TF_ENABLE_ONEDNN_OPTS=0": {"TF_ENABLE_ONEDNN_OPTS": "0"},
        "MALLOC_TRIM_THRESHOLD_ (memory kept)": {"MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_MMAP_MAX_": "0"},
        "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
    },
    "onnxruntime": {
        "MALLOC_TRIM_THRESHOLD_ (memory kept)": {"MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_MMAP_MAX_": "0"},
    },
}


def main() -> int:
    """Try every switch. Exit code 1 if the whole interval of a switch shows that it beats `tuned` by more than 5 %."""
    options = _options()
    case = [options.workload, options.network, "tuned", options.input_size, options.batch_size, options.seconds]
    beaten = 0
    print(f"{options.framework} {' '.join(map(str, case[:5]))}: times faster than tuned (95 %)", flush=True)
    listed = ask(options.framework, case, "--switches", 1)
    if "failed" in listed:
        return 1
    for switch in listed["switches"]:
        if options.without and options.without in switch:
            continue
        answer = ask(options.framework, case, switch, os.cpu_count() or 1)
        if "failed" in answer or "skipped" in answer:
            print(f"  {switch:44} – {answer.get('failed') or answer['skipped']}", flush=True)
            continue
        ratios = np.sort(np.array(answer["ours"]["rounds"]) / np.array(answer["by_hand"]["rounds"]))
        beaten += _print(switch, float(np.median(ratios)), *interval_of_median(ratios), f"{len(ratios)} rounds")
    for name, variables in ENVIRONMENTS[options.framework].items() if options.blocks else ():
        logs = [_block(options, variables, number) for number in range(options.blocks)]
        low, high = ttest_1samp(logs, 0).confidence_interval()
        beaten += _print(name, *map(float, np.exp([statistics.fmean(logs), low, high])), f"{len(logs)} blocks")
    return 1 if beaten else 0


def _print(name: str, ratio: float, low: float, high: float, count: str) -> bool:
    beats = low > BEAT
    print(f"  {name:44} {ratio:.3f} ({low:.3f}–{high:.3f}) {count}{'  BEATS tuned' if beats else ''}", flush=True)
    return beats


def _block(options: argparse.Namespace, variables: dict[str, str], number: int) -> float:
    """The log of how many times faster `tuned` is with the variables than without. The order alternates."""
    seconds = {}
    for changed in (bool(number % 2), not number % 2):
        seconds[changed] = _replicate(options, variables if changed else {})
    return float(np.log(seconds[False] / seconds[True]))


def _replicate(options: argparse.Namespace, variables: dict[str, str]) -> float:
    """The median step of an ordinary replicate, in seconds."""
    python = ROOT / ".venvs" / options.framework / "bin" / "python"
    with tempfile.TemporaryDirectory() as out:
        command = [python, "-m", f"runners.{options.framework}", options.workload, "--variant", "tuned"]
        command += ["--network", options.network, "--batch-size", str(options.batch_size), "--warmup-steps", "10"]
        command += ["--input-size", str(options.input_size), "--out", out]
        command += ["--compiler-cache", str(ROOT / "results" / ".switches")]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, check=True)
        samples = json.loads(next(Path(out).glob("*.json")).read_text())["samples"]
    return statistics.median(samples["step_ns"][samples["warmup_steps"] :]) / 1e9


def _options() -> argparse.Namespace:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("framework", choices=sorted(ENVIRONMENTS))
    parse.add_argument("workload", choices=("infer", "train"))
    parse.add_argument("network")
    parse.add_argument("--input-size", type=int, default=224)
    parse.add_argument("--batch-size", type=int, default=1)
    parse.add_argument("--seconds", type=float, default=8.0, help="for each switch that is set in code")
    parse.add_argument("--blocks", type=int, default=6, help="for each switch in the environment; 0: none")
    parse.add_argument("--without", default="", help="leave switches out whose name contains this, such as compile")
    return parse.parse_args()


if __name__ == "__main__":
    sys.exit(main())
