"""Class folders: which images are used, which are excluded and why, and which errors stop the preparation."""

import os
import socket
from pathlib import Path

import pytest
from PIL import Image
from prep_helpers import encoded, plant

from runners.harness.manifest import read_manifest

GOOD = encoded()
PROGRESSIVE = encoded(progressive=True)
CMYK = encoded(mode="CMYK")


def reasons(out: Path) -> dict[str, str]:
    return {one.path: one.reason for one in read_manifest(out / "manifest.json").excluded}


def paths(out: Path, split: str = "all") -> list[str]:
    return [item.path for item in read_manifest(out / "manifest.json").splits[split]]


def test_splits_are_the_folders_that_hold_class_folders(prep, tmp_path):
    source = plant(tmp_path / "src", {
        "train/dog/1.jpg": GOOD, "train/cat/1.JPEG": GOOD, "test/dog/9.jpg": GOOD, "other/x/1.jpg": GOOD,
    })  # fmt: skip
    outcome = prep("folder", source, "--out", tmp_path / "out")
    manifest = read_manifest(tmp_path / "out/manifest.json")
    assert outcome.code == 0
    assert outcome.out == os.fsencode(tmp_path / "out/manifest.json") + b"\n"
    assert manifest.root == os.path.realpath(source)
    assert manifest.classes == ("cat", "dog")
    assert {name: [(i.path, i.label, i.width, i.height) for i in items] for name, items in manifest.splits.items()} == {
        "train": [("train/cat/1.JPEG", 0, 24, 16), ("train/dog/1.jpg", 1, 24, 16)],
        "test": [("test/dog/9.jpg", 1, 24, 16)],
    }
    assert any("'other' is ignored" in warning for warning in manifest.warnings)


def test_class_folders_at_the_top_are_one_split(prep, tmp_path):
    source = plant(tmp_path / "src", {"train/1.jpg": GOOD, "b/1.jpg": GOOD})
    assert prep("folder", source, "--out", tmp_path / "out").code == 0
    assert paths(tmp_path / "out") == ["b/1.jpg", "train/1.jpg"]


