"""Gives SPDL the FFmpeg libraries that its wheel lacks, from the `av` wheel.

SPDL links against `libavcodec.so.62` and its siblings. The `av` wheel has exactly these libraries, under names with a
hash. So SPDL's own library is loaded once from a folder of links with the names that the linker looks for; later
imports find it in the process. This needs neither root nor a system package, and containers and virtual environments
use the same FFmpeg.
"""

import ctypes
import functools
import importlib.util
import re
import tempfile
from pathlib import Path

from spdl.io.utils import get_ffmpeg_versions

from runners.harness.workload import Unsupported

HASHED_NAME = re.compile(r"(lib(?:av|sw)[a-z]+)-[0-9a-f]+(\.so\.\d+)[\d.]*")


@functools.cache
def load_ffmpeg() -> str:
    """Load FFmpeg and the newest of SPDL's libraries that fits it. Returns that library's name. Raises Unsupported."""
    spdl, av = _folder("spdl.io") / "lib", _folder("av").parent / "av.libs"
    if not av.is_dir():
        raise Unsupported(f"SPDL needs FFmpeg's shared libraries; {av} is missing. `make setup` installs them")
    errors = []
    with tempfile.TemporaryDirectory(prefix="levelfield-ffmpeg-") as name:
        folder = Path(name)
        for library in av.iterdir():
            (folder / library.name).symlink_to(library)
            if hashed := HASHED_NAME.fullmatch(library.name):
                (folder / (hashed[1] + hashed[2])).symlink_to(library)
        for library in sorted(spdl.glob("libspdl_ffmpeg*.so"), reverse=True):
            link = folder / library.name
            link.symlink_to(library)
            try:
                ctypes.CDLL(str(link))
            except OSError as error:
                errors.append(str(error))
            else:
                # SPDL finishes loading on first use, without a lock. Two threads at once have aborted the process.
                get_ffmpeg_versions()
                return library.stem.removeprefix("libspdl_")
    raise Unsupported(f"none of SPDL's libraries fits the FFmpeg of the av package: {'; '.join(errors)}")


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise Unsupported(f"the Python package {package!r} is not installed; `make setup` installs it")
    return Path(spec.origin).parent
