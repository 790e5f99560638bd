"""Expected checksums: an MD5 or a SHA-256 in hexadecimal."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

CHUNK = 2**20
ALGORITHMS = {32: "md5", 64: "sha256"}


@dataclass(frozen=True)
class Checksum:
    """The checksum of a file."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"

    def of(self, path: Path) -> "Checksum":
        """The checksum of `path` by the same algorithm."""
        # It protects against damage, not against forgery. Some systems allow MD5 only if this is declared.
        total = hashlib.new(self.algorithm, usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                total.update(chunk)
        return Checksum(self.algorithm, total.hexdigest())


def parse(text: str) -> Checksum:
    """Parse `HEX`, `md5:HEX` or `sha256:HEX`. The length decides about the algorithm. Raises ValueError."""
    name, _, digest = text.strip().lower().rpartition(":")
    algorithm = ALGORITHMS.get(len(digest))
    if algorithm is None or name not in ("", algorithm) or not re.fullmatch("[0-9a-f]+", digest):
        raise ValueError(f"{text!r} is neither an MD5 (32) nor a SHA-256 (64 hexadecimal digits)")
    return Checksum(algorithm, digest)
