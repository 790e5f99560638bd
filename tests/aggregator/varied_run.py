"""A synthetic run with every verdict there is, for tests that look at all of them."""

import dataclasses

from make_records import (
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
    make_run,
    planned,
    scheduled,
    step_case,
)

from runners.harness.record import Status
from runners.harness.run import Unavailable

A, B = (dataclasses.replace(TORCH, alias=alias) for alias in "AB")
FACTORS = {TF: 1.2, SPDL: 1.1, TFDATA: 0.8, TF_FIT: 1.4}
CLEAR, NEAR, NOISY, SHORT = (step_case("cnn4", batch) for batch in (1, 2, 4, 8))
BUSY, DRIFTING, WRONG, SLOW, CUT = (step_case("resnet18", batch) for batch in (1, 2, 4, 8, 16))
LOAD, FIT, SELF = load_case(), fit_case(), step_case("mlp", 2)


def varied_run(stopping=None):
    """A run with every verdict there is."""
    pairs = [(case, [TORCH, TF], 10) for case in (CLEAR, NEAR, NOISY, BUSY, DRIFTING, WRONG, SLOW, CUT)]
    pairs += [(SHORT, [TF, TORCH], 2), (LOAD, [TORCH_LOADER, SPDL, TFDATA], 9)]
    pairs += [(FIT, [TORCH_FIT, TF_FIT], 9), (SELF, [A, B], 12)]
    cases = [planned(case, competitors, blocks) for case, competitors, blocks in pairs]
    cases[-2] = dataclasses.replace(cases[-2], unavailable=[Unavailable(SPDL, "UNSUPPORTED", "not here")])
    return dataclasses.replace(make_run(cases), stopping=stopping)


def seconds(case, who):
    near = {NEAR: 1.0, NOISY: 1.03, SELF: 1.0}
    return 0.05 * near.get(case, FACTORS.get(who, 1.0)) if who == TF else 0.05 * FACTORS.get(who, 1.0)


def varied_records(run):
    noisy = {record.record_id: record for record in scheduled(run, seconds, scatter=0.1)}
    return [
        spoilt(noisy[record.record_id] if record.case == NOISY else record)
        for record in scheduled(run, seconds, scatter=0.008)
    ]


def spoilt(record):
    samples = record.samples
    if record.case == BUSY and record.competitor == TF and record.block.number < 3:
        return dataclasses.replace(record, health=dataclasses.replace(HEALTH, gpu_processes=2))
    if record.case == CUT and record.competitor == TORCH and record.block.number > 5:
        return dataclasses.replace(record, health=dataclasses.replace(HEALTH, throttled_periods=2))
    if record.case == DRIFTING and record.competitor == TORCH:
        rising = [int(time * (1 + index / 1000)) for index, time in enumerate(samples.step_ns)]
        return dataclasses.replace(record, samples=dataclasses.replace(samples, step_ns=rising))
    if record.case == WRONG and record.block.number == 9 and record.competitor == TF:
        return failed(record, Status.INVALID, "NUMBERS", "logits are not finite")
    if record.case == SLOW and record.competitor == TF:
        return failed(record, Status.OOM, "OOM(host)", "killed")
    return record
