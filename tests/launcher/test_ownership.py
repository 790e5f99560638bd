"""Nothing of a living launcher is removed, wherever it runs; what dead launchers left is."""

import errno
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from launcher_fakes import REPOSITORY

from launcher.cli import main
from launcher.engines.docker import LAUNCHER_LABEL
from launcher.engines.docker import remove_orphans as remove_containers
from launcher.errors import NotReady
from launcher.ownership import lock, temporary
from launcher.ownership import owner as owners
from launcher.ownership.owner import ENVIRONMENT, Owner, parse_owner, this_launcher
from launcher.processes import kill_orphans

ME = this_launcher()
DEAD = replace(ME, start=ME.start + 1)
SEALED = replace(DEAD, namespace="1")
"""A launcher in another PID namespace: nothing here tells whether it lives."""
ELSEWHERE = replace(DEAD, host="another-machine", boot="0")
REBOOTED = replace(DEAD, boot="0")


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_name_of_a_launcher_can_be_read_back() -> None:
    assert parse_owner(f"{ME}\n") == ME
    for text in ("", "host", f"{ME}/1", str(ME).replace(str(ME.pid), "0"), "h/b/1/-1/2", "h/b/1/99999999999/2"):
        assert parse_owner(text) is None


@pytest.mark.parametrize(
    ("owner", "dead"),
    [
        (ME, False),
        (DEAD, True),
        (replace(ME, pid=2**22 + 1), True),
        (replace(DEAD, start=owners.UNKNOWN), False),
        (replace(DEAD, host="renamed"), True),
        (SEALED, False),
        (replace(DEAD, namespace=""), False),
        (ELSEWHERE, False),
        (REBOOTED, False),
    ],
)
def test_only_a_launcher_that_certainly_ended_is_dead(owner: Owner, dead: bool) -> None:
    assert owner.is_dead() is dead


def test_a_process_that_is_hidden_from_this_user_may_live(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(owners.os, "kill", refuse)
    assert not replace(ME, pid=2**22 + 1).is_dead()


def test_numbers_of_a_proc_that_belongs_to_another_namespace_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners.os, "readlink", lambda _: "1")
    assert not DEAD.is_dead()


def test_a_host_may_have_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "a" * 64, "odd/na me\n", "ümlaut"):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        assert parse_owner(str(this_launcher())) == this_launcher()


def test_a_temporary_folder_leaves_room_for_a_socket_whatever_the_host_is_called(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 64)
    with temporary.temporary_folder() as folder:
        assert len(str(folder)) - len(str(temp)) <= 22
        assert folder.stat().st_mode & 0o777 == 0o700
        assert list(folder.iterdir()) == []
    assert list(temp.iterdir()) == []


def test_a_tmpdir_in_which_a_socket_does_not_fit_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        base = f"{short}/" + "x" * (temporary.SOCKET_BYTES - 22 - len(temporary.SOCKET_NAME) - len(short) - 1)
        os.mkdir(base)
        monkeypatch.setattr(tempfile, "tempdir", base)
        temporary.require_short_path()
        with temporary.temporary_folder() as folder, socket.socket(socket.AF_UNIX) as one:
            path = f"{folder}{temporary.SOCKET_NAME}"
            assert len(path) == temporary.SOCKET_BYTES
            Path(path).parent.mkdir()
            one.bind(path)
        monkeypatch.setattr(tempfile, "tempdir", f"{base}x")
        with pytest.raises(NotReady, match=r"xx: too long; .* such as TMPDIR=/tmp"):
            temporary.require_short_path()


def folder_of(owner: Owner | str, temp: Path, name: str = "one") -> Path:
    folder = temp / f"levelfield-{name}"
    (folder / "t" / "deep").mkdir(parents=True)
    (folder / "owner").write_text(str(owner))
    return folder


@pytest.mark.parametrize(
    ("owner", "is_locked", "left"),
    [
        (DEAD, False, False),
        (SEALED, False, False),
        (REBOOTED, False, False),
        (SEALED, True, True),
        (REBOOTED, True, True),
        (ELSEWHERE, False, True),
        ("", False, True),
        ("garbage", False, True),
    ],
)
def test_a_folder_is_removed_once_its_launcher_no_longer_locks_it(
    temp: Path, owner: Owner | str, is_locked: bool, left: bool
) -> None:
    folder = folder_of(owner, temp)
    with (folder / "owner").open() as file:
        if is_locked:
            fcntl.flock(file, fcntl.LOCK_EX)
        assert temporary.remove_orphans() == (not left)
    assert folder.exists() is left


