"""A/A runs: false verdicts are counted against the binomial bound, injected slowdowns against what was put in."""

import dataclasses
import re

import pytest
from make_records import TF, TORCH, make_run, planned, scheduled, step_case, write_folder

from aggregator.cli import main
from aggregator.commands.shared import OK, SOME_FAILED, USAGE
from aggregator.judge import aa
from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import LoadedRun
from aggregator.report import self_check
from aggregator.report.figures import charts
from method.verdict import Verdict

BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>'
A, B = (dataclasses.replace(TORCH, alias=alias) for alias in "AB")
CASES = [step_case("cnn4", batch) for batch in range(1, 41)]


@pytest.fixture(autouse=True)
def _blank_figures(monkeypatch):
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda *_, **__: BLANK)


def slowed(record, factor):
    return dataclasses.replace(record, samples=dataclasses.replace(record.samples, injected_slowdown=factor))


def aa_run(cases=CASES, factor=1.0, biased=0, scatter=0.01, blocks=8):
    """One program under two labels; `biased` cases differ for no reason, B is slowed down by `factor` for one."""
    run = make_run([planned(case, [A, B], blocks) for case in cases])
    unlucky = set(cases[:biased])

    def level(case, who):
        return 0.05 * (1.2 if who == B and case in unlucky else 1) * (factor if who == B else 1)

    records = scheduled(run, level, scatter=scatter)
    return run, [slowed(record, factor) if record.competitor == B else record for record in records]


def summary_of(run, records):
    return aa.summarise(analyse([LoadedRun("run-1", run, tuple(records), ())]))


def test_the_bounds_are_the_binomial_ones():
    assert [aa.Same(compared, 0, 0).bound for compared in (40, 100)] == [4, 9]
    assert aa.Same(40, 4, 4).passes
    assert not aa.Same(40, 0, 5).passes
    assert not aa.Same(0, 1, 0).passes
    assert aa.rate_interval(0, 40) == pytest.approx((0, 0.0881), abs=1e-4)


def test_intervals_count_alone_and_winners_after_holm():
    found = summary_of(*aa_run(biased=3))
    assert found.same.compared == 40
    assert found.same.named == 3
    assert found.same.apart >= 3
    assert found.slowed == ()


def test_disturbed_comparisons_count_and_incomparable_ones_do_not():
    run, records = aa_run(CASES[:3], biased=3)
    busy = dataclasses.replace(records[0].health, throttled_periods=9)
    spoilt = [dataclasses.replace(one, health=busy) if one.case == CASES[0] else one for one in records]
    other = dataclasses.replace(records[0].check, trainable=7)
    spoilt = [
        dataclasses.replace(one, check=other) if one.case == CASES[1] and one.competitor == B else one for one in spoilt
    ]
    found = summary_of(run, spoilt)
    assert (found.same.compared, found.same.named, found.same.apart, found.left_out) == (2, 1, 2, 1)


def test_an_injected_slowdown_is_covered_and_named():
    found = summary_of(*aa_run(factor=1.05))
    assert found.same.compared == 0
    (one,) = found.slowed
    assert (one.factor, one.compared) == (1.05, 40)
    assert one.covered >= 36
    assert one.narrow >= 30
    assert one.narrow_named >= 0.8 * one.narrow
    missed = summary_of(*aa_run(factor=1.05, biased=10)).slowed[0]
    assert missed.covered <= 30


def test_only_a_program_and_itself_are_compared_where_there_are_aliases():
    other = [dataclasses.replace(TF, alias=alias) for alias in "AB"]
    run = make_run([planned(CASES[0], [A, B, *other], 8)])
    (env,) = analyse([LoadedRun("run-1", run, tuple(scheduled(run)), ())])
    pairs = [(found.left.competitor, found.right.competitor) for found in env.cases[0].comparisons]
    assert pairs == [(A, B), tuple(other)]


