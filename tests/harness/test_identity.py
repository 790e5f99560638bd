"""Cases and competitors as keys: alike whenever they are equal, whichever process made them."""

import dataclasses
import pickle

import pytest

from runners.harness.case import Case, Competitor, DatasetRef

CASE = Case("load", "cpu", batch_size=32, seed=25, stage="batch", workers=2, dataset=DatasetRef("d", "sha256:0", 3, 4))
WHO = Competitor("pytorch", "plain", "torch")


@pytest.mark.parametrize("value", [CASE, WHO])
def test_equal_values_are_one_key(value):
    other = dataclasses.replace(value)
    assert other is not value
    assert {value: 1}[other] == 1
    changed = dataclasses.replace(value, **{dataclasses.fields(value)[1].name: "gpu"})
    assert changed not in {value: 1}


@pytest.mark.parametrize("value", [CASE, WHO])
def test_a_hash_stays_in_the_process_that_computed_it(value):
    hash(value)
    there = pickle.loads(pickle.dumps(value))
    assert set(vars(there)) == {field.name for field in dataclasses.fields(value)}
    assert there == value
    assert hash(there) == hash(value)
