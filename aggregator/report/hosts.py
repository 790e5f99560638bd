"""Machines and versions: a row for each, and what differs between them."""

from collections.abc import Callable, Iterable, Sequence

from aggregator.base.quantities import DASH, count, size
from aggregator.base.text import clean
from aggregator.judge.analysis import Environment
from aggregator.judge.sections import machine_name
from aggregator.report.model import Cell, Table
from runners.harness.case import Competitor
from runners.harness.host import REFERENCE
from runners.harness.record import Host, Record

MACHINE = ("machine", "CPU", "CPUs", "memory", "kernel", "governor", "GPU", "driver", "engine", "allocator")
SOFTWARE = ("framework", "version chosen", "image", "base", "system", "Python", "CUDA", "cuDNN", "commit", "packages")

OWN_FIRST_SINCE = 9
"""The schema from which a record lists the framework's own package first."""


def machines(records: Iterable[Record]) -> Table:
    """A row for every machine that a record names."""
    rows = _counted(records, lambda _, host: _machine(host))
    caption = "Machines. The first column is a digest of the name: it tells machines apart without publishing names."
    return Table(caption, (*MACHINE, "replicates"), rows, len(MACHINE))


def software(records: Iterable[Record]) -> Table:
    """A row for every set of versions that a framework ran with; a dash if the run did not choose a version."""
    rows = _counted(records, _software)
    return Table("Software, by framework", (*SOFTWARE, "replicates"), rows, len(SOFTWARE))


def differences(machines_found: Table, software_found: Table) -> tuple[str, ...]:
    """Sentences on what differs between machines, and between the versions of one framework."""
    found = _differing("machines", MACHINE[1:], [row[1:-1] for row in machines_found.rows])
    by_framework: dict[str, list[tuple[Cell, ...]]] = {}
    for row in software_found.rows:
        by_framework.setdefault(row[0].text, []).append(row[1:-1])
    for framework, rows in by_framework.items():
        found += _differing(framework, SOFTWARE[1:], rows)
    return tuple(found)


def versions(records: Iterable[Record]) -> dict[str, str]:
    """The version of each program, from its framework's own package; a dash if none is recorded.

    Earlier schemas do not say which package is the framework's own: all but the reference's are listed.
    """
    found: dict[str, dict[str, None]] = {}
    for record in records:
        packages = record.host.packages if record.host else {}
        listed = [*packages][:1] if record.schema_version >= OWN_FIRST_SINCE else sorted(packages)
        used = dict.fromkeys(f"{name} {packages[name]}" for name in listed if name not in REFERENCE)
        found.setdefault(clean(record.competitor.program, 80), {}).update(used)
    return {program: clean(", ".join(used), 160) or DASH for program, used in sorted(found.items())}


def in_short(host: Host) -> str:
    """`Intel Xeon, 2 CPUs, 24 GiB`, and the GPU if the record names one."""
    parts = (clean(host.cpu_model, 60), count(host.cpus, "CPU"), size(host.memory_bytes), clean(host.gpu or "", 60))
    return ", ".join(filter(None, parts))


def names(environments: Sequence[Environment]) -> list[str]:
    """Each environment's machine in short; the digest of its name only where two machines are alike."""
    hosts = [env.host for env in environments]
    digests = [clean(machine_name(host), 40) if host else "" for host in hosts]
    return told_apart(
        [in_short(host) if host else "unknown machine" for host in hosts],
        [f"machine {one}" if one else "" for one in digests],
    )


def told_apart(names: Sequence[str], details: Sequence[str]) -> list[str]:
    """The names, with the detail of each one wherever details tell apart what has the same name."""
    alike: dict[str, set[str]] = {}
    for one, detail in zip(names, details, strict=True):
        alike.setdefault(one, set()).add(detail)
    return [
        ", ".join(filter(None, (one, detail if len(alike[one]) > 1 else "")))
        for one, detail in zip(names, details, strict=True)
    ]


def _machine(host: Host) -> tuple[str, ...]:
    shown = (host.hostname_digest, host.cpu_model, str(host.cpus), size(host.memory_bytes), host.kernel)
    return (*shown, host.governor or DASH, host.gpu or DASH, host.driver or DASH, host.engine, host.allocator or DASH)


def _software(competitor: Competitor, host: Host) -> tuple[str, ...]:
    packages = ", ".join(f"{name} {version}" for name, version in sorted(host.packages.items()))
    commit = (host.commit or DASH)[:12] + (" (with local changes)" if host.dirty else "")
    image = _digest(host.image_id), _digest(host.image_base_digest)
    name = competitor.framework, competitor.version or DASH
    cuda = host.cuda or DASH, host.cudnn or DASH
    return (*name, *image, host.os, host.python, *cuda, commit, packages or DASH)


def _digest(text: str | None) -> str:
    return DASH if text is None else text.removeprefix("sha256:")[:12]


def _counted(
    records: Iterable[Record], shown: Callable[[Competitor, Host], tuple[str, ...]]
) -> tuple[tuple[Cell, ...], ...]:
    """The different rows, each with its number of records. Thousands of records share a host, which is read once."""
    alike: dict[tuple[int, int], list[Record]] = {}
    for record in records:
        alike.setdefault((id(record.host), id(record.competitor)), []).append(record)
    counts: dict[tuple[str, ...], int] = {}
    for members in alike.values():
        if host := members[0].host:
            entry = shown(members[0].competitor, host)
            counts[entry] = counts.get(entry, 0) + len(members)
    return tuple((*(Cell(clean(text, 600)) for text in entry), Cell(str(counts[entry]))) for entry in sorted(counts))


def _differing(what: str, names: Sequence[str], rows: Sequence[tuple[Cell, ...]]) -> list[str]:
    found = []
    for name, column in zip(names, zip(*rows, strict=True), strict=False):
        values = list(dict.fromkeys(cell.text for cell in column))
        if len(values) > 1:
            found.append(f"{what}: {name} differs ({' / '.join(values)})")
    return found
