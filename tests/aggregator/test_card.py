"""card.png: the answer of a report as an image of fixed size."""

import dataclasses
import io
from xml.etree import ElementTree

import numpy as np
import pytest
import vl_convert
from make_records import HOST, TF, TORCH, make_run, planned, scheduled, step_case, write_folder
from PIL import Image
from whole_runs import mixed_run, nasty_records

from aggregator.cli import main
from aggregator.commands.shared import OK
from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import LoadedRun
from aggregator.report.build import build_report
from aggregator.report.page.card import FONT, card, card_svg

A, B = (dataclasses.replace(TORCH, alias=alias) for alias in "AB")


def report_of(*runs):
    loaded = [LoadedRun(run.run_id, run, tuple(records), ()) for run, records in runs]
    return build_report(loaded, analyse(loaded))


def small(batches=(1,), who=(TORCH, TF), host="one", blocks=8):
    run = make_run([planned(step_case("cnn4", batch), list(who), blocks) for batch in batches], run_id=host)
    records = scheduled(run, lambda _, one: 0.06 if one == TF else 0.05)
    return run, [dataclasses.replace(one, host=dataclasses.replace(HOST, hostname_digest=host * 3)) for one in records]


def texts(report):
    """What the card says, by line."""
    root = ElementTree.fromstring(card_svg(report))
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("run", [mixed_run, nasty_records, lambda: small(who=(TORCH,)), lambda: small(who=(A, B))])
def test_the_card_is_an_image_of_its_size_and_the_same_every_time(run):
    report = report_of(run())
    made = card(report)
    image = Image.open(io.BytesIO(made))
    image.verify()
    assert (image.format, image.size) == ("PNG", (1200, 630))
    assert card(report) == made
    assert len(made) < 200_000


def test_packing_changes_no_pixel():
    report = report_of(small())
    drawn, packed = (
        np.asarray(Image.open(io.BytesIO(png))) for png in (vl_convert.svg_to_png(card_svg(report)), card(report))
    )
    assert (drawn == packed).all()
    assert drawn[300, 20].tolist() == [255, 255, 255, 255], "the margin is white"


def test_its_font_comes_with_the_program_that_draws_it():
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="99" height="30"><text y="20" font-family="{}">M±</text></svg>'
    )
    drawn, unknown = (
        np.asarray(Image.open(io.BytesIO(vl_convert.svg_to_png(text.format(name))))) for name in (FONT, "no")
    )
    assert drawn.any()
    assert not unknown.any(), "a family that is not there is not drawn"


def test_the_card_says_what_the_first_screen_says():
    report = report_of(small(batches=range(1, 7)))
    said = texts(report)
    assert said[:3] == [report.title, report.where, report.in_short]
    assert said[2] == "6 cases: pytorch (eager) wins 6."
    assert "Inference step: cnn4, 224 px, batch 4" in said
    assert "Inference step: cnn4, 224 px, batch 5" not in said
    first = report.parts[0].outcomes[0]
    sentence = "".join(text for text, _ in first.sentence)
    assert "".join(said[4:6]).replace("…", "").rstrip() in sentence
    assert {side.name for side in first.sides} | {side.rate for side in first.sides} <= set(said)
    assert said[-2:] == ["the report has further cases", "Levelfield"]


def test_an_incomplete_run_says_so():
    run, records = small()
    assert "INCOMPLETE" not in texts(report_of((run, records)))
    assert "INCOMPLETE" in texts(report_of((run, records[:-1])))


def test_each_environment_has_its_turn_and_its_name():
    report = report_of(small(batches=(1, 2), host="one"), small(batches=(1, 2), host="two"))
    titles = [text for text in texts(report) if "Inference step: " in text]
    assert [title[:13] for title in titles] == ["Environment 1", "Environment 2"] * 2
    assert texts(report)[2] == report.headline[0] == "pytorch (eager) is fastest on both machines in both cases."


def test_more_sides_than_there_is_room_for_are_counted():
    more = [dataclasses.replace(TF, variant=name) for name in ("graph", "xla", "eager")]
    said = texts(report_of(small(who=(TORCH, *more))))
    assert "Inference step: cnn4, 224 px, batch 1 · 3 of 4 sides" in said


def test_a_program_compared_with_itself_is_no_contest():
    report = report_of(small(who=(A, B)))
    assert report.title == "pytorch compared with itself"
    assert ": one program under two labels." in "".join(texts(report))
    assert "one side" not in "".join(texts(report))


def test_hostile_strings_are_nothing_but_text():
    report = report_of(nasty_records())
    root = ElementTree.fromstring(card_svg(report))
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {"svg", "g", "rect", "path", "text", "tspan"}
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]
    assert any("<script>" in text for text in texts(report))


def test_a_folder_written_again_has_the_new_card(tmp_path):
    folder = write_folder(tmp_path / "r", *small())
    (folder / "card.png").write_bytes(b"an older one")
    assert main(["report", str(folder)]) == OK
    assert (folder / "card.png").read_bytes() == card(report_of(small()))


def test_the_page_names_its_card(tmp_path):
    folder = write_folder(tmp_path / "r", *small())
    assert main(["report", str(folder)]) == OK
    head = (folder / "report.html").read_text().partition("</head>")[0]
    for named in (
        '<meta property="og:image" content="card.png">',
        '<meta property="og:title" content="pytorch and tensorflow compared">',
        '<meta property="og:description" content="1 case: pytorch (eager) wins 1.">',
        '<meta name="twitter:card" content="summary_large_image">',
    ):
        assert named in head
