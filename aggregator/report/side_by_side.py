"""Several environments side by side: the result of each environment in each case, and how far they agree.

Nothing is divided across environments: a ratio stays within the one that measured both of its times.
"""

from collections import Counter
from collections.abc import Sequence

from aggregator.base.case_names import contest_title, digest
from aggregator.base.quantities import DASH, count
from aggregator.base.text import clean
from aggregator.judge.analysis import Comparison, Environment
from aggregator.judge.cases import contests
from aggregator.judge.sections import hardware
from aggregator.report import hosts
from aggregator.report.answers import ratio_text, sentence
from aggregator.report.model import Cell, Table
from method.verdict import Verdict
from runners.harness.case import Case

CAPTION = (
    "Each ratio has both times from one environment, with its 95 % interval and number of blocks; no ratio is formed "
    "across environments. Holm's adjustment spans all comparisons of this report, so that a verdict can be more "
    "cautious here than in the report on a single run."
)
WHERE = "The environments. Machines and versions (below) lists all software that differs."
Found = dict[int, Comparison]
"""A comparison of the same two competitors on the same case, by the environment's index."""


def side_by_side(environments: Sequence[Environment], names: dict[Case, str]) -> tuple[Table, ...]:
    """A table of verdicts and a table of environments; none if there is only one environment, or no comparison."""
    cases = _cases(environments)
    if len(environments) < 2 or not cases:
        return ()
    pair = ("verdict", "times as fast")
    groups = tuple((_name(env, index), len(pair)) for index, env in enumerate(environments))
    verdicts = Table(
        CAPTION,
        ("case", "compared", *pair * len(environments)),
        tuple(
            _row(names[case], found, case, environments) for case, pairs in cases.items() for found in pairs.values()
        ),
        labels=2,
        groups=(("", 2), *groups),
        cases=tuple(digest(case) for case, pairs in cases.items() for _ in pairs),
    )
    return verdicts, _places(environments)


def agreement(environments: Sequence[Environment]) -> list[str]:
    """Sentences on how far the verdicts of all environments agree: one sentence for each workload and pair."""
    if len(environments) < 2:
        return []
    every = range(len(environments))
    asked: dict[tuple[str, frozenset[str]], list[list[Comparison]]] = {}
    for case, pairs in _cases(environments).items():
        for labels, found in pairs.items():
            if len(found) == len(environments):
                asked.setdefault((contest_title(case), labels), []).append([found[index] for index in every])
    where = _where(environments)
    said = [_agreement(contest, members, where) for (contest, _), members in asked.items()]
    return said or [f"No comparison was made {where}."]


def _cases(environments: Sequence[Environment]) -> dict[Case, dict[frozenset[str], Found]]:
    cases: dict[Case, dict[frozenset[str], Found]] = {}
    for index, env in enumerate(environments):
        for result in contests(env.cases):
            for found in result.comparisons:
                labels = frozenset((found.left.label, found.right.label))
                cases.setdefault(result.case, {}).setdefault(labels, {})[index] = found
    return cases


def _row(name: str, found: Found, case: Case, environments: Sequence[Environment]) -> tuple[Cell, ...]:
    # The ratios of all environments have the same order of sides, whichever side was the baseline or won.
    first = next(iter(found.values()))
    cells = [Cell(name), Cell(f"{first.left.name} compared with {first.right.name}")]
    for index, env in enumerate(environments):
        if index in found:
            cells += _cells(found[index], first)
        else:
            measured = any(result.case == case for result in env.cases)
            cells += [Cell(f"{DASH} not {'compared' if measured else 'measured'}"), Cell(DASH)]
    return tuple(cells)


def _cells(comparison: Comparison, first: Comparison) -> tuple[Cell, Cell]:
    shown = comparison.paired
    if shown and comparison.left.label != first.left.label:
        shown = shown.swapped()
    text, interval = ratio_text(shown, comparison.verdict)
    return Cell(sentence(comparison)), Cell(f"{text}×", f"{interval}, n {shown.n}") if shown and text else Cell(DASH)


def _name(env: Environment, index: int) -> str:
    host = env.host
    machine = f", {clean(host.cpu_model, 40)}" if host else ""
    return f"Environment {index + 1}: run {clean(env.run.name, 40)}{machine}"


def _places(environments: Sequence[Environment]) -> Table:
    """A column for each environment, with the facts of its machine and its versions."""
    facts: dict[str, list[str]] = {}
    for index, env in enumerate(environments):
        facts_of = {
            "run": clean(env.run.name, 80),
            "started": clean(env.run.plan.started_at, 40) if env.run.plan else "",
        }
        for row in hosts.machines(env.records).rows:
            facts_of |= {name: cell.text for name, cell in zip(hosts.MACHINE, row, strict=False)}
        facts_of |= hosts.versions(env.records)
        for name, value in facts_of.items():
            facts.setdefault(name, [DASH] * len(environments))[index] = value or DASH
    rows = tuple(
        (Cell(name), *map(Cell, values), Cell("differs" if len(set(values)) > 1 else "alike"))
        for name, values in facts.items()
    )
    columns = [f"environment {index + 1}" for index, _ in enumerate(environments)]
    return Table(WHERE, ("fact", *columns, "alike?"), rows, labels=len(columns) + 2)


def _where(environments: Sequence[Environment]) -> str:
    machines = [next((found for one in env.records if (found := hardware(one))), None) for env in environments]
    number = len(environments)
    all_of = "both" if number == 2 else f"all {number}"
    if None not in machines and len(set(machines)) == number:
        return f"on {all_of} machines"
    if None not in machines and len(set(machines)) == 1:
        return f"in {all_of} sessions on this machine"
    return f"in {all_of} environments"


def _agreement(contest: str, members: Sequence[Sequence[Comparison]], where: str) -> str:
    agreed: Counter[str] = Counter()
    differing = opposite = undecided = 0
    for across in members:
        outcomes = {_outcome(found) for found in across}
        if None in outcomes:
            undecided += 1
        elif len(outcomes) == 1:
            agreed.update(outcome for outcome in outcomes if outcome)
        else:
            differing += 1
            opposite += len({found.winner.label for found in across if found.winner}) > 1
    decided = []
    if agreed:
        alike = ", ".join(
            f"{outcome} in {n}" for outcome, n in sorted(agreed.items(), key=lambda one: (-one[1], one[0]))
        )
        decided.append(f"agree in {agreed.total()} ({alike})")
    if differing:
        decided.append(f"differ in {differing}" + (f" (opposite winners in {opposite})" if opposite else ""))
    said = [f"the verdicts {' and '.join(decided)}"] if decided else []
    if undecided:
        said.append(f"at least one verdict is missing in {undecided}")
    first = members[0][0]
    pair = f"{first.left.name} and {first.right.name}"
    return f"{contest}, {pair}, {count(len(members), 'case')} compared {where}: {'; '.join(said)}."


def _outcome(found: Comparison) -> str | None:
    """The outcome, None if the comparison is not decided."""
    if found.winner:
        return f"{found.winner.name} is faster"
    return "equivalent" if found.verdict is Verdict.EQUIVALENT else None
