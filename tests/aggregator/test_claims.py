"""What a report may claim: no ratio without interval and n, no winner from data that allow none; what it must say."""

import dataclasses
import html
import re

import pytest
from make_records import HEALTH, TF, TORCH, make_run, planned, roof_case, scheduled, step_case, write_folder
from varied_run import varied_records, varied_run

from aggregator.cli import main
from aggregator.commands.shared import OK, SOME_FAILED
from aggregator.report.figures import charts
from runners.harness.run import Pilot, PlannedCase, RunState, Stopping, Warmup

BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>'
RULE = Stopping(most_blocks=30, every=2, half_width=0.02)
CASE = step_case()


@pytest.fixture(autouse=True)
def _blank_figures(monkeypatch):
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda *_, **__: BLANK)


def reports(folder, code=OK):
    """The text of the two reports, tags of the page as bars."""
    assert main(["report", str(folder)]) == code
    page = re.sub(r"<style>.*?</style>", "", (folder / "report.html").read_text(), flags=re.DOTALL)
    rows = re.sub(r"</t[dh]>\s*<t[dh][^>]*>", " | ", page)
    return (folder / "report.md").read_text(), html.unescape(re.sub(r"<(?!/?tr)[^>]+>", "", rows))


@pytest.mark.parametrize("stopping", [None, RULE])
def test_no_ratio_without_interval_and_n_and_no_winner_from_data_that_allow_none(tmp_path, stopping):
    run = varied_run(stopping)
    folder = write_folder(tmp_path / "r", run, varied_records(run))
    markdown, page = reports(folder, SOME_FAILED)
    for text in (markdown, page):
        ratios = list(re.finditer(r"\d×", text))
        assert len(ratios) > 10
        for found in ratios:
            around = text[max(0, found.start() - 80) : found.end() + 120]
            tail = text[found.end() : found.end() + 80]
            in_a_row = re.match(r"[ |]+[\d.]+–[\d.]+ \| \d+[ <]", tail)
            in_a_note = re.match(r" that of .*\(95 % CI [\d.]+–[\d.]+, \d+ blocks\)", tail)
            at_a_glance = re.match(r",?\d*[ (]*[\d.]+–[\d.]+, n \d+|,? baseline", tail)
            bounds = re.search(r"[\d.]+–[\d.]+$", around[:81]) and re.match(r",? n \d+", tail)
            assert in_a_row or in_a_note or at_a_glance or bounds or is_axis(around), around
    rows = [line for line in markdown.splitlines() if re.match(r"\| .* compared with .*\|$", line)]
    rows += [
        " ".join(row.split()) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL) if " compared with " in row
    ]
    verdicts = {"is faster", "equivalent", "undecided", "disturbed", "not comparable", "too few blocks", "incomplete"}
    assert {verdict for verdict in verdicts for row in rows if verdict in row} == verdicts
    for row in rows:
        claims = [verdict for verdict in verdicts if verdict in row]
        if "is faster" in row:
            assert claims == ["is faster"], row
            assert int(re.search(r"[\d.]+–[\d.]+ \| (\d+)", row)[1]) >= 3
        if "not comparable" in row or "incomplete" in row:
            assert "×" not in row
    for text in (markdown, page):
        across = text.split("Best settings:")[1].split("All comparisons")[0]
        assert "peak" in across
        assert not re.search(r"is faster|\bwins\b|equivalent", across.replace("is faster is open", ""))


def test_no_share_without_interval_and_n(tmp_path):
    pairs = [(CASE, 8), (step_case("vgg16"), 1), (roof_case("product"), 8), (roof_case("copy"), 8)]
    run = make_run([planned(case, [TORCH, TF], blocks) for case, blocks in pairs])
    markdown, page = reports(write_folder(tmp_path / "r", run, scheduled(run)))
    shares = re.findall(r"\S+ [^|]*\(?n \d\)? \| ([^|]+) \| [\d.]+ MiB", markdown + page)
    assert [bool(re.fullmatch(r"[\d.]+ ± [\d.]+ %", share)) for share in shares] == [True, True, False, False] * 2
    assert {share for share in shares if "%" not in share} == {"–"}


def is_axis(text):
    """The two ends of the page's small axis."""
    return re.search(r"\n?[\d.]+×[\d.]+×", text)


def test_runs_of_different_sessions_are_never_divided(tmp_path):
    folders = []
    for name, competitor in (("one", TORCH), ("two", TF)):
        run = make_run([planned(CASE, [competitor], 8)], run_id=name)
        folders.append(str(write_folder(tmp_path / name, run, scheduled(run))))
    assert main(["merge", *folders, "--out", str(tmp_path)]) == OK
    text = (tmp_path / "report.md").read_text()
    assert "×" not in text
    assert "is faster" not in text


def test_an_open_comparison_says_how_to_make_the_machine_quieter(tmp_path):
    run = make_run([planned(CASE, [TORCH, TF], 8)])
    busy = dataclasses.replace(HEALTH, steal_fraction=0.03)
    records = scheduled(run, lambda _, who: 0.05 * (1.03 if who == TF else 1), scatter=0.08)
    for health, said in ((busy, True), (HEALTH, False)):
        changed = [dataclasses.replace(record, health=health) for record in records]
        text, _ = reports(write_folder(tmp_path / str(said), run, changed))
        assert "undecided" in text
        assert ("To make the machine quieter: In 16 of 16 replicates the host took CPU time away" in text) is said
    clear = scheduled(run, lambda _, who: 0.05 * (2 if who == TF else 1))
    text, _ = reports(write_folder(tmp_path / "c", run, [dataclasses.replace(one, health=busy) for one in clear]))
    assert "machine quieter" not in text


