"""Where does the CPU time of a loader go? It prints milliseconds of CPU time an image, and of wall time.

.venv/bin/python -m benchmarks.load_cpu --data FOLDER [--sides pytorch/torch/tuned/normalize,pytorch/spdl/tuned/alone]
    [--workers 2] [--batch-size 32] [--rounds 5]

FOLDER is a prepared data set (manifest.json). A side is a framework (pytorch or tensorflow), loader, variant and stage
of `load`; `alone` is the decoder and resize of the loaders torch, opencv, spdl and of tensorflow in a loop on one
thread, without the loader. The first side is the reference decoder in such a loop. Packed images are packed before the
first pass. Each side has a process of its own. The sides take turns, in an order that rotates with the rounds. A turn
is a whole pass over the data set, so that no image that is counted was made before the turn. A first pass of each side
is not counted; every pass has to deliver every image. The workers of a `tuned` DataLoader stay for the passes after it.

A loader that keeps all CPUs busy reaches, of the limit of decoding, the reference's CPU time divided by its own. The
median over rounds of this ratio is the column `limit`. CPU time covers the process and all its workers. Wall time
counts only on a machine that does nothing else.
"""

import argparse
import contextlib
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.side_by_side import ROOT
from runners.harness.case import Case, Competitor
from runners.harness.manifest import read_manifest
from runners.harness.proc import process_tree, read_text
from runners.harness.workload import Request
from runners.pytorch.framework import FRAMEWORK as PYTORCH
from runners.reference.loading import prepared
from runners.reference.source import Source, source_of
from runners.tensorflow.framework import FRAMEWORK as TENSORFLOW

REFERENCE = "pytorch//reference/alone"
LOADERS = ("pytorch/torch", "pytorch/opencv", "pytorch/spdl", "tensorflow/tfdata")
ALONE = ("torch", "opencv", "spdl")
STAGES = ("alone", "decode", "batch", "normalize")
SIDES = ",".join(f"{loader}/tuned/{stage}" for loader in LOADERS for stage in STAGES)
TICK = os.sysconf("SC_CLK_TCK")


class Side:
    """A process with a loader, which makes a pass over the data set when it is told to."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self._name = name
        framework = name.split("/")[0]
        python = ROOT / ".venvs" / framework / "bin" / "python"
        words = [name, str(options.data), str(options.batch_size), str(options.workers)]
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.load_cpu", "--serve", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self) -> tuple[float, float]:
        """Milliseconds of CPU time and of wall time an image."""
        assert self._process.stdin
        assert self._process.stdout
        print(file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self._name} ended; run it by hand: --serve {self._name} FOLDER BATCH_SIZE WORKERS")
        cpu, wall, images, delivered = json.loads(line)
        if delivered != images:
            sys.exit(f"{self._name}: a pass delivered {delivered} images, the data set has {images}")
        return cpu, wall

    def end(self) -> None:
        """End the process; its workers end with it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Run the experiment and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sides", default=SIDES, help="comma-separated")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    names = [REFERENCE, *map(_possible, options.sides.split(","))]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with contextlib.ExitStack() as ended:
        sides = {name: Side(name, options) for name in names}
        for side in sides.values():
            ended.callback(side.end)
            side.run()
        for number in range(options.rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                found[name].append(sides[name].run())
    print(f"{options.rounds} rounds, {options.workers} workers\n")
    print("| side | CPU ms an image (least–most) | limit | wall ms an image |\n| --- | --- | --- | --- |")
    for name, turns in found.items():
        cpu, wall = zip(*turns, strict=True)
        limit = statistics.median(theirs / ours for (theirs, _), ours in zip(found[REFERENCE], cpu, strict=True))
        span = f"{statistics.median(cpu):.2f} ({min(cpu):.2f}–{max(cpu):.2f})"
        print(f"| {name} | {span} | {limit:.2f} | {statistics.median(wall):.2f} |")


def _possible(side: str) -> str:
    """The side. Exits if there is no such side."""
    offers = {"pytorch": PYTORCH.workloads["load"], "tensorflow": TENSORFLOW.workloads["load"]}
    framework, loader, variant, stage = (side.split("/") + 4 * [""])[:4]
    offer = offers.get(framework)
    if offer is None or side.count("/") != 3:
        sys.exit(f"{side!r} is no side: write FRAMEWORK/LOADER/VARIANT/STAGE, with the framework pytorch or tensorflow")
    if framework == "pytorch" and stage == "alone" and loader not in ALONE:
        sys.exit(f"{side!r}: only {', '.join(ALONE)} have a decoder that can be measured alone")
    for what, asked, known in (
        ("loader", loader, offer.every_loader),
        ("variant", variant, offer.variants),
        ("stage", stage, STAGES),
    ):
        if asked not in known:
            sys.exit(f"{side!r}: no {what} {asked!r}; there are {', '.join(known)}")
    return side


def serve(name: str, data: str, batch_size: str, workers: str) -> None:
    """In a side's own Python: a pass over the data set for each line of standard input."""
    framework, loader, variant, stage = name.split("/")
    manifest = read_manifest(Path(data) / "manifest.json")
    alone = stage == "alone"
    # TensorFlow's decoder is a graph, so there it is a loader with one worker.
    count = 1 if alone and framework == "tensorflow" else int(workers)
    made = "decode" if alone else stage
    case = Case("load", "cpu", batch_size=int(batch_size), seed=25, stage=made, workers=count)
    with tempfile.TemporaryDirectory() as kept:
        scratch, root = Path(kept), Path(manifest.root or data)
        request = Request(case, Competitor(framework, variant, loader), 1, scratch, scratch, manifest, root)
        source = source_of(request)
        start = _alone(loader, source) if alone and framework == "pytorch" else _opened(source, request)
        for _ in sys.stdin:
            began, delivered = _clocks(), 0
            for batch in start():
                delivered += len(batch)
            images = len(source.paths)
            spent = [(end - begin) / images * 1e3 for begin, end in zip(began, _clocks(), strict=True)]
            print(json.dumps([*spent, images, delivered]), flush=True)


def _alone(loader: str, source: Source) -> Callable[[], Iterator]:
    """Passes of a loader's own decoder on one thread, image by image."""
    import torch

    from runners.pytorch import loader_opencv, loader_torch
    from runners.pytorch.ffmpeg import load_ffmpeg
    from runners.pytorch.spdl_tasks import TunedBatch, checked
    from runners.reference.pixels import reference_pixels

    torch.set_num_threads(1)
    load_ffmpeg()
    batch = TunedBatch(source)
    decode: dict[str, Callable] = {
        "": reference_pixels,
        "torch": loader_torch.decoder(source),
        "opencv": loader_opencv.decode,
        "spdl": lambda path: checked(batch([path])),
    }
    return lambda: ([decode[loader](path)] for path in source.paths)


def _opened(source: Source, request: Request) -> Callable[[], Iterator]:
    framework, loader = request.competitor.framework, request.competitor.loader
    if framework == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
    else:
        import torch

        torch.set_num_threads(1)
    module = importlib.import_module(f"runners.{framework}.loader_{loader}")
    return module.opened(prepared(source, request, module), False)


def _clocks() -> tuple[float, float]:
    """Seconds of CPU time of this process and its descendants, and of wall time."""
    own, ticks = os.getpid(), 0
    for pid in process_tree():
        stat = read_text(f"/proc/{pid}/stat") if pid != own else None
        if stat:
            after_name = stat.rpartition(")")[2].split()
            ticks += int(after_name[11]) + int(after_name[12])
    return time.process_time() + ticks / TICK, time.perf_counter()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main()
