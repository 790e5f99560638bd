"""The only clock of the project: monotonic integer nanoseconds."""

import time

now_ns = time.perf_counter_ns


def wall_time() -> str:
    """UTC time of day as ISO 8601: a label for people, never used for a duration."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
