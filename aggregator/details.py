"""One case in full: settings requested and in effect, evidence of equal work, commands, remarks."""

import dataclasses
import shlex

from aggregator.analysis import CaseResult, Comparison
from aggregator.answers import incomplete
from aggregator.model import Answer, CaseDetail, Cell, Command, Figure, Table
from aggregator.quantities import BYTE_UNITS, DASH, amount, count, ratio_and_interval, significant
from aggregator.roofline import PRODUCT, Roof, Unknown
from aggregator.sides import Side
from aggregator.words import clean
from method.compare import Paired, ratio
from method.verdict import Verdict
from runners.harness.agreement import relative_error
from runners.harness.case import Case, Competitor, DatasetRef
from runners.harness.record import Check, Record
from runners.harness.run import Pilot, Warmup


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
        remarks=(*_attainable(result, roof), *_remarks(result)),
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


def _remarks(result: CaseResult) -> list[str]:
    found = [text for comparison in result.comparisons for text in (_means(comparison), _tests(comparison)) if text]
    found += _warmup(result.warmup) if result.warmup else []
    found += _unread(result)
    for side in result.sides:
        label = clean(side.label, 80)
        found += [f"{label}: {clean(text, 200)}" for _, text in side.signals]
        if side.settled:
            states = ", ".join(f"{side.settled.count(state)} {state}" for state in dict.fromkeys(side.settled))
            found.append(f"{label}: {states}")
        shortfall = incomplete(side)
        found += [shortfall] if shortfall else []
    return found


def _attainable(result: CaseResult, roof: Roof) -> list[str]:
    """What a step needs at the least, and which of the machine's limits it meets first."""
    found = roof.attainable(result)
    if isinstance(found, Unknown):
        return []
    unit, what = ("FLOP/s", "the matrix product") if found.limit == PRODUCT else ("B/s", "the copy")
    rate = amount(found.rate.per_second, unit, found.rate.low, found.rate.high)
    return [
        f"a step needs {amount(found.flops, 'FLOP')} and {amount(found.bytes, 'B')} of memory traffic at the least, "
        f"{significant(found.intensity, 3)} FLOP/B: the limit is {what}, {rate} (n {found.rate.n}, "
        f"{clean(found.rate.by, 60)})"
    ]


def _warmup(found: Warmup) -> list[str]:
    """What the pilots saw, and what they fixed for every replicate."""
    pilots: dict[Competitor, list[Pilot]] = {}
    for pilot in found.pilots:
        pilots.setdefault(pilot.competitor, []).append(pilot)
    lines = [
        f"warm-up, fixed by pilots before the first block: {count(found.warmup_steps, 'step')} discarded, "
        f"{found.kept_steps} or more kept"
    ]
    for competitor, seen in pilots.items():
        ends = ", ".join(f"{pilot.unsettled} of {pilot.steps}" for pilot in seen)
        endless = sum(not pilot.settled for pilot in seen)
        lines.append(
            f"{clean(competitor.label, 80)}: steps of warm-up in its pilots {ends}"
            + (f"; no end of it was seen in {endless}" if endless else "")
        )
    return lines


def _unread(result: CaseResult) -> list[str]:
    """What of the machine's state could not be read, and so disturbed nothing as far as is known."""
    names_by_reason: dict[str, dict[str, None]] = {}
    for record in (next(iter(side.ok.values())) for side in result.sides if side.ok):
        for name, reason in record.unknown.items():
            part, _, counter = name.partition(".")
            if part == "health" and not (counter.startswith("gpu") and result.case.device != "gpu"):
                names_by_reason.setdefault(clean(reason, 120), {})[clean(counter, 60).replace("_", " ")] = None
    return [f"not readable here: {', '.join(names)} ({reason})" for reason, names in names_by_reason.items()]


def _means(comparison: Comparison) -> str:
    """The ratio of the mean steps beside that of the median steps: slow steps move the one and not the other."""
    if comparison.paired is None or comparison.means is None or comparison.verdict is Verdict.NOT_COMPARABLE:
        return ""
    medians, means = _with_interval(comparison.paired), _with_interval(comparison.means)
    if not medians or not means:
        return ""
    names = f"{clean(comparison.right.label, 80)} ÷ {clean(comparison.left.label, 80)}"
    blocks = count(comparison.paired.n, "block")
    return f"{names}: ratio of median steps {medians}, of mean steps {means}, {blocks}"


def _with_interval(pair: Paired) -> str:
    if pair.low is None or pair.high is None:
        return ""
    text, interval = ratio_and_interval(ratio(pair.log_ratio), ratio(pair.low), ratio(pair.high))
    return f"{text} (95 % CI {interval})"


def _tests(comparison: Comparison) -> str:
    """The p-values, where a test was made."""
    compared, judged = comparison.paired, comparison.judged
    if compared is None or compared.p is None or judged is None or judged.p_holm is None:
        return ""
    names = f"{clean(comparison.right.label, 80)} ÷ {clean(comparison.left.label, 80)}"
    tests = f"t test p = {compared.p:.2g}, after Holm {judged.p_holm:.2g}"
    return f"{names}: {tests}; sign-flip test p = {compared.p_permutation:.2g}"
