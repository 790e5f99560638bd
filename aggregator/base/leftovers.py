"""Old files in a folder that is written again: they must not look current."""

from collections.abc import Callable, Collection
from pathlib import Path


def remove_leftovers(folder: Path, made: Collection[Path], is_ours: Callable[[Path], bool]) -> None:
    """Remove the files of `folder` that are not among those `made` now. Raises OSError.

    Only those that `is_ours` knows, since the folder may be anybody's; links are never ours.
    """
    for path in sorted(folder.iterdir()):
        if path not in made and path.is_file() and not path.is_symlink() and is_ours(path):
            path.unlink()