def test_processes_that_give_memory_back_to_different_degrees_are_told(tmp_path):
    run = make_run([planned(CASE, [TORCH, TF], 4)])

    def faulting(record, most):
        steps = len(record.samples.step_ns)
        faults = round(steps * (most if record.block.number else 700)) if record.competitor == TORCH else 250 * steps
        return dataclasses.replace(record, health=dataclasses.replace(HEALTH, minor_faults=faults))

    for most, told in ((4000, True), (800, False)):
        records = [faulting(record, most) for record in scheduled(run)]
        text, _ = reports(write_folder(tmp_path / str(most), run, records))
        assert ("pytorch (eager): its processes had 700 to 4000 page faults per step" in text) is told
        assert "tensorflow (graph): its processes had" not in text


def test_what_pilots_found_and_how_the_run_stopped_is_told(tmp_path):
    warmups = [
        Warmup(TORCH, [Pilot(100, 11, True), Pilot(100, 6, True)], 17, 60),
        Warmup(TF, [Pilot(100, 51, False)], 77, 200),
    ]
    case = PlannedCase(CASE, [TORCH, TF], 8, warmups=warmups)
    run = dataclasses.replace(make_run([case]), stopping=RULE, extensions=[0], budget_seconds=1800.0)
    for text in reports(write_folder(tmp_path / "r", run, scheduled(run))):
        assert "before the first block, pilots fixed the warm-up of each side" in text
        assert "pytorch (eager): 17 steps of warm-up discarded, 60 or more steps kept" in text
        assert "in its pilots the warm-up took 11 of 100, 6 of 100 steps" in text
        assert "51 of 100 steps and did not end in 1 pilot" in text
        assert "blocks were added 2 at a time" in text
        assert "±2.0 %" in text
        assert "α = 0.025 for the test after every block, 0.0175 for the t test" in text
        assert "within 30 min" in text
    fixed = dataclasses.replace(run, stopping=None, extensions=[], budget_seconds=None)
    text, _ = reports(write_folder(tmp_path / "f", fixed, scheduled(fixed)))
    assert "The number of blocks was fixed beforehand; α = 0.05." in text


def test_blocks_that_were_added_count_and_a_budget_may_cut_the_last(tmp_path):
    run = dataclasses.replace(make_run([planned(CASE, [TORCH, TF], 8)]), stopping=RULE, extensions=[0, 0])
    records = scheduled(run)
    assert len(records) == 24
    text, _ = reports(write_folder(tmp_path / "a", run, records))
    assert re.search(r"[\d.]+–[\d.]+ \| 12 \|", text)
    text, _ = reports(write_folder(tmp_path / "b", run, records[:22]), SOME_FAILED)
    assert "2 of 24 planned replicates have no record" in text
    bounded = dataclasses.replace(run, budget_seconds=60.0, warnings=["the time budget of 60 s ended the run"])
    text, _ = reports(write_folder(tmp_path / "c", bounded, records[:22]))
    assert "the time budget of 60 s ended the run" in text
    assert "INCOMPLETE" not in text
    for name, cut in (("d", {"records": records[:12]}), ("e", {"state": RunState.INCOMPLETE})):
        kept = cut.pop("records", records[:22])
        assert "INCOMPLETE" in reports(write_folder(tmp_path / name, dataclasses.replace(bounded, **cut), kept), 1)[0]


def test_throughput_stands_apart_from_latency(tmp_path):
    run = make_run([planned(CASE, [TORCH, TF], 8)])
    records = []
    for record in scheduled(run):
        groups = [sum(record.samples.step_ns[index : index + 10]) // 2 for index in range(10, 80, 10)]
        fed = dataclasses.replace(record.samples, group_ns=groups, group_steps=10)
        records.append(dataclasses.replace(record, samples=fed if record.competitor == TORCH else record.samples))
    for text in reports(write_folder(tmp_path / "r", run, records)):
        assert "Time of a step: the median, with the device synchronised after every step" in text
        table = text.split("Throughput: images per second")[1][:700]
        assert re.search(r"32\d(\.\d+)? ± [\d.]+/s \(?n 8", table)
    text, _ = reports(write_folder(tmp_path / "n", run, scheduled(run)))
    assert "Throughput" not in text


def test_impossible_groups_and_slowdowns_make_a_record_invalid(tmp_path):
    run = make_run([planned(CASE, [TORCH, TF], 8)])
    records = scheduled(run)
    wrong = ({"group_ns": [5, 0], "group_steps": 2}, {"group_ns": [5]}, {"injected_slowdown": 0.5})
    for index, fields in enumerate(wrong):
        samples = dataclasses.replace(records[index].samples, **fields)
        records[index] = dataclasses.replace(records[index], samples=samples)
    text, _ = reports(write_folder(tmp_path / "r", run, records), SOME_FAILED)
    for said in ("group\\_ns.1: 0 is not", "group\\_steps: not positive", "0.5 is no slowdown"):
        assert said.replace("\\", "") in text.replace("\\", "")
