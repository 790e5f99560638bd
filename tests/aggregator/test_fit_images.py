"""What the networks saw, in a report; and which setting of a training is marked as the fastest."""

import base64
import dataclasses
import json
import re

import numpy as np
import pytest
from make_records import TF_FIT, TORCH_FIT, fit_case, make_run, planned, scheduled, write_folder

from aggregator.judge.analysis import analyse
from aggregator.read.parse import parse_record
from aggregator.read.run_folder import load_run
from aggregator.report.build import build_report, palette_of
from aggregator.report.fit import images
from aggregator.report.fit.tables import FASTEST, fit_tables
from aggregator.report.page.html import render_html
from runners.harness.record import DAMAGED, DeliveredImages, Status, to_json

SIDE = 4
PIXELS = np.random.default_rng(7).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
IMAGES = DeliveredImages(SIDE, [0, 120], ["none", "both"], base64.b64encode(PIXELS.tobytes()).decode())


def kept(record, found=IMAGES):
    return dataclasses.replace(record, check=dataclasses.replace(record.check, images=found))


def analysed(folder, cases, change=kept, **more):
    run = make_run([planned(case, [TORCH_FIT, TF_FIT], 3) for case in cases])
    write_folder(folder, run, [change(record) for record in scheduled(run, **more)])
    loaded = [load_run(folder)]
    return loaded, analyse(loaded)


def shown(environments):
    [environment] = environments
    return images.shown_images(environment.cases, palette_of(environments))


def test_images_are_shown_once_for_all_cases_that_prepare_them_alike(tmp_path):
    plain = fit_case()
    cases = [plain, dataclasses.replace(plain, batch_size=64), dataclasses.replace(plain, augment=True)]
    _, environments = analysed(tmp_path, cases)
    found = shown(environments)
    assert [one.title for one in found.images] == [
        "synthetic-240, 32 px, without augmentation",
        "synthetic-240, 32 px, with augmentation",
    ]
    for one in found.images:
        assert [side.name for side in one.sides] == ["pytorch (torch, eager)", "tensorflow (tfdata, graph)"]
        for side in one.sides:
            addresses, words = zip(*side.images, strict=True)
            assert words == ("training image 0, not flipped", "training image 120, flipped both ways")
            assert all(re.fullmatch(r"data:image/png;base64,[\w+/=]+", address) for address in addresses)


def test_the_page_shows_them_with_words_for_each(tmp_path):
    loaded, environments = analysed(tmp_path, [fit_case()])
    page = render_html(build_report(loaded, environments))
    assert page.count('<img src="data:image/png;base64,') == 4
    assert page.count('alt="training image 120, flipped both ways"') == 2


def test_records_without_images_show_none(tmp_path):
    loaded, environments = analysed(tmp_path, [fit_case()], lambda record: record)
    assert shown(environments) is None
    assert "What the networks saw" not in render_html(build_report(loaded, environments))


def test_what_would_make_a_report_too_large_is_left_out_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MOST_BYTES", 1200)
    cases = [fit_case(), dataclasses.replace(fit_case(), augment=True)]
    _, environments = analysed(tmp_path, cases)
    found = shown(environments)
    assert len(found.images) == 1
    assert found.further == "Not shown, for their size: 1 further way of preparing images."


def test_sides_that_saw_other_images_are_not_compared(tmp_path):
    swapped = dataclasses.replace(IMAGES, rgb=base64.b64encode(PIXELS[..., ::-1].tobytes()).decode())

    def change(record):
        return kept(record, swapped if record.competitor == TF_FIT else IMAGES)

    _, [environment] = analysed(tmp_path, [fit_case()], change)
    [comparison] = environment.cases[0].comparisons
    assert "pixels of training image 0 differ" in comparison.incomparable


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rgb": "<script>"}, "not the base64 of 96 bytes"),
        ({"rgb": IMAGES.rgb[:-4]}, "not the base64 of 96 bytes"),
        ({"rgb": IMAGES.rgb + "A" * 10**6}, "not the base64 of 96 bytes"),
        ({"rgb": "é" * 128}, "not the base64 of 96 bytes"),
        ({"side": 10**6}, "images of 1000000 pixels a side"),
        ({"side": 0}, "images of 0 pixels a side"),
        ({"positions": list(range(9)), "flips": ["none"] * 9}, "9 images of 4 pixels"),
        ({"positions": [], "flips": []}, "0 images of 4 pixels"),
        ({"positions": [0, -1]}, "negative, or the same twice"),
        ({"positions": [5, 5]}, "negative, or the same twice"),
        ({"flips": ["none", "<b>"]}, "check.images.flips"),
        ({"flips": ["none"]}, "check.images.flips"),
        ({"rgb": 5}, "rgb"),
    ],
    ids=lambda one: str(one)[:24],
)
def test_images_that_no_runner_wrote_make_a_record_invalid(change, said):
    run = make_run([planned(fit_case(), [TORCH_FIT], 1)])
    document = json.loads(to_json(kept(scheduled(run)[0])))
    document["check"]["images"].update(change)
    record = parse_record(json.dumps(document).encode())
    assert record.status is Status.INVALID
    assert record.error.kind == DAMAGED
    assert said in record.error.message


def marked(environments):
    [environment] = environments
    table = fit_tables(environment.cases)[0]
    train = table.columns.index("train")
    return table, [row[train].detail for row in table.rows]


def test_only_a_setting_that_is_clearly_the_fastest_is_marked(tmp_path):
    plain = fit_case()
    cases = [dataclasses.replace(plain, workers=workers) for workers in (0, 2, 4)]
    seconds = {(TORCH_FIT, 0): 3.0, (TORCH_FIT, 2): 1.0, (TORCH_FIT, 4): 2.0}

    def of(case, who):
        return seconds.get((who, case.workers), 1.0)  # tf.data is as fast with any number of workers

    table, found = marked(analysed(tmp_path, cases, seconds=of)[1])
    names = [(row[2].text, row[6].text) for row, mark in zip(table.rows, found, strict=True) if mark == FASTEST]
    assert names == [("2", "pytorch (torch, eager)")]
    assert f"“{FASTEST}” marks" in table.caption


def test_where_no_setting_is_clearly_the_fastest_none_is_marked_and_the_caption_says_so(tmp_path):
    cases = [dataclasses.replace(fit_case(), workers=workers) for workers in (0, 2)]
    table, found = marked(analysed(tmp_path, cases, seconds=lambda _case, _who: 1.0, scatter=0.2)[1])
    assert not any(found)
    assert "no setting is clearly the fastest" in table.caption


def test_settings_that_do_other_work_are_not_compared_and_two_blocks_mark_nothing(tmp_path):
    plain = fit_case()
    other = [plain, dataclasses.replace(plain, augment=True), dataclasses.replace(plain, epochs=6)]
    table, found = marked(analysed(tmp_path / "other", other)[1])
    assert not any(found)
    assert FASTEST not in table.caption
    run = make_run([planned(dataclasses.replace(plain, workers=workers), [TORCH_FIT], 2) for workers in (0, 2)])
    write_folder(tmp_path / "few", run, scheduled(run, lambda case, _: 1.0 + (case.workers or 0)))
    assert not any(marked(analyse([load_run(tmp_path / "few")]))[1])
