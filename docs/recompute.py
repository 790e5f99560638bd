"""Rebuilds every ratio, interval and verdict of a run's report from its records alone: python docs/recompute.py RUN

It shares no code with the project and needs numpy, scipy and statsmodels. Three things it takes from the records as
given: that the sides did equal work (only a replicate that failed a check makes them "not comparable" here), that each
record is well formed, and that all came from one machine with one set of versions, which a report keeps apart.
"""

import json
import math
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests

DELTA, FEWEST = math.log(1.02), 3
ALPHA, ANYTIME, ENDED = 0.05, 0.025, 0.0175
STEPS = ("train", "infer", "scale", "roof")
WHOLE = {"fit": "train", "export": "export"}


def level(record):
    """z: log of the median step, of a loader's time a batch, or of a whole training or export."""
    if stage := WHOLE.get(record["case"]["workload"]):
        return math.log(record["samples"]["stage_ns"][stage])
    return math.log((np.median if record["case"]["workload"] in STEPS else np.mean)(kept(record)))


def kept(record):
    return record["samples"]["step_ns"][record["samples"]["warmup_steps"] :]


def drift(record):
    """D: log(last quarter / first quarter), by medians of steps and by means of whole rounds of a loader's workers."""
    steps, workers, loads = kept(record), record["case"]["workers"] or 1, record["case"]["workload"] == "load"
    quarter = len(steps) // 4 // workers * workers if loads else len(steps) // 4
    fewest = 5 * max(workers, record["samples"]["queue_batches"]) if loads else 2
    if record["case"]["workload"] not in (*STEPS, "load") or quarter < fewest:
        return None
    middle = np.mean if loads else np.median
    first, last = middle(steps[:quarter]), middle(steps[-quarter:])
    return math.log(last / first) if first > 0 and last > 0 else None


def log_e(n, t):
    """log of the e-process: Wang & Ramdas 2023, the mean over g of 0.25, 4 and 64."""
    parts = [
        -0.5 * math.log1p(n * g) + n / 2 * (math.log1p(t * t / (n - 1)) - math.log1p(t * t / (n - 1) / (1 + n * g)))
        for g in (0.25, 4, 64)
    ]
    return float(np.logaddexp.reduce(parts)) - math.log(3)


def half_width(n, sd, alpha, anytime):
    """Half the t interval, or half the confidence sequence, at this level."""
    if not anytime:
        return stats.t.ppf(1 - alpha / 2, n - 1) * sd / math.sqrt(n)
    if n < FEWEST or log_e(n, 1e9) < -math.log(alpha):
        return math.inf
    return math.exp(optimize.brentq(lambda t: log_e(n, math.exp(t)) + math.log(alpha), -20, 20)) * sd / math.sqrt(n)


def test(d, rule, extended):
    """(p, half the interval) of the blocks' differences. A rule may have looked at the answer after every block."""
    n, sd = len(d), np.std(d, ddof=1)
    p_t = stats.ttest_1samp(d, 0).pvalue
    if rule is None:
        return p_t, half_width(n, sd, ALPHA, False)
    looks = [log_e(k, stats.ttest_1samp(d[:k], 0).statistic) for k in range(FEWEST, n + 1)]
    p = min(1, math.exp(-max([0, *looks])) * ALPHA / ANYTIME)
    narrow = rule and half_width(n, sd, ENDED, False) <= math.log1p(rule["half_width"])
    if rule and not extended and n >= FEWEST and (narrow or n >= rule["most_blocks"]):
        return min(p, p_t * ALPHA / ENDED), half_width(n, sd, ENDED, False)
    return p, half_width(n, sd, ANYTIME, True)


def compare(left, right, rule, extended):
    """(d over the shared blocks, interval, p, the verdict where no test is made) from the records of two sides."""
    ok = [{r["block"]["number"]: r for r in side if r["status"] == "ok"} for side in (left, right)]
    shared = sorted(ok[0].keys() & ok[1].keys())
    d = np.array([level(ok[1][block]) - level(ok[0][block]) for block in shared])
    low = high = p = math.nan
    same = len(d) > 1 and math.isclose(min(d), max(d), rel_tol=1e-12, abs_tol=1e-15)
    if len(d) > 1 and not same:
        p, half = test(d, rule, extended)
        low, high, widened = np.mean(d) - half, np.mean(d) + half, apart(ok, shared)
        low, high = low - widened * (high >= 0), high + widened * (low <= 0)
    if any(failed_check(record) for record in left + right):
        return d, low, high, p, "not comparable"
    if (same and len(d) >= FEWEST) or any(4 * sum(map(disturbed, side.values())) > len(side) for side in ok):
        return d, low, high, p, "disturbed"
    return d, low, high, p, "incomplete" if len(d) == 0 else "no verdict" if len(d) < FEWEST else None


def failed_check(record):
    """The replicate did other work than asked for. INVALID and RECORD are damaged records, which do not say so."""
    return record["status"] == "invalid" and record["error"]["kind"] not in ("INVALID", "RECORD")


