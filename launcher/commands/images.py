"""`images`, `data` and `clean`: what is done between runs."""

import fcntl
import os
import shutil
import sys
from pathlib import Path

from docker.errors import APIError

from launcher import machine
from launcher.datasets import preparation as data
from launcher.commands.bench import build, build_facts
from launcher.plan.discovery import choose, discover
from launcher.engines.engine import Limits
from launcher.engines.connection import connect
from launcher.engines.selection import select
from launcher.errors import ExitCode, NotReady, UsageError
from launcher.build.images import SOURCE_LABEL
from launcher.ownership.lock import LOCK_NAME
from launcher.options import Options
from launcher.engines.leftovers import reclaim
from launcher.stop import Stop
from runners.harness.run import RUN_NAME


def prepare_frameworks(root: Path, options: Options, stop: Stop) -> int:
    """Make every framework runnable on the engine."""
    names = list(choose(root, discover(root), options.frameworks))
    if not names:
        raise UsageError(f"{root}: no framework found; each is a folder under images/ and runners/")
    limits = Limits(machine.cpu_set(options.cpus), machine.default_memory())
    engine, reason = select(root, options.engine, limits, options.device, stop, build_facts(root, options))
    print(f"engine {engine.name} ({reason})", file=sys.stderr)
    _, unbuilt = build(engine, names)
    for name in names:
        print(f"{name}: {'not ready' if name in unbuilt else 'ready'}")
    return ExitCode.CASES_FAILED if unbuilt else ExitCode.OK


def prepare_data(root: Path, options: Options, stop: Stop) -> int:
    """Prepare the data sets of `--data`, or the synthetic ones, as bench would; prints their manifests."""
    for source in data.sources(root, options.data, ("load", "fit"), options.strict):
        print(data.prepare(root, source, stop).path)
    return ExitCode.OK


def clean(root: Path, options: Options, images: bool, venvs: bool, results: bool) -> int:
    """Remove what dead launchers left; images, virtual environments and results only where named."""
    print(f"processes, containers, temporary folders of dead launchers: {reclaim()} removed")
    print(f"unfinished data sets: {data.remove_unfinished(root / 'data')} removed")
    runs = sorted(path.parent for path in options.out.glob(f"*/{RUN_NAME}")) if options.out.is_dir() else []
    for path in (path for run in runs if not _in_use(run) for path in run.rglob(".*.tmp")):
        path.unlink(missing_ok=True)
    if images:
        _remove_images()
    if venvs:
        _remove(root / ".venvs")
    for run in runs if results else ():
        if _in_use(run):
            print(f"{run}: in use, kept")
        else:
            _remove(run)
    return ExitCode.OK


def _remove_images() -> None:
    client = connect()
    for image in client.images.list(filters={"label": SOURCE_LABEL}):
        name = ", ".join(image.tags) or image.short_id
        try:
            client.images.remove(str(image.id), force=True)
            print(f"image: {name} removed")
        except APIError as error:
            print(f"image: {name} kept ({error.explanation})")


def _in_use(run: Path) -> bool:
    try:
        handle = os.open(run / LOCK_NAME, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _remove(path: Path) -> None:
    if not path.exists():
        return
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise NotReady(f"{path}: cannot be removed ({error.strerror}); sudo rm -r '{path}'") from error
    print(f"{path}: removed")
