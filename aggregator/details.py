"""One case in full: settings requested and in effect, evidence of equal work, commands, remarks."""

import dataclasses
import shlex

from aggregator.analysis import CaseResult
from aggregator.model import Answer, CaseDetail, Cell, Command, Figure, Table
from aggregator.quantities import BYTE_UNITS, DASH, count
from aggregator.remarks import remarks
from aggregator.roofline import Roof
from aggregator.sides import Side
from aggregator.words import clean
from runners.harness.agreement import relative_error
from runners.harness.case import Case, DatasetRef
from runners.harness.record import Check, Record


def detail(
    result: CaseResult, title: str, anchor: str, answers: tuple[Answer, ...], figure: Figure | None, roof: Roof
) -> CaseDetail:
    """Everything known about one case."""
    summary = "; ".join(dict.fromkeys(answer.verdict for answer in answers)) or "nothing to compare"
    return CaseDetail(
        title=title,
        anchor=anchor,
        summary=summary,
        answers=answers,
        settings=_settings(result.case),
        effective=_effective(result),
        checks=_checks(result),
        figure=figure,
        commands=tuple(command for side in result.sides for command in _command(side)),
        remarks=tuple(remarks(result, roof)),
    )


def size(number: int) -> str:
    """Bytes for people."""
    unit, name = next(((unit, name) for unit, name in BYTE_UNITS if number >= unit), BYTE_UNITS[-1])
    return f"{number / unit:.3g} {name}"


def _settings(case: Case) -> Table:
    rows = []
    for field in dataclasses.fields(case):
        value = getattr(case, field.name)
        if value is not None:
            shown = _dataset(value) if isinstance(value, DatasetRef) else clean(str(value), 200)
            rows.append((Cell(field.name.replace("_", " ")), Cell(shown)))
    return Table("Settings requested", ("setting", "value"), tuple(rows), 2)


def _dataset(data: DatasetRef) -> str:
    return f"{clean(data.id, 80)}, {count(data.items, 'image')}, {size(data.bytes)}, {clean(data.digest, 80)}"


def _effective(result: CaseResult) -> Table:
    """Settings read back; a row a setting, so that a difference stands side by side."""
    sides = [side for side in result.sides if side.ok]
    columns = [_effective_of(next(iter(side.ok.values()))) for side in sides]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [(Cell(name), *(Cell(column.get(name, DASH)) for column in columns)) for name in names]
    heads = ("setting", *(clean(side.label, 60) for side in sides))
    return Table("Settings in effect, read back", heads, tuple(rows), len(heads))


def _effective_of(record: Record) -> dict[str, str]:
    if record.effective is None:
        return {}
    shown = {}
    for name, value in dataclasses.asdict(record.effective).items():
        if name == "settings":
            shown.update({clean(key, 60): clean(text, 200) for key, text in sorted(value.items())})
        elif value is not None:
            shown[name.replace("_", " ")] = size(value) if name == "shm_bytes" else clean(str(value), 100)
    return shown


def _checks(result: CaseResult) -> Table:
    sides = [side for side in result.sides if side.ok]
    first = [next(iter(side.ok.values())).check or Check() for side in sides]
    rows = []
    for name, show in EVIDENCE:
        if any(getattr(check, name) is not None for check in first):
            rows.append((Cell(name.replace("_", " ")), *(_shown(getattr(check, name), show) for check in first)))
    sketches = [check.logits_sketch for check in first]
    reference = sketches[0] if sketches else None
    if reference and any(sketches[1:]):
        errors = [Cell("reference"), *(_error(sketch, reference) for sketch in sketches[1:])]
        rows.append((Cell("logits, relative difference"), *errors))
    for step in (0, 1, 3):
        if any(check.losses and len(check.losses) > step for check in first):
            losses = [check.losses[step] if check.losses and len(check.losses) > step else None for check in first]
            rows.append((Cell(f"loss after {count(step, 'step')}"), *(_shown(loss, "{:.6g}") for loss in losses)))
    heads = ("evidence", *(clean(side.label, 60) for side in sides))
    return Table("Evidence of equal work (first replicate of each side)", heads, tuple(rows), 1)


EVIDENCE: tuple[tuple[str, str], ...] = (
    ("trainable", "{:,}"),
    ("non_trainable", "{:,}"),
    ("weights_digest", "{}"),
    ("delivered_items", "{:,}"),
    ("delivered_digest", "{}"),
    ("pixel_mean_difference", "{:.2f} of 255"),
    ("pixel_worst_image", "{:.2f} of 255"),
    ("accuracy", "{:.2%}"),
    ("accuracy_restored", "{:.2%}"),
)


def _shown(value: object, form: str) -> Cell:
    if value is None:
        return Cell(DASH)
    return Cell(clean(value, 24)) if isinstance(value, str) else Cell(form.format(value))


def _error(sketch: list[float] | None, reference: list[float]) -> Cell:
    return Cell(f"{relative_error(sketch, reference):.1e}") if sketch else Cell(DASH)


def _command(side: Side) -> list[Command]:
    record = next((record for record in (*side.ok.values(), *side.failures) if record.command), None)
    return [Command(clean(side.label, 80), clean(shlex.join(record.command)))] if record else []
