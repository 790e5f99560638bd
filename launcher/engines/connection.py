"""Finds the Docker engine that the `docker` command would use, and says within seconds why it does not answer."""

import os
import shutil
import stat
from pathlib import Path

import docker
from docker.context import ContextAPI
from docker.errors import DockerException

from launcher.errors import NotReady

ANSWER_SECONDS = 3
"""Short enough that a command which finds no engine says so within five seconds."""

CALL_SECONDS = 60
DEFAULT_SOCKET = "unix:///var/run/docker.sock"
ROOTLESS_SOCKETS = ("docker.sock", "podman/podman.sock")
"""Sockets of a user's own engine, below XDG_RUNTIME_DIR. The `docker` command finds them by DOCKER_HOST alone."""
START = (
    "install or start Docker (rootless: systemctl --user start docker; Podman: systemctl --user start podman.socket, "
    "and DOCKER_HOST=unix://$XDG_RUNTIME_DIR/podman/podman.sock)"
)


def address() -> tuple[str, str]:
    """Where the engine listens, and which setting says so."""
    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"], "DOCKER_HOST"
    try:
        context = ContextAPI.get_current_context()
    except (DockerException, OSError, ValueError):
        context = None
    host = getattr(context, "Host", None)
    if context and host and context.name != "default":
        return str(host), f"docker context {context.name!r}"
    return DEFAULT_SOCKET, "the default socket"


def connect() -> docker.DockerClient:
    """A client of an engine that answers, or NotReady with the remedy."""
    host, said_by = address()
    place = f"{host} ({said_by})"
    if host.startswith("ssh://"):
        raise NotReady(
            f"the Docker engine at {place} is another machine's, whose containers see no folder of this machine; "
            f"HOSTS={host} measures there"
        )
    if host.startswith("unix://"):
        _require_socket(host.removeprefix("unix://"), place)
    try:
        if os.environ.get("DOCKER_HOST"):
            client = docker.DockerClient.from_env(timeout=ANSWER_SECONDS)
        else:
            client = docker.DockerClient(base_url=host, timeout=ANSWER_SECONDS)
        client.ping()
    except (DockerException, OSError, ValueError) as error:
        if "Permission denied" in str(error):
            raise NotReady(_permission(place)) from error
        raise NotReady(f"no Docker engine answers at {place}: {_short(error)}; start it, or use ENGINE=venv") from error
    client.api.timeout = CALL_SECONDS
    return client


def require_command() -> None:
    """Raise NotReady without the `docker` command: only it can drive every builder."""
    if shutil.which("docker") is None:
        raise NotReady("the `docker` command is missing, which builds the images; install it, or use ENGINE=venv")


def _require_socket(path: str, place: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except PermissionError as error:
        raise NotReady(_permission(place)) from error
    except OSError as error:
        raise NotReady(
            f"no Docker engine: there is no socket at {place}; {_other_socket(path)}, or use ENGINE=venv"
        ) from error
    if not stat.S_ISSOCK(mode):
        raise NotReady(
            f"no Docker engine: {place} is not a socket; correct DOCKER_HOST or the context, or use ENGINE=venv"
        )
    if not os.access(path, os.R_OK | os.W_OK):
        raise NotReady(_permission(place))


def _other_socket(path: str) -> str:
    """What to do without a socket at `path`: name the engine of this user where there is one."""
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    found = [str(folder / name) for name in ROOTLESS_SOCKETS if (folder / name).is_socket()]
    here = [name for name in found if name != path]
    return f"your own engine listens elsewhere: export DOCKER_HOST=unix://{here[0]}" if here else START


def _permission(place: str) -> str:
    return (
        f"permission denied on the Docker engine at {place}; add yourself to its group "
        "(sudo usermod -aG docker $USER, then log in again), or use a rootless engine (DOCKER_HOST names its socket) "
        "or ENGINE=venv"
    )


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
