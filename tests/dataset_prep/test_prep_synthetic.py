"""Synthetic images: the same bytes from the same seed, the statistics of photographs, classes that can be learned."""

import hashlib
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prep_helpers import plant

from dataset_prep import build, synthetic
from dataset_prep.noise import Stream, octaves
from runners.harness.manifest import read_manifest

SMALL = ("--kind", "labelled", "--classes", "3", "--train-per-class", "4", "--test-per-class", "2")


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float)


@pytest.mark.parametrize("options", [("--images", "3"), SMALL])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_none_of_them(prep, tmp_path, options):
    for name, seed in (("a/x", "7"), ("b/x", "7"), ("c/x", "8")):
        assert prep("synthetic", *options, "--seed", seed, "--out", tmp_path / name).code == 0
    first, second, other = (tree(tmp_path / name) for name in ("a/x", "b/x", "c/x"))
    assert first == second
    images = [{data for path, data in files.items() if path.endswith(".jpg")} for files in (first, other)]
    assert images[0]
    assert images[0].isdisjoint(images[1])


def test_pixels_before_compression_are_these_on_every_machine():
    field = octaves(Stream(25, 1, 0), 37, 53, (9, 5, 3, 2, 1))
    assert field.shape == (37, 53)
    assert hashlib.sha256(field.astype("<i4").tobytes()).hexdigest()[:16] == "49e5779a6b05fb59"


def test_photos_have_photographs_sizes_bits_spectrum_and_colours():
    files = [synthetic.photo(25, number) for number in range(24)]
    images = [pixels(data) for data in files]
    bits = [8 * len(data) / (image.shape[0] * image.shape[1]) for data, image in zip(files, images, strict=True)]
    assert 4 < np.mean(bits) < 6
    assert min(bits) < 3.9 < 5.9 < max(bits)
    assert {image.shape[0] > image.shape[1] for image in images} == {True, False}
    assert np.mean([np.corrcoef(image.reshape(-1, 3).T)[0, 2] for image in images]) == pytest.approx(0.84, abs=0.06)
    assert np.mean([slope(image.mean(axis=2)) for image in images]) == pytest.approx(-1.2, abs=0.2)


def slope(gray: np.ndarray) -> float:
    """The exponent of the amplitude's fall over frequency, from 3 to 84 cycles in 256 pixels."""
    size = 256
    window = np.outer(np.hanning(size), np.hanning(size))
    amplitude = np.abs(np.fft.fft2((gray[:size, :size] - gray[:size, :size].mean()) * window))
    radius = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size) * size] * 2)).round()
    rings = np.arange(3, 85)
    return np.polyfit(np.log(rings), np.log([amplitude[radius == ring].mean() for ring in rings]), 1)[0]


def test_labelled_images_of_a_class_are_nearer_to_their_class_than_to_others(prep, tmp_path):
    out = tmp_path / "out"
    prep("synthetic", "--kind", "labelled", "--classes", "4", "--train-per-class", "40", "--out", out)
    manifest = read_manifest(out / "manifest.json")

    def seen(split):
        images = np.stack([pixels((out / item.path).read_bytes()) for item in manifest.splits[split]])
        # Colour and coarse shape of the upper half, which do not depend on mirroring.
        return (images + images[:, :, ::-1])[:, ::8, ::8].reshape(len(images), -1)

    labels = {split: np.array([item.label for item in items]) for split, items in manifest.splits.items()}
    means = np.stack([seen("train")[labels["train"] == label].mean(axis=0) for label in range(4)])
    guesses = np.linalg.norm(seen("test")[:, None] - means, axis=2).argmin(axis=1)
    assert np.mean(guesses == labels["test"]) >= 0.7


def test_counts_and_provenance_are_in_the_manifest(prep, tmp_path):
    out = tmp_path / "small set"
    assert prep("synthetic", *SMALL, "--out", out).code == 0
    manifest = read_manifest(out / "manifest.json")
    assert {split: len(items) for split, items in manifest.splits.items()} == {"train": 12, "test": 6}
    assert {(item.width, item.height) for item in manifest.splits["train"]} == {(64, 64)}
    assert (manifest.id, manifest.root, len(manifest.classes)) == ("small set", None, 3)
    assert manifest.provenance["seed"] == "25"
    assert "Pillow" in manifest.provenance["decoder"]
    assert "jpeg" in manifest.provenance["decoder"]
    assert prep("verify", out).code == 0


