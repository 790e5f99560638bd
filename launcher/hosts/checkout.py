"""Packs what a run needs of this project's folder, and unpacks the folder of a run."""

import io
import json
import os
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

from launcher.build.sources import COMMIT_NAME, commit

SENT = (
    *("Makefile", "pyproject.toml", "README.md", "LICENSE"),
    *("aggregator", "dataset_prep", "images", "launcher", "method", "profiles", "runners"),
)
"""What installing, measuring and reporting read. Data, results, and whatever else lies in the folder stay here."""
MOST_BYTES = 2**32
MOST_FILES = 10**6


class BadArchive(ValueError):
    """An archive that the fetched folder of a run cannot be."""


def pack(root: Path) -> bytes:
    """The project's files as a compressed archive, with a note of their commit."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as archive:
        for name in SENT:
            if (root / name).exists():
                archive.add(root / name, name, filter=_without_caches)
        note = json.dumps(commit(root)).encode()
        about = tarfile.TarInfo(COMMIT_NAME)
        about.size = len(note)
        archive.addfile(about, io.BytesIO(note))
    return packed.getvalue()


def _without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in PurePosixPath(member.name).parts else member


def unpack(stream: IO[bytes], target: Path) -> None:
    """Write the regular files of an archive below `target`. Raises BadArchive for anything else in it."""
    size = count = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|gz") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                size, count = size + member.size, count + 1
                if path.is_absolute() or ".." in path.parts or "\0" in member.name:
                    raise BadArchive(f"a name leads out of the folder: {member.name!r}")
                if size > MOST_BYTES or count > MOST_FILES:
                    raise BadArchive("it is larger than any run")
                if member.isdir():
                    (target / path).mkdir(parents=True, exist_ok=True)
                elif member.isreg() and (content := archive.extractfile(member)):
                    _write(target / path, content)
                else:
                    raise BadArchive(f"not a regular file: {member.name!r}")
    except (tarfile.TarError, EOFError) as error:
        raise BadArchive(f"cut short or damaged ({error})") from error
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise BadArchive("a name stands for two things") from error


def _write(path: Path, content: IO[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(path, "wb", opener=lambda name, _: os.open(name, flags, 0o644)) as file:
        while chunk := content.read(2**20):
            file.write(chunk)
