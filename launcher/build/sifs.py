"""Apptainer's images of the programs, in .sifs/, made from archives of their Docker images.

Where a Docker engine answers, the archive comes from there. A cluster seldom has one: there a user puts it into .sifs/.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter, ValidationError

from launcher.build.images import SOURCE_LABEL, ImageBuilder, source_digest, tag
from launcher.build.programs import index_digest
from launcher.errors import BuildFailed, NotReady
from launcher.processes import run_logged
from launcher.stop import Stop
from launcher.text import say
from runners.harness.files import write_atomically
from runners.harness.run import Build

FOLDER = ".sifs"
COMMANDS = ("apptainer", "singularity")
"""Apptainer, and the name that it had and that its sister project has."""
STEP_SECONDS = 3600.0
_BUILD: TypeAdapter[Build] = TypeAdapter(Build)


def command() -> str:
    """The command that makes and runs these images. Raises NotReady where this machine has none."""
    found = next((name for name in COMMANDS if shutil.which(name)), None)
    if found is None:
        raise NotReady(
            f"no {COMMANDS[0]} on {os.uname().nodename}: load its module (module load {COMMANDS[0]}) or install it, "
            "or use ENGINE=slurm, which needs none"
        )
    return found


class SifBuilder:
    """Makes images that are missing or out of date. The file beside an image names the Docker image that it holds."""

    def __init__(
        self,
        root: Path,
        device: str,
        stop: Stop,
        images: ImageBuilder | NotReady,
        base: str = "",
        extra_index: str = "",
    ) -> None:
        """`images` builds the Docker images, or says why nothing here can."""
        self._root, self._device, self._stop, self._images = root, device, stop, images
        self._base, self._index = base, index_digest(extra_index)

    def is_current(self, program: str) -> bool:
        """Whether there is an image of these sources."""
        return _held(self._path(program)) is not None

    def build(self, program: str) -> Build:
        """Make the program's image, unless it is current. Raises BuildFailed."""
        path = self._path(program)
        if build := _held(path):
            return build
        path.parent.mkdir(exist_ok=True)
        archive = path.parent / f"{_stem(program, self._device)}.tar"
        if isinstance(self._images, NotReady):
            build = self._put_there(archive, program)
            self._convert(archive, path, program)
        else:
            build = self._images.build(program)
            try:
                self._run(["docker", "save", "--output", str(archive), build.id], program, "docker could not save it")
                self._convert(archive, path, program)
            finally:
                archive.unlink(missing_ok=True)
        write_atomically(path.with_suffix(".json"), json.dumps(dataclasses.asdict(build)).encode("ascii"))
        return build

    def find(self, program: str, build: Build) -> Path | None:
        """The image that holds this Docker image, whatever the sources are by now; None where it is gone."""
        paths = (self._root / FOLDER).glob(f"{_stem(program, self._device)}-*.sif")
        return next((path for path in sorted(paths) if _held(path) == build), None)

    def _path(self, program: str) -> Path:
        sources = source_digest(self._root, program, self._device, self._base)
        digest = hashlib.sha256(f"{sources}\0{self._index}".encode()).hexdigest()[:16]
        return self._root / FOLDER / f"{_stem(program, self._device)}-{digest}.sif"

    def _put_there(self, archive: Path, program: str) -> Build:
        """The image in the archive that a user put there. Raises BuildFailed where it is missing, or too old."""
        if not archive.is_file():
            raise BuildFailed(
                f"{program}: {FOLDER} has no image of these sources, and none can be made here ({self._images}). Where "
                f"Docker is: make images ENGINE=docker; docker save {tag(program, self._device)} -o {archive.name}; "
                f"then put the archive into {archive.parent}"
            )
        try:
            image_id, labels = _read(archive)
        except (OSError, EOFError, tarfile.TarError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise BuildFailed(f"{archive}: not an archive of `docker save` ({error})") from error
        if labels.get(SOURCE_LABEL) != source_digest(self._root, program, self._device, self._base):
            raise BuildFailed(f"{archive}: made from other sources than these; save an image of the same commit")
        return Build(image_id)

    def _convert(self, archive: Path, path: Path, program: str) -> None:
        made = path.with_suffix(".part")
        words = [command(), "build", "--force", "--disable-cache", str(made), f"docker-archive:{archive}"]
        say(f"making {FOLDER}/{path.name}, which may take minutes")
        try:
            self._run(words, program, f"{words[0]} could not make an image of it")
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)

    def _run(self, words: Sequence[str], program: str, failure: str) -> None:
        code, tail = run_logged(words, self._root, self._stop, STEP_SECONDS, f"making an image of {program}")
        if code != 0:
            raise BuildFailed(f"{program}: {failure}", tail)


def _stem(program: str, device: str) -> str:
    return tag(program, device).replace(":", "_")


def _held(path: Path) -> Build | None:
    """The Docker image that the image at `path` holds; None where there is no image, or nothing says what it holds."""
    try:
        return _BUILD.validate_json(path.with_suffix(".json").read_bytes()) if path.is_file() else None
    except (OSError, ValidationError):
        return None


def _read(archive: Path) -> tuple[str, dict[str, str]]:
    """The image's id, which is the digest of its configuration, and its labels."""
    with tarfile.open(archive) as tar:
        (image,) = json.load(_member(tar, "manifest.json"))
        content = _member(tar, image["Config"]).read()
    return f"sha256:{hashlib.sha256(content).hexdigest()}", json.loads(content)["config"].get("Labels") or {}


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    found = tar.extractfile(name)
    if found is None:
        raise ValueError(f"{name} is not a file")
    return found
