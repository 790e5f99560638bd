"""Figures of end-to-end training: loss and accuracy by epoch, test accuracy by time."""

import statistics
from collections.abc import Iterable, Sequence

from aggregator.base.case_names import group, parameters
from aggregator.judge.analysis import CaseResult
from aggregator.judge.sides import Side
from aggregator.report.figures.axes import amounts
from aggregator.report.figures.dot_plot import row_of
from aggregator.report.figures.line_plot import Across, Plane, line_figure
from aggregator.report.figures.style import Palette, Row
from aggregator.report.model import Figure
from runners.harness.record import Epoch

QUANTITIES = ("loss", "training accuracy, %", "test accuracy, %")
TESTED = QUANTITIES[-1]


def history(cases: Sequence[CaseResult], palette: Palette) -> Figure | None:
    """Loss and accuracy by epoch, a panel for each case and quantity; None with fewer than two epochs."""
    rows = [row for case in cases for side in case.sides for row in _epochs(case, side)]
    epochs = sorted({row["epoch"] for row in rows})
    if len(epochs) < 2:
        return None
    caption = (
        "Points are means over replicates. Loss and training accuracy are those of the training images during the "
        "epoch. Test accuracy is that of the test images after the epoch."
    )
    across = Across("epoch", "epoch", epochs)
    planes = [
        Plane(found, across, amounts([row["value"] for row in found]), quantity)
        for quantity in QUANTITIES
        if (found := [row for row in rows if row["quantity"] == quantity])
    ]
    return line_figure("fit-history", "Training loss and accuracy by epoch", caption, planes, palette)


def against_time(cases: Sequence[CaseResult], palette: Palette) -> Figure | None:
    """Test accuracy by seconds of training, a panel for each case; None with fewer than two epochs."""
    rows = [row for case in cases for side in case.sides for row in _reached(case, side)]
    if len({row["epoch"] for row in rows}) < 2:
        return None
    caption = (
        "Further up and further left is better. Each point is an epoch, as the mean over replicates. The time of "
        "testing does not count."
    )
    planes, up = [], amounts([row["value"] for row in rows])
    for network in dict.fromkeys(row["network"] for row in rows):
        found = [row for row in rows if row["network"] == network]
        across = Across("seconds", "seconds of training", amounts([row["seconds"] for row in found]))
        planes.append(Plane(found, across, up, TESTED))
    return line_figure("fit-accuracy-by-time", "Test accuracy by time of training", caption, planes, palette)


def _epochs(case: CaseResult, side: Side) -> list[Row]:
    rows = []
    for epoch, entries in _by_epoch(side).items():
        shares = [[entry.accuracy for entry in entries], _tested(entries)]
        found = [[entry.loss for entry in entries], *([100 * share for share in values] for values in shares)]
        for quantity, values in zip(QUANTITIES, found, strict=True):
            if values:
                panel = f"{quantity.partition(',')[0].capitalize()}: {_name(case)}"
                rows.append(
                    row_of(case, side, statistics.fmean(values), epoch=epoch + 1, quantity=quantity, panel=panel)
                )
    return rows


def _reached(case: CaseResult, side: Side) -> list[Row]:
    rows, seconds = [], 0.0
    for epoch, entries in _by_epoch(side).items():
        seconds += statistics.fmean(entry.seconds_ns for entry in entries) / 1e9
        if values := _tested(entries):
            value, network = 100 * statistics.fmean(values), group(case.case)
            row = row_of(case, side, value, panel=_name(case), epoch=epoch + 1, seconds=seconds, network=network)
            rows.append(row)
    return rows


def _name(case: CaseResult) -> str:
    return f"{group(case.case)}, {parameters(case.case)}"


def _tested(entries: Iterable[Epoch]) -> list[float]:
    return [entry.test_accuracy for entry in entries if entry.test_accuracy is not None]


def _by_epoch(side: Side) -> dict[int, list[Epoch]]:
    found: dict[int, list[Epoch]] = {}
    for record in side.ok.values():
        for entry in record.history or []:
            found.setdefault(entry.epoch, []).append(entry)
    return dict(sorted(found.items()))
