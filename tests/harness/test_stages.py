"""The stages of `fit`: their order, and what is timed."""

from dataclasses import replace
from pathlib import Path

import pytest

from runners.harness.record import Check, Epoch
from runners.harness.stages import time_further, time_stages
from runners.harness.waiting import Waiting
from runners.harness.workload import EpochResult, FitWork, Invalid, SavedAs, Unsupported

WORK = FitWork(
    load=lambda: None,
    build=lambda: None,
    train_epoch=lambda _: EpochResult(1.0, 0.5, 0),
    save=lambda _: None,
    restore=lambda _: None,
    evaluate=lambda: (1.0, 0.5),
    train_items=1,
    check=Check,
    seen=lambda: None,
    close=lambda: None,
)


def test_further_formats_are_timed_apart(tmp_path: Path):
    now, calls = 0, []

    def spend(name: str, duration: int):
        def verb(path: Path) -> None:
            nonlocal now
            now += duration
            calls.append((name, path))

        return verb

    work = replace(WORK, further={"pt2": SavedAs(spend("save", 30), spend("restore", 4))})
    assert time_further(work, tmp_path, clock=lambda: now) == {"save pt2": 30, "restore pt2": 4}
    assert calls == [("save", tmp_path / "further"), ("restore", tmp_path / "further")]
    assert time_further(WORK, tmp_path) == {}


@pytest.mark.parametrize(("verb", "kind"), [("save", "SAVE"), ("restore", "RESTORE")])
def test_a_further_format_that_fails_is_explained(tmp_path: Path, verb: str, kind: str):
    def fails(_: Path) -> None:
        raise OSError("No space left on device")

    form = replace(SavedAs(lambda _: None, lambda _: None), **{verb: fails})
    with pytest.raises(Invalid, match="No space left on device") as refused:
        time_further(replace(WORK, further={"pt2": form}), tmp_path)
    assert refused.value.kind == kind


def test_stages_run_in_order_and_train_is_the_sum_of_its_epochs(tmp_path: Path):
    now = 0
    calls = []

    def spend(name: str, duration: int, result=None):
        def verb(*arguments):
            nonlocal now
            now += duration
            calls.append((name, *arguments))
            return result

        return verb

    work = FitWork(
        load=spend("load", 5),
        build=spend("build", 7),
        train_epoch=spend("train", 100, EpochResult(1.5, 0.25, 40)),
        save=spend("save", 3),
        restore=spend("restore", 2),
        evaluate=spend("evaluate", 11, (1.0, 0.5)),
        train_items=10,
        check=Check,
        seen=lambda: None,
        close=lambda: None,
    )
    fitted = time_stages(work, 3, tmp_path, clock=lambda: now)
    assert [call[0] for call in calls] == ["load", "build", "train", "train", "train", "save", "restore", "evaluate"]
    assert calls[5] == ("save", tmp_path / "model")
    assert calls[6] == ("restore", tmp_path / "model")
    assert fitted.stage_ns == {"load": 5, "build": 7, "train": 300, "save": 3, "restore": 2, "evaluate": 11}
    assert fitted.history == [Epoch(epoch, 1.5, 0.25, 100, 40) for epoch in range(3)]
    calls.clear()
    fitted = time_stages(work, 2, tmp_path, test_each_epoch=True, clock=lambda: now)
    assert [call[0] for call in calls][2:6] == ["train", "evaluate", "train", "evaluate"]
    assert fitted.stage_ns["train"] == 200
    assert fitted.history[1] == Epoch(1, 1.5, 0.25, 100, 40, test_loss=1.0, test_accuracy=0.5)


def test_waiting_is_the_time_between_asking_for_a_batch_and_getting_it():
    now = 0

    def slow(batches):
        nonlocal now
        for batch in batches:
            now += 7
            yield batch
        now += 2  # to find that there is no more

    waiting = Waiting(clock=lambda: now)
    for _ in waiting.watched(slow([1, 2, 3])):
        now += 100
    assert (now, waiting.taken()) == (323, 23)
    assert waiting.taken() == 0


@pytest.mark.parametrize(
    ("stage", "kind", "asked"),
    [("save", "SAVE", "is the disk of .* full"), ("restore", "RESTORE", "changed or cut off")],
)
def test_a_full_disk_and_a_broken_file_keep_the_framework_s_message(tmp_path, stage, kind, asked):
    def broken(_path):
        raise RuntimeError("stream writer failed\nwriting file")

    work = replace(WORK, **{stage: broken})
    with pytest.raises(Invalid, match=f"{asked}.*stream writer failed writing file") as caught:
        time_stages(work, 1, tmp_path)
    assert caught.value.kind == kind


def test_an_error_that_the_runner_explains_stays_unchanged(tmp_path):
    def broken(_path):
        raise Unsupported("nothing to restore with")

    with pytest.raises(Unsupported):
        time_stages(replace(WORK, restore=broken), 1, tmp_path)


def test_full_memory_while_saving_still_counts_as_full_memory(tmp_path):
    def broken(_path):
        raise RuntimeError("RESOURCE_EXHAUSTED")

    with pytest.raises(Invalid) as caught:
        time_stages(replace(WORK, save=broken), 1, tmp_path)
    assert "RESOURCE_EXHAUSTED" in str(caught.value.__cause__)
