"""The comparison of an epoch's pixels with the reference."""

from dataclasses import replace

import numpy as np
import pytest
from data_images import picture, write_kinds
from PIL import Image

from runners.harness.case import Case
from runners.harness.workload import Invalid
from runners.reference.labelled import INSPECTED, Labelled, assert_same_pixels, for_inspection, unfit_data
from runners.reference.pixels import affine, inspect, reference_pixels
from runners.reference.shm import require_shared_memory
from runners.reference.source import SIDE, Source


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds") / "a"
    names = write_kinds(folder)
    return Source(tuple(str(folder / name) for name in names), batch_size=3, stage="batch", workers=1, tuned=False)


def batches(source, decode=reference_pixels):
    images = [decode(path) for path in source.paths]
    return [np.stack(images[start : start + 3]) for start in range(0, len(images), 3)]


def letterboxed(path):
    image = Image.open(path).convert("RGB")
    image.thumbnail((SIDE, SIDE))
    canvas = Image.new("RGB", (SIDE, SIDE))
    canvas.paste(image)
    return np.asarray(canvas)


def aliased(path):
    return np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.NEAREST))


def test_the_reference_is_rgb_for_every_kind_of_file(source):
    for path in source.paths:
        assert reference_pixels(path).shape == (SIDE, SIDE, 3)


def test_the_reference_ignores_the_orientation_tag(source):
    path = next(path for path in source.paths if path.endswith("exif.jpg"))
    pixels = Image.open(path).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    assert np.array_equal(reference_pixels(path), np.asarray(pixels))


def test_equal_pixels_have_no_difference(source):
    delivered = inspect(batches(source), source, channels_first=False)
    assert (delivered.fault, delivered.items, delivered.mean_difference) == (None, len(source.paths), 0.0)


def test_every_stage_and_layout_of_the_same_pixels_has_the_same_digest(source):
    expected = inspect(batches(source), source, channels_first=False).digest
    scale, offset = affine()
    unstacked = [list(batch) for batch in batches(source)]
    normalised = [(batch * scale + offset).transpose(0, 3, 1, 2) for batch in batches(source)]
    assert inspect(unstacked, replace(source, stage="decode"), channels_first=False).digest == expected
    assert inspect(normalised, replace(source, stage="normalize"), channels_first=True).digest == expected


@pytest.mark.parametrize("decode", [letterboxed, aliased])
def test_another_way_of_resizing_is_a_fault_with_its_figures(source, decode):
    fault = inspect(batches(source, decode), source, channels_first=False).fault
    assert "pixels differ" in fault
    assert "allowed 0.5" in fault


def test_images_out_of_order_are_a_fault(source):
    swapped = replace(source, paths=source.paths[::-1])
    assert "pixels differ" in inspect(batches(swapped), source, channels_first=False).fault


def test_a_dropped_image_is_counted(source):
    short = batches(source)
    short[-1] = short[-1][:-1]
    assert "holds 1, not 2" in inspect(short, source, channels_first=False).fault
    assert "held 6 images, not 8" in inspect(batches(source)[:-1], source, channels_first=False).fault


def test_an_image_too_many_is_counted(source):
    assert "not 0" in inspect([*batches(source), np.zeros((1, SIDE, SIDE, 3), np.uint8)], source, False).fault


def test_another_type_or_shape_is_a_fault(source):
    assert "float64" in inspect([b.astype(float) for b in batches(source)], source, channels_first=False).fault
    assert "(3, 224, 224)" in inspect([b.transpose(0, 3, 1, 2) for b in batches(source)], source, False).fault


def test_one_bad_image_among_good_ones_is_found(source, tmp_path):
    flat = Image.new("RGB", (300, 300), (9, 9, 9))
    path = tmp_path / "flat.jpg"
    flat.save(path)
    many = replace(source, paths=(str(path),) * 60)
    wrong = np.stack([reference_pixels(str(path))] * 3)
    wrong[1] += 3
    fine = [np.stack([reference_pixels(str(path))] * 3)] * 19
    assert "3.00 in the worst image, 'flat.jpg'" in inspect([*fine, wrong], many, channels_first=False).fault


def learnt_from(paths, side=32):
    paths = tuple(paths)
    return Labelled(paths, tuple(range(len(paths))), side, 3, workers=0, cache=True, augment=True, shuffle=True)


def scaled(source, side=32):
    images = [reference_pixels(path, side).astype(np.float32) / 255 for path in source.paths]
    return [(np.stack(images[i : i + 3]), list(source.labels[i : i + 3])) for i in range(0, len(images), 3)]


def test_training_images_are_compared_at_their_own_size(source):
    images = learnt_from(source.paths)
    delivered = assert_same_pixels(scaled(images), images, channels_first=False)
    assert (delivered.items, delivered.mean_difference) == (len(source.paths), 0.0)
    with pytest.raises(Invalid, match="224, 224, 3"):
        assert_same_pixels(scaled(images, SIDE), images, channels_first=False)


def test_an_image_with_a_wrong_class_is_found(source):
    images = learnt_from(source.paths)
    swapped = [(batch, labels[::-1]) for batch, labels in scaled(images)]
    with pytest.raises(Invalid, match="classes"):
        assert_same_pixels(swapped, images, channels_first=False)


def test_a_large_split_is_compared_by_a_seeded_sample():
    many = learnt_from(f"{number}.jpg" for number in range(INSPECTED + 500))
    sample = for_inspection(many, 25)
    assert sample == for_inspection(many, 25) != for_inspection(many, 26)
    assert len(set(sample.paths)) == INSPECTED
    assert sample.paths == tuple(f"{label}.jpg" for label in sorted(sample.labels))
    assert (sample.shuffle, sample.augment, sample.cache) == (False, False, True)


def test_missing_shared_memory_is_reported_with_its_size():
    require_shared_memory(1 << 12)
    with pytest.raises(Invalid, match="--shm-size=") as caught:
        require_shared_memory(1 << 60)
    assert caught.value.kind == "SHM"


@pytest.mark.parametrize(
    ("network", "side", "images", "classes", "expected"),
    [
        ("cnn4", 32, 64, 1, "two classes"),
        ("cnn4", 32, 31, 2, "smaller"),
        ("cnn4", 32, 32, 2, None),
        ("cnn4", 32, 65, 2, None),
        ("resnet18", 32, 64, 2, None),
        ("resnet18", 32, 65, 2, "choose another --batch-size"),
        ("resnet18", 64, 65, 2, None),
    ],
)
def test_data_from_which_a_network_cannot_learn_is_reported(network, side, images, classes, expected):
    case = Case("fit", "cpu", network=network, input_size=side, batch_size=32, seed=25)
    reason = unfit_data(case, images, classes)
    assert reason is None if expected is None else expected in reason


def test_a_test_picture_has_fine_detail():
    assert np.asarray(picture(64, 64)).std() > 10
