"""The section that sets our ratios beside published ones: which comparisons are in it, and what it says of them."""

import dataclasses
import re

import pytest
from make_records import (
    HEALTH,
    SPDL,
    TF,
    TFDATA,
    TORCH,
    TORCH_LOADER,
    failed,
    load_case,
    make_run,
    planned,
    scheduled,
    step_case,
    write_folder,
)
from needs import ROOT

from aggregator.cli import main
from aggregator.commands.shared import OK, SOME_FAILED
from aggregator.report.figures import charts
from launcher import cli as launcher_cli
from launcher.options import measured
from launcher.plan.draft import draft
from runners.harness.case import Competitor
from runners.harness.record import Status

BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>'
HEADING = "Against the published numbers"
STATIC, XLA = (Competitor("tensorflow", variant) for variant in ("graph_v1", "xla"))
TUNED = dataclasses.replace(SPDL, variant="tuned")
SCRIPT = Competitor("pytorch", "script")
CASE = step_case("resnet18", 8, "infer", 128)
"""Published for a CPU: tf1 37.342, tf2 35.032, pytorch 37.608 ms."""
NOT_FITTING = dataclasses.replace(step_case("resnet50", 32, "train", 224), device="gpu")
"""Published without a figure for tf1."""


@pytest.fixture(autouse=True)
def _blank_figures(monkeypatch):
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda *_, **__: BLANK)


def report(folder, cases, change=lambda record: record, more=(), code=OK, blocks=8):
    """report.md and report.html of a run of these cases, TensorFlow 1.2 times as slow as PyTorch."""
    run = make_run([planned(case, competitors, blocks) for case, competitors in cases])
    records = scheduled(run, lambda _, who: 0.06 if who.framework == "tensorflow" else 0.05, scatter=0.005)
    write_folder(folder, run, [change(record) for record in records])
    assert main(["report", str(folder), *more]) == code
    return (folder / "report.md").read_text(), (folder / "report.html").read_text()


def rows(markdown):
    """The cells of each row of the first table of the section in report.md."""
    block = markdown.split(f"## {HEADING}\n")[1].split("\n| ", 1)[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block.splitlines()[2:]]


def heads(markdown):
    """The headings of its columns, without the unseen spaces of links."""
    line = markdown.split(f"## {HEADING}\n")[1].split("\n| ", 1)[1].splitlines()[0].replace("\u200b", "")
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def notes(markdown):
    """The notes under its tables."""
    return re.findall(r"^\d+\. (.*)$", markdown.split(f"## {HEADING}\n")[1], re.MULTILINE)


def test_our_ratio_stands_with_interval_and_blocks_beside_theirs(tmp_path):
    markdown, page = report(tmp_path / "r", [(CASE, [TORCH, TF, STATIC])])
    [row] = rows(markdown)
    assert row[:5] == ["Inference step", "CPU", "resnet18", "128 px", "8"]
    names = heads(markdown)
    assert names[:5] == ["workload", "device", "network", "size", "batch"]
    assert names[5:] == [
        "tensorflow (graph) (tf2) vs pytorch (eager) (pytorch): published",
        "ours",
        "tensorflow (graph_v1) (tf1) vs pytorch (eager) (pytorch): published",
        "ours",
    ]
    # 37.608 / 35.032 and 37.608 / 37.342: how many times as fast as PyTorch they were.
    assert (row[5], row[7]) == ("1.07", "1.01")
    for ours in (row[6], row[8]):
        assert re.match(r"0\.8[34]\d*× \(0\.8\d+–0\.8\d+, n 8\)<sup>1</sup>$", ours)
    text = re.sub(r"<[^>]+>", " ", page.split(f"<h2>{HEADING}</h2>")[1])
    assert re.search(r"1\.07\s+0\.8[34]\d*×\s*1\s+0\.8\d+–0\.8\d+, n 8\s", text)
    for said in ("one run and has no interval", "TensorFlow 1.15.0", "never part of a verdict", "i7-9750H", "epsilon"):
        assert said in text
        assert said in markdown
    assert '<a href="#published">' in page


