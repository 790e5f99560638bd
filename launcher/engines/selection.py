"""Takes the engine asked for, or the best that answers."""

from pathlib import Path

from launcher.engines.engine import Engine, Limits
from launcher.engines.connection import address, connect, require_command
from launcher.engines.docker import DockerEngine, require_toolkit
from launcher.engines.venv import VenvEngine
from launcher.errors import NotReady
from launcher.build.images import ImageBuilder
from launcher.stop import Stop

ENGINES = ("auto", "docker", "venv")


def select(
    root: Path, wanted: str, limits: Limits, device: str, stop: Stop, facts: dict[str, str]
) -> tuple[Engine, str]:
    """(engine, why this one). Raises NotReady where the engine asked for does not answer."""
    if wanted == "venv":
        return _venv(root, limits, device, stop, facts), "asked for"
    try:
        client = connect()
        require_command()
    except NotReady as error:
        if wanted == "docker":
            raise
        return _venv(root, limits, device, stop, facts), f"auto: {error}"
    if device == "gpu":
        require_toolkit(client)
    builder = ImageBuilder(root, client, stop, facts)
    reason = "asked for" if wanted == "docker" else f"auto: a Docker engine answers at {address()[0]}"
    return DockerEngine(client, builder, limits, device), reason


def _venv(root: Path, limits: Limits, device: str, stop: Stop, facts: dict[str, str]) -> VenvEngine:
    return VenvEngine(root, limits, device, stop, facts.get("extra_index", ""))
