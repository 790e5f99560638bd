"""Several runs in one report: side by side, never pooled, copies taken once."""

import dataclasses
import re
import shutil

import pytest
from make_records import HOST, TF, TORCH, make_run, planned, scheduled, step_case, write_folder

from aggregator.cli import main
from aggregator.commands.shared import NOT_WRITABLE, OK, USAGE
from aggregator.report.figures import charts

BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>'
ALIKE, APART, TIED, ALONE = (step_case("cnn4", batch) for batch in (1, 2, 4, 8))
NASTY = '"><img src=x onerror=alert(1)><script>|../\x1b\u202e'


@pytest.fixture(autouse=True)
def blank_figures(monkeypatch):
    """Figures cost time; these tests are about the rest."""
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda *_, **__: BLANK)


def a_run(folder, name, slower, machine="one", cases=(ALIKE, APART), pair=(TORCH, TF), **host):
    """A run in which TensorFlow takes `slower[case]` times as long."""
    run = make_run([planned(case, list(pair), 10) for case in cases], run_id=name)
    records = scheduled(run, lambda case, who: 0.05 * (slower[case] if who == TF else 1), scatter=0.004)
    where = dataclasses.replace(HOST, hostname_digest=machine * 4, **host)
    placed = [dataclasses.replace(one, host=dataclasses.replace(where, packages=one.host.packages)) for one in records]
    return str(write_folder(folder / name, run, placed))


def merged(tmp_path, *runs):
    """The text of the report's first screen, and of its page."""
    assert main(["merge", *runs, "--out", str(tmp_path / "out")]) == OK
    return (tmp_path / "out/report.md").read_text(), (tmp_path / "out/report.html").read_text()


def test_each_case_has_one_row_with_every_environment(tmp_path):
    one = a_run(tmp_path, "a", {ALIKE: 1.2, APART: 1.3})
    two = a_run(tmp_path, "b", {ALIKE: 1.5, APART: 0.8, ALONE: 1.1}, "two", (ALIKE, APART, ALONE), (TF, TORCH))
    text, page = merged(tmp_path, one, two)
    rows = [
        line.split(" | ")
        for line in text.split("## Side by side")[1].split("# Env")[0].splitlines()
        if " compared with " in line
    ]
    assert [row[0].rpartition("batch ")[2] for row in rows] == ["1", "2", "8"]
    # The second run's baseline is the other side; its ratios are turned like the first's all the same.
    assert [row[1] for row in rows[:2]] == ["pytorch (eager) compared with tensorflow (graph)"] * 2
    assert [[float(row[at].split("×")[0]) for at in (3, 5)] for row in rows[:2]] == [
        [pytest.approx(1.2, rel=0.01), pytest.approx(1.5, rel=0.01)],
        [pytest.approx(1.3, rel=0.01), pytest.approx(0.8, rel=0.01)],
    ]
    assert [row[4] for row in rows[:2]] == ["pytorch (eager) is faster", "tensorflow (graph) is faster"]
    assert rows[2][2:4] == ["– not measured", "–"]
    assert all(re.search(r"× \([\d.]+–[\d.]+, n 10\)", row[5]) for row in rows)
    assert page.index('id="side"') < page.index('id="answer"')


def test_agreement_is_said_in_words(tmp_path):
    cases = (ALIKE, APART, TIED)
    one = a_run(tmp_path, "a", {ALIKE: 1.2, APART: 1.3, TIED: 1.0}, "one", cases)
    two = a_run(tmp_path, "b", {ALIKE: 1.5, APART: 0.8, TIED: 1.0}, "two", cases)
    text, _ = merged(tmp_path, one, two)
    assert (
        "Inference step, pytorch (eager) and tensorflow (graph), 3 cases compared on both machines: the verdicts agree "
        "in 2 (equivalent in 1, pytorch (eager) is faster in 1) and differ in 1 (opposite winners in 1)." in text
    )
    assert "Environment 2: Inference step, 3 cases:" in text


def test_two_sessions_of_one_machine_are_not_pooled(tmp_path):
    runs = [a_run(tmp_path, name, {ALIKE: 1.2, APART: 1.3}) for name in "abc"]
    text, _ = merged(tmp_path, *runs)
    assert "compared in all 3 sessions on this machine" in text
    assert "n 30" not in text
    assert "| 30 |" not in text.split("## Machines")[0]


