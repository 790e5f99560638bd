"""The plan of exports: who takes part in a format."""

from needs import ROOT

from launcher.cli import read
from launcher.options import measured
from launcher.plan.draft import draft


def test_a_framework_takes_no_part_in_a_format_that_it_does_not_write() -> None:
    """A framework that is unsupported would keep the others from winning the case."""
    words = ["plan", "--profile", "export", "--frameworks", "pytorch,tensorflow,jax"]
    sides = {"onnx": {"pytorch", "tensorflow"}, "tflite": {"tensorflow", "jax"}}
    cases = draft(ROOT, measured(read(words, ROOT))).cases
    assert {one.case.format for one in cases} == sides.keys()
    for planned in cases:
        assert {side.framework for side in planned.competitors} == sides[planned.case.format or ""]
        assert planned.unavailable == []
