"""The A/A check in a report: what the comparisons of a program with itself came to, in sentences and as a table."""

from aggregator.base.quantities import count, percent
from aggregator.judge.aa import COVERED, ENOUGH, NAMED, Summary, rate_interval
from aggregator.report.model import Cell, Table
from method.compare import ALPHA
from method.verdict import SMALLEST_DIFFERENCE


def sentences(summary: Summary) -> list[str]:
    """What it means, for people."""
    same, found = summary.same, []
    if same.compared:
        low, high = rate_interval(same.apart, same.compared)
        verdict = "passes" if same.passes else "does NOT pass"
        found.append(
            f"A/A check, one program under two labels: this machine {verdict}. Of {count(same.compared, 'comparison')} "
            f"the interval leaves out a ratio of 1 in {same.apart or 'none'} (exact 95 % interval of the rate "
            f"{percent(low, 1)}–{percent(high, 1)}); up to {same.bound} are what "
            f"chance explains at {percent(ALPHA)}. False verdicts after Holm: {same.named}."
        )
        if same.compared < ENOUGH:
            found.append(f"A/A check: {ENOUGH} comparisons or more are asked for; so few show only a gross fault.")
    for one in summary.slowed:
        found.append(
            f"Slowdown of {one.factor:g}× put into one label: of {count(one.compared, 'comparison')} the interval "
            f"holds it in {one.covered or 'none'}; the slower label is named in {one.named}, and in "
            f"{one.narrow_named} of the {one.narrow} whose interval is within ±{percent(SMALLEST_DIFFERENCE)}. "
            f"Asked for are {percent(COVERED)} and, of the narrow ones, {percent(NAMED)}: this machine "
            f"{'passes' if one.passes else 'does NOT pass'}."
            + ("" if one.narrow else " No interval was narrow enough to ask for the name.")
        )
    if summary.left_out:
        found.append(f"A/A check: {count(summary.left_out, 'comparison')} without an interval or of differing work.")
    return found


def table(summary: Summary) -> Table:
    """The same counts, a row each."""
    same = summary.same
    rows: list[tuple[str, str, str, str]] = []
    if same.compared:
        rows = [
            ("same program: interval leaves out 1, each alone", *_rate(same.apart, same.compared), f"≤ {same.bound}"),
            ("same program: winner named, after Holm", *_rate(same.named, same.compared), f"≤ {same.bound}"),
        ]
    for one in summary.slowed:
        name = f"slowed {one.factor:g}×"
        rows += [
            (f"{name}: interval holds it", *_rate(one.covered, one.compared), f"≥ {percent(COVERED)}"),
            (f"{name}: named", *_rate(one.named, one.compared), ""),
            (
                f"{name}: named, half-width ≤ {percent(SMALLEST_DIFFERENCE)}",
                *_rate(one.narrow_named, one.narrow),
                f"≥ {percent(NAMED)}",
            ),
        ]
    cells = tuple(tuple(Cell(text) for text in row) for row in rows)
    return Table(
        "Findings where nothing, or a known slowdown, is to be found. Rates with their exact 95 % interval "
        "(Clopper and Pearson).",
        ("what", "number", "rate", "expected"),
        cells,
    )


def _rate(number: int, of: int) -> tuple[str, str]:
    if not of:
        return "0 of 0", "–"
    low, high = rate_interval(number, of)
    return f"{number} of {of}", f"{percent(number / of, 1)} ({percent(low, 1)}–{percent(high, 1)})"
