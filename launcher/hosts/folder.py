"""The folder of runs on several hosts: who they are, and the fetched folder of each host's run."""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from launcher.errors import UsageError, require_name
from launcher.options import HOST, SETTINGS, SWITCHES
from launcher.run.folder import RunFolder, load, named_folder
from runners.harness.files import read_regular, write_atomically
from runners.harness.run import HOSTS_NAME, RUN_NAME, RunState

MOST_BYTES = 2**20


@dataclass(frozen=True)
class Group:
    """Hosts with one plan. `token` makes the name of the group's folder on a host unlike that of any other group.

    `settings` are the options as given, the switches among them with the text `yes`.
    """

    token: str
    hosts: list[str]
    settings: dict[str, str]


_GROUP = TypeAdapter(Group)


@dataclass(frozen=True)
class GroupFolder:
    """The names in the folder."""

    path: Path
    group: Group

    def run_of(self, host: str) -> Path:
        """Where the run of a host is fetched to."""
        return self.path / label(host)

    def place_of(self, host: str) -> str:
        """The folder of results on the host that holds this run alone, also where hosts share a home directory."""
        return f"results/{self.path.name}-{self.group.token}/{label(host)}"

    def has_run(self, host: str) -> bool:
        """Whether any state of the host's run was fetched."""
        return (self.run_of(host) / RUN_NAME).is_file()

    def is_complete(self, host: str) -> bool:
        """Whether the host's run has ended and was fetched. A damaged plan is fetched again."""
        try:
            return self.has_run(host) and load(RunFolder(self.run_of(host))).state is RunState.COMPLETE
        except UsageError:
            return False

    @contextmanager
    def replacing(self, host: str) -> Iterator[Path]:
        """An empty folder that replaces the host's run at the end, unless something fails."""
        fresh = self.path / f".{label(host)}.tmp"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        try:
            yield fresh
            shutil.rmtree(self.run_of(host), ignore_errors=True)
            fresh.rename(self.run_of(host))
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def label(host: str) -> str:
    """A host's name for people and for its folder, which gives away no user: `gpu1` for `alice@gpu1`."""
    match = HOST.fullmatch(host)
    assert match
    return match["place"].strip("[]").replace("]", "").replace(":", "-")


def require_different(hosts: Sequence[str]) -> None:
    """Raise UsageError where a host is named twice."""
    seen: dict[str, str] = {}
    for host in hosts:
        if (name := label(host)) in seen:
            again = "" if seen[name] == host else f", as {seen[name]} and {host}"
            raise UsageError(f"--hosts names {name} twice{again}; a machine has one run")
        seen[name] = host


def is_group(path: Path) -> bool:
    """Whether the folder holds the runs of several hosts."""
    return (path / HOSTS_NAME).is_file()


def create(out: Path, profile: str, hosts: list[str], settings: dict[str, str]) -> GroupFolder:
    """Make a folder that is named after the time and the profile."""
    path = named_folder(out, f"{profile}-hosts")
    group = Group(secrets.token_hex(4), hosts, settings)
    write_atomically(path / HOSTS_NAME, _GROUP.dump_json(group, indent=1))
    return GroupFolder(path, group)


def existing(path: Path) -> GroupFolder:
    """The folder of earlier runs. Another folder, or a damaged file, is a UsageError."""
    if not is_group(path):
        raise UsageError(f"{path}: no run with --hosts; leave --run or --hosts out")
    try:
        group = _GROUP.validate_json(read_regular(path / HOSTS_NAME, MOST_BYTES))
    except OSError as error:
        raise UsageError(f"{path / HOSTS_NAME}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise UsageError(f"{path / HOSTS_NAME}: damaged; start a new run") from error
    sound = group.token.isalnum() and all(map(HOST.fullmatch, group.hosts))
    if not sound or not group.settings.keys() <= {*SETTINGS, *SWITCHES}:
        raise UsageError(f"{path / HOSTS_NAME}: damaged; start a new run")
    return GroupFolder(path, group)


def chosen(folder: GroupFolder, hosts: list[str]) -> list[str]:
    """The hosts that were asked for, or all of the folder. Another host is a UsageError."""
    for host in hosts:
        require_name("host of this run", host, folder.group.hosts)
    return hosts or folder.group.hosts