def test_an_up_to_date_set_is_left_alone_and_a_damaged_or_other_one_is_made_again(prep, tmp_path):
    out = tmp_path / "out"
    prep("synthetic", "--images", "2", "--out", out)
    image = next(out.rglob("*.jpg"))
    inode = image.stat().st_ino
    assert "up to date" in prep("synthetic", "--images", "2", "--out", out).err
    assert image.stat().st_ino == inode
    image.write_bytes(b"")
    assert prep("synthetic", "--images", "2", "--out", out).code == 0
    assert prep("verify", out).code == 0
    assert prep("synthetic", "--images", "3", "--out", out).code == 0
    assert len(list(out.rglob("*.jpg"))) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_files_of_other_programs_are_never_replaced(prep, tmp_path, force):
    holiday = plant(tmp_path / "holiday", {"beach.jpg": b"dear"})
    outcome = prep("synthetic", "--images", "2", "--out", holiday, *force)
    assert outcome.code == 2
    assert "not prepared here" in outcome.err
    assert tree(holiday) == {"beach.jpg": b"dear"}
    mixed = tmp_path / "mixed"
    prep("synthetic", "--images", "2", "--out", mixed)
    plant(mixed, {"notes.txt": b"mine"})
    assert prep("synthetic", "--images", "3", "--out", mixed, *force).code == 2
    assert (mixed / "notes.txt").read_bytes() == b"mine"
    theirs = plant(tmp_path / "theirs", {"manifest.json": b'{"version": 3}', "train/beach.jpg": b"dear"})
    assert prep("synthetic", "--images", "2", "--out", theirs, *force).code == 2
    assert (theirs / "train/beach.jpg").read_bytes() == b"dear"


def test_a_damaged_manifest_is_replaced_by_force_unless_others_files_lie_beside_it(prep, tmp_path):
    out = tmp_path / "out"
    prep("synthetic", "--images", "2", "--out", out)
    manifest = out / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-9])
    assert prep("synthetic", "--images", "2", "--out", out).code == 2
    plant(out, {"notes.txt": b"mine"})
    assert prep("synthetic", "--images", "2", "--out", out, "--force").code == 2
    (out / "notes.txt").unlink()
    assert prep("synthetic", "--images", "2", "--out", out, "--force").code == 0


def test_a_data_set_of_another_kind_is_replaced_only_by_force(prep, tmp_path):
    out = tmp_path / "out"
    prep("folder", plant(tmp_path / "src", {"c/1.jpg": synthetic.photo(1, 1)}), "--out", out)
    assert prep("synthetic", "--images", "2", "--out", out).code == 2
    assert prep("synthetic", "--images", "2", "--out", out, "--force").code == 0


def test_a_disk_too_small_exits_3_before_anything_is_written(prep, tmp_path, monkeypatch):
    monkeypatch.setattr(build.shutil, "disk_usage", lambda _path: build.shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    outcome = prep("synthetic", "--out", tmp_path / "deep/out")
    assert outcome.code == 3
    assert "MiB are needed" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_keeps_the_old_set_and_leaves_no_partial_set(prep, tmp_path, monkeypatch):
    out = tmp_path / "out"
    prep("synthetic", "--images", "2", "--out", out)
    before = tree(out)
    write, written = build.Path.write_bytes, []

    def full(path, data):
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(path)
        return write(path, data)

    monkeypatch.setattr(build.Path, "write_bytes", full)
    outcome = prep("synthetic", "--images", "9", "--out", out)
    assert (outcome.code, outcome.out) == (3, b"")
    assert "the disk is full" in outcome.err
    assert len(written) == 3
    assert tree(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_interrupt_leaves_nothing_behind(prep, tmp_path, monkeypatch):
    def interrupted(_data):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "inspect", interrupted)
    assert prep("synthetic", "--images", "2", "--out", tmp_path / "out").code == 130
    assert list(tmp_path.iterdir()) == []


def test_a_terminated_preparation_leaves_nothing_behind(tmp_path):
    # As many as take half a minute to draw, and no more disk than the tests of a small machine have.
    command = [sys.executable, "-m", "dataset_prep", "synthetic", "--images", "2000", "--out", str(tmp_path / "out")]
    preparation = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2], stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".out.preparing/train/*/*.jpg")):
        assert preparation.poll() is None
        time.sleep(0.05)
    preparation.terminate()
    assert preparation.wait(timeout=60) == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "stored"), [(b"a \xff", r"a \xff"), (b"a\nb", r"a\nb"), ("ä".encode(), "ä")])
def test_a_data_set_s_name_is_text_that_can_be_printed_and_stored(prep, tmp_path, name, stored):
    out = tmp_path / os.fsdecode(name)
    assert prep("synthetic", "--images", "1", "--out", out).code == 0
    assert read_manifest(out / "manifest.json").id == stored


def test_leftovers_of_a_killed_preparation_are_cleared_and_a_running_one_keeps_others_out(prep, tmp_path):
    plant(tmp_path, {".out.preparing/train/half.jpg": b"half"})
    with build.staging(tmp_path / "out") as folder:
        assert list(folder.iterdir()) == []
        outcome = prep("synthetic", "--images", "1", "--out", tmp_path / "out")
        assert outcome.code == 3
        assert "being prepared by another process" in outcome.err
    assert (tmp_path / "out").is_dir()


def test_an_out_folder_that_cannot_be_written_exits_3(prep, tmp_path):
    plant(tmp_path, {"file": b""})
    outcome = prep("synthetic", "--images", "1", "--out", tmp_path / "file/out")
    assert outcome.code == 3
    assert "--out" in outcome.err
    assert "Traceback" not in outcome.err
