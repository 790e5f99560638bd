"""ENGINE=slurm: what is submitted and taken in, with fake jobs and fake commands; and a run on a real Slurm."""

import dataclasses
import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from launcher_fakes import REPOSITORY, A, B, FakeEngine, case, failing, framework_tree, run_of, scattered
from pydantic import TypeAdapter
from rich.console import Console

from launcher.cli import main
from launcher.errors import NotReady
from launcher.plan.estimate import Durations
from launcher.run.budget import Budget
from launcher.run.folder import RunFolder, load
from launcher.run.progress import Display
from launcher.run.replicate import Replicator
from launcher.slurm import jobs as jobs_module
from launcher.slurm import scheduler
from launcher.slurm.files import Result, read_blocks, result_path, run_folder, write_result
from launcher.slurm.jobs import Jobs, Lost, Say
from launcher.slurm.measurement import TRIES, ClusterMeasurement
from launcher.slurm.scheduler import Task, TaskState
from launcher.stop import Stop
from method.schedule import run_schedule
from runners.harness.record import LOST, Record, Status
from runners.harness.run import RUN_NAME, PlannedCase, Run, RunState, Stopping

SECOND = 10**9
RECORD = TypeAdapter(Record)


class FakeJobs:
    """Measures blocks at once with a fake engine. `fates` has what befalls the jobs of a block, by its first record id.

    A job whose fate is a state left no result; a job whose fate is a Result left this one.
    """

    def __init__(self, run: Run, replicator: Replicator, fates: dict[str, list[TaskState | Result]]) -> None:
        self.arrays: list[list[Sequence[str]]] = []
        self._replicator, self._fates = replicator, fates
        self._run = run

    def cancel_earlier(self, _folder: RunFolder, _say: Say) -> None:
        """There are none."""

    def measure(
        self, folder: RunFolder, blocks: Sequence[Sequence[str]], _seconds: float, _say: Say
    ) -> Iterator[tuple[int, Result | Lost]]:
        """Play the fate of each block, in the opposite order."""
        longer = load(folder) if (folder.path / RUN_NAME).exists() else self._run
        due = {one.record_id: one for one in run_schedule(longer)}
        self.arrays.append(list(blocks))
        for index, block in reversed(list(enumerate(blocks))):
            fates = self._fates.get(block[0], [])
            fate = fates.pop(0) if fates else None
            if isinstance(fate, TaskState):
                yield index, Lost(f"1_{index}", Task(fate, node="n1"))
            elif fate is not None:
                yield index, fate
            else:
                found = {name: self._replicator.measure(due[name]) for name in block}
                yield index, Result("n1", {name: one[1] for name, one in found.items() if one})


def two_cases(blocks: int = 3) -> Run:
    return run_of(PlannedCase(case(), [A, B], blocks), PlannedCase(case(batch_size=32), [A, B], blocks))


def carry_out(
    path: Path, run: Run, fates: dict[str, list[TaskState | Result]] | None = None, **script: object
) -> tuple[Run, FakeJobs, ClusterMeasurement]:
    folder, stop, clock = RunFolder(path), Stop(), itertools.count(0, SECOND)
    folder.make()
    engine = FakeEngine(run, dict(script))
    replicator = Replicator(folder, run, engine, {}, stop, lambda: next(clock))
    jobs = FakeJobs(run, replicator, fates or {})
    measurement = ClusterMeasurement(folder, run, replicator, Durations(), stop, Budget(None), jobs)
    return measurement.carry_out(Display(Console(quiet=True))), jobs, measurement


def statuses(path: Path) -> dict[str, tuple[Status, str]]:
    found = {}
    folder = RunFolder(path)
    for file in folder.records.glob("*.json"):
        record = RECORD.validate_json(file.read_bytes())
        found[file.stem] = (record.status, record.error.kind if record.error else "")
    return found


def first_of_block(run: Run, case_index: int, block: int) -> str:
    return next(one.record_id for one in run_schedule(run) if (one.case, one.block) == (case_index, block))


def test_a_block_of_each_case_goes_ahead_and_the_others_follow_together(tmp_path: Path) -> None:
    done, jobs, measurement = carry_out(tmp_path, two_cases())
    assert [len(array) for array in jobs.arrays] == [2, 4]
    assert all(len(block) == 2 for array in jobs.arrays for block in array)
    assert {name[:4] for block in jobs.arrays[0] for name in block} == {"c000", "c001"}
    assert done.state is RunState.COMPLETE
    assert not measurement.failed
    assert len(statuses(tmp_path)) == 12


