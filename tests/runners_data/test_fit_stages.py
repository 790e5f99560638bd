"""The work of each stage of `fit`, in the frameworks' own Pythons."""

import pytest
from data_images import describe, picture
from needs import ROOT

from launcher.plan.discovery import discover
from runners.harness.agreement import REQUIRED, disagreement
from runners.harness.record import Check, DeliveredImages

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]
OFFERS = {
    name: found.declaration.workloads["fit"]
    for name, found in discover(ROOT).items()
    if found.declaration and "fit" in found.declaration.workloads
}
FIRST = [f"{name}/{offer.loaders[0]}" for name, offer in OFFERS.items()]
NAMES = [f"{name}/{loader}" for name, offer in OFFERS.items() for loader in offer.loaders]
NAMES += [f"{name}/{offer.loaders[0]}/{variant}" for name, offer in OFFERS.items() for variant in offer.variants[1:]]
SIDES = [pytest.param(name, marks=pytest.mark.frameworks(name.split("/")[0])) for name in NAMES]
TRAIN, TEST, BATCH = 20, 12, 8
FLIPS = [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]]
"""The corners of an image after each flip: none, left to right, upside down, both."""


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

    def of(side: str, cache: str) -> dict:
        if (side, cache) not in found:
            framework, loader, variant = [*side.split("/"), "-"][:3]
            found[side, cache] = probe(framework, "probe_fit.py", loader, variant, str(manifest), cache)
        return found[side, cache]

    return of


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("cache", ["yes", "no"])
def test_before_training_only_the_first_batch_is_decoded(outcome, side, cache):
    counts = outcome(side, cache)["counts"]
    assert (counts["prepare"], counts["load"], counts["build"]) == (0, BATCH, 0)
    assert counts["epoch 0"] == TRAIN


@pytest.mark.parametrize("side", SIDES)
def test_a_cache_saves_the_second_epoch_s_decoding_but_not_the_test_split_s(outcome, side):
    assert outcome(side, "yes")["counts"]["epoch 1"] == 0
    assert outcome(side, "no")["counts"]["epoch 1"] == TRAIN
    assert outcome(side, "yes")["counts"]["evaluate"] == TEST


@pytest.mark.parametrize("side", SIDES)
def test_all_workers_share_one_cache(outcome, side):
    assert outcome(side, "yes")["vanished"] == ""
    assert outcome(side, "no")["vanished"].startswith("DATA: ")


@pytest.mark.parametrize("side", SIDES)
def test_the_restored_model_is_the_trained_one(outcome, side):
    seen = outcome(side, "no")
    trained, restored = seen["accuracy"]
    assert trained == restored == pytest.approx(seen["evaluated"][1])
    assert seen["files"] == ([".keras"] if side.startswith("tensorflow") else [".pt"])
    assert seen["further"] == ([] if side.startswith("tensorflow") else [".pt2"])


@pytest.mark.parametrize("side", SIDES)
def test_a_wrong_restored_model_is_noticed(outcome, side):
    assert outcome(side, "no")["stale"].startswith("RESTORE: ")
    further = outcome(side, "no")["stale_further"]
    assert len(further) == len(outcome(side, "no")["further"])
    assert all(message.startswith("RESTORE: the exported model answers") for message in further)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("fault", ["disk_full", "cut_off"])
def test_a_model_that_cannot_be_saved_or_read_back_raises(outcome, side, fault):
    assert outcome(side, "no")[fault]


@pytest.mark.parametrize("side", SIDES)
def test_fewer_images_than_a_batch_are_refused(outcome, side):
    assert outcome(side, "no")["too_large"].startswith("UNSUPPORTED: a batch is 1000 images")


def _check(fields: dict) -> Check:
    return Check(**{**fields, "images": DeliveredImages(**fields["images"])})


@pytest.mark.frameworks("tensorflow")
@pytest.mark.parametrize("side", [side for side in SIDES if side.values[0] != FIRST[1]])
@pytest.mark.parametrize("cache", ["yes", "no"])
def test_all_trainings_agree(outcome, side, cache):
    ours, theirs = outcome(side, cache), outcome(FIRST[1], cache)
    checks = [_check(seen["check"]) for seen in (ours, theirs)]
    assert disagreement(*checks, "fp32", "fit") is None
    assert [check.delivered_items for check in checks] == [2 * TRAIN, 2 * TRAIN]
    assert [seen["train_items"] for seen in (ours, theirs)] == [TRAIN, TRAIN]
    assert ours["effective"]["layout"] == (
        "NHWC" if side.startswith("tensorflow") or side.endswith("tuned") else "NCHW"
    )


