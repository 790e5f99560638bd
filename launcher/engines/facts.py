"""What a Docker engine says about itself: its kind, what it can limit, how it names users and GPUs."""

import shutil
from typing import Any

import docker

from launcher.errors import NotReady

RUNTIME, CDI, CDI_KIND = "nvidia", "cdi", "nvidia.com/gpu"
NO_TOOLKIT = (
    "DEVICE=gpu: the Docker engine cannot give a container the GPU; install the NVIDIA Container Toolkit, configure "
    "the engine (sudo nvidia-ctk runtime configure --runtime=docker) and restart it, or use ENGINE=venv"
)
# Podman's issues 19338 and 22645: its Docker-compatible interface ignores requests for devices.
NOT_BY_PODMAN = "DEVICE=gpu: Podman gives no GPU to a container through its Docker socket; use Docker, or ENGINE=venv"
DELEGATE = (
    "delegate the control groups to users: put Delegate=cpu cpuset io memory pids under [Service] in "
    "/etc/systemd/system/user@.service.d/delegate.conf, then: sudo systemctl daemon-reload, and log in again"
)


def is_podman(client: docker.DockerClient) -> bool:
    """Whether Podman answers in place of Docker."""
    parts = client.version().get("Components") or []
    return any("podman" in str(part.get("Name", "")).lower() for part in parts)


def security(facts: dict[str, Any]) -> set[str]:
    """The names of an engine's security options, such as rootless and userns."""
    words = (word for option in facts.get("SecurityOptions") or [] for word in option.split(","))
    return {word.removeprefix("name=") for word in words}


def cdi_devices(facts: dict[str, Any]) -> set[str]:
    """The devices that an engine knows through CDI, such as `nvidia.com/gpu=0`."""
    return {str(device.get("ID", "")) for device in facts.get("DiscoveredDevices") or []}


def unlimited(facts: dict[str, Any]) -> list[str]:
    """What the engine cannot limit, though every replicate has such a limit: an engine ignores it without an error.

    Rootless engines need control groups of version 2 that systemd delegates to the user.
    """
    able = {"CPUs": facts.get("CPUSet"), "memory": facts.get("MemoryLimit")}
    return [what for what, possible in able.items() if possible is False or facts.get("CgroupDriver") == "none"]


def limits_remedy(facts: dict[str, Any]) -> str:
    """What lets the engine limit CPUs and memory."""
    if "rootless" not in security(facts):
        return "turn the control groups cpuset and memory on in the kernel's command line"
    if str(facts.get("CgroupVersion")) != "2":
        return "a rootless engine needs control groups of version 2: boot with systemd.unified_cgroup_hierarchy=1"
    return DELEGATE


def require_limits(client: docker.DockerClient) -> None:
    """Raise NotReady where the engine would ignore the limits of a replicate."""
    facts = client.info()
    if lacking := unlimited(facts):
        raise NotReady(
            f"the engine cannot limit a container's {' and '.join(lacking)}; {limits_remedy(facts)}, or use ENGINE=venv"
        )


def require_toolkit(client: docker.DockerClient) -> None:
    """Raise NotReady, before anything is built, unless the engine seems able to give a container a GPU."""
    if is_podman(client):
        raise NotReady(NOT_BY_PODMAN)
    facts = client.info()
    has_toolkit = RUNTIME in (facts.get("Runtimes") or {}) or any(CDI_KIND in name for name in cdi_devices(facts))
    # An engine also finds the toolkit's hook on its path; it does not mention it in what it reports about itself.
    if not has_toolkit and not shutil.which("nvidia-container-runtime-hook"):
        raise NotReady(NO_TOOLKIT)
