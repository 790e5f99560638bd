"""Several runs in one report: side by side, never pooled, copies taken once."""

import dataclasses
import re
import shutil
from pathlib import Path

import pytest
from make_records import HEALTH, HOST, TF, TORCH, failed, make_run, planned, scheduled, step_case, write_folder

from aggregator.cli import main
from aggregator.commands.shared import NOT_WRITABLE, OK, SOME_FAILED, USAGE
from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import load_run
from aggregator.report.build import build_report
from aggregator.report.figures import charts
from aggregator.report.page import size_limits
from runners.harness.record import Status
from runners.harness.run import RunState

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


def merged(tmp_path, *runs, code=OK):
    """The text of the report's first screen, and of its page."""
    assert main(["merge", *runs, "--out", str(tmp_path / "out")]) == code
    return (tmp_path / "out/report.md").read_text(), (tmp_path / "out/report.html").read_text()


def test_the_runs_of_several_hosts_are_named_after_their_hosts(tmp_path):
    group = tmp_path / "20261129-line-hosts"
    runs = []
    for host, state in (("gpu1", RunState.COMPLETE), ("gpu2", RunState.INCOMPLETE)):
        run = dataclasses.replace(make_run([planned(ALIKE, [TORCH], 3)], run_id=f"run-of-{host}"), state=state)
        runs.append(str(write_folder(group / host, run, scheduled(run, lambda *_: 0.05))))
    assert "Environment 1: run run-of-gpu1" in merged(tmp_path, *runs, code=SOME_FAILED)[0]
    (group / "hosts.json").write_text("{}")
    text, _ = merged(tmp_path, *runs, code=SOME_FAILED)
    assert "Environment 1: run gpu1" in text
    assert "Run gpu2: the run did not finish" in text
    assert "make bench RUN=20261129-line-hosts" in text


def matrix(text):
    """The rows of the matrix in report.md, cell by cell, by the case's batch."""
    rows = text.split("### The fastest, by case and machine")[1].split("**Environment")[0].splitlines()
    cells = [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in rows if "batch" in line]
    return {one[0].rpartition("batch ")[2]: one[1:] for one in cells}


def heads(text):
    """The names of the machines above the matrix."""
    line = text.split("### The fastest, by case and machine")[1].strip().splitlines()[0]
    return line.strip("| ").split(" | ")[1:]


def answer(text):
    """The sentence above the matrix."""
    return re.split("## (?:Machines|Sessions of one machine) side by side", text)[1].split("**")[1]


def test_each_case_has_a_row_with_its_fastest_on_every_machine(tmp_path):
    one = a_run(tmp_path, "a", {ALIKE: 1.2, APART: 1.3})
    two = a_run(tmp_path, "b", {ALIKE: 1.5, APART: 0.8, ALONE: 1.1}, "two", (ALIKE, APART, ALONE), (TF, TORCH))
    text, page = merged(tmp_path, one, two)
    rows = matrix(text)
    assert list(rows) == ["1", "2", "8"]
    won = [[re.fullmatch(r"(.+) ([\d.]+)× \([\d.]+–[\d.]+, n 10\)", cell).groups() for cell in rows[at]] for at in "12"]
    assert [[name for name, _ in row] for row in won] == [
        ["pytorch (eager)"] * 2,
        ["pytorch (eager)", "tensorflow (graph)"],
    ]
    assert [[float(ratio) for _, ratio in row] for row in won] == [
        [pytest.approx(1.2, rel=0.01), pytest.approx(1.5, rel=0.01)],
        [pytest.approx(1.3, rel=0.01), pytest.approx(1.25, rel=0.01)],
    ]
    assert rows["8"][0] == "– not measured"
    assert "There is no verdict between machines, because they were not measured in pairs." in text
    assert page.index('id="side"') < page.index('id="answer"')
    assert text.index("## Machines side by side") < text.index("**Environment 1")


def test_each_cell_leads_to_its_case_on_that_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(size_limits, "MOST_AT_A_GLANCE", 1)
    runs = [a_run(tmp_path, name, {ALIKE: 1.2, APART: 1.3}, name) for name in "ab"]
    _, page = merged(tmp_path, *runs)
    links = re.findall(r'<a href="#([^"]+)"', page.split('aria-label="The fastest, by case')[1].split("</table>")[0])
    assert [link.rpartition("-")[0] for link in links] == ["outcome-1", "outcome-2", "case-1", "case-2"]
    assert all(page.count(f'id="{link}"') == 1 for link in links)


