"""The report as a whole: golden text, same bytes, hostile strings, exit codes."""

import dataclasses
import os
import random
import re
from xml.etree import ElementTree

import pytest
from make_records import (
    TF,
    TORCH,
    failed,
    make_records,
    make_run,
    planned,
    step_case,
    write_folder,
)
from markdown_it import MarkdownIt
from whole_runs import MARKUP, mixed_run, nasty_records

from aggregator.cli import main
from aggregator.commands.shared import NOT_WRITABLE, OK, SOME_FAILED, USAGE
from aggregator.report.figures import charts
from aggregator.report.page import size_limits
from runners.harness.record import Status, to_json
from runners.harness.run import RunState, Stopping, Unavailable

HERE = os.path.dirname(__file__)
BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>'


@pytest.fixture
def blank_figures(monkeypatch):
    """Figures cost time and depend on the machine's fonts; most tests are about the rest."""
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda *_, **__: BLANK)


@pytest.mark.usefixtures("blank_figures")
def test_a_competitor_alone_has_nothing_to_compare_and_lacks_nothing(tmp_path):
    run = make_run([planned(step_case(), [TORCH], 8)])
    folder = write_folder(tmp_path / "r", run, make_records(run))
    assert main(["report", str(folder)]) == OK
    text, page = ((folder / name).read_text() for name in ("report.md", "report.html"))
    assert "Inference step, 1 case: 1 with nothing to compare." in text
    assert "| workload | cases | all sides finished | won | nothing to compare |" in text
    assert "| infer | 1 | 1 | 0 | 1 |" in text
    for shown in (text, page.split("<script")[0]):
        assert "incomplete" not in re.sub(r"<style>.*?</style>", "", shown, flags=re.DOTALL).lower()
    next((folder / "records").iterdir()).unlink()
    assert main(["report", str(folder)]) == SOME_FAILED
    assert "1 case: 1 incomplete." in (folder / "report.md").read_text()


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("first_only", [True, False])
def test_what_is_left_out_after_a_failure_is_not_missing(tmp_path, first_only):
    """The launcher tries a side that failed at first no more: one record stands for all of its blocks."""
    run = make_run([planned(step_case(), [TORCH, TF], 8)])
    records = [
        failed(record, Status.TIMEOUT, "TIMEOUT", "did not end") if record.competitor == TF else record
        for record in make_records(run)
        if not (first_only and record.competitor == TF and record.block.number)
    ]
    assert len(records) == (9 if first_only else 16)
    folder = write_folder(tmp_path / "r", run, records)
    assert main(["report", str(folder)]) == SOME_FAILED
    text = (folder / "report.md").read_text()
    assert "have no record" not in text
    assert "INCOMPLETE, 0 of 8 blocks (TIMEOUT)" in text
    next(path for path in (folder / "records").iterdir() if '"status": "ok"' in path.read_text()).unlink()
    assert main(["report", str(folder)]) == SOME_FAILED
    assert "1 of 16 planned replicates have no record" in (folder / "report.md").read_text()


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_the_report_is_the_golden_one(tmp_path, name):
    """After a change that is meant: LEVELFIELD_GOLDEN=write python -m pytest tests/aggregator, then read the diff."""
    folder = write_folder(tmp_path / "r", *mixed_run())
    assert main(["report", str(folder)]) == SOME_FAILED
    text = (folder / name).read_text()
    golden = os.path.join(HERE, "golden", name)
    if os.environ.get("LEVELFIELD_GOLDEN") == "write":
        with open(golden, "w") as file:
            file.write(text)
    with open(golden) as file:
        assert text == file.read()


def test_shuffled_files_give_the_same_bytes_figures_included(tmp_path):
    run, records = mixed_run()
    outputs = []
    for index in range(2):
        random.Random(index).shuffle(records)
        folder = write_folder(tmp_path / str(index), run, [])
        for number, record in enumerate(records):
            path = folder / "records" / f"{number}.json"
            path.write_bytes(to_json(record))
        main(["report", str(folder)])
        made = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "records"]
        outputs.append({path.relative_to(folder).as_posix(): path.read_bytes() for path in made})
    assert outputs[0] == outputs[1]
    assert sum(name.startswith("figures/") for name in outputs[0]) > 10


