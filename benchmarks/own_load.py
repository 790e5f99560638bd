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
from collections.abc import Callable, Collection
from pathlib import Path

from benchmarks.side_by_side import ROOT, replicate, root_of, run_python
from launcher.plan.discovery import discover
from method.compare import interval_of_mean
from runners.harness.case import PREFETCH
from runners.harness.loop import QUEUE_DEPTHS_DISCARDED, QUEUE_DEPTHS_MEASURED

SCRIPTS = {"torch": "pytorch", "spdl": "pytorch", "dali": "dali", "grain": "jax"}
"""The scripts `benchmarks/tutorials/load_<name>.py`, each with the framework in whose environment it runs."""
READ_AHEAD = {"grain": 500}
"""Images that each worker of a script reads ahead by its library's defaults, before its queue of batches."""


def main() -> int:
    """Compare all sides. Exit code 1 if a tuned loader of ours is slower (its whole interval lies below 1)."""
    options = _options()
    sides, scripts = _ours(options), _known("script", options.scripts, SCRIPTS)
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
    declared = {name: found.declaration for name, found in discover(ROOT).items() if found.declaration}
    offers = {name: one.workloads["load"] for name, one in declared.items() if "load" in one.workloads}
    loaders = _known("loader", options.loaders, [loader for offer in offers.values() for loader in offer.every_loader])
    variants = _known("variant", options.variants, [name for offer in offers.values() for name in offer.variants])
    return {
        f"{framework}/{loader}/{variant}": _measure(framework, loader, variant, options)
        for framework, offer in offers.items()
        for loader in loaders
        if loader in offer.every_loader
        for variant in variants
        if variant in offer.variants
    }


def _known(what: str, asked: str, offered: Collection[str]) -> list[str]:
    """The names that are asked for, or all. Exits if a name does not exist."""
    names = asked.split(",") if asked else list(dict.fromkeys(offered))
    unknown = [name for name in names if name not in offered]
    if unknown:
        sys.exit(f"no {what} {', '.join(map(repr, unknown))}; there are {', '.join(dict.fromkeys(offered))}")
    return names


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
    read_ahead = math.ceil(READ_AHEAD.get(name, 0) * options.workers / options.batch_size)
    counts = (max(QUEUE_DEPTHS_DISCARDED * queue, read_ahead), QUEUE_DEPTHS_MEASURED * queue)
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
