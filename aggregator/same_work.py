"""Did two sides of a case do the same work with the same settings? Only then may they be ranked."""

from runners.harness.agreement import disagreement
from runners.harness.case import Case
from runners.harness.record import Check, Effective, Record

COMPUTE = ("train", "infer", "fit")


def difference_in_work(left: Record, right: Record) -> str | None:
    """Why the two replicates cannot be compared, in a sentence, or None."""
    if left.case.track == "matched":
        settings = _settings_differ(left, right)
        if settings:
            return settings
    return _checks_differ(left.check, right.check, left.case)


def _checks_differ(left: Check | None, right: Check | None, case: Case) -> str | None:
    if left is None or right is None:
        return "a record holds no evidence of its work"
    return disagreement(left, right, case.precision, case.workload)


def _settings_differ(left: Record, right: Record) -> str | None:
    ours, theirs = left.effective, right.effective
    if ours is None or theirs is None:
        return None
    names = ["device", "precision", "visible_cpus", "cgroup_cpu_quota", "gpu"]
    if left.case.workload in COMPUTE:
        names.append("threads_intra")
    if left.case.device == "gpu":
        names.append("tf32")
    return next((text for name in names if (text := _differs(name, ours, theirs))), None)


def _differs(name: str, ours: Effective, theirs: Effective) -> str | None:
    one, other = getattr(ours, name), getattr(theirs, name)
    if one is None or other is None or one == other:
        return None
    return f"{name.replace('_', ' ')} in effect differs: {one} and {other}"
