"""OpenSSH's client: its options here, and its faults in the words of somebody who has to mend them."""

import os
import re
import shutil
import subprocess

from launcher.errors import NotReady
from launcher.ownership.owner import ENVIRONMENT, this_launcher

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
        env={**os.environ, "LC_ALL": "C", ENVIRONMENT: str(this_launcher())},
        start_new_session=True,
    )


def require_client() -> None:
    """Raise NotReady without ssh."""
    if shutil.which("ssh") is None:
        raise NotReady("no `ssh` on this machine; sudo apt-get install openssh-client")


def end(child: "subprocess.Popen[bytes]") -> int:
    """Make sure that ssh has ended, and return its exit code."""
    child.kill()
    for stream in (child.stdout, child.stderr):
        if stream:
            stream.close()
    return child.wait()


def ask(host: str, script: str) -> str:
    """What a short script prints on the host. Raises NotReady where ssh or the script fails."""
    child = start(host, subprocess.PIPE)
    try:
        answer, errors = child.communicate(os.fsencode(script), ANSWER_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NotReady(f"{host}: no answer within {ANSWER_SECONDS:g} s; try: ssh {host} true") from error
    finally:
        code = end(child)
    said = errors.decode(errors="replace")
    if code == SSH_FAILED:
        raise NotReady(f"{host}: {explained(host, said)}")
    if code:
        raise NotReady(f"{host}: {last_line(said) or f'the script ended with exit code {code}'}")
    return answer.decode(errors="replace")


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
    if "Could not resolve hostname" in said:
        return "no machine of this name; look at the spelling, and into ~/.ssh/config"
    if re.search(r"timed out|refused|No route|unreachable|reset|closed", said):
        return f"it does not answer ({last_line(said)}); is it on, and does it run an SSH server?"
    return f"ssh failed ({last_line(said) or 'it does not say why'}); try: ssh {host} true"


def last_line(said: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else ""