def test_pictures_not_every_framework_reads_are_excluded_with_a_reason(prep, tmp_path):
    deep = bytearray(GOOD)
    deep[deep.index(b"\xff\xc0") + 4] = 12
    bomb = bytearray(GOOD)
    at = bomb.index(b"\xff\xc0") + 5
    bomb[at : at + 4] = b"\xff\xff\xff\xff"
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "two.mpo", "MPO", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    bad = {
        "zero.jpg": (b"", "empty file"),
        "garbage.jpg": (b"\x01\x02" * 500, "not a JPEG"),
        "png.jpg": (encoded(kind="PNG"), "a PNG by its content"),
        "gif.jpg": ((tmp_path / "two.gif").read_bytes(), "a GIF by its content"),
        "mpo.jpg": ((tmp_path / "two.mpo").read_bytes(), "more than one picture"),
        "half.jpg": (GOOD[: len(GOOD) // 2], "truncated"),
        "noend.jpg": (GOOD[:-2], "truncated: no end-of-image"),
        "headonly.jpg": (GOOD[:20], "truncated"),
        "closed.jpg": (GOOD[:-60] + b"\xff\xd9", "truncated: the data end before the picture does"),
        "closed_later.jpg": (GOOD[:-60] + b"\xff\xd9" + bytes(500), "truncated: the data end before"),
        "layers.jpg": (PROGRESSIVE[:-60] + b"\xff\xd9", "truncated: the data end before"),
        "inks.jpg": (CMYK.replace(b"Adobe", b"Other"), "CMYK as YCCK or without Adobe"),
        "ycck.jpg": (CMYK.replace(b"Adobe\0\x64" + bytes(5), b"Adobe\0\x64" + bytes(4) + b"\2"), "CMYK as YCCK"),
        "deep.jpg": (bytes(deep), "12 bits a channel"),
        "bomb.jpg": (bytes(bomb), "65535x65535 pixels, more than"),
        "arithmetic.jpg": (GOOD.replace(b"\xff\xc0", b"\xff\xc9", 1), "arithmetic-coded"),
        "holes.jpg": (GOOD.replace(b"\xff\xdb", b"\xff\xec"), "does not decode"),
        "shot.png": (encoded(kind="PNG"), "png by its name"),
        "deep.png": (encoded(kind="PNG", mode="I;16"), "png by its name"),
        "deep.JPEG": (encoded(kind="PNG", mode="I;16"), "a PNG by its content"),
        "webp.JPEG": (encoded(kind="WEBP"), "a WebP or another RIFF file"),
        "heic.JPEG": (b"\0\0\0\x18ftypheic" + bytes(80), "an AVIF, HEIF or video file"),
        "bitmap.jpg": (encoded(kind="BMP"), "a BMP by its content"),
        "page.jpg": (b"<!DOCTYPE html>", "markup, perhaps a saved web page"),
        "pointer.jpg": (b"version https://git-lfs.example/spec/v1\n", "a Git LFS pointer"),
    }
    source = plant(tmp_path / "src", {f"c/{name}": data for name, (data, _) in bad.items()} | {"c/ok.jpg": GOOD})
    assert prep("folder", source, "--out", tmp_path / "out").code == 0
    assert paths(tmp_path / "out") == ["c/ok.jpg"]
    found = reasons(tmp_path / "out")
    assert found.keys() == {f"c/{name}" for name in bad}
    for name, (_, reason) in bad.items():
        assert reason in found[f"c/{name}"], name


def test_a_bomb_is_refused_before_any_decoder_sees_it(prep, tmp_path, monkeypatch):
    def decode(*_arguments, **_options):
        raise AssertionError("decoded")

    bomb = bytearray(GOOD)
    at = bomb.index(b"\xff\xc0") + 5
    bomb[at : at + 4] = (8000).to_bytes(2, "big") * 2
    source = plant(tmp_path / "src", {"c/bomb.jpg": bytes(bomb)})
    monkeypatch.setattr("dataset_prep.validate.Image.open", decode)
    outcome = prep("folder", source, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "none of the 1 image files" in outcome.err


def with_segment(marker: bytes, body: bytes) -> bytes:
    """The good picture with one more header segment."""
    return GOOD[:2] + marker + (len(body) + 2).to_bytes(2, "big") + body + GOOD[2:]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_unusual_but_sound_pictures_are_kept(prep, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    kept = {
        "cmyk.jpg": CMYK,
        "gray.jpg": encoded(mode="L"),
        "progressive.jpg": PROGRESSIVE,
        "rotated.jpg": encoded(exif=exif),
        "thumbnail.jpg": with_segment(b"\xff\xe1", GOOD),
        "second.jpg": GOOD + b"\0\0" + GOOD,
        "trailing.jpg": GOOD + b"\r\nbytes that a camera left",
        "restarts.jpg": encoded(width=200, restart_marker_blocks=2),
        "exif_cut.jpg": with_segment(b"\xff\xe1", b"Exif\0\0II*\0\xff\xff\xff\xff"),
        "exif_count.jpg": with_segment(b"\xff\xe1", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x1a\x01\x05\0" + b"\xff" * 8),
        "multi_cut.jpg": with_segment(b"\xff\xe2", b"MPF\0garbage"),
        "extraneous.jpg": GOOD[:-2] + b"\0\0\0" + GOOD[-2:],
        "one_pixel.jpg": encoded(width=1, height=1),
    }
    source = plant(tmp_path / "src", {f"c/{name}": data for name, data in kept.items()})
    assert prep("folder", source, "--out", tmp_path / "out", "--strict").code == 0
    assert paths(tmp_path / "out") == sorted(f"c/{name}" for name in kept)
    rotated = next(i for i in read_manifest(tmp_path / "out/manifest.json").splits["all"] if "rotated" in i.path)
    assert (rotated.width, rotated.height) == (24, 16)


def test_a_thumbnails_end_marker_does_not_make_a_cut_picture_whole(prep, tmp_path):
    with_thumbnail = with_segment(b"\xff\xe1", GOOD)
    source = plant(tmp_path / "src", {"c/cut.jpg": with_thumbnail[: len(GOOD) + 30], "c/ok.jpg": GOOD})
    assert prep("folder", source, "--out", tmp_path / "out").code == 0
    assert reasons(tmp_path / "out")["c/cut.jpg"].startswith("truncated")


def test_strict_exits_2_and_writes_nothing_also_when_up_to_date(prep, tmp_path):
    source = plant(tmp_path / "src", {"c/zero.jpg": b"", "c/ok.jpg": GOOD})
    out = tmp_path / "out"
    strict = prep("folder", source, "--out", out, "--strict")
    assert (strict.code, strict.out) == (2, b"")
    assert "1 images are excluded" in strict.err
    assert not out.exists()
    assert prep("folder", source, "--out", out).code == 0
    assert prep("folder", source, "--out", out, "--strict").code == 2


def test_files_that_are_no_images_are_ignored_silently(prep, tmp_path):
    foreign = (
        "README.md", "labels.csv", "annotations.xml", "dataset_infos.json", "train.pkl", "RENAME2", ".DS_Store",
        "._1.jpg", "Thumbs.db", "desktop.ini", ".gitattributes", "1.jpg:Zone.Identifier", "1.jpg.crdownload",
        ".git/HEAD", ".cache/huggingface/1.jpg", ".ipynb_checkpoints/1.jpg", ".Trash-1000/files/1.jpg",
    )  # fmt: skip
    files = {f"{where}{name}": b"x" for where in ("", "train/", "train/a/") for name in foreign}
    source = plant(tmp_path / "src", {"train/a/1.jpg": GOOD} | files)
    assert prep("folder", source, "--out", tmp_path / "out", "--strict").code == 0
    manifest = read_manifest(tmp_path / "out/manifest.json")
    assert (paths(tmp_path / "out", "train"), manifest.excluded, manifest.warnings) == (["train/a/1.jpg"], (), ())


def test_a_class_without_a_usable_image_is_left_out_with_a_warning(prep, tmp_path):
    source = plant(tmp_path / "src", {"a/ok.jpg": GOOD, "b/zero.jpg": b"", "d/ok.jpg": GOOD})
    (source / "c").mkdir()
    outcome = prep("folder", source, "--out", tmp_path / "out")
    manifest = read_manifest(tmp_path / "out/manifest.json")
    assert outcome.code == 0
    assert manifest.classes == ("a", "d")
    assert [item.label for item in manifest.splits["all"]] == [0, 1]
    assert [name for name in "bc" if f"class folder '{name}' holds no usable image" in outcome.err] == ["b", "c"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"notes.txt": b""}, "none of the 0 image files there can be used; JPEG files are needed, as CLASS/NAME.jpg"),
        ({"flat.jpg": GOOD}, "none of the 1 image files there can be used (1 × lies outside any class folder)"),
        ({"a/1.png": GOOD, "b/2.png": GOOD}, "(2 × not a JPEG: png by its name)"),
        ({"train/a/1.jpg": GOOD, "test/a/1.jpg": GOOD}, "only the class 'a' has images"),
    ],
)
def test_an_unusable_folder_exits_2_with_advice(prep, tmp_path, files, said):
    outcome = prep("folder", plant(tmp_path / "src", files), "--out", tmp_path / "out")
    assert (outcome.code, outcome.out) == (2, b"")
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def test_an_archive_is_not_a_folder(prep, tmp_path):
    plant(tmp_path, {"photos.zip": b"PK"})
    outcome = prep("folder", tmp_path / "photos.zip", "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "not a folder; unpack archives first" in outcome.err


def test_a_missing_folder_exits_2(prep, tmp_path):
    outcome = prep("folder", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "nowhere" in outcome.err


def test_names_may_be_any_bytes_and_are_escaped_on_the_terminal(prep, tmp_path):
    hostile = os.fsdecode(b"gr\xfc\xdf \x1b[31m")
    source = plant(
        tmp_path / "s p a c e ü", {"日本 語/ü 1.jpg": GOOD, f"{hostile}/\udcff.jpg": GOOD, "c/\x1b[2J.jpg": b""}
    )
    outcome = prep("folder", source, "--out", tmp_path / "out")
    assert outcome.code == 0
    assert "\x1b" not in outcome.err
    assert set(paths(tmp_path / "out")) == {"日本 語/ü 1.jpg", f"{hostile}/\udcff.jpg"}
    assert prep("verify", tmp_path / "out").code == 0


def test_an_out_folder_that_is_not_utf8_is_printed_as_its_bytes(prep, tmp_path):
    out = tmp_path / os.fsdecode(b"\xff out")
    outcome = prep("folder", plant(tmp_path / "src", {"c/ok.jpg": GOOD}), "--out", out)
    assert outcome.out == os.fsencode(out) + b"/manifest.json\n"


def test_links_that_leave_the_folder_or_would_not_survive_a_mount_are_excluded(prep, tmp_path):
    source = plant(tmp_path / "src", {"c/ok.jpg": GOOD})
    plant(tmp_path / "outside", {"secret.jpg": GOOD})
    (source / "c/leaves.jpg").symlink_to("../../outside/secret.jpg")
    (source / "c/absolute.jpg").symlink_to(source / "c/ok.jpg")
    (source / "c/dangling.jpg").symlink_to("nothing.jpg")
    (source / "c/loop.jpg").symlink_to("loop.jpg")
    (source / "c/stays.jpg").symlink_to("ok.jpg")
    (source / "away").symlink_to("../outside")
    assert prep("folder", source, "--out", tmp_path / "out").code == 0
    found = reasons(tmp_path / "out")
    assert paths(tmp_path / "out") == ["c/ok.jpg", "c/stays.jpg"]
    assert "leaves the data's folder" in found["c/leaves.jpg"]
    assert "leaves the data's folder" in found["away"]
    assert "absolute" in found["c/absolute.jpg"]
    assert "to nothing" in found["c/dangling.jpg"]
    assert "c/loop.jpg" in found


def test_special_files_are_never_opened(prep, tmp_path, monkeypatch):
    source = plant(tmp_path / "src", {"c/ok.jpg": GOOD})
    os.mkfifo(source / "c/pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(source / "c")
        listener.bind("socket.jpg")
        assert prep("folder", source, "--out", tmp_path / "out").code == 0
    assert reasons(tmp_path / "out") == {"c/pipe.jpg": "not a regular file", "c/socket.jpg": "not a regular file"}


def test_limit_is_taken_evenly_over_the_classes(prep, tmp_path):
    files = {f"{split}/{name}/{n}.jpg": GOOD for split in ("train", "test") for name in "ab" for n in range(4)}
    assert prep("folder", plant(tmp_path / "src", files), "--out", tmp_path / "out", "--limit", "3").code == 0
    assert paths(tmp_path / "out", "train") == ["train/a/0.jpg", "train/a/1.jpg", "train/b/0.jpg"]
    assert len(paths(tmp_path / "out", "test")) == 3


def test_nothing_is_read_again_until_a_file_changes(prep, tmp_path, monkeypatch):
    source, out = plant(tmp_path / "src", {"c/ok.jpg": GOOD}), tmp_path / "out"
    assert prep("folder", source, "--out", out).code == 0
    looked = []
    monkeypatch.setattr("dataset_prep.folder.inspect", lambda data: looked.append(data) or (24, 16))
    again = prep("folder", source, "--out", out)
    assert (again.code, again.out, looked) == (0, os.fsencode(out / "manifest.json") + b"\n", [])
    assert "up to date" in again.err
    prep("folder", source, "--out", out, "--force")
    assert len(looked) == 1
    plant(source, {"c/new.jpg": GOOD})
    prep("folder", source, "--out", out)
    assert len(looked) == 3


def test_a_read_only_source_is_no_obstacle(prep, tmp_path):
    source = plant(tmp_path / "src", {"c/ok.jpg": GOOD})
    before = sorted(source.rglob("*"))
    (source / "c").chmod(0o555)
    source.chmod(0o555)
    try:
        assert prep("folder", source, "--out", tmp_path / "out").code == 0
    finally:
        source.chmod(0o755)
        (source / "c").chmod(0o755)
    assert sorted(source.rglob("*")) == before


def test_a_full_disk_leaves_the_old_manifest_or_nothing(prep, tmp_path, monkeypatch):
    def full(_file):
        raise OSError(28, "No space left on device")

    source, old, new = plant(tmp_path / "src", {"c/ok.jpg": GOOD}), tmp_path / "old", tmp_path / "new"
    assert prep("folder", source, "--out", old).code == 0
    before = (old / "manifest.json").read_bytes()
    plant(source, {"c/more.jpg": GOOD})
    monkeypatch.setattr("runners.harness.files.os.fsync", full)
    for out in (old, new):
        outcome = prep("folder", source, "--out", out)
        assert outcome.code == 3
        assert f"'{out}': the disk is full" in outcome.err
    assert [path.name for path in old.iterdir()] == ["manifest.json"]
    assert (old / "manifest.json").read_bytes() == before
    assert not new.exists()


def test_an_interrupt_leaves_the_old_manifest(prep, tmp_path, monkeypatch):
    def interrupted(_data):
        raise KeyboardInterrupt

    source, out = plant(tmp_path / "src", {"c/ok.jpg": GOOD}), tmp_path / "out"
    assert prep("folder", source, "--out", out).code == 0
    before = (out / "manifest.json").read_bytes()
    monkeypatch.setattr("dataset_prep.folder.inspect", interrupted)
    outcome = prep("folder", source, "--out", out, "--force")
    assert (outcome.code, outcome.out) == (130, b"")
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    assert (out / "manifest.json").read_bytes() == before


def test_a_manifest_with_images_in_its_folder_is_not_overwritten(prep, tmp_path):
    made = tmp_path / "made"
    assert prep("synthetic", "--images", "2", "--out", made).code == 0
    before = (made / "manifest.json").read_bytes()
    assert prep("folder", plant(tmp_path / "src", {"c/ok.jpg": GOOD}), "--out", made, "--force").code == 2
    assert (made / "manifest.json").read_bytes() == before


def test_verify_names_what_differs(prep, tmp_path):
    source, out = plant(tmp_path / "src", {f"c/{n}.jpg": GOOD for n in range(4)}), tmp_path / "out"
    prep("folder", source, "--out", out)
    assert prep("verify", out).code == 0
    assert prep("verify", out / "manifest.json").out == os.fsencode(out / "manifest.json") + b"\n"
    (source / "c/0.jpg").unlink()
    (source / "c/1.jpg").write_bytes(GOOD + b"x")
    (source / "c/2.jpg").write_bytes(GOOD[:-1] + b"x")
    outcome = prep("verify", out)
    assert (outcome.code, outcome.out) == (2, b"")
    for said in ("'c/0.jpg': cannot be read", "'c/1.jpg': ", "'c/2.jpg': other content", "3 of 4 images"):
        assert said in outcome.err


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"manifest_version": 99, "digest": ""}'])
def test_verify_refuses_a_file_that_is_no_manifest(prep, tmp_path, content):
    (tmp_path / "manifest.json").write_bytes(content)
    outcome = prep("verify", tmp_path)
    assert outcome.code == 2
    assert "manifest" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [(), ("nonsense",), ("folder",), ("folder", "x", "--out", "y", "--unknown"),
     ("folder", "x", "--out", "y", "--limit", "0"),
     ("folder", "x", "--out", "/"), ("cifar100", "--url", "http://x/", "--archive", "y"),
     ("cifar100", "--checksum", "xyz"),
     ("synthetic", "--kind", "photos", "--classes", "3"), ("synthetic", "--kind", "labelled", "--classes", "1"),
     ("synthetic", "--seed", "-1")],
)  # fmt: skip
def test_wrong_usage_exits_2(prep, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    outcome = prep(*arguments)
    assert (outcome.code, outcome.out) == (2, b"")
    assert outcome.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [(), ("cifar100",), ("folder",), ("synthetic",), ("verify",)])
def test_every_command_has_help(prep, command):
    outcome = prep(*command, "--help")
    assert outcome.code == 0
    assert b"Exit codes" in outcome.out
