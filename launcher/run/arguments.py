"""The command line of a replicate. It is the same in every engine, apart from the folders."""

from launcher.plan.cases import SLOWED
from method.schedule import Replicate
from method.statistic import STEP_WORKLOADS
from runners.harness.case import AXES, Case
from runners.harness.sampling import Sampling


def case_arguments(
    case: Case, replicate: Replicate, sampling: Sampling, threads: int, slowdown: float = 1.0
) -> list[str]:
    """The options that say what to measure: a person can repeat the case by hand with them."""
    competitor = replicate.competitor
    slowed = slowdown != 1.0 and competitor.alias == SLOWED and case.workload in STEP_WORKLOADS
    argv = [case.workload, "--variant", competitor.variant]
    optional: list[tuple[str, object]] = [
        ("framework-version", competitor.version or None),
        ("loader", competitor.loader or None),
        ("alias", competitor.alias or None),
        *((axis.flag, getattr(case, axis.name)) for axis in AXES),
        ("device", case.device),
        ("threads", threads),
        ("warmup-steps", sampling.warmup_steps),
        ("min-steps", sampling.min_steps),
        ("max-steps", sampling.max_steps),
        ("min-seconds", sampling.min_seconds),
        ("inject-slowdown", slowdown if slowed else None),
    ]
    for option, value in optional:
        if isinstance(value, bool):
            argv.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None:
            argv += [f"--{option}", str(value)]
    return argv


def order_arguments(replicate: Replicate, run_id: str, order_seed: int) -> list[str]:
    """The options that say where the replicate stands in the run."""
    pairs: list[tuple[str, object]] = [
        ("--run-id", run_id),
        ("--record-id", replicate.record_id),
        ("--block", replicate.block),
        ("--position", replicate.position),
        ("--sequence", replicate.sequence),
        ("--order-seed", order_seed),
    ]
    return [str(word) for pair in pairs for word in pair]
