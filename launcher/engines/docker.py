"""The engine with containers: each replicate runs in a fresh, hardened container, started by image id."""

import os
import threading
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError
from docker.models.containers import Container
from docker.types import DeviceRequest, LogConfig, Mount

from launcher.build.images import ImageBuilder, tag
from launcher.engines.engine import Job, Limits, Outcome, Places
from launcher.engines.facts import CDI, CDI_KIND, NO_TOOLKIT, RUNTIME, cdi_devices, security
from launcher.engines.log import Log
from launcher.engines.provenance import handed_down
from launcher.engines.waiting import CONNECTION_ERRORS, Waiter, reconnected
from launcher.errors import NotReady, UsageError
from launcher.gpus import VISIBLE
from launcher.ownership.owner import parse_owner, this_launcher
from launcher.ownership.temporary import temporary_folder
from launcher.stop import Ending, Stop, supervise
from runners.harness.host import ALLOCATOR
from runners.harness.run import Build

RUN_LABEL = "levelfield.run"
RECORD_LABEL = "levelfield.record"
LAUNCHER_LABEL = "levelfield.launcher"

INSIDE = Places("/results", "/manifest/manifest.json", "/data")
COMPILED, MODEL = "/compiled", "/model"
IMAGE_USER = "1000:1000"
"""The images' own user. A launcher that runs as root starts replicates as this user, not as root."""

PIDS_LIMIT = 4096
TMP_OPTIONS = "rw,exec,nosuid,nodev,mode=1777,size=2g"
"""`exec`, since compiled variants load the libraries that they have just built from there."""


class DockerEngine:
    """Runs replicates as containers of images such as `levelfield-pytorch:cpu`."""

    name = "docker"
    shares_host_memory = False

    def __init__(self, client: docker.DockerClient, builder: ImageBuilder, limits: Limits, device: str) -> None:
        self._client, self._builder, self._limits, self._device = client, builder, limits, device
        self._images: dict[str, Build] = {}

    @cached_property
    def _facts(self) -> dict[str, Any]:
        """What the engine says about itself."""
        return dict(self._client.info())

    def is_ready(self, program: str) -> bool:
        """Whether the program's image is up to date."""
        return self._builder.is_current(program)

    def prepare(self, program: str) -> Build:
        """Build the program's image where its sources changed, and remember the id to run."""
        image = self._images[program] = self._builder.build(program)
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
            return _not_started(job, f"the container could not be made: {error.explanation}")
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
            return _not_started(job, f"the container did not start: {error.explanation}")
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
        if job.model:
            mounts.append(_bind(MODEL, job.model.path.parent, links, True))
            by_hand = replace(by_hand, model=str(replace(job.model, path=Path(MODEL, job.model.path.name))))
        places = replace(by_hand, compiled=COMPILED)
        facts = handed_down(
            job,
            self.name,
            self._limits.gpu,
            self._by_hand(job, by_hand),
            image_id=image.id,
            image_base_digest=image.base,
        )
        gpus = self._limits.gpus_of(job)
        return self._client.containers.create(
            image.id,
            [*job.case_arguments, *job.order_arguments, *places.arguments()],
            labels={RUN_LABEL: job.run_id, RECORD_LABEL: job.record_id, LAUNCHER_LABEL: str(this_launcher())},
            environment={
                "LEVELFIELD_PROVENANCE": facts,
                "HOME": "/tmp",
                "PYTHONDONTWRITEBYTECODE": "1",
                **({ALLOCATOR: told} if (told := os.environ.get(ALLOCATOR)) else {}),
                # CUDA would number several GPUs by itself; the replicate's first one must be the run's.
                **({VISIBLE: ",".join(gpu.uuid for gpu in gpus)} if len(gpus) > 1 else {}),
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
            shm_size=self._limits.shm_bytes,
            init=True,
            log_config=LogConfig(type="json-file", config={"max-size": "16m", "max-file": "1"}),
            userns_mode="host" if self._maps_users() else None,
            device_requests=self._device_requests(job),
        )

    def _by_hand(self, job: Job, places: Places) -> list[str]:
        volumes = ["-v", f"{job.records.absolute()}:/results"]
        if places.data:
            assert job.manifest
            volumes += ["-v", f"{job.data}:/data:ro", "-v", f"{job.manifest.parent}:/manifest:ro"]
        if job.model:
            volumes += ["-v", f"{job.model.path.parent}:{MODEL}:ro"]
        limits = ["--cpuset-cpus", ",".join(map(str, self._limits.cpus)), "--memory", str(self._limits.memory_bytes)]
        limits += ["--shm-size", str(self._limits.shm_bytes)]
        for request in self._device_requests(job) or []:
            names = request.device_ids
            if request.driver == CDI:
                limits += [word for name in names for word in ("--device", name)]
            else:  # Docker reads the value as CSV, whose quotes keep several names together
                limits += ["--gpus", f"device={names[0]}" if len(names) == 1 else f'"device={",".join(names)}"']
        user = ["--user", self._user(job), *(["--userns", "host"] if self._maps_users() else [])]
        options = ["--rm", "--init", *user, *limits, *volumes]
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

        Where the caller is root, the owner of the data or of the model: nobody else may be allowed to read it.
        """
        if os.getuid() == 0:
            read = job.data or (job.model.path if job.model else None)
            owner = read.stat() if read else None
            return f"{owner.st_uid}:{owner.st_gid}" if owner and owner.st_uid else IMAGE_USER
        return "0:0" if "rootless" in security(self._facts) else f"{os.getuid()}:{os.getgid()}"

    def _maps_users(self) -> bool:
        """Whether the engine gives containers other user ids than the machine's: records would belong to nobody."""
        return "userns" in security(self._facts)

    def _device_requests(self, job: Job) -> list[DeviceRequest] | None:
        """A GPU for each process, in the form that the engine understands."""
        gpus = self._limits.gpus_of(job)
        if not gpus:
            return None
        known = cdi_devices(self._facts)
        names = [
            next((name for name in (f"{CDI_KIND}={gpu.uuid}", f"{CDI_KIND}={gpu.index}") if name in known), "")
            for gpu in gpus
        ]
        if all(names) and RUNTIME not in (self._facts.get("Runtimes") or {}):
            return [DeviceRequest(driver=CDI, device_ids=names)]
        return [DeviceRequest(device_ids=[gpu.uuid for gpu in gpus], capabilities=[["gpu"]])]

    def _own(self, job: Job) -> None:
        """Where the launcher is root, let the container's user write records and compiled code."""
        if os.getuid() == 0:
            user, group = (int(part) for part in self._user(job).split(":"))
            for folder in (job.records, job.compiled):
                os.chown(folder, user, group)


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


def _signal(container: Container, name: str) -> None:
    with suppress(*CONNECTION_ERRORS):
        container.kill(signal=name)


def _not_started(job: Job, reason: str) -> Outcome:
    message = f"{NO_TOOLKIT} ({reason})" if job.device == "gpu" else reason
    return Outcome(Ending.EXITED, None, message=message)


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
