"""Is our step the framework's own? Each network and variant beside a loop written by hand, in the same process.

.venv/bin/python -m benchmarks.own_loop [--frameworks pytorch,tensorflow] [--networks …] [--variants …]
    [--input-size 128] [--batch-size 1] [--seconds 8]

The two take turns, three steps each, the first of three not counted; a turn gives the ratio of the medians, and the turns
the median ratio with an interval (by signs, no assumption). Exit code 1 where a ratio is off by more than 1 % and the
interval leaves out 1: noise alone proves nothing, either way, and the table shows how much of it there was.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

from launcher.discovery import discover

ROOT = Path(__file__).parent.parent
OFF = 0.01
CONFIDENCE = 0.95


def main() -> int:
    """Compare all pairs that are asked for, one process each."""
    options = _options()
    off = 0
    print(f"{'framework / workload / network / variant':58} {'ours':>10} {'by hand':>10}  ratio (95 %)           turns")
    for framework, found in discover(ROOT).items():
        if found.declaration is None or framework not in (options.frameworks or framework):
            continue
        for workload in ("infer", "train"):
            offer = found.declaration.workloads.get(workload)
            for network in _wanted(offer.networks if offer else (), options.networks):
                for variant in _wanted(offer.variants if offer else (), options.variants):
                    off += _pair(framework, workload, network, variant, options)
    return 1 if off else 0


def _wanted(offered: tuple[str, ...], asked: str) -> list[str]:
    return [name for name in offered if not asked or name in asked.split(",")]


def _pair(framework: str, workload: str, network: str, variant: str, options: argparse.Namespace) -> bool:
    """Print one pair's line; whether the two differ."""
    name = f"{framework} / {workload} / {network} / {variant}"
    size = 32 if network == "cnn4" else options.input_size
    case = [workload, network, variant, size, options.batch_size, options.seconds]
    answer = ask(framework, case, variant)
    if "skipped" in answer:
        print(f"{name:58} – {answer['skipped']}", flush=True)
        return False
    ours, theirs = np.array(answer["ours"]), np.array(answer["by_hand"])
    ratios = np.sort(ours / theirs)
    low, high = interval_of_median(ratios)
    median = float(np.median(ratios))
    apart = abs(median - 1) > OFF and not low <= 1 <= high
    print(
        f"{name:58} {np.median(ours) / 1e6:7.2f} ms {np.median(theirs) / 1e6:7.2f} ms"
        f"  {median:.4f} ({low:.4f}–{high:.4f}) {len(ratios):5}{'  OFF' if apart else ''}",
        flush=True,
    )
    return apart


def ask(framework: str, case: Sequence[object], by_hand: str) -> dict[str, Any]:
    """What benchmarks/own_loop_probe.py answers: our step of a case, beside the loop by hand of a name."""
    python = ROOT / ".venvs" / framework / "bin" / "python"
    command = [python, "-m", "benchmarks.own_loop_probe", framework, *map(str, case), by_hand]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0 or not done.stdout:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def interval_of_median(ordered: np.ndarray) -> tuple[float, float]:
    """From the order statistics (the signs are binomial whatever the distribution)."""
    rank = int(binom.ppf((1 - CONFIDENCE) / 2, len(ordered), 0.5))
    return float(ordered[max(0, rank - 1)]), float(ordered[min(len(ordered) - 1, len(ordered) - rank)])


def _options() -> argparse.Namespace:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("frameworks", "networks", "variants"):
        parse.add_argument(f"--{name}", default="", help="comma-separated; default: all")
    parse.add_argument("--input-size", type=int, default=128)
    parse.add_argument("--batch-size", type=int, default=1)
    parse.add_argument("--seconds", type=float, default=8.0, help="for each pair, set-up not included")
    return parse.parse_args()


if __name__ == "__main__":
    sys.exit(main())
