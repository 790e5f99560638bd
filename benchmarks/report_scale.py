"""The cost of a report for growing numbers of records: python benchmarks/report_scale.py [--only ROWS]

The row `page` is a page that must stay small: 200 cases × 3 competitors × 8 blocks, with 60 to 200 raw steps each. The
other rows have 100 records a case (2 competitors × 50 blocks) of 80 steps and 6 KB each. A fresh process makes each
report.
"""

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/aggregator")]

from make_records import SPDL, TF, TFDATA, TORCH, TORCH_LOADER, load_case, make_record, make_run, planned, step_case  # noqa: E402

from runners.harness.case import Case, Competitor  # noqa: E402
from runners.harness.record import Record, to_json  # noqa: E402
from runners.harness.run import PlannedCase, Run, write_run  # noqa: E402

NETWORKS = ("cnn4", "resnet18", "resnet50", "mobilenet_v2", "vgg16")
ONNX = Competitor("onnxruntime", "tuned")
MARK, STEP = 987_654_321, 424_242_424_242
"""Placeholders in a template for a replicate's own numbers."""
PACKAGES = {f"package-{letter}": "1.2.3.4" for letter in "abcdefghijklmnopqrst"}
UNKNOWN = {f"resources.counter_{letter}": "not in a container of its own, or it does not say" for letter in "abcdefgh"}
MANY = 50


def page_run() -> Run:
    """160 cases of steps and 40 of loaders, 3 competitors each."""
    steps = [
        planned(step_case(network, 2**power, workload, size), [TORCH, TF, ONNX], 8)
        for network in NETWORKS
        for size in (128, 224)
        for power in range(8)
        for workload in ("train", "infer")
    ]
    loads = [
        planned(load_case(stage, workers), [TORCH_LOADER, SPDL, TFDATA], 8)
        for stage in ("decode", "batch", "normalize", "transfer")
        for workers in range(1, 11)
    ]
    return make_run([*steps, *loads])


def long_run(cases: int) -> Run:
    """A run with 100 records for each case."""
    sizes = [(network, size, batch) for size in range(32, 10**6, 32) for network in NETWORKS for batch in (1, 2, 4, 8)]
    return make_run(
        [planned(step_case(net, batch, "infer", size), [TORCH, TF], MANY) for net, size, batch in sizes[:cases]]
    )


def main() -> int:
    """Make each run, report on it, and print the cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    for name in parser.parse_args().only:
        run = ROWS[name]()
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name}: {cost(Path(folder), write(run, Path(folder)))}", flush=True)
    return 0


ROWS = {
    "page": page_run,
    "5k": lambda: long_run(50),
    "20k": lambda: long_run(200),
    "100k": lambda: long_run(1000),
}


def write(run: Run, folder: Path) -> int:
    """Write the run's folder, with records from one template for each case and competitor. Returns their number."""
    records = folder / "records"
    records.mkdir()
    write_run(run, folder)
    draw, written = np.random.default_rng(25), 0
    for index, case in enumerate(run.cases):
        for place, who in enumerate(case.competitors):
            for number, text in enumerate(replicates(case, who, run, draw)):
                name = f"c{index:04}-b{number:03}-{place}"
                sequence = (number * len(run.cases) + index) * len(case.competitors) + place
                own = {"RECORD": name, "NUMBER": number, "SEQUENCE": sequence}
                for key, value in own.items():
                    text = text.replace(f"{MARK}{list(own).index(key)}", str(value))
                (records / f"{name}.json").write_text(text)
                written += 1
    return written


def replicates(case: PlannedCase, who: Competitor, run: Run, draw: np.random.Generator) -> Iterator[str]:
    """The records of a side as text, with a scatter of 1 % between processes."""
    before, after = to_json(template(case.case, who, run)).decode().split(str(STEP))
    length = 80 if case.blocks == MANY else int(draw.integers(60, 200))
    level = 5e7 * draw.lognormal(0, 0.2)
    for _ in range(case.blocks):
        steps = (level * draw.lognormal(0, 0.01) * draw.lognormal(0, 0.004, length)).astype(int)
        yield before + ",\n   ".join(map(str, steps)) + after


def template(case: Case, who: Competitor, run: Run) -> Record:
    """A record as large as a real record, with placeholders where replicates differ."""
    record = make_record(case, who, int(f"{MARK}1"), int(f"{MARK}2"), steps=1, warmup=0, run_id=run.run_id)
    assert record.samples is not None
    assert record.host is not None
    assert record.check is not None
    sketch = np.random.default_rng(1).normal(size=32).tolist() if record.check.logits_sketch else None
    return dataclasses.replace(
        record,
        record_id=f"{MARK}0",
        samples=dataclasses.replace(record.samples, step_ns=[STEP], warmup_steps=5),
        host=dataclasses.replace(record.host, packages={**record.host.packages, **PACKAGES}),
        check=dataclasses.replace(record.check, logits_sketch=sketch),
        unknown=UNKNOWN,
    )


def cost(folder: Path, records: int) -> str:
    """Report on the run in a fresh process. Returns a line with the cost."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "aggregator", "report", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds, cpu = time.perf_counter() - began, used.ru_utime + used.ru_stime
    page = (folder / "report.html").stat().st_size
    took = f"{seconds:.1f} s ({seconds / records * 1000:.2f} s per 1,000; {cpu:.1f} s of CPU)"
    size = f"page {page / 1e6:.2f} MB, exit code {os.waitstatus_to_exitcode(status)}"
    return f"{records} records, {took}, {used.ru_maxrss / 1024:.0f} MiB at peak, {size}"


if __name__ == "__main__":
    sys.exit(main())
