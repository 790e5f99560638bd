"""Fetches the folder of a host's run."""

import os
import subprocess
import tempfile
import threading
from typing import IO

from launcher.errors import Interrupted, NotReady
from launcher.hosts import scripts, ssh
from launcher.hosts.checkout import BadArchive, unpack
from launcher.hosts.folder import GroupFolder
from launcher.stop import POLL_SECONDS, Stop
from runners.harness.clock import now_ns

FETCH_SECONDS = 600.0
GREETING_BYTES = 2**20
"""How much a login shell may print before the answer."""


def fetch(group: GroupFolder, host: str, stop: Stop) -> bool:
    """Replace what was fetched of the host's run; False where there is no run yet.

    Raises NotReady, and keeps what was fetched before, where not all of it arrives. Only a second request to stop ends
    it early: the first one still wants its records.
    """
    with tempfile.TemporaryFile() as errors:
        child = ssh.start(host, errors.fileno())
        assert child.stdin
        assert child.stdout
        done = threading.Event()
        threading.Thread(target=_bound, args=(child, done, stop), daemon=True).start()
        why = ""
        try:
            child.stdin.write(os.fsencode(scripts.fetch(group.place_of(host))))
            child.stdin.close()
            found = _skip_greeting(child.stdout)
            if found:
                with group.replacing(host) as target:
                    unpack(child.stdout, target)
                    if child.wait():
                        raise BadArchive(f"tar ended with exit code {child.returncode}")
        except BadArchive as error:
            found, why = True, str(error)
        except OSError as error:
            found, why = True, f"{error.filename or 'ssh'}: {error.strerror}"
        else:
            child.wait()
        finally:
            done.set()
            code = ssh.end(child)
        errors.seek(0)
        said = errors.read(2**16).decode(errors="replace")
    if stop.urgent:
        raise Interrupted("interrupted while records were fetched; they are still on the host")
    if code == ssh.SSH_FAILED:
        why = ssh.explained(host, said)
    if why:
        raise NotReady(f"its records were not fetched, and are still there: {why}")
    return found


def _bound(child: "subprocess.Popen[bytes]", done: threading.Event, stop: Stop) -> None:
    """End ssh when it takes too long, or when someone asked to stop twice."""
    deadline = now_ns() + int(FETCH_SECONDS * 1e9)
    while not done.wait(POLL_SECONDS):
        if stop.urgent or now_ns() > deadline:
            child.kill()


def _skip_greeting(stream: IO[bytes]) -> bool:
    """Read up to the answer; whether there is one."""
    left = GREETING_BYTES
    while left > 0 and (line := stream.readline(left)):
        left -= len(line)
        if line.rstrip().endswith(scripts.MARK.encode()):
            return True
    return False
