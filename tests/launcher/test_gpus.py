"""The GPU of a run: chosen, refused with what there is, handed to both engines, and proved by a replicate."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from launcher_fakes import A, case, framework_tree

from launcher import gpus
from launcher.build import cuda
from launcher.build.environments import EnvironmentBuilder
from launcher.build.images import ImageBuilder
from launcher.cli import main
from launcher.commands import doctor_gpu
from launcher.engines.docker import DockerEngine
from launcher.engines.engine import Job, Limits
from launcher.engines.probe import prove
from launcher.engines.venv import VenvEngine
from launcher.errors import BuildFailed, NotReady, UsageError
from launcher.stop import Stop
from runners.harness import nvidia
from runners.harness.nvidia import Gpu
from runners.harness.run import Build, PlannedCase

FIRST = Gpu("0", "GPU-aaaa1111", "GPU-aaaa1111", "NVIDIA A100")
SECOND = Gpu("1", "GPU-bbbb2222", "GPU-bbbb2222", "NVIDIA H100")
PART = Gpu("2:0", "MIG-cccc3333", "GPU-cccc0000", "NVIDIA H100 MIG 1g.10gb")
OTHER = Gpu("2:1", "MIG-cccc4444", "GPU-cccc0000", "NVIDIA H100 MIG 1g.10gb")
ANSWERS = {
    "-L": "GPU 0: NVIDIA A100 (UUID: GPU-aaaa1111)\nGPU 1: NVIDIA H100 (UUID: GPU-bbbb2222)\n"
    "GPU 2: NVIDIA H100 (UUID: GPU-cccc0000)\n  MIG 1g.10gb  Device  0: (UUID: MIG-cccc3333)\n"
    "  MIG 1g.10gb  Device  1: (UUID: MIG-cccc4444)",
    "*mig.mode*": "Disabled",
    "*driver_version*": "580.65.06",
    "*compute_cap*": "8.0",
}

Tool = Callable[..., None]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Installs an `nvidia-smi` with these answers by pattern of its arguments; it refuses every other question."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    for name in (gpus.VISIBLE, gpus.ORDER, "LD_LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)

    def write(**changes: str) -> None:
        answers = ANSWERS | {f"*{name}*" if name != "L" else "-L": text for name, text in changes.items()}
        cases = "\n".join(f"{pattern}) cat <<'END'\n{text}\nEND\n;;" for pattern, text in answers.items())
        (folder / "nvidia-smi").write_text(f'#!/bin/sh\ncase "$*" in\n{cases}\n*) echo unknown; exit 2 ;;\nesac\n')
        (folder / "nvidia-smi").chmod(0o755)

    write()
    return write


@pytest.mark.parametrize(
    ("wanted", "visible", "found"),
    [
        ("", None, FIRST),
        ("1", None, SECOND),
        ("GPU-bbbb2222", None, SECOND),
        ("gpu-b", None, SECOND),
        ("2:1", None, OTHER),
        ("MIG-cccc3333", None, PART),
        ("", "1,0", SECOND),
        ("", "GPU-bbbb", SECOND),
        ("", "2", PART),
        ("0", "1,0", FIRST),
    ],
)
@pytest.mark.usefixtures("tool")
def test_a_gpu_is_chosen_by_index_uuid_or_the_shell(
    monkeypatch: pytest.MonkeyPatch, wanted: str, visible: str | None, found: Gpu
) -> None:
    if visible is not None:
        monkeypatch.setenv(gpus.VISIBLE, visible)
    assert gpus.choose(wanted) == found


@pytest.mark.parametrize(
    ("wanted", "shell", "words"),
    [
        ("7", {}, r"GPU '7' does not exist; present: 0 \(NVIDIA A100, GPU-aaaa1111\), 1"),
        ("2", {}, "stands for 2 devices"),
        ("GPU-", {}, "does not exist"),
        ("0", {gpus.VISIBLE: "1"}, r"GPU 0 .* is not visible: CUDA_VISIBLE_DEVICES=1; .* choose of 1"),
        ("", {gpus.VISIBLE: ""}, "hides every GPU"),
        ("", {gpus.VISIBLE: "-1,0"}, "hides every GPU"),
        ("", {gpus.VISIBLE: "1", gpus.ORDER: "FASTEST_FIRST"}, "only CUDA knows which GPU this is"),
    ],
)
@pytest.mark.usefixtures("tool")
def test_a_gpu_that_is_not_there_is_refused_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch, wanted: str, shell: dict[str, str], words: str
) -> None:
    for name, value in shell.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(NotReady, match=words):
        gpus.choose(wanted)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", "reboot, or unload"),
        ('echo "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver."; exit 9', "modprobe"),
        ("echo 'No devices were found'", "lists no GPU"),
    ],
)
@pytest.mark.usefixtures("tool")
def test_a_driver_that_does_not_answer_is_refused_with_the_remedy(tmp_path: Path, script: str, words: str) -> None:
    (tmp_path / "tools" / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(NotReady, match=words) as refused:
        gpus.choose("")
    assert "DEVICE=cpu" in str(refused.value)


def test_a_gpu_that_mig_has_not_divided_yet_is_refused(tool: Tool) -> None:
    tool(L="GPU 0: NVIDIA H100 (UUID: GPU-aaaa1111)", **{"mig.mode": "Enabled"})
    with pytest.raises(NotReady, match="MIG is on and has no instance"):
        gpus.choose("")


def test_a_gpu_is_only_for_runs_on_gpus() -> None:
    with pytest.raises(UsageError, match="only with DEVICE=gpu"):
        gpus.asked("cpu", "1")
    assert gpus.asked("cpu", "") is None


def with_pins(tmp_path: Path, pin: str = "nvidia-cuda-runtime==13.5.37") -> Path:
    tree = framework_tree(tmp_path / "tree")
    (tree / "images" / "fake" / "requirements-gpu.txt").write_text("-c constraints.txt\n")
    (tree / "images" / "fake" / "constraints.txt").write_text(f"{pin}\n")
    return tree


@pytest.mark.parametrize(
    ("pin", "changes", "reason"),
    [
        ("nvidia-cuda-runtime==13.5.37", {"driver_version": "575.57.08"}, "needs driver 580 or newer"),
        ("cuda-bindings==13.5.0", {"driver_version": "575.57.08"}, "needs driver 580 or newer"),
        ("nvidia-cuda-runtime-cu12==12.9.79", {"driver_version": "515.105.01"}, "needs driver 525 or newer"),
        ("nvidia-cuda-runtime-cu12==12.9.79", {"driver_version": "525.60.13"}, None),
        ("nvidia-cuda-runtime==13.5.37", {"compute_cap": "7.0"}, r"7.5 \(Turing\) or newer"),
        ("nvidia-cuda-runtime==13.5.37", {"driver_version": "[N/A]", "compute_cap": "[N/A]"}, None),
        ("numpy==2.4.6", {"driver_version": "1.0"}, None),
    ],
)
def test_what_is_too_old_for_the_pinned_cuda_is_refused_before_anything_is_built(
    tool: Tool, tmp_path: Path, pin: str, changes: dict[str, str], reason: str | None
) -> None:
    tool(**changes)
    tree = with_pins(tmp_path, pin)
    if reason is None:
        cuda.require_driver(tree, ["fake"], FIRST, "")
        return
    with pytest.raises(NotReady, match=reason):
        cuda.require_driver(tree, ["fake"], FIRST, "")
    cuda.require_driver(tree, ["fake"], FIRST, "https://older.example/simple")
    assert main(["images", "--device", "gpu", "--engine", "venv"], tree) == 3
    assert not (tree / ".venvs").exists()


def test_every_framework_of_the_project_says_which_cuda_it_brings() -> None:
    root = Path(__file__).resolve().parents[2]
    found = {name: cuda.cuda_of(root, name) for name in ("jax", "onnxruntime", "pytorch", "tensorflow", "litert")}
    assert found.pop("litert") is None
    assert set(found.values()) <= cuda.NEEDS.keys()


def job_in(tmp_path: Path, device: str = "gpu") -> Job:
    for name in ("records", "compiled"):
        (tmp_path / name).mkdir(exist_ok=True)
    return Job(
        *("run-1", "id", A, ["infer"], [], tmp_path / "records", tmp_path / "compiled", tmp_path / "log", device, 60.0)
    )


class Client:
    """A Docker engine that remembers what it is asked to make."""

    def __init__(self, facts: dict[str, object]) -> None:
        self.facts, self.containers, self.made = facts, self, {}

    def info(self) -> dict[str, object]:
        return self.facts

    def create(self, *_: object, **settings: Any) -> object:
        self.made = settings
        return SimpleNamespace(id="x")


@pytest.mark.parametrize(
    ("facts", "gpu", "asked_for", "words"),
    [
        (
            {"Runtimes": {"nvidia": {}}},
            PART,
            ("", ["MIG-cccc3333"], [["gpu"]]),
            ["--gpus", "device=MIG-cccc3333"],
        ),
        (
            {"DiscoveredDevices": [{"ID": "nvidia.com/gpu=1"}, {"ID": "nvidia.com/gpu=GPU-bbbb2222"}]},
            SECOND,
            ("cdi", ["nvidia.com/gpu=GPU-bbbb2222"], []),
            ["--device", "nvidia.com/gpu=GPU-bbbb2222"],
        ),
        (
            {"DiscoveredDevices": [{"ID": "nvidia.com/gpu=2:0"}]},
            PART,
            ("cdi", ["nvidia.com/gpu=2:0"], []),
            ["--device", "nvidia.com/gpu=2:0"],
        ),
    ],
)
def test_a_container_gets_the_gpu_of_the_run_alone(
    tmp_path: Path, facts: dict[str, object], gpu: Gpu, asked_for: tuple[object, ...], words: list[str]
) -> None:
    client: Any = Client(facts)
    limits = Limits((0,), 2**30, 3 * 2**30, gpu)
    engine = DockerEngine(client, ImageBuilder(tmp_path, client, "gpu", Stop()), limits, "gpu")
    engine._images[A.program] = Build("sha256:0")
    engine._create(job_in(tmp_path), tmp_path)
    [asked] = client.made["device_requests"]
    assert (asked.driver, asked.device_ids, asked.capabilities) == asked_for
    assert client.made["shm_size"] == 3 * 2**30
    told = json.loads(client.made["environment"]["LEVELFIELD_PROVENANCE"])
    assert told["gpu"] == gpu.uuid
    assert all(word in told["command"] for word in [*words, "--shm-size", str(3 * 2**30)])


@pytest.mark.parametrize(
    ("options", "user", "mode"),
    [([], None, None), (["name=rootless"], "0:0", None), (["name=userns", "name=seccomp,profile=x"], None, "host")],
)
def test_records_belong_to_the_caller_in_every_kind_of_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], user: str | None, mode: str | None
) -> None:
    monkeypatch.setattr("os.getuid", lambda: 1234)
    monkeypatch.setattr("os.getgid", lambda: 100)
    client: Any = Client({"SecurityOptions": options})
    engine = DockerEngine(client, ImageBuilder(tmp_path, client, "cpu", Stop()), Limits((0,), 2**30), "cpu")
    engine._images[A.program] = Build("sha256:0")
    engine._create(job_in(tmp_path, "cpu"), tmp_path)
    assert (client.made["user"], client.made["userns_mode"]) == (user or "1234:100", mode)
    assert client.made["device_requests"] is None


def venv_engine(tree: Path, gpu: Gpu | None) -> tuple[VenvEngine, Limits]:
    limits = Limits((0,), 2**30, gpu=gpu)
    engine = VenvEngine(tree, EnvironmentBuilder(tree, "gpu" if gpu else "cpu", Stop()), limits)
    engine.prepare("fake")
    return engine, limits


def shown(tree: Path, gpu: Gpu | None, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The environment that a replicate of the run gets."""
    seen: dict[str, Any] = {}

    def run_child(
        _command: object, _cwd: object, _log: object, _stop: object, _timeout: object, env: Any, _pre: object
    ):
        seen.update(env)
        return SimpleNamespace(ending=None, code=0)

    monkeypatch.setattr("launcher.engines.venv.run_child", run_child)
    engine, _ = venv_engine(tree, gpu)
    if gpu:
        site = next((tree / ".venvs" / "fake").glob("lib/python*/site-packages"))
        (site / "nvidia" / "cublas" / "lib").mkdir(parents=True)
    job = job_in(tree)
    engine.run(Job(**{**job.__dict__, "competitor": A.__class__("fake", "only")}), Stop())
    return seen


