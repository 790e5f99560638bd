"""What tables and figures read from one record beside the compared statistic, in seconds, bytes and fractions."""

from collections.abc import Callable

import numpy as np

from runners.harness.record import Record

Metric = Callable[[Record], float | None]


def import_time(record: Record) -> float | None:
    """Seconds to import the framework."""
    return record.samples.import_ns / 1e9 if record.samples else None


def setup_time(record: Record) -> float | None:
    """Seconds from the import to the first step."""
    return record.samples.setup_ns / 1e9 if record.samples else None


def first_step(record: Record) -> float | None:
    """Seconds of step 0: tracing, compiling, autotuning; for loaders the time to the first batch."""
    if record.samples is None or record.samples.first_step_ns is None:
        return None
    return record.samples.first_step_ns / 1e9


def throughput(record: Record) -> float | None:
    """Images a second while the device is fed without waiting for each step; None where that was not measured."""
    samples = record.samples
    if samples is None or not samples.group_ns:
        return None
    return samples.items_per_step * samples.group_steps * 1e9 / float(np.median(samples.group_ns))


def stage(name: str) -> Metric:
    """Reads the seconds of one whole stage."""

    def read(record: Record) -> float | None:
        value = record.samples.stage_ns.get(name) if record.samples else None
        return None if value is None else value / 1e9

    return read


def cpu_time(record: Record) -> float | None:
    """CPU seconds an image of the measured window, whose length differs from side to side.

    The window holds every step, warm-up and throughput groups included, or all stages of `fit`, whose images are those
    of its epochs. None where the window was too short for the kernel's ticks.
    """
    samples, resources = record.samples, record.resources
    if samples is None or resources is None or resources.cpu_seconds <= 0:
        return None
    steps = len(samples.step_ns) + len(samples.group_ns) * samples.group_steps
    passes = (record.case.epochs or 1) if record.case.workload == "fit" else steps
    return resources.cpu_seconds / (passes * samples.items_per_step)


def peak_memory(record: Record) -> float | None:
    """Bytes at the peak of the process tree."""
    return record.resources.rss_peak_bytes if record.resources else None


def peak_gpu_memory(record: Record) -> float | None:
    """Bytes at the peak on the device: what the process took, else what its allocator gave out."""
    resources = record.resources
    if resources is None:
        return None
    return resources.gpu_process_peak_bytes or resources.gpu_allocated_peak_bytes


def accuracy(record: Record) -> float | None:
    """Accuracy on the test images of the model in memory."""
    return record.check.accuracy if record.check else None


def accuracy_restored(record: Record) -> float | None:
    """Accuracy on the test images of the model saved and restored."""
    return record.check.accuracy_restored if record.check else None


def last_loss(record: Record) -> float | None:
    """Training loss of the last epoch."""
    return record.history[-1].loss if record.history else None
