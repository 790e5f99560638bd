"""From a command line to a record, with a fake framework in this process."""

import errno
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import types
from dataclasses import replace
from pathlib import Path

import pytest

from runners.harness import cli, host, precision, proc, replicate
from runners.harness.case import Case
from runners.harness.cli import main
from runners.harness.expected import expected
from runners.harness.manifest import Item, Manifest, write_manifest
from runners.harness.record import Check
from runners.harness.workload import (
    EpochResult,
    FitWork,
    Framework,
    Invalid,
    Request,
    Seen,
    Stage,
    StepWork,
    Unsupported,
    Workload,
)

FAKE = Framework(
    name="fake",
    distributions=("pytest",),
    workloads={
        "train": Workload(
            variants=("eager", "graph"), networks=("cnn4", "resnet18"), sizes={"cnn4": (32,)}, scopes=("compute",)
        ),
        "infer": Workload(
            variants=("eager",),
            networks=("cnn4",),
            sizes={"cnn4": (48, 32)},
            scopes=("compute", "transfer+compute"),
            precisions=("fp32", "tf32", "bf16", "fp16"),
        ),
        "load": Workload(variants=("plain",), loaders=("files",), stages=("decode",)),
        "fit": Workload(variants=("eager",), loaders=("files",), networks=("cnn4",)),
    },
)
QUICK = ["--min-steps", "3", "--max-steps", "3", "--min-seconds", "0", "--warmup-steps", "1"]
WHY = "a fake has none"
SEEN = Seen("cpu", "fp32", None, layout="NCHW", unknown={"threads_intra": WHY, "threads_inter": WHY})


def step_work(**changes) -> StepWork:
    parts = {
        "step": lambda: None,
        "synchronize": lambda: None,
        "items": 8,
        "check": lambda: Check(trainable=1),
        "seen": lambda: SEEN,
        "close": lambda: None,
    }
    return StepWork(**{**parts, **changes})


@pytest.fixture
def prepare(monkeypatch: pytest.MonkeyPatch):
    """Installs a workload module whose `prepare` is the given function."""

    def install(function, workload: str = "train") -> None:
        module = types.ModuleType(f"runners.fake.{workload}")
        module.prepare = function
        monkeypatch.setitem(sys.modules, "runners.fake", types.ModuleType("runners.fake"))
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return install


def run(tmp_path: Path, *argv: str) -> tuple[int, dict]:
    code = main(FAKE, [*argv, *QUICK, "--record-id", "one", "--out", str(tmp_path / "out")])
    return code, json.loads((tmp_path / "out" / "one.json").read_text())


def test_a_replicate_leaves_one_complete_record(tmp_path, prepare):
    requests: list[Request] = []
    prepare(lambda request: requests.append(request) or step_work())
    code, record = run(tmp_path, "train", "--network", "cnn4", "--batch-size", "8", "--threads", "2", "--block", "3")
    assert code == 0
    assert record["status"] == "ok"
    assert record["case"]["network"] == "cnn4"
    assert record["case"]["input_size"] == 32
    assert record["case"]["scope"] == "compute"
    named = {"framework": "fake", "variant": "eager", "loader": "", "alias": "", "version": ""}
    assert record["competitor"] == named
    assert record["block"]["number"] == 3
    assert len(record["samples"]["step_ns"]) == 4
    assert record["samples"]["items_per_step"] == 8
    assert record["host"]["packages"]["pytest"]
    assert record["unknown"]["resources.gpu_allocated_peak_bytes"]
    assert requests[0].threads == 2
    assert not requests[0].scratch.exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one.json"]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (Unsupported("no compiler"), "unsupported", "UNSUPPORTED"),
        (Invalid("PARITY", "pixels differ"), "invalid", "PARITY"),
        (RuntimeError("allocator gave up"), "oom", "OOM(host)"),
        (MemoryError(), "oom", "OOM(host)"),
        (ValueError("surprise"), "failed", "ERROR"),
    ],
)
def test_every_error_becomes_a_record_with_status_and_kind(tmp_path, prepare, monkeypatch, error, status, kind):
    def fail(_request):
        raise error

    device = types.ModuleType("runners.fake.device")
    device.is_out_of_memory = lambda error: "allocator" in str(error)
    monkeypatch.setitem(sys.modules, device.__name__, device)
    prepare(fail)
    code, record = run(tmp_path, "train")
    assert code == 1
    assert (record["status"], record["error"]["kind"]) == (status, kind)
    assert record["samples"] is None
    assert record["host"] is not None


