"""An injected slowdown, on a clock that moves one nanosecond whenever it is read."""

import json
import sys
import types

import pytest

from runners.harness.cli import main
from runners.harness.loop import GROUP_STEPS, sample_groups, sample_steps
from runners.harness.record import Check
from runners.harness.sampling import Sampling
from runners.harness.slowdown import slowed
from runners.harness.workload import Framework, Seen, StepWork, Workload

US = 1_000
READINGS = 10
"""More readings, and so nanoseconds, than a sample needs."""


class TickingClock:
    """A clock that moves by one nanosecond with each reading, so that a wait ends."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 1
        return self.now

    def passes(self, microseconds: int):
        def pass_time() -> None:
            self.now += microseconds * US

        return pass_time


def work_of(clock: TickingClock, step_us: int, wait_us: int) -> StepWork:
    nothing = clock.passes(0)
    return StepWork(clock.passes(step_us), clock.passes(wait_us), 4, Check, lambda: None, nothing)


@pytest.mark.parametrize("factor", [1.05, 2.0])
def test_a_step_with_its_wait_is_slowed_by_the_factor(factor):
    clock = TickingClock()
    times = sample_steps(slowed(work_of(clock, 2, 1), factor, clock), Sampling(1, 3, 3, 0), clock)
    assert len(times) == 4
    for time in times:
        assert 0 <= time - factor * 3 * US <= READINGS


def test_a_group_with_its_single_wait_is_slowed_by_the_factor():
    clock = TickingClock()
    times = sample_groups(slowed(work_of(clock, 2, 1), 1.05, clock), Sampling(0, 20, 20, 0), clock)
    assert len(times) == 2
    for time in times:
        assert 0 <= time - 1.05 * (GROUP_STEPS * 2 + 1) * US <= READINGS


def test_a_wait_without_a_step_is_not_slowed():
    clock = TickingClock()
    slowed(work_of(clock, 2, 1), 2.0, clock).synchronize()
    assert clock.now == 1 * US


def test_without_a_slowdown_the_work_is_the_same_object():
    work = work_of(TickingClock(), 2, 1)
    assert slowed(work, 1.0) is work


FAKE = Framework("fake", (), {"infer": Workload(("eager",), networks=("cnn4",), scopes=("compute",))})


@pytest.fixture
def record_of(monkeypatch, tmp_path):
    """The record of a replicate of `infer` with the given options."""
    module = types.ModuleType("runners.fake.infer")
    nothing = TickingClock().passes(0)

    def prepare(request):
        seen = Seen(request.case.device, "fp32", request.threads, request.threads)
        return StepWork(nothing, nothing, 4, Check, lambda: seen, nothing)

    module.prepare = prepare
    monkeypatch.setitem(sys.modules, "runners.fake", types.ModuleType("runners.fake"))
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def run(*options: str) -> dict:
        least = ["--warmup-steps", "2", "--min-steps", "25", "--max-steps", "25", "--min-seconds", "0"]
        assert main(FAKE, ["infer", *least, *options, "--record-id", "one", "--out", str(tmp_path)]) == 0
        return json.loads((tmp_path / "one.json").read_text())

    return run


def test_the_record_has_the_slowdown_factor(record_of):
    assert record_of()["samples"]["injected_slowdown"] == 1.0
    assert record_of("--inject-slowdown", "1.05")["samples"]["injected_slowdown"] == 1.05


def test_only_a_gpu_has_a_separate_throughput(record_of):
    on_cpu, on_gpu = record_of(), record_of("--device", "gpu")
    assert len(on_cpu["samples"]["step_ns"]) == len(on_gpu["samples"]["step_ns"]) == 27
    assert (on_cpu["samples"]["group_ns"], on_cpu["samples"]["group_steps"]) == ([], 0)
    assert "only for steps on a GPU" in on_cpu["unknown"]["samples.group_ns"]
    assert (len(on_gpu["samples"]["group_ns"]), on_gpu["samples"]["group_steps"]) == (3, GROUP_STEPS)
    assert "samples.group_ns" not in on_gpu["unknown"]