@pytest.fixture(scope="module")
def nasty_report(tmp_path_factory):
    """The hostile run's report, drawn for real: a control character would kill the drawing process."""
    run, records = nasty_records()
    folder = write_folder(tmp_path_factory.mktemp("nasty") / "r", run, records)
    assert main(["report", str(folder)]) == SOME_FAILED
    return folder


def test_hostile_strings_stay_on_their_line_elsewhere(nasty_report, tmp_path, capsys):
    main(["audit", str(nasty_report)])
    main(["aa", str(nasty_report)])
    main(["export", str(nasty_report), "--out", str(tmp_path)])
    said = capsys.readouterr()
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", said.out + said.err)
    assert all(re.match(r"ok|–|FAILED|  |/", line) for line in said.out.splitlines())
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*"))


def test_hostile_strings_stay_text_in_the_page(nasty_report):
    page = (nasty_report / "report.html").read_text()
    assert re.findall("<script[^>]*>", page) == [
        '<script type="application/json" id="data">',
        '<script type="application/json" id="samples">',
        '<script type="module">',
    ]
    assert page.count("</script>") == 3
    assert "<img" not in page
    assert page.count("</style>") == 1
    assert "&lt;script&gt;" in page
    assert "{{7*7}}" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page)
    assert "default-src 'none'; script-src 'sha256-" in page


def test_hostile_strings_stay_text_in_figures(nasty_report):
    drawn = list((nasty_report / "figures").glob("*.svg"))
    assert drawn
    for path in drawn:
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
        assert not tags & {"script", "img", "image", "a", "foreignObject", "style"}, path


def test_hostile_strings_stay_text_in_markdown(nasty_report):
    text = (nasty_report / "report.md").read_text()
    parsed = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    tokens = [child for token in parsed for child in (token.children or [token])]
    html = [token.content for token in tokens if token.type in ("html_inline", "html_block")]
    assert {tag for tag in html if not re.fullmatch(r"</?sup>", tag)} == set()
    targets = [
        str(token.attrGet("href") or token.attrGet("src")) for token in tokens if token.type in ("link_open", "image")
    ]
    assert {target.split("/")[0] for target in targets} == {"figures"}
    plain = "".join(token.content for token in tokens if token.type == "text")
    assert MARKUP in plain
    # What a forge links by itself, it finds in the text as shown: wherever that is not code, it must be broken.
    assert "@\u200ball" in plain
    assert re.findall(r"(?i)@\w+|www\.\w|\w://\w|\w@\w|#\d", plain) == []


@pytest.mark.usefixtures("blank_figures")
def test_no_ratio_without_interval_and_blocks(tmp_path):
    folder = write_folder(tmp_path / "r", *mixed_run())
    main(["report", str(folder)])
    rows = re.findall(r"^\| .*×.*\|$", (folder / "report.md").read_text(), re.MULTILINE)
    assert rows
    for row in rows:
        assert re.search(r"\d× (\| [\d.]+–[\d.]+ \| \d+ \||\([\d.]+–[\d.]+, n \d)", row), row


@pytest.mark.usefixtures("blank_figures")
def test_missing_blocks_and_an_unfinished_run_are_said_at_the_top(tmp_path, capsys):
    run, records = mixed_run()
    kept = [record for record in records if record.competitor != TF or record.block.number < 5]
    folder = write_folder(tmp_path / "r", dataclasses.replace(run, state=RunState.RUNNING), kept)
    assert main(["report", str(folder)]) == SOME_FAILED
    top = (folder / "report.md").read_text().split("## All comparisons")[0]
    assert "**INCOMPLETE** Run run-1: the run did not finish" in top
    assert "to go on: make bench RUN=run-1\n" in top
    assert "9 of 124 planned replicates have no record" in top
    assert "INCOMPLETE, 5 of 8 blocks" in (folder / "report.html").read_text()
    assert capsys.readouterr().out.splitlines()[-1] == str(folder / "report.html")


