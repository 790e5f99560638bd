"""`data`: prepares the data sets that `bench` would read."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from launcher import options
from launcher.datasets.preparation import prepare
from launcher.datasets.sources import sources
from launcher.errors import ExitCode
from launcher.stop import Stop
from launcher.text import answer

HELP = "prepare and validate the data sets that bench would read"


def add(parser: ArgumentParser) -> None:
    """Its options."""
    options.add(parser, "data", "strict")


def run(root: Path, given: Namespace, stop: Stop) -> int:
    """Prepare the data sets of `--data`, or the synthetic ones, and print where their manifests are."""
    with stop.on_signals():
        for source in sources(root, given.data, ("load", "fit"), given.strict):
            answer(str(prepare(root, source, stop).path))
    return ExitCode.OK
