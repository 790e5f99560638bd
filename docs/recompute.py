"""Rebuilds every ratio, interval and verdict of a run's report from its records alone: python docs/recompute.py RUN

It shares no code with the project and needs numpy, scipy and statsmodels. Three things it takes from the records as
given: that the sides did equal work (only a record of status `invalid` makes them "not comparable" here), that each
record is well formed, and that all came from one machine with one set of versions, which a report keeps apart.
"""

import json
import math
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

DELTA = math.log(1.02)
STEPS = ("train", "infer", "roof")


def level(record):
    """z: log of the median step, of a loader's time a batch, or of a whole training."""
    if record["case"]["workload"] == "fit":
        return math.log(record["samples"]["stage_ns"]["train"])
    return math.log((np.median if record["case"]["workload"] in STEPS else np.mean)(kept(record)))


def kept(record):
    return record["samples"]["step_ns"][record["samples"]["warmup_steps"] :]


def unsteady(record):
    """The quarters of 60 kept steps or more are 3 % apart, or a loader's halves by more than one burst explains."""
    steps, workers = kept(record), record["case"]["workers"] or 1
    burst, explained, parts = max(workers, record["samples"]["queue_batches"]), 0.0, []
    if record["case"]["workload"] in STEPS and len(steps) >= 60:
        parts = [np.median(quarter) for quarter in np.array_split(steps, 4)]
    elif record["case"]["workload"] == "load" and len(steps) >= 20 * burst:
        middle = len(steps) // 2 // workers * workers
        parts, explained = [np.mean(steps[:middle]), np.mean(steps[middle:])], 2 * burst / (middle - burst)
    return bool(parts) and max(parts) / min(parts) > 1.03 + explained


def compare(left, right):
    """(d over the shared blocks, the verdict where no test is made) from the records of two sides."""
    ok = [{r["block"]["number"]: r for r in side if r["status"] == "ok"} for side in (left, right)]
    d = np.array([level(ok[1][block]) - level(record) for block, record in ok[0].items() if block in ok[1]])
    if any(record["status"] == "invalid" for record in left + right):
        return d, "not comparable"
    health = [record["health"] or {} for side in ok for record in side.values()]
    gated = any((one.get("steal_fraction") or 0) > 0.05 or one.get("throttled_periods") for one in health)
    gated |= any(
        set(one.get("gpu_limits") or []) - {"sw_power_cap"} or (one.get("gpu_processes") or 0) > 1 for one in health
    )
    same = len(d) >= 8 and math.isclose(min(d), max(d), rel_tol=1e-12, abs_tol=1e-15)
    if gated or same or any(sum(map(unsteady, side.values())) > len(side) / 4 for side in ok):
        return d, "unstable"
    return d, "incomplete" if len(d) == 0 else "no verdict" if len(d) < 8 else None


def pairs(sides):
    """The first side with each other, and the two fastest with each other; under aliases, a program with itself."""
    z = {name: {r["block"]["number"]: level(r) for r in side if r["status"] == "ok"} for name, side in sides.items()}
    first, *others = z
    if len({program(name) for name in z}) < len(z):
        return [(one, two) for one, two in combinations(z, 2) if program(one) == program(two)]
    enough = [name for name in z if len(z[name]) >= 8]
    rivals = enough if len(enough) > 1 else [name for name in z if z[name]]
    shared = set.intersection(*(set(z[name]) for name in rivals)) if rivals else set()
    best = sorted(rivals, key=lambda name: (np.mean([z[name][block] for block in shared or z[name]]), name))[:2]
    return [(first, other) for other in others] + ([] if len(best) < 2 or first in best else [(best[1], best[0])])


def name_of(competitor):
    return tuple(competitor.get(part, "") for part in ("framework", "variant", "loader", "alias", "version"))


def program(name):
    """What was measured: all of a name but the alias."""
    return name[:3] + name[4:]


def main(folder):
    """A line a comparison; Holm's adjustment spans all that come to a test."""
    plan = json.loads((folder / "run.json").read_bytes()) if (folder / "run.json").exists() else {"cases": []}
    alpha = 0.05 if "run_id" in plan and plan.get("stopping") is None else 0.035
    cases, gone = {}, set()
    for one in plan["cases"]:
        case = json.dumps(one["case"])
        gone |= {(case, name_of(left_out["competitor"])) for left_out in one["unavailable"]}
        cases[case] = {name_of(who): [] for who in one["competitors"] if (case, name_of(who)) not in gone}
    records = [json.loads(file.read_bytes()) for file in sorted((folder / "records").glob("[!.]*.json"))]
    for record in sorted(records, key=lambda record: name_of(record["competitor"])):
        case, name = json.dumps(record["case"]), name_of(record["competitor"])
        if (case, name) not in gone:
            cases.setdefault(case, {}).setdefault(name, []).append(record)
    asked = [(case, *pair) for case, sides in cases.items() if len(sides) > 1 for pair in pairs(sides)]
    found = [compare(cases[case][left], cases[case][right]) for case, left, right in asked]
    p = [min(1, stats.ttest_1samp(d, 0).pvalue * 0.05 / alpha) for d, verdict in found if verdict is None]
    adjusted = iter(multipletests(p, method="holm")[1] if p else [])
    for (case, left, right), (d, verdict) in zip(asked, found, strict=True):
        mean = np.mean(d) if len(d) else math.nan
        low, high = stats.ttest_1samp(d, 0).confidence_interval(1 - alpha) if len(d) > 1 else (math.nan, math.nan)
        if verdict is None and next(adjusted) < 0.05 and abs(mean) >= DELTA:
            verdict = "slower" if mean > 0 else "faster"
        verdict = verdict or ("equivalent" if max(-low, high) < DELTA else "inconclusive")
        what = " ".join(str(value) for value in json.loads(case).values() if isinstance(value, str | int))
        ratio, names = math.exp(mean), " / ".join(":".join(filter(None, name)) for name in (right, left))
        line = f"{what}: {names} {ratio:.4f} ({math.exp(low):.4f}-{math.exp(high):.4f}), {len(d)} blocks: {verdict}"
        print("".join(character if character.isprintable() else "?" for character in line))


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1], "records").is_dir():
        print("give one run's folder, with its records in it: python docs/recompute.py RUN", file=sys.stderr)
        sys.exit(2)
    main(Path(sys.argv[1]))
