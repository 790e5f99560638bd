"""Which records can be compared with each other: same run, same machine, same software on each side."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aggregator.read.run_folder import RUN_ORDER
from runners.harness.record import Host, Record

CLUSTER = ("slurm", "slurm-apptainer")
"""The engines whose replicates run on the nodes of a cluster."""

Facts = dict[object, tuple[object, ...]]


@dataclass
class Section:
    """Records of one environment. A record without facts on its host (it died early) fits into every section."""

    facts: Facts = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    def admits(self, facts: Facts) -> bool:
        """Whether no fact of the section differs from `facts`."""
        return all(self.facts.get(name, value) == value for name, value in facts.items())


def split(records: Sequence[Record]) -> list[Section]:
    """Put whole blocks into the first section that admits them; a block of several environments is split."""
    blocks: defaultdict[object, list[Record]] = defaultdict(list)
    for record in records:
        blocks[record.run_id, record.case, record.block.number].append(record)
    facts_of, sections = _Facts(), list[Section]()
    for block in blocks.values():
        for members in [block] if facts_of(block) is not None else [[record] for record in block]:
            facts = facts_of(members) or {}
            section = next((section for section in sections if section.admits(facts)), None)
            if section is None:
                sections.append(section := Section())
            section.facts |= facts
            section.records += members
    for section in sections:
        section.records.sort(key=RUN_ORDER)
    return sections


def machine(record: Record) -> tuple[object, ...] | None:
    """What must be equal for all competitors."""
    host = record.host
    if host is None:
        return None
    base = (machine_name(host), host.cpu_model, host.cpus, host.memory_bytes, host.kernel, host.governor)
    return (*base, host.gpu, host.driver, host.engine, host.allocator)


def hardware(record: Record) -> tuple[object, ...] | None:
    """Which machine it was, whatever its settings on that day. The name is not enough: virtual machines from the same
    image can have the same name."""
    host = record.host
    return (machine_name(host), host.cpu_model, host.cpus) if host else None


def machine_name(host: Host) -> str:
    """The digest of the machine's name; empty on a cluster, where a machine is a type of node. There each block ran on
    one node, and only its own replicates are compared."""
    return "" if host.engine in CLUSTER else host.hostname_digest


def software(record: Record) -> tuple[object, ...] | None:
    """What must be equal for all records of a program: image, packages, commit of this project."""
    host = record.host
    if host is None:
        return None
    packages = tuple(sorted(host.packages.items()))
    image = (host.image_id, host.image_base_digest, host.os, host.python, packages)
    return (*image, host.cuda, host.cudnn, host.commit, host.dirty)


def share(record: Record) -> tuple[object, ...] | None:
    """What must be equal for all replicates of a competitor in a case; same_work.py compares competitors."""
    effective = record.effective
    if effective is None:
        return None
    return (
        effective.visible_cpus,
        effective.cgroup_cpu_quota,
        effective.threads_intra,
        effective.precision,
        effective.tf32,
        effective.gpu_uuid,
    )


class _Facts:
    """The facts on where records ran; parts that many records share are read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], Facts] = {}

    def __call__(self, records: Iterable[Record]) -> Facts | None:
        """Of these records together, None where they contradict each other."""
        facts: Facts = {}
        for record in records:
            for name, value in (self._of(record) | _node(record)).items():
                if facts.setdefault(name, value) != value:
                    return None
        return facts

    def _of(self, record: Record) -> Facts:
        parts = id(record.host), id(record.effective), id(record.competitor), id(record.case)
        if parts not in self._known:
            facts = {
                "machine": machine(record),
                ("software", record.competitor.program): software(record),
                ("share", record.competitor, record.case): share(record),
            }
            self._known[parts] = {name: value for name, value in facts.items() if value is not None}
        return self._known[parts]


def _node(record: Record) -> Facts:
    """On a cluster: the node of the record's block. Replicates are compared within a block, so never across nodes."""
    if record.host is None or record.host.engine not in CLUSTER:
        return {}
    return {("node", record.run_id, record.case, record.block.number): (record.host.hostname_digest,)}
