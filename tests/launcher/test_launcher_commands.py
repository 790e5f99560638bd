"""The launcher as a person meets it: a fake framework dropped into a tree, real processes, exit codes."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from launcher_fakes import REPOSITORY, framework_tree, keeping_compiled_code
from PIL import Image

from launcher.cli import main
from launcher.datasets.assignment import assign, expected
from launcher.datasets.sources import sources
from launcher.errors import UsageError
from launcher.isolation import UNWANTED
from runners.harness.case import DatasetRef
from runners.harness.manifest import Item, Manifest, write_manifest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return framework_tree(tmp_path / "tree")


def bench(tree: Path, *more: str) -> int:
    return main(["bench", "--profile", "tiny", "--engine", "venv", *more], tree)


def only_run(tree: Path) -> Path:
    (run,) = (path.parent for path in (tree / "results").glob("*/run.json"))
    return run


def read_records(run: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_bytes()) for path in sorted((run / "records").glob("*.json"))]


def with_aggregator(tree: Path, body: str = "pass", after: str = "") -> None:
    (tree / "aggregator").mkdir()
    (tree / "aggregator" / "__init__.py").write_text("")
    report = "open(sys.argv[2] + '/report.html', 'w').close(); print('reported', sys.argv[1:])"
    (tree / "aggregator" / "__main__.py").write_text(f"import os, sys, time\n{body}\n{report}\n{after}\n")


def test_a_framework_dropped_into_a_tree_is_carried_to_records(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with_aggregator(tree)
    assert bench(tree) == 0
    run = only_run(tree)
    found = read_records(run)
    assert [record["status"] for record in found] == ["ok", "ok"]
    assert found[0]["host"]["engine"] == "venv"
    assert found[0]["command"][:3] == [".venvs/fake/bin/python", "-m", "runners.fake"]
    assert json.loads((run / "run.json").read_bytes())["state"] == "complete"
    assert f"reported ['report', '{run}']" in capfd.readouterr().out
    assert not (run / ".lock").exists()


def test_resuming_a_finished_run_starts_nothing(tree: Path) -> None:
    with_aggregator(tree)
    bench(tree)
    run = only_run(tree)
    before = {path: path.stat().st_mtime_ns for path in (run / "records").iterdir()}
    assert main(["bench", "--profile", "tiny", "--device", "cpu", "--engine", "venv", "--run", run.name], tree) == 0
    assert {path: path.stat().st_mtime_ns for path in (run / "records").iterdir()} == before


def test_a_run_interrupted_in_its_pilots_takes_up_its_pilots_again(tmp_path: Path) -> None:
    marker = tmp_path / "interrupted"
    body = (
        f"p = {str(marker)!r}; os.path.exists(p) or "
        "(open(p, 'w').close(), os.kill(os.getppid(), signal.SIGINT), time.sleep(30))"
    )
    tree = framework_tree(tmp_path / "tree", body=body)
    with_aggregator(tree)
    profile = tree / "profiles" / "tiny.toml"
    profile.write_text(profile.read_text().replace("blocks = 2", "blocks = 2\npilots = 2"))
    assert bench(tree) == 130
    run = only_run(tree)
    assert read_records(run) == read_records(run / "pilots") == []
    assert json.loads((run / "run.json").read_bytes())["state"] == "incomplete"
    assert main(["bench", "--run", run.name], tree) == 0
    plan = json.loads((run / "run.json").read_bytes())
    assert plan["state"] == "complete"
    (warmup,) = plan["cases"][0]["warmups"]
    assert len(warmup["pilots"]) == len(read_records(run / "pilots")) == 2
    assert len(read_records(run)) == 2


def test_code_that_one_block_compiled_is_there_for_the_next_and_gone_with_the_run(tree: Path) -> None:
    with_aggregator(keeping_compiled_code(tree))
    profile = tree / "profiles" / "tiny.toml"
    profile.write_text(profile.read_text().replace("blocks = 2", "blocks = 2\npilots = 2"))
    assert bench(tree) == 0
    run = only_run(tree)
    for folder in (run / "pilots", run):
        found = read_records(folder)
        assert [record["samples"]["compiler_cache"] for record in found] == ["cold", "warm"]
        assert not any("--compiler-cache" in record["command"] for record in found)
        assert not (folder / "compiled").exists()


def test_code_compiled_stays_while_a_run_is_incomplete(tmp_path: Path) -> None:
    marker = tmp_path / "once"
    body = (
        f"p = {str(marker)!r}; '-b001-' not in ' '.join(sys.argv) or os.path.exists(p) or "
        "(open(p, 'w').close(), os.kill(os.getppid(), signal.SIGINT), time.sleep(30))"
    )
    tree = keeping_compiled_code(framework_tree(tmp_path / "tree", body=body))
    with_aggregator(tree)
    assert bench(tree) == 130
    run = only_run(tree)
    assert list((run / "compiled").glob("*/code"))
    assert main(["bench", "--run", run.name], tree) == 0
    assert [record["samples"]["compiler_cache"] for record in read_records(run)] == ["cold", "warm"]
    assert not (run / "compiled").exists()


def test_a_profile_s_budget_bounds_planned_blocks_once_it_is_asked_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    body = "'-b001-' in ' '.join(sys.argv) and (os.kill(os.getppid(), signal.SIGINT), time.sleep(30))"
    tree = framework_tree(tmp_path / "tree", body=body)
    with_aggregator(tree)
    profile = tree / "profiles" / "tiny.toml"
    rule = "[stopping]\nmost_blocks = 4\nevery = 2\nhalf_width = 0.02\n"
    profile.write_text("budget = '0.01s'\n" + profile.read_text().replace("[sampling]", f"{rule}[sampling]"))
    assert bench(tree) == 130
    run = only_run(tree)
    assert len(read_records(run)) == 1
    capfd.readouterr()
    assert main(["bench", "--run", run.name, "--budget", "0.01s"], tree) == 1
    assert "ended the run: the next block would not have fitted" in capfd.readouterr().err
    assert len(read_records(run)) == 1
    assert json.loads((run / "run.json").read_bytes())["settings"]["budget"] == "0.01s"


def test_a_budget_too_small_is_said_before_and_fails(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with_aggregator(tree)
    assert bench(tree, "--budget", "1s") == 1
    text = capfd.readouterr().err
    assert "a time budget of 1 s is less than" in text
    assert "the time budget of 1 s ended the run" in text
    run = only_run(tree)
    assert json.loads((run / "run.json").read_bytes())["state"] == "incomplete"
    assert main(["bench", "--run", run.name, "--budget", "1h"], tree) == 0
    assert json.loads((run / "run.json").read_bytes())["state"] == "complete"
    assert main(["bench", "--run", run.name, "--budget", "2h"], tree) == 2
    assert "its number of blocks was fixed" in capfd.readouterr().err


def test_a_slowdown_that_nothing_would_feel_is_refused(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tree / "runners" / "fake" / "framework.py"
    folder.write_text(folder.read_text().replace("'infer': INFER", "'fit': INFER"))
    text = "description = ''\nblocks = 1\n[[cases]]\nworkload = 'fit'\nbatch_size = 4\n"
    (tree / "profiles" / "other.toml").write_text(text)
    assert main(["plan", "--profile", "other", "--aa", "--slowdown", "1.05"], tree) == 2
    assert "none of these cases has any" in capsys.readouterr().err


def test_a_run_is_not_resumed_with_other_settings(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_aggregator(tree)
    bench(tree, "--blocks", "1")
    assert main(["bench", "--run", only_run(tree).name, "--blocks", "3"], tree) == 2
    assert "blocks '1', now asked '3'" in capsys.readouterr().err


def test_a_missing_report_is_said_and_fails(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with_aggregator(tree, "sys.exit(1)")
    assert bench(tree, "--blocks", "1") == 1
    assert "python -m aggregator report" in capfd.readouterr().err


def failing_tree(tmp_path: Path, body: str) -> tuple[dict[str, object], int]:
    tree = framework_tree(tmp_path / "tree", body=body)
    with_aggregator(tree)
    code = bench(tree, "--timeout", "4")
    (record,) = read_records(only_run(tree))
    return record, code


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed", "CRASH(SIGSEGV)"),
        ("os.kill(os.getpid(), signal.SIGABRT)", "crashed", "CRASH(SIGABRT)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "crashed", "KILLED"),
        ("raise RuntimeError('odd')", "failed", "ERROR"),
        ("os._exit(0)", "failed", "RECORD"),
    ],
)
def test_a_runner_that_dies_becomes_a_dash_with_its_reason(tmp_path: Path, body: str, status: str, kind: str) -> None:
    record, code = failing_tree(tmp_path, body)
    assert (record["status"], record["error"]["kind"], code) == (status, kind, 1)


def test_a_hang_ends_at_its_deadline(tmp_path: Path) -> None:
    record, code = failing_tree(tmp_path, "time.sleep(600)")
    assert (record["status"], record["error"]["kind"], code) == ("timeout", "TIMEOUT", 1)


def test_what_a_runner_started_dies_with_it(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    body = (
        "import subprocess; child = subprocess.Popen(['sleep', '600']);"
        f"open({str(marker)!r}, 'w').write(str(child.pid)); os._exit(0)"
    )
    failing_tree(tmp_path, body)
    assert is_gone(int(marker.read_text()))


def test_a_caller_s_thread_settings_do_not_reach_a_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    record, _ = failing_tree(tmp_path, "raise RuntimeError(os.environ.get('OMP_NUM_THREADS', 'unset'))")
    assert record["error"]["message"] == "RuntimeError: unset"


def test_a_variable_that_reaches_replicates_is_said(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_aggregator(tree)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/mine")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    bench(tree, "--blocks", "1")
    warnings = json.loads((only_run(tree) / "run.json").read_bytes())["warnings"]
    (warning,) = [text for text in warnings if "this shell" in text]
    assert warning.startswith("LD_LIBRARY_PATH of this shell reaches every replicate")


def test_what_a_caller_told_the_allocator_reaches_every_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    record, _ = failing_tree(tmp_path, "raise RuntimeError(os.environ.get('GLIBC_TUNABLES', 'unset'))")
    assert record["error"]["message"] == "RuntimeError: glibc.malloc.hugetlb=1"
    assert record["host"]["allocator"] == "glibc.malloc.hugetlb=1"


def test_modules_and_settings_of_the_shell_stay_out(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise RuntimeError('shadowed')")
    script = "import os; from launcher.isolation import *; isolate(); import json; print({*UNWANTED} & {*os.environ})"
    unwanted = {name: "1" for name in UNWANTED if not name.startswith("PYTHON")}
    environment = {**os.environ, **unwanted, "PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_a_report_that_names_failures_does_not_fail_a_run_without_any(tree: Path) -> None:
    with_aggregator(tree, after="sys.exit(1)")
    assert bench(tree, "--blocks", "1") == 0


def test_a_run_goes_on_only_with_what_it_began_with(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_aggregator(tree)
    bench(tree, "--blocks", "1")
    run = only_run(tree)
    (run / "records" / "c000-b000-fake.only.json").unlink()
    source = tree / "runners" / "fake" / "infer.py"
    before = source.read_text()
    source.write_text(before + "# changed\n")
    assert main(["bench", "--run", run.name], tree) == 2
    assert "changed since the run began; start a new run" in capsys.readouterr().err
    source.write_text(before)
    assert main(["bench", "--run", run.name], tree) == 0
    (record,) = read_records(run)
    assert record["host"]["commit"] is json.loads((run / "run.json").read_bytes())["commit"] is None


HOSTILE = "::set-env name=A::b\n##[error]\x1b[31m\r\u202e"


def test_nothing_that_a_runner_says_commands_a_terminal_or_a_ci_service(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tree = framework_tree(tmp_path / "tree", body=f"print({HOSTILE!r}); raise RuntimeError({HOSTILE!r})")
    with_aggregator(tree)
    assert bench(tree) == 1
    said = capfd.readouterr().err
    assert "ERROR: RuntimeError: : :set-env name=A::b ## [error]\\x1b[31m U+202E" in said
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]|::set-env|##\\[", said)


def test_a_runner_that_cannot_write_has_its_last_words_written_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tree = framework_tree(tmp_path / "tree", body=f"print({HOSTILE!r}, end=''); sys.stdout.flush(); os._exit(3)")
    with_aggregator(tree)
    assert bench(tree) == 3
    said = capfd.readouterr().err
    assert "no record could be written there (" in said
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]|::set-env|##\\[", said)


def test_settings_of_the_user_s_home_do_not_reach_a_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home of the user"))
    record, _ = failing_tree(tmp_path, "raise RuntimeError(os.path.expanduser('~'))")
    assert "/levelfield-" in record["error"]["message"]


def test_an_output_folder_is_relative_to_where_the_launcher_is_called(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_aggregator(tree)
    monkeypatch.chdir(tmp_path)
    assert bench(tree, "--blocks", "1", "--out", "here") == 0
    assert len(list((tmp_path / "here").glob("*/report.html"))) == 1


def test_an_index_s_password_is_not_kept(tree: Path) -> None:
    with_aggregator(tree)
    bench(tree, "--blocks", "1", "--extra-index", "https://user:secret@packages.example/simple")
    kept = (only_run(tree) / "run.json").read_text()
    assert "https://packages.example/simple" in kept
    assert "secret" not in kept


def test_another_launcher_at_work_is_a_loud_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marker = tmp_path / "pid"
    tree = framework_tree(tmp_path / "tree", body=HANG.format(str(marker)))
    launcher = start(tree)
    wait_for(marker)
    second = framework_tree(tmp_path / "second")
    with_aggregator(second)
    try:
        assert bench(second, "--blocks", "1") == 0
    finally:
        launcher.send_signal(signal.SIGTERM)
        launcher.communicate(timeout=60)
    for said in (capsys.readouterr().err, (only_run(second) / "run.json").read_text()):
        assert re.search(rf"another launcher works .*\b{launcher.pid}\b", said)


def start(tree: Path) -> "subprocess.Popen[bytes]":
    script = (
        # Whoever runs the tests may ignore SIGHUP (nohup), and children inherit that.
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL);"
        "import sys; from pathlib import Path; from launcher.cli import main;"
        "sys.exit(main(sys.argv[2:], Path(sys.argv[1])))"
    )
    argv = [sys.executable, "-c", script, str(tree), "bench", "--profile", "tiny", "--engine", "venv"]
    return subprocess.Popen(
        argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def wait_for(path: Path) -> int:
    for _ in range(300):
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.1)
    raise AssertionError(f"{path} never came")


def owns(pid: int, path: Path) -> bool:
    return f"/{pid}/" in path.read_text()


def is_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


HANG = "open({!r}, 'w').write(str(os.getpid())); time.sleep(600)"


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_interruption_keeps_what_is_done_and_leaves_nothing_running(tmp_path: Path, kind: signal.Signals) -> None:
    marker = tmp_path / "pid"
    tree = framework_tree(tmp_path / "tree", body=HANG.format(str(marker)))
    with_aggregator(tree)
    launcher = start(tree)
    child = wait_for(marker)
    launcher.send_signal(kind)
    output, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 130, output
    assert is_gone(child)
    run = only_run(tree)
    assert json.loads((run / "run.json").read_bytes())["state"] == "incomplete"
    assert b"reported" in output
    assert b"Traceback" not in output.replace(b"SystemExit", b"")
    assert list((run / "records").iterdir()) == []
    assert not (run / ".lock").exists()


def test_an_interruption_of_the_report_is_one_of_the_launcher(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    tree = framework_tree(tmp_path / "tree")
    with_aggregator(tree, f"open({str(marker)!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    launcher = start(tree)
    reporter = wait_for(marker)
    launcher.send_signal(signal.SIGINT)
    output, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 130, output
    assert is_gone(reporter)


def test_a_second_interruption_kills_at_once(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN); " + HANG.format(str(marker))
    tree = framework_tree(tmp_path / "tree", body=body)
    with_aggregator(tree)
    launcher = start(tree)
    child = wait_for(marker)
    launcher.send_signal(signal.SIGINT)
    time.sleep(0.5)
    launcher.send_signal(signal.SIGINT)
    began = time.monotonic()
    launcher.communicate(timeout=60)
    assert time.monotonic() - began < 8
    assert launcher.returncode == 130
    assert is_gone(child)


def test_the_children_of_a_killed_launcher_are_found_and_its_run_is_resumed(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    once = f"os.path.exists({str(marker)!r}) or (open({str(marker)!r}, 'w').write(str(os.getpid())), time.sleep(600))"
    tree = framework_tree(tmp_path / "tree", body=once)
    with_aggregator(tree)
    launcher = start(tree)
    orphan = wait_for(marker)
    launcher.kill()
    launcher.communicate()
    os.kill(orphan, 0)
    assert main(["bench", "--run", only_run(tree).name], tree) == 0
    assert is_gone(orphan)
    assert not [path for path in Path(tempfile.gettempdir()).glob("levelfield-*/owner") if owns(launcher.pid, path)]
    assert [record["status"] for record in read_records(only_run(tree))] == ["ok", "ok"]


def test_a_second_launcher_in_the_same_run_is_refused_and_told_who_holds_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = tmp_path / "pid"
    tree = framework_tree(tmp_path / "tree", body=HANG.format(str(marker)))
    launcher = start(tree)
    wait_for(marker)
    assert main(["bench", "--run", only_run(tree).name], tree) == 3
    assert f"process {launcher.pid}" in capsys.readouterr().err
    launcher.send_signal(signal.SIGTERM)
    launcher.communicate(timeout=60)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--profile", "tinny"], "did you mean tiny?"),
        (["--frameworks", "fkae"], "did you mean fake?"),
        (["--workloads", "infre"], "did you mean infer?"),
        (["--engine", "dokcer"], "did you mean docker?"),
        (["--device", "gpus"], "did you mean gpu?"),
        (["--blocks", "0"], "--blocks '0'"),
        (["--blocks", "2.5"], "--blocks '2.5'"),
        (["--timeout", "-1"], "--timeout '-1'"),
        (["--timeout", "nan"], "--timeout 'nan'"),
        (["--filter", "resnet900"], "no case matches"),
        (["--run", "../elsewhere"], "unknown run 'elsewhere'"),
        (["--run", "."], "unknown run '.'"),
        (["--run", "/"], "unknown run '/'"),
        (["--run", "20260101-120000-tiny"], "unknown run '20260101-120000-tiny'; known: none"),
        (["--workloads", "train"], "no case of workload train"),
        (["--budget", "30"], "--budget '30'"),
        (["--slowdown", "1.05"], "only with --aa"),
        (["--aa", "--slowdown", "11"], "--slowdown '11': a number from 1 to 10"),
        (["--aa", "--slowdown", "0.5"], "--slowdown '0.5'"),
        (["--aa", "--frameworks", "fake,other"], "one framework under two labels"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    tree: Path, argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--profile", "tiny", *argv], tree) == 2
    assert words in capsys.readouterr().err
    assert not list(tree.glob("results/*"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bloks = 3", "unknown key 'bloks'; known: blocks"),
        ("[sampling]\nmin_step = 3", "did you mean min_steps?"),
        ("[[cases]]\nworkload = 'infer'\nbatchsize = 3", "did you mean batch_size?"),
        ("[[cases]]\nworkload = 'infer'\nbatch_size = 4\nnetwork = 'cnn5'", "did you mean cnn4?"),
        ("[[cases]]\nworkload = 'infer'\nbatch_size = 4\nvariants = ['onyl']", "did you mean only?"),
        ("[[cases]]\nworkload = 'infer'\nbatch_size = 4\nworkers = 2", "workers does not apply"),
        ("[[cases]]\nworkload = 'infer'\nbatch_size = 0", "batch_size"),
        ("[[cases]\n", "profiles/other.toml"),
        ("budget = '30'", "budget: Value error, a time like 90s"),
        ("[stopping]\nmost_block = 30", "did you mean most_blocks?"),
    ],
)
def test_a_profile_is_read_strictly(tree: Path, line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = "description = ''\n" + ("" if "blo" in line else "blocks = 1\n") + line
    if "[[cases]]" not in line:
        text += "\n[[cases]]\nworkload = 'infer'\nbatch_size = 4\n"
    (tree / "profiles" / "other.toml").write_text(text)
    assert main(["plan", "--profile", "other"], tree) == 2
    assert words in capsys.readouterr().err


def test_cpus_beyond_the_machine_are_refused_before_anything_starts(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(tree, "--cpus", "0-9999") == 3
    assert "9999 is not available" in capsys.readouterr().err
    assert not list(tree.glob("results/*/records"))


def test_an_output_folder_that_cannot_be_written_is_refused_with_the_remedy(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "file").write_text("")
    assert bench(tree, "--out", str(tree / "file" / "results")) == 3
    assert "cannot write there (Not a directory); choose another --out" in capsys.readouterr().err


def test_a_plan_starts_nothing_and_says_how_long(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--profile", "tiny", "--seed", "5"], tree) == 0
    text = capsys.readouterr().out
    assert "infer cnn4 32 px batch 4 cpu   2 blocks" in text
    assert "1 case, 2 replicates, order seed 5" in text
    assert re.search(r"about \d+ s to \d+ s of measuring, from an assumed 40 to 400 GFLOP/s", text)
    assert not (tree / "results").exists()
    assert not (tree / ".venvs").exists()


def test_a_plan_learns_from_earlier_runs(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = {
        "case": "infer cnn4 32 px batch 4 cpu",
        "workload": "infer",
        "competitor": "fake/only",
        "seconds": 30,
    }
    (tree / "results" / "old").mkdir(parents=True)
    (tree / "results" / "old" / "timings.jsonl").write_text("garbage\n" + json.dumps(entry) + "\n")
    main(["plan", "--profile", "tiny"], tree)
    assert "about 60 s of measuring, from times of earlier runs for 1 of 1" in capsys.readouterr().out


def test_a_framework_without_a_runner_is_a_dash_and_the_others_run(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "images" / "ghost").mkdir()
    assert main(["plan", "--profile", "tiny"], tree) == 0
    assert "ghost   - UNSUPPORTED: runners/ghost/__main__.py is missing" in capsys.readouterr().out


def loading_tree(tmp_path: Path) -> Path:
    tree = framework_tree(tmp_path / "tree")
    framework = tree / "runners" / "fake" / "framework.py"
    framework.write_text(
        framework.read_text().replace("scopes=('compute',)", "loaders=('slow',)").replace("'infer'", "'fit'")
    )
    (tree / "profiles" / "tiny.toml").write_text(
        "description = ''\nblocks = 1\n[[cases]]\nworkload = 'fit'\nbatch_size = 4\n"
    )
    return tree


def dataset(folder: Path, *splits: str, images: int = 8, classes: str = "ab") -> DatasetRef:
    folder.mkdir(parents=True)
    labels = [number % len(classes) for number in range(images)]
    items = tuple(Item(f"{classes[label]}/{no}.jpg", label, 1, "0" * 64, 1, 1) for no, label in enumerate(labels))
    manifest = Manifest(folder.name, "folder", None, tuple(classes), dict.fromkeys(splits, items))
    write_manifest(manifest, folder)
    return manifest.reference(*splits)


def test_each_workload_takes_the_first_data_it_can_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = loading_tree(tmp_path)
    dataset(tmp_path / "only photos", "train")
    dataset(tmp_path / "with tests", "train", "test")
    given = f"{tmp_path / 'only photos'},{tmp_path / 'with tests'}"
    assert main(["plan", "--profile", "tiny", "--data", given], tree) == 0
    assert "with tests" in capsys.readouterr().out


def test_data_that_no_asked_workload_can_read_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = loading_tree(tmp_path)
    dataset(tmp_path / "photos", "train")
    assert main(["bench", "--profile", "tiny", "--data", str(tmp_path / "photos"), "--workloads", "fit"], tree) == 2
    assert "fit needs" in capsys.readouterr().err


def test_data_is_prepared_as_a_bench_would(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    photos = tmp_path / "my photos"
    for name in ("cat", "dog"):
        (photos / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(photos / name / "1.jpg")
    tree = framework_tree(tmp_path / "tree")
    (tree / "dataset_prep").symlink_to(REPOSITORY / "dataset_prep")
    assert main(["data", "--data", str(photos)], tree) == 0
    (manifest,) = (tree / "data").glob("*/manifest.json")
    assert capfd.readouterr().out.splitlines()[-1] == str(manifest)


def test_data_that_is_not_there_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--profile", "tiny", "--data", str(tmp_path / "nowhere")], loading_tree(tmp_path)) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(["plan", "--profile", "tiny", "--data", ","], loading_tree(tmp_path / "other")) == 2
    assert "names no data set" in capsys.readouterr().err


def test_fewer_images_than_a_batch_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = loading_tree(tmp_path)
    profile = tree / "profiles" / "tiny.toml"
    profile.write_text(profile.read_text().replace("batch_size = 4", "batch_size = 64"))
    dataset(tmp_path / "few", "train", "test")
    assert bench(tree, "--data", str(tmp_path / "few")) == 2
    assert "8 images in train do not fill one batch of 64" in capsys.readouterr().err


def test_one_class_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = loading_tree(tmp_path)
    dataset(tmp_path / "cats", "train", "test", classes="a")
    assert bench(tree, "--data", str(tmp_path / "cats")) == 2
    assert "training needs 2 classes or more, it has 1" in capsys.readouterr().err


def test_data_that_goes_by_a_name_is_prepared_on_first_use(tmp_path: Path) -> None:
    tree = loading_tree(tmp_path)
    [source] = sources(tree, "cifar100", ["fit"])
    assert source.command[1:] == ["-m", "dataset_prep", "cifar100", "--out", str(tree / "data" / "cifar100")]
    dataset(tree / "data" / "cifar100", "train", "test")
    [source] = sources(tree, "cifar100", ["fit"])
    assert source.command == []


def test_a_profile_may_name_its_data_and_a_person_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = loading_tree(tmp_path)
    profile = tree / "profiles" / "tiny.toml"
    profile.write_text(f"data = 'cifar100'\n{profile.read_text()}")
    dataset(tmp_path / "mine", "train", "test")
    assert main(["plan", "--profile", "tiny"], tree) == 0
    assert " cifar100 " in capsys.readouterr().out
    assert main(["plan", "--profile", "tiny", "--data", str(tmp_path / "mine")], tree) == 0
    assert " mine " in capsys.readouterr().out


def test_a_run_is_not_resumed_with_other_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = loading_tree(tmp_path)
    with_aggregator(tree)
    dataset(tmp_path / "data", "train", "test")
    bench(tree, "--data", str(tmp_path / "data"))
    run = only_run(tree)
    shutil.rmtree(tmp_path / "data")
    dataset(tmp_path / "data", "train", "test", images=9)
    assert main(["bench", "--run", run.name], tree) == 2
    assert "the data changed since run" in capsys.readouterr().err


@pytest.mark.parametrize("content", ['{"name": "my set"}', '{"manifest_version": 3, "name": "an extension"}', ""])
def test_a_manifest_of_another_program_leaves_a_folder_a_folder_of_classes(tmp_path: Path, content: str) -> None:
    photos = tmp_path / "photos"
    (photos / "cat").mkdir(parents=True)
    (photos / "manifest.json").write_text(content)
    (source,) = sources(tmp_path, str(photos), ["load"])
    assert source.command[2:5] == ["dataset_prep", "folder", str(photos)]
    with pytest.raises(UsageError, match="give the folder of the images"):
        sources(tmp_path, str(photos / "manifest.json"), ["load"])


def test_a_damaged_manifest_is_not_taken_for_one_of_another_program(tmp_path: Path) -> None:
    dataset(tmp_path / "photos", "train")
    manifest = tmp_path / "photos" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-9])
    (source,) = sources(tmp_path, str(tmp_path / "photos"), ["load"])
    with pytest.raises(UsageError, match="prepare the data again"):
        expected(source)


def test_a_plan_expects_the_splits_that_the_preparation_finds(tmp_path: Path) -> None:
    for folder in ("deep/Train/cat", "deep/valid/cat", "deep/lost", "flat/train", "flat/test"):
        (tmp_path / folder).mkdir(parents=True)
    (deep,) = sources(tmp_path, str(tmp_path / "deep"), ["load"])
    (flat,) = sources(tmp_path, str(tmp_path / "flat"), ["load"])
    assert (deep.splits, flat.splits) == (("train", "val"), ("all",))


def test_a_folder_of_images_never_takes_the_place_of_data_with_a_name(tmp_path: Path) -> None:
    for name in ("cifar100", "synthetic-photos"):
        (tmp_path / "mine" / name / "cat").mkdir(parents=True)
        (source,) = sources(tmp_path, str(tmp_path / "mine" / name), ["load"])
        assert source.manifest.parent.name.startswith(f"{name}-")


def test_strict_reaches_the_preparation_of_data(tmp_path: Path) -> None:
    (tmp_path / "images" / "a").mkdir(parents=True)
    (source,) = sources(tmp_path, str(tmp_path / "images"), ["load"], strict=True)
    assert source.command[-1] == "--strict"


def test_small_images_for_fit_are_not_fed_to_load(tmp_path: Path) -> None:
    wanted = ["fit", "load", "stream"]
    found = [(source, expected(source)) for source in sources(tmp_path, "", wanted)]
    assigned = assign(wanted, found).datasets
    assert {name: one.path.parent.name for name, one in assigned.items()} == {
        "fit": "synthetic-labelled",
        "load": "synthetic-photos",
        "stream": "synthetic-photos",
    }


def test_clean_removes_what_dead_preparations_and_reports_left(tmp_path: Path) -> None:
    dead, alive = tmp_path / "data" / ".one.preparing", tmp_path / "data" / ".two.preparing"
    run = tmp_path / "results" / "run"
    for folder in (dead, alive, run):
        folder.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    (run / ".report.html.x1.tmp").write_text("half")
    (run / ".tar.x2.tmp" / "tar-digest").mkdir(parents=True)
    (run / ".tar.x2.tmp" / "tar-digest" / "000000.tar").write_text("half a shard")
    handle = os.open(alive, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert main(["clean"], tmp_path) == 0
    finally:
        os.close(handle)
    assert (dead.exists(), alive.exists()) == (False, True)
    assert [path.name for path in run.iterdir()] == ["run.json"]


def test_more_workers_than_cpus_is_a_warning_that_strict_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = loading_tree(tmp_path)
    profile = tree / "profiles" / "tiny.toml"
    profile.write_text(profile.read_text() + "workers = 999999\n")
    dataset(tmp_path / "data", "train", "test")
    assert bench(tree, "--data", str(tmp_path / "data"), "--strict", "--workers", "999999") == 2
    assert "999999 workers" in capsys.readouterr().err


def with_streams(tree: Path, command: str, redirection: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the launcher in a shell, as `go`."""
    script = (
        "import sys; from pathlib import Path; from launcher.isolation import isolate; isolate();"
        "from launcher.cli import main; sys.exit(main(sys.argv[2:], Path(sys.argv[1])))"
    )
    line = f'go() {{ "$PYTHON" -c "$SCRIPT" "$TREE" {command}; echo "exit $?" >&9; }}; {redirection}'
    environment = {**os.environ, "PYTHON": sys.executable, "SCRIPT": script, "TREE": str(tree)}
    argv = ["bash", "-c", f"exec 9>&1; {line}"]
    return subprocess.run(
        argv, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=50
    )