def test_a_process_sees_the_gpu_of_the_run_alone_and_its_packages_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "5")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/cuda")
    env = shown(framework_tree(tmp_path), SECOND, monkeypatch)
    assert (env[gpus.VISIBLE], env[gpus.ORDER]) == ("GPU-bbbb2222", "PCI_BUS_ID")
    first, last = env["LD_LIBRARY_PATH"].split(":")
    assert first.startswith(str(tmp_path))
    assert first.endswith("site-packages/nvidia/cublas/lib")
    assert last == "/opt/cuda"
    told = json.loads(env["LEVELFIELD_PROVENANCE"])
    assert told["gpu"] == "GPU-bbbb2222"
    assert told["command"][:2] == ["env", "CUDA_VISIBLE_DEVICES=GPU-bbbb2222"]


@pytest.mark.parametrize(("processes", "given"), [(1, [SECOND]), (2, [SECOND, FIRST]), (3, [SECOND, FIRST])])
def test_each_process_of_a_replicate_has_a_gpu_as_far_as_there_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int, given: list[Gpu]
) -> None:
    monkeypatch.setattr(gpus, "_present", lambda: [FIRST, SECOND])
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    job = Job(**{**job_in(tmp_path).__dict__, "processes": processes})
    further = gpus.further(SECOND, [PlannedCase(case(), [A], 1), PlannedCase(case(processes=processes), [A], 1)])
    limits = Limits((0,), 2**30, gpu=SECOND, more_gpus=further)
    assert limits.gpus_of(job) == given
    uuids = [gpu.uuid for gpu in given]
    variables = VenvEngine(tmp_path, EnvironmentBuilder(tmp_path, "gpu", Stop()), limits)._gpu_variables("/p/q/r", job)
    assert variables[gpus.VISIBLE] == ",".join(uuids)
    client: Any = Client({})
    engine = DockerEngine(client, ImageBuilder(tmp_path, client, "gpu", Stop()), limits, "gpu")
    engine._images[A.program] = Build("sha256:0")
    engine._create(job, tmp_path)
    assert client.made["device_requests"][0].device_ids == uuids
    assert client.made["environment"].get(gpus.VISIBLE) == (",".join(uuids) if len(uuids) > 1 else None)
    words = json.loads(client.made["environment"]["LEVELFIELD_PROVENANCE"])["command"]
    assert (f"device={uuids[0]}" if len(uuids) == 1 else f'"device={",".join(uuids)}"') in words


