"""Tries a build again where a registry or a package index failed for a moment."""

import re
from collections.abc import Callable

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_chain, wait_fixed

from launcher.errors import BuildFailed
from launcher.stop import Stop

PAUSES = (2.0, 8.0)

_TRANSIENT = re.compile(
    r"time[d ]*out|TLS handshake|temporary failure|connection (broken|refused|reset|aborted)|could not resolve"
    r"|no such host|unreachable|max retries|name resolution|unexpected EOF|\b50[0234]\b|too many requests"
    r"|could not fetch|NewConnectionError|failed to fetch|IncompleteRead",
    re.IGNORECASE,
)


def is_transient(error: BaseException) -> bool:
    """Whether the end of a build's log shows a registry or an index out of reach, rather than a mistake."""
    return isinstance(error, BuildFailed) and bool(_TRANSIENT.search(error.tail))


def with_retries(build: Callable[[], None], stop: Stop) -> None:
    """Call `build` up to three times, as long as it fails for such a reason. Raises its last BuildFailed."""
    tries = Retrying(
        stop=stop_after_attempt(len(PAUSES) + 1),
        wait=wait_chain(*map(wait_fixed, PAUSES)),
        retry=retry_if_exception(is_transient),
        sleep=stop.sleep,
        reraise=True,
    )
    tries(build)
