"""The engine with containers: each replicate runs in a fresh, hardened container, started by image id."""

import os
import shutil
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import docker
from docker.errors import APIError
from docker.models.containers import Container
from docker.types import DeviceRequest, LogConfig, Mount

from launcher.build.images import ImageBuilder, tag
from launcher.engines.engine import Job, Limits, Outcome, Places
from launcher.engines.log import Log
from launcher.engines.provenance import handed_down
from launcher.engines.waiting import CONNECTION_ERRORS, Waiter, reconnected
from launcher.errors import NotReady, UsageError
from launcher.ownership.owner import parse_owner, this_launcher
from launcher.ownership.temporary import temporary_folder
from launcher.stop import Ending, Stop, supervise
from runners.harness.host import ALLOCATOR
from runners.harness.run import Build

RUN_LABEL = "levelfield.run"
RECORD_LABEL = "levelfield.record"
LAUNCHER_LABEL = "levelfield.launcher"

INSIDE = Places("/results", "/manifest/manifest.json", "/data")
COMPILED = "/compiled"
IMAGE_USER = "1000:1000"
"""The images' own user. A launcher that runs as root starts replicates as this user, not as root."""

PIDS_LIMIT = 4096
SHM_BYTES = 2 * 2**30
TMP_OPTIONS = "rw,exec,nosuid,nodev,mode=1777,size=2g"
"""`exec`, since compiled variants load the libraries that they have just built from there."""

NO_TOOLKIT = (
    "DEVICE=gpu: the Docker engine cannot give a container the GPU; "
    "install the NVIDIA Container Toolkit and restart the engine, or use ENGINE=venv"
)


class DockerEngine:
    """Runs replicates as containers of images such as `levelfield-pytorch:cpu`."""

    name = "docker"
    shares_host_memory = False

    def __init__(self, client: docker.DockerClient, builder: ImageBuilder, limits: Limits, device: str) -> None:
        self._client, self._builder, self._limits, self._device = client, builder, limits, device
        self._images: dict[str, Build] = {}

    def is_ready(self, program: str) -> bool:
        """Whether the program's image is up to date."""
        return self._builder.is_current(program)

    def prepare(self, program: str) -> Build:
        """Build the program's image where its sources changed, and remember the id to run."""
        image = self._images[program] = self._builder.build(program)
        if self._device == "gpu":
            self._prove_gpu(image.id)
        return image

    def restore(self, program: str, build: Build) -> None:
        """Use the image that the run began with, whatever its tag names by now."""
        if not self._builder.has(build.id):
            raise UsageError(f"{program}: the image that the run began with is gone ({build.id}); start a new run")
        self._images[program] = build

    def run(self, job: Job, stop: Stop) -> Outcome:
        """Run one replicate in a container of its own, which is removed whatever happens."""
        with temporary_folder() as links:
            return self._run(job, stop, links)

    def _run(self, job: Job, stop: Stop, links: Path) -> Outcome:
        try:
            self._require_answer(job)
            container = self._create(job, links)
        except APIError as error:
            return Outcome(Ending.EXITED, None, message=f"the container could not be made: {error.explanation}")
        except CONNECTION_ERRORS as error:
            raise _gone(job) from error
        try:
            return self._supervised(container, job, stop)
        finally:
            with suppress(*CONNECTION_ERRORS):
                container.remove(force=True, v=True)

    def _require_answer(self, job: Job) -> None:
        if not reconnected(self._client):
            raise _gone(job)

    def _supervised(self, container: Container, job: Job, stop: Stop) -> Outcome:
        try:
            container.start()
        except APIError as error:
            return Outcome(Ending.EXITED, None, message=f"the container did not start: {error.explanation}")
        except CONNECTION_ERRORS:
            self._require_answer(job)
            return Outcome(Ending.LOST, None)
        waiter = Waiter(self._client, str(container.id))
        threading.Thread(target=waiter.wait, daemon=True).start()
        ending = supervise(
            waiter.finished,
            stop,
            job.timeout,
            lambda: _signal(container, "SIGTERM"),
            lambda: _signal(container, "SIGKILL"),
        )
        if waiter.lost:
            return Outcome(Ending.INTERRUPTED if ending is Ending.INTERRUPTED else Ending.LOST, None)
        try:
            container.reload()
            state = container.attrs["State"]
            _keep_log(container, job.log)
        except CONNECTION_ERRORS:
            return Outcome(Ending.LOST, None)
        if waiter.interrupted and ending is Ending.EXITED and state["ExitCode"] != 0:
            return Outcome(Ending.LOST, None)
        killed_for_memory = bool(state.get("OOMKilled")) and ending is Ending.EXITED
        return Outcome(ending, int(state["ExitCode"]), killed_for_memory)

    def _create(self, job: Job, links: Path) -> Container:
        image = self._images[job.competitor.program]
        self._own(job)
        mounts = [_bind(INSIDE.out, job.records, links), _bind(COMPILED, job.compiled, links)]
        by_hand = Places(INSIDE.out)
        if job.manifest and job.data:
            mounts += [_bind("/data", job.data, links, True), _bind("/manifest", job.manifest.parent, links, True)]
            by_hand = INSIDE
        places = replace(by_hand, compiled=COMPILED)
        facts = handed_down(
            job, self.name, self._by_hand(job, by_hand), image_id=image.id, image_base_digest=image.base
        )
        return self._client.containers.create(
            image.id,
            [*job.case_arguments, *job.order_arguments, *places.arguments()],
            labels={RUN_LABEL: job.run_id, RECORD_LABEL: job.record_id, LAUNCHER_LABEL: str(this_launcher())},
            environment={
                "LEVELFIELD_PROVENANCE": facts,
                "HOME": "/tmp",
                "PYTHONDONTWRITEBYTECODE": "1",
                **({ALLOCATOR: told} if (told := os.environ.get(ALLOCATOR)) else {}),
            },
            mounts=mounts,
            user=self._user(job),
            network_mode="none",
            read_only=True,
            tmpfs={"/tmp": TMP_OPTIONS},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            cpuset_cpus=",".join(map(str, self._limits.cpus)),
            mem_limit=self._limits.memory_bytes,
            memswap_limit=self._limits.memory_bytes,
            pids_limit=PIDS_LIMIT,
            shm_size=SHM_BYTES,
            init=True,
            log_config=LogConfig(type="json-file", config={"max-size": "16m", "max-file": "1"}),
            device_requests=[DeviceRequest(count=-1, capabilities=[["gpu"]])] if job.device == "gpu" else None,
        )

    def _by_hand(self, job: Job, places: Places) -> list[str]:
        volumes = ["-v", f"{job.records.absolute()}:/results"]
        if places.data:
            assert job.manifest
            volumes += ["-v", f"{job.data}:/data:ro", "-v", f"{job.manifest.parent}:/manifest:ro"]
        devices = ["--gpus", "all"] if job.device == "gpu" else []
        limits = ["--cpuset-cpus", ",".join(map(str, self._limits.cpus)), "--memory", str(self._limits.memory_bytes)]
        options = ["--rm", "--init", "--user", self._user(job), *limits, "--shm-size", "2g", *devices, *volumes]
        return [
            "docker",
            "run",
            *options,
            tag(job.competitor.program, self._device),
            *job.case_arguments,
            *places.arguments(),
        ]

    def _user(self, job: Job) -> str:
        """The caller's user, so that records belong to the caller; in a rootless engine, root inside is the caller.

        Where the caller is root, the owner of the data: nobody else may be allowed to read it.
        """
        if os.getuid() == 0:
            owner = job.data.stat() if job.data else None
            return f"{owner.st_uid}:{owner.st_gid}" if owner and owner.st_uid else IMAGE_USER
        options = self._client.info().get("SecurityOptions") or []
        return "0:0" if any("rootless" in option for option in options) else f"{os.getuid()}:{os.getgid()}"

    def _own(self, job: Job) -> None:
        """Where the launcher is root, let the container's user write records and compiled code."""
        if os.getuid() == 0:
            user, group = (int(part) for part in self._user(job).split(":"))
            for folder in (job.records, job.compiled):
                os.chown(folder, user, group)

    def _prove_gpu(self, image: str) -> None:
        """Start one container with a GPU: nothing else shows whether the engine has the toolkit."""
        request = DeviceRequest(count=-1, capabilities=[["gpu"]])
        labels = {LAUNCHER_LABEL: str(this_launcher())}
        container = self._client.containers.create(
            image, [], entrypoint=["true"], device_requests=[request], labels=labels
        )
        try:
            container.start()
        except APIError as error:
            raise NotReady(f"{NO_TOOLKIT} ({error.explanation})") from error
        finally:
            container.remove(force=True)


