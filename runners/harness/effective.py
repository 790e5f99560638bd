"""The settings in effect: what the framework reports, compared with the request."""

from runners.harness import nvidia, rank
from runners.harness.case import PIPED, PREFETCH, Case
from runners.harness.host import cgroup_cpu_quota, shm_bytes, visible_cpus
from runners.harness.record import Effective, provenance
from runners.harness.workload import Invalid, Request, Seen

THREADS = ("threads_intra", "threads_inter")


def effective(request: Request, seen: Seen) -> tuple[Effective, dict[str, str]]:
    """The settings in effect, and a reason for each unknown one. Raises Invalid if they differ from the request."""
    case = request.case
    unknown = {name: seen.unknown.get(name, "") for name in THREADS if getattr(seen, name) is None}
    for name in THREADS:
        found = getattr(seen, name)
        if found is None and not unknown[name]:
            raise Invalid("THREADS", f"{name} is unknown, and Seen.unknown[{name!r}] gives no reason")
        if found not in (None, request.threads):
            raise Invalid("THREADS", f"{request.threads} threads were requested, {name} is {found}")
    if seen.device != case.device and case.workload != "load":  # loaders deliver in the host's memory
        raise Invalid("DEVICE", f"{case.device} was requested, {seen.device} was used")
    _assert_cpus(request)
    _assert_queue(case, seen)
    computed = "tf32" if seen.tf32 and seen.precision == "fp32" else seen.precision
    if case.network and computed != case.precision:
        raise Invalid("PRECISION", f"{case.precision} was requested, {computed} is in effect")
    gpu = nvidia.current() if case.device == "gpu" else None
    wanted = provenance().get("gpu")
    if gpu and wanted and not request.rank.number and gpu.uuid[4:] != str(wanted)[4:]:  # without GPU- or MIG-
        raise Invalid("DEVICE", f"GPU {wanted} was requested, {gpu.uuid} was used")
    if case.device == "gpu" and gpu is None:
        unknown["gpu_uuid"] = "neither CUDA's driver nor nvidia-smi names one GPU"
    more = {"parameters": seen.parameters} if seen.parameters else {}
    if case.processes is not None:
        more["cpus_a_process"] = str(len(rank.confined()))
    found = Effective(
        device=seen.device,
        precision=computed,
        threads_intra=seen.threads_intra,
        threads_inter=seen.threads_inter,
        tf32=seen.tf32,
        layout=seen.layout,
        visible_cpus=visible_cpus(),
        cgroup_cpu_quota=cgroup_cpu_quota(),
        shm_bytes=shm_bytes(),
        gpu=seen.gpu or (gpu.name if gpu else None) or None,
        gpu_uuid=gpu.uuid if gpu else None,
        settings={**more, **seen.settings},
    )
    return found, {f"effective.{name}": reason for name, reason in unknown.items()}


def _assert_queue(case: Case, seen: Seen) -> None:
    """Raise Invalid unless the loader's queue has the case's size, and its pipeline copies if the case asks for that.

    Only a loader with the usual queue may leave its size out.
    """
    found = seen.settings.get("prefetch_batches")
    if case.prefetch is not None and (found is not None or case.prefetch != PREFETCH):
        asked = str((case.workers or 0) * case.prefetch)
        if found != asked:
            raise Invalid("LOADER", f"{asked} ready batches were requested, the loader says {found or 'nothing'}")
    if case.gpu_copy == PIPED and seen.settings.get("copied_by") != "pipeline":
        raise Invalid("LOADER", "the loader's pipeline was to copy to the GPU, and has no stage that copies")


def _assert_cpus(request: Request) -> None:
    """Raise Invalid unless this process, if it is one of several, keeps to its share of the replicate's CPUs."""
    if request.rank.count > 1:
        share, found = set(request.rank.share(sorted(rank.cpus()))), rank.confined()
        if found != share:
            raise Invalid("CPUS", f"a share of the CPUs {sorted(share)} was requested, {sorted(found)} are in use")