def test_the_ratio_is_turned_to_theirs_whichever_side_comes_first(tmp_path):
    one, _ = report(tmp_path / "a", [(CASE, [TORCH, TF])])
    other, _ = report(tmp_path / "b", [(CASE, [TF, TORCH])])
    fast, _ = report(
        tmp_path / "c",
        [(CASE, [TF, TORCH])],
        lambda record: faster(record) if record.competitor == TF else record,
    )
    assert rows(one)[0] == rows(other)[0]
    assert heads(one) == heads(other)
    assert rows(one)[0][6].startswith(("0.83", "0.84"))
    assert rows(fast)[0][6].startswith(("1.6", "1.7"))


def faster(record):
    """The same with steps of half the time."""
    halved = [time // 2 for time in record.samples.step_ns]
    return dataclasses.replace(record, samples=dataclasses.replace(record.samples, step_ns=halved))


@pytest.mark.parametrize(
    ("case", "competitors"),
    [
        (step_case("cnn4", 8, "infer", 128), [TORCH, TF]),
        (step_case("resnet18", 2, "infer", 128), [TORCH, TF]),
        (step_case("resnet18", 8, "train", 128), [TORCH, TF]),
        (dataclasses.replace(CASE, precision="bf16"), [TORCH, TF]),
        (CASE, [TORCH, XLA]),
        (CASE, [SCRIPT, TF]),
        (CASE, [TORCH, SCRIPT]),
        (CASE, [TF, STATIC]),
        (CASE, [dataclasses.replace(TORCH, alias=alias) for alias in "AB"]),
    ],
)
def test_what_is_not_the_same_cell_or_not_theirs_is_not_set_beside(tmp_path, case, competitors):
    for text in report(tmp_path / "r", [(case, competitors)]):
        assert HEADING not in text
        assert 'href="#published"' not in text


def test_a_chosen_version_has_columns_of_its_own(tmp_path):
    older = dataclasses.replace(TF, version="2.16.2")
    markdown, _ = report(tmp_path / "r", [(CASE, [TORCH, TF, older])])
    assert [name for name in heads(markdown) if "vs" in name] == [
        "tensorflow (graph) (tf2) vs pytorch (eager) (pytorch): published",
        "tensorflow 2.16.2 (graph) (tf2) vs pytorch (eager) (pytorch): published",
    ]


def test_sides_that_the_answer_does_not_compare_find_their_match(tmp_path):
    """The answer compares each side with the first, XLA; the ratio here is what it would be with another baseline."""
    cases, found = [(CASE, [XLA, TORCH, TF])], []
    for index, more in enumerate([[], ["--baseline", "pytorch/eager"]]):
        markdown, _ = report(tmp_path / str(index), cases, more=more)
        found.append(rows(markdown))
    assert found[0] == found[1]
    assert found[0][0][6].startswith(("0.83", "0.84"))


def test_a_different_scope_and_a_missing_number_are_said_in_notes(tmp_path):
    host = dataclasses.replace(CASE, scope="transfer+compute")
    markdown, page = report(tmp_path / "r", [(CASE, [TORCH, TF]), (host, [TORCH, TF]), (NOT_FITTING, [TORCH, STATIC])])
    assert notes(markdown) == [
        "the source has no number, and says that the step did not fit in the GPU's memory",
        "scope: the source has transfer+compute, we have compute",
    ]
    on_gpu, ours, same = rows(markdown)
    assert (on_gpu[5], ours[5], same[5]) == ("", "", "transfer+compute")
    assert on_gpu[6] == "–<sup>1</sup>"
    assert on_gpu[7].endswith("n 8)<sup>2</sup>")
    assert ours[9].endswith("n 8)<sup>2</sup>")
    assert same[9].endswith("n 8)")
    assert "the source has no number" in page


def test_ours_says_where_it_allows_no_verdict_and_shows_no_ratio_of_unequal_work(tmp_path):
    def change(record):
        if record.competitor == TF and record.case == CASE and record.block.number == 3:
            return failed(record, Status.INVALID, "NUMBERS", "logits are not finite")
        if record.case.batch_size == 16:
            return dataclasses.replace(record, health=dataclasses.replace(HEALTH, throttled_periods=7))
        if record.competitor == TF and record.case.batch_size == 32:
            return failed(record, Status.OOM, "OOM(host)", "killed")
        return record

    cases = [(step_case("resnet18", batch, "infer", 128), [TORCH, TF]) for batch in (8, 16, 32)]
    markdown, _ = report(tmp_path / "r", cases, change, code=SOME_FAILED)
    unequal, busy, absent = rows(markdown)
    assert unequal[5] == "1.07"
    assert unequal[6].startswith("–<sup>")
    assert re.match(r"0\.\d+×", busy[6])
    assert absent[6].startswith("–<sup>")
    said = [text for text in notes(markdown) if text.startswith("ours")]
    assert said[0] == "ours is not comparable: tensorflow (graph), block 3: NUMBERS: logits are not finite"
    assert said[1].startswith("ours is disturbed: ")
    assert said[2] == "ours is incomplete: no block that both sides finished"
    markdown, _ = report(tmp_path / "few", [(CASE, [TORCH, TF])], blocks=1)
    assert rows(markdown)[0][6].startswith("–<sup>")
    assert "ours has fewer than 3 blocks" in notes(markdown)


def test_a_run_of_the_profile_of_that_year_has_its_cells_beside_theirs(tmp_path):
    chosen = ["--networks", "resnet18", "--sizes", "128", "--batches", "1,8"]
    options = launcher_cli.read(["plan", "--profile", "steps-2021", *chosen], ROOT)
    plan = draft(ROOT, measured(options))
    markdown, _ = report(tmp_path / "r", [(one.case, one.competitors) for one in plan.cases])
    assert [row[2:5] for row in rows(markdown)] == [["resnet18", "128 px", batch] for batch in ("1", "8")]
    assert sorted(name for name in heads(markdown) if "vs" in name) == [
        "tensorflow (graph) (tf2) vs pytorch (eager) (pytorch): published",
        "tensorflow (graph_v1) (tf1) vs pytorch (eager) (pytorch): published",
    ]
    # 7.507 / 10.752 and 37.608 / 35.032: how many times as fast as PyTorch their tf2 was.
    assert [row[5:9:2] for row in rows(markdown)] == [["0.70", "0.87"], ["1.07", "1.01"]]
    assert not notes(markdown)


def test_our_gpu_memory_stands_beside_theirs(tmp_path):
    def change(record):
        used = dataclasses.replace(record.resources, gpu_process_peak_bytes=1500 * 2**20)
        return dataclasses.replace(record, resources=used) if record.case.device == "gpu" else record

    fits = dataclasses.replace(step_case("resnet18", 8, "train", 128), device="gpu")
    markdown, _ = report(tmp_path / "r", [(fits, [TORCH, TF]), (NOT_FITTING, [TORCH, STATIC])], change)
    section = markdown.split(f"## {HEADING}\n")[1]
    memory = next(block for block in section.split("\n\n") if "published, MB" in block)
    fitting, other = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in memory.splitlines()[2:])
    assert fitting[5:9] == ["4883", "1500 (n 8)", "1393", "1500 (n 8)"]
    assert other[5:7] == ["–", "–"]  # The source has no number for tf1, and this case has no other.
    assert other[7] == "4389"
    assert "TensorFlow took most of the GPU" in section
    markdown, _ = report(tmp_path / "cpu", [(CASE, [TORCH, TF])], change)
    assert "published, MB" not in markdown


