"""What a host is asked before anything starts there."""

import itertools
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from launcher.errors import NotReady, UsageError
from launcher.hosts import scripts, ssh
from launcher.hosts.folder import label
from launcher.stop import Stop
from launcher.text import say

ALIKE_SECONDS = 2.0
"""Clocks that differ by less order the starts of runs well enough."""
_ANSWER = re.compile(rf"{scripts.MARK} (\d+\.\d+) (\S+) ?(\S*)$", re.MULTILINE)


@dataclass(frozen=True)
class Found:
    """`run` is the host's run of this group, if there is one. Its clock is `ahead` of this one, within `unsure`."""

    run: str
    boot: str
    ahead: float
    unsure: float


def probe(host: str, place: str, stop: Stop) -> Found:
    """Ask a host. Raises NotReady where it does not answer, or lacks what a launcher needs to start."""
    before = time.time()
    said = ssh.ask(host, scripts.probe(place), stop)
    after = time.time()
    answer = _ANSWER.search(said)
    if answer is None:
        raise NotReady(f"{host}: bash there does not answer as expected; try: ssh {host} bash -c 'date +%s.%N'")
    ahead, unsure = float(answer[1]) - (before + after) / 2, (after - before) / 2
    return Found(answer[3], answer[2], ahead, unsure)


def require_apart(hosts: Mapping[str, Found]) -> None:
    """Raise UsageError where two hosts are one machine: two benchmarks at the same time slow each other."""
    for one, other in _same(hosts):
        raise UsageError(
            f"--parallel-hosts: {one} and {other} are one machine, where two benchmarks at the same time would slow "
            "each other; leave one of them out, or leave --parallel-hosts out to measure one after the other"
        )


def warn(hosts: Mapping[str, Found]) -> None:
    """Say which hosts are one machine, and which clocks differ."""
    for one, other in _same(hosts):
        say(f"warning: {one} and {other} are one machine: their runs are two sessions on it")
    clocks = {"this machine": Found("", "", 0.0, 0.0), **{label(host): found for host, found in hosts.items()}}
    behind, ahead = min(clocks, key=lambda name: clocks[name].ahead), max(clocks, key=lambda name: clocks[name].ahead)
    difference = clocks[ahead].ahead - clocks[behind].ahead
    if difference > ALIKE_SECONDS + clocks[ahead].unsure + clocks[behind].unsure:
        say(
            f"warning: the clock of {ahead} is {difference:.0f} s ahead of the clock of {behind}, so the starts of "
            "their runs cannot be compared; the times of a run all come from one machine's monotonic clock"
        )


def _same(hosts: Mapping[str, Found]) -> Iterator[tuple[str, str]]:
    """Pairs of names that are one boot of one machine, as containers of a machine are, but not its virtual machines."""
    for (one, its), (other, others) in itertools.combinations(hosts.items(), 2):
        if its.boot == others.boot:
            yield label(one), label(other)
