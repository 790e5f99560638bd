"""Packs the images of a data set into shards for loaders that read shards, before anything is timed.

The replicates of a run share the shards. They lie in a folder that is named after the digest of the packed splits, and
each replicate reads them and compares every image with the manifest. This also warms the page cache, as
`verify_bytes` does for the files of the manifest.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runners.harness.clock import now_ns
from runners.harness.files import read_regular
from runners.harness.manifest import Item, splits_read
from runners.harness.workload import Invalid, Request, Unsupported
from runners.reference.source import Shard, Source

SHARDS = 32
"""The number of shards is a multiple of this, so that 1, 2, 4 … 32 workers have equally many of them."""
MOST_BYTES = 2**30
"""About the largest size of a shard."""
HEADERS = 4096
"""At most this many bytes of a shard belong to an image besides its own bytes."""
FACTS = "packed.json"


@dataclass(frozen=True)
class Format:
    """A format of shards. `write` makes a shard of images, each with its position; `read` gives their bytes in order.

    `write` raises OSError, `read` raises one of `errors` if the shard is damaged. `loose` names the loader that decodes
    in the same way, but reads the files of the manifest.
    """

    name: str
    loose: str
    write: Callable[[str, Iterable[tuple[int, int, bytes]]], None]
    read: Callable[[str], Iterator[bytes]]
    errors: tuple[type[Exception], ...]


def packed(source: Source, request: Request, form: Format) -> Source:
    """The source with its shards, which are packed if the run has none yet. Raises Invalid."""
    assert request.data_root
    folder, items = _packing(request, form)
    shards = shards_in(folder, form.name, items)
    if not folder.is_dir():
        _pack(folder, shards, items, request.data_root, form)
    for shard in shards:
        _verify(shard, items[shard.first : shard.end], form)
    return dataclasses.replace(source, shards=shards)


def require_shards(workers: int, request: Request, form: Format) -> None:
    """Raise Unsupported if workers that read whole shards would be more than the shards, packed or not yet."""
    folder, items = _packing(request, form)
    shards = shards_in(folder, form.name, items)
    if workers > len(shards):
        raise Unsupported(
            f"a shard is read by one worker: {workers} workers would need as many shards, and these {len(items)} "
            f"images are packed into {len(shards)}; use fewer workers"
        )


def shards_in(folder: Path, name: str, items: list[Item]) -> tuple[Shard, ...]:
    """The shards of the images in order. They follow from the images alone; their numbers of images differ by one."""
    full = -(-sum(item.bytes for item in items) // (SHARDS * MOST_BYTES))
    count = min(len(items), SHARDS * max(1, full))
    ends = [number * len(items) // count for number in range(count + 1)]
    return tuple(Shard(str(folder / f"{number:06}.{name}"), ends[number], ends[number + 1]) for number in range(count))


def facts(source: Source, form: Format) -> dict[str, str]:
    """How many shards there are, their size, and how long the packing took, for the settings of a loader.

    Raises Invalid.
    """
    path = Path(source.shards[0].path).with_name(FACTS)
    try:
        made = json.loads(path.read_bytes())
        packing = {f"packed_{name}": str(made[name]) for name in ("bytes", "seconds")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Invalid("DATA", f"{str(path)!r} is damaged; {_remedy(path)}") from error
    return {"shards": str(len(source.shards)), **packing, "loose_loader": form.loose}


def _packing(request: Request, form: Format) -> tuple[Path, list[Item]]:
    """The folder of the shards, and the images that they hold."""
    manifest = request.manifest
    assert manifest
    splits = splits_read(request.case.workload, manifest, request.case.split)
    digest = manifest.reference(*splits).digest.removeprefix("sha256:")
    folder = (request.packed or request.scratch) / f"{form.name}-{digest}"
    return folder, [item for split in splits for item in manifest.splits[split]]


def _pack(folder: Path, shards: tuple[Shard, ...], items: list[Item], root: Path, form: Format) -> None:
    """Make the folder with all its shards, or nothing. Another replicate may make the same folder meanwhile."""
    need = sum(item.bytes + HEADERS for item in items)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.parent).free
        if free < need:
            raise Invalid("DISK", f"{folder.parent}: {free / 2**20:.0f} MiB are free; {_need(need)}")
        with tempfile.TemporaryDirectory(prefix=f".{form.name}.", suffix=".tmp", dir=folder.parent) as made:
            began, inside = now_ns(), Path(made, folder.name)
            inside.mkdir()
            for shard in shards:
                form.write(str(inside / Path(shard.path).name), _images(shard, items, root))
            size = sum(path.stat().st_size for path in inside.iterdir())
            seconds = round((now_ns() - began) / 1e9, 3)
            (inside / FACTS).write_text(json.dumps({"bytes": size, "seconds": seconds}), "ascii")
            if not folder.is_dir():
                os.rename(inside, folder)
    except OSError as error:
        if folder.is_dir():  # another replicate was faster
            return
        raise Invalid(
            "DISK", f"{folder.parent}: the images could not be packed there ({error.strerror}); {_need(need)}"
        ) from error


def _need(need: int) -> str:
    return f"packing the images needs a writable folder with {need / 2**20:.0f} MiB (by hand: --compiler-cache FOLDER)"


def _images(shard: Shard, items: list[Item], root: Path) -> Iterator[tuple[int, int, bytes]]:
    """The position, the class and the bytes of each image of a shard."""
    for position in range(shard.first, shard.end):
        yield position, items[position].label, read_regular(root / items[position].path, follow=True)


def _verify(shard: Shard, items: list[Item], form: Format) -> None:
    """Compare every image of a shard with the manifest. Raises Invalid."""
    try:
        found = [(len(data), hashlib.sha256(data).hexdigest()) for data in form.read(shard.path)]
    except (OSError, *form.errors) as error:
        fault = f"cannot be read ({' '.join(str(error).split())[:200]})"
    else:
        if found == [(item.bytes, item.sha256) for item in items]:
            return
        fault = f"does not hold the {len(items)} images of the manifest that belong there"
    raise Invalid("DATA", f"{shard.path!r}: {fault}; {_remedy(Path(shard.path))}")


def _remedy(path: Path) -> str:
    return f"remove the folder compiled/packed/{path.parent.name} of the run, and the images are packed again"
