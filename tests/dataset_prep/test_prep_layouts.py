"""Folders as people have them: other people's files, no access, deeper than expected, splits that differ."""

import json
import os
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

import pytest
from prep_helpers import Files, encoded, plant

from runners.harness.manifest import Manifest, read_manifest

GOOD = encoded()
REPOSITORY = Path(__file__).resolve().parents[2]
NOBODY = 65534
NOT_POSSIBLE = 77


def in_splits(**classes):
    """An image of each class in each split."""
    return {f"{split}/{name}/1.jpg": GOOD for split, names in classes.items() for name in names}


@pytest.fixture
def prepared(prep, tmp_path):
    """Prepares `files`, which must work. Returns the manifest."""

    def run(files: Files, *options: str) -> Manifest:
        outcome = prep("folder", plant(tmp_path / "src", files), "--out", tmp_path / "out", *options)
        assert outcome.code == 0, outcome.err
        return read_manifest(tmp_path / "out/manifest.json")

    return run


@pytest.fixture
def refused(prep, tmp_path):
    """Prepares `files`, which must be refused before a manifest is written. Returns the message."""

    def run(files: Files, *options: str) -> str:
        outcome = prep("folder", plant(tmp_path / "src", files), "--out", tmp_path / "out", *options)
        assert (outcome.code, outcome.out) == (2, b""), outcome.err
        assert "Traceback" not in outcome.err
        assert not (tmp_path / "out").exists()
        return outcome.err

    return run


@pytest.mark.parametrize(
    "content",
    [b'{"name": "my set", "version": 3}', b'{"manifest_version": 3, "name": "an extension"}', b"", b"\xff\xfe{", b"[]"],
)
def test_a_manifest_of_another_program_is_ignored_with_a_note(prepared, content):
    manifest = prepared({"cat/1.jpg": GOOD, "dog/1.jpg": GOOD, "manifest.json": content})
    assert manifest.classes == ("cat", "dog")
    assert manifest.warnings == (
        "manifest.json was not written by this program and is ignored; class folders are read",
    )


def test_a_manifest_that_is_no_file_is_not_opened(prepared, tmp_path):
    (tmp_path / "src").mkdir()
    os.mkfifo(tmp_path / "src/manifest.json")
    assert "was not written by this program" in prepared({"cat/1.jpg": GOOD}).warnings[0]


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_manifest_of_another_program_is_never_overwritten(prep, tmp_path, force):
    theirs = plant(tmp_path / "theirs", {"manifest.json": b'{"version": 3}'})
    outcome = prep("folder", plant(tmp_path / "src", {"cat/1.jpg": GOOD}), "--out", theirs, *force)
    assert outcome.code == 2
    assert "was not written here" in outcome.err
    assert json.loads((theirs / "manifest.json").read_bytes()) == {"version": 3}


WITHOUT_RIGHTS = f"""
import os, sys
from PIL import Image
from dataset_prep.__main__ import main
Image.init()
try:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid({NOBODY})
        os.setuid({NOBODY})
    os.listdir(os.path.dirname(sys.argv[2]))
except OSError:
    sys.exit({NOT_POSSIBLE})
sys.exit(main(sys.argv[1:]))
"""
"""The command line without root's rights. All is imported before, for the interpreter may lie where only root reads."""