def test_a_worker_that_died_is_known_although_the_loader_is_closed_before_the_record_is_made(tmp_path, prepare):
    workers = [multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))]

    def step():
        workers[0].start()
        workers[0].kill()
        workers[0].join()
        raise ConnectionResetError("no answer")

    prepare(lambda _: step_work(step=step, close=workers.clear))
    code, record = run(tmp_path, "train", "--network", "cnn4")
    assert (code, record["status"], record["error"]["kind"]) == (1, "crashed", "CRASH(SIGKILL)")
    assert "ConnectionResetError: no answer" in record["error"]["message"]


def test_a_failing_step_still_closes_the_work(tmp_path, prepare):
    closed = []

    def step():
        raise RuntimeError("broke")

    prepare(lambda _request: step_work(step=step, close=lambda: closed.append(True)))
    code, record = run(tmp_path, "train")
    assert (code, record["status"], closed) == (1, "failed", [True])
    assert "broke" in record["error"]["log_tail"]


def test_a_check_that_is_not_finite_is_invalid(tmp_path, prepare):
    prepare(lambda _request: step_work(check=lambda: Check(logits_sketch=[1.0, float("nan")])))
    code, record = run(tmp_path, "train")
    assert (code, record["status"], record["error"]["kind"]) == (1, "invalid", "NUMBERS")


def test_a_missing_package_is_unsupported_with_advice(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "runners.fake", types.ModuleType("runners.fake"))
    code, record = run(tmp_path, "train")
    assert (code, record["status"]) == (1, "unsupported")


@pytest.fixture
def bf16_only(monkeypatch):
    """A CPU that computes in bf16, but not in fp16."""
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"avx2", "avx512_bf16"}))


@pytest.mark.parametrize("size", ["32", "48"])
def test_a_network_takes_only_its_sizes_and_the_first_is_the_default(tmp_path, prepare, size):
    prepare(lambda _request: step_work(), "infer")
    assert run(tmp_path, "infer")[1]["case"]["input_size"] == 48
    assert run(tmp_path, "infer", "--input-size", size)[1]["case"]["input_size"] == int(size)


@pytest.mark.usefixtures("bf16_only")
def test_a_precision_that_did_not_take_effect_is_invalid(tmp_path, prepare):
    prepare(lambda _request: step_work(), "infer")
    code, record = run(tmp_path, "infer", "--precision", "bf16")
    assert (code, record["error"]["kind"]) == (1, "PRECISION")
    assert record["error"]["message"] == "bf16 was requested, fp32 is in effect"


def test_a_version_that_is_not_installed_is_invalid(tmp_path, prepare):
    prepare(lambda _request: step_work())
    code, record = run(tmp_path, "train", "--framework-version", "0.0.1")
    assert (code, record["status"], record["error"]["kind"]) == (1, "invalid", "VERSION")
    assert pytest.__version__ in record["error"]["message"]
    code, record = run(tmp_path, "train", "--framework-version", pytest.__version__)
    assert (code, record["competitor"]["version"]) == (0, pytest.__version__)


def test_compiling_ahead_counts_towards_the_first_step(tmp_path, prepare, monkeypatch):
    clock = iter(range(0, 10**12, 1000))
    monkeypatch.setattr(replicate, "now_ns", lambda: next(clock))
    prepare(lambda _request: step_work(stages={"compile": Stage(lambda: next(clock))}, flops=3, bytes=4))
    samples = run(tmp_path, "train")[1]["samples"]
    assert samples["stage_ns"] == {"compile": 2000}
    assert samples["first_step_ns"] == 2000 + samples["step_ns"][0]
    assert (samples["flops_per_step"], samples["bytes_per_step"]) == (3, 4)


def test_the_compilers_cache_is_cold_once_for_each_competitor_and_case(tmp_path, prepare):
    def kept(request):
        return step_work(step=lambda: (request.compiler_cache / "kernel").touch())

    def state(*argv):
        samples = run(tmp_path, "train", "--compiler-cache", str(tmp_path / "cache"), *argv)[1]["samples"]
        return samples["compiler_cache"]

    prepare(kept)
    other = ("--batch-size", "8")
    assert [state(), state(), state(*other), state("--variant", "graph")] == ["cold", "warm", "cold", "cold"]
    assert run(tmp_path, "train")[1]["samples"]["compiler_cache"] == "cold"  # without a folder, no code is kept