def test_who_fails_ahead_is_left_out_of_the_other_jobs(tmp_path: Path) -> None:
    _, jobs, measurement = carry_out(tmp_path, two_cases(), **{A.label: failing(Status.OOM, "OOM(host)")})
    assert [len(block) for block in jobs.arrays[1]] == [1, 1, 1, 1]
    assert measurement.failed


def test_a_block_whose_node_failed_is_submitted_once_more(tmp_path: Path) -> None:
    run = two_cases()
    first = first_of_block(run, 1, 2)
    done, jobs, _ = carry_out(tmp_path, run, {first: [TaskState.NODE_FAILED]})
    assert [len(array) for array in jobs.arrays] == [2, 4, 1]
    assert jobs.arrays[2][0][0] == first
    assert done.state is RunState.COMPLETE
    assert len(statuses(tmp_path)) == 12


def test_a_block_that_is_lost_each_time_leaves_the_run_to_be_resumed(tmp_path: Path) -> None:
    run = two_cases()
    done, _, measurement = carry_out(tmp_path, run, {first_of_block(run, 0, 1): [TaskState.NODE_FAILED] * TRIES})
    assert done.state is RunState.INCOMPLETE
    assert measurement.failed
    assert len(statuses(tmp_path)) == 10
    again, more, _ = carry_out(tmp_path, done)
    assert [len(array) for array in more.arrays] == [1]
    assert again.state is RunState.COMPLETE


def test_cancelled_jobs_are_not_submitted_again(tmp_path: Path) -> None:
    run = two_cases()
    done, jobs, _ = carry_out(tmp_path, run, {first_of_block(run, 0, 0): [TaskState.CANCELLED]})
    assert [len(array) for array in jobs.arrays] == [2]
    assert done.state is RunState.INCOMPLETE


@pytest.mark.parametrize(
    ("state", "status", "kind"),
    [
        (TaskState.OUT_OF_TIME, Status.TIMEOUT, "TIMEOUT"),
        (TaskState.OUT_OF_MEMORY, Status.OOM, "OOM(host)"),
    ],
)
def test_the_replicate_at_which_slurm_killed_the_job_fails_and_the_others_are_lost(
    tmp_path: Path, state: TaskState, status: Status, kind: str
) -> None:
    run = two_cases(1)
    block = [one.record_id for one in run_schedule(run) if one.case == 0]
    carry_out(tmp_path, run, {block[0]: [state]})
    found = statuses(tmp_path)
    assert found[block[0]] == (status, kind)
    assert found[block[1]][1] == LOST


def test_a_fault_of_a_node_ends_the_run_with_its_message(tmp_path: Path) -> None:
    run = two_cases()
    fault = Result("n7", fault=".venvs/alpha is not there", code=3)
    with pytest.raises(NotReady, match=r"node n7: \.venvs/alpha is not there"):
        carry_out(tmp_path, run, {first_of_block(run, 0, 0): [fault]})


