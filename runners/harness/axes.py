"""How an axis of a case is declared: once, beside its field on `Case`.

Options of the runner and the launcher, variables of make, keys of profiles, labels, columns of exports and filters of
the page follow from the declaration. docs/add-a-workload.md shows how to add an axis.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, get_args, get_type_hints

Value = str | int | bool
_KEY = "axis"


@dataclass(frozen=True)
class Axis:
    """A parameter that cases differ in.

    `kind` is str, int or bool; a number is `least` or more. `usual` is the value where neither a profile nor a command
    line names one: the same for every workload, or by workload; a workload that it leaves out does not have the axis.
    A framework does another value than the usual one only where its `Workload` lists it, or names the axis in `takes`;
    of a `mandatory` axis every framework takes every value.
    `option` is the launcher's option for one or several values, in capitals make's variable; it applies to the
    workloads `chosen_for`. `offers` is the field of a framework's `Workload` that lists the values which it knows.
    `word` is how a value reads in a label, where it differs from `unsaid` (for every workload, or by workload).
    `column` is the axis's name in tables and filters; `unit` follows a value there.
    """

    name: str
    kind: type
    help: str
    usual: Value | Mapping[str, Value]
    word: str
    unsaid: Value | Mapping[str, Value] | None
    column: str
    unit: str
    least: int
    option: str
    chosen_for: Sequence[str]
    offers: str
    mandatory: bool

    @property
    def flag(self) -> str:
        """The runner's option for one value, without its dashes."""
        return self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Make's variable for the launcher's option."""
        return self.option.upper()

    def usual_of(self, workload: str) -> Value | None:
        """The usual value; None where the workload does not have the axis."""
        return self.usual.get(workload) if isinstance(self.usual, Mapping) else self.usual

    def shown(self, value: Value) -> str:
        """A value in a cell of a table: `32 px`, `yes`."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value} {self.unit}".rstrip()

    def said(self, value: Value | None, workload: str) -> str:
        """How a value reads in a label; empty where the axis does not apply or the value goes without saying."""
        unsaid = self.unsaid.get(workload) if isinstance(self.unsaid, Mapping) else self.unsaid
        return "" if value is None or value == unsaid else self.word.format(value)


def axis(
    help: str,
    usual: Value | Mapping[str, Value],
    word: str = "{}",
    *,
    unsaid: Value | Mapping[str, Value] | None = None,
    column: str = "",
    unit: str = "",
    least: int = 1,
    option: str = "",
    chosen_for: Sequence[str] = (),
    offers: str = "",
    mandatory: bool = False,
    required: bool = False,
) -> Any:
    """Declare a field of `Case` as an axis.

    A `required` field stands in every record. The others are None by default, or their usual value where it is the same
    for all workloads.
    """
    declared = {
        "help": help,
        "usual": usual,
        "word": word,
        "unsaid": unsaid,
        "column": column,
        "unit": unit,
        "least": least,
        "option": option,
        "chosen_for": chosen_for,
        "offers": offers,
        "mandatory": mandatory,
    }
    if required:
        return field(metadata={_KEY: declared})
    return field(default=None if isinstance(usual, Mapping) else usual, metadata={_KEY: declared})


@cache
def axes_of(case: type) -> tuple[Axis, ...]:
    """The axes that a dataclass declares, in the order of its fields."""
    hints = get_type_hints(case)
    found = []
    for one in fields(case):
        if _KEY in one.metadata:
            (kind,) = {*(get_args(hints[one.name]) or (hints[one.name],))} - {type(None)}
            declared = one.metadata[_KEY]
            column = declared["column"] or one.name.replace("_", " ")
            found.append(Axis(**declared | {"name": one.name, "kind": kind, "column": column}))
    return tuple(found)
