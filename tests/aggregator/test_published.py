"""What others published: the numbers that must come out of it, and what is said of a file that is not in its form."""

import dataclasses
import os
import re

import pytest

from aggregator.cli import main
from aggregator.commands.shared import NOT_WRITABLE, OK, USAGE
from aggregator.published.figure import published_figure
from aggregator.published.numbers import read, stored
from aggregator.published.source import FIT, LOAD, SOURCES, STEPS
from aggregator.read.run_folder import CannotReport
from aggregator.report.figures import charts
from aggregator.report.figures.style import Palette
from runners.reference.layers import CLASSES, SIZES

BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>'
HEAD = ";Framework;Architecture;Input size;Batch size;Mode;GPU index;Time;Memory"
GOOD = "0;tf1;resnet18;(128, 128, 3);1;train;0;0.5;4679.0"
PARTS = {
    "Training step, GPU": ((0.71, 50), (0.81, 62), (1.11, 50)),
    "Inference step, GPU": ((0.99, 84), (0.80, 84), (0.81, 84)),
    "Inference step, CPU": ((1.28, 84), (1.37, 84), (1.07, 84)),
}
"""How many times as fast tf1 and tf2 are as pytorch, and tf2 as tf1, and over how many cells."""


def written(folder, text, name="times.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def tables(text, where):
    """The rows of each table below the heading `where`."""
    section = re.split(rf"^#+ {where}$", text, flags=re.MULTILINE)[1].split("\n#")[0]
    blocks = [block.splitlines()[2:] for block in section.split("\n\n") if block.startswith("| ")]
    return [[[cell.strip() for cell in line.strip("|").split(" | ")] for line in block] for block in blocks]


def printed(capsys, *arguments):
    assert main(["published", *map(str, arguments)]) == OK
    return capsys.readouterr().out


def test_the_stored_numbers_are_of_networks_and_sizes_that_we_have():
    steps, fit, load = stored()
    assert set(steps.rows["network"]) <= set(CLASSES)
    assert all(int(row.input_size) in SIZES[row.network] for row in steps.rows.itertuples())
    assert 0.002 < steps.rows["time"].min() < 0.005
    assert 10 < steps.rows["time"].max() < 20
    assert (len(steps.table), len(fit.table), len(load.table)) == (252, 31, 24)
    for numbers in stored():
        assert set(numbers.frameworks) == set(numbers.source.ours)


def test_every_part_of_every_source_has_its_ratios_in_one_direction(capsys):
    text = printed(capsys)
    assert "one run and has no interval" in text
    for where, (tf1, tf2, newer) in PARTS.items():
        means, grid = tables(text, where)
        assert [(row[0], float(row[1]), int(row[2])) for row in means] == [
            ("tf1 vs pytorch", *tf1),
            ("tf2 vs pytorch", *tf2),
            ("tf2 vs tf1", *newer),
        ]
        assert len(grid) == 84
    means, grid = tables(text, "CPU, augmented")
    assert means == [["TensorFlow vs PyTorch", "1.11", "3", "2.32", "3", "13"]]
    # 1301 s of PyTorch with five workers beside 1151 s of TensorFlow, which chose its own number of threads.
    assert ["32", "5", "yes", "1301 s", "–", "1.13", "6 s", "–", "2.00"] in grid
    assert ["32", "its own", "yes", "–", "1151 s", "–", "–", "3 s", "–"] in grid
    means, grid = tables(text, "Data loaders")
    assert means == [["spdl vs torch", "1.47", "24", "24"]]
    assert ["transfer", "32", "607", "2669", "4.40"] in grid


def test_memory_stands_beside_the_times_of_a_gpu(capsys):
    text = printed(capsys)
    row = ["resnet18", "128 px", "1", "19.3 ms", "18.6 ms", "10.4 ms", "0.54", "0.56", "4679", "4883", "1329"]
    assert row in tables(text, "Training step, GPU")[1]
    assert len(tables(text, "Inference step, GPU")[1][0]) == 11
    assert len(tables(text, "Inference step, CPU")[1][0]) == 8
    assert "memory of the process on the GPU at its end" in text
    assert "tf1 34 of 84, tf2 21 of 84, pytorch 17 of 84" in text
    widths = {len(line) for line in text.split("tf1 34 of 84")[1].split("\n\n")[1].splitlines()}
    assert len(widths) == 1


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_cell_is_a_positive_number_or_the_mark_for_none(tmp_path, source):
    lines = source.paths[0].read_text().splitlines()[:2]
    places = [lines[0].split(source.separator).index(value.heading) for value in source.values]
    for place in places:
        for wrong in ("0", "-1", "nan", "inf", "", " 1", "1e999", "1,5", "x", "NA", "None", "--"):
            cells = lines[1].split(source.separator)
            cells[place] = wrong
            path = written(tmp_path, "\n".join([lines[0], source.separator.join(cells)]))
            with pytest.raises(CannotReport, match=r"line (1|2): |Expected \d fields"):
                read(source, [path])
        if source.none:
            cells[place] = source.none
            path = written(tmp_path, "\n".join([lines[0], source.separator.join(cells)]))
            assert read(source, [path]).rows[source.values[places.index(place)].name].isna().all()


@pytest.mark.parametrize(
    ("source", "old", "new"), [(FIT, ",0,False", ",-1,False"), (FIT, "False", "maybe"), (LOAD, "decode+resize", "crop")]
)
def test_a_setting_that_is_not_of_the_form_is_refused(tmp_path, source, old, new):
    path = written(tmp_path, source.paths[0].read_text().replace(old, new))
    with pytest.raises(CannotReport, match=r"line 2: .* is not "):
        read(source, [path])


@pytest.mark.parametrize("change", ["\ufeff{}", "\r\n"])
def test_their_files_give_the_same_numbers_whatever_the_editor_made_of_them(tmp_path, capsys, change):
    texts = [path.read_text() for path in STEPS.paths]
    texts = [change.format(text) if "{}" in change else text.replace("\n", change) for text in texts]
    paths = [written(tmp_path, text, f"{index}.csv") for index, text in enumerate(texts)]
    assert read(STEPS, paths).rows.equals(stored()[0].rows)
    text = printed(capsys, *paths)
    assert "TensorFlow 1.15.0" not in text
    assert all(tables(text, where) == tables(printed(capsys), where) for where in PARTS)


BAD = {
    "no such column": (f"{HEAD};Extra\n{GOOD};1", "line 1: the columns are"),
    "empty": ("", "No columns to parse"),
    "only a head": (HEAD, "no row after"),
    "comma": (HEAD.replace(";", ",") + "\n", "line 1: the columns are"),
    "short row": (f"{HEAD}\n{GOOD}\n1;tf1;resnet18", "line 3: Input size '' is not"),
    "long row": (f"{HEAD}\n{GOOD}\n{GOOD};1", "Error tokenizing data. C error: Expected 9 fields in line 3, saw 10"),
    "blank row": (f"{HEAD}\n\n{GOOD}", "line 2: Framework '' is not"),
    "second number": (f"{HEAD}\n{GOOD}\n{GOOD}", "line 3: a second number for the cell of "),
    "quote left open": (f'{HEAD}\n0;"tf1;resnet18', "line 2: Input size '' is not"),
    "not text": (f"{HEAD}\n".encode() + b"\xff\xfe", "'utf-8' codec can't decode"),
    "utf-16": (f"{HEAD}\n{GOOD}".encode("utf-16"), "'utf-8' codec can't decode"),
    "too long": (" " * (4 * 2**20 + 1), "more than 4 MiB"),
    "many frameworks": ("\n".join([HEAD, *(GOOD.replace("tf1", f"f{n}") for n in range(9))]), "more than 8"),
}
FIELDS = [
    ("0.5", ["nan", "inf", "-0.5", "0", "1e999", "1e-300", "", " 0.5", "0,5", "1_0", "٣", "=1+1"], "Time "),
    ("4679.0", ["nan", "-1", "0", "x", ""], "Memory "),
    ("(128, 128, 3)", ["(128, 224, 3)", "(128, 128, 1)", "128", "(0, 0, 3)", "(１２８, １２８, 3)"], "Input size "),
    (";1;train", [";0;train", ";-1;train", ";1.0;train", ";;train"], "Batch size "),
    ("train", ["fit", "inference_tpu", ""], "Mode "),
    ("train;0", ["inference_cpu;0", "inference_gpu;", "train;x", "train;-1"], "GPU index "),
    ("tf1", ["", "  "], "Framework "),
    ("resnet18", [""], "Architecture "),
]
BAD |= {
    f"{old} → {new}": (f"{HEAD}\n1;tf2{GOOD[5:]}\n{GOOD.replace(old, new, 1)}", f"line 3: {said}")
    for old, values, said in FIELDS
    for new in values
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_in_the_form_is_refused_with_file_line_and_reason(tmp_path, capsys, name):
    text, said = BAD[name]
    path = written(tmp_path, text)
    assert main(["published", str(path)]) == USAGE
    found = capsys.readouterr()
    assert found.out == ""
    assert re.match(rf"aggregator: {re.escape(str(path))}(: |, ){re.escape(said)}", found.err)
    assert len(found.err.splitlines()) == 1
    assert len(found.err) < 1000


def test_a_number_given_in_two_files_and_files_that_are_none(tmp_path, capsys):
    one, two = (written(tmp_path, f"{HEAD}\n{GOOD}\n", name) for name in ("one.csv", "two.csv"))
    assert main(["published", str(one), str(two)]) == USAGE
    assert f"{two}, line 2: a second number for the cell of {one}, line 2" in capsys.readouterr().err
    os.mkfifo(tmp_path / "pipe")
    pipe, null = tmp_path / "pipe", "/dev/null"
    whats = {tmp_path / "none.csv": "no such file", tmp_path: "is a folder"}
    for path, what in (whats | dict.fromkeys((pipe, null), "is no regular file")).items():
        assert main(["published", str(path)]) == USAGE
        assert f"{path}: {what} (give a CSV" in capsys.readouterr().err


NASTY = "|`a`<script>alert(1)</script>[x](javascript:1) @all \x1b[31m\u202e**b**"


def test_hostile_names_stay_text_in_their_row_and_unknown_networks_keep_theirs(tmp_path, capsys):
    rows = [GOOD.replace("tf1", NASTY), GOOD.replace("tf1", "jax"), GOOD.replace("resnet18", NASTY + "\x07")]
    path = written(tmp_path, "\n".join([HEAD, *rows]))
    text = printed(capsys, path)
    assert "<script" not in text
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]|@\\w|[^\\\\]`a", text)
    row = next(line for line in text.splitlines() if line.startswith("| resnet18 "))
    assert row.count("500 ms") == 2
    assert re.search(r"\| +1\.00 \|", row)
    assert sum(line.startswith("| \\|\\`a\\`&lt;script") for line in text.splitlines()) == 1
    printed(capsys, path, "--out", tmp_path)
    page = (tmp_path / "published.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\x1b" not in page
    assert main(["published", str(written(tmp_path, f"{HEAD}\n{GOOD.replace('train', NASTY)}"))]) == USAGE
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", capsys.readouterr().err)


def test_frameworks_without_a_cell_in_common_have_no_ratio(tmp_path, capsys):
    rows = [GOOD, GOOD.replace("tf1", "tf2").replace("0.5", "-"), GOOD.replace("tf1", "jax").replace(";1;", ";8;")]
    text = printed(capsys, written(tmp_path, "\n".join([HEAD, *rows])))
    means, _ = tables(text, "Training step, GPU")
    assert [row[1:] for row in means] == [["–", "0", "2"]] * 3
    assert "tf1 1 of 2, tf2 2 of 2, jax 1 of 2" in text


def test_a_page_is_written_with_a_figure_for_every_part(tmp_path, capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda spec, **_: drawn.append(spec) or BLANK)
    out = tmp_path / "new"
    assert printed(capsys, "--out", out).strip() == str(out / "published.html")
    page, text = (out / "published.html").read_text(), (out / "published.md").read_text()
    figures = sorted(path.stem for path in (out / "figures").iterdir())
    assert len(figures) == len(drawn) == page.count("<figure") == 7
    assert all(f"](figures/{name}.svg)" in text for name in figures)
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|<link|@import", page)
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert re.sub(r"\n\n!\[.*\n\n.*", "", text) == printed(capsys)
    marks = [[row for row in spec["datasets"]["rows"] if row["kind"] == "mark"] for spec in drawn]
    values = {len(rows): rows for rows in marks}
    # Inference on a CPU: each of 84 cells of both, relative to PyTorch; loaders: 24 rates of both.
    assert {"tf1", "tf2"} == {row["competitor"] for row in values[168]}
    assert max(row["value"] for row in values[48]) == 3820.37
    (tmp_path / "file").touch()
    assert main(["published", "--out", str(tmp_path / "file")]) == NOT_WRITABLE


def test_a_figure_names_its_lines():
    numbers = next(numbers for numbers in stored() if numbers.source is LOAD)
    drawn = published_figure(numbers, (), Palette([("load", [(name, name) for name in numbers.frameworks])])).svg
    assert {name for name in ("torch", "spdl") if f">{name}<" in drawn} == {"torch", "spdl"}


def test_a_source_says_what_it_is_and_how_it_differs():
    assert len({source.name for source in SOURCES}) == 3
    for source in SOURCES:
        assert f"“{source.title}”" in source.remarks()[0]
        assert len(source.remarks()) > len(source.differences)
        assert source.baseline in source.ours
        assert not dataclasses.replace(source, differences={}).remarks()[0].count("\n")