@pytest.mark.usefixtures("blank_figures")
def test_a_run_whose_time_was_up_says_that_more_of_it_is_needed(tmp_path):
    run, records = mixed_run()
    run = dataclasses.replace(run, state=RunState.INCOMPLETE, budget_seconds=1800.0)
    folder = write_folder(tmp_path / "r", run, records)
    assert main(["report", str(folder)]) == SOME_FAILED
    assert "to go on: make bench RUN=run-1 BUDGET=…, longer than it had" in (folder / "report.md").read_text()


@pytest.mark.usefixtures("blank_figures")
def test_a_run_whose_planned_blocks_nothing_cuts_needs_no_other_time(tmp_path):
    run, records = mixed_run()
    stopping = Stopping(30, 2, 0.02)
    run = dataclasses.replace(run, state=RunState.INCOMPLETE, stopping=stopping, budget_seconds=1800.0, settings={})
    folder = write_folder(tmp_path / "r", run, records)
    assert main(["report", str(folder)]) == SOME_FAILED
    text = (folder / "report.md").read_text()
    assert "to go on: make bench RUN=run-1\n" in text
    assert "Further blocks were to end within 30 min of measuring." in text


@pytest.mark.usefixtures("blank_figures")
def test_what_was_not_tried_for_a_reason_is_not_missing(tmp_path):
    reason = Unavailable(TF, "NOT TRIED", "not tried (8 ran out of memory)")
    run = make_run([dataclasses.replace(planned(step_case(batch_size=16), [TORCH, TF], 2), unavailable=[reason])])
    records = [record for record in make_records(run) if record.competitor == TORCH]
    folder = write_folder(tmp_path / "r", run, records)
    assert main(["report", str(folder)]) == SOME_FAILED
    text = (folder / "report.md").read_text()
    assert "| – not tried (8 ran out of memory) | – |" in text
    assert "have no record" not in text


@pytest.mark.usefixtures("blank_figures")
def test_failures_are_dashes_with_a_reason_and_a_log(tmp_path):
    folder = write_folder(tmp_path / "r", *mixed_run())
    main(["report", str(folder)])
    page = (folder / "report.html").read_text()
    assert "– OOM(host)" in page
    assert "killed for memory at 2 GiB (8 of 8 replicates)" in page
    assert "allocating\nKilled" in page
    assert "– UNSUPPORTED" in page


@pytest.mark.usefixtures("blank_figures")
def test_a_long_list_of_failures_ends_with_how_many_more_there_are(tmp_path, monkeypatch, capsys):
    folder = write_folder(tmp_path / "r", *mixed_run())
    for number in range(4):
        (folder / f"records/broken-{number}.json").write_text("{")
    main(["report", str(folder)])
    whole, told = (folder / "report.md").read_text(), capsys.readouterr().err
    failures = len(re.findall(r"^- \*\*(?!quarantined)", whole.split("## Failures")[1], re.M))
    monkeypatch.setattr(size_limits, "MOST_LISTED", 3)
    main(["report", str(folder)])
    assert capsys.readouterr().err == told
    for name in ("report.md", "report.html"):
        text = (folder / name).read_text()
        assert f"Not listed: {failures - 3} further failures and 1 further quarantined file." in text
        assert "broken-2.json" in text
        assert "broken-3.json" not in text


@pytest.mark.usefixtures("blank_figures")
def test_long_lists_of_comparisons_are_folded_by_workload(tmp_path):
    for number, is_open in ((30, True), (31, False)):
        cases = [
            step_case("cnn4", batch, workload) for workload in ("train", "infer") for batch in range(1, number + 1)
        ]
        run = make_run([planned(case, [TORCH, TF], 2) for case in cases])
        folder = write_folder(tmp_path / str(number), run, make_records(run))
        assert main(["report", str(folder)]) == OK
        page = (folder / "report.html").read_text()
        groups = re.findall(r'<details class="group"( open)?><summary>(.*?)</summary>', page)
        opened = " open" if is_open else ""
        assert groups == [
            (opened, f"Training step: {number} comparisons"),
            (opened, f"Inference step: {number} comparisons"),
        ]


