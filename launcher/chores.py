"""`images` and `clean`: what is done between runs."""

import fcntl
import os
import shutil
import sys
from pathlib import Path

from docker.errors import APIError

from launcher import machine
from launcher.bench import build, build_facts
from launcher.children import kill_orphans
from launcher.discovery import choose, discover
from launcher.engines import Limits
from launcher.engines.connection import connect
from launcher.engines.docker import DockerEngine
from launcher.engines.select import select
from launcher.errors import ExitCode, NotReady, UsageError
from launcher.images import SOURCE_LABEL, ImageBuilder
from launcher.lock import LOCK_NAME
from launcher.options import Options
from launcher.scratch import remove_orphans
from launcher.stop import Stop
from runners.harness.run import RUN_NAME


def prepare_frameworks(root: Path, options: Options, stop: Stop) -> int:
    """Make every framework runnable on the engine."""
    names = list(choose(discover(root), options.frameworks))
    if not names:
        raise UsageError(f"{root}: no framework found; each is a folder under images/ and runners/")
    limits = Limits(machine.cpu_set(options.cpus), machine.default_memory())
    engine, reason = select(root, options.engine, limits, options.device, stop, build_facts(root, options))
    print(f"engine {engine.name} ({reason})", file=sys.stderr)
    unbuilt = build(engine, names)
    for name in names:
        print(f"{name}: {'not ready' if name in unbuilt else 'ready'}")
    return ExitCode.CASES_FAILED if unbuilt else ExitCode.OK


def clean(root: Path, options: Options, images: bool, venvs: bool, results: bool) -> int:
    """Remove what dead launchers left; images, virtual environments and results only where named."""
    print(f"processes: {kill_orphans()} removed")
    print(f"temporary folders: {remove_orphans()} removed")
    try:
        client = connect()
    except NotReady as error:
        if images:
            raise
        print(f"containers: not looked for ({error})")
    else:
        builder = ImageBuilder(root, client, Stop(), {})
        engine = DockerEngine(client, builder, Limits(machine.visible_cpus(), machine.default_memory()), "cpu")
        print(f"containers: {engine.reclaim()} removed")
        if images:
            for image in client.images.list(filters={"label": SOURCE_LABEL}):
                try:
                    client.images.remove(str(image.id), force=True)
                    print(f"image: {', '.join(image.tags) or image.short_id} removed")
                except APIError as error:
                    print(f"image: {', '.join(image.tags) or image.short_id} kept ({error.explanation})")
    for path in options.out.glob("*/records/.*.tmp") if options.out.is_dir() else ():
        if not _in_use(path.parents[1]):
            path.unlink(missing_ok=True)
    if venvs:
        _remove(root / ".venvs")
    if results and options.out.is_dir():
        for run in sorted(path.parent for path in options.out.glob(f"*/{RUN_NAME}")):
            if _in_use(run):
                print(f"{run}: in use, kept")
            else:
                _remove(run)
    return ExitCode.OK


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
