"""Builds synthetic runs: what the launcher and the runners would leave, from a seed."""

import dataclasses
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from aggregator.judge.analysis import Environment, analyse
from aggregator.read.run_folder import LoadedRun
from method.schedule import Entry, schedule
from method.statistic import WHOLE_STAGES
from runners.harness.agreement import REQUIRED
from runners.harness.case import Block, Case, Competitor, DatasetRef
from runners.harness.record import (
    SCHEMA_VERSION,
    Check,
    Effective,
    Epoch,
    Failure,
    Health,
    Host,
    PipelineStage,
    Record,
    Resources,
    Samples,
    Status,
    write_record,
)
from runners.harness.run import RUN_VERSION, PlannedCase, Run, RunState, write_run

TORCH = Competitor("pytorch", "eager")
TF = Competitor("tensorflow", "graph")
TORCH_LOADER = Competitor("pytorch", "plain", "torch")
SPDL = Competitor("pytorch", "plain", "spdl")
TFDATA = Competitor("tensorflow", "plain", "tfdata")
TORCH_FIT = Competitor("pytorch", "eager", "torch")
TF_FIT = Competitor("tensorflow", "graph", "tfdata")
DATA = DatasetRef("synthetic-240", "sha256:" + "ab" * 32, 240, 24_000_000)
SEED = 7

HOST = Host(
    hostname_digest="0123456789ab",
    cpu_model="Example CPU 2 GHz",
    cpus=2,
    memory_bytes=24 * 2**30,
    kernel="6.1.0-18-amd64",
    os="Debian GNU/Linux 12 (bookworm)",
    governor=None,
    gpu=None,
    driver=None,
    cuda=None,
    cudnn=None,
    python="3.11.7",
    packages={"torch": "2.14.1"},
    engine="venv",
    image_id=None,
    image_base_digest=None,
    commit="0123456789abcdef",
    dirty=False,
)
HEALTH = Health(0.5, 1.0, 0.0, 0.01, 0, 10, 100, 0, None, 4_000_000_000)


def check_of(workload: str) -> Check:
    """All the evidence that a workload must bring, and only that; of a strange one, what `infer` brings."""
    evidence: dict[str, Any] = {
        "trainable": 1000,
        "non_trainable": 10,
        "weights_digest": "sha256:" + "cd" * 32,
        "logits_sketch": [1.0, 2.0, 3.0],
        "losses": [4.6, 4.5, 4.4, 4.3],
        "delivered_items": 240,
        "pixel_mean_difference": 0.21,
        "pixel_worst_image": 1.2,
        "accuracy": 0.51,
        "accuracy_restored": 0.51,
        "gradient_difference": 1e-7,
        "file_bytes": 46_829_000,
        "export_difference": 6e-7,
    }
    return Check(**{name: evidence[name] for name in REQUIRED.get(workload, ())})


def step_case(network: str = "resnet18", batch_size: int = 8, workload: str = "infer", size: int = 224) -> Case:
    """A training or inference step."""
    return Case(workload, "cpu", batch_size=batch_size, seed=25, network=network, input_size=size, scope="compute")


def scale_case(processes: int, device: str = "cpu", global_batch: str = "fixed") -> Case:
    """A training step of several processes."""
    axes = {"network": "cnn4", "input_size": 32, "processes": processes, "global_batch": global_batch}
    return Case("scale", device, batch_size=32, seed=25, **axes)  # type: ignore[arg-type]


def export_case(format: str = "onnx", network: str = "resnet18") -> Case:
    """An export to a file."""
    return Case("export", "cpu", batch_size=1, seed=25, network=network, format=format, input_size=128)


def roof_case(stage: str = "product", precision: str = "fp32") -> Case:
    """A measurement of what the machine can do."""
    return Case("roof", "cpu", batch_size=1, seed=25, stage=stage, precision=precision)


def cost_of(case: Case) -> tuple[int | None, int | None]:
    """Operations and bytes of a step: 1 GFLOP and 10 MB an image, a product of 20 GFLOP, a copy of 100 MB."""
    if case.workload == "roof":
        return (20 * 10**9, None) if case.stage == "product" else (None, 10**8)
    return (case.batch_size * 10**9, case.batch_size * 10**7) if case.workload in ("train", "infer") else (None, None)


def load_case(stage: str = "decode", workers: int = 2, track: str = "matched") -> Case:
    """A loader's stage."""
    return Case("load", "cpu", batch_size=32, seed=25, track=track, stage=stage, workers=workers, dataset=DATA)