def test_why_a_machine_has_no_winner_stands_in_its_cell(tmp_path):
    cases = (ALIKE, APART, TIED, ALONE)
    one = a_run(tmp_path, "a", dict.fromkeys(cases, 1.2), "one", cases)
    run = make_run([planned(ALIKE, [TORCH, TF], 2), *(planned(case, [TORCH, TF], 8) for case in cases[1:])], run_id="b")
    other = [
        failed(record, Status.OOM, "OOM(host)", "killed at 2 GiB")
        if record.case == APART and record.competitor == TF
        else dataclasses.replace(record, health=dataclasses.replace(HEALTH, gpu_processes=2))
        if record.case == TIED and record.competitor == TF
        else record
        for record in scheduled(run, lambda case, who: 0.05 * (1.03 if case == ALONE and who == TF else 1), scatter=0.1)
    ]
    two = str(write_folder(tmp_path / "b", run, other))
    assert main(["merge", one, two, "--out", str(tmp_path / "out")]) == SOME_FAILED
    rows = matrix((tmp_path / "out/report.md").read_text())
    assert rows["1"][1].startswith("– too few blocks<sup>")
    assert rows["2"][1].startswith("– tensorflow (graph): OOM(host)<sup>")
    assert rows["4"][1].startswith("disturbed (n 8)<sup>")
    assert re.fullmatch(r"undecided: [\d.]+–[\d.]+× \(n 8\)", rows["8"][1])
    page = (tmp_path / "out/report.html").read_text()
    assert "killed at 2 GiB" in page.split('id="side"')[1].split("</section>")[0]


def test_one_sentence_says_whether_the_winner_is_the_same_everywhere(tmp_path):
    cases = (ALIKE, APART, TIED)
    one = a_run(tmp_path, "a", {ALIKE: 1.2, APART: 1.3, TIED: 1.0}, "one", cases)
    two = a_run(tmp_path, "b", {ALIKE: 1.5, APART: 0.8, TIED: 1.0, ALONE: 2}, "two", (*cases, ALONE))
    text, page = merged(tmp_path, one, two)
    assert answer(text) == (
        "pytorch (eager) is fastest on both machines in 1 of 4 cases; in 1 case the fastest differs from machine to "
        "machine; in 1 case the two fastest are equivalent on both machines; in 1 case not every machine has a "
        "measurement."
    )
    assert answer(text) in page.split('<p class="totals">')[1]
    assert "Environment 2: Inference step, 4 cases:" in text


@pytest.mark.parametrize(
    ("slower", "said"),
    [
        ((1.2, 1.3, 1.1), "On all 3 machines pytorch (eager) runs cnn4 fastest."),
        ((0.8, 0.7, 1.1), "On 2 of 3 machines tensorflow (graph) runs cnn4 fastest, on 1 pytorch (eager)."),
        ((0.8, 0.7, 1.0), "On 2 of 3 machines tensorflow (graph) runs cnn4 fastest; 1 machine shows no winner."),
        ((1.0, 1.0), "On none of 2 machines is a competitor shown to be the fastest."),
    ],
)
def test_a_single_case_is_named_in_the_sentence(tmp_path, slower, said):
    runs = [a_run(tmp_path, f"r{n}", {ALIKE: times}, f"m{n}", (ALIKE,)) for n, times in enumerate(slower)]
    loaded = [load_run(Path(run)) for run in runs]
    assert build_report(loaded, analyse(loaded)).headline[0] == said


def test_rates_of_all_machines_stand_beside_each_other(tmp_path):
    runs = [a_run(tmp_path, "a", {ALIKE: 1.2}, "one", (ALIKE,)), a_run(tmp_path, "b", {ALIKE: 0.6}, "two", (ALIKE,))]
    text, page = merged(tmp_path, *runs)
    table = text.split("## Rates on each machine")[1].split("## What differs")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if "batch" in line]
    assert [re.search(r"\((\w+ \(\w+\))\)", row[0])[1] for row in rows] == ["pytorch (eager)", "tensorflow (graph)"]
    assert all(re.fullmatch(r"[\d.]+ ± [\d.]+/s \(n 10\)", cell) for row in rows for cell in (row[1], row[2]))
    assert [float(row[3].split("×")[0]) for row in rows] == [
        pytest.approx(1.0, rel=0.01),
        pytest.approx(2.0, rel=0.01),
    ]
    assert "The ratio has no verdict" in table
    # The page's baseline is chosen within a machine; these cells have none.
    assert "data-side" not in page.split('id="side"')[1].split("</section>")[0]


def test_two_sessions_of_one_machine_are_not_pooled(tmp_path):
    runs = [a_run(tmp_path, name, {ALIKE: 1.2, APART: 1.3}) for name in "abc"]
    text, _ = merged(tmp_path, *runs)
    assert answer(text) == "pytorch (eager) is fastest in all 3 sessions in both cases."
    assert "Machines side by side" not in text
    assert "All these runs are sessions on one machine." in text
    assert heads(text) == [f"Example CPU 2 GHz, 2 CPUs, 24 GiB, run {name}" for name in "abc"]
    assert "n 30" not in text
    assert "| 30 |" not in text.split("## Machines and")[0]


