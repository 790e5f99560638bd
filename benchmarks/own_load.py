"""Are our loaders as fast as a user's script? It compares the examples of the libraries' documentations with ours.

.venv/bin/python -m benchmarks.own_load --data FOLDER [--loaders torch,spdl] [--scripts torch,spdl] [--variants tuned]
    [--batch-size 32] [--workers 2] [--blocks 4]

FOLDER is a prepared data set (manifest.json) of class folders. All sides deliver the same normalised images of 224×224
pixels again and again; images a second are measured in the steady state. A block has one process of each script and of
each of our loaders; the order rotates with the blocks. A ratio above 1 means that ours is faster.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.side_by_side import ROOT, replicate, root_of, run_python, wanted
from launcher.plan.discovery import discover
from method.compare import interval_of_mean
from runners.harness.case import PREFETCH
from runners.harness.loop import QUEUE_DEPTHS_DISCARDED, QUEUE_DEPTHS_MEASURED

SCRIPTS = {"torch": "pytorch", "spdl": "pytorch", "dali": "dali", "grain": "jax"}
"""The scripts `benchmarks/tutorials/load_<name>.py`, each with the framework in whose environment it runs."""


def main() -> int:
    """Compare all sides. Exit code 1 if a tuned loader of ours is slower (its whole interval lies below 1)."""
    options = _options()
    sides = _ours(options)
    scripts = wanted(tuple(SCRIPTS), options.scripts)
    sides |= {f"script {name}": lambda name=name: _script(name, options) for name in scripts}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for block in range(options.blocks):
        order = list(sides)
        for name in order[block % len(order) :] + order[: block % len(order)]:
            rates[name].append(sides[name]())
    heads = "".join(f"{'÷ ' + name + ' (95 %)':>32}" for name in rates if name.startswith("script"))
    print(f"{'':36} images/s{heads}  {options.blocks} blocks")
    slower = 0
    for name, found in rates.items():
        against = [_ratio(found, rates[f"script {script}"]) for script in scripts]
        print(f"{name:36} {statistics.median(found):8.0f}" + "".join(f"{text:>32}" for text, _ in against))
        slower += name.endswith("/tuned") and any(high < 1 for _, high in against)
    return 1 if slower else 0


def _ratio(ours: list[float], theirs: list[float]) -> tuple[str, float]:
    logs = [math.log(our / their) for our, their in zip(ours, theirs, strict=True)]
    low, high = (math.exp(end) for end in interval_of_mean(logs) or (-math.inf, math.inf))
    return f"{math.exp(statistics.fmean(logs)):.2f} ({low:.2f}–{high:.2f}){' SLOWER' if high < 1 else ''}", high


def _ours(options: argparse.Namespace) -> dict[str, Callable[[], float]]:
    """Each loader and variant of each framework, with a function that measures it once."""
    sides: dict[str, Callable[[], float]] = {}
    for framework, discovered in discover(ROOT).items():
        offer = discovered.declaration.workloads.get("load") if discovered.declaration else None
        for loader in wanted(offer.loaders if offer else (), options.loaders):
            for variant in wanted(offer.variants if offer else (), options.variants):
                sides[f"{framework}/{loader}/{variant}"] = _measure(framework, loader, variant, options)
    return sides


def _measure(framework: str, loader: str, variant: str, options: argparse.Namespace) -> Callable[[], float]:
    words = ["load", "--loader", loader, "--variant", variant, "--stage", "normalize", "--min-seconds", "4"]
    words += ["--batch-size", str(options.batch_size), "--workers", str(options.workers)]
    words += ["--manifest", str(options.data / "manifest.json")]

    def once() -> float:
        samples = replicate(framework, *words)["samples"]
        kept = samples["step_ns"][samples["warmup_steps"] :]
        return float(samples["items_per_step"] * len(kept) * 1e9 / sum(kept))

    return once


def _script(name: str, options: argparse.Namespace) -> float:
    queue = options.workers * PREFETCH
    counts = (QUEUE_DEPTHS_DISCARDED * queue, QUEUE_DEPTHS_MEASURED * queue)
    words = [root_of(options.data), *map(str, (options.batch_size, options.workers, *counts))]
    printed = run_python(SCRIPTS[name], f"benchmarks.tutorials.load_{name}", *words)
    return float(json.loads(printed.splitlines()[-1])["images_per_second"])


def _options() -> argparse.Namespace:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--data", type=Path, required=True)
    parse.add_argument("--loaders", default="torch,spdl,tfdata", help="comma-separated")
    parse.add_argument("--scripts", default="torch,spdl", help=f"comma-separated, of {', '.join(SCRIPTS)}")
    parse.add_argument("--variants", default="tuned", help="comma-separated")
    parse.add_argument("--batch-size", type=int, default=32)
    parse.add_argument("--workers", type=int, default=2)
    parse.add_argument("--blocks", type=int, default=4)
    return parse.parse_args()


if __name__ == "__main__":
    sys.exit(main())
