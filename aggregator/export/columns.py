"""The columns of the tables of replicates and samples. A column's name has its unit; unknown values are null."""

import json
import math

import pyarrow as pa  # type: ignore[import-untyped]

from aggregator.base.text import clean
from aggregator.judge import metrics
from aggregator.read.replicate import computed
from method.statistic import retained
from runners.harness.case import AXES
from runners.harness.record import Record, Resources, Status

Row = dict[str, str | int | float | bool | None]
TEXT, WHOLE, NUMBER, TRUTH = pa.string(), pa.int64(), pa.float64(), pa.bool_()
IDENTITY = {
    "run": TEXT,
    "environment": WHOLE,
    **dict.fromkeys(("record_id", "case", "competitor"), TEXT),
    **dict.fromkeys(("framework", "version", "variant", "loader", "alias"), TEXT),
    **dict.fromkeys(("workload", "device"), TEXT),
    **{axis.name: {str: TEXT, int: WHOLE, bool: TRUTH}[axis.kind] for axis in AXES},
    **dict.fromkeys(("dataset", "dataset_digest", "model_digest"), TEXT),
    **dict.fromkeys(("block", "position", "sequence"), WHOLE),
}
"""The first columns of both tables. `environment` numbers machines and sets of versions: nothing is pooled across."""
SAMPLE = {"step": WHOLE, "warm_up": TRUTH, "seconds": NUMBER}
REPLICATE = {
    **dict.fromkeys(("started_at", "status", "error_kind", "error_message"), TEXT),
    **dict.fromkeys(("seconds", "mean_seconds"), NUMBER),
    "last_quarter_over_first": NUMBER,
    **dict.fromkeys(("steps", "warmup_steps", "items_per_step"), WHOLE),
    **dict.fromkeys(("first_step_seconds", "import_seconds", "setup_seconds", "injected_slowdown"), NUMBER),
    **dict.fromkeys(("rss_peak_bytes", "cgroup_peak_bytes"), WHOLE),
    **dict.fromkeys(("gpu_allocated_peak_bytes", "gpu_reserved_peak_bytes", "gpu_process_peak_bytes"), WHOLE),
    "cpu_seconds": NUMBER,
    "energy_counters": TEXT,
    **dict.fromkeys(("energy_joules", "energy_joules_per_image", "energy_joules_per_step"), NUMBER),
    **dict.fromkeys(("gpu_energy_joules", "gpu_energy_joules_per_image", "gpu_energy_joules_per_step"), NUMBER),
    **dict.fromkeys(("host", "cpu_model", "kernel", "os", "governor", "gpu", "driver", "cuda", "cudnn"), TEXT),
    **dict.fromkeys(("cpus", "memory_bytes"), WHOLE),
    **dict.fromkeys(("engine", "python", "packages", "image_id", "image_base_digest", "commit", "allocator"), TEXT),
    "dirty": TRUTH,
}
COLUMNS = {**IDENTITY, **REPLICATE}
REPLICATES, SAMPLES = pa.schema(COLUMNS), pa.schema({**IDENTITY, **SAMPLE})


def replicate(record: Record, run: str, environment: int, case: str, competitor: str) -> Row:
    """The row of a replicate, whatever its status; text is cleaned, and `packages` is a JSON object.

    `case` and `competitor` are names that are unique in the table.
    """
    parts = (record.case, record.competitor, record.block, record.samples, record.host, record.resources)
    row: Row = {name: value for part in parts if part for name, value in vars(part).items() if name in COLUMNS}
    row |= {"run": run, "environment": environment, "record_id": record.record_id, "block": record.block.number}
    row |= {"case": case, "competitor": competitor, "status": record.status.value}
    data, samples = record.case.dataset, record.samples
    row |= {"dataset": data.id, "dataset_digest": data.digest} if data else {"dataset": None}
    row["model_digest"] = record.case.model.digest if record.case.model else None
    if record.error:
        row |= {"error_kind": record.error.kind, "error_message": record.error.message}
    if record.status is Status.OK:
        found = computed(record)
        row |= {"seconds": found.seconds, "mean_seconds": found.mean_seconds}
        row["last_quarter_over_first"] = None if found.drift is None else math.exp(found.drift)
    if samples:
        row |= {"steps": len(retained(samples)), "first_step_seconds": metrics.first_step(record)}
        row |= {"import_seconds": metrics.import_time(record), "setup_seconds": metrics.setup_time(record)}
    if record.host:
        # The machine's name only as the digest that the record holds.
        row |= {"host": record.host.hostname_digest, "packages": json.dumps(record.host.packages, sort_keys=True)}
    if record.resources:
        row |= _energy(record, record.resources)
    return {name: clean(value) if isinstance(value, str) else value for name, value in row.items()}


def _energy(record: Record, resources: Resources) -> Row:
    """What the record's energy comes to for an image and, in `infer` and `train`, for a step."""
    return {
        "energy_counters": ", ".join(resources.energy_counters) or None,
        "energy_joules_per_image": metrics.cpu_energy(record),
        "energy_joules_per_step": metrics.of_a_step(metrics.cpu_energy)(record),
        "gpu_energy_joules_per_image": metrics.gpu_energy(record),
        "gpu_energy_joules_per_step": metrics.of_a_step(metrics.gpu_energy)(record),
    }
