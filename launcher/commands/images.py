"""`images`: makes the frameworks runnable, as images or as virtual environments."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from launcher import gpus, machine, options
from launcher.build.cuda import require_driver
from launcher.engines.engine import Limits
from launcher.engines.selection import prepare, select
from launcher.errors import ExitCode, UsageError
from launcher.plan.discovery import choose, discover
from launcher.stop import Stop
from launcher.text import answer, say

HELP = "build the frameworks' images, or with --engine venv their virtual environments"


def add(parser: ArgumentParser) -> None:
    """Its options."""
    options.add(parser, "device", "engine", "frameworks", "base_image", "extra_index", "gpu")


def run(root: Path, given: Namespace, stop: Stop) -> int:
    """Make every framework runnable on the engine."""
    with stop.on_signals():
        chosen = choose(root, discover(root), given.frameworks)
        programs = [name for name, one in chosen.items() if one.computes_on(given.device)]
        if not chosen:
            raise UsageError(f"{root}: no framework found; each is a folder under images/ and runners/")
        if not programs:
            raise UsageError(f"--device {given.device}: none of {', '.join(chosen)} computes there")
        gpu = gpus.asked(given.device, given.gpu)
        for name in (name for name in chosen if name not in programs):
            say(f"{name}: left out, it has nothing for DEVICE={given.device}")
        limits = Limits(machine.visible_cpus(), machine.default_memory(), machine.default_shm(), gpu)
        engine, reason = select(root, given.engine, limits, given.device, stop, given.base_image, given.extra_index)
        say(f"engine {engine.name} ({reason})")
        require_driver(root, programs, gpu, given.extra_index)
        _, unbuilt = prepare(engine, programs, limits, stop)
    for program in programs:
        answer(f"{program}: {'not ready' if program in unbuilt else 'ready'}")
    return ExitCode.CASES_FAILED if unbuilt else ExitCode.OK
