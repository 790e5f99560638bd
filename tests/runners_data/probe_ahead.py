"""Runs in PyTorch's own Python: how many batches a loader makes that nobody takes. Prints JSON.

argv: framework, manifest, loader. The numbers are those with one and with three batches for each of two workers.
"""

import importlib
import json
import sys
import time
from pathlib import Path

from runners.harness.manifest import read_manifest
from runners.pytorch.tally import Tally
from runners.reference.source import Source

STILL_S = 1.0
"""A loader that made nothing for so long waits for somebody to take a batch."""


def main(manifest_path: str, loader: str) -> None:
    module = importlib.import_module(f"runners.pytorch.loader_{loader}")
    module.global_lock = lambda: False
    manifest = read_manifest(Path(manifest_path))
    paths = tuple(f"{manifest.root}/{item.path}" for item in manifest.splits["all"])
    print(json.dumps([made(module, Source(paths, 2, "batch", 2, True, prefetch=number)) for number in (1, 3)]))


def made(module, source: Source) -> int:
    """The batches of an endless pass after one is taken and the loader stands still."""
    tally = Tally(module.stages(source), source.workers)
    batches = module.opened(source, True, tally)()
    next(batches)
    before, now = -1, tasks(tally)
    while now != before:
        time.sleep(STILL_S)
        before, now = now, tasks(tally)
    batches.close()
    return now


def tasks(tally: Tally) -> int:
    return next(stage.tasks for stage in tally.read() if stage.name == "batch")


if __name__ == "__main__":
    main(*sys.argv[2:])
