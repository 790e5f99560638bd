"""The steady rate of a loader, and what it costs."""

import time
from collections.abc import Iterator

from runners.harness.resources import TICKS, cpu_ticks


def steady(batches: Iterator, batch_size: int, skipped: int, timed: int) -> dict[str, float]:
    """Images a second, and CPU seconds an image of all processes, over `timed` batches after `skipped` batches."""
    for _ in range(skipped):
        next(batches)
    began, ticks = time.perf_counter(), cpu_ticks()
    for _ in range(timed):
        next(batches)
    took, used = time.perf_counter() - began, (cpu_ticks() - ticks) / TICKS
    images = timed * batch_size
    return {"images_per_second": images / took, "cpu_seconds_per_image": used / images}