def remove_orphans(client: docker.DockerClient) -> int:
    """Remove the containers of dead launchers of this machine; returns how many."""
    removed = 0
    for container in client.containers.list(all=True, filters={"label": LAUNCHER_LABEL}):
        owner = parse_owner(container.labels.get(LAUNCHER_LABEL, ""))
        # No container outlives a reboot; another machine of this name may have a running container in a shared engine.
        if owner and (owner.is_dead() or (owner.ran_before_reboot() and container.status == "exited")):
            with suppress(APIError):
                container.remove(force=True, v=True)
                removed += 1
    return removed


def require_toolkit(client: docker.DockerClient) -> None:
    """Raise NotReady, before anything is built, unless the engine seems able to give a container a GPU."""
    facts = client.info()
    devices = [str(one.get("ID", "")) for one in facts.get("DiscoveredDevices") or []]
    has_toolkit = "nvidia" in (facts.get("Runtimes") or {}) or any("nvidia" in device for device in devices)
    # An engine also finds the toolkit's hook on its path; it does not mention it in what it reports about itself.
    if not has_toolkit and not shutil.which("nvidia-container-runtime-hook"):
        raise NotReady(NO_TOOLKIT)


def _signal(container: Container, name: str) -> None:
    with suppress(*CONNECTION_ERRORS):
        container.kill(signal=name)


def _gone(job: Job) -> NotReady:
    return NotReady(f"the Docker engine no longer answers; start it again, then resume with RUN={job.run_id}")


def _bind(target: str, source: Path, links: Path, read_only: bool = False) -> Mount:
    """A bind mount; a name that is not UTF-8 cannot travel through the engine's JSON, so a link stands in for it."""
    text = str(source.absolute())
    try:
        text.encode()
    except UnicodeEncodeError:
        text = str(links / target.strip("/"))
        os.symlink(source.absolute(), text)
    return Mount(target, text, type="bind", read_only=read_only)


def _keep_log(container: Container, path: Path) -> None:
    log = Log(path)
    try:
        for chunk in container.logs(stream=True, follow=False):
            log.write(chunk)
    finally:
        log.close()
