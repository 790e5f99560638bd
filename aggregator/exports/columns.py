"""The columns of the tables of replicates and samples. Units stand in their names; what is unknown is null."""

import json

import pyarrow as pa  # type: ignore[import-untyped]

from aggregator.words import clean
from method.statistic import mean_seconds, retained, seconds, steadiness
from runners.harness.record import Host, Record, Resources, Samples, Status

Row = dict[str, str | int | float | bool | None]
TEXT, WHOLE, NUMBER, TRUTH = pa.string(), pa.int64(), pa.float64(), pa.bool_()
IDENTITY = {
    "run": TEXT,
    "environment": WHOLE,
    **dict.fromkeys(("record_id", "case", "competitor"), TEXT),
    **dict.fromkeys(("framework", "version", "variant", "loader", "alias"), TEXT),
    **dict.fromkeys(("workload", "device", "track", "precision", "network", "scope", "stage"), TEXT),
    **dict.fromkeys(("batch_size", "input_size", "workers", "epochs", "seed"), WHOLE),
    **dict.fromkeys(("cache", "augment", "test_each_epoch"), TRUTH),
    **dict.fromkeys(("dataset", "dataset_digest"), TEXT),
    **dict.fromkeys(("block", "position", "sequence"), WHOLE),
    "started_at": TEXT,
}
"""What both tables begin with. `environment` tells machines and sets of versions apart: nothing is pooled across."""
SAMPLE = {"step": WHOLE, "warm_up": TRUTH, "seconds": NUMBER}
REPLICATE = {
    **dict.fromkeys(("status", "error_kind", "error_message"), TEXT),
    **dict.fromkeys(("seconds", "mean_seconds"), NUMBER),
    "steadiness": TEXT,
    **dict.fromkeys(("steps", "warmup_steps", "items_per_step"), WHOLE),
    **dict.fromkeys(("first_step_seconds", "import_seconds", "setup_seconds", "injected_slowdown"), NUMBER),
    **dict.fromkeys(("rss_peak_bytes", "cgroup_peak_bytes"), WHOLE),
    **dict.fromkeys(("gpu_allocated_peak_bytes", "gpu_reserved_peak_bytes", "gpu_process_peak_bytes"), WHOLE),
    **dict.fromkeys(("cpu_seconds", "energy_joules"), NUMBER),
    **dict.fromkeys(("host", "cpu_model", "kernel", "os", "governor", "gpu", "driver", "cuda", "cudnn"), TEXT),
    **dict.fromkeys(("cpus", "memory_bytes"), WHOLE),
    **dict.fromkeys(("engine", "python", "packages", "image_id", "image_base_digest", "commit"), TEXT),
    "dirty": TRUTH,
}
REPLICATES, SAMPLES = pa.schema({**IDENTITY, **REPLICATE}), pa.schema({**IDENTITY, **SAMPLE})


def replicate(record: Record, run: str, environment: int) -> Row:
    """The row of a replicate, whatever became of it; text is cleaned, and of `packages` a JSON object."""
    row = {**_identity(record, run, environment), **_outcome(record)}
    for found in (
        _samples(record.samples) if record.samples else {},
        _resources(record.resources) if record.resources else {},
        _host(record.host) if record.host else {},
    ):
        row |= found
    return {name: clean(value) if isinstance(value, str) else value for name, value in row.items()}


def _identity(record: Record, run: str, environment: int) -> Row:
    case, competitor, block = record.case, record.competitor, record.block
    names = (
        "workload device track precision network scope stage batch_size input_size workers epochs seed cache augment"
    )
    return {
        "run": run,
        "environment": environment,
        "record_id": record.record_id,
        "case": case.label,
        "competitor": competitor.label,
        **{name: getattr(competitor, name) for name in ("framework", "version", "variant", "loader", "alias")},
        **{name: getattr(case, name) for name in (*names.split(), "test_each_epoch")},
        "dataset": case.dataset.id if case.dataset else None,
        "dataset_digest": case.dataset.digest if case.dataset else None,
        "block": block.number,
        "position": block.position,
        "sequence": block.sequence,
        "started_at": block.started_at,
    }


def _outcome(record: Record) -> Row:
    """How it ended, and the compared statistic of one that may be compared."""
    found: Row = {"status": record.status.value}
    if record.error:
        found |= {"error_kind": record.error.kind, "error_message": record.error.message}
    if record.status is Status.OK:
        found |= {"seconds": seconds(record), "mean_seconds": mean_seconds(record)}
        found["steadiness"] = steadiness(record).value
    return found


def _samples(samples: Samples) -> Row:
    return {
        "steps": len(retained(samples)),
        "warmup_steps": samples.warmup_steps,
        "items_per_step": samples.items_per_step,
        "first_step_seconds": None if samples.first_step_ns is None else samples.first_step_ns / 1e9,
        "import_seconds": samples.import_ns / 1e9,
        "setup_seconds": samples.setup_ns / 1e9,
        "injected_slowdown": samples.injected_slowdown,
    }


def _resources(resources: Resources) -> Row:
    return {name: getattr(resources, name) for name in REPLICATE if hasattr(resources, name)}


def _host(host: Host) -> Row:
    """Its machine and versions; the name only as the digest that the record holds."""
    found: Row = {name: getattr(host, name) for name in REPLICATE if hasattr(host, name)}
    return {**found, "host": host.hostname_digest, "packages": json.dumps(host.packages, sort_keys=True)}
