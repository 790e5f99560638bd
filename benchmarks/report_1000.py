"""How long a report of 1,000 records takes, and how much memory: python benchmarks/report_1000.py"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/aggregator")]

from make_records import TF, TORCH, make_records, make_run, planned, step_case, write_folder  # noqa: E402

NETWORKS = ("cnn4", "resnet18", "resnet50", "mobilenet_v2", "vgg16")


def main() -> int:
    """Build 50 cases × 2 sides × 10 blocks with 200 steps each, report on them in a fresh process, print the cost."""
    cases = [
        step_case(network, 2**power, workload)
        for network in NETWORKS
        for power in range(5)
        for workload in ("train", "infer")
    ]
    run = make_run([planned(case, [TORCH, TF], 10) for case in cases])
    records = make_records(run, lambda _, who: 0.06 if who == TF else 0.05, steps=200)
    with tempfile.TemporaryDirectory() as folder:
        target = write_folder(Path(folder) / "run", run, records)
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "aggregator", "report", str(target)], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - began
        page = (target / "report.html").stat().st_size
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    cost = f"{seconds:.1f} s, {memory:.0f} MiB at peak, page {page / 2**20:.2f} MiB"
    print(f"{len(records)} records, {len(cases)} cases: {cost}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
