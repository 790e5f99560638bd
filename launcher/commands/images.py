"""`images`: makes the frameworks runnable, as images or as virtual environments."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from launcher import machine, options
from launcher.engines.engine import Limits
from launcher.engines.selection import prepare, select
from launcher.errors import ExitCode, UsageError
from launcher.plan.discovery import choose, discover
from launcher.stop import Stop
from launcher.text import answer, say

HELP = "build the frameworks' images, or with --engine venv their virtual environments"


def add(parser: ArgumentParser) -> None:
    """Its options."""
    options.add(parser, "device", "engine", "frameworks", "base_image", "extra_index")


def run(root: Path, given: Namespace, stop: Stop) -> int:
    """Make every framework runnable on the engine."""
    with stop.on_signals():
        programs = list(choose(root, discover(root), given.frameworks))
        if not programs:
            raise UsageError(f"{root}: no framework found; each is a folder under images/ and runners/")
        limits = Limits(machine.visible_cpus(), machine.default_memory())
        engine, reason = select(root, given.engine, limits, given.device, stop, given.base_image, given.extra_index)
        say(f"engine {engine.name} ({reason})")
        _, unbuilt = prepare(engine, programs)
    for program in programs:
        answer(f"{program}: {'not ready' if program in unbuilt else 'ready'}")
    return ExitCode.CASES_FAILED if unbuilt else ExitCode.OK
