"""What others published: the figures that must come out of it, and what is said of a file that is not in its form."""

import os
import re

import pytest

from aggregator.cli import main
from aggregator.commands.shared import OK, USAGE
from aggregator.published.ratios import step_tables
from aggregator.published.step_csv import COLUMNS, NETWORKS, read
from aggregator.published.step_times import kept, kept_source
from runners.reference.layers import CLASSES, SIZES

HEAD = ";".join(COLUMNS)
GOOD = "0;tf1;resnet18;(128, 128, 3);1;train;0;0.5;4679.0"
FRAMEWORKS = ["tf1", "tf2", "pytorch"]
MEANS = {
    ("train", "gpu"): {("tf1", "tf2"): (1.11, 50), ("tf1", "pytorch"): (1.42, 50), ("tf2", "pytorch"): (1.23, 62)},
    ("infer", "cpu"): {("tf1", "tf2"): (1.07, 84), ("tf1", "pytorch"): (0.78, 84), ("tf2", "pytorch"): (0.73, 84)},
}
MISSING = {("train", "gpu"): [34, 21, 17], ("infer", "cpu"): [0, 0, 0]}


def in_their_form(workload):
    """The kept figures of one workload as their source wrote them."""
    theirs = {ours: name for name, ours in NETWORKS.items()}
    rows = [HEAD]
    for setting, times in kept().items():
        side, mode = setting.input_size, {"train": "train;0", "infer": "inference_cpu;"}[setting.workload]
        network = theirs.get(setting.network, setting.network)
        for time in times.values() if setting.workload == workload else ():
            seconds, memory = ("-" if value is None else repr(value) for value in (time.seconds, time.memory_mb))
            cell = f"{network};({side}, {side}, 3);{setting.batch_size};{mode};{seconds};{memory}"
            rows.append(f"{len(rows) - 1};{time.framework};{cell}")
    return "\n".join(rows) + "\n"


