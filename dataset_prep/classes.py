"""Compares the classes of the splits: a label must mean the same class in each of them."""

import itertools
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping

from dataset_prep.console import shown
from dataset_prep.errors import BadInput

LEARNT = "train"
NAMED = 5
"""How many classes a message names."""


def require_known(folders: Mapping[str, Collection[str]]) -> None:
    """Raise BadInput if a split has a class that `train` has no folder for. `folders` are the classes of each split."""
    if LEARNT not in folders:
        return
    for split, names in folders.items():
        if unknown := sorted(set(names) - set(folders[LEARNT])):
            spellings = {_folded(name): name for name in folders[LEARNT]}
            near = [
                f"{shown(name)} is {shown(spellings[_folded(name)])}" for name in unknown if _folded(name) in spellings
            ]
            hint = f"; perhaps {', '.join(near[:NAMED])}" if near else ""
            raise BadInput(
                f"{named(unknown)} in {split} {'is' if len(unknown) == 1 else 'are'} not in {LEARNT}{hint}: "
                "give both the same class folders, or move the rest away"
            )


def warnings(folders: Mapping[str, Collection[str]]) -> Iterator[str]:
    """What is unusual about the classes that have usable images. `folders` are the classes of each split."""
    for split, names in sorted(folders.items()):
        if missing := sorted(set(folders.get(LEARNT, ())) - set(names)):
            yield f"{named(missing)} {'has' if len(missing) == 1 else 'have'} images in {LEARNT}, but none in {split}"
    everything = sorted(set(itertools.chain.from_iterable(folders.values())), key=_folded)
    for _, alike in itertools.groupby(everything, _folded):
        names = sorted(alike)
        if len(names) > 1:
            yield f"{named(names)} are different classes, though their names differ only in case, blanks or dots"


def named(names: Iterable[str]) -> str:
    """A few of the names, and how many more there are."""
    all_names = [shown(name) for name in names]
    more = f" and {len(all_names) - NAMED:,} more" if len(all_names) > NAMED else ""
    return f"{'class' if len(all_names) == 1 else 'classes'} {', '.join(all_names[:NAMED])}{more}"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold()).strip(" .")
