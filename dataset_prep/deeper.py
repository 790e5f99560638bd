"""Counts the images that lie deeper than class folders, and finds the folder to give instead."""

import itertools
import os
from collections import Counter
from collections.abc import Iterator

from dataset_prep.names import JPEG_SUFFIXES, SYSTEM_FOLDERS, is_hidden, suffix
from runners.harness.manifest import split_of

MOST_FOLDERS = 20_000
"""Folders looked at below one class folder, so that a whole disk given by mistake is refused within seconds."""


def images_below(root: str, folder: str) -> Counter[str]:
    """How many images lie in the folders inside `folder`, by the folder that would have to be given to read them.

    All paths are relative to `root`. Links are not followed.
    """
    homes: Counter[str] = Counter()
    for path, files in itertools.islice(_folders_inside(os.path.join(root, folder)), MOST_FOLDERS):
        home = os.path.dirname(path)
        if split_of(os.path.basename(home)):
            home = os.path.dirname(home)
        homes[os.path.relpath(home, root)] += sum(suffix(name) in JPEG_SUFFIXES for name in files)
    return +homes


def best_home(homes: Counter[str]) -> str | None:
    """The folder to give: the one that reads more than half of the images, if there is one."""
    return next((home for home, images in homes.most_common(1) if images * 2 > homes.total()), None)


def _folders_inside(top: str) -> Iterator[tuple[str, list[str]]]:
    """Every folder inside `top`, with its files."""
    for path, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if not is_hidden(name) and name not in SYSTEM_FOLDERS)
        if path != top:
            yield path, [name for name in files if not is_hidden(name)]
