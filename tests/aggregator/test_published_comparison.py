"""The section that sets our ratios beside published ones: which comparisons are in it, and what it says of them."""

import dataclasses
import re

import pytest
from make_records import (
    HEALTH,
    SPDL,
    TF,
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

from aggregator.cli import main
from aggregator.commands.shared import OK, SOME_FAILED
from aggregator.report.figures import charts
from runners.harness.case import Competitor
from runners.harness.record import Status

BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>'
HEADING = "Against the published numbers"
STATIC, XLA = (Competitor("tensorflow", variant) for variant in ("graph_v1", "xla"))
SCRIPT = Competitor("pytorch", "script")
CASE = step_case("resnet18", 8, "infer", 128)
"""Published for a CPU: tf1 37.342, tf2 35.032, pytorch 37.608 ms."""
NAME = "infer · resnet18 · 128 px, batch 8"
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
    """The cells of each row of the section in report.md."""
    lines = [line for line in markdown.split(f"## {HEADING}\n")[1].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def notes(markdown):
    """The notes under its table."""
    return re.findall(r"^\d+\. (.*)$", markdown.split(f"## {HEADING}\n")[1], re.MULTILINE)


def test_our_ratio_stands_with_interval_and_blocks_beside_theirs(tmp_path):
    markdown, page = report(tmp_path / "r", [(CASE, [TORCH, TF, STATIC])])
    graph, static = rows(markdown)
    assert graph[:4] == [NAME, "CPU", "tensorflow/graph ÷ pytorch/eager", "tf2 ÷ pytorch"]
    assert static[:4] == [NAME, "CPU", "tensorflow/graph_v1 ÷ pytorch/eager", "tf1 ÷ pytorch"]
    assert (graph[7], static[7]) == ("0.93", "0.99")
    answers = markdown.split("## The answer")[1].split("\n## ")[0]
    for row in (graph, static):
        # The very figures of the answer, where TensorFlow, which is slower, stands above the line as well.
        assert re.match(r"1\.(19|20)\d*×$", row[4])
        assert any(f"{row[2]} | {NAME}" in line and " | ".join(row[4:7]) in line for line in answers.splitlines())
    text = re.sub(r"<[^>]+>", " ", page.split(f"<h2>{HEADING}</h2>")[1])
    assert re.search(rf"{graph[2]}\s+{graph[3]}\s+{graph[4]}\s+{graph[5]}\s+8\s+0\.93\s", text)
    for said in ("one run without an interval", "TensorFlow 1.15.0", "never part of a verdict", "i7-9750H", "epsilon"):
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
    assert rows(one)[0][2:4] == rows(other)[0][2:4] == rows(fast)[0][2:4]
    assert rows(other)[0][4].startswith(("1.19", "1.20"))
    assert rows(fast)[0][4].startswith(("0.59", "0.60"))


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
        (dataclasses.replace(CASE, device="gpu"), [TORCH, TF]),
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


def test_a_chosen_version_is_named_in_a_row_of_its_own(tmp_path):
    older = dataclasses.replace(TF, version="2.16.2")
    markdown, _ = report(tmp_path / "r", [(CASE, [TORCH, TF, older])])
    assert [row[2].replace("\u200b", "") for row in rows(markdown)] == [
        "tensorflow/graph ÷ pytorch/eager",
        "tensorflow@2.16.2/graph ÷ pytorch/eager",
    ]


def test_nothing_is_divided_that_the_report_does_not_compare(tmp_path):
    cases = [(CASE, [XLA, TORCH, TF])]
    for index, (more, there) in enumerate([([], False), (["--baseline", "pytorch/eager"], True)]):
        markdown, _ = report(
            tmp_path / str(index), cases, lambda record: faster(record) if record.competitor == XLA else record, more
        )
        assert (HEADING in markdown) is there


def test_a_different_scope_and_a_missing_figure_are_said_in_notes(tmp_path):
    host = dataclasses.replace(CASE, scope="transfer+compute")
    markdown, page = report(tmp_path / "r", [(CASE, [TORCH, TF]), (host, [TORCH, TF]), (NOT_FITTING, [TORCH, STATIC])])
    assert notes(markdown) == [
        "scope: the source has transfer+compute, we have compute",
        "not published: no figure in the source, which says that the step did not fit in the GPU's memory",
    ]
    assert [row[7:] for row in rows(markdown)] == [
        ["0.93", "<sup>1</sup>"],
        ["0.93", ""],
        ["–", "<sup>1 2</sup>"],
    ]
    assert rows(markdown)[2][1] == "GPU"
    assert "no figure in the source" in page


def test_ours_says_where_it_is_unsettled_and_shows_no_ratio_of_unequal_work(tmp_path):
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
    assert unequal[4:8] == ["–", "–", "7", "0.93"]
    assert re.match(r"1\.\d+×$", busy[4])
    assert absent[4:7] == ["–", "–", "–"]
    assert [text for text in notes(markdown) if text.startswith("our comparison")] == [
        f"our comparison: {verdict}; its line under The answer says why"
        for verdict in ("not comparable", "disturbed", "incomplete")
    ]
    markdown, _ = report(tmp_path / "few", [(CASE, [TORCH, TF])], blocks=1)
    assert rows(markdown)[0][4:7] == ["–", "–", "1"]
    assert "our comparison: no verdict; its line under The answer says why" in notes(markdown)


def test_each_environment_has_a_table_of_its_own(tmp_path):
    folders = []
    for name in ("one", "two"):
        run = make_run([planned(CASE, [TORCH, TF], 8)], run_id=name)
        folders.append(str(write_folder(tmp_path / name, run, scheduled(run))))
    assert main(["merge", *folders, "--out", str(tmp_path)]) == OK
    said = (tmp_path / "report.md").read_text().split(f"## {HEADING}\n")[1]
    assert re.findall(r"^Environment (\d): run (\w+) .*Ratios of step times", said, re.MULTILINE) == [
        ("1", "one"),
        ("2", "two"),
    ]


def test_hostile_strings_stay_text_in_the_section(tmp_path):
    nasty = "|</script><script>alert(1)</script>[x](javascript:1)\x1b"
    case, odd = dataclasses.replace(CASE, scope=nasty), dataclasses.replace(TF, version=nasty)
    markdown, page = report(tmp_path / "r", [(case, [TORCH, odd])])
    for text in (markdown.split(HEADING)[1], page):
        assert "<script>" not in text
        assert "\x1b" not in text
        assert "javascript:1" in text
    assert len(re.split(r"(?<!\\)\|", next(line for line in markdown.splitlines() if "tf2 ÷" in line))) == 11


def loaders(folder, case, spdl):
    """The section of a run of two loaders, SPDL taking 0.8 times as long."""
    run = make_run([planned(case, [spdl, TORCH_LOADER], 8)])
    write_folder(folder, run, scheduled(run, lambda _, who: 0.08 if who == spdl else 0.1, scatter=0.005))
    assert main(["report", str(folder)]) == OK
    markdown = (folder / "report.md").read_text()
    return markdown if HEADING in markdown else ""


def test_a_loader_stands_beside_its_published_rate_as_a_ratio_of_times(tmp_path):
    tuned = dataclasses.replace(SPDL, variant="tuned")
    markdown = loaders(tmp_path / "r", load_case("normalize", 2), tuned)
    [row] = rows(markdown)
    assert row[1:3] == ["pytorch/spdl/tuned ÷ pytorch/torch/plain", "spdl ÷ torch"]
    assert re.match(r"0\.(79|80)\d*×$", row[3])
    # Published: 487.94 images a second of torch, 658.79 of SPDL.
    assert row[5:7] == ["8", "0.74"]
    for said in ("multi_thread_preprocessing", "letterboxes", "inside the clock for torch", "3,200"):
        assert said in markdown


def test_loaders_with_settings_of_their_own_are_left_out(tmp_path):
    tuned = dataclasses.replace(SPDL, variant="tuned")
    assert not loaders(tmp_path / "a", load_case("normalize", 3), tuned)
    assert not loaders(tmp_path / "b", dataclasses.replace(load_case("normalize", 2), batch_size=16), tuned)
    assert not loaders(tmp_path / "c", load_case("normalize", 2), SPDL)
