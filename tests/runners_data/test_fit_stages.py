"""What each stage of `fit` does and does not do, in the frameworks' own Pythons."""

import pytest
from data_images import describe, picture

pytestmark = pytest.mark.venvs
FRAMEWORKS = ("pytorch", "tensorflow")
TRAIN, TEST, BATCH = 20, 12, 8


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    root = tmp_path_factory.mktemp("classes")
    splits = {"train": [], "test": []}
    for split, count in (("train", TRAIN), ("test", TEST)):
        for number in range(count):
            label = number % 2
            path = root / split / str(label) / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(64, 64, phase=number / 7 + 3 * label).save(path, quality=75)
            splits[split].append((f"{split}/{label}/{number}.jpg", label))
    return describe(root, root, splits)


@pytest.fixture(scope="module")
def outcome(probe, manifest):
    found = {}

    def of(framework: str, cache: str) -> dict:
        if (framework, cache) not in found:
            found[framework, cache] = probe(framework, "probe_fit.py", str(manifest), cache)
        return found[framework, cache]

    return of


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("cache", ["yes", "no"])
def test_nothing_is_decoded_before_training_but_the_first_batch(outcome, framework, cache):
    counts = outcome(framework, cache)["counts"]
    assert (counts["prepare"], counts["load"], counts["build"]) == (0, BATCH, 0)
    assert counts["epoch 0"] == TRAIN


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_cache_spares_the_second_epoch_all_decoding_and_the_test_split_none(outcome, framework):
    assert outcome(framework, "yes")["counts"]["epoch 1"] == 0
    assert outcome(framework, "no")["counts"]["epoch 1"] == TRAIN
    assert outcome(framework, "yes")["counts"]["evaluate"] == TEST


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_all_workers_share_one_cache(outcome, framework):
    assert outcome(framework, "yes")["vanished"] == ""
    assert outcome(framework, "no")["vanished"].startswith("DATA: ")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_restored_model_is_the_trained_one(outcome, framework):
    seen = outcome(framework, "no")
    trained, restored = seen["accuracy"]
    assert trained == restored == pytest.approx(seen["evaluated"][1])
    assert seen["files"] == ([".pt"] if framework == "pytorch" else [".keras"])


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_restored_model_that_is_another_one_is_found_out(outcome, framework):
    assert outcome(framework, "no")["stale"].startswith("RESTORE: ")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_fewer_images_than_a_batch_are_refused(outcome, framework):
    assert outcome(framework, "no")["too_large"].startswith("UNSUPPORTED: a batch is 1000 images")


def test_both_frameworks_start_from_the_same_model(outcome):
    ours, theirs = (outcome(framework, "no")["built"] for framework in FRAMEWORKS)
    assert ours[:3] == theirs[:3]
    assert ours[3] == pytest.approx(theirs[3], rel=1e-3, abs=1e-4)
