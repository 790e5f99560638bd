"""Selects the engine, and prepares programs on it."""

from collections.abc import Sequence
from pathlib import Path

from launcher.build.environments import EnvironmentBuilder
from launcher.build.images import ImageBuilder
from launcher.build.sifs import SifBuilder
from launcher.engines.apptainer import ApptainerEngine
from launcher.engines.connection import address, connect, require_command
from launcher.engines.docker import DockerEngine
from launcher.engines.engine import Engine, Limits
from launcher.engines.facts import require_limits, require_toolkit
from launcher.engines.node import NodeEngine
from launcher.engines.probe import prove
from launcher.engines.venv import VenvEngine
from launcher.errors import BuildFailed, NotReady
from launcher.stop import Stop
from launcher.text import say
from runners.harness.run import Build


def select(
    root: Path, wanted: str, limits: Limits, device: str, stop: Stop, base_image: str = "", extra_index: str = ""
) -> tuple[Engine, str]:
    """The engine that is `wanted`, or for `auto` the best that answers, and the reason. Raises NotReady without any."""
    environments = EnvironmentBuilder(root, device, stop, extra_index)
    if wanted == NodeEngine.name:
        return NodeEngine(root, environments, limits), "asked for"
    if wanted == "venv":
        return VenvEngine(root, environments, limits), "asked for"
    if wanted == ApptainerEngine.name:
        return ApptainerEngine(root, _sifs(root, device, stop, base_image, extra_index), limits), "asked for"
    try:
        client = connect()
        require_command()
        require_limits(client)
    except NotReady as error:
        if wanted == "docker":
            raise
        return VenvEngine(root, environments, limits), f"auto: {error}"
    if device == "gpu":
        require_toolkit(client)
    builder = ImageBuilder(root, client, device, stop, base_image, extra_index)
    reason = "asked for" if wanted == "docker" else f"auto: a Docker engine answers at {address()[0]}"
    return DockerEngine(client, builder, limits, device), reason


def _sifs(root: Path, device: str, stop: Stop, base: str, extra_index: str) -> SifBuilder:
    """Makes Apptainer's images, from Docker's where its engine answers."""
    images: ImageBuilder | NotReady
    try:
        client = connect()
        require_command()
        images = ImageBuilder(root, client, device, stop, base, extra_index)
    except NotReady as error:
        images = error
    return SifBuilder(root, device, stop, images, base, extra_index)


def prepare(
    engine: Engine, programs: Sequence[str], limits: Limits, stop: Stop
) -> tuple[dict[str, Build], dict[str, str]]:
    """Prepare the programs: the build of each, and the reason for each that cannot be prepared.

    In a run on a GPU, each program proves that it computes there. Raises NotReady where none of them does.
    """
    builds: dict[str, Build] = {}
    unbuilt: dict[str, str] = {}
    built = False
    for program in programs:
        try:
            build = engine.prepare(program)
            built = True
            if limits.gpu:
                prove(engine, program, "gpu", limits, stop)
            builds[program] = build
        except BuildFailed as error:
            unbuilt[program] = f"{error}" + (f"\n{error.tail}" if error.tail else "")
            say(f"{program} cannot be prepared: {error}")
            if error.tail:
                say(error.tail)
    if built and not builds:
        raise NotReady(f"nothing computes on GPU {limits.gpu}; repair what is said above, or use DEVICE=cpu")
    return builds, unbuilt
