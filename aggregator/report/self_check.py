"""The A/A check in a report: the result of comparing a program with itself, in sentences and as a table."""

from aggregator.base.quantities import count, percent
from aggregator.judge.aa import COVERED, ENOUGH, NAMED, SelfCheck, rate_interval
from aggregator.report.model import Cell, Table
from method.compare import ALPHA
from method.verdict import SMALLEST_DIFFERENCE


def sentences(summary: SelfCheck) -> list[str]:
    """The result in sentences."""
    same, found = summary.same, []
    if same.compared:
        low, high = rate_interval(same.apart, same.compared)
        verdict = "passes" if same.passes else "does NOT pass"
        found.append(
            f"A/A check, one program under two labels: this machine {verdict}. In {same.apart or 'none'} of "
            f"{count(same.compared, 'comparison')} the interval excludes a ratio of 1 (exact 95 % interval of the "
            f"rate: {percent(low, 1)}–{percent(high, 1)}); chance at {percent(ALPHA)} explains up to {same.bound}. "
            f"False verdicts after Holm's adjustment: {same.named}."
        )
        if same.compared < ENOUGH:
            found.append(f"A/A check: the check needs {ENOUGH} comparisons; fewer reveal only large errors.")
    for one in summary.slowed:
        found.append(
            f"One label was slowed down by {one.factor:g}×: the interval contains the slowdown in "
            f"{one.covered or 'none'} of {count(one.compared, 'comparison')} (required: {percent(COVERED)}). The "
            f"slower label is named in {one.named} of them, and in {one.narrow_named} of the {one.narrow} with an "
            f"interval within ±{percent(SMALLEST_DIFFERENCE)} (required: {percent(NAMED)}). This machine "
            f"{'passes' if one.passes else 'does NOT pass'}."
            + ("" if one.narrow else " No interval was narrow enough for the second requirement.")
        )
    if summary.left_out:
        found.append(
            f"A/A check: {count(summary.left_out, 'comparison')} left out, without an interval or with different work."
        )
    return found


def table(summary: SelfCheck) -> Table:
    """The counts, a row for each."""
    same = summary.same
    rows: list[tuple[str, str, str, str]] = []
    if same.compared:
        rows = [
            (
                "same program: interval excludes 1, without adjustment",
                *_rate(same.apart, same.compared),
                f"≤ {same.bound}",
            ),
            (
                "same program: winner named, after Holm's adjustment",
                *_rate(same.named, same.compared),
                f"≤ {same.bound}",
            ),
        ]
    for one in summary.slowed:
        name = f"slowed {one.factor:g}×"
        rows += [
            (f"{name}: interval contains the slowdown", *_rate(one.covered, one.compared), f"≥ {percent(COVERED)}"),
            (f"{name}: slower label named", *_rate(one.named, one.compared), ""),
            (
                f"{name}: slower label named, half-width ≤ {percent(SMALLEST_DIFFERENCE)}",
                *_rate(one.narrow_named, one.narrow),
                f"≥ {percent(NAMED)}",
            ),
        ]
    cells = tuple(tuple(Cell(text) for text in row) for row in rows)
    return Table(
        "How often a difference was found where there is none, or only an injected slowdown. Rates have their exact "
        "95 % interval (Clopper and Pearson).",
        ("what", "number", "rate", "expected"),
        cells,
    )


def _rate(number: int, of: int) -> tuple[str, str]:
    if not of:
        return "0 of 0", "–"
    low, high = rate_interval(number, of)
    return f"{number} of {of}", f"{percent(number / of, 1)} ({percent(low, 1)}–{percent(high, 1)})"
