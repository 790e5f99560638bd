"""`clean`: removes what launchers left."""

import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

from docker.errors import APIError

from launcher import options
from launcher.build.images import SOURCE_LABEL
from launcher.build.sifs import FOLDER as SIFS
from launcher.datasets.preparation import remove_unfinished
from launcher.engines.connection import connect
from launcher.engines.leftovers import remove_leftovers
from launcher.errors import ExitCode, NotReady
from launcher.ownership.lock import LOCK_NAME, locked
from launcher.stop import Stop
from launcher.text import answer
from runners.harness.run import HOSTS_NAME, RUN_NAME

HELP = "remove what dead launchers left; with options also images, virtual environments, results"


def add(parser: ArgumentParser) -> None:
    """Its options."""
    options.add(parser, "out", "images", "venvs", "results")


def run(root: Path, given: Namespace, _stop: Stop) -> int:
    """Remove what dead launchers left; images, virtual environments and results only where the options name them."""
    answer(f"processes, containers, temporary folders of dead launchers: {remove_leftovers()} removed")
    answer(f"unfinished data sets: {remove_unfinished(root / 'data')} removed")
    found = (path for name in (RUN_NAME, HOSTS_NAME) for path in given.out.glob(f"*/{name}"))
    runs = sorted(path.parent for path in found) if given.out.is_dir() else []
    if given.images:
        _remove(root / SIFS)
        _remove_images()
    if given.venvs:
        _remove(root / ".venvs")
    for run in runs:
        with locked(run / LOCK_NAME) as ours:
            if ours and given.results:
                _remove(run)
            elif ours:
                for path in [*run.rglob(".*.tmp")]:  # files, and folders of images that were being packed
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
            elif given.results:
                answer(f"{run}: in use, kept")
    return ExitCode.OK


def _remove_images() -> None:
    client = connect()
    for image in client.images.list(filters={"label": SOURCE_LABEL}):
        name = ", ".join(image.tags) or image.short_id
        try:
            client.images.remove(str(image.id), force=True)
            answer(f"image: {name} removed")
        except APIError as error:
            answer(f"image: {name} kept ({error.explanation})")


def _remove(path: Path) -> None:
    if not path.exists():
        return
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise NotReady(f"{path}: cannot be removed ({error.strerror}); sudo rm -r '{path}'") from error
    answer(f"{path}: removed")
