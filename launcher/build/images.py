"""The frameworks' images. The `docker` command builds them, since the engine's API cannot drive BuildKit."""

import hashlib
import shutil
from pathlib import Path

import docker
from docker.errors import ImageNotFound
from docker.models.images import Image

from launcher.build import sources
from launcher.build.programs import ARGUMENT, index_digest, split
from launcher.build.retry import with_retries
from launcher.errors import BuildFailed
from launcher.processes import run_logged
from launcher.stop import Stop
from launcher.text import say
from runners.harness.run import Build

DEFAULT_BASE = "python:3.11-slim-bookworm"
SOURCE_LABEL = "levelfield.source"
INDEX_LABEL = "levelfield.index"
BUILD_SECONDS = 2 * 3600.0


def tag(program: str, device: str) -> str:
    """The image's name: `levelfield-tensorflow:cpu`, or `levelfield-tensorflow:cpu-2.16.2`; a tag takes no `+`."""
    framework, version = split(program)
    return f"levelfield-{framework}:{device}" + (f"-{version.replace('+', '_')}" if version else "")


def source_digest(root: Path, program: str, device: str, base: str) -> str:
    """A digest of everything that goes into the image; an empty `base` is the default."""
    framework, version = split(program)
    total = hashlib.sha256(f"{device}\0{version}\0{base or DEFAULT_BASE}\0".encode())
    total.update(sources.digest(root, framework).encode())
    return total.hexdigest()


class ImageBuilder:
    """Builds images that are missing or out of date."""

    def __init__(
        self, root: Path, client: docker.DockerClient, device: str, stop: Stop, base: str = "", extra_index: str = ""
    ) -> None:
        self._root, self._client, self._device, self._stop = root, client, device, stop
        self._base, self._extra_index = base or DEFAULT_BASE, extra_index

    def is_current(self, program: str) -> bool:
        """Whether the image was made from these sources, and from the extra package index where there is one."""
        image = self._find(tag(program, self._device))
        if image is None or image.labels.get(SOURCE_LABEL) != self._digest(program):
            return False
        return not self._extra_index or image.labels.get(INDEX_LABEL) == index_digest(self._extra_index)

    def build(self, program: str) -> Build:
        """Build the program's image, unless it is current. Raises BuildFailed."""
        if not self.is_current(program):
            self._build(program)
        image = self._find(tag(program, self._device))
        if image is None:
            raise BuildFailed(
                f"{tag(program, self._device)} is not there after its build; does `docker` use another engine?"
            )
        return Build(str(image.id), self._base_digest())

    def has(self, image_id: str) -> bool:
        """Whether the engine still holds the image."""
        return self._find(image_id) is not None

    def _find(self, name: str) -> Image | None:
        try:
            return self._client.images.get(name)
        except ImageNotFound:
            return None

    def _base_digest(self) -> str | None:
        base = self._find(self._base)
        if base is None:
            return None
        digests = base.attrs.get("RepoDigests") or []
        return str(digests[0] if digests else base.id)

    def _build(self, program: str) -> None:
        framework, version = split(program)
        if not (self._root / "images" / framework).is_dir():
            raise BuildFailed(f"images/{framework} is missing, which names what the image has")
        if shutil.which("docker") is None:
            raise BuildFailed("the `docker` command is missing, which builds the images; install the Docker client")
        say(f"building {tag(program, self._device)}")
        given = {
            "BASE_IMAGE": self._base,
            "EXTRA_INDEX": self._extra_index,
            "VERSION": sources.version(self._root),
            "COMMIT": sources.commit(self._root)[0],
            "FRAMEWORK": framework,
            "DEVICE": self._device,
            ARGUMENT: version,
        }
        arguments = [word for name, value in given.items() if value for word in ("--build-arg", f"{name}={value}")]
        labels = {
            SOURCE_LABEL: self._digest(program),
            INDEX_LABEL: index_digest(self._extra_index),
        }
        label = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
        # Without --force-rm the classic builder leaves a container of each build that fails.
        command = [
            "docker",
            "build",
            "--force-rm",
            "-f",
            str(self._root / sources.RECIPE),
            "-t",
            tag(program, self._device),
            *arguments,
            *label,
            str(self._root),
        ]
        with_retries(lambda: self._run(command, program), self._stop)

    def _run(self, command: list[str], program: str) -> None:
        code, tail = run_logged(command, self._root, self._stop, BUILD_SECONDS, f"building {program}")
        if code != 0:
            raise BuildFailed(f"{program}: its image could not be built", tail)

    def _digest(self, program: str) -> str:
        return source_digest(self._root, program, self._device, self._base)
