"""The numbers that tables and figures read from one record, in seconds, bytes and fractions."""

from collections.abc import Callable, Sequence

import numpy as np

from aggregator.base.text import clean
from aggregator.read.replicate import computed
from method.statistic import STEP_WORKLOADS
from runners.harness.record import Record

Metric = Callable[[Record], float | None]


def setting(record: Record, name: str) -> str:
    """A setting in effect, as a report shows it; empty if the record does not have it."""
    return clean(record.effective.settings.get(name, ""), 60) if record.effective else ""


def items_per_second(record: Record) -> float:
    """Images per second at the compared statistic, of an `ok` record."""
    assert record.samples is not None
    return record.samples.items_per_step / computed(record).seconds


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


def first_step_from(cache: str | None) -> Metric:
    """Reads the seconds of step 0 with the compiler's cache `cold` or `warm`, or with None: no cache is kept."""

    def read(record: Record) -> float | None:
        return first_step(record) if record.samples and record.samples.compiler_cache == cache else None

    return read


def first_step_unaided(record: Record) -> float | None:
    """Seconds of step 0 without compiled code from an earlier replicate."""
    return None if record.samples and record.samples.compiler_cache == "warm" else first_step(record)


def faults_a_step(record: Record) -> float | None:
    """Minor page faults per step of the window; None where faults or steps were not counted."""
    faults = record.health.minor_faults if record.health else None
    steps = len(record.samples.step_ns) if record.samples else 0
    return faults / steps if faults is not None and steps else None


def throughput(record: Record) -> float | None:
    """Images per second without waiting for the device after each step; None where not measured."""
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


def stages_of(record: Record) -> Sequence[str]:
    """The names of the stages that were timed."""
    return [*record.samples.stage_ns] if record.samples else []


def stage_rate(name: str) -> Metric:
    """Reads the images per second of one whole stage."""

    def read(record: Record) -> float | None:
        seconds, items = stage(name)(record), record.samples.stage_items.get(name) if record.samples else None
        return items / seconds if items and seconds else None

    return read


def _images(record: Record) -> int:
    """How many images the measured window handled.

    The window has every step, including warm-up and throughput groups, or all stages of `fit` with the images of all
    epochs.
    """
    samples = record.samples
    if samples is None:
        return 0
    steps = len(samples.step_ns) + len(samples.group_ns) * samples.group_steps
    passes = (record.case.epochs or 1) if record.case.workload == "fit" else steps
    return passes * samples.items_per_step


def cpu_time(record: Record) -> float | None:
    """CPU seconds per image of the measured window. None where the window was too short for the kernel's ticks."""
    images, resources = _images(record), record.resources
    return resources.cpu_seconds / images if images and resources and resources.cpu_seconds > 0 else None


def cpu_energy(record: Record) -> float | None:
    """Joules per image that the CPU took in the measured window; None without counters.

    Records up to schema version 9 have no list of counters: their number is the first package's alone.
    """
    images, resources = _images(record), record.resources
    if not images or resources is None or resources.energy_joules is None or not resources.energy_counters:
        return None
    return resources.energy_joules / images


def gpu_energy(record: Record) -> float | None:
    """Joules per image that the GPU took in the measured window; None without a counter."""
    images, resources = _images(record), record.resources
    if not images or resources is None or resources.gpu_energy_joules is None:
        return None
    return resources.gpu_energy_joules / images


def of_a_step(per_image: Metric) -> Metric:
    """Reads the same for a step of `infer` or `train`, in place of an image."""

    def read(record: Record) -> float | None:
        value = per_image(record) if record.case.workload in STEP_WORKLOADS else None
        return value * record.samples.items_per_step if value is not None and record.samples else None

    return read


def _field(part: str, name: str) -> Metric:
    """Reads a field of one part of the record; None where the record lacks the part."""

    def read(record: Record) -> float | None:
        found = getattr(record, part)
        return None if found is None else getattr(found, name)

    return read


peak_memory = _field("resources", "rss_peak_bytes")
"""Bytes at the peak of the process tree."""
gpu_process = _field("resources", "gpu_process_peak_bytes")
"""Peak bytes of the process on the device, from the driver."""
gpu_allocated = _field("resources", "gpu_allocated_peak_bytes")
"""Peak bytes allocated by the framework's allocator."""
gpu_reserved = _field("resources", "gpu_reserved_peak_bytes")
"""Peak bytes reserved by the framework's allocator."""
file_bytes = _field("check", "file_bytes")
"""Bytes of an exported file with its weights."""
export_difference = _field("check", "export_difference")
"""Relative difference between the logits of an exported file and of its source."""
accuracy = _field("check", "accuracy")
"""Accuracy on the test images of the model in memory."""
accuracy_restored = _field("check", "accuracy_restored")
"""Accuracy on the test images of the model saved and restored."""


def peak_gpu_memory(record: Record) -> float | None:
    """Peak bytes on the device: of the process or, where that is unknown, allocated by its allocator."""
    return gpu_process(record) or gpu_allocated(record)


def first_epoch(record: Record) -> float | None:
    """Seconds of the first epoch: workers start, caches fill, graphs are traced."""
    return record.history[0].seconds_ns / 1e9 if record.history else None


def steady_epoch(record: Record) -> float | None:
    """Median seconds of the epochs after the first; None where there is no other."""
    later = [entry.seconds_ns / 1e9 for entry in (record.history or [])[1:]]
    return float(np.median(later)) if later else None


def steady_rate(record: Record) -> float | None:
    """Images per second in the epochs after the first."""
    seconds = steady_epoch(record)
    return record.samples.items_per_step / seconds if record.samples and seconds else None


def waiting(record: Record) -> float | None:
    """Share of the training time in which the training loop waited for a batch."""
    waits = [entry.waited_ns for entry in record.history or [] if entry.waited_ns is not None]
    total = sum(entry.seconds_ns for entry in record.history or [] if entry.waited_ns is not None)
    return sum(waits) / total if total else None


def time_to(target: float) -> Metric:
    """Reads the seconds of training until the test accuracy was `target` or more; None if it never was."""

    def read(record: Record) -> float | None:
        spent = 0
        for entry in record.history or []:
            spent += entry.seconds_ns
            if entry.test_accuracy is not None and entry.test_accuracy >= target:
                return spent / 1e9
        return None

    return read


def best_test_accuracy(record: Record) -> float | None:
    """The highest accuracy on the test images after any epoch, if they were classified after every epoch."""
    found = [entry.test_accuracy for entry in record.history or [] if entry.test_accuracy is not None]
    return max(found, default=None)


def last_loss(record: Record) -> float | None:
    """Training loss of the last epoch."""
    return record.history[-1].loss if record.history else None
