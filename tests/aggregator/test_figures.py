"""Figures of a report: which there are, what stands beside their marks, and where their axes begin."""

import dataclasses
import re
from xml.etree import ElementTree

import pytest
from make_records import (
    SPDL,
    TF,
    TF_FIT,
    TFDATA,
    TORCH,
    TORCH_FIT,
    TORCH_LOADER,
    fit_case,
    load_case,
    make_records,
    make_run,
    planned,
    roof_case,
    scheduled,
    step_case,
    write_folder,
)

from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import LoadedRun, load_run
from aggregator.report.answers import answer, axis_of
from aggregator.report.build import build_report
from aggregator.report.figures.axes import amounts, logarithmic, ratios
from aggregator.report.figures.line_plot import APART, spread
from aggregator.report.page.html import render_html
from runners.harness.case import Competitor

STEPS = [step_case(network, size, "train") for network in ("cnn4", "resnet18") for size in (1, 2, 4, 8)]
LOADS = [load_case(stage, workers) for stage in ("decode", "batch") for workers in (1, 2)]
TITLES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}
VARIANTS = [TORCH, TF, Competitor("pytorch", "compile"), Competitor("tensorflow", "xla")]


def report_of(*plans, copies=1):
    runs = []
    for number in range(copies):
        run = dataclasses.replace(make_run(list(plans), run_id=f"r{number}"), titles=TITLES)
        records = tuple(make_records(run, lambda _, who: 0.06 if who.framework == "tensorflow" else 0.05))
        runs.append(LoadedRun(run.run_id, run, records, ()))
    return build_report(runs, analyse(runs))


def everything(copies=1):
    return report_of(
        *(planned(case, [TORCH, TF], 4) for case in STEPS),
        *(planned(case, [TORCH_LOADER, SPDL, TFDATA], 4) for case in LOADS),
        planned(fit_case(), [TORCH_FIT, TF_FIT], 3),
        *(planned(roof_case(stage), [TORCH, TF], 3) for stage in ("product", "copy")),
        copies=copies,
    )


@pytest.fixture(scope="module")
def report():
    return everything()


def figure_of(report, name):
    (found,) = (figure for figure in report.parts[0].figures if figure.name == name)
    return found


def texts(svg):
    return [
        "".join(element.itertext()) for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")
    ]


def test_the_most_telling_figures_come_first_and_the_others_are_folded_under_their_titles(report):
    names = [figure.name for figure in report.parts[0].figures]
    assert names[:4] == ["relative-speed-steps", "loader-throughput", "peak-memory", "first-step"]
    page = render_html(report)
    shown, _, folded = page.partition('id="figures-1"')[2].partition('id="tables-1"')[0].partition("<details")
    assert shown.count("<figure") == 5
    assert folded.count("<figure") == len(names) - 5 > 0
    summary = re.search(r"<summary>(.*?)</summary>", folded)[1]
    assert all(figure.title in summary for figure in report.parts[0].figures[5:])


def test_a_report_on_several_runs_opens_no_more_figures_than_a_report_on_one():
    page = render_html(everything(copies=2))
    sections = re.findall(r'<section id="figures-\d">.*?</section>', page, re.DOTALL)
    assert [section.partition("<details")[0].count("<figure") for section in sections] == [2, 2]


def test_where_no_figure_may_be_open_all_are_folded(report):
    folded = dataclasses.replace(report, parts=(dataclasses.replace(report.parts[0], open_figures=0),))
    page = render_html(folded).partition('id="figures-1"')[2].partition('id="tables-1"')[0]
    assert page.partition("<details")[0].count("<figure") == 0
    assert page.partition("<details")[2].count("<figure") == len(report.parts[0].figures)


def test_cases_of_a_network_are_in_one_panel_with_names_beside_the_marks(report):
    figure = figure_of(report, "relative-speed-steps")
    assert figure.title == "Relative speed: training step"
    assert [panel.heading for panel in figure.panels] == ["cnn4", "resnet18"]
    assert figure.legend == ()
    for panel in figure.panels:
        said = texts(panel.svg)
        assert [text for text in said if "batch" in text] == [f"224 px, batch {size}" for size in (1, 2, 4, 8)]
        assert said.count("PyTorch (eager)") == said.count("TensorFlow (graph)") == 1
        assert "1×" in said


def test_a_few_cases_are_in_one_panel_and_every_mark_has_its_name():
    figure = figure_of(report_of(*(planned(case, [TORCH, TF], 4) for case in STEPS[2:5])), "relative-speed-steps")
    (panel,) = figure.panels
    said = texts(panel.svg)
    assert next(text for text in said if "batch" in text) == "cnn4, 224 px, batch 4"
    assert said.count("TensorFlow (graph)") == 3


