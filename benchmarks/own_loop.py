"""Does our step cost as much as a user's? It compares each network and variant with a hand-written loop.

.venv/bin/python -m benchmarks.own_loop [--frameworks pytorch,tensorflow] [--networks …] [--variants …]
    [--input-size 128] [--batch-size 1] [--seconds 8] [--threads 1]

Both run in the same process and take turns of 0.06 s, but at least three steps; the first third of a turn does not
count. A round is: the loop by hand, ours, a second loop by hand. Each round gives a ratio of medians. The table has the
median ratio with an interval from signs, which assumes no distribution, and the ratio of the fastest tenths, because
disturbances only ever add time. Exit code 1 if both ratios are off by more than 1 % in the same direction and the
interval excludes 1, or if a pair failed.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binom

from benchmarks.side_by_side import ROOT, wanted
from launcher.plan.discovery import discover

OFF = 0.01
CONFIDENCE = 0.95


def main() -> int:
    """Compare all requested pairs, each in a process of its own."""
    options = _options()
    off: list[bool] = []
    ratios: list[float] = []
    heads = f"{'framework / workload / network / variant':58} {'ours':>10} {'by hand':>10}"
    print(f"{heads}  ratio (95 %)            fastest  rounds")
    for framework, found in discover(ROOT).items():
        if found.declaration is None or not wanted([framework], options.frameworks):
            continue
        for workload in ("infer", "train"):
            offer = found.declaration.workloads.get(workload)
            for network in wanted(offer.networks if offer else (), options.networks):
                for variant in wanted(offer.variants if offer else (), options.variants):
                    pair = _pair(framework, workload, network, variant, options)
                    if pair is not None:
                        ratios.append(pair[0])
                        off.append(pair[1])
    if ratios:
        spread = np.nanquantile(ratios, [0, 0.25, 0.5, 0.75, 1])
        counts = f"{len(ratios)} pairs, {sum(off)} OFF or failed"
        print(f"{counts}; fastest tenths {spread.round(4)} (least, quartiles, most)")
    return 1 if any(off) else 0


def _pair(
    framework: str, workload: str, network: str, variant: str, options: argparse.Namespace
) -> tuple[float, bool] | None:
    """Print the line of a pair. Returns the ratio of the fastest tenths and whether it is off or failed.

    Returns None if the pair was skipped.
    """
    name = f"{framework} / {workload} / {network} / {variant}"
    size = 32 if network == "cnn4" else options.input_size
    case = [workload, network, variant, size, options.batch_size, options.seconds]
    answer = ask(framework, case, variant, options.threads)
    if "failed" in answer or "skipped" in answer:
        print(f"{name:58} – {answer.get('failed') or answer['skipped']}", flush=True)
        return (math.nan, True) if "failed" in answer else None
    ours, theirs = (np.array(answer[side]["rounds"]) for side in ("ours", "by_hand"))
    fast = answer["ours"]["fast"] / answer["by_hand"]["fast"]
    ratios = np.sort(ours / theirs)
    low, high = interval_of_median(ratios)
    median = float(np.median(ratios))
    off = not low <= 1 <= high and (min(median, fast) > 1 + OFF or max(median, fast) < 1 - OFF)
    print(
        f"{name:58} {np.median(ours) / 1e6:7.2f} ms {np.median(theirs) / 1e6:7.2f} ms"
        f"  {median:.4f} ({low:.4f}–{high:.4f})  {fast:.4f}  {len(ratios):4}{'  OFF' if off else ''}",
        flush=True,
    )
    return fast, off


def ask(framework: str, case: Sequence[object], by_hand: str, threads: int) -> dict[str, Any]:
    """The answer of benchmarks/own_loop_probe.py about our step of a case and the loop by hand called `by_hand`.

    If the probe failed, the answer has its last line under `failed`, and its output is printed.
    """
    python = ROOT / ".venvs" / framework / "bin" / "python"
    command = [python, "-m", "benchmarks.own_loop_probe", framework, *map(str, case), by_hand, str(threads)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0 or not done.stdout:
        print(f"{' '.join(map(str, command))}\n{done.stderr[-2000:]}", file=sys.stderr)
        return {"failed": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def interval_of_median(ordered: np.ndarray) -> tuple[float, float]:
    """The interval from order statistics: signs are binomial for every distribution."""
    rank = int(binom.ppf((1 - CONFIDENCE) / 2, len(ordered), 0.5))
    return float(ordered[max(0, rank - 1)]), float(ordered[min(len(ordered) - 1, len(ordered) - rank)])


def _options() -> argparse.Namespace:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("frameworks", "networks", "variants"):
        parse.add_argument(f"--{name}", default="", help="comma-separated; default: all")
    parse.add_argument("--input-size", type=int, default=128)
    parse.add_argument("--batch-size", type=int, default=1)
    parse.add_argument("--seconds", type=float, default=8.0, help="for each pair, set-up not included")
    parse.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="default: all CPUs")
    return parse.parse_args()


if __name__ == "__main__":
    sys.exit(main())
