"""Gives SPDL the FFmpeg libraries its wheel lacks, from the `av` wheel, the same in every engine.

SPDL links against `libavcodec.so.62` and its siblings; the `av` wheel carries exactly these under names
with a hash in them. Loading SPDL's own library once through a folder where both go by the names that the
linker looks for is enough: later imports find it already in the process. No root, no system package, and
one FFmpeg version for containers and virtual environments alike.
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
    """Load FFmpeg and SPDL's library for it, newest first; returns the name of the latter. Raises Unsupported."""
    spdl, av = _folder("spdl.io") / "lib", _folder("av").parent / "av.libs"
    if not av.is_dir():
        raise Unsupported(f"SPDL needs FFmpeg's shared libraries; {av} is missing. `make setup` installs them")
    refused = []
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
                refused.append(str(error))
            else:
                # SPDL finishes loading on first use, without a lock: two of its threads at once have aborted there.
                get_ffmpeg_versions()
                return library.stem.removeprefix("libspdl_")
    raise Unsupported(f"none of SPDL's libraries fits the FFmpeg of the av package: {'; '.join(refused)}")


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise Unsupported(f"the Python package {package!r} is not installed; `make setup` installs it")
    return Path(spec.origin).parent
