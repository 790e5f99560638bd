"""Names of cases: the words for a workload, a short label, a digest."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from functools import cache

from aggregator.base.text import clean
from runners.harness.case import AXES, Case

TITLES = {
    "train": "training step",
    "infer": "inference step",
    "scale": "training step of several processes",
    "load": "data loading",
    "fit": "end-to-end training",
    "export": "export to a file",
    "roof": "the machine's limits",
}
SCOPES = {"compute": "data on the device", "transfer+compute": "data brought to the device"}


def title(workload: str) -> str:
    """What a workload is called in a sentence."""
    return TITLES.get(workload, clean(workload, 40))


def heading(workload: str) -> str:
    """The same at the start of a line."""
    return title(workload)[:1].upper() + title(workload)[1:]


def settings(case: Case) -> str:
    """The track of a case, if its sides need not do the same work: `, default settings`; else empty."""
    return "" if case.track == "matched" else f", {clean(case.track, 40)} settings"


def contest_title(case: Case) -> str:
    """The cases that are counted together with this case: `Training step`, `Data loading, default settings`."""
    return f"{heading(case.workload)}{settings(case)}"


@cache
def digest(case: Case) -> str:
    """A stable short name for a case, the same in every report."""
    return hashlib.sha256(case.key.encode("ascii")).hexdigest()[:10]


def anchor(case: Case, section: int) -> str:
    """The same for one part of a report, in links and file names."""
    return f"case-{section + 1}-{digest(case)}"


def group(case: Case) -> str:
    """The heading of a panel or of a block of a table: the network or the stage."""
    return clean(case.subject, 60)


def parameters(case: Case, *without: str) -> str:
    """The rest of a case's parameters, but for these axes."""
    return clean(", ".join(case.settings(*without)), 160)


def labels(cases: Iterable[Case]) -> dict[Case, str]:
    """A short name for each case, longer where other cases have the same short name."""
    unique = list(dict.fromkeys(cases))
    short = {case: f"{clean(case.workload, 40)} · {group(case)} · {parameters(case)}" for case in unique}
    taken = Counter(short.values())
    return {case: name if taken[name] == 1 else f"{name} · {_rest(case)}" for case, name in short.items()}


def _rest(case: Case) -> str:
    dataset = f", data {case.dataset.id} {case.dataset.digest[-8:]}" if case.dataset else ""
    model = f", model {case.model.digest[-8:]}" if case.model else ""
    # Records of earlier versions lack the axes that came later.
    lacking = [axis.column for axis in AXES if getattr(case, axis.name) is None and axis.usual_of(case.workload)]
    without = f", recorded without {', '.join(lacking)}" if lacking else ""
    return clean(f"{case.device}{dataset}{model}{without}", 160)
