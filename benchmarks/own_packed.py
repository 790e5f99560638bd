"""Are our loaders of packed images as fast as their documentation's examples, at equal pixels and from the same shards?

.venv/bin/python -m benchmarks.own_packed --data FOLDER [--batch-size 32] [--workers 2] [--blocks 4]

FOLDER is a prepared data set (manifest.json). All sides deliver the same normalised images of 224×224 pixels again and
again. A block has one process of each side; the order rotates with the blocks. A ratio above 1 means that our tuned
loader is faster, or uses less CPU time. CPU time also counts on a busy machine.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.own_load import ratio_with_interval
from benchmarks.side_by_side import replicate, run_python
from runners.harness.loop import QUEUE_DEPTHS_DISCARDED, QUEUE_DEPTHS_MEASURED
from runners.reference.source import PREFETCH

PACKED = {"webdataset": ("pytorch", "tar"), "tfrecord": ("tensorflow", "tfrecord")}
Measured = tuple[float, float]
"""Images a second, and images a CPU second."""


def main() -> int:
    """Compare all sides. Exit code 1 if a tuned loader is slower than its example (its whole interval lies below 1)."""
    options = _options()
    slower = 0
    with tempfile.TemporaryDirectory() as kept:
        sides: dict[str, Callable[[], Measured]] = {}
        for loader in PACKED:
            sides[f"{loader} example"] = lambda loader=loader: _example(loader, Path(kept), options)
            for variant in ("tuned", "plain"):
                sides[f"{loader} {variant}"] = lambda one=(loader, variant): _ours(*one, Path(kept), options)
        for loader in PACKED:
            _ours(loader, "plain", Path(kept), options)  # packs the images
        found: dict[str, list[Measured]] = {name: [] for name in sides}
        for block in range(options.blocks):
            order = list(sides)
            for name in order[block % len(order) :] + order[: block % len(order)]:
                found[name].append(sides[name]())
    print(f"{'':24} images/s  CPU ms/image  ÷ example: images/s, images/CPU s (95 %)  {options.blocks} blocks")
    for name, measured in found.items():
        examples = found[f"{name.split()[0]} example"]
        rates, thrift = (
            ratio_with_interval([one[which] for one in measured], [one[which] for one in examples]) for which in (0, 1)
        )
        middle = statistics.median(one[0] for one in measured), statistics.median(1e3 / one[1] for one in measured)
        print(f"{name:24} {middle[0]:8.0f}  {middle[1]:12.2f}  {rates[0]}, {thrift[0]}")
        slower += name.endswith("tuned") and rates[1] < 1
    return 1 if slower else 0


def _ours(loader: str, variant: str, kept: Path, options: argparse.Namespace) -> Measured:
    framework, _ = PACKED[loader]
    words = ["load", "--loader", loader, "--variant", variant, "--stage", "normalize", "--min-seconds", "4"]
    words += ["--batch-size", str(options.batch_size), "--workers", str(options.workers)]
    words += ["--manifest", str(options.data / "manifest.json"), "--compiler-cache", str(kept)]
    record = replicate(framework, *words)
    samples, times = record["samples"], record["samples"]["step_ns"]
    measured = times[samples["warmup_steps"] :]
    rate = samples["items_per_step"] * len(measured) * 1e9 / sum(measured)
    return rate, samples["items_per_step"] * len(times) / record["resources"]["cpu_seconds"]


def _example(loader: str, kept: Path, options: argparse.Namespace) -> Measured:
    framework, ending = PACKED[loader]
    folder = next((kept / "packed").glob(f"{ending}-*"))
    queue = options.workers * PREFETCH
    counts = (QUEUE_DEPTHS_DISCARDED * queue, QUEUE_DEPTHS_MEASURED * queue)
    words = [str(folder), *map(str, (options.batch_size, options.workers, *counts))]
    printed = json.loads(run_python(framework, f"benchmarks.tutorials.load_{loader}", *words).splitlines()[-1])
    return printed["images_per_second"], 1 / printed["cpu_seconds_per_image"]


def _options() -> argparse.Namespace:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--data", type=Path, required=True)
    parse.add_argument("--batch-size", type=int, default=32)
    parse.add_argument("--workers", type=int, default=2)
    parse.add_argument("--blocks", type=int, default=4)
    return parse.parse_args()


if __name__ == "__main__":
    sys.exit(main())
