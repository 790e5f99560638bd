"""Packed against loose files, and our loaders of packed images against their documentation's examples, by turns.

.venv/bin/python -m benchmarks.own_packed --data FOLDER [--batch-size 32] [--workers 2] [--turns 8] [--batches 40]

FOLDER is a prepared data set (manifest.json). Every side delivers normalised images of 224×224 pixels again and again,
in a process that lives for the whole comparison; its first batch is compared with the reference decoder. A turn of a
side takes `batches` batches after those that were ready. The order rotates with the turns, so a machine that becomes
slower or faster does so for all. A ratio above 1 means that ours, or the packed side, is faster, or uses less CPU time.
CPU time says something on a busy machine too. Exit code 1: a tuned loader is slower than its example, or uses more CPU
time (a whole interval lies below 1).
"""

import argparse
import contextlib
import importlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.side_by_side import ROOT
from runners.harness.case import Case, Competitor
from runners.harness.manifest import read_manifest
from runners.harness.resources import TICKS, cpu_ticks
from runners.harness.workload import Request
from runners.reference.loading import prepared
from runners.reference.source import source_of

EXAMPLE = "example"
PACKED = {"pytorch": ("webdataset", "torch"), "tensorflow": ("tfrecord", "tfdata")}
"""The loader of packed images, and the loader of loose files that decodes alike, of each framework."""
MOST_DIFFERENCE = 2.0
"""Of 255, the mean of the worst image: the limit of the matched track."""


def main() -> int:
    """Take turns, print the table, and return the exit code."""
    options = _options()
    words = (str(options.data.absolute()), str(options.batch_size), str(options.workers), str(options.batches))
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as kept, contextlib.ExitStack() as ended:
        sides = {}
        for framework, (packed, loose) in PACKED.items():
            for loader, variant in (
                (packed, "plain"),
                (packed, "tuned"),
                (packed, EXAMPLE),
                (loose, "plain"),
                (loose, "tuned"),
            ):
                name = f"{loader} {variant}"
                sides[name] = _started(framework, loader, variant, *words, kept)
                ended.callback(_end, sides[name])
                _turn(sides[name])  # warms up; the first of a framework packs the images
                found[name] = []
        for turn in range(options.turns):
            order = list(sides)
            for name in order[turn % len(order) :] + order[: turn % len(order)]:
                found[name].append(_turn(sides[name]))
            print(f"turn {turn + 1} of {options.turns}", file=sys.stderr, flush=True)
    print(f"{options.turns} turns, batch {options.batch_size}, {options.workers} workers\n")
    for name, turns in found.items():
        rate, cost = (statistics.median(values) for values in zip(*turns, strict=True))
        print(f"{name:20} {rate:8.0f} images/s {1e3 / cost:8.2f} CPU ms an image")
    print("\nratios with 95 % intervals: images a second; images a CPU second")
    worse = 0
    for packed, loose in PACKED.values():
        pairs = [(f"{packed} {variant}", f"{loose} {variant}") for variant in ("plain", "tuned")]
        for ours, other in [*pairs, (f"{packed} tuned", f"{packed} {EXAMPLE}")]:
            texts, ends = zip(*(_ratio(found[ours], found[other], which) for which in (0, 1)), strict=True)
            worse += other.endswith(EXAMPLE) and min(ends) < 1
            print(f"{ours + ' ÷ ' + other:42} {texts[0]:>20} {texts[1]:>20}")
    return 1 if worse else 0


def serve(framework: str, loader: str, variant: str, data: str, size: str, workers: str, count: str, kept: str) -> None:
    """In a side's own Python: one turn for each line of standard input."""
    manifest = read_manifest(Path(data) / "manifest.json")
    root, scratch = Path(manifest.root or data), Path(kept)
    case = Case("load", "cpu", batch_size=int(size), seed=25, stage="normalize", workers=int(workers))
    competitor = Competitor(framework, "plain" if variant == EXAMPLE else variant, loader)
    request = Request(case, competitor, 1, scratch, scratch, manifest, root, packed=scratch)
    load = importlib.import_module(f"runners.{framework}.load")
    module = importlib.import_module(f"runners.{framework}.loader_{loader}")
    load.devices.configure(request)
    source = prepared(source_of(request), request, module)
    batches = module.opened(source, True)()
    if variant == EXAMPLE:
        example = importlib.import_module(f"benchmarks.tutorials.load_{loader}")
        folder = Path(source.shards[0].path).parent
        batches = map(example.images, example.batches(folder, case.batch_size, source.workers))
    _assert_equal_pixels(next(batches), [source.paths[position] for position in source.batches[0]])
    ready = 2 * source.queue_batches
    for _ in sys.stdin:
        _take(batches, ready)
        began, ticks = time.perf_counter(), cpu_ticks()
        _take(batches, int(count))
        took, used = time.perf_counter() - began, (cpu_ticks() - ticks) / TICKS
        print(json.dumps([int(count) * case.batch_size / took, int(count) * case.batch_size / used]), flush=True)


def _assert_equal_pixels(batch: object, paths: list[str]) -> None:
    import numpy as np

    from runners.reference.pixels import affine, reference_pixels

    scale, offset = affine()
    for image, path in zip(np.asarray(batch), paths, strict=True):
        channels_last = image.transpose(1, 2, 0) if image.shape[0] == len(scale) else image
        difference = np.abs((channels_last - offset) / scale - reference_pixels(path)).mean()
        assert difference <= MOST_DIFFERENCE, f"{path} differs by {difference:.2f}"


def _take(batches: Iterator, count: int) -> None:
    for _ in range(count):
        next(batches)


def _started(framework: str, *words: str) -> subprocess.Popen:
    python = str(ROOT / ".venvs" / framework / "bin" / "python")
    command = [python, "-m", "benchmarks.own_packed", "--serve", framework, *words]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=quiet, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _turn(side: subprocess.Popen) -> tuple[float, float]:
    """Images a second, and images a CPU second."""
    assert side.stdin
    assert side.stdout
    print(file=side.stdin, flush=True)
    line = side.stdout.readline()
    if not line:
        sys.exit(f"{' '.join(map(str, side.args))} ended")
    rate, thrift = json.loads(line)
    return rate, thrift


def _end(side: subprocess.Popen) -> None:
    assert side.stdin
    side.stdin.close()
    side.wait()


def _ratio(ours: list[tuple[float, float]], theirs: list[tuple[float, float]], which: int) -> tuple[str, float]:
    """The ratio with its interval, and the interval's upper end."""
    from method.compare import interval_of_mean  # the frameworks' own Pythons lack what it needs

    logs = [math.log(our[which] / their[which]) for our, their in zip(ours, theirs, strict=True)]
    low, high = (math.exp(end) for end in interval_of_mean(logs) or (-math.inf, math.inf))
    return f"{math.exp(statistics.fmean(logs)):.2f} ({low:.2f}–{high:.2f})", high


def _options() -> argparse.Namespace:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--data", type=Path, required=True)
    parse.add_argument("--batch-size", type=int, default=32)
    parse.add_argument("--workers", type=int, default=2)
    parse.add_argument("--turns", type=int, default=8)
    parse.add_argument("--batches", type=int, default=40, help="batches of a turn")
    return parse.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        sys.exit(main())
