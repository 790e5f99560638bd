"""The loaders of packed images in the frameworks' own Pythons: shards and workers that do not divide evenly."""

import pytest
from data_images import describe, write_kinds

from runners.reference.source import Shard, Source, in_batches

pytestmark = pytest.mark.timeout(400)
KINDS = 8
PACKED = [
    pytest.param("pytorch", "webdataset", marks=pytest.mark.frameworks("pytorch")),
    pytest.param("tensorflow", "tfrecord", marks=pytest.mark.frameworks("tensorflow")),
]


@pytest.fixture(scope="module")
def found(probe, tmp_path_factory):
    root, outcomes = tmp_path_factory.mktemp("data"), {}
    names = write_kinds(root / "all" / "a class")
    manifest = describe(root, root, {"all": [(f"all/a class/{name}", 0) for name in names]})

    def of(framework: str, loader: str) -> dict:
        if loader not in outcomes:
            outcomes[loader] = probe(framework, "probe_packed.py", str(manifest), loader)
        return outcomes[loader]

    return of


@pytest.mark.parametrize(("framework", "loader"), PACKED)
@pytest.mark.parametrize("variant", ["plain", "tuned"])
@pytest.mark.parametrize("workers", [1, 3, 5, 8])
def test_any_number_of_workers_up_to_the_shards_delivers_every_image_once(found, framework, loader, variant, workers):
    assert found(framework, loader)[f"{variant}/{workers}"] == KINDS


@pytest.mark.frameworks("tensorflow")
@pytest.mark.parametrize("variant", ["plain", "tuned"])
def test_a_loader_with_one_reader_takes_more_workers_than_shards(found, variant):
    assert found("tensorflow", "tfrecord")[f"{variant}/9"] == KINDS


@pytest.mark.frameworks("pytorch")
def test_more_workers_that_read_whole_shards_than_shards_are_unsupported_with_advice(found):
    said = found("pytorch", "webdataset")["plain/9"]
    assert said.startswith("UNSUPPORTED")
    assert "9 workers" in said
    assert "8 images" in said


@pytest.mark.parametrize(("framework", "loader"), PACKED)
def test_a_loader_that_loses_or_swaps_images_of_its_shards_fails(found, framework, loader):
    assert found(framework, loader)["lost"] == "PARITY the batch after 6 images holds 1, not 2"
    assert found(framework, loader)["disordered"].startswith("PARITY pixels differ")


@pytest.mark.parametrize(("framework", "loader"), PACKED)
def test_a_damaged_shard_ends_the_replicate_and_is_named(found, framework, loader):
    said = found(framework, loader)["damaged"]
    assert said.startswith("DATA")
    assert "000002." in said
    assert "packed again" in said


@pytest.mark.frameworks("pytorch")
def test_every_worker_has_every_image_equally_often(found):
    assert found("pytorch", "webdataset")["whole"] is True
    assert found("pytorch", "webdataset")["often"] == {str(workers): True for workers in (1, 2, 4, 8, 16, 32)}


def test_positions_in_batches_keep_the_rest():
    assert in_batches(range(5), 2) == ((0, 1), (2, 3), (4,))
    assert in_batches((), 2) == ()


def test_a_source_in_order_is_delivered_in_batches_of_the_manifest():
    source = Source(("a", "b", "c"), batch_size=2, stage="batch", workers=1, tuned=False)
    assert source.batches == ((0, 1), (2,))
    assert source.files == ("a", "b", "c")
    packed = Source(("a", "b"), 2, "batch", 1, False, shards=(Shard("s", 0, 2),))
    assert packed.files == ("s",)