def test_a_figure_shows_both_ratios_of_each_matching_cell(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda spec, **_: drawn.append(spec) or BLANK)
    markdown, page = report(tmp_path / "r", [(CASE, [TORCH, TF]), (NOT_FITTING, [TORCH, STATIC])])
    assert "](figures/published-steps.svg)" in markdown
    assert (tmp_path / "r/figures/published-steps.svg").exists()
    assert "Step times: published ratios and ours" in page
    [rows] = [spec["datasets"]["rows"] for spec in drawn if any(r.get("hollow") for r in spec["datasets"]["rows"])]
    ours, theirs = [row for row in rows if row["kind"] == "mark"]
    assert (ours["hollow"], theirs["hollow"]) == (False, True)
    assert ours["competitor"] == theirs["competitor"] == "tensorflow (graph)"
    assert ours["low"] < ours["value"] < ours["high"] < 1 < theirs["value"] == theirs["low"] == theirs["high"]
    assert ours["case"] == theirs["case"] == "Inference step: resnet18, CPU, 128 px, batch 8"


def test_each_environment_has_a_table_of_its_own(tmp_path):
    folders = []
    for name in ("one", "two"):
        run = make_run([planned(CASE, [TORCH, TF], 8)], run_id=name)
        folders.append(str(write_folder(tmp_path / name, run, scheduled(run))))
    assert main(["merge", *folders, "--out", str(tmp_path)]) == OK
    said = (tmp_path / "report.md").read_text().split(f"## {HEADING}\n")[1]
    assert re.findall(r"^Environment (\d): run (\w+) .*Step times\. How many", said, re.MULTILINE) == [
        ("1", "one"),
        ("2", "two"),
    ]
    assert re.findall(r"figures/([\w-]+)\.svg", said) == ["part-1-published-steps", "part-2-published-steps"]


