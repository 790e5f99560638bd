"""Several environments side by side: who is fastest in each case and environment, and how far the winners agree.

A verdict stays within the environment that measured both of its times: environments were not paired with each other.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from aggregator.base.case_names import digest, group
from aggregator.base.quantities import DASH, count, ratio_and_interval, ratio_of
from aggregator.base.text import clean
from aggregator.judge.across_cases import Setting, adaptive, unpaired
from aggregator.judge.analysis import CaseResult, Environment
from aggregator.judge.cases import contests
from aggregator.judge.sections import CLUSTER, hardware
from aggregator.judge.sides import Side
from aggregator.report import hosts
from aggregator.report.answers import incomplete, notes, score, turned
from aggregator.report.cells import dash, rate_cell
from aggregator.report.figures.style import Palette
from aggregator.report.first_screen import VERBS
from aggregator.report.model import Cell, Part, SideBySide, Table, noted
from method.verdict import FEWEST_BLOCKS, Verdict
from runners.harness.case import Case

FASTEST = (
    "The fastest competitor of each case on each machine, how many times as fast it is as the second fastest there, "
    "the 95 % interval, and n, the number of blocks. An interval without a winner is of the two fastest. There is no "
    "verdict between machines, because they were not measured in pairs. Holm's adjustment spans all comparisons of "
    "this report, so that a verdict can be more cautious here than in the report on a single run."
)
SESSIONS = " All these runs are sessions on one machine."
NODES = " On a cluster, a machine is a type of node."
RATES = (
    "Rates (images per second, or exports per second) with half of the 95 % interval, and how many times as fast each "
    "competitor is as on the first machine. The interval of such a ratio is that of two independent means. The ratio "
    "has no verdict: the machines were not measured in pairs."
)
FACTS = "Each machine with its run and its versions. Machines and versions (below) lists all software that differs."
IN_SESSION = "in", "session"
Row = list[CaseResult | None]
"""One case in every environment; None where an environment did not measure it."""


def side_by_side(
    environments: Sequence[Environment], names: Mapping[Case, str], parts: Sequence[Part], palette: Palette
) -> SideBySide | None:
    """Nothing if there is only one environment, or no case in which competitors compete."""
    cases = _cases(environments)
    if len(environments) < 2 or not cases:
        return None
    places = _names(environments)
    links = [_links(part, index) for index, part in enumerate(parts)]
    nodes = NODES if any(env.host and env.host.engine in CLUSTER for env in environments) else ""
    fastest = Table(
        "",
        ("case", *places),
        tuple(
            (
                Cell(names[case]),
                *(_cell(one, at.get(digest(case), ""), palette) for one, at in zip(row, links, strict=True)),
            )
            for case, row in cases.items()
        ),
        labels=1 + len(places),
        title="The fastest, by case and machine",
        cases=tuple(map(digest, cases)),
    )
    where = _where(environments)
    sessions = SESSIONS if where == IN_SESSION else ""
    return SideBySide(
        title="Sessions of one machine side by side" if sessions else "Machines side by side",
        answer=_answer(cases, where),
        fastest=fastest,
        reading=FASTEST + nodes + sessions,
        versions=_versions(environments, places),
        rates=_rates(environments, cases, names, places),
        facts=_facts(environments, places),
    )


def _cases(environments: Sequence[Environment]) -> dict[Case, Row]:
    cases: dict[Case, Row] = {}
    for index, env in enumerate(environments):
        for result in contests(env.cases):
            cases.setdefault(result.case, [None] * len(environments))[index] = result
    return cases


def _names(environments: Sequence[Environment]) -> list[str]:
    """The machine of each environment; where several are on one machine, with the run or at last with a number."""
    runs = [f"run {clean(env.run.name, 80)}" for env in environments]
    numbers = [f"environment {index + 1}" for index, _ in enumerate(environments)]
    return hosts.told_apart(hosts.told_apart(hosts.names(environments), runs), numbers)


def _links(part: Part, index: int) -> dict[str, str]:
    """The place of each case of a part, by digest: its block on the first screen, or else its details."""
    details = {case.digest: case.anchor for case in part.cases}
    return details | {case.digest: f"outcome-{index + 1}-{case.digest}" for case in part.outcomes}


def _cell(result: CaseResult | None, link: str, palette: Palette) -> Cell:
    """Who is fastest and by how much, or why nobody is."""
    if result is None:
        return Cell(f"{DASH} not measured")
    verdict, winner = score(result)
    found = result.deciding
    text, interval = ratio_of(turned(found)[0]) if found else ("", "")
    n = f"n {found.paired.n}" if found and found.paired else ""
    if winner:
        return Cell(f"{winner.name} {text}×", f"{interval}, {n}", link=link, mark=palette.number(winner.name))
    if verdict is Verdict.EQUIVALENT:
        return Cell(verdict, f"{interval}×, {n}", link=link)
    if verdict is Verdict.UNDECIDED:
        return Cell(f"{verdict}: {interval}×" if interval else verdict, n, link=link)
    reasons = notes(found) if found else []
    if verdict is Verdict.DISTURBED:
        return Cell(verdict, n, noted(*reasons), link=link)
    return Cell(
        f"{DASH} {_reason(result, verdict)}", "", tuple(dict.fromkeys([*reasons, *_unfinished(result)])), link=link
    )


def _reason(result: CaseResult, verdict: str) -> str:
    """Why a case without a ratio has no winner, in a few words."""
    if verdict is Verdict.FEW_BLOCKS:
        return "too few blocks"
    out = next((side for side in result.sides if not side.finished), None)
    if verdict is not Verdict.INCOMPLETE or out is None:
        return verdict
    return f"{out.name}: {dash(out).text.removeprefix(DASH).strip() or verdict}" if not out.ok else verdict


def _unfinished(result: CaseResult) -> Iterator[str]:
    for side in result.sides:
        if not side.ok:
            yield from (f"{side.name}: {note}" for note in dash(side).notes)
        elif text := incomplete(side):
            yield text


def _rates(
    environments: Sequence[Environment], cases: Mapping[Case, Row], names: Mapping[Case, str], places: Sequence[str]
) -> Table:
    """A row for each competitor of each case, with its rate on each machine."""
    is_adaptive = any(map(adaptive, environments))
    rows, digests = [], []
    for case, row in cases.items():
        found = [{side.competitor: side for side in result.sides} if result else {} for result in row]
        for competitor in dict.fromkeys(one for sides in found for one in sides):
            across = [sides.get(competitor) for sides in found]
            name = next(side.name for side in across if side)
            cells = [Cell(names[case], name)]
            for index, side in enumerate(across):
                rated = replace(rate_cell(side), side="") if side else Cell(f"{DASH} not measured")
                cells += [rated, *([_times(row, across, index, is_adaptive)] if index else ())]
            rows.append(tuple(cells))
            digests.append(digest(case))
    first, *others = places
    return Table(
        RATES,
        ("case, competitor", "rate", *("rate", "times as fast") * len(others)),
        tuple(rows),
        groups=(("", 1), (first, 1), *((place, 2) for place in others)),
        cases=tuple(digests),
    )


def _times(row: Row, across: Sequence[Side | None], index: int, is_adaptive: bool) -> Cell:
    """How many times as fast one competitor is in environment `index` as in the first."""
    (there, here), (side, base) = (row[index], row[0]), (across[index], across[0])
    if not (there and here and side and base) or min(len(side.ok), len(base.ok)) < FEWEST_BLOCKS:
        return Cell(DASH)
    found = unpaired(Setting(there, side).log_rates, Setting(here, base).log_rates, is_adaptive)
    if found is None:
        return Cell(DASH)
    text, interval = ratio_and_interval(found.value, found.low, found.high)
    return Cell(f"{text}×", interval, value=found.value)


def _versions(environments: Sequence[Environment], places: Sequence[str]) -> str:
    """Which versions of a framework differ between the environments, and where."""
    where: dict[str, dict[str, list[str]]] = {}
    for env, place in zip(environments, places, strict=True):
        for program, version in hosts.versions(env.records).items():
            if version != DASH:  # unknown
                where.setdefault(program, {}).setdefault(version, []).append(place)
    said = [
        f"{program}: " + ", ".join(f"{version} on {' and on '.join(on)}" for version, on in found.items())
        for program, found in where.items()
        if len(found) > 1
    ]
    return f"Versions differ. {'; '.join(said)}." if said else "Every framework has the same version everywhere."


def _facts(environments: Sequence[Environment], places: Sequence[str]) -> Table:
    """A column for each environment, with the facts of its machine and its versions."""
    facts: dict[str, list[str]] = {}
    for index, env in enumerate(environments):
        facts_of = {
            "run": clean(env.run.name, 80),
            "started": clean(env.run.plan.started_at, 40) if env.run.plan else "",
        }
        columns = zip(hosts.MACHINE, *hosts.machines(env.records).rows, strict=False)
        facts_of |= {name: clean(", ".join(dict.fromkeys(one.text for one in cells)), 200) for name, *cells in columns}
        facts_of |= hosts.versions(env.records)
        for name, value in facts_of.items():
            facts.setdefault(name, [DASH] * len(environments))[index] = value or DASH
    rows = tuple(
        (Cell(name), *map(Cell, values), Cell("differs" if len(set(values)) > 1 else "alike"))
        for name, values in facts.items()
    )
    return Table(FACTS, ("fact", *places, "alike?"), rows, labels=len(places) + 2)


def _where(environments: Sequence[Environment]) -> tuple[str, str]:
    """What the environments are, with the preposition: `on`, `machine`."""
    machines = [next((found for one in env.records if (found := hardware(one))), None) for env in environments]
    if None not in machines and len(set(machines)) == len(environments):
        return "on", "machine"
    if None not in machines and len(set(machines)) == 1:
        return IN_SESSION
    return "in", "environment"


def _answer(cases: Mapping[Case, Row], where: tuple[str, str]) -> str:
    """One sentence on whether the winner is the same everywhere."""
    return _on_one_case(*next(iter(cases.items())), *where) if len(cases) == 1 else _on_all(cases, *where)


def _on_one_case(case: Case, row: Row, at: str, place: str) -> str:
    """`On 2 of 3 machines TensorFlow (graph) trains cnn4 fastest, on 1 PyTorch (eager).`"""
    winners = Counter(winner.name for result in row if result and (winner := score(result)[1]))
    if not winners:
        return f"{at.capitalize()} none of {len(row)} {place}s is a competitor shown to be the fastest."
    (name, most), *others = sorted(winners.items(), key=lambda one: (-one[1], one[0]))
    work = VERBS.get(case.workload, f"does {clean(case.workload, 40)} {{}}").format(group(case))
    among = _every(len(row), place) if most == len(row) else f"{most} of {len(row)} {place}s"
    said = [f"{at.capitalize()} {among} {name} {work} fastest", *(f"{at} {n} {other}" for other, n in others)]
    none = len(row) - winners.total()
    return ", ".join(said) + (f"; {count(none, place)} {'shows' if none == 1 else 'show'} no winner." if none else ".")


def _on_all(cases: Mapping[Case, Row], at: str, place: str) -> str:
    agreed: Counter[str] = Counter()
    differing = tied = without = partly = 0
    for row in cases.values():
        scores = [score(result) for result in row if result]
        winners = {winner.name for _, winner in scores if winner}
        if len(winners) > 1:
            differing += 1
        elif len(scores) < len(row):
            partly += 1
        elif winners and all(winner for _, winner in scores):
            agreed.update(winners)
        elif all(verdict is Verdict.EQUIVALENT for verdict, _ in scores):
            tied += 1
        else:
            without += 1
    every = _every(len(next(iter(cases.values()))), place)
    number, wins = agreed.total(), sorted(agreed.items(), key=lambda one: (-one[1], one[0]))
    among = _every(number, "case") if number == len(cases) else f"{number or 'none'} of {len(cases)} cases"
    told = [f"{wins[0][0] if len(wins) == 1 else 'The same competitor'} is fastest {at} {every} in {among}"]
    told[0] += f" ({', '.join(f'{name} in {n}' for name, n in wins)})" if len(wins) > 1 else ""
    rest = (
        (differing, f"the fastest differs from {place} to {place}"),
        (tied, f"the two fastest are equivalent {at} {every}"),
        (without, f"not every {place} shows a winner"),
        (partly, f"not every {place} has a measurement"),
    )
    return "; ".join([*told, *(f"in {count(number, 'case')} {what}" for number, what in rest if number)]) + "."


def _every(number: int, place: str) -> str:
    return f"both {place}s" if number == 2 else f"all {number} {place}s"
