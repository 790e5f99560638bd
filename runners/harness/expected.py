"""The reference of `--check`: PyTorch's evidence of each network, stored so that PyTorch need not be installed.

`python -m benchmarks.expected_checks` writes the file.
"""

import functools
import json
from pathlib import Path
from typing import Any

from runners.harness.agreement import LOGITS_TOLERANCE, REQUIRED, disagreement, relative_error
from runners.harness.case import Case
from runners.harness.record import Check

EXPECTED = Path(__file__).parents[1] / "reference" / "expected.json"
BATCH_SIZE = 2
"""The batch size of the stored trainings. Their losses depend on it; logits do not."""
WORKLOADS = ("infer", "train")
NOT_COMPARED = "NOT COMPARED"


def shortcoming(case: Case, check: Check) -> tuple[str | None, str]:
    """Two sentences: why the evidence does not show the case's work (None if it does), and the comparison's result."""
    missing = disagreement(check, check, case.precision, case.evidence)
    if case.model:
        return missing, f"{NOT_COMPARED}: nothing is stored of your own model; make bench MODEL=… compares frameworks"
    if case.workload not in WORKLOADS:
        nothing = f"there is no stored evidence of {case.workload}"
        # A check trains nothing, so that `fit` has no results of a training.
        found = None if case.workload == "fit" else missing
        return found, f"{NOT_COMPARED}: {nothing}; make bench PROFILE=line compares frameworks"
    stored = expected(case)
    if stored is None:
        return missing, f"{NOT_COMPARED}: the stored evidence is of {_stored_cases(case)}"
    error = relative_error(check.logits_sketch or [], stored.logits_sketch or [])
    found = f"logits differ by {error:.0e}, allowed {LOGITS_TOLERANCE[case.precision]:.0e}"
    return disagreement(check, stored, case.precision, case.evidence), f"PyTorch's {case.label}: {found}"


def expected(case: Case) -> Check | None:
    """PyTorch's evidence of the case, computed on a CPU; None if none is stored."""
    batch_size = case.batch_size if case.workload == "train" else BATCH_SIZE
    if case.precision != "fp32" or batch_size != BATCH_SIZE:
        return None
    entry = _entries().get(key(case.workload, case.network or "", case.input_size or 0, case.seed))
    return Check(**entry) if entry else None


def key(workload: str, network: str, input_size: int, seed: int) -> str:
    """The name of an entry in the file."""
    return f"{workload} {network} {input_size}px seed {seed}"


def evidence(workload: str) -> tuple[str, ...]:
    """The fields of a Check that the file stores for a workload."""
    return (*REQUIRED[workload], *(("losses_fp64", "evaluated_fp64") if workload == "train" else ()))


def _stored_cases(case: Case) -> str:
    names = ", ".join(name for name in _entries() if name.startswith(f"{case.workload} {case.network} "))
    return f"{names or 'other networks'}, fp32" + (f", batch {BATCH_SIZE}" if case.workload == "train" else "")


@functools.cache
def _entries() -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = json.loads(EXPECTED.read_bytes())
    return entries