def stages_of(case: Case, level: float) -> dict[str, tuple[int, int]]:
    """(ns, images) of each stage of a loader that takes `level` seconds a batch. An image is decoded in 1.5 ms by the
    reference, read in 0.5 and handed over in 0.25; a cold page cache makes an epoch a quarter longer."""
    data = case.dataset or DATA
    epoch = level * data.items / case.batch_size
    times = {
        "first_batch": (8 * level, case.batch_size),
        "close": (0.01, case.batch_size),
        "epoch": (epoch + 8 * level, data.items),
        "second_epoch": (epoch, data.items),
        "cold_epoch": (1.25 * epoch + 8 * level, data.items),
        "decode_alone": (100 * 1.5e-3, 100),
        "read_cold": (data.items * 0.5e-3, data.items),
        "headspace": (data.items * 0.25e-3, data.items),
        "observed": (16 * level, 16 * case.batch_size),
    }
    return {name: (int(seconds * 1e9), items) for name, (seconds, items) in times.items()}


def pipeline_of(case: Case, watched_ns: int) -> list[PipelineStage]:
    """A loader whose workers decode nine tenths of the time, and one of whose threads stacks batches."""
    workers = case.workers or 1
    decode = PipelineStage("decode", workers, 16 * case.batch_size, int(0.9 * workers * watched_ns))
    return [decode, PipelineStage("batch", 1, 16, int(0.2 * watched_ns))]


def fit_case(epochs: int = 3) -> Case:
    """An end-to-end training."""
    more = {"workers": 2, "cache": True, "augment": False, "epochs": epochs, "dataset": DATA}
    return Case("fit", "cpu", batch_size=32, seed=25, network="cnn4", input_size=32, **more)  # type: ignore[arg-type]


def _drawn_for(case: Case) -> str:
    """Names a case for its random numbers, the same however labels are worded: golden figures rest on them."""
    size = 224 if case.workload == "load" else case.input_size
    switch = {True: "on", False: "off"}
    parts = [
        *(case.workload, case.network, case.stage),
        f"{size}px" if size else "",
        f"batch {case.batch_size}",
        f"workers {case.workers}" if case.workers is not None else "",
        f"cache {switch[case.cache]}" if case.cache is not None else "",
        f"augment {switch[case.augment]}" if case.augment is not None else "",
        f"epochs {case.epochs}" if case.epochs is not None else "",
        "tested each epoch" if case.test_each_epoch else "",
        case.dataset.id if case.dataset else "",
        case.precision,
        case.scope if case.scope != "compute" else "",
        case.track if case.track != "matched" else "",
        f"seed {case.seed}" if case.seed != 25 else "",
        case.device,
    ]
    return " ".join(part for part in parts if part)


def make_record(
    case: Case,
    competitor: Competitor,
    number: int,
    sequence: int,
    *,
    seconds: float = 0.05,
    scatter: float = 0.01,
    steps: int = 80,
    warmup: int = 5,
    run_id: str = "run-1",
) -> Record:
    """One `ok` replicate whose statistic lies about `seconds`: scatter between processes, less within."""
    draw = random.Random(f"{SEED} {_drawn_for(case)} {competitor.label} {number}")
    level = seconds * draw.lognormvariate(0, scatter)
    times = [
        int(level * 1e9 * draw.lognormvariate(0, 0.004) * (1.6 if index < warmup else 1)) for index in range(steps)
    ]
    is_fit, whole = case.workload == "fit", WHOLE_STAGES.get(case.workload)
    passes = stages_of(case, level) if case.workload == "load" else {}
    loader = {"worker_kind": "thread", "decoder": "example 1.0", "stage_statistics": "its own clock"}
    seen = {"workers_alive": str(case.workers), **loader} if passes else {}
    stages = {name: ns for name, (ns, _) in passes.items()}
    if is_fit:
        stages = dict.fromkeys(("load", "build", "save", "restore", "evaluate"), int(level * 2e8))
    if whole:
        stages[whole] = int(level * 1e9)
    history = [
        Epoch(epoch, 4.0 / (epoch + 1), min(1.0, 0.1 * (epoch + 1)), int(level * 1e9))
        for epoch in range(case.epochs or 0)
    ]
    return Record(
        schema_version=SCHEMA_VERSION,
        record_id=f"{run_id}-{sequence:05d}",
        run_id=run_id,
        status=Status.OK,
        error=None,
        case=case,
        competitor=competitor,
        block=Block(number, 0, sequence, SEED, "2026-01-02T03:04:05Z"),
        command=[
            "python",
            "-m",
            f"runners.{competitor.framework}",
            case.workload,
            "--batch-size",
            str(case.batch_size),
        ],
        effective=Effective(
            case.device, case.precision, 2, 1, None, "NCHW", 2, None, 2**26, None, {"deterministic": "no", **seen}
        ),
        samples=Samples(
            step_ns=[] if whole else times,
            warmup_steps=0 if whole else warmup,
            items_per_step=case.batch_size,
            first_step_ns=None if whole else int(level * 8e9),
            import_ns=3_000_000_000,
            setup_ns=400_000_000,
            stage_ns=stages,
            stage_items={name: items for name, (_, items) in passes.items()},
            flops_per_step=cost_of(case)[0],
            bytes_per_step=cost_of(case)[1],
            pipeline=pipeline_of(case, stages["observed"]) if passes else [],
        ),
        resources=Resources(int(4e8 * draw.lognormvariate(0, 0.02)), None, None, None, None, level * steps, None),
        check=check_of(case.workload),
        host=dataclasses.replace(HOST, packages={competitor.framework: "2.0"}),
        health=HEALTH,
        history=history if is_fit else None,
    )


