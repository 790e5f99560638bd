"""The results as gauges in the OpenMetrics text format."""

from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from aggregator.base.text import clean
from aggregator.export.results import Result, results, write_file
from aggregator.judge.analysis import Environment

LABELS = ("run", "environment", "case", "competitor", "workload", "device", "framework")
TIME = "median step (train, infer, roof), time per batch (load) or training (fit), geometric mean over replicates"
GAUGES: tuple[tuple[str, str, str, Callable[[Result], float | None]], ...] = (
    ("time", f"Compared time: {TIME}.", "seconds", lambda found: found.seconds.value),
    ("time_low", "Lower end of the 95 % interval of the compared time.", "seconds", lambda found: found.seconds.low),
    ("time_high", "Upper end of the 95 % interval of the compared time.", "seconds", lambda found: found.seconds.high),
    ("peak_memory", "Median peak of the process tree.", "bytes", lambda found: found.peak_bytes),
    ("replicates", "Fresh processes that ended well.", "", lambda found: found.seconds.n),
)


class _Results(Collector):
    def __init__(self, found: Iterable[Result]) -> None:
        self._found = list(found)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for name, about, unit, value in GAUGES:
            family = GaugeMetricFamily(f"levelfield_{name}", about, labels=LABELS, unit=unit)
            for found in self._found:
                number = value(found)
                if number is not None:
                    family.add_metric(_labels(found), number)
            yield family


def write(environments: Iterable[Environment], folder: Path) -> list[Path]:
    """Write metrics.txt. Raises OSError."""
    registry = CollectorRegistry()
    registry.register(_Results(results(environments)))
    return write_file(folder, "metrics.txt", generate_latest(registry))  # type: ignore[no-untyped-call]


def _labels(found: Result) -> list[str]:
    more = (clean(text, 300) for text in (found.case.workload, found.case.device, found.framework))
    return [*map(str, found.place), *more]
