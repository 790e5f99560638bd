"""Figures of end-to-end training: loss and accuracy by epoch, test accuracy by time."""

import statistics
from collections.abc import Iterable, Sequence

import altair as alt

from aggregator.base.case_names import group, parameters
from aggregator.judge.analysis import CaseResult
from aggregator.judge.sides import Side
from aggregator.report.figures.charts import SAYS, colour, dash, draw, faceted, shape
from aggregator.report.figures.dot_plot import about
from aggregator.report.figures.style import Palette, Row
from aggregator.report.model import Figure
from runners.harness.record import Epoch


def fit_figures(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> list[Figure | None]:
    """Loss and accuracy by epoch, and test accuracy by seconds of training; None where there is nothing to draw."""
    return [_history(cases, palette, prefix), _against_time(cases, palette, prefix)]


def _history(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> Figure | None:
    rows = [row for case in cases for side in case.sides for row in _epochs(case, side)]
    epochs = sorted({row["epoch"] for row in rows})
    if len(epochs) < 2:
        return None
    x = alt.X("epoch:O", title="epoch", sort=epochs, axis=alt.Axis(labelAngle=0, labelOverlap=True))
    caption = (
        "Means over replicates. Loss and accuracy are those of the training images during the epoch; test accuracy is "
        "that of the test images after the epoch."
    )
    return Figure(f"{prefix}fit-history", "Training loss and accuracy by epoch", caption, _lines(rows, x, palette))


def _against_time(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> Figure | None:
    rows = [row for case in cases for side in case.sides for row in _reached(case, side)]
    if len({row["epoch"] for row in rows}) < 2:
        return None
    x = alt.X("seconds:Q", title="seconds of training", scale=alt.Scale(zero=True))
    caption = (
        "Further left and higher is better. Each point is an epoch (means over replicates). Testing is off the clock."
    )
    name = f"{prefix}fit-accuracy-by-time"
    return Figure(name, "Test accuracy by time of training", caption, _lines(rows, x, palette))


def _lines(rows: list[Row], x: alt.X, palette: Palette) -> str:
    base = alt.Chart().encode(
        x=x, y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)), color=colour(palette, rows)
    )
    line = base.mark_line(strokeWidth=1.5).encode(strokeDash=dash(palette, rows))
    point = base.mark_point(filled=True, size=50, opacity=1).encode(shape=shape(palette, rows), description=SAYS)
    return draw(faceted([line, point], rows, 315, 150, 2).resolve_scale(y="independent"), rows=rows)


def _epochs(case: CaseResult, side: Side) -> list[Row]:
    rows = []
    for epoch, entries in _by_epoch(side).items():
        quantities = {"loss": [entry.loss for entry in entries], "accuracy": [entry.accuracy for entry in entries]}
        quantities["test accuracy"] = _tested(entries)
        for quantity, values in quantities.items():
            if values:
                panel = f"{quantity}: {group(case.case)}, {parameters(case.case)}"
                rows.append(_row(panel, case, side, epoch, statistics.fmean(values)))
    return rows


def _reached(case: CaseResult, side: Side) -> list[Row]:
    rows, seconds = [], 0.0
    for epoch, entries in _by_epoch(side).items():
        seconds += statistics.fmean(entry.seconds_ns for entry in entries) / 1e9
        if values := _tested(entries):
            panel = f"{group(case.case)}, {parameters(case.case)}"
            rows.append({**_row(panel, case, side, epoch, statistics.fmean(values)), "seconds": seconds})
    return rows


def _row(panel: str, case: CaseResult, side: Side, epoch: int, value: float) -> Row:
    named = {"panel": panel, "competitor": side.name, "epoch": epoch + 1, "value": value}
    return named | about(case, side, value)


def _tested(entries: Iterable[Epoch]) -> list[float]:
    return [entry.test_accuracy for entry in entries if entry.test_accuracy is not None]


def _by_epoch(side: Side) -> dict[int, list[Epoch]]:
    found: dict[int, list[Epoch]] = {}
    for record in side.ok.values():
        for entry in record.history or []:
            found.setdefault(entry.epoch, []).append(entry)
    return dict(sorted(found.items()))
