"""`compare`: a gate that fails only on what one run's blocks prove; two runs have ratios and no verdict."""

import dataclasses
import re
import shutil

import pytest
from make_records import (
    HEALTH,
    HOST,
    TF,
    TORCH,
    failed,
    make_run,
    planned,
    roof_case,
    scheduled,
    step_case,
    write_folder,
)

from aggregator.cli import main
from aggregator.commands.shared import OK, REGRESSION, SOME_FAILED, USAGE
from runners.harness.case import Competitor
from runners.harness.record import Status
from runners.harness.run import RunState, Unavailable

OLD, NEW = (dataclasses.replace(TF, version=version) for version in ("2.16.2", "2.21.0"))
CASE, OTHER = step_case(), step_case("vgg16")


def versions(tmp_path, slower, blocks=8, change=lambda records: records, cases=(CASE,), **more):
    """A run of two versions whose newer one takes `slower` times as long; gives BASE and HEAD of its comparison."""
    run = make_run([planned(case, [OLD, NEW], blocks) for case in cases])
    records = scheduled(run, lambda _, who: 0.05 * (slower if who == NEW else 1), **more)
    folder = write_folder(tmp_path / "r", run, change(records))
    return [f"{folder}:{who.label}" for who in (OLD, NEW)]


def whole(tmp_path, name, competitors=(TORCH,), cases=(CASE,), slower=1.0, change=lambda record: record):
    """One of two runs."""
    run = make_run([planned(case, list(competitors), 8) for case in cases], run_id=name)
    records = [change(record) for record in scheduled(run, lambda *_: 0.05 * slower)]
    return str(write_folder(tmp_path / name, run, records))


