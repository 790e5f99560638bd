"""The results as gauges in the OpenMetrics text format."""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.exposition import generate_latest

from aggregator.export.results import LABELS, results, write_file
from aggregator.judge.analysis import Environment

TIME = "median step (train, infer, roof), time per batch (load) or training (fit), geometric mean over replicates"
GAUGES = (
    ("time", f"Compared time: {TIME}.", "seconds", "seconds"),
    ("time_low", "Lower end of the 95 % interval of the compared time.", "seconds", "low"),
    ("time_high", "Upper end of the 95 % interval of the compared time.", "seconds", "high"),
    ("peak_memory", "Median peak of the process tree.", "bytes", "peak_bytes"),
    ("replicates", "Fresh processes that ended well.", "", "n"),
)
"""Name, help and unit of each gauge, and the column of its numbers."""


def write(environments: Iterable[Environment], folder: Path) -> list[Path]:
    """Write metrics.txt. Raises OSError."""
    registry, table = CollectorRegistry(), results(environments)
    for name, about, unit, column in GAUGES:
        gauge = Gauge(f"levelfield_{name}", about, LABELS, unit=unit, registry=registry)
        for *labels, number in table.dropna(subset=column)[[*LABELS, column]].itertuples(index=False):
            gauge.labels(*labels).set(number)
    return write_file(folder, "metrics.txt", generate_latest(registry))  # type: ignore[no-untyped-call]
