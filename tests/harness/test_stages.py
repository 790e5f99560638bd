"""Stages of fit: what is timed, in which order, and what is not."""

from pathlib import Path

from runners.harness.record import Check
from runners.harness.stages import time_stages
from runners.harness.workload import FitWork


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
        train_epoch=spend("train", 100, (1.5, 0.25)),
        save=spend("save", 3),
        restore=spend("restore", 2),
        evaluate=spend("evaluate", 11, (1.0, 0.5)),
        train_items=10,
        check=Check,
        effective=lambda: None,
        close=lambda: None,
    )
    fitted = time_stages(work, 3, tmp_path, clock=lambda: now)
    assert [call[0] for call in calls] == ["load", "build", "train", "train", "train", "save", "restore", "evaluate"]
    assert calls[5] == ("save", tmp_path / "model")
    assert calls[6] == ("restore", tmp_path / "model")
    assert fitted.stage_ns == {"load": 5, "build": 7, "train": 300, "save": 3, "restore": 2, "evaluate": 11}
    assert [(entry.epoch, entry.loss, entry.accuracy, entry.seconds_ns) for entry in fitted.history] == [
        (epoch, 1.5, 0.25, 100) for epoch in range(3)
    ]