def test_a_process_on_cpus_is_told_of_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = shown(framework_tree(tmp_path), None, monkeypatch)
    assert gpus.VISIBLE not in env
    assert json.loads(env["LEVELFIELD_PROVENANCE"])["gpu"] is None


def test_a_program_proves_itself_with_a_replicate(tmp_path: Path) -> None:
    engine, limits = venv_engine(framework_tree(tmp_path), None)
    prove(engine, "fake", "cpu", limits, Stop())


@pytest.mark.parametrize(
    ("body", "device", "words"),
    [
        ("raise RuntimeError('no kernel image')", "cpu", "ERROR: RuntimeError: no kernel image"),
        ("os.kill(os.getpid(), 11)", "cpu", r"CRASH\(SIGSEGV\): died by SIGSEGV"),
        ("pass", "gpu", "DEVICE: gpu was requested, cpu was used"),
    ],
)
def test_a_program_that_does_not_compute_there_is_left_out_with_the_reason(
    tmp_path: Path, body: str, device: str, words: str
) -> None:
    engine, limits = venv_engine(framework_tree(tmp_path, body=body), None)
    with pytest.raises(BuildFailed, match=words):
        prove(engine, "fake", device, limits, Stop())


def test_a_replicate_that_cannot_start_is_the_machine_s_fault(tmp_path: Path) -> None:
    tree = framework_tree(tmp_path)
    engine, limits = venv_engine(tree, None)
    (tree / ".venvs" / "fake" / "bin" / "python").unlink()
    with pytest.raises(NotReady, match="does not start"):
        prove(engine, "fake", "cpu", limits, Stop())


