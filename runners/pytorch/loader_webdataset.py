"""WebDataset: the workers of a DataLoader read tar files. Each reads whole files, and decodes what it reads."""

import dataclasses
import itertools
import tarfile
from collections.abc import Callable, Iterable, Iterator

import PIL
import torch
import torchvision
import webdataset
from torchvision.transforms import v2
from webdataset.autodecode import Decoder, DecodingError, imagehandler

from runners.harness.workload import Request
from runners.pytorch import dataloader, loader_torch
from runners.pytorch.tally import Tally
from runners.reference.packed import Format, facts, packed, require_shards
from runners.reference.source import SIDE, Source, in_batches

CHANNELS_FIRST = True
IMAGE = "jpg"
stages = dataloader.stages


def opened(source: Source, endless: bool, tally: Tally | None = None) -> Callable[[], Iterator]:
    """A function that starts a pass over the images, or an endless pass. Each worker makes batches of its own shards.

    The variant `tuned` skips the classes when it reads a shard.
    """
    decode = TunedDecoder(source) if source.tuned else PlainDecoder(source)
    images, collate, finish = dataloader.parts(source, decode, tally)
    if source.ready is None:
        wanted = is_image if source.tuned else None
        samples = [Turns([{"url": shard.path} for shard in source.shards], endless), webdataset.split_by_worker]
        samples += [webdataset.tarfile_to_samples(select_files=wanted), webdataset.map(images.made_of)]
    else:
        samples = [Turns(range(len(source.paths)), endless), webdataset.split_by_worker]
        samples += [webdataset.map(images.__getitem__)]
    pipeline = webdataset.DataPipeline(*samples, webdataset.batched(source.batch_size, collation_fn=collate))
    loader = dataloader.with_workers(source, pipeline, batch_size=None)
    return lambda: dataloader.one_pass(loader, finish)


def prepared(source: Source, request: Request) -> Source:
    """The source with its shards, and with the order in which the workers deliver them. Raises Invalid, Unsupported."""
    require_shards(source.workers, request, TAR)
    source = packed(source, request, TAR)
    return dataclasses.replace(source, epoch=epoch(source))


def epoch(source: Source) -> tuple[tuple[int, ...], ...]:
    """The positions in each batch of an epoch: DataLoader takes a batch of each worker in turn."""
    workers = max(1, source.workers)
    shares = (source.shards[worker::workers] for worker in range(workers))
    read = ([position for shard in share for position in range(shard.first, shard.end)] for share in shares)
    turns = itertools.zip_longest(*(in_batches(positions, source.batch_size) for positions in read))
    return tuple(batch for turn in turns for batch in turn if batch)


def settings(source: Source) -> dict[str, str]:
    """The settings in effect, read back while the workers run."""
    library = f"torchvision {torchvision.__version__}" if source.tuned else f"pillow {PIL.__version__}"
    return {
        **dataloader.settings(source, library),
        "reader": f"webdataset {webdataset.__version__}",
        **facts(source, TAR),
    }


def write(path: str, images: Iterable[tuple[int, int, bytes]]) -> None:
    """Write a shard: for each image a file with its bytes and a file with its class. Equal images give equal shards."""
    with webdataset.TarWriter(path, mtime=0) as tar:
        for position, label, data in images:
            tar.write({"__key__": f"{position:012}", IMAGE: data, "cls": label})


def read(path: str) -> Iterator[bytes]:
    """The bytes of a shard's images."""
    try:
        for sample in webdataset.DataPipeline(Turns([{"url": path}], endless=False), webdataset.tarfile_to_samples()):
            yield sample[IMAGE]
    except (tarfile.TarError, ValueError, KeyError, EOFError) as error:  # WebDataset adds to its arguments what it read
        raise tarfile.ReadError(str(error.args[0]).partition(" @ ")[0]) from None


TAR = Format("tar", "torch", write, read, (tarfile.TarError,))


def is_image(name: str) -> bool:
    """Whether a file of a shard is an image."""
    return name.endswith(f".{IMAGE}")


class Turns(torch.utils.data.IterableDataset):
    """Items in order, once or epoch after epoch.

    Each epoch begins one item later. So every worker has each item equally often if the workers divide the items, even
    if some items hold more images.
    """

    def __init__(self, items: Iterable, endless: bool) -> None:
        self.items, self.endless = list(items), endless

    def __iter__(self) -> Iterator:
        for first in itertools.cycle(range(len(self.items))) if self.endless else (0,):
            for item in self.items[first:] + self.items[:first]:
                yield dict(item) if isinstance(item, dict) else item


class PlainDecoder:
    """As in the documentation: WebDataset decodes a sample with Pillow, and torchvision's transforms resize it."""

    def __init__(self, source: Source) -> None:
        self.paths, self.decode = source.paths, Decoder([imagehandler("pil")])
        self.transform = v2.Compose([v2.Resize((SIDE, SIDE)), v2.PILToTensor()])

    def __call__(self, sample: dict) -> torch.Tensor:
        try:
            return self.transform(self.decode(sample)[IMAGE])
        except DecodingError as error:
            raise dataloader.undecodable(self.paths[int(sample["__key__"])], error.__cause__ or error) from None


class TunedDecoder:
    """As the loader `torch` decodes the bytes of a file."""

    def __init__(self, source: Source) -> None:
        self.paths = source.paths

    def __call__(self, sample: dict) -> torch.Tensor:
        encoded = torch.frombuffer(bytearray(sample[IMAGE]), dtype=torch.uint8)
        return loader_torch.decoded(encoded, self.paths[int(sample["__key__"])])
