"""Figures of end-to-end training: loss and accuracy by epoch, test accuracy by time."""

import statistics
from collections.abc import Iterable, Sequence

from aggregator.base.case_names import group, parameters
from aggregator.judge.analysis import CaseResult
from aggregator.judge.sides import Side
from aggregator.report.figures.charts import WHO, amounts
from aggregator.report.figures.compose import beside, figure
from aggregator.report.figures.dot_plot import about
from aggregator.report.figures.line_plot import Horizontal, line_panels
from aggregator.report.figures.style import Palette, Row
from aggregator.report.model import Figure
from runners.harness.record import Epoch

QUANTITIES = ("loss", "training accuracy, %", "test accuracy, %")
TESTED = QUANTITIES[-1]


def history(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> Figure | None:
    """Loss and accuracy by epoch, a panel for each case and quantity; None with fewer than two epochs."""
    rows = [row for case in cases for side in case.sides for row in _epochs(case, side)]
    epochs = sorted({row["epoch"] for row in rows})
    if len(epochs) < 2:
        return None
    caption = (
        "Points are means over replicates. Loss and training accuracy are those of the training images during the "
        "epoch. Test accuracy is that of the test images after the epoch."
    )
    names = beside(rows, palette)
    panels = []
    for quantity in QUANTITIES:
        found = [row for row in rows if row["quantity"] == quantity]
        if found:
            up = amounts([row["value"] for row in found])
            panels += line_panels(found, Horizontal("epoch", "epoch", epochs), up, quantity, palette, names)
    title = "Training loss and accuracy by epoch"
    return figure(
        f"{prefix}fit-history", title, caption, panels, palette, [row for row in rows if row["panel"] not in names]
    )


def against_time(cases: Sequence[CaseResult], palette: Palette, prefix: str) -> Figure | None:
    """Test accuracy by seconds of training, a panel for each case; None with fewer than two epochs."""
    rows = [row for case in cases for side in case.sides for row in _reached(case, side)]
    if len({row["epoch"] for row in rows}) < 2:
        return None
    caption = (
        "Further up and further left is better. Each point is an epoch, as the mean over replicates. The time of "
        "testing does not count."
    )
    names, up = beside(rows, palette), amounts([row["value"] for row in rows])
    panels = []
    for network in dict.fromkeys(row["network"] for row in rows):
        found = [row for row in rows if row["network"] == network]
        across = Horizontal("seconds", "seconds of training", amounts([row["seconds"] for row in found]))
        panels += line_panels(found, across, up, TESTED, palette, names)
    title = "Test accuracy by time of training"
    return figure(
        f"{prefix}fit-accuracy-by-time",
        title,
        caption,
        panels,
        palette,
        [row for row in rows if row["panel"] not in names],
    )


def _epochs(case: CaseResult, side: Side) -> list[Row]:
    rows = []
    for epoch, entries in _by_epoch(side).items():
        shares = [[entry.accuracy for entry in entries], _tested(entries)]
        found = [[entry.loss for entry in entries], *([100 * share for share in values] for values in shares)]
        for quantity, values in zip(QUANTITIES, found, strict=True):
            if values:
                row = _row(case, side, epoch, statistics.fmean(values))
                rows.append(
                    {**row, "quantity": quantity, "panel": f"{quantity.partition(',')[0].capitalize()}: {row['panel']}"}
                )
    return rows


def _reached(case: CaseResult, side: Side) -> list[Row]:
    rows, seconds = [], 0.0
    for epoch, entries in _by_epoch(side).items():
        seconds += statistics.fmean(entry.seconds_ns for entry in entries) / 1e9
        if values := _tested(entries):
            row = _row(case, side, epoch, 100 * statistics.fmean(values))
            rows.append({**row, "seconds": seconds, "network": group(case.case)})
    return rows


def _row(case: CaseResult, side: Side, epoch: int, value: float) -> Row:
    panel = f"{group(case.case)}, {parameters(case.case)}"
    named = {"panel": panel, "competitor": side.name, WHO: side.competitor, "kind": "mark", "epoch": epoch + 1}
    return {**named, "value": value, **about(case, side, value)}


def _tested(entries: Iterable[Epoch]) -> list[float]:
    return [entry.test_accuracy for entry in entries if entry.test_accuracy is not None]


def _by_epoch(side: Side) -> dict[int, list[Epoch]]:
    found: dict[int, list[Epoch]] = {}
    for record in side.ok.values():
        for entry in record.history or []:
            found.setdefault(entry.epoch, []).append(entry)
    return dict(sorted(found.items()))
