"""What `--check` holds a framework against: PyTorch's evidence of each network, kept so that no PyTorch need be there.

`python -m benchmarks.expected_checks` writes the file anew.
"""

import functools
import json
from pathlib import Path
from typing import Any

from runners.harness.agreement import LOGITS_TOLERANCE, REQUIRED, disagreement, relative_error
from runners.harness.case import Case
from runners.harness.record import Check

KEPT = Path(__file__).parents[1] / "reference" / "expected.json"
BATCH_SIZE = 2
"""Of the kept trainings, whose losses depend on it; logits do not."""
WORKLOADS = ("infer", "train")
NOT_COMPARED = "NOT COMPARED"


def shortcoming(case: Case, check: Check) -> tuple[str | None, str]:
    """(why the evidence does not show the case's work, or None; what it was compared with), each in a sentence."""
    if case.workload not in WORKLOADS:
        return None, f"{NOT_COMPARED}: nothing is kept of {case.workload}; make bench PROFILE=line compares frameworks"
    kept = expected(case)
    if kept is None:
        lacking = disagreement(check, check, case.precision, case.workload)
        return lacking, f"{NOT_COMPARED}: what is kept is of {_what_is_kept(case)}"
    error = relative_error(check.logits_sketch or [], kept.logits_sketch or [])
    found = f"logits differ by {error:.0e}, allowed {LOGITS_TOLERANCE[case.precision]:.0e}"
    return disagreement(check, kept, case.precision, case.workload), f"PyTorch's {case.label}: {found}"


def expected(case: Case) -> Check | None:
    """PyTorch's evidence of the case, on a CPU; None where none is kept."""
    batch_size = case.batch_size if case.workload == "train" else BATCH_SIZE
    if case.precision != "fp32" or batch_size != BATCH_SIZE:
        return None
    entry = _kept().get(key(case.workload, case.network or "", case.input_size or 0, case.seed))
    return Check(**entry) if entry else None


def key(workload: str, network: str, input_size: int, seed: int) -> str:
    """The name of an entry in the file."""
    return f"{workload} {network} {input_size}px seed {seed}"


def evidence(workload: str) -> tuple[str, ...]:
    """The fields of a Check that are kept of a workload."""
    return (*REQUIRED[workload], *(("losses_fp64", "evaluated_fp64") if workload == "train" else ()))


def _what_is_kept(case: Case) -> str:
    names = ", ".join(name for name in _kept() if name.startswith(f"{case.workload} {case.network} "))
    return f"{names or 'other networks'}, fp32" + (f", batch {BATCH_SIZE}" if case.workload == "train" else "")


@functools.cache
def _kept() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(KEPT.read_bytes())
    return found
