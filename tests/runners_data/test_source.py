"""What a case of `load` says about its images, and which cases are impossible."""

import pytest

from runners.harness.case import Case, Competitor
from runners.harness.manifest import Item, Manifest, ManifestError
from runners.harness.workload import Request, Unsupported
from runners.reference.source import source_of


def request(tmp_path, stage="batch", device="cpu", workers=2, **axes):
    items = {split: (Item(f"{split}/a/1.jpg", 0, 1, "0", 1, 1),) for split in ("train", "val")}
    manifest = Manifest("tiny", "folder", str(tmp_path), ("a",), items)
    case = Case("load", device, batch_size=3, seed=25, stage=stage, workers=workers, **axes)
    return Request(case, Competitor("fake", "plain", "own"), 1, tmp_path, tmp_path, manifest, tmp_path)


@pytest.mark.parametrize(("axes", "split"), [({}, "train"), ({"split": "first"}, "train"), ({"split": "val"}, "val")])
def test_the_images_are_those_of_the_case_s_split(tmp_path, axes, split):
    assert source_of(request(tmp_path, **axes)).paths == (f"{tmp_path}/{split}/a/1.jpg",)


def test_a_split_that_the_data_lacks_is_named(tmp_path):
    with pytest.raises(ManifestError, match="no split 'test', only train, val"):
        source_of(request(tmp_path, split="test"))


def test_each_worker_may_hold_as_many_batches_as_the_case_says(tmp_path):
    assert [source_of(request(tmp_path, prefetch=number)).queue_batches for number in (None, 1, 3)] == [4, 2, 6]
    assert source_of(request(tmp_path, workers=0, prefetch=2)).queue_batches == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prefetch": 1, "workers": 0}, "nothing is prefetched without workers"),
        ({"gpu_copy": "piped"}, "the stage batch copies nothing"),
        ({"gpu_copy": "piped", "stage": "transfer"}, "DEVICE=gpu"),
    ],
)
def test_a_value_without_a_meaning_is_unsupported(tmp_path, changes, words):
    with pytest.raises(Unsupported, match=words):
        source_of(request(tmp_path, **changes))


def test_a_piped_copy_reaches_the_loader(tmp_path):
    copies = [source_of(request(tmp_path, "transfer", "gpu", gpu_copy=copy)).piped for copy in ("variant", "piped")]
    assert copies == [False, True]
