"""The resources of a replicate if readings disagree."""

import pytest

from runners.harness.resources import Usage, resources

IDLE = Usage(cpu_ticks=0, energy_microjoules=None)


@pytest.mark.parametrize(("allocator", "at_the_end", "peak"), [
    ((2639, 2720), 1422, 2720),
    ((300, 400), 1422, 1422),
    ((300, None), 200, 300),
    ((None, None), 1422, 1422),
    ((300, 400), None, None),
])  # fmt: skip
def test_the_process_held_at_least_its_allocator_s_peak(allocator, at_the_end, peak):
    used, unknown = resources(IDLE, IDLE, 0, allocator, at_the_end)
    assert used.gpu_process_peak_bytes == peak
    assert ("resources.gpu_process_peak_bytes" in unknown) == (peak is None)