@pytest.fixture
def shut_out():
    """A folder that everybody can read, and a preparation of its `src` by a user without root's rights.

    Yields the folder and a function that takes options and returns the exit code and the messages.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        out = folder / "outs"
        out.mkdir()
        out.chmod(0o777)
        folder.chmod(0o755)

        def prepare(*options: str) -> tuple[int, str]:
            command = [sys.executable, "-c", WITHOUT_RIGHTS, "folder", str(folder / "src"), "--out", str(out / "data")]
            ended = subprocess.run([*command, *options], cwd=REPOSITORY, capture_output=True, text=True, check=False)
            if ended.returncode == NOT_POSSIBLE:
                pytest.skip(f"no user without root's rights can be had here, or none that reads {folder}")
            return ended.returncode, ended.stderr

        yield folder, prepare


def closed(path: Path) -> None:
    """A folder or file that nobody but root can read."""
    if not path.exists():
        path.mkdir()
    path.chmod(0)


def test_a_folder_of_the_system_without_access_is_a_warning_at_every_level(shut_out):
    folder, prepare = shut_out
    source = plant(folder / "src", in_splits(train="ab", test="ab"))
    levels = [source / level / "lost+found" for level in ("", "train", "train/a")]
    for level in levels:
        closed(level)
    code, said = prepare("--strict")
    assert code == 0, said
    assert "2 classes, images in test: 2, train: 2; 0 excluded" in said
    assert "warning: folder 'lost+found' is ignored" in said
    assert "warning: folder 'train/lost+found' belongs to the operating system and is ignored" in said


def test_a_class_without_access_is_left_out_and_named_and_strict_refuses(shut_out):
    folder, prepare = shut_out
    source = plant(folder / "src", {f"{name}/1.jpg": GOOD for name in "abc"} | {"a/2.jpg": GOOD})
    closed(source / "b")
    closed(source / "a/2.jpg")
    (source / "c").chmod(0o444)
    code, said = prepare()
    assert code == 0, said
    assert "1 classes, images in all: 1; 3 excluded" in said
    for line in (
        "excluded: 'a/2.jpg': cannot be read (Permission denied)",
        "excluded: 'b': folder that cannot be read (Permission denied)",
        "excluded: 'c/1.jpg': cannot be read (Permission denied)",
    ):
        assert line in said
    assert prepare("--strict", "--force")[0] == 2


@pytest.mark.parametrize("shut", ["", "test"])
def test_a_source_or_a_split_without_access_is_an_error(shut_out, shut):
    folder, prepare = shut_out
    closed(plant(folder / "src", in_splits(train="ab", test="ab")) / shut)
    code, said = prepare()
    assert code == 2
    assert "cannot be read (Permission denied); give yourself access" in said
    assert "Traceback" not in said


def test_an_out_folder_without_access_exits_3_before_images_are_read(shut_out):
    folder, prepare = shut_out
    plant(folder / "src", {"a/1.jpg": GOOD})
    (folder / "outs").chmod(0o555)
    code, said = prepare()
    assert code == 3
    assert "cannot be written by this user" in said
    assert "1 classes" not in said


def test_folders_of_systems_are_no_classes(prepared):
    ours = {f"{name}/1.jpg": GOOD for name in ("$RECYCLE.BIN/S-1-5", "__MACOSX", "@eaDir/1.jpg", "cat/@eaDir/1.jpg")}
    manifest = prepared({"cat/1.jpg": GOOD} | ours, "--strict")
    assert manifest.classes == ("cat",)
    assert [warning.split("'")[1] for warning in manifest.warnings] == ["$RECYCLE.BIN", "@eaDir", "__MACOSX"]


@pytest.mark.parametrize(
    ("home", "more"),
    [
        ("img", {}),
        ("ILSVRC/Data/CLS-LOC", {"ILSVRC/Annotations/1.xml": b"", "ILSVRC/ImageSets/val.txt": b""}),
        ("img", {"img/val/flat.jpg": GOOD, "__MACOSX/img/1/1.jpg": GOOD}),
    ],
)
def test_the_folder_above_the_data_is_refused_with_the_folder_to_give(refused, prep, tmp_path, home, more):
    files = {f"{home}/{path}": data for path, data in in_splits(train="ab", val="ab").items()}
    said = refused(files | more)
    count = 4 + sum(data == GOOD for path, data in more.items() if path.startswith("img"))
    assert f"{count} images lie deeper; give '{tmp_path}/src/{home}'" in said
    assert prep("folder", tmp_path / "src" / home, "--out", tmp_path / "out").code == 0


def test_a_folder_that_holds_itself_by_a_link_is_walked_once(refused, tmp_path):
    (tmp_path / "src/img/a").mkdir(parents=True)
    (tmp_path / "src/img/a/up").symlink_to("../..")
    assert "but 1 images lie deeper" in refused({"img/a/1.jpg": GOOD})


def test_images_one_folder_too_deep_in_every_class_are_an_error_also_in_one_split(refused):
    files = {f"train/{name}/images/{number}.jpg": GOOD for name in "abc" for number in range(2)}
    said = refused(files | {"val/images/1.jpg": GOOD})
    assert "'train': no class folder there holds a usable image, but 6 images lie deeper" in said
    assert "such as in folders of 'train/a'; give the folder right above the class folders" in said


def test_a_class_whose_images_lie_deeper_is_left_out_with_their_number(prepared):
    manifest = prepared({"a/1.jpg": GOOD, "b/deep/1.jpg": GOOD, "b/deep/2.jpg": GOOD, "a/deep/1.jpg": GOOD})
    assert manifest.classes == ("a",)
    assert manifest.warnings == (
        "folders inside the class folder 'a' are ignored",
        "class folder 'b' holds no usable image and is left out; 2 images lie deeper inside it",
    )


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("Train", "Test"), {"train", "test"}),
        (("train", "valid"), {"train", "val"}),
        (("train", "validation", "test"), {"train", "val", "test"}),
        (("TRAINING", "testing"), {"train", "test"}),
    ],
)
def test_splits_go_by_the_names_that_people_give_them(prepared, folders, splits):
    manifest = prepared(in_splits(**dict.fromkeys(folders, "ab")))
    assert manifest.splits.keys() == splits
    assert {item.path for items in manifest.splits.values() for item in items} == {
        f"{folder}/{name}/1.jpg" for folder in folders for name in "ab"
    }


def test_two_folders_for_one_split_are_an_error(refused):
    said = refused(in_splits(train="ab", valid="ab", validation="ab"))
    assert "valid' and '" in said
    assert "are both the split val" in said


def test_splits_without_class_folders_are_read_as_classes_with_a_note(prepared):
    manifest = prepared({"train/cat.1.jpg": GOOD, "test/1.jpg": GOOD})
    assert manifest.classes == ("test", "train")
    assert "folder 'train' has no class folders, so it is read as a class" in manifest.warnings


def test_a_class_that_only_train_has_is_a_warning(prepared):
    manifest = prepared(in_splits(train="abcdefgh", test="ab"))
    assert len(manifest.classes) == 8
    assert manifest.warnings == ("classes 'c', 'd', 'e', 'f', 'g' and 1 more have images in train, but none in test",)


@pytest.mark.parametrize("split", ["test", "val"])
def test_a_class_that_train_does_not_have_is_an_error(refused, split):
    said = refused(in_splits(train="ab", **{split: "abz"}))
    assert f"class 'z' in {split} is not in train" in said


@pytest.mark.parametrize(("ours", "theirs"), [("Cat", "cat"), ("cat ", "cat"), ("cat.", "CAT")])
def test_a_class_in_another_spelling_is_an_error_that_names_it(refused, ours, theirs):
    said = refused(in_splits(train=[ours, "dog"], test=[theirs, "dog"]))
    assert f"class {theirs!r} in test is not in train; perhaps {theirs!r} is {ours!r}" in said


def test_classes_that_differ_only_in_spelling_are_a_warning(prepared):
    manifest = prepared(in_splits(train=["Cat", "cat", "dog"]))
    assert manifest.classes == ("Cat", "cat", "dog")
    assert "classes 'Cat', 'cat' are different classes, though" in manifest.warnings[0]


def test_an_accent_is_the_same_class_in_both_of_its_spellings(prepared):
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    manifest = prepared(in_splits(train=[composed, apart, "b"], test=[apart, "b"]))
    assert manifest.classes == ("b", composed)
    assert [item.label for item in manifest.splits["train"]] == [0, 1, 1]
    assert {item.path: item.label for item in manifest.splits["test"]} == {"test/b/1.jpg": 0, f"test/{apart}/1.jpg": 1}
    assert manifest.warnings == ()


def test_a_class_without_a_usable_image_in_train_is_left_out_of_every_split(prepared):
    manifest = prepared(in_splits(train="abc", test="abc") | {"train/b/1.jpg": b""})
    assert manifest.classes == ("a", "c")
    assert [item.path for item in manifest.splits["test"]] == ["test/a/1.jpg", "test/c/1.jpg"]
    assert {one.path: one.reason for one in manifest.excluded} == {
        "test/b/1.jpg": "train has no image of its class",
        "train/b/1.jpg": "empty file",
    }


def test_a_train_folder_without_a_usable_image_is_an_error(refused):
    assert "'train': none of the 1 image files there can be used (1 × empty file)" in refused(
        {"train/a/1.jpg": b"", "val/a/1.jpg": GOOD}
    )


@pytest.mark.parametrize(
    ("target", "why"), [("../elsewhere", "leaves the data's folder"), ("gone", "symbolic link to nothing")]
)
def test_a_split_that_is_not_there_is_an_error_and_not_a_data_set_without_it(refused, tmp_path, target, why):
    plant(tmp_path / "elsewhere", {"a/1.jpg": GOOD, "b/1.jpg": GOOD})
    (tmp_path / "src").mkdir()
    (tmp_path / "src/train").symlink_to(target)
    said = refused(in_splits(test="ab"))
    assert "src/train': symbolic link" in said
    assert why in said


def test_nothing_is_written_to_the_folder_of_the_images(prep, tmp_path):
    source = plant(tmp_path / "src", {"a/1.jpg": GOOD})
    (tmp_path / "link").symlink_to("src")
    outcome = prep("folder", source, "--out", tmp_path / "link")
    assert outcome.code == 2
    assert "nothing is written there" in outcome.err
    assert [path.name for path in source.iterdir()] == ["a"]


def test_links_that_lead_in_circles_or_to_nothing_do_not_end_the_preparation(prepared, tmp_path):
    source = tmp_path / "src"
    source.mkdir()
    for name, target in {"loop": "loop", "self": ".", "gone": "/nowhere/gone", "again": "cat"}.items():
        (source / name).symlink_to(target)
    manifest = prepared({"cat/1.jpg": GOOD})
    assert [item.path for item in manifest.splits["all"]] == ["again/1.jpg", "cat/1.jpg"]
    for warning in ("symbolic link 'loop' leads to nothing", "symbolic link 'gone' leads to nothing"):
        assert any(warning in one for one in manifest.warnings)


def test_a_class_that_the_limit_does_not_reach_is_said_to_be_left_out_by_it(prepared):
    manifest = prepared({f"{name}/1.jpg": GOOD for name in "abc"}, "--limit", "2")
    assert manifest.warnings == ("class folder 'c' is left out: --limit is reached without it",)


def test_a_warning_goes_with_its_cause(prepared, tmp_path):
    assert prepared({"cat/1.jpg": GOOD, "manifest.json": b"{}"}).warnings != ()
    (tmp_path / "src/manifest.json").unlink()
    assert prepared({}).warnings == ()
