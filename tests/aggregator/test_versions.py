"""Two versions of one framework are two programs: compared with each other, told apart wherever they are named."""

import dataclasses
import itertools

import pytest
from make_records import HOST, TF, TORCH, make_records, make_run, planned, scheduled, step_case, write_folder

from aggregator.cli import main
from aggregator.commands.shared import OK
from aggregator.judge.analysis import analyse
from aggregator.judge.auditing.audit import audit
from aggregator.read.run_folder import LoadedRun, load_run
from aggregator.report import hosts
from aggregator.report.figures import charts
from aggregator.report.figures.style import COLOURS, Palette
from method.verdict import Verdict

OLD, NEW = (dataclasses.replace(TF, version=version) for version in ("2.16.2", "2.21.0"))
CASE = step_case()


def two_versions():
    """A run in which the newer of two versions is the faster one."""
    run = make_run([planned(CASE, [OLD, NEW], 8)])
    records = []
    for record in scheduled(run, lambda _, who: 0.05 * (1.2 if who == OLD else 1)):
        host = dataclasses.replace(HOST, packages={"tensorflow": record.competitor.version})
        records.append(dataclasses.replace(record, host=host))
    return run, records


def test_two_versions_of_a_framework_have_a_verdict():
    run, records = two_versions()
    (env,) = analyse([LoadedRun("run-1", run, tuple(records), ())])
    (found,) = env.cases[0].comparisons
    assert (found.left.label, found.right.label) == ("tensorflow@2.16.2/graph", "tensorflow@2.21.0/graph")
    assert (found.verdict, found.paired.n) == (Verdict.FASTER, 8)
    assert not found.is_self


def test_the_pinned_version_may_compete_with_a_chosen_one():
    run = make_run([planned(CASE, [TF, OLD], 8)])
    (env,) = analyse([LoadedRun("run-1", run, tuple(scheduled(run)), ())])
    assert env.cases[0].comparisons[0].verdict is Verdict.EQUIVALENT


def test_machines_and_versions_have_a_row_a_version_and_say_what_differs():
    table = hosts.software(two_versions()[1])
    assert [(row[0].text, row[1].text, row[-2].text) for row in table.rows] == [
        ("tensorflow", "2.16.2", "tensorflow 2.16.2"),
        ("tensorflow", "2.21.0", "tensorflow 2.21.0"),
    ]
    differing = hosts.differences(hosts.machines(two_versions()[1]), table)
    assert "tensorflow: packages differs (tensorflow 2.16.2 / tensorflow 2.21.0)" in differing


def test_every_way_out_keeps_them_apart(tmp_path, monkeypatch, capsys):
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>'
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda *_, **__: drawing)
    folder = write_folder(tmp_path / "r", *two_versions())
    assert len(list((folder / "records").iterdir())) == 16
    assert not any(finding.failed for finding in audit(load_run(folder)))
    assert main(["report", str(folder)]) == OK
    text = (folder / "report.md").read_text()
    assert "tensorflow 2.21.0 (graph) is faster" in text
    capsys.readouterr()
    assert main(["export", str(folder), "--out", str(tmp_path / "out")]) == OK
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "tensorflow_2_16_2.graph.json",
        "tensorflow_2_21_0.graph.json",
    ]


def marks(workload, names):
    """What each competitor's points look like where all of `names` are drawn in one workload."""
    palette = Palette([(workload, names)])
    return {label: (palette.colour(label), palette.shape(label)) for _, label in names}


def test_a_framework_is_told_by_its_hue_and_every_competitor_by_shade_and_shape():
    variants = {"pytorch": 7, "tensorflow": 6, "tensorflow@2.16.2": 6, "onnxruntime": 2}
    names = [
        (program.partition("@")[0], f"{program}/{number}")
        for program, many in variants.items()
        for number in range(many)
    ]
    found = marks("infer", names)
    assert len(set(found.values())) == len(names)
    hues = {framework: {found[label][0] for one, label in names if one == framework} for framework, _ in names}
    assert all(not ours & theirs for ours, theirs in itertools.combinations(hues.values(), 2))


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_is_seen_on_a_light_page_and_on_a_dark_one():
    dark = luminance("#1d2125") + 0.05
    for colour in (colour for shades in COLOURS for colour in shades):
        assert 1.05 / (luminance(colour) + 0.05) > 2.1, colour
        assert (luminance(colour) + 0.05) / dark > 2.1, colour


@pytest.mark.parametrize("others", [0, 3])
def test_few_competitors_differ_in_shade_and_in_shape(others):
    names = [("pytorch", "pytorch/eager"), ("tensorflow", OLD.label), ("tensorflow", NEW.label)]
    names += [("pytorch", f"pytorch/{number}") for number in range(others)]
    for part in zip(*marks("train", names).values(), strict=True):
        assert len(set(part)) == len(names)


def test_first_competitors_of_two_workloads_look_alike():
    palette = Palette([("train", [("pytorch", TORCH.label)]), ("load", [("pytorch", "pytorch/spdl/plain")])])
    assert palette.colour(TORCH.label) == palette.colour("pytorch/spdl/plain")
    assert palette.shape(TORCH.label) == palette.shape("pytorch/spdl/plain")


@pytest.mark.parametrize(
    ("schema", "packages", "told"),
    [
        (9, {"tensorflow-cpu": "2.21.0", "keras": "3.15.1"}, "tensorflow-cpu 2.21.0"),
        (9, {"numpy": "2.4.6"}, "–"),
        (9, {}, "–"),
        (8, {"keras": "3.15.1", "numpy": "2.4.6", "tensorflow_cpu": "2.21.0"}, "keras 3.15.1, tensorflow_cpu 2.21.0"),
        (8, {"numpy": "2.4.6"}, "–"),
    ],
)
def test_a_program_s_version_is_that_of_its_framework_s_own_package(schema, packages, told):
    """From schema 9 on it is the first of a record's packages; before, all but the reference's are listed."""
    (record, *_) = make_records(make_run([planned(CASE, [TF], 1)]))
    record = dataclasses.replace(record, schema_version=schema, host=dataclasses.replace(HOST, packages=packages))
    assert hosts.versions([record]) == {"tensorflow": told}
