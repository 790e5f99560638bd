"""The frameworks' images, built with the `docker` command, since the engine's API cannot drive BuildKit."""

import hashlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import ImageNotFound

from launcher.children import run_child
from launcher.errors import BuildFailed, Interrupted
from launcher.retry import is_transient, tries
from launcher.stop import Ending, Stop
from runners.harness.record import log_tail

DEFAULT_BASE = "python:3.11-slim-bookworm"
SOURCE_LABEL = "levelfield.source"
BUILD_SECONDS = 2 * 3600.0
SHARED_SOURCES = ("runners/__init__.py", "runners/harness", "runners/reference")


@dataclass(frozen=True)
class Image:
    """An image as it was when the run started; tagging another one has no effect on the run."""

    id: str
    base: str | None


def tag(framework: str, device: str) -> str:
    """The image's name."""
    return f"levelfield-{framework}:{device}"


class ImageBuilder:
    """Builds what is missing or out of date."""

    def __init__(self, root: Path, client: docker.DockerClient, stop: Stop, facts: dict[str, str]) -> None:
        self._root, self._client, self._stop = root, client, stop
        self._base = facts.get("base") or DEFAULT_BASE
        self._arguments = {
            "BASE_IMAGE": self._base,
            "EXTRA_INDEX": facts.get("extra_index", ""),
            "VERSION": facts.get("version", ""),
            "COMMIT": facts.get("commit", ""),
        }

    def build(self, framework: str, device: str) -> Image:
        """The framework's image, built first where its sources changed. Raises BuildFailed."""
        sources = self._digest(framework, device)
        found = self._find(framework, device)
        if found is None or found[1] != sources:
            self._build(framework, device, sources)
            found = self._find(framework, device)
        if found is None:
            raise BuildFailed(
                f"{tag(framework, device)} is not there after its build; does `docker` use another engine?"
            )
        return Image(found[0], self._base_digest())

    def _find(self, framework: str, device: str) -> tuple[str, str] | None:
        try:
            image = self._client.images.get(tag(framework, device))
        except ImageNotFound:
            return None
        return str(image.id), image.labels.get(SOURCE_LABEL, "")

    def _base_digest(self) -> str | None:
        try:
            base = self._client.images.get(self._base)
        except ImageNotFound:
            return None
        digests = base.attrs.get("RepoDigests") or []
        return str(digests[0] if digests else base.id)

    def _build(self, framework: str, device: str, sources: str) -> None:
        dockerfile = self._root / "images" / framework / "Dockerfile"
        if not dockerfile.is_file():
            raise BuildFailed(f"images/{framework}/Dockerfile is missing")
        if shutil.which("docker") is None:
            raise BuildFailed("the `docker` command is missing, which builds the images; install the Docker client")
        print(f"building {tag(framework, device)}", file=sys.stderr)
        given = {**self._arguments, "DEVICE": device}
        arguments = [word for name, value in given.items() if value for word in ("--build-arg", f"{name}={value}")]
        label = ["--label", f"{SOURCE_LABEL}={sources}"]
        # Without --force-rm the classic builder leaves a container of each build that fails.
        command = [
            "docker",
            "build",
            "--force-rm",
            "-f",
            str(dockerfile),
            "-t",
            tag(framework, device),
            *arguments,
            *label,
            str(self._root),
        ]
        for attempt in tries(self._stop):
            tail, code = self._run(command, framework)
            if code == 0:
                return
            if attempt.last or not is_transient(tail):
                raise BuildFailed(f"{framework}: its image could not be built", tail)

    def _run(self, command: list[str], framework: str) -> tuple[str, int]:
        with tempfile.TemporaryFile() as log:
            ended = run_child(command, self._root, log, self._stop, BUILD_SECONDS)
            log.seek(0)
            tail = log_tail(log.read().decode(errors="replace"))
        if ended.ending is Ending.INTERRUPTED:
            raise Interrupted(f"interrupted while building {framework}")
        return tail, ended.code

    def _digest(self, framework: str, device: str) -> str:
        """One digest over all that goes into the image."""
        total = hashlib.sha256(f"{device}\0{self._base}\0{self._arguments['EXTRA_INDEX']}\0".encode())
        for part in (*SHARED_SOURCES, f"runners/{framework}", f"images/{framework}"):
            for path in _files(self._root / part):
                total.update(os.fsencode(path.relative_to(self._root)) + b"\0" + path.read_bytes() + b"\0")
        return total.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
