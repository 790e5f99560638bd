"""NVIDIA's GPUs: those that `nvidia-smi` lists, and the GPU that CUDA gives to this process."""

import ctypes
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

WSL_FOLDER = "/usr/lib/wsl/lib"
"""Where Windows puts the driver's tools for Linux, often not on the PATH of a service."""
TIMEOUT_SECONDS = 20.0

_CARD = re.compile(r"GPU (\d+): (.+) \(UUID: (GPU-[^)\s]+)\)")
_PART = re.compile(r"MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-[^)\s]+)\)")


class NoAnswer(Exception):
    """nvidia-smi gave no answer; the message says why."""


class Refused(NoAnswer):
    """nvidia-smi ended with an error, as it does for a query that an older driver does not know."""


@dataclass(frozen=True)
class Gpu:
    """A GPU, or the part of a GPU that MIG makes a device of its own.

    `index` is nvidia-smi's number, with the number of the part: `1`, `1:0`. `uuid` names the device to CUDA and to
    container engines, `card` names the whole GPU to nvidia-smi.
    """

    index: str
    uuid: str
    card: str
    name: str

    def __str__(self) -> str:
        return f"{self.index} ({self.name}, {self.uuid})"

    @property
    def is_part(self) -> bool:
        """Whether other programs may compute on other parts of the same GPU."""
        return self.uuid != self.card


def ask(*arguments: str, timeout: float = TIMEOUT_SECONDS) -> list[str]:
    """The lines of nvidia-smi's answer. Raises NoAnswer."""
    tool = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path=WSL_FOLDER)
    if tool is None:
        raise NoAnswer("nvidia-smi is not installed")
    try:
        answer = subprocess.run([tool, *arguments], capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise NoAnswer(f"nvidia-smi did not answer within {timeout:g} s") from error
    except OSError as error:
        raise NoAnswer(f"nvidia-smi could not be started: {error.strerror}") from error
    lines = [line.rstrip() for line in answer.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
    if answer.returncode != 0:
        raise Refused(lines[0] if lines else f"nvidia-smi ended with exit code {answer.returncode}")
    return lines


def query(fields: list[str], card: str) -> list[str]:
    """The values of these fields of one GPU. Raises NoAnswer."""
    lines = ask(f"--id={card}", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits")
    values = [value.strip() for value in lines[0].split(",")] if lines else []
    if len(values) != len(fields):
        raise NoAnswer("nvidia-smi answered in an unknown format")
    return values


def listed() -> list[Gpu]:
    """Every device that CUDA can compute on. A GPU that MIG divides stands for its parts. Raises NoAnswer."""
    return list(_devices(ask("-L")))


def driver(card: str) -> str | None:
    """The version of the driver, or None without an answer."""
    try:
        return query(["driver_version"], card)[0]
    except NoAnswer:
        return None


def cuda_uuid() -> str | None:
    """The UUID, without prefix, of the first device that CUDA gives to this process; None without CUDA's driver.

    The driver itself answers, so it is the same question for every framework.
    """
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    # The older call names the whole GPU, also where the device is a part of it.
    identify = getattr(cuda, "cuDeviceGetUuid_v2", None) or cuda.cuDeviceGetUuid
    device, found = ctypes.c_int(), (ctypes.c_ubyte * 16)()
    if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), 0) or identify(found, device):
        return None
    return str(uuid.UUID(bytes=bytes(found)))


@cache
def current() -> Gpu | None:
    """The GPU of this process: the first that CUDA gives to it, or else the only one that nvidia-smi lists."""
    try:
        found = listed()
    except NoAnswer:
        found = []
    own = cuda_uuid()
    if own is None:
        return found[0] if len(found) == 1 else None
    return next((gpu for gpu in found if gpu.uuid[4:] == own), Gpu("?", f"GPU-{own}", f"GPU-{own}", ""))


def _devices(lines: list[str]) -> Iterator[Gpu]:
    card: Gpu | None = None
    divided = False
    for line in lines:
        if match := _CARD.match(line.strip()):
            if card and not divided:
                yield card
            number, name, identity = match.groups()
            card, divided = Gpu(number, identity, identity, name), False
        elif card and (match := _PART.match(line.strip())):
            profile, number, identity = match.groups()
            divided = True
            yield Gpu(f"{card.index}:{number}", identity, card.uuid, f"{card.name} MIG {profile}")
    if card and not divided:
        yield card