@pytest.mark.frameworks("tensorflow")
@pytest.mark.parametrize("side", SIDES)
def test_resnet18_is_the_same_training_too_and_is_restored(outcome, side):
    ours, theirs = outcome(side, "no")["resnet18"], outcome(FIRST[1], "no")["resnet18"]
    assert disagreement(_check(ours["check"]), _check(theirs["check"]), "fp32", "fit") is None
    trained, restored = ours["accuracy"]
    assert trained == restored == pytest.approx(ours["evaluated"][1])


@pytest.mark.frameworks("pytorch")
def test_the_evidence_before_training_lacks_only_the_results_of_training(outcome):
    missing = {name for name in REQUIRED["fit"] if outcome("pytorch/torch", "no")["built"][name] is None}
    assert missing == {"delivered_items", "accuracy", "accuracy_restored"}


@pytest.mark.frameworks("pytorch", "tensorflow")
@pytest.mark.parametrize("side", SIDES)
def test_a_wrong_rate_is_noticed(outcome, side):
    other = FIRST[side.startswith("pytorch")]
    wrong, right = outcome(side, "no")["mistakes"]["wrong_rate"]["built"], outcome(other, "no")["check"]
    # Without the float64 run, because PyTorch's has the same optimiser: the steps of `fit` must show the mistake.
    timed = [_check({**seen, "losses_fp64": None, "evaluated_fp64": None}) for seen in (wrong, right)]
    assert "loss after 1 " in (disagreement(*timed, "fp32", "new") or "")


@pytest.mark.parametrize("side", SIDES)
def test_a_dropped_batch_is_refused(outcome, side):
    assert outcome(side, "no")["mistakes"]["batch_dropped"]["refused"].startswith("ITEMS: 16 images in 1 epoch")


@pytest.mark.parametrize("side", SIDES)
def test_wrong_pixels_are_refused(outcome, side):
    assert outcome(side, "no")["mistakes"]["mirrored"]["refused"].startswith("PARITY: pixels differ")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("mistake", ["channels_swapped", "never_flipped"])
def test_a_mistake_of_augmented_images_alone_is_refused(outcome, side, mistake):
    said = {"channels_swapped": "is no flip of its reference", "never_flipped": "none arrives with the flip"}
    assert said[mistake] in outcome(side, "no")["mistakes"][mistake]["refused"]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("cache", ["yes", "no"])
def test_the_first_images_of_the_network_are_kept(outcome, side, cache):
    images = DeliveredImages(**outcome(side, cache)["check"]["images"])
    assert images.positions == [0, 2, 4, 6, 8, 10, 12, 14]
    assert len(images.flips) == 8
    assert len(images.pixels) == 8 * 32 * 32 * 3


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("workers", [0, 2])
def test_each_epoch_has_every_image_in_an_order_of_its_own(outcome, side, workers):
    seen = outcome(side, "no")["orders"]
    [plain, again] = seen["shuffle False augment False workers 0"]
    first, second = seen[f"shuffle True augment False workers {workers}"]
    assert plain == again
    assert sorted(first) == sorted(second) == sorted(plain)
    assert first != second
    assert plain not in (first, second)


@pytest.mark.parametrize("side", SIDES)
def test_every_epoch_draws_new_flips_in_both_directions(outcome, side):
    seen = outcome(side, "no")["orders"]
    [plain, _] = seen["shuffle False augment False workers 0"]
    flips = []
    for images in seen["shuffle False augment True workers 2"]:
        turned = [
            [[before[corner] for corner in flip] for flip in FLIPS].index(after)
            for before, after in zip(plain, images, strict=True)
        ]
        assert set(turned) <= {0, 1, 2, 3}
        flips.append(turned)
    assert {*flips[0], *flips[1]} == {0, 1, 2, 3}
    assert flips[0] != flips[1]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("cache", ["yes", "no"])
def test_the_same_seed_gives_the_same_history_on_a_cpu(outcome, side, cache):
    first, second = outcome(side, cache)["repeated"]
    assert first == second
    assert first[0] != first[1]
    assert outcome(side, cache)["effective"]["settings"]["repeatable"] == "yes"


@pytest.mark.parametrize("side", SIDES)
def test_waiting_is_a_positive_part_of_an_epoch(outcome, side):
    assert all(epoch["waited_ns"] > 0 for epoch in outcome(side, "no")["epochs"])


@pytest.mark.frameworks("pytorch")
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_have_the_same_layout_for_any_number_of_workers(outcome, workers):
    assert outcome("pytorch/torch", "no")["orders"][f"contiguous {workers}"]