def test_further_blocks_go_to_as_many_cases_as_there_are_nodes(tmp_path: Path) -> None:
    rule = Stopping(most_blocks=5, every=1, half_width=0.001)
    run = dataclasses.replace(two_cases(), stopping=rule, at_once=2)
    done, jobs, _ = carry_out(tmp_path, run, **{A.label: scattered(0.3), B.label: scattered(0.3, 1)})
    assert sorted(done.extensions) == [0, 0, 1, 1]
    assert [len(array) for array in jobs.arrays] == [2, 4, 2, 2]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for fake commands of Slurm: they print the files of their names, and keep what they were asked."""
    commands = tmp_path / "slurm"
    commands.mkdir()
    for name in scheduler.COMMANDS:
        script = f'''#!/bin/sh
printf '%s\\n' "$*" >> "$0.asked"
[ "{name}" != sbatch ] || cat "$(printf %s /dev/stdin)" > "$0.script"
[ ! -e "$0.error" ] || {{ cat "$0.error" >&2; exit 1; }}
cat "$0.says"
'''
        path = commands / name
        path.write_text(script)
        path.chmod(0o755)
        says(path, {"sbatch": "7", "sinfo": "bench*|(null)\nlong|(null)\nlong|nvme:1"}.get(name, ""))
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setattr(jobs_module, "ASK_SECONDS", 0)
    return commands


def says(command: Path, text: str) -> None:
    command.with_suffix(".says").write_text(text)


def fails(command: Path, text: str) -> None:
    command.with_suffix(".error").write_text(text)


def asked(command: Path) -> list[str]:
    path = command.with_suffix(".asked")
    return path.read_text().splitlines() if path.exists() else []


def jobs_of(tmp_path: Path, stop: Stop | None = None, step: int = SECOND, **settings: str) -> Jobs:
    clock = itertools.count(0, step)
    run = dataclasses.replace(two_cases(), settings=settings, at_once=2)
    return Jobs(tmp_path, run, stop or Stop(), lambda: next(clock))


def run_in(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "results" / "run-1")
    folder.make()
    return folder


def leave_result(folder: RunFolder, task: int, result: Result) -> None:
    listed = folder.path / "jobs" / "000.json"
    listed.parent.mkdir(exist_ok=True)
    write_result(result_path(listed, task), result)


def test_an_array_asks_for_whole_nodes_and_its_results_come_as_they_are_there(tmp_path: Path, slurm: Path) -> None:
    folder = run_in(tmp_path)
    jobs = jobs_of(tmp_path, partition="bench")
    leave_result(folder, 1, Result("n2"))
    says(slurm / "squeue", "0|RUNNING|None|n1\n1|COMPLETED|None|n2\n")
    measured = jobs.measure(folder, [["a", "b"], ["c"]], 600, print)
    assert next(measured) == (1, Result("n2"))
    leave_result(folder, 0, Result("n1"))
    assert list(measured) == [(0, Result("n1"))]
    (line,) = asked(slurm / "sbatch")
    for option in ("--array=0-1%2", "--exclusive", "--nodes=1", "--requeue", "--partition=bench", "--time=15"):
        assert option in line.split()
    listed = folder.path / "jobs" / "000.json"
    assert line.endswith(f"{sys.executable} -m launcher block {listed}")
    assert read_blocks(listed) == [["a", "b"], ["c"]]
    assert run_folder(listed) == folder
    assert asked(slurm / "scancel") == []


def test_a_time_limit_of_the_user_stands(tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_TIMELIMIT", "30")
    folder = run_in(tmp_path)
    leave_result(folder, 0, Result("n1"))
    list(jobs_of(tmp_path).measure(folder, [["a"]], 600, print))
    assert "--time" not in asked(slurm / "sbatch")[0]


@pytest.mark.parametrize("state", ["NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY", "CANCELLED"])
def test_a_job_that_slurm_ended_is_lost_with_its_state(tmp_path: Path, slurm: Path, state: str) -> None:
    says(slurm / "squeue", f"0|{state}|None|n1\n")
    ((index, lost),) = jobs_of(tmp_path).measure(run_in(tmp_path), [["a"]], 60, print)
    assert index == 0
    assert isinstance(lost, Lost)
    assert "job 7_0 on n1" in str(lost)


def test_the_result_of_a_job_that_ended_may_show_late(tmp_path: Path, slurm: Path) -> None:
    folder = run_in(tmp_path)
    says(slurm / "squeue", "0|COMPLETED|None|n1\n")
    clock = iter(range(0, 10**6 * SECOND, 10 * SECOND))
    run = dataclasses.replace(two_cases(), at_once=2)

    def tick() -> int:
        now = next(clock)
        if now >= 60 * SECOND:
            leave_result(folder, 0, Result("n1"))
        return now

    jobs = Jobs(tmp_path, run, Stop(), tick)
    assert list(jobs.measure(folder, [["a"]], 60, print)) == [(0, Result("n1"))]


def test_a_job_that_ended_without_a_result_is_lost_in_the_end(tmp_path: Path, slurm: Path) -> None:
    says(slurm / "squeue", "0|FAILED|None|n1\n")
    ((_, lost),) = jobs_of(tmp_path, step=10 * SECOND).measure(run_in(tmp_path), [["a"]], 60, print)
    assert isinstance(lost, Lost)
    assert lost.task.state is TaskState.DONE


def test_a_job_that_slurm_never_lists_is_lost_too(tmp_path: Path, slurm: Path) -> None:
    says(slurm / "squeue", "0|RUNNING|None|n1\n")
    ((index, lost),) = itertools.islice(
        jobs_of(tmp_path, step=10 * SECOND).measure(run_in(tmp_path), [["a"], ["b"]], 60, print), 1
    )
    assert index == 1
    assert isinstance(lost, Lost)
    assert lost.task.state is TaskState.FORGOTTEN


def test_jobs_that_can_never_start_are_cancelled_and_slurms_reason_is_named(tmp_path: Path, slurm: Path) -> None:
    says(slurm / "squeue", "0|PENDING|PartitionTimeLimit|\n")
    with pytest.raises(NotReady, match="can never start: Slurm says PartitionTimeLimit"):
        list(jobs_of(tmp_path).measure(run_in(tmp_path), [["a"]], 60, print))
    assert asked(slurm / "scancel") == ["7"]


def test_a_request_to_stop_cancels_these_jobs_and_no_others(tmp_path: Path, slurm: Path) -> None:
    stop = Stop()
    jobs = jobs_of(tmp_path, stop)
    folder = run_in(tmp_path)
    leave_result(folder, 1, Result("n2"))
    says(slurm / "squeue", "0|RUNNING|None|n1\n1|COMPLETED|None|n2\n")
    for _ in jobs.measure(folder, [["a"], ["b"]], 60, print):
        stop.request()
    assert asked(slurm / "scancel") == ["7"]


def test_a_controller_that_is_silent_for_a_while_is_waited_for(tmp_path: Path, slurm: Path) -> None:
    folder = run_in(tmp_path)
    fails(slurm / "squeue", "squeue: error: Unable to contact slurm controller")
    clock = iter(range(0, 10**6 * SECOND, 60 * SECOND))
    told: list[str] = []

    def tick() -> int:
        now = next(clock)
        if now >= 900 * SECOND:
            leave_result(folder, 0, Result("n1"))
        return now

    jobs = Jobs(tmp_path, two_cases(), Stop(), tick)
    assert list(jobs.measure(folder, [["a"]], 60, told.append)) == [(0, Result("n1"))]
    assert sum("Unable to contact slurm controller" in text for text in told) == 1


def test_a_controller_that_stays_silent_ends_the_run(tmp_path: Path, slurm: Path) -> None:
    fails(slurm / "squeue", "squeue: error: Unable to contact slurm controller")
    with pytest.raises(NotReady, match="has not answered for"):
        list(jobs_of(tmp_path, step=300 * SECOND).measure(run_in(tmp_path), [["a"]], 60, print))


def test_slurms_refusal_is_said_in_its_own_words(tmp_path: Path, slurm: Path) -> None:
    fails(slurm / "sbatch", "sbatch: error: Batch job submission failed: Invalid account")
    with pytest.raises(NotReady, match="refused the jobs: Batch job submission failed: Invalid account"):
        list(jobs_of(tmp_path).measure(run_in(tmp_path), [["a"]], 60, print))


def test_arrays_of_a_lost_launcher_are_cancelled_before_the_run_goes_on(tmp_path: Path, slurm: Path) -> None:
    folder = run_in(tmp_path)
    leave_result(folder, 0, Result("n1"))
    (folder.path / "jobs" / "000.json").write_text("[[]]")
    says(slurm / "squeue", "41\n41\n")
    told: list[str] = []
    jobs_of(tmp_path).cancel_earlier(folder, told.append)
    assert "--name=levelfield-results-run-1-000" in asked(slurm / "squeue")[0]
    assert asked(slurm / "scancel") == ["41"]
    assert "job array 41" in told[0]


def bench(tmp_path: Path, *options: str) -> int:
    return main(["bench", "--profile", "line", "--engine", "slurm", "--out", str(tmp_path / "out"), *options])


def test_a_job_on_gpus_asks_for_one_for_each_process_of_a_replicate(tmp_path: Path, slurm: Path) -> None:
    scaled = run_of(PlannedCase(case(), [A], 1), PlannedCase(case(processes=4), [A], 1))
    for number, (device, run) in enumerate([("cpu", scaled), ("gpu", two_cases()), ("gpu", scaled)]):
        folder = run_in(tmp_path / str(number))
        leave_result(folder, 0, Result("n1"))
        list(
            Jobs(tmp_path, dataclasses.replace(run, settings={"device": device}), Stop()).measure(
                folder, [["a"]], 60, print
            )
        )
    found = [re.findall(r"--gres=(\S+)", line) for line in asked(slurm / "sbatch")]
    assert found == [[], ["gpu:1"], ["gpu:4"]]


GPU_PARTITIONS = "cpu*|(null)\nmixed|(null)\nmixed|gpu:a100:4(S:0-1),nvme:1\nshards|shard:8\nv100|gpu:2"


@pytest.mark.parametrize(("partition", "default"), [("mixed", ""), ("v100", ""), ("", "v100"), ("", "cpu,mixed")])
def test_a_partition_with_gpus_suits_a_run_on_a_gpu(
    slurm: Path, monkeypatch: pytest.MonkeyPatch, partition: str, default: str
) -> None:
    says(slurm / "sinfo", GPU_PARTITIONS)
    monkeypatch.setenv("SBATCH_PARTITION", default)
    scheduler.require(partition, "gpu")


@pytest.mark.parametrize(
    ("partition", "default", "where"),
    [
        ("cpu", "", "partition cpu"),
        ("shards", "", "partition shards"),
        ("", "", "partition cpu"),
        ("cpu", "v100", "partition cpu"),
        ("", "shards", "partition shards"),
    ],
)
def test_a_partition_without_gpus_is_refused_for_a_run_on_a_gpu(
    slurm: Path, monkeypatch: pytest.MonkeyPatch, partition: str, default: str, where: str
) -> None:
    says(slurm / "sinfo", GPU_PARTITIONS)
    monkeypatch.setenv("SBATCH_PARTITION", default)
    with pytest.raises(NotReady, match=rf"no GPU \(GRES gpu\) on the nodes of {where}; choose PARTITION=mixed"):
        scheduler.require(partition, "gpu")
    scheduler.require(partition, "cpu")


def test_a_cluster_without_gpus_says_where_to_look(slurm: Path) -> None:
    says(slurm / "sinfo", "long|(null)")
    with pytest.raises(NotReady, match="on the nodes of the default partition; sinfo --format"):
        scheduler.require("", "gpu")


def test_no_gpu_is_named_for_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, "--device", "gpu", "--gpu", "0") == 2
    assert "Slurm chooses the GPU of each job" in capsys.readouterr().err


@pytest.mark.usefixtures("slurm")
def test_a_plan_for_an_unknown_partition_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted, tree = ["plan", "--profile", "tiny", "--engine", "slurm"], framework_tree(tmp_path / "tree")
    assert main([*wanted, "--partition", "long"], tree) == 0
    assert "warning" not in capsys.readouterr().out
    assert main([*wanted, "--partition", "bnech"], tree) == 0
    said = capsys.readouterr().out
    assert "infer cnn4" in said
    assert (
        "cannot be carried out here: --partition bnech: the cluster has no such partition; it has bench, long" in said
    )


@pytest.mark.usefixtures("slurm")
def test_an_unknown_partition_is_refused_with_the_partitions_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(tmp_path, "--partition", "bnech") == 3
    assert "no such partition; it has bench, long" in capsys.readouterr().err


def test_without_slurm_the_engine_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bench(tmp_path) == 3
    assert "no sbatch on this machine" in capsys.readouterr().err


def test_nodes_without_slurm_are_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--engine", "venv", "--nodes", "2", "--out", str(tmp_path)]) == 2
    assert "only with --engine slurm" in capsys.readouterr().err


@pytest.mark.slurm
@pytest.mark.frameworks("onnxruntime")
@pytest.mark.timeout(300)
def test_a_real_run_that_lost_a_job_is_resumed(tmp_path: Path) -> None:
    wanted = ["--profile", "line", "--workloads", "infer", "--frameworks", "onnxruntime", "--networks", "cnn4"]
    options = ["--engine", "slurm", "--nodes", "2", "--blocks", "3", "--sizes", "32", "--out", str(tmp_path)]
    bench = [sys.executable, "-m", "launcher", "bench"]
    with subprocess.Popen([*bench, *wanted, *options], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as launcher:
        said = ""
        for line in launcher.stderr or ():
            said += line
            if found := re.search(r"submitted 2 blocks as job array (\d+)", line):
                _cancel_once_it_runs(f"{found[1]}_1")
    assert launcher.returncode == 1
    assert re.search(r"Slurm's job \d+_1.*: cancelled", said)
    (folder,) = tmp_path.iterdir()
    assert load(RunFolder(folder)).state is RunState.INCOMPLETE
    again = subprocess.run([*bench, "--run", folder.name, "--out", str(tmp_path)], cwd=REPOSITORY, check=False)
    assert again.returncode == 0
    assert len(list((folder / "records").glob("*.json"))) == 3
    assert load(RunFolder(folder)).state is RunState.COMPLETE
    assert (folder / "report.html").exists()
    names = subprocess.run(["squeue", "-h", "-o", "%j"], capture_output=True, text=True, check=True).stdout
    assert folder.name not in names


def _cancel_once_it_runs(job: str) -> None:
    for _ in range(240):
        state = subprocess.run(["squeue", "-h", "-j", job, "-o", "%T"], capture_output=True, text=True, check=False)
        if state.stdout.strip() == "RUNNING":
            subprocess.run(["scancel", job], check=True)
            return
        time.sleep(0.25)