def test_a_run_on_a_gpu_where_nothing_computes_is_not_ready(
    tool: Tool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The framework computes on the CPU, whatever it is asked for: no fallback goes unseen."""
    tool()
    tree = framework_tree(tmp_path / "tree")
    for command in ("images", "bench --profile tiny"):
        assert main([*command.split(), "--device", "gpu", "--gpu", "1", "--engine", "venv"], tree) == 3
        said = capsys.readouterr().err
        assert "DEVICE: gpu was requested, cpu was used" in said
        assert "nothing computes on GPU 1 (NVIDIA H100, GPU-bbbb2222)" in said
    assert not list(tree.glob("results/*"))


def test_a_run_keeps_its_gpu_when_it_is_resumed(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool(L="GPU 1: NVIDIA H100 (UUID: GPU-bbbb2222)")
    tree = framework_tree(tmp_path / "tree")
    runner = tree / "runners" / "fake" / "infer.py"
    runner.write_text(runner.read_text().replace('Seen("cpu"', 'Seen("gpu"'))
    bench = ["bench", "--profile", "tiny", "--engine", "venv", "--device", "gpu"]
    main(bench, tree)
    [run] = (path.parent for path in tree.glob("results/*/run.json"))
    assert json.loads((run / "run.json").read_bytes())["gpu"] == "GPU-bbbb2222"
    records = sorted((run / "records").glob("*.json"))
    found = [json.loads(path.read_bytes()) for path in records]
    assert [(one["status"], one["effective"]["gpu_uuid"]) for one in found] == [("ok", "GPU-bbbb2222")] * 2
    assert all(one["host"]["driver"] == "580.65.06" for one in found)
    records[1].unlink()
    monkeypatch.setenv(gpus.VISIBLE, "GPU-aaaa1111")
    tool(L="GPU 0: NVIDIA A100 (UUID: GPU-aaaa1111)")
    capsys.readouterr()
    assert main(["bench", "--run", run.name], tree) == 3
    assert "GPU 'GPU-bbbb2222' does not exist; present: 0 (NVIDIA A100" in capsys.readouterr().err


@pytest.mark.usefixtures("tool")
def test_a_framework_without_gpus_is_left_out_of_their_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = framework_tree(tmp_path / "tree")
    declaration = tree / "runners" / "fake" / "framework.py"
    declaration.write_text(declaration.read_text().replace("('only',),", "('only',), devices=('cpu',),"))
    assert main(["images", "--device", "gpu", "--engine", "venv"], tree) == 2
    assert "none of fake computes there" in capsys.readouterr().err
    framework_tree(tree, "other")
    assert main(["images", "--device", "gpu", "--engine", "venv"], tree) == 3
    assert "fake: left out, it has nothing for DEVICE=gpu" in capsys.readouterr().err


def found(tmp_path: Path, device: str = "gpu", wanted: str = "1", client: Any = None) -> dict[str, Any]:
    lines = doctor_gpu.findings(with_pins(tmp_path), ["fake"], device, wanted, client)
    return {line.subject: line for line in lines}


def test_doctor_shows_what_would_disturb_a_run_on_the_gpu(tool: Tool, tmp_path: Path) -> None:
    tool(
        persistence_mode="Disabled",
        compute_mode="Exclusive_Process",
        display_active="Enabled",
        **{"ecc.errors": "3", "compute-apps": "4711, python3, 700 MiB"},
    )
    lines = found(tmp_path)
    assert "4711, python3" in lines["GPU: other programs"].found
    for name in ("persistence_mode", "compute_mode", "display_active", "memory errors", "other programs"):
        assert lines[f"GPU: {name}"].remedy, name
    assert not any(line.lacks for line in lines.values())


def test_doctor_shows_nothing_of_what_a_driver_does_not_tell(tool: Tool, tmp_path: Path) -> None:
    tool(persistence_mode="[N/A]")
    assert found(tmp_path).keys() == {"GPUs", "GPU of a run"}


@pytest.mark.parametrize(
    ("changes", "wanted", "subject"),
    [
        ({"driver_version": "550.54.14"}, "1", "fake: CUDA"),
        ({"compute_mode": "Prohibited"}, "1", "GPU: compute_mode"),
        ({}, "9", "GPU of a run"),
    ],
)
def test_doctor_shows_what_a_run_on_the_gpu_lacks(
    tool: Tool, tmp_path: Path, changes: dict[str, str], wanted: str, subject: str
) -> None:
    tool(**changes)
    lines = found(tmp_path, wanted=wanted)
    assert [name for name, line in lines.items() if line.lacks] == [subject]
    assert lines[subject].remedy


@pytest.mark.usefixtures("tool")
def test_doctor_shows_an_engine_without_the_toolkit(tmp_path: Path) -> None:
    client = SimpleNamespace(info=lambda: {"Runtimes": {"runc": {}}}, version=dict)
    assert found(tmp_path, client=client)["GPU in containers"].lacks


def test_doctor_says_why_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia.shutil, "which", lambda *_, **__: None)
    assert found(tmp_path)["GPU"].lacks
    line = found(tmp_path, device="cpu")["GPU"]
    assert (line.lacks, line.remedy) == (False, "")
    assert "nvidia-smi is not installed" in line.found


def test_a_plan_names_a_gpu_that_is_not_there_and_refuses_one_without_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = framework_tree(tmp_path)
    monkeypatch.setattr(gpus, "_present", lambda: [FIRST, SECOND])
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    wanted = ["plan", "--profile", "tiny", "--engine", "venv", "--gpu", "9"]
    assert main([*wanted, "--device", "gpu"], tree) == 0
    assert "cannot be carried out here: GPU '9' does not exist" in capsys.readouterr().out
    assert main(wanted, tree) == 2
    assert "--gpu: only with --device gpu" in capsys.readouterr().err
