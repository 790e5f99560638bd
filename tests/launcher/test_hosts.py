"""HOSTS=: a fake `ssh` that runs the scripts in a bash on this machine, and a real SSH server on loopback."""

import dataclasses
import errno
import getpass
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest
from launcher_fakes import REPOSITORY, A, case, framework_tree, run_of
from needs import SSHD
from rich.console import Console

from launcher.build.sources import commit
from launcher.cli import main
from launcher.hosts import checkout, fetch, probe, scripts, ssh
from launcher.hosts.folder import label
from launcher.hosts.probe import Found
from launcher.hosts.progress import HostsDisplay
from launcher.run.folder import RunFolder, load
from launcher.run.progress import Display
from runners.harness.run import PlannedCase, RunState, write_run

SSH = r"""#!/bin/bash
echo "$*" >> "$HOSTS_LAB/asked"
while [ "$1" != -- ]; do shift; done
[ ! -f "$HOSTS_LAB/$2.fault" ] || { cat "$HOSTS_LAB/$2.fault" >&2; exit 255; }
export HOME="$HOSTS_LAB/$2" PATH="$HOSTS_LAB/path:$PATH"
mkdir -p "$HOME"
printf "Welcome to $2\n$ "
exec bash -s
"""
MAKEFILE = """
.venv/host:
\tmkdir -p .venv/bin
\tln -s {python} .venv/bin/python
\ttouch $@
"""
LAUNCHER = """
import json, os, signal, sys, time
from pathlib import Path

def say(text):
    print(text, file=sys.stderr, flush=True)

asked = {name: os.environ[name] for name in sys.argv[sys.argv.index("--make") + 1].split()}
new = Path(asked["OUT"], "r1") if "OUT" in asked else None
run = new or Path(asked["RUN"])
(run / "records").mkdir(parents=True, exist_ok=True)
with open(run / "asked", "a") as file:
    print(json.dumps([sys.argv[1:], asked]), file=file)
for folder in (run / "compiled", run / "pilots" / "compiled"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "code").write_text("large")
plan = Path("launcher/plan.json").read_text()
text = {"complete": plan, "incomplete": plan.replace('"complete"', '"incomplete"')}

def leave(state, code):
    (run / "run.json").write_text(text[state])
    sys.exit(code)

def asked_to_stop(*_):
    say("stopping")
    leave("incomplete", 130)

signal.signal(signal.SIGTERM, asked_to_stop)
(run / "run.json").write_text(text["incomplete"])
(run / "records" / f"{len(list((run / 'records').iterdir()))}.json").write_text("{}")
say("measuring")
BEHAVIOUR
leave("complete", 0)
"""
AGGREGATOR = """
import json, sys
from pathlib import Path
out = Path(sys.argv[sys.argv.index("--out") + 1])
(out / "report.html").write_text(json.dumps(sys.argv[1:]))
"""
pytestmark = pytest.mark.usefixtures("lab")

STUBBORN = """
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(say("told")))
open(Path.home() / "started", "w").close()
while len(told) < 2:
    time.sleep(0.05)
sys.exit(130)
"""
WAITS = "open(Path.home() / 'started', 'w').close()\ntime.sleep(120)"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the fake ssh keeps the homes of hosts, the command lines it got, and the faults it is to have."""
    for name in ("bin", "path"):
        (tmp_path / "lab" / name).mkdir(parents=True)
    program = tmp_path / "lab" / "bin" / "ssh"
    program.write_text(SSH)
    program.chmod(0o755)
    monkeypatch.setenv("HOSTS_LAB", str(tmp_path / "lab"))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "lab"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project whose launcher on a host only pretends to measure."""
    root = framework_tree(tmp_path / "tree")
    (root / "Makefile").write_text(MAKEFILE.format(python=sys.executable))
    for name, text in (("launcher", LAUNCHER), ("aggregator", AGGREGATOR)):
        (root / name).mkdir()
        (root / name / "__main__.py").write_text(text.replace("BEHAVIOUR", ""))
    planned = run_of(PlannedCase(case(), [A], 1))
    write_run(dataclasses.replace(planned, state=RunState.COMPLETE), tmp_path)
    (tmp_path / "run.json").rename(root / "launcher" / "plan.json")
    return root


def behave(tree: Path, text: str) -> None:
    """What the launcher on a host does after its first record."""
    (tree / "launcher" / "__main__.py").write_text(LAUNCHER.replace("BEHAVIOUR", text))


