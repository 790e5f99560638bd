"""One case in full: requested settings, settings in effect, evidence of equal work, commands, remarks."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence

from aggregator.base.case_names import digest
from aggregator.base.quantities import DASH, count, size
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.roofline import Roof
from aggregator.judge.sides import Side
from aggregator.report.case_remarks import remarks
from aggregator.report.model import Answer, CaseDetail, Cell, Figure, Table
from runners.harness.agreement import relative_error
from runners.harness.case import Case, DatasetRef, ModelRef
from runners.harness.record import Check, Record

Settings = Mapping[str, Mapping[str, str]]


def detail(
    result: CaseResult,
    title: str,
    anchor: str,
    answers: tuple[Answer, ...],
    figure: Figure | None,
    roof: Roof,
    common: Settings,
) -> CaseDetail:
    """All about one case, without the settings that its competitors have in `common` with all other cases."""
    summary = "; ".join(dict.fromkeys(answer.verdict for answer in answers)) or "nothing to compare"
    return CaseDetail(
        title=title,
        digest=digest(result.case),
        anchor=anchor,
        summary=summary,
        settings=_settings(result.case),
        effective=_effective(result, common),
        checks=_checks(result),
        figure=figure,
        commands=tuple(command for side in result.sides for command in _command(side)),
        remarks=tuple(dict.fromkeys([*remarks(result, roof), *(note for answer in answers for note in answer.notes)])),
    )


def _settings(case: Case) -> str:
    values = {field.name.replace("_", " "): getattr(case, field.name) for field in dataclasses.fields(case)}
    return _listed({name: clean(_said(value), 200) for name, value in values.items() if value is not None})


def _said(value: object) -> str:
    if isinstance(value, DatasetRef):
        return f"{clean(value.id, 80)}, {count(value.items, 'image')}, {size(value.bytes)}, {clean(value.digest, 80)}"
    if isinstance(value, ModelRef):
        return f"{clean(value.kind, 40)}, {size(value.bytes)}, {clean(value.digest, 80)}"
    return str(value)


def _listed(values: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in values.items())


def _table(
    title: str, note: str, first: str, sides: Sequence[Side], rows: Mapping[str, Sequence[str]], labels: int
) -> Table:
    """A row for each value that differs between the sides; the caption has the values that are the same."""
    alike = {name: cells[0] for name, cells in rows.items() if len(set(cells)) == 1}
    differing = tuple(
        (Cell(name), *(Cell(text) for text in cells)) for name, cells in rows.items() if name not in alike
    )
    heads = (first, *(side.name for side in sides))
    everybody = "The same on every side" if len(sides) > 1 else heads[-1]
    caption = f"{note} {everybody}: {_listed(alike)}." if alike else note
    return Table(caption, heads, differing, labels, title=title)


def settings_in_common(results: Sequence[CaseResult]) -> Settings:
    """For each competitor with several cases, the settings in effect that were the same in all of them."""
    found: dict[str, list[dict[str, str]]] = {}
    for side in (side for result in results for side in result.sides if side.ok):
        found.setdefault(side.label, []).append(_effective_of(next(iter(side.ok.values()))))
    return {
        label: dict(set(cases[0].items()).intersection(*(case.items() for case in cases[1:])))
        for label, cases in found.items()
        if len(cases) > 1
    }


def listed_by_competitor(common: Settings) -> tuple[str, ...]:
    """A line for each competitor."""
    return tuple(
        f"{clean(label, 60)}: {_listed(dict(sorted(found.items())))}" for label, found in common.items() if found
    )


def _effective(result: CaseResult, common: Settings) -> Table:
    """Settings read back, a row for each setting that differs."""
    sides = [side for side in result.sides if side.ok]
    columns = [_effective_of(next(iter(side.ok.values()))) for side in sides]
    told = [common.get(side.label, {}) for side in sides]
    shared = [name for name in columns[0] if all(name in column for column in columns)] if columns else []
    owners: dict[str, list[str]] = {}
    for side, column, listed in zip(sides, columns, told, strict=True):
        own = _listed({name: value for name, value in column.items() if name not in shared and name not in listed})
        owners.setdefault(own, []).append(side.name)
    said = "".join(f" Only {', '.join(labels)}: {own}." for own, labels in owners.items() if own)
    rows = {name: [column[name] for column in columns] for name in shared}
    # What is the same in all cases is listed above them; what differs between the sides is listed here as well.
    rows = {
        name: cells for name, cells in rows.items() if len(set(cells)) > 1 or not all(name in listed for listed in told)
    }
    above = " Settings that are the same in all cases are listed above." if any(told) else ""
    note = f"Read back at run time.{above}{said}" if rows or said else ""
    return _table("Settings in effect", note, "setting", sides, rows, len(sides) + 1)


def _effective_of(record: Record) -> dict[str, str]:
    if record.effective is None:
        return {}
    shown = {}
    for name, value in vars(record.effective).items():
        if name == "settings":
            shown.update({clean(key, 60): clean(text, 200) for key, text in sorted(value.items())})
        elif value is not None:
            shown[name.replace("_", " ")] = size(value) if name == "shm_bytes" else clean(str(value), 100)
    return shown


def _checks(result: CaseResult) -> Table:
    sides = [side for side in result.sides if side.ok]
    first = [next(iter(side.ok.values())).check or Check() for side in sides]
    rows = {}
    for name, show in EVIDENCE:
        if any(getattr(check, name) is not None for check in first):
            rows[name.replace("_", " ")] = [_shown(getattr(check, name), show) for check in first]
    sketches = [check.logits_sketch for check in first]
    reference = sketches[0] if sketches else None
    if reference and any(sketches[1:]):
        errors = (relative_error(sketch, reference) if sketch else None for sketch in sketches[1:])
        rows["logits, relative difference"] = ["reference", *(_shown(error, "{:.1e}") for error in errors)]
    for step in (0, 1, 3):
        losses = [check.losses[step] if check.losses and len(check.losses) > step else None for check in first]
        if any(loss is not None for loss in losses):
            rows[f"loss after {count(step, 'step')}"] = [_shown(loss, "{:.6g}") for loss in losses]
    return _table("Evidence of equal work", "From the first replicate of each side.", "evidence", sides, rows, 1)


EVIDENCE: tuple[tuple[str, str], ...] = (
    ("trainable", "{:,}"),
    ("non_trainable", "{:,}"),
    ("parameters", "{:,}"),
    ("weights_digest", "{}"),
    ("delivered_items", "{:,}"),
    ("delivered_digest", "{}"),
    ("pixel_mean_difference", "{:.2f} of 255"),
    ("pixel_worst_image", "{:.2f} of 255"),
    ("accuracy", "{:.2%}"),
    ("accuracy_restored", "{:.2%}"),
    ("file_bytes", "{:,}"),
    ("export_difference", "{:.1e}"),
)


def _shown(value: object, form: str) -> str:
    if value is None:
        return DASH
    return clean(value, 24) if isinstance(value, str) else form.format(value)


def _command(side: Side) -> list[tuple[str, str]]:
    record = next((record for record in (*side.ok.values(), *side.failures) if record.command), None)
    return [(side.name, clean(shlex.join(record.command)))] if record else []
