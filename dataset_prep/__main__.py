"""The command line: `python -m dataset_prep cifar100|folder|synthetic|verify`."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from dataset_prep import checksum, cifar100, folder, synthetic, verify
from dataset_prep.console import say
from dataset_prep.errors import BadInput, PreparationError, machine_fault

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

INTERRUPTED = 130
EPILOG = """The last line on stdout is the manifest's path; everything else goes to stderr.
Exit codes: 0 done, 2 the data or the options cannot be used, 3 the disk or the network failed (try again)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one preparation and return the exit code."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], Path] = options.run
    # Containers read these files as another user.
    os.umask(0o022)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        path = run(options)
    except PreparationError as error:
        say(f"error: {error}")
        return error.exit_code
    except OSError as error:
        fault = machine_fault(error, getattr(options, "out", None))
        say(f"error: {fault}")
        return fault.exit_code
    except KeyboardInterrupt:
        say("interrupted; nothing unfinished was kept as finished")
        return INTERRUPTED
    # The path may not be UTF-8, so it is written as bytes.
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(path) + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _terminated(_signal: int, _frame: object) -> NoReturn:
    """End like Ctrl-C, so that unfinished files are removed."""
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataset_prep",
        description="Prepare and validate a data set, once, before anything is timed.",
        epilog=EPILOG,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_cifar100(commands)
    _add_folder(commands)
    _add_synthetic(commands)
    _add_verify(commands)
    return parser


def _command(
    commands: "Commands",
    name: str,
    text: str,
    run: Callable[[argparse.Namespace], Path],
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, epilog=EPILOG, allow_abbrev=False)
    parser.set_defaults(run=run)
    return parser


def _add_cifar100(commands: "Commands") -> None:
    parser = _command(commands, "cifar100", "Write CIFAR-100 as 64x64 JPEGs in class folders.", _cifar100)
    parser.add_argument("--out", type=_out, default=Path("data/cifar100"), help="where to (default: %(default)s)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--archive", type=Path, metavar="FILE", help="cifar-100-python.tar.gz on this machine")
    source.add_argument(
        "--url", default=cifar100.OFFICIAL_URL,
        help="where to download it; an interrupted download continues where it ended (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--checksum", type=_checksum, default=cifar100.OFFICIAL_CHECKSUM, metavar="HEX",
        help="MD5 or SHA-256 of another archive in the same format (default: the official %(default)s)",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="write it again even if it is up to date")


def _cifar100(options: argparse.Namespace) -> Path:
    return cifar100.prepare(
        options.out, cifar100.Options(options.archive, options.url, options.checksum, options.force)
    )


def _add_folder(commands: "Commands") -> None:
    parser = _command(commands, "folder", "Validate JPEG files in class folders, which stay where they are.", _folder)
    parser.add_argument("source", metavar="SRC", type=Path, help="has CLASS/*.jpg, or train, val, test of such folders")
    parser.add_argument("--out", type=_out, required=True, help="folder for the manifest, such as data/NAME")
    parser.add_argument("--limit", type=_positive, help="most images of a split, taken evenly from its classes")
    parser.add_argument("--strict", action="store_true", help="exit 2 if any image has to be excluded")
    parser.add_argument("--force", action="store_true", help="validate again even if nothing changed")


def _folder(options: argparse.Namespace) -> Path:
    return folder.prepare(options.source, options.out, folder.Options(options.limit, options.strict, options.force))


def _add_synthetic(commands: "Commands") -> None:
    photos, labelled = synthetic.Photos(), synthetic.Labelled()
    parser = _command(commands, "synthetic", "Make images from a seed; needs no network.", _synthetic)
    parser.add_argument("--out", type=_out, help="folder to write (default: data/synthetic-KIND)")
    parser.add_argument(
        "--kind", choices=("photos", "labelled"), default="photos",
        help="photos: photograph-sized, for load; labelled: 64x64 with classes to learn, for fit (default: photos)",
    )  # fmt: skip
    parser.add_argument("--seed", type=_seed, default=photos.seed, help="same seed, same bytes (default: %(default)s)")
    parser.add_argument("--images", type=_positive, help=f"photos: how many (default: {photos.images})")
    parser.add_argument("--classes", type=_positive, help=f"labelled: how many (default: {labelled.classes})")
    parser.add_argument(
        "--train-per-class", type=_positive,
        help=f"labelled: training images a class (default: {labelled.train_per_class})",
    )  # fmt: skip
    parser.add_argument(
        "--test-per-class", type=_positive, help=f"labelled: test images a class (default: {labelled.test_per_class})"
    )
    parser.add_argument("--force", action="store_true", help="make it again even if it is up to date")


def _synthetic(options: argparse.Namespace) -> Path:
    out = options.out or Path("data") / f"synthetic-{options.kind}"
    sizes = {name: getattr(options, name) for name in ("images", "classes", "train_per_class", "test_per_class")}
    given = {name: value for name, value in sizes.items() if value is not None}
    valid = {"images"} if options.kind == "photos" else sizes.keys() - {"images"}
    if invalid := sorted(given.keys() - valid):
        raise BadInput(f"--{invalid[0].replace('_', '-')} has no meaning with --kind {options.kind}; leave it out")
    if given.get("classes") == 1:
        raise BadInput("--classes 1 leaves nothing to learn; give 2 or more")
    if options.kind == "photos":
        return synthetic.prepare_photos(out, synthetic.Photos(seed=options.seed, **given), options.force)
    return synthetic.prepare_labelled(out, synthetic.Labelled(seed=options.seed, **given), options.force)


def _add_verify(commands: "Commands") -> None:
    parser = _command(commands, "verify", "Re-read every image and compare it with the manifest.", _verify)
    parser.add_argument("target", metavar="DIR|MANIFEST", type=Path, help="a prepared folder, or its manifest.json")


def _verify(options: argparse.Namespace) -> Path:
    return verify.verify(options.target)


def _out(text: str) -> Path:
    path = Path(text)
    if path.name in ("", ".."):
        path = Path(os.path.abspath(path))
    if not path.name:
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder that can be written")
    return path


def _checksum(text: str) -> checksum.Checksum:
    try:
        return checksum.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{number} is not between 1 and 10,000,000")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"{number} is not between 0 and 2^32 - 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