def test_machines_made_from_one_image_are_two(tmp_path):
    """Their name is the same, and so is its digest; their processors are not."""
    one = a_run(tmp_path, "a", {ALIKE: 1.2, APART: 1.3})
    two = a_run(tmp_path, "b", {ALIKE: 1.5, APART: 1.2}, cpu_model="Another CPU", cpus=16)
    text, _ = merged(tmp_path, one, two)
    assert "on both machines" in text
    assert "this machine" not in text


def test_what_differs_between_the_machines_is_marked(tmp_path):
    one = a_run(tmp_path, "a", {ALIKE: 1.2, APART: 1.3})
    two = a_run(tmp_path, "b", {ALIKE: 1.2, APART: 1.3}, "two", gpu="Example GPU")
    text, _ = merged(tmp_path, one, two)
    assert "| GPU | – | Example GPU | differs |" in text
    assert "| CPUs | 2 | 2 | alike |" in text
    assert "| pytorch | pytorch 2.0 | pytorch 2.0 | alike |" in text


def test_a_copy_is_taken_once_and_said(tmp_path, capsys):
    one, two = (a_run(tmp_path, name, {ALIKE: 1.2, APART: 1.3}) for name in "ab")
    shutil.copytree(one, tmp_path / "copy")
    text, _ = merged(tmp_path, one, two, str(tmp_path / "copy"), two)
    assert "Environment 3" not in text
    said = capsys.readouterr().err
    assert "copy is a copy of" in said
    assert "is given 2 times; it is taken once" in said


def test_an_earlier_state_of_a_run_beside_it_is_refused(tmp_path, capsys):
    one = a_run(tmp_path, "a", {ALIKE: 1.2, APART: 1.3})
    shutil.copytree(one, tmp_path / "early")
    next((tmp_path / "early/records").iterdir()).unlink()
    assert main(["merge", one, str(tmp_path / "early"), "--out", str(tmp_path / "out")]) == USAGE
    assert "give the fuller one alone" in capsys.readouterr().err


def test_runs_of_one_name_on_two_machines_are_two(tmp_path):
    one = a_run(tmp_path / "x", "a", {ALIKE: 1.2, APART: 1.3})
    two = a_run(tmp_path / "y", "a", {ALIKE: 1.2, APART: 1.3}, "two")
    text, _ = merged(tmp_path, one, two)
    assert "# Environment 2: run a" in text


def test_report_takes_one_run_and_merge_two(tmp_path, capsys):
    one = a_run(tmp_path, "a", {ALIKE: 1.2, APART: 1.3})
    assert main(["merge", one, one, "--out", str(tmp_path / "out")]) == USAGE
    assert "`report` is for one" in capsys.readouterr().err
    assert main(["merge", one, a_run(tmp_path, "b", {ALIKE: 1, APART: 1}), "--out", "/proc/nowhere"]) == NOT_WRITABLE
    with pytest.raises(SystemExit):
        main(["report", one, one])
    with pytest.raises(SystemExit):
        main(["merge", one, one])
    assert main(["report", one]) == OK
    assert "Side by side" not in (tmp_path / "a/report.md").read_text()


def test_hostile_strings_stay_text_side_by_side(tmp_path):
    odd = dataclasses.replace(TF, variant=NASTY)
    slower = {ALIKE: 1.2, APART: 1.3}
    runs = [a_run(tmp_path, name, slower, name * 8, pair=(TORCH, odd), cpu_model=NASTY) for name in "ab"]
    text, page = merged(tmp_path, *runs)
    table = text.split("## Side by side")[1].split("# Env")[0]
    for shown in (table, page):
        assert not re.search("<img|<script>|\x1b|\u202e", shown)
    rows = [line for line in table.splitlines() if " compared with " in line]
    assert [len(re.split(r"(?<!\\)\|", row)) for row in rows] == [8, 8]
    assert page.split('id="side"')[1].split("</section>")[0].count(" data-case=") == 2, "the page's filter finds them"


def test_an_open_verdict_is_no_agreement(tmp_path):
    one = a_run(tmp_path, "a", {ALIKE: 1.2}, "one", (ALIKE,))
    run = make_run([planned(ALIKE, [TORCH, TF], 2)], run_id="b")
    few = write_folder(tmp_path / "b", run, scheduled(run, lambda _, who: 0.06 if who == TF else 0.05))
    text, _ = merged(tmp_path, one, str(few))
    assert "1 case compared on both machines: at least one verdict is missing in 1." in text
    assert "no verdict: too few blocks" in text.split("## Side by side")[1].split("# Env")[0]
