"""Runs in a framework's own Python: the loader of packed images with many numbers of workers. Prints JSON.

argv: framework, manifest, loader. For each number of workers: the images of an epoch, or the reason why there is none.
Then the reason after a shard was damaged, and after an image was left out of the loader's shards.
"""

import dataclasses
import importlib
import itertools
import json
import sys
import tempfile
from pathlib import Path

from runners.harness.case import Case, Competitor
from runners.harness.manifest import read_manifest
from runners.harness.workload import Invalid, Request, Unsupported
from runners.reference.source import Shard, Source

WORKERS = (1, 3, 5, 8, 9)
BATCH = 2


def main(name: str, manifest_path: str, loader: str) -> None:
    load = importlib.import_module(f"runners.{name}.load")
    module = importlib.import_module(f"runners.{name}.loader_{loader}")
    manifest = read_manifest(Path(manifest_path))
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)

        def tried(workers: int, variant: str) -> str | int:
            case = Case("load", "cpu", batch_size=BATCH, seed=25, stage="batch", workers=workers)
            competitor = Competitor(name, variant, loader)
            root = Path(manifest.root)
            request = Request(case, competitor, 1, folder, folder, manifest, root, packed=folder / "packed")
            try:
                work = load.prepare(request)
            except (Invalid, Unsupported) as error:
                return f"{getattr(error, 'kind', 'UNSUPPORTED')} {error}"
            try:
                sizes = {len(work.step()) for _ in range(7)}
                return work.check().delivered_items if sizes == {BATCH} else f"batches of {sizes}"
            finally:
                work.close()

        for workers, variant in itertools.product(WORKERS, ("plain", "tuned")):
            found[f"{variant}/{workers}"] = tried(workers, variant)
        prepared = module.prepared
        module.prepared = lambda source, request: without_one(prepared(source, request))
        found["lost"] = tried(1, "plain")
        module.prepared = lambda source, request: out_of_order(prepared(source, request))
        found["disordered"] = tried(1, "plain")
        module.prepared = prepared
        damaged = next(path for path in folder.rglob("000002.*") if path.is_file())
        damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
        found["damaged"] = tried(1, "plain")
    if loader == "webdataset":
        found |= shares(module)
    json.dump(found, sys.stdout)


def shares(module) -> dict:
    """For 1 to 32 workers on 240 images in 32 shards: whether an epoch has each image once, and how often each worker
    has each shard in as many epochs as there are workers."""
    from torch.utils.data import _utils

    ends = [number * 240 // 32 for number in range(33)]
    shards = tuple(Shard(f"{number}", ends[number], ends[number + 1]) for number in range(32))
    whole, often = True, {}
    for workers in range(1, 33):
        source = Source(("",) * 240, 32, "batch", workers, False, shards=shards)
        delivered = [position for batch in module.epoch(source) for position in batch]
        whole = whole and sorted(delivered) == list(range(240))
    for workers in (1, 2, 4, 8, 16, 32):
        counted = []
        for worker in range(workers):
            info = _utils.worker.WorkerInfo(id=worker, num_workers=workers, seed=0, dataset=None)
            _utils.worker._worker_info = info
            taken = itertools.islice(module.webdataset.split_by_worker(iter(module.Turns(shards, True))), 32)
            counted += [sorted(shard.first for shard in taken)]
        _utils.worker._worker_info = None
        often[workers] = all(firsts == ends[:-1] for firsts in counted)
    return {"whole": whole, "often": often}


def without_one(source: Source) -> Source:
    """The source whose last shard the loader does not read."""
    return dataclasses.replace(source, shards=source.shards[:-1])


def out_of_order(source: Source) -> Source:
    """The source whose shards the loader reads in another order than the one that is declared."""
    paths = [shard.path for shard in source.shards]
    moved = zip([paths[1], paths[0], *paths[2:]], source.shards, strict=True)
    return dataclasses.replace(source, shards=tuple(Shard(path, shard.first, shard.end) for path, shard in moved))


if __name__ == "__main__":
    main(*sys.argv[1:])