def bench(tree: Path, *options: str) -> int:
    return main(["bench", "--out", str(tree.parent / "out"), *options], tree)


def fresh(tree: Path, hosts: str, *options: str) -> int:
    return bench(tree, "--profile", "tiny", "--hosts", hosts, *options)


def group(tree: Path) -> Path:
    (found,) = (tree.parent / "out").iterdir()
    return found


def asked_of(run: Path) -> list[tuple[list[str], dict[str, str]]]:
    return [tuple(json.loads(line)) for line in (run / "asked").read_text().splitlines()]


def place(lab: Path, host: str) -> Path:
    """The run on the host."""
    (found,) = (lab / host / ".cache" / "levelfield" / "results").glob(f"*/{label(host)}/*")
    return found


def test_each_host_measures_and_its_run_is_fetched(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fresh(tree, "alice@one,two", "--data", "/a b/it's $HOME", "--strict") == 0
    said = capsys.readouterr().err
    assert "one: measuring" in said
    assert "Welcome" not in said
    for name in ("one", "two"):
        run = group(tree) / name
        [(words, variables)] = asked_of(run)
        assert words == ["bench", "--strict", "--make", "PROFILE DATA OUT"]
        assert variables["DATA"] == "/a b/it's $HOME"
        assert (run / "records" / "0.json").exists()
        assert not list(run.rglob("compiled"))
    merged = json.loads((group(tree) / "report.html").read_text())
    assert merged[:3] == ["merge", str(group(tree) / "one"), str(group(tree) / "two")]


def test_a_single_host_has_its_own_report(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fresh(tree, "one") == 0
    assert capsys.readouterr().out == f"{group(tree) / 'one' / 'report.html'}\n"


def test_what_is_sent_is_made_equal_and_what_a_host_made_is_kept(lab: Path, tree: Path) -> None:
    there = lab / "one" / ".cache" / "levelfield"
    (there / "runners" / "gone").mkdir(parents=True)
    (there / "data" / "photos").mkdir(parents=True)
    (tree / "secret").write_text("")
    (tree / "runners" / "fake" / "__pycache__").mkdir()
    assert fresh(tree, "one") == 0
    assert (there / "runners" / "fake" / "infer.py").exists()
    assert (there / "data" / "photos").exists()
    assert not any((there / name).exists() for name in ("runners/gone", "secret", "runners/fake/__pycache__"))


def test_a_copy_knows_its_commit(tmp_path: Path) -> None:
    there = tmp_path / "copy"
    with tarfile.open(fileobj=io.BytesIO(checkout.pack(REPOSITORY))) as archive:
        archive.extractall(there)
    assert (there / "Makefile").exists()
    assert commit(there) == commit(REPOSITORY)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("No ED25519 host key is known for x\nHost key verification failed.", "never accepted unseen"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "may be another"),
        ("bob@one: Permission denied (publickey,password).", "ssh-copy-id bob@one"),
        ("ssh: Could not resolve hostname one: Name or service not known", "no machine has the name one;"),
        ("ssh: connect to host one port 22: Connection refused", "does not answer"),
        ("ssh: connect to host one port 22: Connection timed out", "does not answer"),
        ("Bad owner or permissions on config", "Bad owner or permissions on config"),
    ],
)
def test_the_faults_of_ssh_come_with_a_remedy(said: str, wanted: str) -> None:
    assert wanted in ssh.explained("bob@one", said)


