"""One launcher at work on a host, as long as the connection lasts."""

import os
import queue
import subprocess
import threading
from collections.abc import Callable
from typing import IO

from launcher.errors import NotReady
from launcher.hosts import ssh
from launcher.hosts.scripts import HEARTBEAT_SECONDS, MARK, STOP
from launcher.stop import GRACE_SECONDS, POLL_SECONDS, Stop
from runners.harness.clock import now_ns

LINE_BYTES = 2**16
KEPT_THERE = "what was measured is kept there until this run is resumed"


def run_there(host: str, show: Callable[[str], None], script: str, payload: bytes, stop: Stop) -> int:
    """Run a script that reads `payload`, and show each line that it prints. Returns its exit code.

    A request to stop is passed on, and the script is waited for. Raises NotReady where the connection is lost.
    """
    child = ssh.start(host, subprocess.STDOUT)
    assert child.stdin
    assert child.stdout
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(child.stdout, lines), daemon=True).start()
    talk = _Talk(child.stdin, os.fsencode(script) + payload)
    said, begun = "", False
    try:
        while talk.goes_on(stop):
            try:
                line = lines.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if line is None:
                child.wait()
                break
            if line.strip():
                said = line
            if begun and line.strip():
                show(line)
            begun = begun or line.endswith(MARK)  # a greeting may end without a newline
    finally:
        code = ssh.end(child)
    if code == ssh.SSH_FAILED and not stop.requested:
        raise NotReady(f"the connection was lost ({said or 'ssh does not say why'}); {KEPT_THERE}")
    return code


class _Talk:
    """Writes to the script: what it reads first, then a sign of life from time to time, then each request to stop."""

    def __init__(self, stream: IO[bytes], first: bytes) -> None:
        self._stream = stream
        self._sending = threading.Thread(target=self._write, args=(first,), daemon=True)
        self._sending.start()
        self._stops_sent, self._beat_at, self._deadline = 0, now_ns(), 0

    def goes_on(self, stop: Stop) -> bool:
        """Write what is due. False once the script is to be waited for no longer."""
        if self._sending.is_alive():
            return not stop.requested  # nothing has started there yet
        if stop.count > self._stops_sent:
            self._stops_sent += 1
            self._write(STOP)
            if stop.urgent and not self._deadline:
                self._deadline = now_ns() + int(GRACE_SECONDS * 1e9)
        elif now_ns() - self._beat_at > HEARTBEAT_SECONDS * 1e9:
            self._beat_at = now_ns()
            self._write(b"\n")
        return not self._deadline or now_ns() < self._deadline

    def _write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except (OSError, ValueError):
            pass  # the end of ssh says why


def _read(stream: IO[bytes], lines: "queue.Queue[str | None]") -> None:
    try:
        while line := stream.readline(LINE_BYTES):
            lines.put(line.decode(errors="replace").rstrip("\r\n"))
    except (OSError, ValueError):
        pass
    lines.put(None)
