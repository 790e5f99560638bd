"""A case's key, label and axes."""

import dataclasses
import json

from runners.harness.case import AXES, Case, DatasetRef

CASE = Case("load", "cpu", batch_size=32, seed=25, stage="batch", workers=2, dataset=DatasetRef("d", "sha256:0", 3, 4))


def test_equal_cases_have_one_key() -> None:
    other = dataclasses.replace(CASE)
    assert {CASE: 1}[other] == 1
    assert other.key == CASE.key
    assert dataclasses.replace(CASE, workers=3) not in {CASE: 1}
    assert dataclasses.replace(CASE, workers=3).key != CASE.key


def test_the_key_leaves_out_empty_fields_so_that_a_new_axis_changes_no_old_key() -> None:
    held = json.loads(CASE.key)
    assert held["dataset"] == {"id": "d", "digest": "sha256:0", "items": 3, "bytes": 4}
    assert held.keys() == {
        *("workload", "device", "stage", "batch_size", "workers", "precision", "track", "seed", "dataset")
    }


def test_a_label_has_every_axis_whose_value_does_not_go_without_saying() -> None:
    assert CASE.label == "load batch batch 32 workers 2 d cpu"
    train = Case("train", "gpu", network="cnn4", input_size=32, batch_size=8, precision="bf16", scope="compute", seed=7)
    assert train.label == "train cnn4 32 px batch 8 bf16 seed 7 gpu"
    assert train.settings("batch_size") == ["32 px", "bf16", "seed 7"]


def test_every_axis_has_a_help_text_and_its_workloads() -> None:
    for axis in AXES:
        assert axis.help
        assert axis.word
        for workload in axis.chosen_for:
            assert axis.usual_of(workload) is not None
