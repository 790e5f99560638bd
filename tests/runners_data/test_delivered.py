"""Images as the network gets them: compared with the reference, flip by flip. A fake loader makes the mistakes."""

import base64
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from data_images import picture

from runners.harness.agreement import disagreement
from runners.harness.record import FLIPS, Check, DeliveredImages
from runners.harness.workload import Invalid
from runners.reference.delivered import COMPARED, KEPT, delivered_images, spread_over
from runners.reference.labelled import Labelled
from runners.reference.pixels import reference_pixels

SIDE, BATCH = 16, 7
Change = Callable[[np.ndarray], np.ndarray]


def same(image: np.ndarray) -> np.ndarray:
    return image


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Labelled:
    folder = tmp_path_factory.mktemp("images")
    paths = []
    for number in range(20):
        paths.append(str(folder / f"{number}.jpg"))
        picture(48, 40, phase=number / 3).save(paths[-1], quality=90)
    return Labelled(tuple(paths), tuple(number % 3 for number in range(20)), SIDE, BATCH, workers=0, shuffle=True)


@pytest.fixture(scope="module")
def augmented(plain: Labelled) -> Labelled:
    return dataclasses.replace(plain, augment=True)


def loaded(
    source: Labelled,
    change: Change = same,
    scale: float = 1 / 255,
    flips: tuple[str, ...] = FLIPS,
    wrong_class: int = 0,
) -> DeliveredImages:
    """What a loader delivers that has this mistake; it draws from `flips` where the case augments."""
    spread, draw = spread_over(source), np.random.default_rng(5)

    def images() -> Iterator[tuple[np.ndarray, int]]:
        for _ in range(spread.passes):
            for path, label in zip(spread.source.paths, spread.source.labels, strict=True):
                flip = draw.choice(flips) if source.augment else flips[0]
                image = reference_pixels(path, SIDE)
                image = image[:, ::-1] if flip in ("left-right", "both") else image
                image = image[::-1] if flip in ("upside-down", "both") else image
                yield (change(image).astype(np.float32) * np.float32(scale)).transpose(2, 0, 1), label + wrong_class

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        arrived = list(images())
        for start in range(0, len(arrived), BATCH):
            pixels, labels = zip(*arrived[start : start + BATCH], strict=True)
            yield np.stack(pixels), np.array(labels)

    return delivered_images(batches(), spread, channels_first=True)


def shown(found: DeliveredImages) -> np.ndarray:
    pixels = np.frombuffer(base64.b64decode(found.rgb), np.uint8)
    return pixels.reshape(len(found.positions), found.side, found.side, 3)


def test_without_augmentation_the_images_are_those_of_the_reference(plain: Labelled) -> None:
    found = loaded(plain)
    assert found.positions == [0, 2, 4, 6, 8, 10, 12, 14]
    assert set(found.flips) == {"none"}
    for position, image in zip(found.positions, shown(found), strict=True):
        assert (image == reference_pixels(plain.paths[position], SIDE)).all()


def test_with_augmentation_they_are_kept_as_they_are_and_their_flips_named(augmented: Labelled) -> None:
    found = loaded(augmented)
    assert set(found.flips) > {"none"}
    for position, flip, image in zip(found.positions, found.flips, shown(found), strict=True):
        wanted = reference_pixels(augmented.paths[position], SIDE)
        turned = {"left-right": wanted[:, ::-1], "upside-down": wanted[::-1], "both": wanted[::-1, ::-1]}
        assert (image == turned.get(flip, wanted)).all()


def test_a_small_split_is_read_several_times_and_a_large_one_in_part(augmented: Labelled) -> None:
    assert spread_over(augmented).passes == 7
    large = dataclasses.replace(augmented, paths=augmented.paths * 50, labels=augmented.labels * 50)
    spread = spread_over(large)
    assert (len(spread.positions), spread.passes) == (COMPARED, 1)
    assert not spread.source.shuffle
    assert spread.positions[-1] > 980
    single = dataclasses.replace(augmented, paths=augmented.paths[:1], labels=augmented.labels[:1], augment=False)
    assert loaded(single).positions == [0]


