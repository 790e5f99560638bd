"""Runs for tests of whole reports: one with every kind of row, one with every hostile string."""

import dataclasses

from make_records import (
    DATA,
    HEALTH,
    SPDL,
    TF,
    TF_FIT,
    TFDATA,
    TORCH,
    TORCH_FIT,
    TORCH_LOADER,
    failed,
    fit_case,
    load_case,
    make_records,
    make_run,
    planned,
    roof_case,
    step_case,
)

from runners.harness.case import Competitor
from runners.harness.record import Status
from runners.harness.run import Unavailable

MARKUP = "</style><script>alert(1)</script><img src=x onerror=alert(1)>"
LINKS = "@all me@x.org www.x.org https://x.org HTTP://x.org #7"
NASTY = f"\\q\\1\\g<1>{MARKUP}|`a`\n# [x](javascript:alert(1)) {LINKS} \x00\x1b[31m\u202e{{{{7*7}}}} **b**"


def mixed_run():
    """A run that has every kind of row."""
    steps = [planned(step_case("cnn4", 8), [TORCH, TF], 8), planned(step_case("resnet18", 1, "train"), [TORCH, TF], 8)]
    loads = [planned(load_case("decode", workers), [TORCH_LOADER, SPDL, TFDATA], 8) for workers in (1, 2)]
    alone = planned(step_case("resnet50", 1), [TORCH], 8)
    alone = dataclasses.replace(alone, unavailable=[Unavailable(TF, "UNSUPPORTED", "no such network here")])
    roofs = [planned(roof_case(stage), [TORCH, TF], 8) for stage in ("product", "copy")]
    run = make_run([*steps, *loads, planned(fit_case(), [TORCH_FIT, TF_FIT], 2), alone, *roofs])
    slower = {TF: 1.2, SPDL: 1.1, TFDATA: 0.8, TF_FIT: 1.4}
    records = make_records(run, lambda _, who: 0.05 * slower.get(who, 1.0), scatter=0.006)
    return run, [spoilt(record) for record in records]


def spoilt(record):
    """Some replicates fail, some ran on a busy machine."""
    if record.case.workload == "train" and record.competitor == TF:
        return failed(record, Status.OOM, "OOM(host)", "killed for memory at 2 GiB", "allocating\nKilled")
    if record.case.workers == 2 and record.competitor == SPDL and record.block.number == 4:
        return failed(record, Status.TIMEOUT, "TIMEOUT", "no end after 600 s")
    if record.case.workers == 1 and record.block.number == 0:
        return dataclasses.replace(record, health=dataclasses.replace(HEALTH, steal_fraction=0.02))
    return record


def nasty_records():
    """A run in which every string of a record that can be hostile is."""
    who = Competitor(NASTY, "v" + NASTY, "l" + NASTY)
    case = dataclasses.replace(step_case(), network=NASTY, scope=NASTY)
    load = dataclasses.replace(load_case(), stage=NASTY)
    odd = dataclasses.replace(step_case(), workload=NASTY)
    plans = [planned(case, [TORCH, who], 8), planned(load, [TORCH_LOADER, who], 2), planned(odd, [TORCH, who], 2)]
    data = dataclasses.replace(DATA, id=NASTY)
    loads = [dataclasses.replace(load_case(workers=number), track=NASTY, dataset=data) for number in (1, 2)]
    plans += [planned(load, [TORCH_LOADER, who], 2) for load in loads]
    run = make_run([dataclasses.replace(plans[0], unavailable=[Unavailable(SPDL, NASTY, NASTY)]), *plans[1:]])
    run = dataclasses.replace(run, profile=NASTY, engine=NASTY, warnings=[NASTY], started_at=NASTY)
    found = []
    for record in make_records(run):
        seen = dict.fromkeys((NASTY, "workers_alive", "worker_kind", "decoder", "stage_statistics"), NASTY)
        effective = dataclasses.replace(record.effective, layout=NASTY, settings=seen)
        host = dataclasses.replace(record.host, cpu_model=NASTY, kernel=NASTY, packages={NASTY: NASTY}, commit=NASTY)
        check = dataclasses.replace(record.check, weights_digest=NASTY)
        more = {"effective": effective, "host": host, "check": check, "command": ["x", NASTY]}
        if "cold_epoch" in record.samples.stage_ns:
            ns = {name: value for name, value in record.samples.stage_ns.items() if name != "cold_epoch"}
            items = {name: record.samples.stage_items[name] for name in ns}
            pipeline = [dataclasses.replace(stage, name=NASTY) for stage in record.samples.pipeline]
            samples = dataclasses.replace(record.samples, stage_ns=ns, stage_items=items, pipeline=pipeline)
            more |= {"samples": samples, "unknown": {"samples.stage_ns.cold_epoch": NASTY}}
        record = dataclasses.replace(record, **more)
        if record.block.number == 1 and record.competitor == who:
            record = failed(record, Status.FAILED, NASTY, NASTY, NASTY + "\n```\n~~~\n")
        found.append(record)
    return run, found
