"""The report as a whole: golden text, same bytes, hostile strings, exit codes."""

import dataclasses
import os
import random
import re
from xml.etree import ElementTree

import pytest
from make_records import (
    DATA,
    HEALTH,
    SPDL,
    TF,
    TF_FIT,
    TFDATA,
    TORCH,
    TORCH_FIT,
    TORCH_LOADER,
    failed,
    fit_case,
    load_case,
    make_records,
    make_run,
    planned,
    roof_case,
    step_case,
    write_folder,
)
from markdown_it import MarkdownIt

from aggregator import charts
from aggregator.cli import main
from aggregator.commands.shared import NOT_WRITABLE, OK, SOME_FAILED, USAGE
from runners.harness.case import Competitor
from runners.harness.record import Status, to_json
from runners.harness.run import RunState, Unavailable

HERE = os.path.dirname(__file__)
BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>'
MARKUP = "</style><script>alert(1)</script><img src=x onerror=alert(1)>"
LINKS = "@all me@x.org www.x.org https://x.org HTTP://x.org #7"
NASTY = f"\\q\\1\\g<1>{MARKUP}|`a`\n# [x](javascript:alert(1)) {LINKS} \x00\x1b[31m\u202e{{{{7*7}}}} **b**"


@pytest.fixture
def blank_figures(monkeypatch):
    """Figures cost time and depend on the machine's fonts; most tests are about the rest."""
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda *_, **__: BLANK)


def mixed_run():
    """A run that has every kind of row."""
    steps = [planned(step_case("cnn4", 8), [TORCH, TF], 8), planned(step_case("resnet18", 1, "train"), [TORCH, TF], 8)]
    loads = [planned(load_case("decode", workers), [TORCH_LOADER, SPDL, TFDATA], 8) for workers in (1, 2)]
    alone = planned(step_case("resnet50", 1), [TORCH], 8)
    alone = dataclasses.replace(alone, unavailable=[Unavailable(TF, "UNSUPPORTED", "no such network here")])
    roofs = [planned(roof_case(stage), [TORCH, TF], 8) for stage in ("product", "copy")]
    run = make_run([*steps, *loads, planned(fit_case(), [TORCH_FIT, TF_FIT], 2), alone, *roofs])
    slower = {TF: 1.2, SPDL: 1.1, TFDATA: 0.8, TF_FIT: 1.4}
    records = make_records(run, lambda _, who: 0.05 * slower.get(who, 1.0), scatter=0.006)
    return run, [spoilt(record) for record in records]


def spoilt(record):
    """Some replicates fail, some ran on a busy machine."""
    if record.case.workload == "train" and record.competitor == TF:
        return failed(record, Status.OOM, "OOM(host)", "killed for memory at 2 GiB", "allocating\nKilled")
    if record.case.workers == 2 and record.competitor == SPDL and record.block.number == 4:
        return failed(record, Status.TIMEOUT, "TIMEOUT", "no end after 600 s")
    if record.case.workers == 1 and record.block.number == 0:
        return dataclasses.replace(record, health=dataclasses.replace(HEALTH, steal_fraction=0.02))
    return record


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