def test_what_cuda_compiles_is_kept_with_the_rest(tmp_path, prepare, monkeypatch):
    """The driver writes an index even where it has nothing to compile."""
    monkeypatch.setenv("CUDA_CACHE_PATH", "/elsewhere")
    names = ["index"]

    def kept(_request):
        folder = Path(os.environ["CUDA_CACHE_PATH"])
        return step_work(step=lambda: [(folder / name).touch() for name in names], seen=lambda: on_gpu)

    def state():
        cache = str(tmp_path / "cache")
        return run(tmp_path, "train", "--device", "gpu", "--compiler-cache", cache)[1]["samples"]["compiler_cache"]

    on_gpu = replace(SEEN, device="gpu")
    prepare(kept)
    assert [state(), state()] == [None, None]
    names.append("0a1b2c")
    assert [state(), state()] == ["cold", "warm"]


def test_gpu_peaks_start_with_the_window(tmp_path, prepare, monkeypatch):
    monkeypatch.setenv("CUDA_CACHE_PATH", "/elsewhere")
    events: list[str] = []
    device = types.ModuleType("runners.fake.device")
    device.reset_gpu_peak = lambda: events.append("reset")
    monkeypatch.setitem(sys.modules, device.__name__, device)

    def made(_request):
        events.append("prepare")
        return step_work(step=lambda: events.append("step"), seen=lambda: replace(SEEN, device="gpu"))

    prepare(made)
    run(tmp_path, "train", "--device", "gpu")
    assert events[:3] == ["prepare", "reset", "step"]
    assert events.count("reset") == 1


def test_without_compiled_code_the_state_of_the_cache_is_unknown(tmp_path, prepare):
    prepare(lambda _request: step_work())
    record = run(tmp_path, "train")[1]
    assert record["samples"]["compiler_cache"] is None
    assert record["unknown"]["samples.compiler_cache"] == "this variant keeps no compiled code"


def test_memory_of_set_up_alone_is_not_in_the_peak(tmp_path, prepare):
    size = 400_000_000

    def heavy(_request):
        bytearray(size)  # filled with zeros, page by page
        return step_work()

    prepare(lambda _request: step_work(step=lambda: bytearray(size)))
    held_in_steps = run(tmp_path, "train")[1]["resources"]["rss_peak_bytes"]
    prepare(heavy)
    held_in_set_up = run(tmp_path, "train")[1]["resources"]["rss_peak_bytes"]
    assert held_in_steps > held_in_set_up + size / 2