def test_more_than_three_sides_have_a_legend_with_the_marks_of_the_whole_page():
    report = report_of(*(planned(case, VARIANTS, 4) for case in STEPS))
    figure = figure_of(report, "relative-speed-steps")
    assert [name for name, _ in figure.legend] == [
        "PyTorch (eager)",
        "TensorFlow (graph)",
        "PyTorch (compile)",
        "TensorFlow (xla)",
    ]
    assert not {name for name, _ in figure.legend} & set(texts(figure.panels[0].svg))
    assert {name for name, _ in figure.legend} < set(texts(figure.svg))
    for _, mark in figure.legend:
        assert f'fill="{report.marks[mark][0]}"' in figure.panels[0].svg


def test_marks_say_what_they_are_or_their_panel_says_which_cases_it_has(report):
    few, digests = figure_of(report, "relative-speed-steps"), set()
    for panel in few.panels:
        assert panel.cases == ()
        assert "<title>PyTorch (eager), " in panel.svg
        digests |= set(re.findall(r'data-case="(\w+)"', panel.svg))
    many = report_of(*(planned(step_case("mlp", size, "train"), [TORCH, TF], 4) for size in range(1, 51)))
    (panel,) = figure_of(many, "peak-memory").panels
    assert "<title>" not in panel.svg
    assert len(set(panel.cases)) == 50
    assert len(digests) == len(STEPS)
    assert f'data-cases="{" ".join(panel.cases)}"' in render_html(many)


def test_lines_of_loaders_end_at_their_names_with_units_on_the_axis(report):
    figure = figure_of(report, "loader-throughput")
    assert [panel.heading for panel in figure.panels] == ["decode, batch 32", "batch, batch 32"]
    said = texts(figure.panels[0].svg)
    assert {"PyTorch (torch)", "PyTorch (spdl)", "TensorFlow (tfdata)", "decoding alone", "images/s", "0"} <= set(said)


def test_panels_are_no_wider_than_a_phone_needs_and_the_file_holds_them_all(report):
    for figure in report.parts[0].figures:
        for panel in figure.panels:
            box = [float(number) for number in ElementTree.fromstring(panel.svg).get("viewBox").split()]
            assert box[2] == 440
        root = ElementTree.fromstring(figure.svg)
        page = next(element for element in root if element.tag.endswith("}g"))
        assert len(page.findall("{*}svg")) == len(figure.panels)
        assert {panel.heading for panel in figure.panels if 0 < len(panel.heading) < 60} <= set(texts(figure.svg))


@pytest.mark.parametrize(
    ("values", "high", "labels"),
    [([0.62], 0.8, (0, 0.2, 0.4, 0.6, 0.8)), ([1333], 1500, (0, 500, 1000, 1500)), ([], 1, (0, 0.2, 0.4, 0.6, 0.8, 1))],
)
def test_an_axis_of_amounts_begins_at_0_and_ends_at_a_round_number(values, high, labels):
    found = amounts(values)
    assert (found.low, found.high, found.ticks) == (0, pytest.approx(high), pytest.approx(labels))


@pytest.mark.parametrize(
    "values", [[1.0, 1.002], [0.97, 1.3], [0.3, 12.0], [1.0], [0.001, 900.0], [2.0, 2.1], [0.8, 2.4]]
)
def test_an_axis_of_ratios_has_a_label_at_1_and_few_others(values):
    found = ratios(values)
    assert 1.0 in found.ticks
    assert len(found.ticks) <= 9
    assert found.low < min(values) <= max(values) < found.high
    assert all(found.low <= value <= found.high for value in found.ticks)


@pytest.mark.parametrize("seconds", [0.04, 0.001])
def test_the_middle_of_every_interval_lies_on_the_small_axis(tmp_path, seconds):
    """Also where one side is fifty times as fast as the other."""
    run = make_run([planned(step_case(), [TORCH, TF], 10)])
    write_folder(tmp_path, run, scheduled(run, lambda _, who: 0.05 if who == TORCH else seconds))
    [environment] = analyse([load_run(tmp_path)])
    [found] = environment.cases[0].comparisons
    axis = axis_of([found])
    mark = answer(found, "", "", axis).mark
    assert float(mark.width) > 0
    assert float(mark.low) < float(mark.middle) < 100


def test_a_logarithmic_axis_puts_equal_ratios_equally_far_apart():
    found = logarithmic([10, 1000])
    places = [found.place(value, 100) for value in (10, 100, 1000)]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1])


def test_names_move_apart_no_further_than_they_must():
    assert spread([50, 100], 0, 200) == [50, 100]
    assert spread([100, 100], 0, 200) == [100 - APART / 2, 100 + APART / 2]
    assert spread([99, 100, 101], 0, 200) == [100 - APART, 100, 100 + APART]
    assert spread([200, 200], 0, 200) == [200 - APART, 200]
    assert spread([3, 1], 0, 200) == [APART, 0]
    assert spread([], 0, 200) == []
