"""Drawings that are drawn here or made smaller: the same picture in less, and nothing hostile in it."""

import dataclasses
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from make_records import TF, TORCH, compared, make_records, make_run, planned, step_case

from aggregator.base.competitor_names import called
from aggregator.report.figures.raw_samples import samples_figure
from aggregator.report.figures.style import Palette
from aggregator.report.figures.svg import smaller
from aggregator.report.page.html import inline
from runners.harness.case import Competitor

VEGA = """<svg xmlns="http://www.w3.org/2000/svg" version="1.1" class="marks" width="20" height="10">
<g class="mark-group role-frame root"><g transform="translate(0,0)"><path class="background" d="M0,0h9v9Z"/>
<g class="mark-rule role-axis-grid" pointer-events="none"><line transform="translate(3.14159,0)" x2="0" y2="-5.01"
 stroke="#ddd" stroke-width="1" opacity="1"/><line x2="0" y2="7" stroke="#ddd"/></g>
<g aria-label="a &lt; b">
<text transform="translate(4,5)" font-size="11px" fill="#444">1.2345</text><text font-size="11px" fill="#444"/></g>
<path d="M0,0h1" fill="#0072B2" stroke-width="2"/></g></g></svg>"""


def test_a_lighter_drawing_says_once_what_its_parts_share():
    assert re.sub(r"\n", "", smaller(VEGA)) == (
        '<svg xmlns="http://www.w3.org/2000/svg" version="1.1" width="20" height="10">'
        '<g class="role-axis-grid" stroke="#ddd"><path d="M3.1 0v-5.0M0 0v7"/></g>'
        '<g fill="#444" font-size="11px"><text x="4" y="5">1.2345</text></g><path d="M0,0h1" fill="#0072B2"/></svg>'
    )


def test_shapes_that_look_alike_are_one_path_where_each_of_them_was():
    shapes = (
        '<path transform="translate(10,20)" fill="#111" d="M4,0A4,4,0,1,1,-4,0A4,4,0,1,1,4,0"/>'
        '<path transform="translate(2.55,1)" fill="#222" d="M-1,-1H1V1h-2Z"/>'
        '<path transform="translate(30,20)" fill="#111" d="M0,-3.6L-4.1,3.6Z"/>'
        '<path transform="rotate(9)" fill="#111" d="M0,0h9"/>'
    )
    assert smaller(f'<svg xmlns="http://www.w3.org/2000/svg">{shapes}</svg>') == (
        '<svg xmlns="http://www.w3.org/2000/svg">'
        '<path fill="#111" d="M14,20A4,4,0,1,1,6,20A4,4,0,1,1,14,20M30,16.4L25.9,23.6Z"/>'
        '<path fill="#222" d="M1.5,0H3.5V2h-2Z"/><path transform="rotate(9)" fill="#111" d="M0,0h9"/></svg>'
    )


def samples_of(names, blocks=12, change=lambda record: record, room=math.inf, **more):
    """The drawing of one case's raw samples."""
    run = make_run([planned(step_case(), list(names.values()), blocks)])
    records = tuple(map(change, make_records(run, lambda _, who: 0.1 if who == TF else 0.05, **more)))
    env = compared(run, records)
    palette = Palette([("infer", [(framework, called(who, {})) for framework, who in names.items()])])
    figure = samples_figure(env.cases[0], "case", "a case", palette, room)
    return figure, ElementTree.fromstring(figure.svg) if figure else None


def lines_of(root):
    """The drawn series: of each path its subpaths as lists of points, legend first."""
    found = []
    for path in root.iter("{http://www.w3.org/2000/svg}path"):
        if path.get("fill") == "none":
            parts = re.findall(r"M([\d -]+)[lh]([\d -]+)", path.get("d"))
            starts = [list(map(int, start.split())) for start, _ in parts]
            moves = [np.array(re.findall(r"-?\d+", bends), dtype=int) for _, bends in parts]
            found.append((path.get("stroke"), starts, moves))
    return found


def test_raw_samples_are_a_path_a_competitor_with_every_replicate_in_run_order():
    _, root = samples_of({"pytorch": TORCH, "tensorflow": TF})
    (ours, our_starts, our_bends), (theirs, their_starts, _) = lines_of(root)
    assert ours != theirs
    assert (len(our_starts), len(their_starts)) == (1 + 12, 1 + 12)
    across = [start[0] for start in our_starts[1:]]
    assert across == sorted(across)
    # TensorFlow's steps take twice as long, and so lie above.
    ours_end, theirs_end = our_starts[1][1] + our_bends[1][1::2].sum(), their_starts[1][1]
    assert theirs_end < ours_end


def test_lowest_and_highest_of_a_replicate_are_always_drawn():
    spike = 60

    def spiked(record):
        steps = list(record.samples.step_ns)
        steps[spike] *= 50
        return dataclasses.replace(record, samples=dataclasses.replace(record.samples, step_ns=steps))

    _, root = samples_of({"pytorch": TORCH, "tensorflow": TF}, change=spiked, steps=200)
    top = min(starts[1][1] for _, starts, _ in lines_of(root))
    for _, starts, moves in lines_of(root):
        for (_, y), bends in list(zip(starts, moves, strict=True))[1:]:
            heights = y + np.cumsum(bends[1::2])
            assert heights.min() < top - 40


def test_warm_up_is_shaded():
    _, root = samples_of({"pytorch": TORCH, "tensorflow": TF}, warmup=40)
    (shade,) = (path for path in root.iter("{http://www.w3.org/2000/svg}path") if path.get("stroke-opacity"))
    widths = [int(width) for width in re.findall(r"h(\d+)", shade.get("d"))]
    assert len(widths) == 24
    # Half of the steps, of the nine tenths of a 24th of 680 pixels.
    assert set(widths) <= {12, 13}


def test_no_steps_no_drawing():
    assert (
        samples_of({"pytorch": TORCH}, change=lambda r: dataclasses.replace(r, samples=None, status="failed"))[0]
        is None
    )


@pytest.mark.parametrize("blocks", [2, 12, 100])
def test_a_drawing_of_raw_samples_stays_small(blocks):
    figure, _ = samples_of({"pytorch": TORCH, "tensorflow": TF}, blocks=blocks, steps=200)
    assert len(figure.svg) < 9000


def test_in_less_room_fewer_steps_are_drawn_and_the_extremes_always():
    def extremes(root):
        return [
            (y + min(np.cumsum(bends[1::2]).min(), 0), y + max(np.cumsum(bends[1::2]).max(), 0))
            for _, starts, moves in lines_of(root)
            for (_, y), bends in list(zip(starts, moves, strict=True))[1:]
        ]

    names = {"pytorch": TORCH, "tensorflow": TF}
    sizes, seen = [], []
    for room in (math.inf, 2400, 1900, 0):
        figure, root = samples_of(names, room=room, steps=200)
        sizes.append(len(figure.svg))
        seen.append(extremes(root))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] <= 1900
    assert all(found == seen[0] for found in seen)


def test_names_are_text_and_long_legends_go_on_in_a_further_line():
    many = {f"framework {number}": Competitor(f"f{number}", "<script>alert(1)</script>") for number in range(9)}
    figure, root = samples_of(many, blocks=2)
    assert "<script" not in figure.svg
    assert "<script" not in inline(figure)
    lines = {text.get("y") for text in root.iter("{http://www.w3.org/2000/svg}text") if "alert" in text.text}
    assert len(lines) > 1
    assert max(int(text.get("x")) for text in root.iter("{http://www.w3.org/2000/svg}text")) < 728
