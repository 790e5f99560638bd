"""Downloads one large file over HTTP, resumes an interrupted download, and verifies the file's checksum."""

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dataset_prep.checksum import CHUNK, Checksum
from dataset_prep.console import progress, say, shown
from dataset_prep.errors import BadInput, NotReady

CONNECTIONS = 4
"""Connections to try before giving up. The next run continues from there."""
PAUSE_S = 2.0
TIMEOUT_S = 30.0
MAX_BYTES = 2**30
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class Broken(Exception):
    """The connection ended early or sent the wrong part of the file; another try may help."""


def fetch(url: str, target: Path, expected: Checksum) -> None:
    """Download `url` to `target`, through `target`.part. Raises NotReady or BadInput, with advice."""
    if not url.lower().startswith(("http://", "https://")):
        raise BadInput(f"{shown(url)} is not an http or https address; for a file on this machine use --archive")
    part = target.with_name(target.name + ".part")
    for last in (False, True):
        _complete(url, part)
        found = expected.of(part)
        if found == expected:
            os.replace(part, target)
            return
        part.unlink()
        if last:
            raise NotReady(
                f"{url}: checksum {found} twice, expected {expected}; the download was removed. "
                "The file there has changed or is altered on its way; get it elsewhere and use --archive FILE"
            )
        say(f"{url}: checksum {found}, expected {expected}; the download was removed, trying once more")


def _complete(url: str, part: Path) -> None:
    """Continue `part` until it is complete. If the download fails, an empty `part` is removed."""
    try:
        _connect(url, part)
    except BaseException:
        if part.exists() and part.stat().st_size == 0:
            part.unlink()
        raise


def _connect(url: str, part: Path) -> None:
    for left in reversed(range(CONNECTIONS)):
        try:
            _continue(url, part)
            return
        except urllib.error.HTTPError as error:
            if error.code not in TRANSIENT and error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                answer = f"{error.code} {error.reason}"
                raise NotReady(f"{url}: {answer}; check the address, or use --archive FILE") from error
            problem = f"{error.code} {error.reason}"
        except (ValueError, http.client.InvalidURL) as error:
            raise BadInput(f"{shown(url)} is not a usable address ({error})") from error
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, Broken) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        say(f"{url}: {problem}" + (", trying again" if left else ""))
        if left:
            time.sleep(PAUSE_S)
    raise NotReady(
        f"{url}: could not be downloaded ({problem}); run this again to continue the download "
        f"({shown(part)}), or get the file elsewhere and use --archive FILE"
    )


def _continue(url: str, part: Path) -> None:
    with part.open("ab") as file:
        size = file.tell()
        request = urllib.request.Request(url, headers={"Range": f"bytes={size}-"} if size else {})
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                if error.headers.get("Content-Range") == f"bytes */{size}":
                    return
                file.truncate(0)
            raise
        with response:
            if response.status != http.HTTPStatus.PARTIAL_CONTENT:
                # The server ignores the requested range and sends the whole file.
                file.truncate(0)
            elif not response.headers.get("Content-Range", "").startswith(f"bytes {size}-"):
                file.truncate(0)
                raise Broken("the server sent a wrong part of the file, starting over")
            _append(response, file)


def _append(response: http.client.HTTPResponse, file: BinaryIO) -> None:
    length = response.headers.get("Content-Length", "")
    promised = int(length) if length.isascii() and length.isdigit() else None
    if (promised or 0) > MAX_BYTES:
        raise NotReady(f"{response.url}: {promised:,} bytes, more than the allowed {MAX_BYTES:,}")
    received = 0
    for chunk in progress(_chunks(response), -(-(promised or 0) // CHUNK), "MiB"):
        received += len(chunk)
        if received > MAX_BYTES:
            raise NotReady(f"{response.url}: sends more than {MAX_BYTES:,} bytes, stopped")
        file.write(chunk)
    if promised is not None and received != promised:
        raise Broken(f"the connection ended after {received:,} of {promised:,} bytes")


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(CHUNK):
            yield chunk
    except OSError as error:
        # Broken, unlike an error of the disk, leads to another try.
        raise Broken(str(error)) from error