def test_a_machine_has_its_digest_only_where_another_is_alike(tmp_path):
    slower = {ALIKE: 1.2, APART: 1.3}
    runs = [
        a_run(tmp_path, "a", slower),
        a_run(tmp_path, "b", slower, "two"),
        a_run(tmp_path, "c", slower, "more", gpu="Example GPU"),
    ]
    alike, gpu = "Example CPU 2 GHz, 2 CPUs, 24 GiB", "Example GPU"
    text, _ = merged(tmp_path, *runs)
    assert heads(text) == [f"{alike}, machine {'one' * 4}", f"{alike}, machine {'two' * 4}", f"{alike}, {gpu}"]


def test_blocks_on_two_types_of_node_are_two_complete_columns(tmp_path):
    """On a cluster each block runs on some node: neither type misses the blocks of the other."""
    run = make_run([planned(case, [TORCH, TF], 12) for case in (ALIKE, APART)], run_id="a")
    types = {0: {"cpu_model": "CPU A"}, 1: {"cpu_model": "CPU B", "cpus": 64}}
    records = [
        dataclasses.replace(one, host=dataclasses.replace(one.host, engine="slurm", hostname_digest=digest, **kind))
        for one in scheduled(run, lambda _, who: 0.05 * (1.2 if who == TF else 1), scatter=0.004)
        for digest, kind in [(f"{one.block.number}" * 6, types[one.block.number % 2])]
    ]
    assert main(["report", str(write_folder(tmp_path / "a", run, records))]) == OK
    text = (tmp_path / "a/report.md").read_text()
    assert answer(text) == "pytorch (eager) is fastest on both machines in both cases."
    assert sorted(heads(text)) == ["CPU A, 2 CPUs, 24 GiB", "CPU B, 64 CPUs, 24 GiB"]
    assert all(", n 6)" in cell for row in matrix(text).values() for cell in row)
    assert "On a cluster, a machine is a type of node." in text
    assert "nodes of a cluster: CPU A, 2 CPUs, 24 GiB" in text
    assert "INCOMPLETE" not in text


def test_machines_made_from_one_image_are_two(tmp_path):
    """Their name is the same, and so is its digest; their processors are not."""
    one = a_run(tmp_path, "a", {ALIKE: 1.2, APART: 1.3})
    two = a_run(tmp_path, "b", {ALIKE: 1.5, APART: 1.2}, cpu_model="Another CPU", cpus=16)
    text, _ = merged(tmp_path, one, two)
    assert "on both machines" in answer(text)


def test_what_differs_between_the_machines_is_marked(tmp_path):
    one = a_run(tmp_path, "a", {ALIKE: 1.2, APART: 1.3})
    two = a_run(tmp_path, "b", {ALIKE: 1.2, APART: 1.3}, "two", gpu="Example GPU")
    text, _ = merged(tmp_path, one, two)
    assert "| GPU | – | Example GPU | differs |" in text
    assert "| CPUs | 2 | 2 | alike |" in text
    assert "| pytorch | pytorch 2.0 | pytorch 2.0 | alike |" in text
    assert "Every framework has the same version everywhere." in text


def test_versions_that_differ_are_said_beside_the_matrix(tmp_path):
    folders = [a_run(tmp_path, name, {ALIKE: 1.2, APART: 1.3}, name) for name in "ab"]
    for path in (tmp_path / "b/records").iterdir():
        path.write_text(path.read_text().replace('"tensorflow": "2.0"', '"tensorflow": "2.1"'))
    text, _ = merged(tmp_path, *folders)
    name = "Example CPU 2 GHz, 2 CPUs, 24 GiB, machine"
    said = f"Versions differ. tensorflow: tensorflow 2.0 on {name} aaaa, tensorflow 2.1 on {name} bbbb."
    assert said in text.split("**Environment 1")[0]


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
    assert "# Environment 2: run a on Example CPU 2 GHz, 2 CPUs, 24 GiB, machine twotwotwotwo, venv" in text


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
    assert "Machines side by side" not in (tmp_path / "a/report.md").read_text()


def test_hostile_strings_stay_text_side_by_side(tmp_path):
    odd = dataclasses.replace(TF, variant=NASTY)
    slower = {ALIKE: 1.2, APART: 1.3}
    runs = [a_run(tmp_path, name, slower, name * 8, pair=(TORCH, odd), cpu_model=NASTY) for name in "ab"]
    text, page = merged(tmp_path, *runs)
    for shown in (text, page):
        assert not re.search("<img|<script>|\x1b|\u202e", shown)
    table = text.split("### The fastest, by case and machine")[1].split("**Environment")[0]
    assert {len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines() if line.startswith("|")} == {5}
    matrix_of_page = page.split('aria-label="The fastest, by case')[1].split("</table>")[0]
    assert matrix_of_page.count(" data-case=") == 2, "the page's filter finds them"


def test_the_same_runs_give_the_same_bytes(tmp_path):
    runs = [a_run(tmp_path, name, {ALIKE: 1.2, APART: 0.8}, name) for name in "ab"]
    assert merged(tmp_path, *runs) == merged(tmp_path, *runs)
