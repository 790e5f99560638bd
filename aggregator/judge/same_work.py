"""Whether two sides of a case did the same work with the same settings. Only then can they be ranked."""

from collections.abc import Iterable
from itertools import combinations

from runners.harness.agreement import disagreement
from runners.harness.case import Case, Competitor
from runners.harness.record import Effective, Record, Status

COMPUTE = ("train", "infer", "scale", "fit", "export")


def difference_in_work(left: Record, right: Record) -> str | None:
    """Why the two replicates cannot be compared, in a sentence, or None."""
    if left.effective is None or right.effective is None:
        return "a record does not say which settings were in effect"
    if left.check is None or right.check is None:
        return "a record holds no evidence of its work"
    case = left.case
    settings = _settings_differ(left.effective, right.effective, case) if case.track == "matched" else None
    return settings or disagreement(left.check, right.check, case.precision, case.evidence)


def contradict(records: Iterable[Record]) -> bool:
    """Whether the first evidence of any two competitors of a case differs: a run then measures no further block."""
    first: dict[Competitor, Record] = {}
    for record in records:
        if record.status is Status.OK and record.check:
            first.setdefault(record.competitor, record)
    return any(
        disagreement(left.check, right.check, left.case.precision, left.case.evidence)
        for left, right in combinations(first.values(), 2)
        if left.check and right.check
    )


def _settings_differ(ours: Effective, theirs: Effective, case: Case) -> str | None:
    names = ["device", "precision", "visible_cpus", "cgroup_cpu_quota"]
    # Frameworks name the same GPU in different words, and a machine may have two GPUs of one name.
    names.append("gpu_uuid" if ours.gpu_uuid and theirs.gpu_uuid else "gpu")
    if case.workload in COMPUTE:
        names.append("threads_intra")
    if case.device == "gpu":
        names.append("tf32")
    return next((text for name in names if (text := _differs(name, ours, theirs))), None)


def _differs(name: str, ours: Effective, theirs: Effective) -> str | None:
    one, other = getattr(ours, name), getattr(theirs, name)
    if one is None or other is None or one == other:
        return None
    return f"{name.replace('_', ' ')} in effect differs: {one} and {other}"
