"""Carries a run out on several hosts, one after the other or at the same time, and has all runs reported."""

import dataclasses
from argparse import Namespace
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from launcher import machine
from launcher.errors import ExitCode, Interrupted, LauncherError, NotReady
from launcher.hosts import checkout, folder, scripts, ssh
from launcher.hosts.fetch import fetch
from launcher.hosts.folder import GroupFolder, label
from launcher.hosts.probe import Found, probe, require_apart, warn
from launcher.hosts.progress import HostsDisplay
from launcher.hosts.session import run_there
from launcher.options import OPTIONS, SETTINGS, SWITCHES, Options
from launcher.ownership import lock
from launcher.plan.draft import draft
from launcher.run.session import aggregated
from launcher.stop import Stop
from launcher.text import answer, say, without_password

NOWHERE = "results/none"
"""A folder of results that no host has."""


def on_hosts(root: Path, given: Namespace, asked: Options, stop: Stop) -> int:
    """Measure on each host, fetch what it measured, and have all of it reported. Returns the exit code."""
    settings = {name: text for name, text in given.texts.items() if text and name in SETTINGS}
    settings |= {name: "yes" for name in SWITCHES if vars(given).get(name)}
    parallel = given.parallel_hosts == "on"
    ssh.require_client()
    if given.run:
        group = folder.existing(asked.out / given.run)
        with lock.hold(group.path):
            hosts = [
                host
                for host in folder.chosen(group, given.hosts)
                if "budget" in settings or not group.is_complete(host)
            ]
            found = _probed({host: group.place_of(host) for host in hosts}, parallel, stop)
            return _carried_out(root, group, found, settings, parallel, stop)
    folder.require_different(given.hosts)
    # Each host has its own data, model and CPUs; all other words can be checked here.
    draft(root, dataclasses.replace(asked, data="", model="", input_shape="", cpus=""))
    lock.require_locks(asked.out)
    machine.require_folder(asked.out)
    found = _probed(dict.fromkeys(given.hosts, NOWHERE), parallel, stop)
    kept = {name: without_password(text) for name, text in settings.items()}
    group = folder.create(asked.out, asked.profile, given.hosts, kept)
    with lock.hold(group.path):
        return _carried_out(root, group, found, settings, parallel, stop)


def _probed(places: Mapping[str, str], parallel: bool, stop: Stop) -> dict[str, Found]:
    """What each host answers. Raises NotReady with the faults of all hosts, before anything starts on any."""
    found, faults = {}, []
    for host, place in places.items():
        if stop.requested:
            raise Interrupted("interrupted before anything started")
        try:
            found[host] = probe(host, place, stop)
        except NotReady as error:
            faults.append(str(error))
    if faults:
        raise NotReady("\n".join(faults))
    if parallel:
        require_apart(found)
    warn(found)
    return found


def _carried_out(
    root: Path, group: GroupFolder, found: Mapping[str, Found], settings: Mapping[str, str], parallel: bool, stop: Stop
) -> int:
    packed, codes = checkout.pack(root), [ExitCode.OK]
    how = " at the same time" if parallel and len(found) > 1 else ""
    say(f"run {group.path.name}: {', '.join(map(label, found)) or 'complete on all hosts'}{how}")
    with HostsDisplay() as display:
        for hosts in [list(found)] if parallel and found else [[host] for host in found]:
            if stop.requested:
                break
            with ThreadPoolExecutor(len(hosts)) as pool:
                ended = [
                    pool.submit(_launched, group, host, found[host].run, settings, packed, display, stop)
                    for host in hosts
                ]
            # Only now, since to copy records could disturb a host that still measures.
            codes += [_fetched(group, host, its, display, stop) for host, its in zip(hosts, ended, strict=True)]
    reported = stop.urgent or _reported(root, group)
    left = [label(host) for host in group.group.hosts if not group.is_complete(host)]
    again = f"RUN={group.path.name} goes on with {', '.join(left)}" if left else ""
    if stop.requested:
        raise Interrupted("; ".join(filter(None, ("interrupted; the records are kept", again))))
    if again:
        say(again)
    return max(*codes, ExitCode.OK if reported else ExitCode.CASES_FAILED)


def _launched(
    group: GroupFolder,
    host: str,
    run: str,
    settings: Mapping[str, str],
    packed: bytes,
    display: HostsDisplay,
    stop: Stop,
) -> int:
    """Measure on a host, or resume its run. Returns the exit code of the launcher there."""
    if not run and group.has_run(host):
        raise NotReady(f"its run is gone from there; what was fetched is kept in {group.run_of(host)}")
    wanted = settings if run else {**group.group.settings, **settings}
    words = ["bench", *(f"--{name}" for name in SWITCHES if name in wanted)]
    variables = {name.upper(): text for name, text in wanted.items() if name in OPTIONS}
    variables |= {"RUN": run} if run else {"OUT": group.place_of(host)}
    with display.of(label(host)) as show:
        return run_there(host, show, scripts.launch(len(packed), words, variables), packed, stop)


def _fetched(group: GroupFolder, host: str, ended: "Future[int]", display: HostsDisplay, stop: Stop) -> ExitCode:
    """Fetch the run of a host whose launcher has ended. A fault is printed, and concerns this host alone."""
    try:
        code = ended.result()
        fetched = not stop.urgent and fetch(group, host, stop)
    except Interrupted:
        raise
    except LauncherError as error:
        display.say(label(host), str(error))
        return error.code
    if stop.requested:
        return ExitCode.INTERRUPTED
    if code in (ExitCode.USAGE, ExitCode.NOT_READY) or (fetched and code in (ExitCode.OK, ExitCode.CASES_FAILED)):
        return ExitCode(code)
    kept = "; its records are fetched" if fetched else " and left no records"
    display.say(label(host), f"the launcher there ended with exit code {code}{kept}")
    return ExitCode.NOT_READY


def _reported(root: Path, group: GroupFolder) -> bool:
    """Have all fetched runs put side by side; a single run has its own report."""
    runs: Sequence[Path] = [group.run_of(host) for host in group.group.hosts if group.has_run(host)]
    if len(runs) > 1:
        words = ["merge", *map(str, runs), "--out", str(group.path)]
        return aggregated(root, words, group.path, f"make bench RUN={group.path.name}")
    for run in runs:
        answer(str(run / "report.html"))
    return bool(runs)
