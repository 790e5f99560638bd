"""Packing images into shards: the same shards every time, whole or not at all, and compared with the manifest."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from data_images import describe, write_kinds

from runners.harness.case import Case, Competitor
from runners.harness.manifest import Item, read_manifest
from runners.harness.workload import Invalid, Request, Unsupported
from runners.reference import packed as packing
from runners.reference.packed import SHARDS, Format, facts, packed, require_shards, shards_in
from runners.reference.passes import beginnings
from runners.reference.pixels import inspect, reference_pixels
from runners.reference.source import source_of

KINDS = 8


def write(path, images):
    """A shard as plain as can be: the length of each image, then its bytes."""
    with open(path, "wb") as file:
        for _, _, data in images:
            file.write(len(data).to_bytes(8, "big") + data)


def read(path):
    content = Path(path).read_bytes()
    while content:
        size = int.from_bytes(content[:8], "big")
        if len(content) < 8 + size:
            raise ValueError("cut off")
        yield content[8 : 8 + size]
        content = content[8 + size :]


PLAIN = Format("plain", "torch", write, read, (ValueError,))


@pytest.fixture
def request_(tmp_path):
    names = write_kinds(tmp_path / "data" / "all" / "a")
    manifest = read_manifest(describe(tmp_path / "data", tmp_path, {"all": [(f"all/a/{name}", 3) for name in names]}))
    case = Case("load", "cpu", batch_size=3, seed=25, stage="batch", workers=2)
    competitor = Competitor("pytorch", "plain", "webdataset")
    return Request(
        case, competitor, 1, tmp_path, tmp_path, manifest, tmp_path / "data", packed=tmp_path / "run" / "packed"
    )


def shards_of(request, form=PLAIN):
    return packed(source_of(request), request, form).shards


def refusal(request, form=PLAIN):
    with pytest.raises(Invalid) as caught:
        shards_of(request, form)
    return caught.value.kind, str(caught.value)


def item(number, size):
    return Item(f"{number}.jpg", 0, size, "", 1, 1)


@pytest.mark.parametrize(("images", "size", "shards"), [(5, 10, 5), (32, 10, 32), (1000, 10, 32), (1000, 2**27, 128)])
def test_the_number_of_shards_follows_from_the_images(images, size, shards):
    found = shards_in(Path("/folder"), "tar", [item(number, size) for number in range(images)])
    assert len(found) == shards
    assert shards % SHARDS == 0 or shards == images
    assert [position for shard in found for position in range(shard.first, shard.end)] == list(range(images))
    counts = {shard.end - shard.first for shard in found}
    assert max(counts) - min(counts) <= 1
    assert min(counts) >= 1


def test_images_are_packed_once_and_unchanged(request_):
    shards = shards_of(request_)
    before = {shard.path: Path(shard.path).stat().st_mtime_ns for shard in shards}
    assert shards_of(request_) == shards
    assert {shard.path: Path(shard.path).stat().st_mtime_ns for shard in shards} == before
    stored = [data for shard in shards for data in read(shard.path)]
    files = source_of(request_).paths
    assert stored == [Path(path).read_bytes() for path in files]
    assert request_.manifest.digest.removeprefix("sha256:") in shards[0].path


def test_time_and_size_of_the_packing_are_kept(request_):
    source = packed(source_of(request_), request_, PLAIN)
    known = facts(source, PLAIN)
    assert known["shards"] == str(KINDS)
    assert int(known["packed_bytes"]) == sum(Path(shard.path).stat().st_size for shard in source.shards)
    assert float(known["packed_seconds"]) > 0
    assert known["loose_loader"] == "torch"
    for damaged in ("{", "[]", "{}"):
        Path(source.shards[0].path).with_name("packed.json").write_text(damaged)
        with pytest.raises(Invalid, match="packed again"):
            facts(source, PLAIN)


def swapped(path, images):
    write(path, [(position, label, bytes(reversed(data))) for position, label, data in images])


def shortened(path, images):
    write(path, list(images)[:-1])


def doubled(path, images):
    write(path, [image for image in images for _ in range(2)])


@pytest.mark.parametrize("mistake", [swapped, shortened, doubled])
def test_shards_with_other_images_than_the_manifest_are_refused(request_, mistake):
    kind, message = refusal(request_, replace(PLAIN, write=mistake))
    assert kind == "DATA"
    assert "does not hold the 1 images of the manifest" in message


def test_a_damaged_shard_is_named_with_its_remedy(request_):
    damaged = Path(shards_of(request_)[3].path)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    kind, message = refusal(request_)
    assert (kind, str(damaged) in message, "cut off" in message, "packed again" in message) == (
        "DATA",
        True,
        True,
        True,
    )
    damaged.unlink()
    assert refusal(request_)[0] == "DATA"
    shutil.rmtree(damaged.parent)
    assert len(shards_of(request_)) == KINDS


def test_an_interrupted_packing_leaves_nothing(request_):
    def interrupted(path, images):
        if path.endswith("000004.plain"):
            raise KeyboardInterrupt
        write(path, images)

    with pytest.raises(KeyboardInterrupt):
        shards_of(request_, replace(PLAIN, write=interrupted))
    assert list(request_.packed.iterdir()) == []
    assert len(shards_of(request_)) == KINDS


def test_a_full_disk_is_named_with_the_room_that_is_needed(request_, monkeypatch):
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    kind, message = refusal(request_)
    assert (kind, "MiB are free" in message, "--compiler-cache" in message) == ("DISK", True, True)


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(request_):
    def full(*_):
        raise OSError(28, "No space left on device")

    kind, message = refusal(request_, replace(PLAIN, write=full))
    assert (kind, "No space left" in message) == ("DISK", True)
    assert list(request_.packed.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(request_):
    (request_.packed.parent).write_text("a file where the folder should be")
    kind, message = refusal(request_)
    assert (kind, str(request_.packed) in message) == ("DISK", True)


def test_another_replicate_may_have_been_faster(request_):
    def beaten(path, images):
        shards_of(request_)
        write(path, images)

    first = shards_of(replace(request_, packed=request_.packed.with_name("other")))
    shards = shards_of(request_, replace(PLAIN, write=beaten))
    assert [Path(shard.path).name for shard in shards] == [Path(shard.path).name for shard in first]
    assert [path.name for path in request_.packed.iterdir()] == [Path(shards[0].path).parent.name]


def test_more_workers_than_whole_shards_are_refused_before_anything_is_packed(request_):
    require_shards(KINDS, request_, PLAIN)
    with pytest.raises(Unsupported, match="fewer workers"):
        require_shards(KINDS + 1, request_, PLAIN)
    assert not request_.packed.exists()


def test_the_limit_of_storage_reads_as_much_of_the_shards_as_the_images_take(request_):
    shards = shards_of(request_)
    assert beginnings(shards, KINDS) == {shard.path: Path(shard.path).stat().st_size for shard in shards}
    halved = replace(shards[0], end=2), replace(shards[1], first=2, end=4)
    assert beginnings(halved, 3) == {
        shards[0].path: Path(shards[0].path).stat().st_size,
        shards[1].path: Path(shards[1].path).stat().st_size // 2,
    }
    assert beginnings((), 3) == {}


def test_the_pixel_check_follows_the_order_that_a_loader_declares(request_):
    source = source_of(request_)
    order = ((6, 7, 0), (1, 2), (3, 4, 5))
    batches = [[reference_pixels(source.paths[position]) for position in batch] for batch in order]
    assert inspect(batches, replace(source, epoch=order), channels_first=False).fault is None
    assert "holds 2, not 3" in inspect(batches, source, channels_first=False).fault
    other = ((6, 0, 7), *order[1:])
    assert "pixels differ" in inspect(batches, replace(source, epoch=other), channels_first=False).fault


def test_a_declared_order_must_hold_every_image_once(request_):
    source = source_of(request_)
    twice = ((0, 1, 2), (3, 4, 5), (6, 6))
    batches = [[reference_pixels(source.paths[position]) for position in batch] for batch in twice]
    assert "every image once" in inspect(batches, replace(source, epoch=twice), channels_first=False).fault


def test_equal_shards_have_equal_bytes(request_, tmp_path):
    first = shards_of(request_)
    second = shards_of(replace(request_, packed=tmp_path / "elsewhere"))
    digests = [[hashlib.sha256(Path(shard.path).read_bytes()).hexdigest() for shard in of] for of in (first, second)]
    assert digests[0] == digests[1]