def test_without_locks_a_folder_of_a_launcher_that_cannot_be_seen_stays(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", no_locks)
    sealed, dead = folder_of(SEALED, temp, "one"), folder_of(DEAD, temp, "two")
    assert temporary.remove_orphans() == 1
    assert (sealed.exists(), dead.exists()) == (True, False)


def test_the_folders_of_living_launchers_stay_and_name_them(temp: Path) -> None:
    folder = folder_of(replace(SEALED, pid=4711), temp)
    with (folder / "owner").open() as file, temporary.temporary_folder() as mine:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert temporary.remove_orphans() == 0
        assert [one.pid for one in temporary.other_launchers()] == [4711]
        assert mine.exists()


def test_what_others_put_into_the_folder_for_temporary_files_is_left_alone(temp: Path) -> None:
    (temp / "levelfield-fifo").mkdir()
    os.mkfifo(temp / "levelfield-fifo" / "owner")
    (temp / "levelfield-file").write_text("")
    real = temp / "mine"
    real.mkdir()
    (real / "owner").write_text(str(DEAD))
    (temp / "levelfield-link").symlink_to(real)
    temporary.remove_orphans()
    assert temporary.other_launchers() == []
    assert (real / "owner").exists()


@pytest.mark.parametrize(("owner", "killed"), [(DEAD, 1), (SEALED, 0), (REBOOTED, 0), (ME, 0)])
def test_a_process_is_killed_only_if_its_launcher_is_certainly_dead(owner: Owner, killed: int) -> None:
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, ENVIRONMENT: str(owner)})
    try:
        while b"sleep" not in Path(f"/proc/{child.pid}/cmdline").read_bytes():
            time.sleep(0.01)
        assert kill_orphans() == killed
        assert (child.poll() is None) is not bool(killed) or child.wait() == -9
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize(
    ("owner", "status", "removed"),
    [
        (DEAD, "running", 1),
        (DEAD, "exited", 1),
        (ME, "exited", 0),
        (SEALED, "running", 0),
        (SEALED, "exited", 0),
        (ELSEWHERE, "exited", 0),
        (REBOOTED, "running", 0),
        (REBOOTED, "exited", 1),
    ],
)
def test_a_container_is_removed_only_if_its_launcher_is_certainly_dead(owner: Owner, status: str, removed: int) -> None:
    gone: list[bool] = []
    container = SimpleNamespace(
        labels={LAUNCHER_LABEL: str(owner)}, status=status, remove=lambda force, v: gone.append(force and v)
    )
    client: Any = SimpleNamespace(containers=SimpleNamespace(list=lambda **_: [container]))
    assert remove_containers(client) == removed
    assert len(gone) == removed


HOLDER = """
import os, sys
from pathlib import Path
from launcher.ownership.temporary import temporary_folder
from launcher.processes import run_child
from launcher.stop import Stop
with temporary_folder() as folder:
    script = f"import time; open({sys.argv[1]!r}, 'w').write({str(folder)!r}); time.sleep(600)"
    run_child([sys.executable, "-c", script], Path.cwd(), 2, Stop(), 600)
"""


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Path]:
    """The temporary folder of a launcher that lives in a PID namespace of its own, with a child."""
    enter = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    enter += [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    if not shutil.which("unshare") or subprocess.run([*enter, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no PID namespace can be made here")
    marker = tmp_path / "marker"
    holder = subprocess.Popen([*enter, sys.executable, "-c", HOLDER, str(marker)], cwd=REPOSITORY)
    try:
        for _ in range(600):
            if marker.exists() and marker.read_text():
                break
            time.sleep(0.1)
        yield Path(marker.read_text())
        assert holder.poll() is None, "the launcher or its child was ended"
    finally:
        holder.kill()
        holder.wait()


def test_clean_ends_nothing_of_a_launcher_in_another_pid_namespace(sealed: Path, tmp_path: Path) -> None:
    assert main(["clean"], tmp_path) == 0
    time.sleep(0.3)
    assert sealed.is_dir()


def no_locks(*_: object) -> None:
    raise OSError(errno.ENOSYS, "Function not implemented")


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    words = rf"{tmp_path}/res: files cannot be locked there \({os.strerror(code)}\).* choose another --out"
    with pytest.raises(NotReady, match=words):
        lock.require_locks(tmp_path / "res")
    with pytest.raises(NotReady, match=r"choose another --out"), lock.hold(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_another_container_on_this_machine_is_reclaimed(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text(str(replace(SEALED, host="3f2a9c")))
    with lock.hold(tmp_path):
        pass
    (tmp_path / ".lock").write_text(str(ELSEWHERE))
    with (
        pytest.raises(NotReady, match=r"in use by process \d+ on another-machine; if it is dead, remove"),
        lock.hold(tmp_path),
    ):
        pass