def test_hostile_strings_stay_text_in_the_section(tmp_path):
    nasty = "|</script><script>alert(1)</script>[x](javascript:1)\x1b"
    case, odd = dataclasses.replace(CASE, scope=nasty), dataclasses.replace(TF, version=nasty)
    markdown, page = report(tmp_path / "r", [(case, [TORCH, odd])])
    for text in (markdown.split(HEADING)[1], page):
        assert "<script>" not in text
        assert "\x1b" not in text
        assert "javascript:1" in text
    assert len(re.split(r"(?<!\\)\|", next(line for line in markdown.splitlines() if "(tf2) vs" in line))) == 10


def loaders(folder, case, *spdl):
    """The section of a run of loaders, SPDL taking 0.8 times as long as torch, and tf.data half as long."""
    run = make_run([planned(case, [TFDATA, *spdl, TORCH_LOADER], 8)])
    seconds = {"spdl": 0.08, "torch": 0.1, "tfdata": 0.05, "opencv": 0.1}
    write_folder(folder, run, scheduled(run, lambda _, who: seconds[who.loader], scatter=0.005))
    assert main(["report", str(folder)]) == OK
    markdown = (folder / "report.md").read_text()
    return markdown if HEADING in markdown else ""


THEIR_QUEUE = dataclasses.replace(load_case("normalize", 2), prefetch=1)


def test_a_loader_stands_beside_its_published_rate_in_both_variants(tmp_path):
    markdown = loaders(tmp_path / "r", THEIR_QUEUE, SPDL, TUNED)
    [row] = rows(markdown)
    assert heads(markdown)[2] == "pytorch (spdl, plain) (spdl) vs pytorch (torch, plain) (torch): published"
    assert heads(markdown)[4] == "pytorch (spdl, tuned) (spdl) vs pytorch (torch, plain) (torch): published"
    # Published: 487.94 images a second of torch, 658.79 of SPDL.
    assert row[:2] == ["normalize", "2"]
    assert row[2] == row[4] == "1.35"
    for ours in (row[3], row[5]):
        assert re.match(r"1\.2[45]\d*× \(1\.2\d+–1\.2\d+, n 8\)<sup>1</sup>$", ours)
    assert notes(markdown) == ["track: the source has default, we have matched"]
    for said in ("multi_thread_preprocessing", "letterboxed", "start of torch's workers", "3,200"):
        assert said in markdown


def test_the_track_of_default_settings_is_the_sources_own(tmp_path):
    markdown = loaders(tmp_path / "r", dataclasses.replace(load_case("batch", 2, "default"), prefetch=1), SPDL)
    [row] = rows(markdown)
    assert row[:3] == ["batch", "2", "1.12"]
    assert re.match(r"1\.2[45]\d*× \(.*, n 8\)<sup>1</sup>$", row[3])
    assert notes(markdown)[-1].endswith("delivered different pixels, so no winner is named")


def test_another_prefetch_than_theirs_is_said_in_a_note(tmp_path):
    markdown = loaders(tmp_path / "r", dataclasses.replace(THEIR_QUEUE, prefetch=2), SPDL)
    assert "prefetch: the source has 1, we have 2" in notes(markdown)


def test_loaders_with_settings_of_their_own_are_left_out(tmp_path):
    assert not loaders(tmp_path / "a", load_case("normalize", 3), SPDL)
    assert not loaders(tmp_path / "b", dataclasses.replace(load_case("normalize", 2), batch_size=16), SPDL)
    assert not loaders(tmp_path / "c", load_case("normalize", 2), dataclasses.replace(SPDL, loader="opencv"))