@pytest.mark.usefixtures("blank_figures")
def test_a_case_tells_settings_that_differ_apart_from_those_that_do_not(tmp_path):
    run = make_run([planned(step_case(), [TORCH, TF], 2)])
    records = []
    for record in make_records(run):
        own = {"mkldnn": "True"} if record.competitor == TORCH else {"xla": "False"}
        layout = "NCHW" if record.competitor == TORCH else "NHWC"
        effective = dataclasses.replace(record.effective, layout=layout, settings={**own, "deterministic": "no"})
        records.append(dataclasses.replace(record, effective=effective))
    folder = write_folder(tmp_path / "r", run, records)
    assert main(["report", str(folder)]) == OK
    text = (folder / "report.md").read_text()
    assert "Only pytorch (eager): mkldnn True. Only tensorflow (graph): xla False." in text
    assert re.search(r"The same on every side: device cpu; precision fp32; .*deterministic no\.", text)
    assert "| layout | NCHW | NHWC |" in text
    assert "| device |" not in text.split("## Machines")[0]


def every_figure(folder):
    return {path.name for path in (folder / "figures").iterdir()}


@pytest.mark.usefixtures("blank_figures")
def test_no_figure_of_an_earlier_report_is_left(tmp_path):
    many = [write_folder(tmp_path / str(index), *one) for index, one in enumerate((mixed_run(), nasty_records()))]
    small = make_run([planned(step_case("mlp", 3), [TORCH, TF], 2)], run_id="small")
    few, out = write_folder(tmp_path / "few", small, make_records(small)), tmp_path / "out"
    (out / "figures").mkdir(parents=True)
    own = {"mine.svg", "relative-time.svg", "samples-case-1-a93afb9f43.png", "fit-history.svg.bak"}
    for name in own:
        (out / "figures" / name).write_text("mine")
    (out / "figures/peak-memory-fit.svg").symlink_to(out / "figures/mine.svg")
    main(["merge", *map(str, many), "--out", str(out)])
    assert len(every_figure(out)) > 20 + len(own)
    assert main(["report", str(few), "--out", str(out)]) == OK
    assert main(["report", str(few)]) == OK
    assert every_figure(out) - own - {"peak-memory-fit.svg"} == every_figure(few)
    assert own < every_figure(out)
    assert (out / "figures/peak-memory-fit.svg").is_symlink()


@pytest.mark.usefixtures("blank_figures")
def test_a_link_in_the_place_of_the_figures_is_not_followed(tmp_path, capsys):
    run = make_run([planned(step_case(), [TORCH, TF], 2)])
    folder, elsewhere = write_folder(tmp_path / "r", run, make_records(run)), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "figures").symlink_to(elsewhere)
    assert main(["report", str(folder)]) == NOT_WRITABLE
    assert "figures in it is a link, which is not followed" in capsys.readouterr().err
    assert list(elsewhere.iterdir()) == []
    assert not (folder / "report.md").exists()


@pytest.mark.usefixtures("blank_figures")
def test_exit_codes(tmp_path, capsys):
    run = make_run([planned(step_case(), [TORCH, TF], 2)])
    folder = write_folder(tmp_path / "r", run, make_records(run))
    assert main(["report", str(folder), "--out", str(tmp_path / "out")]) == OK
    assert (tmp_path / "out/report.html").is_file()
    (folder / "records/bad.json").write_text("{")
    assert main(["report", str(folder)]) == SOME_FAILED
    assert main(["report", str(folder), "--baseline", "tensorflow/grap"]) == USAGE
    assert "did you mean tensorflow/graph?" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "none")]) == USAGE
    assert main(["report", str(folder), "--out", "/proc/nowhere"]) == NOT_WRITABLE
    (tmp_path / "file").write_text("")
    assert main(["report", str(folder), "--out", str(tmp_path / "file")]) == NOT_WRITABLE
