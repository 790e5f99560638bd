"""The limits of a loader: how fast images can be decoded, read and handed over, measured in the same replicate."""

from dataclasses import dataclass

from aggregator.judge.metrics import Metric, items_per_second, stage_rate
from runners.harness.record import Record


@dataclass(frozen=True)
class Limit:
    """An upper limit of a loader's rate: its name, the stage of a record that measures it, images per second."""

    name: str
    stage: str
    rate: Metric

    def share(self, record: Record) -> float | None:
        """The steady rate as a fraction of the limit; a loader with a faster way to do the work can be above 1."""
        limit = self.rate(record)
        return items_per_second(record) / limit if limit else None


def _decoding(record: Record) -> float | None:
    """The reference decoder's rate on one thread, times the threads that the workers can have at once."""
    alone = stage_rate("decode_alone")(record)
    if alone is None or record.effective is None:
        return None
    return alone * max(1, min(record.case.workers or 1, record.effective.visible_cpus))


DECODING = Limit("decoding", "decode_alone", _decoding)
STORAGE = Limit("storage", "read_cold", stage_rate("read_cold"))
HANDING_OVER = Limit("handing over", "headspace", stage_rate("headspace"))
LIMITS = (DECODING, STORAGE, HANDING_OVER)


def storage_bytes(record: Record) -> float | None:
    """Bytes per second from storage, at the mean size of the data set's files."""
    rate, data = STORAGE.rate(record), record.case.dataset
    return rate * data.bytes / data.items if rate and data and data.items > 0 else None


def cold_share(record: Record) -> float | None:
    """The rate of a whole pass with a cold page cache, as a fraction of storage's rate."""
    rate, limit = stage_rate("cold_epoch")(record), STORAGE.rate(record)
    return rate / limit if rate and limit else None