def test_list_needs_no_workload(capsys):
    assert main(FAKE, ["--list"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["workloads"]["train"]["variants"] == ["eager", "graph"]


def test_check_prints_the_evidence_and_writes_nothing(tmp_path, prepare, capsys):
    steps = []
    prepare(lambda _request: step_work(step=lambda: steps.append(1)))
    assert main(FAKE, ["train", "--check", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["trainable"] == 1
    assert said.err.endswith("NOT THE SAME WORK: trainable differs: 1 and 270948\n")
    assert len(steps) == 4
    assert not (tmp_path / "out").exists()


def test_check_accepts_pytorch_s_evidence(prepare, capsys):
    kept = expected(Case("train", "cpu", batch_size=2, seed=25, network="cnn4", input_size=32))
    prepare(lambda _request: step_work(check=lambda: kept))
    assert main(FAKE, ["train", "--check"]) == 0
    said = "PyTorch's train cnn4 32 px batch 2 cpu: logits differ by 0e+00, allowed 1e-04\nok\n"
    assert capsys.readouterr().err.endswith(said)


def test_check_compares_the_settings_in_effect_too(prepare, capsys):
    prepare(lambda _request: step_work(seen=lambda: replace(SEEN, unknown={})))
    assert main(FAKE, ["train", "--check"]) == 1
    assert "THREADS: threads_intra is unknown" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["trian"], "did you mean train?"),
        (["train", "--variant", "egaer"], "did you mean eager?"),
        (["train", "--network", "resnet81"], "did you mean resnet18?"),
        (["train", "--precision", "fp8"], "known: fp32"),
        (["infer", "--precision", "tf32"], "a CPU has no TF32, only GPUs do; it has fp32, bf16"),
        (["infer", "--precision", "fp16"], "this CPU does not compute in fp16"),
        (["train", "--network", "cnn4", "--input-size", "33"], "cnn4 is measured at 32"),
        (["infer", "--network", "cnn4", "--input-size", "64"], "cnn4 is measured at 32, 48"),
        (["load", "--manifest", "m", "--input-size", "33"], "--input-size does not apply"),
        (["train", "--framework-version", "1.0; rm"], "letters, digits"),
        (["train", "--batch-size", "0"], "must be 1 or more"),
        (["train", "--batch-size", "many"], "many: must be 1 or more"),
        (["train", "--workers", "2"], "does not apply"),
        (["train", "--epochs", "2"], "applies to fit"),
        (["train", "--stage", "decode"], "does not apply"),
        (["train", "--min-seconds", "-1"], "between 0 and"),
        (["train", "--min-seconds", "nan"], "between 0 and"),
        (["train", "--record-id", "../x"], "letters, digits"),
        (["train", "--devcie", "cpu"], "unrecognized"),
        (["load"], "--manifest"),
        (["load", "--manifest", "/nowhere/manifest.json"], "prepare the data"),
        ([], "known: train, infer, load, fit"),
    ],
)
@pytest.mark.usefixtures("bf16_only")
def test_an_invalid_command_line_exits_with_2_and_names_the_valid_values(argv, said, capsys, tmp_path):
    try:
        code = main(FAKE, [*argv, "--out", str(tmp_path / "out")])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def somebody():
    """A user other than root, who may write anywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.fixture
def shut_out():
    """A folder in a parent folder with this `mode`, in a place that every user may enter."""
    made = Path(tempfile.mkdtemp())
    (made / "out").mkdir(mode=0o555)
    yield made / "out"
    made.chmod(0o755)
    shutil.rmtree(made)


@pytest.mark.parametrize(("mode", "remedy"), [(0o755, "chown -R {} "), (0o600, "choose another --out\n")])
def test_an_unwritable_folder_is_reported_before_anything_runs(shut_out, prepare, capsys, request, mode, remedy):
    """The advice does not say to change the owner of a folder that the user may not enter, such as another's home."""
    shut_out.parent.chmod(mode)
    prepare(lambda _request: pytest.fail("measured without a place for the record"))
    request.getfixturevalue("somebody")
    assert main(FAKE, ["train", "--out", str(shut_out)]) == 3
    said = capsys.readouterr().err
    assert "cannot write there (Permission denied)" in said
    assert remedy.format(f"{os.getuid()}:{os.getgid()}") in said


def test_a_file_instead_of_a_folder_is_reported_before_anything_runs(tmp_path, prepare, capsys):
    (tmp_path / "out").write_text("")
    prepare(lambda _request: pytest.fail("measured without a place for the record"))
    assert main(FAKE, ["train", "--out", str(tmp_path / "out")]) == 3
    assert "cannot write there" in capsys.readouterr().err


def test_a_record_that_cannot_be_written_exits_with_3(tmp_path, prepare, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cli, "write_record", full)
    prepare(lambda _request: step_work())
    assert main(FAKE, ["train", *QUICK, "--out", str(tmp_path)]) == 3
    assert "No space left on device); make room" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "sudo chown -R {owner} {place}"),
        (errno.EROFS, "choose another --out"),
        (errno.ENOSPC, "make room, or choose another --out"),
    ],
)
def test_the_advice_for_a_folder_names_an_existing_folder_and_helps(tmp_path, number, words):
    said = host.writing_remedy(tmp_path / "not" / "yet", OSError(number, "no"))
    assert said.endswith(words.format(owner=f"{os.getuid()}:{os.getgid()}", place=tmp_path))
    assert ("chown" in said) is ("chown" in words)


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"/proc/self/cgroup": "0::/a/b", "/sys/fs/cgroup/a/b/cpu.max": "150000 100000"}, 1.5),
        ({"/proc/self/cgroup": "0::/a/b", "/sys/fs/cgroup/a/cpu.max": "50000 100000"}, 0.5),
        (
            {
                "/proc/self/cgroup": "0::/a/b",
                "/sys/fs/cgroup/a/b/cpu.max": "max 100000",
                "/sys/fs/cgroup/a/cpu.max": "200000 100000",
            },
            2.0,
        ),
        ({"/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({}, None),
    ],
)
def test_the_quota_is_the_smallest_of_the_own_group_and_the_groups_above(monkeypatch, files, quota):
    for module in (host, proc):
        monkeypatch.setattr(module, "read_text", files.get)
    monkeypatch.setattr(host, "read_int", lambda _: None)
    assert host.cgroup_cpu_quota() == quota