def nasty_records():
    """A run in which every string of a record that can be hostile is."""
    who = Competitor(NASTY, "v" + NASTY, "l" + NASTY)
    case = dataclasses.replace(step_case(), network=NASTY, scope=NASTY)
    load = dataclasses.replace(load_case(), stage=NASTY)
    odd = dataclasses.replace(step_case(), workload=NASTY)
    plans = [planned(case, [TORCH, who], 8), planned(load, [TORCH_LOADER, who], 2), planned(odd, [TORCH, who], 2)]
    data = dataclasses.replace(DATA, id=NASTY)
    loads = [dataclasses.replace(load_case(workers=number), track=NASTY, dataset=data) for number in (1, 2)]
    plans += [planned(load, [TORCH_LOADER, who], 2) for load in loads]
    run = make_run([dataclasses.replace(plans[0], unavailable=[Unavailable(SPDL, NASTY, NASTY)]), *plans[1:]])
    run = dataclasses.replace(run, profile=NASTY, engine=NASTY, warnings=[NASTY], started_at=NASTY)
    found = []
    for record in make_records(run):
        seen = dict.fromkeys((NASTY, "workers_alive", "worker_kind", "decoder"), NASTY)
        effective = dataclasses.replace(record.effective, layout=NASTY, settings=seen)
        host = dataclasses.replace(record.host, cpu_model=NASTY, kernel=NASTY, packages={NASTY: NASTY}, commit=NASTY)
        check = dataclasses.replace(record.check, weights_digest=NASTY)
        more = {"effective": effective, "host": host, "check": check, "command": ["x", NASTY]}
        if "cold_epoch" in record.samples.stage_ns:
            ns = {name: value for name, value in record.samples.stage_ns.items() if name != "cold_epoch"}
            items = {name: record.samples.stage_items[name] for name in ns}
            samples = dataclasses.replace(record.samples, stage_ns=ns, stage_items=items)
            more |= {"samples": samples, "unknown": {"samples.stage_ns.cold_epoch": NASTY}}
        record = dataclasses.replace(record, **more)
        if record.block.number == 1 and record.competitor == who:
            record = failed(record, Status.FAILED, NASTY, NASTY, NASTY + "\n```\n~~~\n")
        found.append(record)
    return run, found


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
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("</style>") == 1
    assert "&lt;script&gt;" in page
    assert "{{7*7}}" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page)
    assert "default-src 'none'" in page


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
        assert re.search(r"\d× \| [\d.]+–[\d.]+ \| \d+ \|", row), row


@pytest.mark.usefixtures("blank_figures")
def test_missing_blocks_and_an_unfinished_run_are_said_at_the_top(tmp_path, capsys):
    run, records = mixed_run()
    kept = [record for record in records if record.competitor != TF or record.block.number < 5]
    folder = write_folder(tmp_path / "r", dataclasses.replace(run, state=RunState.RUNNING), kept)
    assert main(["report", str(folder)]) == SOME_FAILED
    top = (folder / "report.md").read_text().split("## The answer")[0]
    assert "**INCOMPLETE** Run run-1: the run did not finish" in top
    assert "12 of 124 planned replicates have no record" in top
    assert "INCOMPLETE, 5 of 8 blocks" in (folder / "report.html").read_text()
    assert capsys.readouterr().out.splitlines()[-1] == str(folder / "report.html")


@pytest.mark.usefixtures("blank_figures")
def test_what_was_not_tried_for_a_reason_is_not_missing(tmp_path):
    reason = Unavailable(TF, "NOT TRIED", "not tried (8 ran out of memory)")
    run = make_run([dataclasses.replace(planned(step_case(batch_size=16), [TORCH, TF], 2), unavailable=[reason])])
    records = [record for record in make_records(run) if record.competitor == TORCH]
    folder = write_folder(tmp_path / "r", run, records)
    assert main(["report", str(folder)]) == SOME_FAILED
    text = (folder / "report.md").read_text()
    assert "| – not tried (8 ran out of memory) | – | – |" in text
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
    assert "Of pytorch/eager alone: mkldnn True. Of tensorflow/graph alone: xla False." in text
    assert re.search(r"The same on every side: device cpu; precision fp32; .*deterministic no\.", text)
    assert "| layout | NCHW | NHWC |" in text
    assert "| device |" not in text.split("## Machines")[0]


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


@pytest.mark.usefixtures("blank_figures")
def test_several_runs_stand_apart(tmp_path):
    folders = []
    for name in ("run-1", "run-2"):
        run = make_run([planned(step_case(), [TORCH, TF], 8)], run_id=name)
        folders.append(str(write_folder(tmp_path / name, run, make_records(run))))
    assert main(["report", *folders]) == OK
    text = (tmp_path / "run-1/report.md").read_text()
    assert "# Environment 1: run run-1" in text
    assert "# Environment 2: run run-2" in text
    assert "| 16 |" not in text.split("## Machines")[0]
