"""What else differs between BASE and HEAD: machine, settings of the machine, versions."""

from collections.abc import Iterable, Sequence

from aggregator.base.quantities import DASH
from aggregator.base.text import clean
from aggregator.judge.sections import hardware
from aggregator.report import hosts
from aggregator.report.model import Table
from runners.harness.record import Record

OTHER_MACHINE = "**BASE and HEAD ran on different machines.** A ratio between them compares the machines as well."
LONGEST = 200


def other_machine(base: Iterable[Record], head: Iterable[Record]) -> bool:
    """Whether any machine measured only one of the two."""
    one, other = ({hardware(record) for record in records if record.host} for records in (base, head))
    return bool(one and other) and one != other


def changes(base: Sequence[Record], head: Sequence[Record]) -> list[str]:
    """A sentence for each fact that differs, BASE's value first; versions only of frameworks that both have.

    Empty if no record of BASE or of HEAD describes its machine.
    """
    if not all(any(record.host for record in side) for side in (base, head)):
        return []
    found = _between("", hosts.MACHINE, _columns(hosts.machines(base)), _columns(hosts.machines(head)))
    for framework in sorted(_frameworks(base) & _frameworks(head)):
        sides = [[record for record in side if record.competitor.framework == framework] for side in (base, head)]
        before, after = ([*_columns(hosts.software(side))[1:-1]] for side in sides)
        found += _between(f"{framework}: ", hosts.SOFTWARE[1:-1], before, after)
        versions = [_packages(side) for side in sides]
        names = sorted({*versions[0], *versions[1]})
        columns = ([side.get(name, [DASH]) for name in names] for side in versions)
        found += _between(f"{framework}: package ", names, *columns)
    return [clean(text, 2 * LONGEST) for text in found]


def _between(what: str, names: Sequence[str], before: Sequence[list[str]], after: Sequence[list[str]]) -> list[str]:
    return [
        f"{what}{name} {' / '.join(old)} → {' / '.join(new)}"
        for name, old, new in zip(names, before, after, strict=True)
        if old != new
    ]


def _columns(table: Table) -> list[list[str]]:
    """The different texts of each column but the last, which counts; none where the table is empty."""
    return [sorted({row[index].text for row in table.rows}) for index in range(len(table.columns) - 1)]


def _frameworks(records: Iterable[Record]) -> set[str]:
    return {record.competitor.framework for record in records if record.host}


def _packages(records: Iterable[Record]) -> dict[str, list[str]]:
    """The versions of each package."""
    found: dict[str, set[str]] = {}
    for record in records:
        for name, version in (record.host.packages if record.host else {}).items():
            found.setdefault(name, set()).add(version)
    return {name: sorted(versions) for name, versions in found.items()}