def compare(capsys, *arguments):
    """(exit code, page, errors) of one comparison."""
    code = main(["compare", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def with_host(record, **facts):
    return dataclasses.replace(record, host=dataclasses.replace(record.host, **facts))


@pytest.mark.parametrize(
    ("slower", "more", "code", "said"),
    [
        (1.2, {}, REGRESSION, "REGRESSION"),
        (1.2, {"threshold": "25"}, OK, "no regression beyond the threshold"),
        (0.8, {}, OK, "improvement"),
        (1.0, {}, OK, "no regression beyond the threshold"),
        (1.2, {"scatter": 0.25}, OK, "no regression shown, none ruled out"),
        (1.03, {}, OK, "no regression beyond the threshold"),
        (1.03, {"threshold": "0"}, REGRESSION, "REGRESSION"),
        (1.2, {"blocks": 2}, SOME_FAILED, "no verdict"),
    ],
)
def test_the_gate_fails_on_an_interval_wholly_beyond_the_threshold(tmp_path, capsys, slower, more, code, said):
    threshold = more.pop("threshold", "5")
    found, text, _ = compare(capsys, *versions(tmp_path, slower, **more), "--threshold", threshold)
    (row,) = (line for line in text.splitlines() if line.startswith("| infer"))
    assert (found, re.match(r"[^<]*", row.split("|")[-2].strip())[0]) == (code, said)
    # How many times as fast HEAD is as BASE: above 1, HEAD is faster.
    speed = row.split("|")[2].strip()
    assert speed == "–" or float(speed[:-1]) == pytest.approx(1 / slower, rel=0.2)


def test_swapped_sides_turn_a_regression_into_an_improvement(tmp_path, capsys):
    base, head = versions(tmp_path, 1.2)
    assert compare(capsys, base, head)[0] == REGRESSION
    code, text, _ = compare(capsys, head, base)
    assert (code, "improvement |" in text) == (OK, True)


def test_many_cases_raise_what_each_must_show(tmp_path, capsys):
    """A slowdown that fails the gate alone does not among ten cases without any."""
    slow, others = step_case("resnet50"), [step_case("resnet18", batch) for batch in range(1, 11)]
    for name, cases, code in (("one", [slow], REGRESSION), ("many", [slow, *others], OK)):
        run = make_run([planned(case, [OLD, NEW], 8) for case in cases])
        records = scheduled(
            run, lambda case, who: 0.05 * (1.05 if (case, who) == (slow, NEW) else 1), scatter=0.03, steps=20
        )
        folder = write_folder(tmp_path / name, run, records)
        sides = [f"{folder}:{who.label}" for who in (OLD, NEW)]
        assert compare(capsys, *sides, "--threshold", "0")[0] == code


def test_a_gate_that_tested_nothing_does_not_pass_and_says_so(tmp_path, capsys):
    def stolen(records):
        busy = dataclasses.replace(HEALTH, throttled_periods=2)
        return [dataclasses.replace(record, health=busy) for record in records]

    code, text, _ = compare(capsys, *versions(tmp_path, 1.5, change=stolen))
    assert code == SOME_FAILED
    assert "no verdict: disturbed" in text
    assert "throttled by its CPU quota" in text
    assert "No comparison came to a test, so that the gate does not pass" in text


def test_one_case_that_was_tested_is_enough_to_pass(tmp_path, capsys):
    def short(records):
        return [one for one in records if one.case == CASE or one.block.number < 2]

    code, text, _ = compare(capsys, *versions(tmp_path, 1.0, change=short, cases=(CASE, OTHER)))
    assert (code, "in 2 comparisons, of which 1 came to a test" in text) == (OK, True)


def test_what_the_machine_can_do_is_no_part_of_the_gate(tmp_path, capsys):
    """A slower copy of an array is no regression, and a failed one no failure, of the framework that measured it."""
    run = make_run([planned(case, [OLD, NEW], 8) for case in (CASE, roof_case("copy"), roof_case("product"))])
    records = scheduled(run, lambda case, who: 0.05 * (1.5 if (case.workload, who) == ("roof", NEW) else 1))
    gone = next(one for one in records if (one.case, one.competitor) == (roof_case("product"), NEW))
    records[records.index(gone)] = failed(gone, Status.OOM, "OOM(host)", "killed")
    folder = write_folder(tmp_path / "r", run, records)
    code, text, _ = compare(capsys, *(f"{folder}:{who.label}" for who in (OLD, NEW)))
    assert (code, "in 1 comparison" in text, "roof" in text) == (OK, True, False)
    limits = make_run([planned(roof_case(), [OLD, NEW], 8)])
    folder = write_folder(tmp_path / "limits", limits, scheduled(limits))
    code, _, errors = compare(capsys, *(f"{folder}:{who.label}" for who in (OLD, NEW)))
    assert (code, "only what the machine can do was measured" in errors) == (USAGE, True)


def unbuilt(tmp_path, gone):
    """A run in which the image of one of the two versions failed to build: the launcher plans the other alone."""
    stays = OLD if gone == NEW else NEW
    refused = [Unavailable(gone, "BUILD", "image failed to build")]
    run = make_run([dataclasses.replace(planned(CASE, [stays], 8), unavailable=refused)])
    return write_folder(tmp_path / f"without {gone.version}", run, scheduled(run))


def test_a_head_that_failed_to_build_fails_with_its_reason(tmp_path, capsys):
    folder = unbuilt(tmp_path, NEW)
    code, text, _ = compare(capsys, *(f"{folder}:{who.label}" for who in (OLD, NEW)))
    assert code == SOME_FAILED
    assert "## Failed in HEAD, not in BASE" in text
    assert "BUILD: image failed to build" in text
    folder = unbuilt(tmp_path, OLD)
    code, _, errors = compare(capsys, *(f"{folder}:{who.label}" for who in (OLD, NEW)))
    assert (code, "BASE: BUILD: image failed to build" in errors) == (USAGE, True)


def test_what_no_case_could_run_is_no_baseline_of_a_report(tmp_path, capsys):
    assert main(["report", str(unbuilt(tmp_path, NEW)), "--baseline", NEW.label]) == USAGE
    assert f"known: {OLD.label}" in capsys.readouterr().err


def test_different_work_has_no_ratio(tmp_path, capsys):
    def other_weights(record):
        wrong = dataclasses.replace(record.check, weights_digest="sha256:" + "00" * 32)
        return dataclasses.replace(record, check=wrong)

    def of_new(records):
        return [other_weights(record) if record.competitor == NEW else record for record in records]

    code, text, _ = compare(capsys, *versions(tmp_path, 1.5, change=of_new))
    assert (code, "no verdict: not comparable" in text, re.search(r"0\.6\d", text) is not None) == (
        SOME_FAILED,
        True,
        False,
    )
    runs = whole(tmp_path, "one"), whole(tmp_path, "two", slower=1.5, change=other_weights)
    code, text, _ = compare(capsys, *runs)
    assert (code, "not comparable: block 0: " in text, "× |" in text) == (OK, True, False)


def test_two_runs_have_ratios_with_n_and_spread_and_never_a_verdict(tmp_path, capsys):
    code, text, _ = compare(capsys, whole(tmp_path, "one"), whole(tmp_path, "two", slower=2))
    assert code == OK
    cell = r"\d+(\.\d+)? ms \([\d.]+–[\d.]+\) \(n 8\)"
    assert re.search(rf"\| pytorch/eager \| {cell} \| {cell} \| 0\.500× \|", text)
    assert "REGRESSION" not in text
    assert "no block has both" in text
    assert "make bench FRAMEWORKS=tensorflow@2.16.2,tensorflow@2.21.0" in text
    assert "different machines" not in text
    assert "What else differs" not in text


def test_another_machine_and_other_versions_are_told(tmp_path, capsys):
    def moved(record):
        packages = {"pytorch": "3.0", "numpy": "2.5"}
        return with_host(record, hostname_digest="ffff", cpu_model="Other | CPU", packages=packages)

    _, text, _ = compare(capsys, whole(tmp_path, "one"), whole(tmp_path, "two", change=moved))
    assert "**BASE and HEAD ran on different machines.**" in text
    for line in (
        f"- CPU {HOST.cpu_model} → Other \\| CPU",
        "- pytorch: package pytorch 2.0 → 3.0",
        "- pytorch: package numpy – → 2.5",
    ):
        assert line in text


def test_two_environments_of_one_run_are_not_pooled(tmp_path, capsys):
    def half(record):
        return with_host(record, kernel="7") if record.block.number > 3 else record

    code, text, _ = compare(capsys, whole(tmp_path, "one", change=half), whole(tmp_path, "two"))
    assert (code, "never pooled" in text, "ms (" in text) == (OK, True, False)


def test_environments_of_one_run_are_judged_apart(tmp_path, capsys):
    """The newer version is slower on the second machine alone."""

    def moved(records):
        return [with_host(one, kernel="7") if one.block.number > 7 else one for one in records]

    run = make_run([planned(CASE, [OLD, NEW], 16)])
    slow = {record.record_id for record in scheduled(run) if record.block.number > 7 and record.competitor == NEW}
    slower = {record.record_id: record for record in scheduled(run, lambda *_: 0.06)}
    records = [slower[one.record_id] if one.record_id in slow else one for one in scheduled(run)]
    folder = write_folder(tmp_path / "r", run, moved(records))
    code, text, _ = compare(capsys, *(f"{folder}:{who.label}" for who in (OLD, NEW)))
    rows = [line for line in text.splitlines() if line.startswith("| infer")]
    assert code == REGRESSION
    assert ["REGRESSION" in row for row in rows] == [False, True]
    assert [re.search(r"environment (\d) \|.*\| 8 \|", row)[1] for row in rows] == ["1", "2"]


def test_competitors_of_two_runs_are_not_paired_either(tmp_path, capsys):
    runs = [whole(tmp_path, name, (TORCH, TF), slower=slower) for name, slower in (("one", 1), ("two", 3))]
    code, text, _ = compare(capsys, f"{runs[0]}:{TORCH.label}", f"{runs[1]}:{TF.label}")
    assert (code, "| pytorch/eager → tensorflow/graph |" in text, "no block has both" in text) == (OK, True, True)


def test_what_only_one_has_is_listed_and_what_fails_anew_fails(tmp_path, capsys):
    def broken(record):
        if record.competitor == TF:
            return failed(record, Status.OOM, "OOM(host)", "killed at 2 GiB")
        return record

    base = whole(tmp_path, "one", (TORCH, TF), (CASE, OTHER))
    head = whole(tmp_path, "two", (TORCH, TF), change=broken)
    code, text, _ = compare(capsys, base, head)
    assert code == SOME_FAILED
    assert "## Failed in HEAD, not in BASE" in text
    assert "tensorflow/graph: 8 of 8 replicates: OOM(host): killed at 2 GiB" in text
    assert "- infer · vgg16 · 224 px, batch 8, pytorch/eager: only in BASE" in text
    code, text, _ = compare(capsys, head, base, "--competitor", "tensorflow/graph", "--competitor", "pytorch/eager")
    assert (code, "BASE: 8 of 8 replicates: OOM(host)" in text, "only in HEAD" in text) == (OK, True, True)


def test_a_regression_outranks_a_failure(tmp_path, capsys):
    def first_fails(records):
        gone = failed(next(one for one in records if one.competitor == NEW), Status.CRASHED, "CRASH", "exit 139")
        return [gone if one.record_id == gone.record_id else one for one in records]

    code, text, _ = compare(capsys, *versions(tmp_path, 1.5, 9, first_fails))
    assert (code, "CRASH: exit 139" in text) == (REGRESSION, True)


def test_an_unfinished_or_damaged_run_fails(tmp_path, capsys):
    base, head = versions(tmp_path, 1.0)
    (tmp_path / "r/records/bad.json").write_text("{")
    code, _, errors = compare(capsys, base, head)
    assert (code, "left out bad.json" in errors) == (SOME_FAILED, True)
    run = make_run([planned(CASE, [TORCH], 8)], run_id="cut", state=RunState.INCOMPLETE)
    cut = str(write_folder(tmp_path / "cut", run, scheduled(run)))
    code, _, errors = compare(capsys, whole(tmp_path, "one"), cut)
    assert (code, "did not finish" in errors) == (SOME_FAILED, True)


def test_what_cannot_be_asked_is_refused_with_what_can(tmp_path, capsys):
    base, head = versions(tmp_path, 1.0)
    folder = base.partition(":")[0]
    other = whole(tmp_path, "other", [Competitor("onnxruntime", "graph")], [OTHER])
    for arguments, said in (
        ((f"{folder}:tensorflow@2.16.2/grap", head), "did you mean tensorflow@2.16.2/graph?"),
        ((folder, head), "name a competitor in both"),
        ((folder, folder), "RUN:ONE RUN:OTHER"),
        ((base, base), "RUN:ONE RUN:OTHER"),
        ((base, head, "--competitor", NEW.label), "name theirs already"),
        ((folder, other, "--competitor", "onnxruntime/grph"), "did you mean onnxruntime/graph?"),
        ((folder, other), "nothing to compare"),
        ((str(tmp_path / "nowhere") + ":x", head), "no run at"),
    ):
        code, _, errors = compare(capsys, *arguments)
        assert (code, said in errors) == (USAGE, True), errors


def test_a_copy_of_a_run_is_that_run(tmp_path, capsys):
    base, _ = versions(tmp_path, 1.2)
    copy = shutil.copytree(tmp_path / "r", tmp_path / "copy")
    code, text, errors = compare(capsys, base, f"{copy}:{NEW.label}")
    assert (code, "REGRESSION" in text, "copy is a copy of" in errors) == (REGRESSION, True, True)
    for other in (str(copy), f"{copy}:{OLD.label}"):
        code, _, errors = compare(capsys, base if ":" in other else str(tmp_path / "r"), other)
        assert (code, "BASE and HEAD are the same" in errors) == (USAGE, True)
    next((copy / "records").iterdir()).unlink()
    code, _, errors = compare(capsys, base, f"{copy}:{NEW.label}")
    assert (code, "give the fuller one alone" in errors) == (USAGE, True)


def test_what_nobody_knows_of_a_side_that_never_ran_does_not_differ(tmp_path, capsys):
    def dead(record):
        return failed(record, Status.OOM, "OOM(host)", "killed")

    code, text, _ = compare(capsys, whole(tmp_path, "one"), whole(tmp_path, "two", change=dead))
    assert (code, "killed" in text, "What else differs" in text) == (SOME_FAILED, True, False)


def test_aliases_and_folders_with_colons_are_understood(tmp_path, capsys):
    one, two = (dataclasses.replace(TORCH, alias=alias) for alias in "AB")
    run = make_run([planned(CASE, [one, two], 8)])
    folder = write_folder(tmp_path / "a:b", run, scheduled(run))
    code, text, _ = compare(capsys, f"{folder}:{one.label}", f"{folder}:{two.label}")
    assert (code, "HEAD is pytorch (eager) B, BASE is pytorch (eager) A." in text) == (OK, True)


def test_cases_stand_in_natural_order(tmp_path, capsys):
    cases = [step_case(batch_size=32), OTHER, step_case(batch_size=8)]
    for arguments in (
        versions(tmp_path, 1.0, cases=cases),
        [whole(tmp_path, name, cases=cases) for name in ("one", "two")],
    ):
        rows = [line for line in compare(capsys, *arguments)[1].splitlines() if line.startswith("| infer")]
        assert [row.split("|")[1].strip() for row in rows] == [
            "infer · resnet18 · 224 px, batch 8",
            "infer · resnet18 · 224 px, batch 32",
            "infer · vgg16 · 224 px, batch 8",
        ]


def test_two_competitors_of_one_label_are_no_traceback(tmp_path, capsys):
    twins = [Competitor("a/b", "c"), Competitor("a", "b/c"), TF]
    run = make_run([planned(CASE, twins, 8)])
    records = [dataclasses.replace(one, record_id=f"r{index}") for index, one in enumerate(scheduled(run))]
    folder = write_folder(tmp_path / "r", run, records)
    assert compare(capsys, f"{folder}:a/b/c", f"{folder}:{TF.label}")[0] == OK


def test_sides_that_never_shared_a_machine_are_not_compared(tmp_path, capsys):
    def apart(records):
        return [with_host(one, kernel="7") if one.competitor == NEW else one for one in records]

    code, _, errors = compare(capsys, *versions(tmp_path, 1.5, change=apart))
    assert (code, "no machine and set of versions ran both" in errors) == (USAGE, True)


def test_control_characters_of_a_label_do_not_reach_the_terminal(tmp_path, capsys):
    old, new = (Competitor("x\x1b]0;owned\x07\u202e", version) for version in "ab")
    run = make_run([planned(CASE, [old, new], 8)])
    records = [dataclasses.replace(one, record_id=f"r{index}") for index, one in enumerate(scheduled(run))]
    one = write_folder(tmp_path / "r", run, records)
    other = make_run([planned(CASE, [old, new], 8)], run_id="other")
    records = [dataclasses.replace(one, record_id=f"r{index}") for index, one in enumerate(scheduled(other))]
    two = write_folder(tmp_path / "s", other, records)
    for arguments in ((f"{one}:{old.label}", f"{one}:{new.label}"), (f"{one}:{old.label}", f"{two}:{new.label}")):
        code, text, errors = compare(capsys, *arguments)
        assert code == OK
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text + errors)


def test_hostile_names_stay_text(tmp_path, capsys):
    hostile = Competitor("x|y\n# <b>", "`v`")
    runs = [
        whole(tmp_path, name, [hostile], [dataclasses.replace(CASE, network="[a](b)|c")]) for name in ("one", "two")
    ]
    code, text, _ = compare(capsys, *runs)
    (row,) = (line for line in text.splitlines() if line.startswith("| infer"))
    assert code == OK
    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert "<b>" not in text
    assert "[a]" not in text.replace("\\[", "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        *((text, "is no number; give per cent without the sign") for text in ("abc", "5%", "inf", "1e400")),
        ("-1", "must be a percentage, 0 or more"),
    ],
)
def test_a_threshold_that_is_none_is_said(capsys, given, said):
    with pytest.raises(SystemExit) as stopped:
        main(["compare", "a", "b", f"--threshold={given}"])
    assert stopped.value.code == USAGE
    assert said in capsys.readouterr().err
