"""Writes runners/reference/expected.json: PyTorch's evidence of every network, the reference of `--check`.

    .venv/bin/python -m benchmarks.expected_checks

It runs PyTorch's `--check` (torchvision's networks, fp32, batch 2, CPU) for each network. Five minutes on two cores.
"""

import json
import subprocess
import sys
from pathlib import Path

from runners.harness.expected import BATCH_SIZE, EXPECTED, WORKLOADS, evidence, key
from runners.harness.files import write_atomically
from runners.reference.layers import CLASSES, SIZES

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venvs" / "pytorch" / "bin" / "python"
SEED = 25
DIGITS = 9
"""Digits of each number: two more than a tolerance of 1e-7 needs."""


def main() -> None:
    """Run PyTorch for each workload and network, and replace the file."""
    entries = {}
    for workload in WORKLOADS:
        for network in CLASSES:
            size = SIZES[network][0]
            print(f"{workload} {network} {size}px", file=sys.stderr)
            command = [PYTHON, "-m", "runners.pytorch", workload, "--check", "--network", network]
            command += ["--batch-size", str(BATCH_SIZE), "--input-size", str(size), "--seed", str(SEED)]
            # The exit code does not matter: it is the comparison with the old file.
            answer = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False).stdout)
            entries[key(workload, network, size, SEED)] = {name: _rounded(answer[name]) for name in evidence(workload)}
    lines = (f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
    write_atomically(EXPECTED, ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii"))


def _rounded(value: object) -> object:
    if isinstance(value, list):
        return [_rounded(element) for element in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
