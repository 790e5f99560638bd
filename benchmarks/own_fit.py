"""Is our training as fast as a user's script? It compares each framework's tutorial with ours, in blocks.

.venv/bin/python -m benchmarks.own_fit --data FOLDER [--frameworks pytorch,tensorflow] [--variants eager,graph,tuned]
    [--loaders torch,spdl,tfdata] [--batch-size 32] [--workers 2] [--cache] [--augment] [--epochs 2] [--blocks 4]

FOLDER is a prepared data set (manifest.json) with images in train/<class>/. A block has one training of the tutorial
and one of each of our variants, each in a process of its own; the order rotates with the blocks. The ratio is the
tutorial's training time divided by ours: above 1, ours is faster. All variants that the framework declares for `fit`
take part.
"""

import argparse
import itertools
import json
import math
import statistics
import sys
from pathlib import Path

from benchmarks.side_by_side import ROOT, replicate, root_of, run_python, wanted
from launcher.plan.discovery import discover
from method.compare import interval_of_mean


def main() -> int:
    """Compare all sides. Exit code 1 if ours is slower than the tutorial (the whole interval lies below 1)."""
    options = _options()
    slower = 0
    print(f"{'ours':36} {'tutorial':>10} {'ours':>10}  tutorial ÷ ours (95 %), {options.blocks} blocks")
    for framework, found in discover(ROOT).items():
        offer = found.declaration.workloads.get("fit") if found.declaration else None
        if offer is None or not wanted([framework], options.frameworks):
            continue
        variants, loaders = wanted(offer.variants, options.variants), wanted(offer.loaders, options.loaders)
        slower += _compare(framework, list(itertools.product(loaders, variants)), options)
    return 1 if slower else 0


def _compare(framework: str, ours: list[tuple[str, str]], options: argparse.Namespace) -> int:
    """How many of our (loader, variant) are slower than the tutorial. The order rotates with the blocks."""
    seconds: dict[tuple[str, str] | None, list[float]] = {side: [] for side in [None, *ours]}
    for block in range(options.blocks):
        turn = block % len(seconds)
        for side in [*seconds][turn:] + [*seconds][:turn]:
            measured = _ours(framework, *side, options) if side else _tutorial(framework, options)
            seconds[side].append(measured)
    theirs = seconds[None]
    return sum(_print(f"{framework}/{'/'.join(side)}", theirs, seconds[side]) for side in ours)


def _print(name: str, theirs: list[float], ours: list[float]) -> bool:
    logs = [math.log(theirs_ / ours_) for theirs_, ours_ in zip(theirs, ours, strict=True)]
    low, high = (math.exp(end) for end in interval_of_mean(logs) or (-math.inf, math.inf))
    print(
        f"{name:36} {statistics.median(theirs):8.2f} s {statistics.median(ours):8.2f} s"
        f"  {math.exp(statistics.fmean(logs)):.3f} ({low:.3f}–{high:.3f}){'  SLOWER' if high < 1 else ''}",
        flush=True,
    )
    return high < 1


def _ours(framework: str, loader: str, variant: str, options: argparse.Namespace) -> float:
    """Seconds of the stage `train` in an ordinary replicate."""
    words = ["fit", "--variant", variant, "--loader", loader, "--network", "cnn4", "--input-size", "32"]
    words += ["--manifest", str(options.data / "manifest.json"), "--batch-size", str(options.batch_size)]
    words += ["--workers", str(options.workers), "--epochs", str(options.epochs)]
    words += ["--cache" if options.cache else "--no-cache", "--augment" if options.augment else "--no-augment"]
    return float(replicate(framework, *words)["samples"]["stage_ns"]["train"] / 1e9)


def _tutorial(framework: str, options: argparse.Namespace) -> float:
    words = (options.batch_size, options.workers, "yes" if options.cache else "no", "yes" if options.augment else "no")
    module, root = f"benchmarks.tutorials.{framework}", root_of(options.data)
    printed = run_python(framework, module, root, *map(str, words), str(options.epochs))
    return float(json.loads(printed.splitlines()[-1])["seconds"])


def _options() -> argparse.Namespace:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--data", type=Path, required=True)
    for name in ("frameworks", "variants", "loaders"):
        parse.add_argument(f"--{name}", default="", help="comma-separated; default: all")
    parse.add_argument("--batch-size", type=int, default=32)
    parse.add_argument("--workers", type=int, default=2)
    parse.add_argument("--cache", action="store_true")
    parse.add_argument("--augment", action="store_true")
    parse.add_argument("--epochs", type=int, default=2)
    parse.add_argument("--blocks", type=int, default=4)
    return parse.parse_args()


if __name__ == "__main__":
    sys.exit(main())