def apart(ok, shared):
    """By how much the sides' drifts may have moved the ratio; 0 where chance explains it."""
    drifts = [[drift(side[block]) for side in ok] for block in shared]
    drifts = [right - left for left, right in drifts if left is not None and right is not None]
    if len(drifts) < FEWEST:
        return 0.0
    middle, half = np.mean(drifts), half_width(len(drifts), np.std(drifts, ddof=1), ALPHA, False)
    return abs(middle) + half if abs(middle) > half else 0.0


def disturbed(record):
    """The machine was another machine for this replicate."""
    health = record["health"] or {}
    slowed = set(health.get("gpu_limits") or []) - {"sw_power_cap"}
    return bool(health.get("throttled_periods") or slowed or (health.get("gpu_processes") or 0) > 1)


def pairs(sides):
    """The first side with each other, and the two fastest with each other; under aliases, a program with itself."""
    z = {name: {r["block"]["number"]: level(r) for r in side if r["status"] == "ok"} for name, side in sides.items()}
    first, *others = z
    if len({program(name) for name in z}) < len(z):
        return [(one, two) for one, two in combinations(z, 2) if program(one) == program(two)]
    enough = [name for name in z if len(z[name]) >= FEWEST]
    rivals = enough if len(enough) > 1 else [name for name in z if z[name]]
    shared = set.intersection(*(set(z[name]) for name in rivals)) if rivals else set()
    best = sorted(rivals, key=lambda name: (np.mean([z[name][block] for block in shared or z[name]]), name))[:2]
    return [(first, other) for other in others] + ([] if len(best) < 2 or first in best else [(best[1], best[0])])


def name_of(competitor):
    return tuple(competitor.get(part, "") for part in ("framework", "variant", "loader", "alias", "version"))


def label(name):
    """The name in commands: `pytorch/torch/plain`, `tensorflow@2.16.2/graph`, `pytorch/eager:A`."""
    framework, variant, loader, alias, version = name
    parts = f"{framework}@{version}" if version else framework, loader, variant
    return "/".join(filter(None, parts)) + (f":{alias}" if alias else "")


def program(name):
    """What was measured: all of a name but the alias."""
    return name[:3] + name[4:]


def main(folder):
    """A line a comparison; Holm's adjustment spans all that come to a test."""
    plan = json.loads((folder / "run.json").read_bytes()) if (folder / "run.json").exists() else {"cases": []}
    rule = plan["stopping"] if "run_id" in plan else {}  # without the plan, only what is valid at every look counts
    continued = plan.get("continued") or []
    later = set(plan["extensions"][continued[0] :]) if continued else set()
    cases, gone, extended = {}, set(), {}
    for index, one in enumerate(plan["cases"]):
        case = json.dumps(one["case"])
        extended[case] = index in later
        gone |= {(case, name_of(left_out["competitor"])) for left_out in one["unavailable"]}
        cases[case] = {name_of(who): [] for who in one["competitors"] if (case, name_of(who)) not in gone}
    records = [json.loads(file.read_bytes()) for file in sorted((folder / "records").glob("[!.]*.json"))]
    for record in sorted(records, key=lambda record: name_of(record["competitor"])):
        case, name = json.dumps(record["case"]), name_of(record["competitor"])
        if (case, name) not in gone:
            cases.setdefault(case, {}).setdefault(name, []).append(record)
    asked = [(case, *pair) for case, sides in cases.items() if len(sides) > 1 for pair in pairs(sides)]
    found = [compare(cases[case][left], cases[case][right], rule, extended.get(case)) for case, left, right in asked]
    p = [p for _, _, _, p, verdict in found if verdict is None]
    adjusted = iter(multipletests(p, method="holm")[1] if p else [])
    for (case, left, right), (d, low, high, _, verdict) in zip(asked, found, strict=True):
        mean = np.mean(d) if len(d) else math.nan
        if verdict is None and next(adjusted) < ALPHA and abs(mean) >= DELTA and (low > 0 or high < 0):
            verdict = "slower" if mean > 0 else "faster"
        verdict = verdict or ("equivalent" if max(-low, high) < DELTA else "undecided")
        what = " ".join(str(value) for value in json.loads(case).values() if isinstance(value, str | int))
        fast, slow = map(label, (right, left) if mean < 0 else (left, right))
        if mean < 0:
            mean, low, high = -mean, -high, -low
        if verdict in ("faster", "slower"):
            verdict = f"{fast} is faster"
        ratio = f"{math.exp(mean):.4f} ({math.exp(low):.4f}-{math.exp(high):.4f}) times as fast"
        line = f"{what}: {fast} compared with {slow}: {ratio}, {len(d)} blocks: {verdict}"
        print("".join(character if character.isprintable() else "?" for character in line))


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1], "records").is_dir():
        print("give one run's folder, with its records in it: python docs/recompute.py RUN", file=sys.stderr)
        sys.exit(2)
    main(Path(sys.argv[1]))
