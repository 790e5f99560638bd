"""Three tries with growing pauses, for registries and package indexes that fail for a moment."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from launcher.errors import Interrupted
from launcher.stop import POLL_SECONDS, Stop
from runners.harness.clock import now_ns

PAUSES = (2.0, 8.0)

_TRANSIENT = re.compile(
    r"time[d ]*out|TLS handshake|temporary failure|connection (broken|refused|reset|aborted)|could not resolve"
    r"|no such host|unreachable|max retries|name resolution|unexpected EOF|\b50[0234]\b|too many requests"
    r"|could not fetch|NewConnectionError|failed to fetch|IncompleteRead",
    re.IGNORECASE,
)


def is_transient(log: str) -> bool:
    """Whether a log's end speaks of a registry or an index out of reach rather than of a mistake."""
    return bool(_TRANSIENT.search(log))


@dataclass(frozen=True)
class Attempt:
    """One try; after the last there is no other."""

    last: bool


def tries(stop: Stop) -> Iterator[Attempt]:
    """Yield up to three attempts; the caller leaves the loop on success and re-raises on the last."""
    for pause in PAUSES:
        yield Attempt(last=False)
        deadline = now_ns() + int(pause * 1e9)
        while now_ns() < deadline:
            if stop.requested:
                raise Interrupted("interrupted between two tries")
            time.sleep(POLL_SECONDS)
    yield Attempt(last=True)