def test_large_images_are_shrunk(plain: Labelled) -> None:
    large = dataclasses.replace(plain, side=100, augment=False)
    spread = spread_over(large)
    arrived = (
        (reference_pixels(path, 100)[None].astype(np.float32) / np.float32(255), [label])
        for path, label in zip(spread.source.paths, spread.source.labels, strict=True)
    )
    found = delivered_images(arrived, spread, channels_first=False)
    assert (found.side, len(found.pixels)) == (64, KEPT * 64 * 64 * 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda image: image[..., ::-1], "is no flip of its reference"),
        (lambda image: np.roll(image, 2, axis=1), "is no flip of its reference"),
        (lambda image: image.transpose(1, 0, 2), "is no flip of its reference"),
        (lambda image: image[:-1], "arrives as"),
        (lambda image: image * 0.9, "not as float32 pixels k/255"),
        (lambda image: 255 - image, "is no flip of its reference"),
    ],
    ids=("channels", "shifted", "transposed", "cropped", "darker", "negative"),
)
def test_wrong_pixels_are_refused(augmented: Labelled, change: Change, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        loaded(augmented, change)


@pytest.mark.parametrize("scale", [1.0, 1 / 256, 1 / 127.5], ids=str)
def test_another_scale_is_refused(plain: Labelled, scale: float) -> None:
    with pytest.raises(Invalid, match="not as float32 pixels k/255"):
        loaded(plain, scale=scale)


def test_pixels_in_bytes_are_refused(plain: Labelled) -> None:
    spread = spread_over(plain)
    raw = ((reference_pixels(path, SIDE)[None], [0]) for path in spread.source.paths)
    with pytest.raises(Invalid, match="arrive as uint8"):
        delivered_images(raw, spread, channels_first=False)


@pytest.mark.parametrize(
    ("flips", "missing"),
    [
        (("none",), "left-right, upside-down, both"),
        (("none", "left-right"), "upside-down, both"),
        (("none", "both"), "left-right, upside-down"),
        (("left-right", "upside-down", "both"), "none"),
    ],
)
def test_a_flip_that_never_comes_is_refused(augmented: Labelled, flips: tuple[str, ...], missing: str) -> None:
    with pytest.raises(Invalid, match=f"none arrives with the flip '{missing}'"):
        loaded(augmented, flips=flips)


def test_a_flip_without_augmentation_is_refused(plain: Labelled) -> None:
    with pytest.raises(Invalid, match=r"arrives flipped \(left-right\) in a case without augmentation"):
        loaded(plain, flips=("left-right",))


def test_wrong_classes_and_missing_images_are_refused(plain: Labelled) -> None:
    with pytest.raises(Invalid, match="wrong class"):
        loaded(plain, wrong_class=1)
    with pytest.raises(Invalid, match="0 images arrive in 1 passes of 20"):
        delivered_images([], spread_over(plain), channels_first=True)


def test_two_sides_show_the_same_images_whatever_their_flips(augmented: Labelled, plain: Labelled) -> None:
    ours, theirs = loaded(augmented), loaded(plain)
    assert ours.flips != theirs.flips
    assert disagreement(Check(images=ours), Check(images=theirs), "fp32", "new") is None


def test_sides_with_other_images_disagree(plain: Labelled) -> None:
    ours = loaded(plain)
    pixels = shown(ours)[..., ::-1]
    swapped = dataclasses.replace(ours, rgb=base64.b64encode(pixels.tobytes()).decode())
    turned = dataclasses.replace(ours, flips=["both", *ours.flips[1:]])
    moved = dataclasses.replace(ours, positions=[1, *ours.positions[1:]])
    for theirs, said in ((swapped, "pixels of training image 0"), (turned, "image 0 differ"), (moved, "shown differ")):
        assert said in (disagreement(Check(images=ours), Check(images=theirs), "fp32", "new") or "")
    assert "evidence of its images" in (disagreement(Check(images=ours), Check(), "fp32", "new") or "")