@pytest.fixture
def dataset(tmp_path) -> Path:
    import hashlib

    root = tmp_path / "images"
    items = {}
    for split in ("train", "test"):
        content = split.encode()
        (root / split).mkdir(parents=True)
        (root / split / "a.jpg").write_bytes(content)
        item = Item(f"{split}/a.jpg", 0, len(content), hashlib.sha256(content).hexdigest(), 1, 1)
        items[split] = (item,)
    manifest = Manifest("tiny", "folder", None, ("a", "b"), items)
    return write_manifest(manifest, root)


def test_load_reads_the_manifest_and_times_deliveries(tmp_path, prepare, dataset):
    stages = []
    prepare(
        lambda request: step_work(
            workers=2,
            queue_batches=4,
            stages={
                "first_batch": Stage(lambda: stages.append(request.manifest.id), items=2),
                "epoch": Stage(lambda: stages.append("epoch")),
                "cold_epoch": Stage(lambda: 1 / 0, before=lambda: "no page cache here"),
            },
        ),
        "load",
    )
    code, record = run(tmp_path, "load", "--manifest", str(dataset), "--workers", "2")
    assert code == 0, record["error"]
    assert stages == ["tiny", "epoch"]
    assert record["samples"]["stage_items"] == {"first_batch": 2}
    assert set(record["samples"]["stage_ns"]) == {"first_batch", "epoch"}
    assert record["unknown"]["samples.stage_ns.cold_epoch"] == "no page cache here"
    assert record["case"]["dataset"]["items"] == 1
    assert record["samples"]["warmup_steps"] == 8 + 1
    assert len(record["samples"]["step_ns"]) == 9 + 80
    assert record["samples"]["first_step_ns"] == record["samples"]["stage_ns"]["first_batch"]


def test_a_track_that_the_workload_lacks_is_refused(dataset, capsys):
    with pytest.raises(SystemExit) as ended:
        main(FAKE, ["load", "--manifest", str(dataset), "--track", "default"])
    assert ended.value.code == 2
    assert "unknown track 'default'; known: matched" in capsys.readouterr().err


def test_data_that_changed_since_its_manifest_is_invalid(tmp_path, prepare, dataset):
    prepare(lambda _request: pytest.fail("measured on other data"), "load")
    (dataset.parent / "train" / "a.jpg").write_bytes(b"TRAIN")
    code, record = run(tmp_path, "load", "--manifest", str(dataset))
    assert (code, record["status"], record["error"]["kind"]) == (1, "invalid", "DATA")
    assert "changed since" in record["error"]["message"]


def test_a_manifest_edited_by_hand_is_refused(tmp_path, dataset, capsys):
    dataset.write_text(dataset.read_text().replace('"label": 0', '"label": 1'))
    assert main(FAKE, ["load", "--manifest", str(dataset), "--out", str(tmp_path / "out")]) == 2
    assert "digest" in capsys.readouterr().err


def test_fit_leaves_stages_and_history(tmp_path, prepare, dataset):
    work = FitWork(
        load=lambda: None,
        build=lambda: None,
        train_epoch=lambda epoch: EpochResult(2.0 - epoch, 0.5, 1),
        save=lambda path: path.write_text("model"),
        restore=lambda path: path.read_text(),
        evaluate=lambda: (1.0, 0.5),
        train_items=1,
        check=lambda: Check(accuracy=0.5, accuracy_restored=0.5),
        seen=lambda: SEEN,
        close=lambda: None,
    )
    prepare(lambda _request: work, "fit")
    code, record = run(tmp_path, "fit", "--manifest", str(dataset), "--epochs", "2")
    assert code == 0, record["error"]
    assert list(record["samples"]["stage_ns"]) == ["load", "build", "train", "save", "restore", "evaluate"]
    assert [epoch["loss"] for epoch in record["history"]] == [2.0, 1.0]
    assert [epoch["waited_ns"] for epoch in record["history"]] == [1, 1]
    assert [epoch["test_accuracy"] for epoch in record["history"]] == [None, None]
    assert record["samples"]["step_ns"] == []
    code, record = run(tmp_path, "fit", "--manifest", str(dataset), "--epochs", "2", "--test-each-epoch")
    assert code == 0, record["error"]
    assert record["case"]["test_each_epoch"]
    assert [(epoch["test_loss"], epoch["test_accuracy"]) for epoch in record["history"]] == [(1.0, 0.5), (1.0, 0.5)]
