"""How an axis of a case is declared: once, in the metadata of its field on `Case`.

Options of the runner and of the launcher, make's variables, keys of profiles, labels, columns of exports and filters of
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
    """A parameter in which cases differ.

    `kind` is str, int or bool; a number must be at least `least`. `usual` is the default value: one for all workloads,
    or one for each workload in a mapping; a workload that is missing in the mapping does not have the axis. `offers` is
    the field of a framework's `Workload` that lists the values which the framework supports. For an axis without
    `offers`, a framework supports only the usual value, unless its `Workload` names the axis in `takes`. Every
    framework supports every value of a `mandatory` axis.
    `option` is the launcher's option for one or several values, and in capitals make's variable; it applies to the
    workloads `chosen_for`.
    `word` formats a value for a label. A label leaves out the value `unsaid` (one for all workloads, or one for each).
    `column` is the axis's name in tables and filters; `unit` follows a value there.
    `choice` marks an axis that users may set to whatever is fastest for them, such as the number of workers. It formats
    a value for a sentence (`{} workers`); for a switch it is the switch's name.
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
    choice: str

    @property
    def flag(self) -> str:
        """The runner's option, without its leading dashes."""
        return self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Make's variable for the launcher's option."""
        return self.option.upper()

    def usual_of(self, workload: str) -> Value | None:
        """The usual value; None if the workload does not have the axis."""
        return self.usual.get(workload) if isinstance(self.usual, Mapping) else self.usual

    def shown(self, value: Value) -> str:
        """A value in a cell of a table: `32 px`, `yes`."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value} {self.unit}".rstrip()

    def said(self, value: Value | None, workload: str) -> str:
        """A value in a label; empty if the axis does not apply or the value goes without saying."""
        unsaid = self.unsaid.get(workload) if isinstance(self.unsaid, Mapping) else self.unsaid
        return "" if value is None or value == unsaid else self.word.format(value)

    def chosen(self, value: Value) -> str:
        """A value that a user chose, in a sentence: `8 workers`, `1 worker`, `cache on`."""
        if isinstance(value, bool):
            return f"{self.choice} {'on' if value else 'off'}"
        text = self.choice.format(value)
        return text.removesuffix("s") if value == 1 else text


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
    choice: str = "",
    required: bool = False,
) -> Any:
    """Declare a field of `Case` as an axis.

    A `required` field has no default, so every record must contain it. Any other field defaults to its usual value if
    that is the same for all workloads, else to None.
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
        "choice": choice,
    }
    if required:
        return field(metadata={_KEY: declared})
    return field(default=None if isinstance(usual, Mapping) else usual, metadata={_KEY: declared})


@cache
def axes_of(case: type) -> tuple[Axis, ...]:
    """The axes that a dataclass declares, in the order of its fields."""
    hints = get_type_hints(case)
    axes = []
    for entry in fields(case):
        if _KEY in entry.metadata:
            (kind,) = {*(get_args(hints[entry.name]) or (hints[entry.name],))} - {type(None)}
            declared = entry.metadata[_KEY]
            column = declared["column"] or entry.name.replace("_", " ")
            axes.append(Axis(**declared | {"name": entry.name, "kind": kind, "column": column}))
    return tuple(axes)
