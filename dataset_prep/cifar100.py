"""CIFAR-100 as class folders of 64x64 JPEGs, from the official archive or another archive in the same format."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dataset_prep.archive import SIDE, Split, read_archive
from dataset_prep.build import Contents, Picture, build, provenance, ready, require_replaceable, require_space
from dataset_prep.checksum import Checksum
from dataset_prep.console import say, shown
from dataset_prep.download import fetch
from dataset_prep.errors import BadInput, NotReady
from dataset_prep.parallel import in_order

KIND = "cifar100"
OFFICIAL_URL = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
OFFICIAL_CHECKSUM = Checksum("md5", "eb9058c3a382ffc7106e4002c42a8d85")
OFFICIAL_BYTES = 169_001_437
IMAGES = 60_000
OUTPUT_SIDE = 64
QUALITY = 75


@dataclass(frozen=True)
class Options:
    """The source of the archive and its expected checksum. If `archive`, a file, is given, `url` is ignored."""

    archive: Path | None = None
    url: str = OFFICIAL_URL
    checksum: Checksum = OFFICIAL_CHECKSUM
    force: bool = False


def prepare(out: Path, options: Options) -> Path:
    """Write the images and their manifest under `out`. Returns the manifest's path."""
    facts = provenance(archive=options.checksum, side=OUTPUT_SIDE, resampling="bicubic", quality=QUALITY)
    if not options.force and ready(out, KIND, facts):
        return out / "manifest.json"
    require_replaceable(out, KIND, options.force)
    require_space(out, IMAGES, 4096, extra=0 if options.archive else OFFICIAL_BYTES)

    def contents() -> Contents:
        archive = _obtain(out, options)
        say(f"reading {shown(archive)}")
        classes, splits = read_archive(archive)
        return Contents(classes, _pictures(splits), sum(len(split.labels) for split in splits.values()))

    return build(out, KIND, facts, contents)


def _obtain(out: Path, options: Options) -> Path:
    """The archive on this disk, with its checksum verified. A download is kept next to `out` for the next time."""
    download = out.with_name(out.name + ".tar.gz")
    if options.archive is None:
        if not (download.is_file() and options.checksum.of(download) == options.checksum):
            fetch(options.url, download, options.checksum)
        return download
    try:
        found = options.checksum.of(options.archive)
    except OSError as error:
        raise BadInput(f"{shown(options.archive)}: cannot be read ({error.strerror}); check --archive") from error
    if found != options.checksum:
        raise NotReady(
            f"{shown(options.archive)}: checksum {found}, expected {options.checksum}; get the file again, "
            "or give its expected checksum with --checksum"
        )
    return options.archive


def _pictures(splits: dict[str, Split]) -> Iterator[Picture]:
    for name, split in splits.items():

        def picture(number: int, name: str = name, split: Split = split) -> Picture:
            return Picture(name, split.labels[number], f"{number:05d}.jpg", _jpeg(split, number))

        yield from in_order(picture, range(len(split.labels)))


def _jpeg(split: Split, number: int) -> bytes:
    planes = split.rows[number].reshape(3, SIDE, SIDE)
    image = Image.fromarray(planes.transpose(1, 2, 0).copy())
    buffer = io.BytesIO()
    image.resize((OUTPUT_SIDE, OUTPUT_SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
