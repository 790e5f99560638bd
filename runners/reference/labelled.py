"""What `fit` trains on, in words that every framework shares."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Labelled:
    """Images with their classes, and how they are read.

    `side` is what they are resized to; `cache` keeps the decoded, resized images in memory once they were
    used; `augment` flips each at random, left to right and upside down.
    """

    paths: tuple[str, ...]
    labels: tuple[int, ...]
    side: int
    batch_size: int
    workers: int
    cache: bool = False
    augment: bool = False
    shuffle: bool = False


def unfit(train_images: int, classes: int, batch_size: int) -> str | None:
    """Why nothing can be learned from so little, or None."""
    if classes < 2:
        return f"training needs two classes or more, the data set has {classes}"
    if train_images < batch_size:
        return f"a batch is {batch_size} images, the training split has {train_images}; choose a smaller --batch-size"
    return None
