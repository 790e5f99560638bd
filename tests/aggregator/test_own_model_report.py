"""A user's own model in a report: outputs decide, parameters do not, and models of one name stay apart."""

import dataclasses

import pytest
from make_records import TF, TORCH, compared, make_records, make_run, planned, step_case

from aggregator.base.case_names import labels
from aggregator.export.columns import replicate
from aggregator.judge.roofline import Unknown, roof_of
from aggregator.report.answers import ALONE, notes, score
from aggregator.report.case_details import detail
from aggregator.report.case_remarks import remarks
from method.verdict import Verdict
from runners.harness.case import Case, ModelRef
from runners.harness.record import Check


def own_case(digest: str = "a") -> Case:
    model = ModelRef("onnx", f"sha256:{digest * 64}", 1000)
    return dataclasses.replace(step_case(), network="own:<b>x", input_size=None, input_shape="3x8x8", model=model)


def shown(record, checks):
    samples = dataclasses.replace(record.samples, flops_per_step=None, bytes_per_step=None)
    return dataclasses.replace(record, check=checks[record.competitor], samples=samples)


def case_of(checks):
    run = make_run([planned(own_case(), list(checks))])
    records = [shown(record, checks) for record in make_records(run, lambda _case, who: 0.1 if who == TF else 0.05)]
    [found] = compared(run, records).cases
    return found


def test_outputs_decide_and_the_number_of_parameters_does_not() -> None:
    checks = {TORCH: Check(parameters=7, logits_sketch=[1.0, 2.0]), TF: Check(parameters=9, logits_sketch=[1.0, 2.0])}
    found = case_of(checks)
    assert score(found)[1].competitor == TORCH
    assert any("so the outputs of its frameworks were compared" in text for text in remarks(found, roof_of([])))


@pytest.mark.parametrize("sketch", [[1.0, 2.001], None])
def test_no_side_wins_where_outputs_differ_or_are_missing(sketch: list[float] | None) -> None:
    found = case_of({TORCH: Check(logits_sketch=[1.0, 2.0]), TF: Check(logits_sketch=sketch)})
    assert score(found) == (Verdict.NOT_COMPARABLE, None)


def test_one_framework_is_compared_with_no_other_and_wins_nothing() -> None:
    found = case_of({TORCH: Check(logits_sketch=[1.0, 2.0])})
    assert score(found) == (ALONE, None)
    [said] = [text for text in remarks(found, roof_of([])) if "own model" in text]
    assert said == "only pytorch ran this user's own model: its outputs were compared with no other framework's"


def test_variants_of_one_framework_do_not_confirm_each_other_unsaid() -> None:
    checks = {who: Check(logits_sketch=[1.0, 2.0]) for who in (TORCH, dataclasses.replace(TORCH, variant="compile"))}
    [comparison] = case_of(checks).comparisons
    assert any("variants of one framework" in text for text in notes(comparison))


def test_nothing_is_said_of_the_limits_of_the_machine() -> None:
    found = case_of({TORCH: Check(logits_sketch=[1.0, 2.0]), TF: Check(logits_sketch=[1.0, 2.0])})
    assert isinstance(roof_of([]).attainable(found), Unknown)


def test_models_of_one_name_stay_apart_and_the_digest_is_exported() -> None:
    one, two = own_case("a"), own_case("b")
    names = labels([one, two])
    assert len(set(names.values())) == 2
    run = make_run([planned(case, [TORCH, TF]) for case in (one, two)])
    records = make_records(run)
    assert len(compared(run, records).cases) == 2
    row = replicate(records[0], "run", 1, "case", "competitor")
    assert (row["model_digest"], row["input_shape"]) == ("sha256:" + "a" * 64, "3x8x8")
    details = [detail(found, "", "", (), None, roof_of([]), {}).settings for found in compared(run, records).cases]
    assert [digit * 64 in text for digit, text in zip("ab", details, strict=True)] == [True, True]
