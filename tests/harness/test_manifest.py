"""A manifest is read as untrusted input."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from runners.harness.case import FIRST_SPLIT
from runners.harness.manifest import (
    Item,
    Manifest,
    ManifestError,
    read_manifest,
    splits_read,
    verify_bytes,
    write_manifest,
)


def manifest_of(folder: Path, *paths: str, split: str = "train") -> Manifest:
    items = []
    for path in paths:
        content = path.encode("utf-8", "surrogateescape")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        items.append(Item(path, 0, len(content), hashlib.sha256(content).hexdigest(), 4, 4))
    return Manifest("tiny", "folder", None, ("a",), {split: tuple(items)})


def test_a_manifest_is_read_as_it_was_written_even_with_names_that_are_not_utf8(tmp_path):
    manifest = manifest_of(tmp_path, "train/a/ü b.jpg", "train/a/\udcff.jpg")
    assert read_manifest(write_manifest(manifest, tmp_path)) == manifest
    verify_bytes(tmp_path, manifest.splits["train"])


def test_a_reference_covers_the_given_splits(tmp_path):
    manifest = manifest_of(tmp_path, "train/a/1.jpg", "train/a/2.jpg")
    reference = manifest.reference("train")
    assert (reference.items, reference.bytes) == (2, 2 * len("train/a/1.jpg"))
    assert reference.digest == manifest.digest


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("path", "/etc/passwd", "leaves"),
        ("path", "a/../../b", "leaves"),
        ("path", 7, "not a string"),
        ("label", True, "whole numbers"),
        ("label", "0", "whole numbers"),
        ("bytes", -1, "whole numbers"),
        ("colour", "red", "not a usable manifest"),
    ],
)
def test_an_impossible_item_is_refused_even_with_the_right_digest(tmp_path, field, value, said):
    good = write_manifest(manifest_of(tmp_path, "train/a/1.jpg"), tmp_path)
    document = json.loads(good.read_text())
    document["splits"]["train"][0][field] = value
    good.write_text(json.dumps(document))
    with pytest.raises(ManifestError, match=said):
        read_manifest(good)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "null", '{"manifest_version": 1}', "[" * 100_000, "\ufeff{}", '{"digest": 1, "digest": 2}']
)
def test_a_file_that_is_no_manifest_is_refused(tmp_path, text):
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(ManifestError):
        read_manifest(path)


def test_a_pipe_among_images_or_in_a_manifest_s_place_keeps_nobody_waiting(tmp_path):
    manifest = manifest_of(tmp_path, "train/a/1.jpg", "train/a/2.jpg")
    (tmp_path / "train/a/2.jpg").rename(tmp_path / "elsewhere")
    (tmp_path / "train/a/2.jpg").symlink_to(tmp_path / "elsewhere")
    verify_bytes(tmp_path, manifest.splits["train"])
    (tmp_path / "elsewhere").unlink()
    os.mkfifo(tmp_path / "elsewhere")
    with pytest.raises(ManifestError, match="cannot be read \\(not a regular file\\)"):
        verify_bytes(tmp_path, manifest.splits["train"])
    with pytest.raises(ManifestError, match="not a regular file"):
        read_manifest(tmp_path / "elsewhere")


def test_a_newer_version_is_named(tmp_path):
    path = write_manifest(manifest_of(tmp_path, "train/a/1.jpg"), tmp_path)
    path.write_text(path.read_text().replace('"manifest_version": 1', '"manifest_version": 2'))
    with pytest.raises(ManifestError, match="version 2"):
        read_manifest(path)


def test_a_label_changed_by_hand_breaks_the_digest(tmp_path):
    path = write_manifest(manifest_of(tmp_path, "train/a/1.jpg"), tmp_path)
    path.write_text(path.read_text().replace('"label": 0', '"label": 1'))
    with pytest.raises(ManifestError, match="digest"):
        read_manifest(path)


@pytest.mark.parametrize(("content", "said"), [(b"same length..", "changed"), (None, "cannot be read")])
def test_changed_and_missing_files_are_found(tmp_path, content, said):
    manifest = manifest_of(tmp_path, "train/a/1.jpg")
    path = tmp_path / "train/a/1.jpg"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ManifestError, match=said):
        verify_bytes(tmp_path, manifest.splits["train"])


@pytest.mark.parametrize(("split", "workload"), [("val", "fit"), ("train", "fit"), ("holdout", "load")])
def test_a_missing_split_is_named(tmp_path, split, workload):
    with pytest.raises(ManifestError, match=split):
        splits_read(workload, manifest_of(tmp_path, "x/a/1.jpg", split=split))


def test_load_reads_one_split(tmp_path):
    assert splits_read("load", manifest_of(tmp_path, "val/a/1.jpg", split="val")) == ("val",)


def test_load_reads_the_split_that_a_case_chooses(tmp_path):
    both = manifest_of(tmp_path, "train/a/1.jpg")
    both = replace(both, splits=both.splits | {"test": ()})
    assert splits_read("load", both, FIRST_SPLIT) == ("train",)
    assert splits_read("load", both, "test") == ("test",)
    with pytest.raises(ManifestError, match="no split 'tset', only test, train"):
        splits_read("load", both, "tset")