def test_a_host_that_lets_nobody_in_ends_all_before_anything_starts(
    lab: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (lab / "bob@one.fault").write_text("bob@one: Permission denied (publickey,password).")
    (lab / "three.fault").write_text("ssh: connect to host three port 22: Connection refused")
    assert fresh(tree, "two,bob@one,three") == 3
    said = capsys.readouterr().err
    assert "ssh-copy-id bob@one" in said
    assert "three: it does not answer" in said
    assert not list((tree.parent / "out").iterdir())
    assert not (lab / "two" / ".cache" / "levelfield" / "Makefile").exists()


def test_ssh_asks_nothing_accepts_nothing_and_takes_no_host_for_an_option(lab: Path, tree: Path) -> None:
    assert fresh(tree, "one") == 0
    for line in (lab / "asked").read_text().splitlines():
        assert "BatchMode=yes" in line
        assert "StrictHostKeyChecking=yes" in line
        assert line.endswith("-- one bash -s")


@pytest.mark.parametrize("host", ["-oProxyCommand=touch", "a;b", "$(id)", "a/b", "..@/", "a@-b", "ssh://-oX", "\u0661"])
def test_a_hostile_name_of_a_host_is_refused(
    lab: Path, tree: Path, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(tree, f"--hosts={host}") == 2
    assert "a host as ssh takes it" in capsys.readouterr().err
    assert not (lab / "asked").exists()


@pytest.mark.parametrize("hosts", ["one,one", "one,alice@one", "ssh://one,bob@one"])
def test_a_host_named_twice_is_refused(lab: Path, tree: Path, hosts: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fresh(tree, hosts) == 2
    assert "names one twice" in capsys.readouterr().err
    assert not (lab / "asked").exists()


def test_ports_tell_hosts_apart() -> None:
    assert label("ssh://a@one:22") == "one-22"
    assert label("[fe80::1]") == "fe80--1"
    assert label("fe80::1") == "fe80--1"


def test_an_unknown_name_is_refused_before_any_host_is_asked(lab: Path, tree: Path) -> None:
    assert fresh(tree, "one", "--networks", "cn4") == 2
    assert not (lab / "asked").exists()


@pytest.mark.parametrize(
    ("tool", "wanted"), [("make", "no make there"), ("flock", "no flock there"), ("python", "no Python 3.11")]
)
def test_a_host_that_lacks_a_program_says_which(
    lab: Path, tree: Path, capsys: pytest.CaptureFixture[str], tool: str, wanted: str
) -> None:
    kept = ["bash", "cat", "date", "find", "flock", "gzip", "head", "ls", "make", "mkdir", "rm", "tar", "touch", "ln"]
    for name in kept:
        if name != tool and (program := shutil.which(name)):
            (lab / "path" / name).symlink_to(program)
    if tool != "python":
        (lab / "path" / "python3").symlink_to(sys.executable)
    fake = lab / "bin" / "ssh"
    fake.write_text(fake.read_text().replace(":$PATH", ""))
    fake.write_text(fake.read_text().replace("mkdir -p", "/bin/mkdir -p"))
    assert fresh(tree, "one") == 3
    assert wanted in capsys.readouterr().err


def test_a_full_disk_there_is_said_and_the_other_host_measures(
    lab: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = lab / "path" / "tar"
    full.write_text(
        f'#!/bin/bash\n[ "$HOME" = "{lab}/two" ] || exec {shutil.which("tar")} "$@"\n'
        'echo "tar: Makefile: Cannot write: No space left on device" >&2; echo more >&2; exit 2\n'
    )
    full.chmod(0o755)
    assert fresh(tree, "two,one") == 3
    said = capsys.readouterr().err
    assert "tar: Makefile: Cannot write: No space left on device" in said
    assert "more" not in said
    assert f"RUN={group(tree).name} goes on with two" in said.replace("--run ", "RUN=")
    assert (group(tree) / "one" / "run.json").exists()
    full.unlink()
    assert bench(tree, "--run", group(tree).name) == 0
    assert asked_of(group(tree) / "two")[0][1]["PROFILE"] == "tiny"
    assert len(asked_of(group(tree) / "one")) == 1


def test_the_worst_exit_code_of_all_hosts_counts(tree: Path) -> None:
    behave(tree, "leave('complete', {'one': 1, 'two': 2, 'three': 0}[Path.home().name])")
    assert fresh(tree, "one,two,three") == 2


def test_a_launcher_that_crashes_there_leaves_its_records(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    behave(tree, "os.kill(os.getpid(), signal.SIGKILL)")
    assert fresh(tree, "one") == 3
    assert "ended with exit code 137; its records are fetched" in capsys.readouterr().err
    assert (group(tree) / "one" / "records" / "0.json").exists()


def test_two_launchers_do_not_measure_on_one_host(lab: Path, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = lab / "one" / ".cache" / "levelfield"
    there.mkdir(parents=True)
    with subprocess.Popen(["flock", there / "lock", "sh", "-c", "echo; read x"], stdin=-1, stdout=-1) as holder:
        assert holder.stdout
        holder.stdout.readline()
        assert fresh(tree, "one") == 3
        holder.communicate(b"\n")
    assert "a launcher is at work there already" in capsys.readouterr().err


def until(true: Callable[[], bool]) -> None:
    for _ in range(400):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


START = """
import sys
from pathlib import Path
from launcher.cli import main
sys.exit(main(sys.argv[2:], Path(sys.argv[1])))
"""


@pytest.fixture
def started(tree: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts a launcher of its own, for signals."""
    children = []

    def start(*options: str) -> "subprocess.Popen[str]":
        words = [sys.executable, "-c", START, str(tree), "bench", "--out", str(tree.parent / "out"), *options]
        child = subprocess.Popen(words, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()


def at_work(lab: Path) -> list[str]:
    """The processes of the launcher on any host."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and os.readlink(folder / "cwd").startswith(f"{lab}/"):
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


Started = Callable[..., "subprocess.Popen[str]"]


def test_ctrl_c_ends_what_runs_there_and_the_run_goes_on_later(lab: Path, tree: Path, started: Started) -> None:
    behave(tree, WAITS)
    child = started("--profile", "tiny", "--hosts", "one,two")
    until((lab / "one" / "started").exists)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate()
    assert child.returncode == 130
    assert "one: stopping" in said
    assert "goes on with one, two" in said
    assert not at_work(lab)
    assert (group(tree) / "one" / "records" / "0.json").exists()
    assert not (lab / "two" / "started").exists()
    behave(tree, "")
    assert bench(tree, "--run", group(tree).name) == 0
    assert [list(variables) for _, variables in asked_of(group(tree) / "one")] == [["PROFILE", "OUT"], ["RUN"]]
    assert len(list((group(tree) / "one" / "records").iterdir())) == 2
    assert (group(tree) / "report.html").exists()


def test_a_second_ctrl_c_is_passed_on(lab: Path, tree: Path, started: Started) -> None:
    behave(tree, STUBBORN)
    child = started("--profile", "tiny", "--hosts", "one")
    until((lab / "one" / "started").exists)
    child.send_signal(signal.SIGINT)
    assert child.stderr
    assert any("told" in line for line in child.stderr)
    child.send_signal(signal.SIGINT)
    child.communicate()
    assert child.returncode == 130
    assert not at_work(lab)


def test_a_launcher_that_is_killed_leaves_nothing_running_there(lab: Path, tree: Path, started: Started) -> None:
    behave(tree, WAITS)
    child = started("--profile", "tiny", "--hosts", "one")
    until((lab / "one" / "started").exists)
    child.kill()
    child.communicate()
    until(lambda: not at_work(lab))
    assert '"incomplete"' in (place(lab, "one") / "run.json").read_text()


def test_a_lost_connection_keeps_what_there_is_and_the_run_goes_on(
    lab: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = lab / "one.fault"
    behave(tree, f"Path({str(fault)!r}).write_text('Connection closed'); os.kill(os.getppid(), signal.SIGKILL)")
    fake = lab / "bin" / "ssh"
    fake.write_text(fake.read_text().replace("exec bash -s", "bash -s || exit 255"))
    assert fresh(tree, "one,two") == 3
    said = capsys.readouterr().err
    assert "one: the connection was lost" in said
    until(lambda: not at_work(lab))
    fault.unlink()
    behave(tree, "")
    assert bench(tree, "--run", group(tree).name) == 0
    assert len(list((group(tree) / "one" / "records").iterdir())) == 2


BOOTS = """#!/bin/bash
[ "$1" != /proc/sys/kernel/random/boot_id ] || { echo "boot-of-$(basename "$HOME")"; exit; }
exec /bin/cat "$@"
"""
MEETS = """
here = Path.home()
open(here / "started", "w").close()
deadline = time.monotonic() + 30
while not all((here.parent / name / "started").exists() for name in ("one", "two")):
    if time.monotonic() > deadline:
        leave("incomplete", 1)
    time.sleep(0.05)
"""


@pytest.fixture
def apart(lab: Path) -> None:
    """Each host is a machine of its own."""
    cat = lab / "path" / "cat"
    cat.write_text(BOOTS)
    cat.chmod(0o755)


@pytest.mark.usefixtures("apart")
def test_parallel_hosts_measure_at_the_same_time_and_are_not_disturbed_by_a_fetch(lab: Path, tree: Path) -> None:
    late = f"""
if here.name == "two":
    time.sleep(1)  # the other ends first, and is not fetched meanwhile
    (run / "ssh").write_text(Path({str(lab / "asked")!r}).read_text())
"""
    behave(tree, MEETS + late)
    assert fresh(tree, "one,two", "--parallel-hosts", "on") == 0
    probed, launched = 2, 2
    assert len((group(tree) / "two" / "ssh").read_text().splitlines()) == probed + launched
    for name in ("one", "two"):
        assert (group(tree) / name / "records" / "0.json").exists()
        assert "PARALLEL_HOSTS" not in asked_of(group(tree) / name)[0][1]
    assert (group(tree) / "report.html").exists()


def test_hosts_that_are_one_machine_do_not_measure_at_the_same_time(
    lab: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fresh(tree, "one,two", "--parallel-hosts", "on") == 2
    assert "one and two are one machine" in capsys.readouterr().err
    assert not (lab / "one" / ".cache" / "levelfield" / "Makefile").exists()
    assert not list((tree.parent / "out").iterdir())


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ("leave('incomplete', 1)", 1, "goes on with one"),
        ("os.kill(os.getppid(), signal.SIGKILL)", 3, "one: the connection was lost"),
    ],
    ids=("cases", "lost"),
)
def test_a_parallel_host_that_fails_leaves_the_other_alone(
    lab: Path, tree: Path, capsys: pytest.CaptureFixture[str], fault: str, code: int, said: str
) -> None:
    fake = lab / "bin" / "ssh"
    fake.write_text(fake.read_text().replace("exec bash -s", "bash -s; code=$?; exit $((code == 137 ? 255 : code))"))
    behave(tree, f"{MEETS}\nif here.name == 'one':\n    {fault}\ntime.sleep(1)")
    assert fresh(tree, "one,two", "--parallel-hosts", "on") == code
    assert said in capsys.readouterr().err
    assert '"complete"' in (group(tree) / "two" / "run.json").read_text()
    until(lambda: not at_work(lab))
    behave(tree, "")
    assert bench(tree, "--run", group(tree).name, "--parallel-hosts", "on") == 0
    assert [len(asked_of(group(tree) / name)) for name in ("one", "two")] == [2, 1]


@pytest.mark.usefixtures("apart")
def test_a_full_disk_here_keeps_the_records_of_one_host_there_and_fetches_the_other(
    lab: Path, tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpack(stream: IO[bytes], target: Path) -> None:
        if ".one." in target.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        checkout.unpack(stream, target)

    monkeypatch.setattr(fetch, "unpack", unpack)
    assert fresh(tree, "one,two", "--parallel-hosts", "on") == 3
    said = capsys.readouterr().err
    assert "one: its records were not fetched, and are still there: " in said
    assert "No space left on device" in said
    assert (group(tree) / "two" / "run.json").exists()
    assert (place(lab, "one") / "run.json").exists()


@pytest.mark.usefixtures("apart")
def test_ctrl_c_ends_all_parallel_hosts_and_a_second_is_passed_on_to_all(
    lab: Path, tree: Path, started: Started
) -> None:
    behave(tree, MEETS + "if here.name == 'one':\n    time.sleep(120)\n" + STUBBORN)
    child = started("--profile", "tiny", "--hosts", "one,two", "--parallel-hosts", "on")
    assert child.stderr
    until(lambda: all((lab / name / "started").exists() for name in ("one", "two")))
    child.send_signal(signal.SIGINT)
    lines = []
    for line in child.stderr:
        lines.append(line)
        if {"one: stopping\n", "two: told\n"} <= set(lines):
            break
    assert not (group(tree) / "one").exists()  # it is fetched once the other has ended too
    child.send_signal(signal.SIGINT)
    child.communicate()
    assert child.returncode == 130
    until(lambda: not at_work(lab))


@pytest.mark.usefixtures("apart")
def test_ctrl_c_fetches_what_all_parallel_hosts_measured(lab: Path, tree: Path, started: Started) -> None:
    behave(tree, MEETS + "time.sleep(120)")
    child = started("--profile", "tiny", "--hosts", "one,two", "--parallel-hosts", "on")
    until(lambda: all((lab / name / "started").exists() for name in ("one", "two")))
    child.send_signal(signal.SIGINT)
    _, said = child.communicate()
    assert child.returncode == 130
    assert "goes on with one, two" in said
    for name in ("one", "two"):
        assert f"{name}: stopping" in said
        assert (group(tree) / name / "records" / "0.json").exists()
    assert (group(tree) / "report.html").exists()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--parallel-hosts", "on"), "--parallel-hosts: only with --hosts"),
        (("--hosts", "one", "--parallel-hosts", "yes"), "unknown value of --parallel-hosts 'yes'"),
    ],
)
def test_a_request_for_parallel_hosts_that_makes_no_sense_is_refused(
    tree: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], wanted: str
) -> None:
    assert bench(tree, *options) == 2
    assert wanted in capsys.readouterr().err


def test_the_bars_of_hosts_move_with_the_lines_of_their_launchers() -> None:
    """The lines are those of the display that a launcher has on its own."""
    lines, drawn = io.StringIO(), io.StringIO()
    alone = Display(Console(file=lines, soft_wrap=True))
    alone.plan(12)
    alone.end("infer cnn4", "fake/a", 1, "ok", 3.25, (300.0, 420.0))
    terminal = Console(file=drawn, force_terminal=True, width=100, soft_wrap=True, highlight=False)
    with HostsDisplay(terminal) as display, display.of("one") as show:
        show(lines.getvalue().rstrip())
        show("[bold]a line[/bold] that tells nothing \x1b[2J")
    said = drawn.getvalue()
    assert "1/12" in said
    assert "about 5 min to 7 min left" in said
    assert "one: [bold]a line[/bold]" in said
    assert "nothing \x1b" not in said


def test_a_host_that_is_silent_for_too_long_is_given_up(
    lab: Path, tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ssh, "ANSWER_SECONDS", 0.2)
    fake = lab / "bin" / "ssh"
    fake.write_text(fake.read_text().replace("exec bash -s", "exec sleep 60"))
    assert fresh(tree, "one") == 3
    assert "no answer within" in capsys.readouterr().err


def test_a_host_ends_its_run_after_a_silence_of_this_machine(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scripts, "SILENT_SECONDS", 1)
    behave(tree, WAITS)
    assert fresh(tree, "one") == 3
    assert "one: stopping" in capsys.readouterr().err


def test_a_run_that_is_gone_from_its_host_is_not_begun_again(
    lab: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    behave(tree, "leave('incomplete', 1)")
    assert fresh(tree, "one") == 1
    shutil.rmtree(place(lab, "one"))
    assert bench(tree, "--run", group(tree).name) == 3
    assert "its run is gone from there" in capsys.readouterr().err
    assert (group(tree) / "one" / "records" / "0.json").exists()


def test_more_time_goes_to_complete_runs_and_some_hosts_can_be_chosen(tree: Path) -> None:
    assert fresh(tree, "one,two") == 0
    name = group(tree).name
    assert bench(tree, "--run", name, "--budget", "5m", "--hosts", "two") == 0
    assert [len(asked_of(group(tree) / host)) for host in ("one", "two")] == [1, 2]
    assert asked_of(group(tree) / "two")[1][1]["BUDGET"] == "5m"
    assert bench(tree, "--run", name, "--hosts", "three") == 2


def test_the_run_of_a_host_is_never_resumed_here(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fresh(tree, "one") == 0
    assert bench(tree, "--run", str(group(tree) / "one")) == 2
    assert f"--run {group(tree).name} goes on there" in capsys.readouterr().err


def test_a_damaged_plan_is_fetched_again(tree: Path) -> None:
    assert fresh(tree, "one") == 0
    (group(tree) / "one" / "run.json").write_text("{")
    assert bench(tree, "--run", group(tree).name) == 0
    assert (group(tree) / "one" / "run.json").read_text() != "{"


def test_a_launcher_that_leaves_no_run_is_a_fault(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "launcher" / "__main__.py").write_text("")
    assert fresh(tree, "one") == 3
    assert "ended with exit code 0 and left no records" in capsys.readouterr().err


def test_clean_removes_runs_on_hosts_among_the_results(tree: Path) -> None:
    assert fresh(tree, "one") == 0
    assert main(["clean", "--results", "--out", str(tree.parent / "out")], tree) == 0
    assert not list((tree.parent / "out").iterdir())


def test_a_folder_without_a_plan_is_not_taken_for_the_run(lab: Path, tree: Path) -> None:
    """A launcher may die between making the folder of its run and writing its plan."""
    behave(tree, "leave('incomplete', 1)")
    assert fresh(tree, "one") == 1
    (place(lab, "one").parent / "r0").mkdir()
    assert bench(tree, "--run", group(tree).name) == 1
    assert len(list((group(tree) / "one" / "records").iterdir())) == 2


def test_a_password_of_an_index_is_neither_kept_nor_shown_in_the_list_of_processes(lab: Path, tree: Path) -> None:
    assert fresh(tree, "one", "--extra-index", "https://me:secret@index/") == 0
    [(words, variables)] = asked_of(group(tree) / "one")
    assert variables["EXTRA_INDEX"] == "https://me:secret@index/"
    assert "secret" not in " ".join(words) + (group(tree) / "hosts.json").read_text() + (lab / "asked").read_text()


def archive_of(*members: tarfile.TarInfo) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    packed.seek(0)
    return packed


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, target, int(kind == tarfile.REGTYPE)
    return made


@pytest.mark.parametrize(
    "bad",
    [
        member("../out"),
        member("/tmp/out"),
        member("a/../../out"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("hard", tarfile.LNKTYPE, "records/a.json"),
        member("pipe", tarfile.FIFOTYPE),
        member("records/a.json"),
        member("records"),
        member("records/a.json/b"),
    ],
    ids=lambda one: one.name,
)
def test_a_hostile_archive_is_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    target = tmp_path / "in"
    target.mkdir()
    with pytest.raises(checkout.BadArchive):
        checkout.unpack(archive_of(member("records/a.json"), bad), target)
    assert [path.name for path in target.rglob("*")] == ["records", "a.json"]
    assert {path.name for path in tmp_path.iterdir()} == {"in", "lab"}


def test_an_archive_that_is_cut_short_replaces_nothing(
    lab: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    behave(tree, "leave('incomplete', 1)")
    assert fresh(tree, "one") == 1
    half = lab / "path" / "tar"
    half.write_text(
        f'#!/bin/bash\n[ "$1" = -cz ] || exec {shutil.which("tar")} "$@"\n{shutil.which("tar")} "$@" | head -c 200\n'
    )
    half.chmod(0o755)
    assert bench(tree, "--run", group(tree).name) == 3
    assert "its records were not fetched, and are still there" in capsys.readouterr().err
    assert len(list((group(tree) / "one" / "records").iterdir())) == 1
    assert [path.name for path in group(tree).iterdir() if path.name.endswith(".tmp")] == []


def test_clocks_that_disagree_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    probe.warn({"one": Found("", "a", 63.0, 0.2), "two": Found("", "b", -0.1, 0.2)})
    said = capsys.readouterr().err
    assert "the clock of one is 63 s ahead of the clock of two" in said
    probe.warn({"one": Found("", "a", 2.2, 0.4), "two": Found("", "b", 0.0, 0.2)})
    assert not capsys.readouterr().err


def test_a_damaged_list_of_hosts_is_refused(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fresh(tree, "one") == 0
    path = group(tree) / "hosts.json"
    whole = path.read_text()
    for text in ("{", "[]", whole.replace('"one"', '"-oProxyCommand=x"'), whole.replace("profile", "PATH")):
        path.write_text(text)
        assert bench(tree, "--run", group(tree).name) == 2
        assert "hosts.json: damaged" in capsys.readouterr().err


def test_hosts_of_a_run_without_hosts_are_refused(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tree, "--hosts", "one", "--run", "plain") == 2
    assert "no run with --hosts" in capsys.readouterr().err


@dataclasses.dataclass
class Server:
    """An SSH server on loopback, with a home and a key of its own."""

    home: Path
    process: "subprocess.Popen[bytes]"

    def cut(self) -> None:
        """End its connections, but not the server, nor what runs in its sessions."""
        for child in psutil.Process(self.process.pid).children():
            child.kill()


@pytest.fixture
def servers(tmp_path: Path, lab: Path) -> Iterator[dict[str, Server]]:
    """Two SSH servers, which `ssh` knows as `one` and `two`; it meets the first without its key as `unknown`.

    As `stranger` it has no key that the first server lets in.
    """
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # as Debian does when it starts its own server
    for name in ("key", "other", "one.host", "two.host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    found, settings = {}, [f"GlobalKnownHostsFile /dev/null\nIdentitiesOnly yes\nUser {getpass.getuser()}\n"]
    for name in ("one", "two"):
        home = lab / name
        home.mkdir()
        port = _free_port()
        (tmp_path / f"{name}.conf").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/{name}.host\nPidFile none\nStrictModes no\n"
            f"AuthorizedKeysFile {tmp_path}/key.pub\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"ForceCommand export HOME={home}; $SSH_ORIGINAL_COMMAND\n"
        )
        with (tmp_path / "known").open("a") as known:
            known.write(f"[127.0.0.1]:{port} {(tmp_path / f'{name}.host.pub').read_text()}")
        keys = {name: ("known", "key")}
        if name == "one":
            keys |= {"unknown": ("none", "key"), "stranger": ("known", "other")}
        settings += [
            f"Host {host}\nHostName 127.0.0.1\nPort {port}\n"
            f"UserKnownHostsFile {tmp_path / seen}\nIdentityFile {tmp_path / key}\n"
            for host, (seen, key) in keys.items()
        ]
        process = subprocess.Popen([SSHD, "-D", "-f", tmp_path / f"{name}.conf"], stderr=subprocess.DEVNULL)
        found[name] = Server(home, process)
        until(lambda port=port: _answers(port))
    (tmp_path / "config").write_text("".join(settings[1:]) + "Host *\n" + settings[0])
    program = lab / "bin" / "ssh"
    program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh", path=os.defpath)} -F {tmp_path}/config "$@"\n')
    yield found
    for server in found.values():
        server.cut()
        server.process.kill()
        server.process.wait()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.ssh
@pytest.mark.usefixtures("servers")
def test_over_a_real_connection_each_host_measures(tree: Path) -> None:
    assert fresh(tree, "one,two", "--data", "/a b/it's $HOME") == 0
    for name in ("one", "two"):
        assert asked_of(group(tree) / name)[0][1]["DATA"] == "/a b/it's $HOME"
    assert (group(tree) / "report.html").exists()


@pytest.mark.ssh
@pytest.mark.parametrize(
    ("host", "wanted"), [("unknown", "never accepted unseen"), ("stranger", "ssh-copy-id stranger")]
)
def test_a_real_server_that_is_unknown_or_wants_a_password_is_refused(
    servers: dict[str, Server], tree: Path, capsys: pytest.CaptureFixture[str], host: str, wanted: str
) -> None:
    assert fresh(tree, f"two,{host}") == 3
    assert wanted in capsys.readouterr().err
    assert not (tree.parent / "none").exists()
    assert not (servers["two"].home / ".cache" / "levelfield" / "Makefile").exists()


@pytest.mark.ssh
def test_a_real_connection_that_breaks_leaves_nothing_running_and_the_run_goes_on(
    servers: dict[str, Server], lab: Path, tree: Path, started: Started
) -> None:
    behave(tree, WAITS)
    child = started("--profile", "tiny", "--hosts", "one")
    until((lab / "one" / "started").exists)
    servers["one"].cut()
    _, said = child.communicate()
    assert child.returncode == 3
    assert "one: the connection was lost" in said
    until(lambda: not at_work(lab))
    behave(tree, "")
    assert bench(tree, "--run", group(tree).name) == 0
    assert len(list((group(tree) / "one" / "records").iterdir())) == 2


@pytest.mark.ssh
def test_ctrl_c_over_a_real_connection_ends_what_runs_there(
    servers: dict[str, Server], lab: Path, tree: Path, started: Started
) -> None:
    behave(tree, WAITS)
    child = started("--profile", "tiny", "--hosts", "one")
    until((servers["one"].home / "started").exists)
    child.send_signal(signal.SIGINT)
    assert "one: stopping" in child.communicate()[1]
    assert child.returncode == 130
    assert not at_work(lab)


@pytest.mark.ssh
@pytest.mark.full
@pytest.mark.frameworks("onnxruntime")
@pytest.mark.timeout(300)
def test_a_real_run_on_two_hosts_has_a_report_with_a_section_for_each(
    servers: dict[str, Server], tmp_path: Path
) -> None:
    for server in servers.values():
        _borrow_packages(server.home / ".cache" / "levelfield")
    wanted = ["--profile", "line", "--workloads", "infer", "--frameworks", "onnxruntime", "--networks", "cnn4"]
    options = ["--engine", "venv", "--sizes", "32", "--hosts", "one,two", "--out", str(tmp_path / "out")]
    assert main(["bench", *wanted, *options]) == 0
    (folder,) = (tmp_path / "out").iterdir()
    assert load(RunFolder(folder / "one")).commit == commit(REPOSITORY)[0]
    report = (folder / "report.md").read_text()
    assert "# Environment 1: run one" in report
    assert "# Environment 2: run two" in report


def _borrow_packages(there: Path) -> None:
    """Environments like those of this machine, where nothing has to be installed."""
    venv.create(there / ".venv", symlinks=True)
    packages = there / ".venv" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    (there / ".venv" / "host").touch()
    (there / ".venvs").mkdir()
    (there / ".venvs" / "onnxruntime").symlink_to(REPOSITORY / ".venvs" / "onnxruntime")
