"""Where does the CPU time of a loader go? It prints milliseconds of CPU time an image, and of wall time.

.venv/bin/python -m benchmarks.load_cpu --data FOLDER [--sides pytorch/torch/tuned/normalize,pytorch/spdl/tuned/alone]
    [--workers 2] [--batch-size 32] [--rounds 5]

FOLDER is a prepared data set (manifest.json). A side is a framework, loader, variant and stage of `load`; `alone` is
the loader's own decoder and resize in a loop on one thread, without the loader; `pillow` is the reference decoder in
such a loop. Each side has a process of its own. The sides take turns, in an order that rotates with the rounds. A turn
is a whole pass over the data set, so that no image that is counted was made before the turn. A first pass of each side
is not counted; the workers of a `tuned` DataLoader stay for the passes after it.

A loader that keeps all CPUs busy reaches, of the limit of decoding, the reference's CPU time divided by its own. The
median over rounds of this ratio is the column `limit`. CPU time is that of the process and all its workers. Wall time
counts only on a machine that does nothing else.
"""

import argparse
import contextlib
import dataclasses
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.side_by_side import ROOT
from runners.harness.manifest import read_manifest, splits_read
from runners.harness.proc import process_tree, read_text
from runners.reference.source import Source

REFERENCE = "pytorch//reference/alone"
LOADERS = ("pytorch/torch", "pytorch/opencv", "pytorch/spdl", "tensorflow/tfdata")
STAGES = ("alone", "decode", "batch", "normalize")
SIDES = ",".join(f"{loader}/tuned/{stage}" for loader in LOADERS for stage in STAGES)
TICK = os.sysconf("SC_CLK_TCK")


class Side:
    """A process with a loader, which makes a pass over the data set when it is told to."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
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
            sys.exit("a side ended; run it by hand: --serve SIDE FOLDER BATCH_SIZE WORKERS")
        cpu, wall = json.loads(line)
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
    names = [REFERENCE, *options.sides.split(",")]
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


def serve(name: str, data: str, batch_size: str, workers: str) -> None:
    """In a side's own Python: a pass over the data set for each line of standard input."""
    framework, loader, variant, stage = name.split("/")
    manifest = read_manifest(Path(data) / "manifest.json")
    items = [item for split in splits_read("load", manifest) for item in manifest.splits[split]]
    source = Source(
        paths=tuple(os.path.join(manifest.root or data, item.path) for item in items),
        batch_size=int(batch_size),
        stage="decode" if stage == "alone" else stage,
        workers=int(workers),
        tuned=variant == "tuned",
    )
    start = _alone(framework, loader, source) if stage == "alone" else _opened(framework, loader, source)
    for _ in sys.stdin:
        began = _clocks()
        for _ in start():
            pass
        spent = [end - begin for begin, end in zip(began, _clocks(), strict=True)]
        print(json.dumps([part / len(items) * 1e3 for part in spent]), flush=True)


def _alone(framework: str, loader: str, source: Source) -> Callable[[], Iterator]:
    """Passes of the own decoder on one thread. tf.data's is a graph, so there it is a loader with one worker."""
    if framework == "tensorflow":
        return _opened(framework, loader, dataclasses.replace(source, workers=1))
    import torch

    from runners.pytorch import loader_opencv, loader_torch
    from runners.pytorch.ffmpeg import load_ffmpeg
    from runners.pytorch.spdl_tasks import TunedBatch
    from runners.reference.pixels import reference_pixels

    torch.set_num_threads(1)
    load_ffmpeg()
    batch = TunedBatch(source)
    decode: dict[str, Callable] = {
        "": reference_pixels,
        "torch": loader_torch.decoder(source),
        "opencv": loader_opencv.decode,
        "spdl": lambda path: batch([path]),
    }
    return lambda: map(decode[loader], source.paths)


def _opened(framework: str, loader: str, source: Source) -> Callable[[], Iterator]:
    if framework == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
    else:
        import torch

        torch.set_num_threads(1)
    return importlib.import_module(f"runners.{framework}.loader_{loader}").opened(source, False)


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