def written(folder, text, name="times.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table_below(text, caption, where):
    """The rows of the table with this caption, under the heading that starts with `where`."""
    section = text.split(f"## {where}")[1].split("\n## ")[0]
    lines = section.split(caption)[1].strip().split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_published_ratios_come_out_of_the_kept_figures():
    found = {(table.workload, table.device): table for table in step_tables(kept())}
    assert found.keys() == MEANS.keys()
    for key, table in found.items():
        assert {(pair.left, pair.right): (round(pair.ratio, 2), pair.cells) for pair in table.pairs} == MEANS[key]
        assert [table.missing(name) for name in FRAMEWORKS] == MISSING[key]
        assert len(table.cells) == 84


def test_the_kept_figures_are_in_seconds_and_megabytes_and_of_networks_that_we_have():
    # Spot checks against what the source says in its text, in MB, and in its first row, in seconds.
    memory = {
        (s.network, s.input_size, name): t.memory_mb
        for s, row in kept().items()
        for name, t in row.items()
        if (s.workload, s.batch_size) == ("train", 1)
    }
    assert [memory["resnet18", size, name] for name in ("tf1", "pytorch") for size in (128, 320)] == [
        4679,
        3911,
        1329,
        1355,
    ]
    times = [time.seconds for row in kept().values() for time in row.values() if time.seconds is not None]
    assert 0.005 < min(times) < 0.02
    assert 10 < max(times) < 20
    assert {setting.network for setting in kept()} <= set(CLASSES)
    assert all(setting.input_size in SIZES[setting.network] for setting in kept())
    assert set(kept_source().versions) == set(kept_source().ours) == set(FRAMEWORKS)


@pytest.mark.parametrize("given", [False, True])
def test_the_command_prints_means_counts_and_cells(tmp_path, capsys, given):
    files = [str(written(tmp_path, in_their_form(workload), workload)) for workload in ("train", "infer")]
    assert main(["published", *(files if given else [])]) == OK
    text = capsys.readouterr().out
    assert "one run without an interval" in text
    assert ("TensorFlow 1.15.0" in text) is not given
    for where, key in (("Training step on a GPU", ("train", "gpu")), ("Inference step on a CPU", ("infer", "cpu"))):
        means = {
            tuple(row[0].split(" ÷ ")): (float(row[1]), int(row[2]))
            for row in table_below(text, "Ratio of times.", where)
        }
        assert means == MEANS[key]
        assert [int(row[1]) for row in table_below(text, "Cells without a figure.", where)] == MISSING[key]
        rows = table_below(text, "Time of a step, and ratios of times.", where)
        assert len(rows) == 84
        assert [sum(row[column] == "–" for row in rows) for column in (3, 4, 5)] == MISSING[key]
        assert sum(row[7] == "–" for row in rows) == 84 - MEANS[key]["tf1", "pytorch"][1]
    assert ["resnet18", "128 px", "1", "19.3 ms", "18.6 ms", "10.4 ms", "1.04", "1.85", "1.78"] in table_below(
        text, "Time of a step, and ratios of times.", "Training step on a GPU"
    )
    widths = {len(line) for line in text.split("Time of a step")[1].split("\n\n")[1].splitlines()}
    assert len(widths) == 1


def test_a_file_of_their_form_gives_the_same_values_whatever_the_editor_made_of_it(tmp_path):
    text = in_their_form("train") + in_their_form("infer").split("\n", 1)[1]
    for changed in (text, "\ufeff" + text, text.replace("\n", "\r\n")):
        assert read([written(tmp_path, changed)]) == kept()


BAD = {
    "no such column": (f"{HEAD};Extra\n{GOOD};1", 1, "the columns are"),
    "empty": ("", 1, "the columns are ''"),
    "only a head": (HEAD, None, "no row after"),
    "comma": (HEAD.replace(";", ",") + "\n", 1, "the columns are"),
    "short row": (f"{HEAD}\n{GOOD}\n1;tf1;resnet18", 3, "3 columns, not 9"),
    "blank row": (f"{HEAD}\n\n{GOOD}", 2, "0 columns, not 9"),
    "second figure": (f"{HEAD}\n{GOOD}\n{GOOD}", 3, "a second figure for the cell of "),
    "quote left open": (f'{HEAD}\n0;"tf1;resnet18', 2, "unexpected end of data"),
    "huge field": (f"{HEAD}\n0;{'x' * 200_000}", 2, "field larger than"),
    "not text": (f"{HEAD}\n".encode() + b"\xff\xfe", 2, "not UTF-8"),
    "utf-16": (f"{HEAD}\n{GOOD}".encode("utf-16"), 1, "not UTF-8"),
    "too long": (" " * (4 * 2**20 + 1), None, "more than 4 MiB"),
    "many frameworks": ("\n".join([HEAD, *(GOOD.replace("tf1", f"f{n}") for n in range(9))]), None, "more than 8"),
}
FIELDS = [
    ("0.5", ["nan", "inf", "-0.5", "0", "1e999", "1e-300", "", " 0.5", "0,5", "1_0", "٣", "=1+1"], "Time "),
    ("4679.0", ["nan", "-1", "x", ""], "Memory "),
    ("(128, 128, 3)", ["(128, 224, 3)", "(128, 128, 1)", "128", "(0, 0, 3)", "(１２８, １２８, 3)"], "Input size "),
    (";1;train", [";0;train", ";-1;train", ";1.0;train", ";;train"], "Batch size "),
    ("train", ["fit", "inference_tpu", ""], "Mode "),
    ("train;0", ["inference_cpu;0", "inference_gpu;", "train;x", "train;-1"], "GPU index "),
    ("tf1", ["", "  "], "Framework is empty"),
    ("resnet18", [""], "Architecture is empty"),
]
BAD |= {
    f"{old} → {new}": (f"{HEAD}\n1;tf2{GOOD[5:]}\n{GOOD.replace(old, new, 1)}", 3, said)
    for old, values, said in FIELDS
    for new in values
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_in_the_form_is_refused_with_file_line_and_reason(tmp_path, capsys, name):
    text, line, said = BAD[name]
    path = written(tmp_path, text)
    assert main(["published", str(path)]) == USAGE
    found = capsys.readouterr()
    assert found.out == ""
    where = f"{path}, line {line}: " if line else f"{path}: "
    assert found.err.startswith(f"aggregator: {where}{said}")
    assert len(found.err.splitlines()) == 1
    assert len(found.err) < 1000


def test_a_figure_given_in_two_files_and_files_that_are_none(tmp_path, capsys):
    one, two = (written(tmp_path, f"{HEAD}\n{GOOD}\n", name) for name in ("one.csv", "two.csv"))
    assert main(["published", str(one), str(two)]) == USAGE
    assert f"{two}, line 2: a second figure for the cell of {one}, line 2" in capsys.readouterr().err
    os.mkfifo(tmp_path / "pipe")
    pipe, null = tmp_path / "pipe", "/dev/null"
    whats = {tmp_path / "none.csv": "no such file", tmp_path: "is a folder"}
    for path, what in (whats | dict.fromkeys((pipe, null), "is no regular file")).items():
        assert main(["published", str(path)]) == USAGE
        assert f"{path}: {what} (give a CSV" in capsys.readouterr().err


def test_hostile_names_stay_text_in_their_row_and_unknown_networks_keep_theirs(tmp_path, capsys):
    nasty = "|`a`<script>alert(1)</script>[x](javascript:1) @all \x1b[31m\u202e**b**"
    rows = [GOOD.replace("tf1", nasty), GOOD.replace("tf1", "jax"), GOOD.replace("resnet18", nasty + "\x07")]
    assert main(["published", str(written(tmp_path, "\n".join([HEAD, *rows])))]) == OK
    text = capsys.readouterr().out
    assert "<script" not in text
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]|@\\w|[^\\\\]`a", text)
    row = next(line for line in text.splitlines() if line.startswith("| resnet18 "))
    assert row.count("500 ms") == 2
    assert re.search(r"\| +1\.00 \|", row)
    assert sum(line.startswith("| \\|\\`a\\`&lt;script") for line in text.splitlines()) > 1
    assert main(["published", str(written(tmp_path, f"{HEAD}\n{GOOD.replace('train', nasty)}"))]) == USAGE
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", capsys.readouterr().err)


def test_frameworks_without_a_cell_in_common_have_no_ratio(tmp_path, capsys):
    rows = [GOOD, GOOD.replace("tf1", "tf2").replace("0.5", "-"), GOOD.replace("tf1", "jax").replace(";1;", ";8;")]
    assert main(["published", str(written(tmp_path, "\n".join([HEAD, *rows])))]) == OK
    text = capsys.readouterr().out
    means = table_below(text, "Ratio of times.", "Training step on a GPU")
    assert [row[1:] for row in means] == [["–", "0", "2"]] * 3
    missing = table_below(text, "Cells without a figure.", "Training step on a GPU")
    assert missing == [["tf1", "1", "2"], ["tf2", "2", "2"], ["jax", "1", "2"]]
