"""The evidence of a step, with a fake framework."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runners.harness.case import Case, Competitor
from runners.harness.workload import Invalid, Request, Seen
from runners.reference import evidence
from runners.reference.evidence import inference, shared_sizes, training

CASE = Case("infer", "cpu", batch_size=3, seed=25, network="cnn4", input_size=32, scope="compute")
SIZES = shared_sizes("cnn4", 100)
SEEN = Seen("cpu", "fp32", 1, 1)


def request(**changes) -> Request:
    return Request(replace(CASE, **changes), Competitor("fake", "only"), 1, Path(), Path())


def logits(images):
    return np.full((len(images), 100), images.mean(axis=(1, 2, 3))[:, None])


def inferred(**changes):
    parts = {"step": lambda: None, "synchronize": lambda: None, "logits": logits, "parameters": SIZES}
    asked = request(batch_size=changes.pop("batch_size", 3))
    return inference(asked, **{**parts, "seen": lambda: SEEN, **changes})


class Training:
    """A training with losses that fall by one in each step; `double` records its arguments."""

    def __init__(self) -> None:
        self.steps, self.given = 0, None

    def step(self):
        self.steps += 1
        return 10 - self.steps

    def double(self, images, labels, steps, others):
        self.given = images.dtype, labels.shape, steps, others.shape
        return [1.0] * steps, logits(others)

    def work(self, **changes):
        parts = {"step": self.step, "synchronize": lambda: None, "logits": logits, "double": self.double}
        return training(request(workload="train"), **{**parts, "parameters": SIZES, "seen": lambda: SEEN, **changes})


def test_every_batch_size_gives_the_same_logits():
    one, three = (inferred(batch_size=size).check() for size in (1, 3))
    assert one.logits_sketch == pytest.approx(three.logits_sketch)
    assert (one.trainable, one.non_trainable) == (270_948, 704)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({**SIZES, "conv9.weight": 1}, "only one side has: conv9.weight"),
        ({name: size for name, size in SIZES.items() if name != "bn1.mean"}, "only one side has: bn1.mean"),
        ({**SIZES, "dense2.bias": 10}, "dense2.bias has 10 elements, the reference 100"),
    ],
)
def test_a_model_with_other_parameters_is_refused_before_anything_is_timed(sizes, words):
    with pytest.raises(Invalid, match=words) as refused:
        inferred(parameters=sizes)
    assert refused.value.kind == "PARAMETERS"


def test_the_first_four_losses_and_the_latest_are_kept():
    fake = Training()
    work = fake.work()
    for _ in range(7):
        work.step()
    check = work.check()
    assert check.losses == [9, 8, 7, 6]
    assert (check.loss_first, check.loss_last) == (9, 3)
    assert check.losses_fp64 == [1.0] * 4
    assert fake.given == (np.float64, (3,), 4, (2, 3, 32, 32))


def test_reading_settings_after_the_steps_costs_no_compared_loss():
    """`seen` may take another step, as in a session of TensorFlow 1."""
    fake = Training()

    def look() -> Seen:
        fake.step()
        return SEEN

    work = fake.work(seen=look)
    work.step()
    work.seen()
    assert work.check().losses == [9, 8, 7, 6]


@pytest.mark.parametrize("full", ["before", "within"])
def test_without_memory_for_float64_the_check_has_only_the_losses(monkeypatch, full):
    def no_memory(*_given):
        raise MemoryError

    if full == "before":
        monkeypatch.setattr(evidence, "enough_for_float64", lambda: False)
    check = Training().work(**({"double": no_memory} if full == "within" else {})).check()
    assert (check.losses_fp64, check.evaluated_fp64) == (None, None)
    assert check.losses == [9, 8, 7, 6]


def test_any_other_error_in_float64_is_raised():
    def broken(*_given):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        Training().work(double=broken).check()