def failed(record: Record, status: Status, kind: str, message: str, log: str = "") -> Record:
    """`record` as it would have been had the replicate failed."""
    failure = Failure(kind, message, 1, log)
    nothing = dict.fromkeys(("effective", "samples", "resources", "check", "host", "health", "history"))
    return dataclasses.replace(record, status=status, error=failure, **nothing)  # type: ignore[arg-type]


def planned(case: Case, competitors: Sequence[Competitor], blocks: int = 10) -> PlannedCase:
    """A case in the plan."""
    return PlannedCase(case, list(competitors), blocks)


def make_run(cases: Sequence[PlannedCase], run_id: str = "run-1", state: RunState = RunState.COMPLETE) -> Run:
    """A plan."""
    return Run(
        RUN_VERSION,
        run_id,
        "quick",
        "venv",
        "no engine answers",
        SEED,
        "2026-01-02T03:04:05Z",
        state,
        ["bench"],
        {},
        list(cases),
    )


def make_records(
    run: Run, seconds: Callable[[Case, Competitor], float] = lambda _case, _who: 0.05, **more: object
) -> list[Record]:
    """Every record that `run` plans, in order of start."""
    found: list[Record] = []
    for number in range(max((case.blocks for case in run.cases), default=0)):
        for case in run.cases:
            if number < case.blocks:
                turn = case.competitors[:: -1 if number % 2 else 1]
                for who in turn:
                    level = seconds(case.case, who)
                    options = {"seconds": level, "run_id": run.run_id, **more}
                    found.append(make_record(case.case, who, number, len(found), **options))  # type: ignore[arg-type]
    return found


def scheduled(
    run: Run, seconds: Callable[[Case, Competitor], float] = lambda _case, _who: 0.05, pilots: bool = False, **more: Any
) -> list[Record]:
    """Every record that `run` plans with its extensions, in the order and with the names that its seed gives."""
    entries = [Entry(case.case.key, case.competitors, case.blocks) for case in run.cases]
    found = []
    for one in schedule(entries, run.order_seed, run.extensions, run.stopping.every if run.stopping else 0):
        planned = run.cases[one.case]
        options = {"seconds": seconds(planned.case, one.competitor), "run_id": run.run_id, **more}
        if own := planned.warmup(one.competitor):
            options |= {"warmup": own.warmup_steps, "steps": own.warmup_steps + own.kept_steps}
        record = make_record(planned.case, one.competitor, one.block, one.sequence, **options)
        hours, minutes, rest = one.sequence // 3600, one.sequence // 60 % 60, one.sequence % 60
        started = f"2026-01-02T{hours:02}:{minutes:02}:{rest:02}Z"
        block = Block(one.block, one.position, one.sequence, run.order_seed, started)
        name = one.record_id.replace("-b", "-p") if pilots else one.record_id
        found.append(dataclasses.replace(record, record_id=name, block=block))
    return found


def write_folder(folder: Path, run: Run | None, records: Sequence[Record], pilots: Sequence[Record] = ()) -> Path:
    """The run's folder on disk."""
    for path, members in ((folder / "records", records), (folder / "pilots" / "records", pilots)):
        path.mkdir(parents=True)
        for record in members:
            write_record(record, path)
    if run:
        write_run(run, folder)
    return folder


def compared(run: Run, records: Iterable[Record]) -> Environment:
    """The only environment of a run with these records, its cases compared."""
    (found,) = analyse([LoadedRun(run.run_id, run, tuple(records), ())])
    return found