@pytest.mark.parametrize(
    ("redirection", "code"),
    [
        ("go <&- >&- 2>&-", 0),
        ("go >/dev/full", 3),
        ("go | true", 0),
    ],
)
def test_a_plan_copes_with_streams_that_are_closed_or_full(tree: Path, redirection: str, code: int) -> None:
    done = with_streams(tree, "plan --profile tiny", redirection)
    assert f"exit {code}" in done.stdout
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize(("redirection", "code"), [("go 2>&-", 2), ("go 2>/dev/full", 2)])
def test_an_error_that_cannot_be_said_keeps_its_exit_code(tree: Path, redirection: str, code: int) -> None:
    done = with_streams(tree, "plan --profile x", redirection)
    assert done.stdout == f"exit {code}\n"


@pytest.mark.parametrize(
    ("redirection", "code", "records"),
    [("go <&- >&- 2>&-", 0, 2), ("go 2>/dev/full", 0, 2), ("go 2> >(head -1)", 130, 0)],
)
def test_a_run_goes_on_where_nothing_can_be_said_and_ends_with_its_pipe(
    tree: Path, redirection: str, code: int, records: int
) -> None:
    with_aggregator(tree)
    done = with_streams(tree, "bench --profile tiny --engine venv", redirection)
    assert f"exit {code}" in done.stdout
    found = [record for path in tree.glob("results/*") for record in read_records(path)]
    assert len(found) in (records, records + 1)
    for lock in tree.glob("results/*/.lock"):
        raise AssertionError(lock)
