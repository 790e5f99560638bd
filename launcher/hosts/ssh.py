"""OpenSSH's client: its options here, and its faults in the words of somebody who has to mend them."""

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress

from launcher.errors import Interrupted, NotReady
from launcher.ownership.owner import ENVIRONMENT, this_launcher
from launcher.stop import POLL_SECONDS, Stop
from runners.harness.clock import now_ns

CONNECT_SECONDS = 10
ANSWER_SECONDS = 30.0
"""From the start of ssh to the end of a short script there."""
SSH_FAILED = 255
"""The exit code of ssh itself. No program of this project ends with it."""
OPTIONS = (
    "-T",
    *("-o", "BatchMode=yes"),
    *("-o", "StrictHostKeyChecking=yes"),
    *("-o", f"ConnectTimeout={CONNECT_SECONDS}"),
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"),
    # No connection of another program's is shared, and nothing is forwarded or started beside the script.
    *("-o", "ControlMaster=no", "-o", "ControlPath=none"),
    *("-o", "ClearAllForwardings=yes", "-o", "ForwardAgent=no", "-o", "ForwardX11=no"),
    *("-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none"),
)


def start(host: str, stderr: int) -> "subprocess.Popen[bytes]":
    """Start bash on the host. It reads its script from standard input, so that no other shell takes a word of it.

    In a session of its own, since Ctrl-C is for the launcher, which ends what runs on the host first.
    """
    require_client()
    return subprocess.Popen(
        ["ssh", *OPTIONS, "--", host, "bash -s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never", ENVIRONMENT: str(this_launcher())},
        start_new_session=True,
    )


def require_client() -> None:
    """Raise NotReady without ssh."""
    if shutil.which("ssh") is None:
        raise NotReady("no `ssh` on this machine; sudo apt-get install openssh-client")


def end(child: "subprocess.Popen[bytes]") -> int:
    """Make sure that ssh has ended, with those that it started to reach the host, and return its exit code."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            with suppress(OSError):  # what was not sent yet has nowhere to go
                stream.close()
    return child.wait()


def ask(host: str, script: str, stop: Stop) -> str:
    """What a short script prints on the host. Raises NotReady where ssh or the script fails."""
    child = start(host, subprocess.PIPE)
    try:
        answer, errors = _within(child, os.fsencode(script), host, stop)
    finally:
        code = end(child)
    said = errors.decode(errors="replace")
    if code == SSH_FAILED:
        raise NotReady(f"{host}: {explained(host, said)}")
    if code:
        raise NotReady(f"{host}: {last_line(said) or f'the script ended with exit code {code}'}")
    return answer.decode(errors="replace")


def _within(child: "subprocess.Popen[bytes]", first: bytes | None, host: str, stop: Stop) -> tuple[bytes, bytes]:
    deadline = now_ns() + int(ANSWER_SECONDS * 1e9)
    while True:
        try:
            return child.communicate(first, POLL_SECONDS)
        except subprocess.TimeoutExpired as error:
            first = None
            if stop.requested:
                raise Interrupted("interrupted before anything started") from error
            if now_ns() > deadline:
                raise NotReady(f"{host}: no answer within {ANSWER_SECONDS:g} s; try: ssh {host} true") from error


def explained(host: str, said: str) -> str:
    """Why ssh failed, and what to do about it."""
    if "IDENTIFICATION HAS CHANGED" in said:
        return (
            "its key is not the key that this machine knows, so it may be another machine; "
            f"if you know why, forget the old key, with the command that this prints: ssh {host}"
        )
    if "Host key verification failed" in said or "host key is known" in said:
        return f"its key is unknown here, and is never accepted unseen; connect once and compare it: ssh {host}"
    if "Permission denied" in said or "Too many authentication failures" in said:
        return (
            f"it lets nobody in without a password; give it your key: ssh-copy-id {host} "
            "(a key with a passphrase also needs ssh-add)"
        )
    if unknown := re.search(r"resolve hostname (\S+):", said):
        return f"no machine has the name {unknown[1]}; look at the spelling, and into ~/.ssh/config"
    if re.search(r"timed out|refused|No route|unreachable|reset|closed", said):
        return f"it does not answer ({last_line(said)}); is it on, and does it run an SSH server?"
    return f"ssh failed ({last_line(said) or 'it does not say why'}); try: ssh {host} true"


def last_line(said: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else ""