def test_the_command_exits_with_one_beyond_the_bound(tmp_path, capsys):
    assert main(["aa", str(write_folder(tmp_path / "good", *aa_run(CASES[:12])))]) == OK
    assert "this machine passes" in capsys.readouterr().out
    bad = write_folder(tmp_path / "bad", *aa_run(CASES[:12], biased=5))
    assert main(["aa", str(bad)]) == SOME_FAILED
    assert "does NOT pass" in capsys.readouterr().out
    run = make_run([planned(CASES[0], [TORCH, TF], 8)])
    assert main(["aa", str(write_folder(tmp_path / "other", run, scheduled(run)))]) == USAGE
    assert "no comparison of a program with itself" in capsys.readouterr().err


def test_the_report_of_an_aa_run_is_no_competition(tmp_path):
    folder = write_folder(tmp_path / "r", *aa_run(CASES[:12], biased=2))
    assert main(["report", str(folder)]) == OK
    for name in ("report.md", "report.html"):
        text = (folder / name).read_text()
        before = text.split("Method</h2>" if name.endswith("html") else "## Method")[0]
        assert "A/A check, one program under two labels: this machine" in before
        assert "The program compared with itself" in before
        assert "false verdict: there is no difference" in before
        assert not re.search(r"is faster|\bwins\b|won by", before)


def test_an_injected_slowdown_is_said_wherever_the_competitor_is_named(tmp_path):
    folder = write_folder(tmp_path / "r", *aa_run(CASES[:2], factor=1.05))
    assert main(["report", str(folder)]) == OK
    text = (folder / "report.md").read_text()
    assert "the slowdown was found" in text
    assert re.findall(r"pytorch \(eager\) B(?! \(slowed 1\.05×\))", text) == []
    assert text.count("pytorch (eager) B (slowed 1.05×)") > 8


def test_nothing_compared_is_no_pass():
    assert not aa.SelfCheck(aa.Same(0, 0, 0), (), 3).passes


@pytest.mark.parametrize(
    ("covered", "narrow_named", "passes"), [(40, 40, True), (36, 32, True), (30, 40, False), (40, 24, False)]
)
def test_a_slowdown_has_to_be_held_and_named(covered, narrow_named, passes):
    slowed = aa.Slowed(1.05, 40, covered, narrow_named, 40, narrow_named)
    assert slowed.passes is passes
    assert aa.SelfCheck(aa.Same(0, 0, 0), (slowed,), 0).passes is passes
    said = self_check.sentences(aa.SelfCheck(aa.Same(0, 0, 0), (slowed,), 0))[0]
    assert ("does NOT pass" in said) is not passes
    assert "narrow enough" not in said


def test_a_machine_too_noisy_to_name_a_slowdown_is_told_so():
    said = self_check.sentences(aa.SelfCheck(aa.Same(0, 0, 0), (aa.Slowed(1.05, 2, 2, 0, 0, 0),), 0))[0]
    assert said.endswith("No interval was narrow enough for the second requirement.")


def test_a_thousand_comparisons_through_the_whole_path_to_a_verdict():
    """Evidence of work, gates, drift, intervals, Holm.

    Of 1,000 A/A comparisons without drift, whose processes scatter by 1 %, all are judged, about one interval in
    twenty leaves out 1, and Holm lets no winner through.
    """
    run, records = aa_run([step_case("cnn4", batch) for batch in range(1, 1001)])
    environments = analyse([LoadedRun("run-1", run, tuple(records), ())])
    verdicts = {found.verdict for env in environments for case in env.cases for found in case.comparisons}
    assert verdicts <= {Verdict.EQUIVALENT, Verdict.UNDECIDED}
    found = aa.summarise(environments).same
    assert found.compared == 1000
    assert 30 <= found.apart <= found.bound == 62  # drift that chance shows widens a few more
    assert found.named == 0


def test_the_counts_read_as_sentences():
    [said, _] = self_check.sentences(aa.SelfCheck(aa.Same(1, 0, 0), (), 0))
    assert "In none of 1 comparison the interval excludes a ratio of 1 (exact 95 % interval of the rate: " in said
    [said] = self_check.sentences(aa.SelfCheck(aa.Same(40, 2, 3), (), 0))
    assert "In 3 of 40 comparisons the interval excludes a ratio of 1 (exact" in said
    [said] = self_check.sentences(aa.SelfCheck(aa.Same(0, 0, 0), (aa.Slowed(1.05, 1, 0, 0, 1, 0),), 0))
    assert "the interval contains the slowdown in none of 1 comparison" in said
