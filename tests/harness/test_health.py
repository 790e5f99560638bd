"""The readings around the window, from a fake /proc: every counter, and a reason for each missing counter."""

import dataclasses

import pytest

from runners.harness import counters, proc, product
from runners.harness.counters import Counters, CpuTicks
from runners.harness.gpu_health import GpuReading
from runners.harness.health import Reading, closing, health, opening
from runners.harness.resources import TICKS

NO_GPU = GpuReading(unknown="no GPU was requested")
EARLY = Counters(0, 0.5, CpuTicks(10_000, 4_000, 100), 1_000, 2, 7, 10, 20, 1, 500, 3)
LATE = Counters(2 * 10**9, 1.5, CpuTicks(10_400, 4_300, 108), 501_000, 2, 7, 60, 90, 1, 700, 4)
CPUS = {0, 1}


def reading(counted: Counters = EARLY, product_ns: int | None = 500_000, mhz: float | None = 3000.0) -> Reading:
    return Reading(counted, product_ns, mhz, NO_GPU)


@pytest.fixture
def files(monkeypatch):
    """All kernel files of a test, by path; a test adds the files that it needs."""
    made: dict[str, str] = {}
    for module in (proc, counters):
        monkeypatch.setattr(module, "read_text", made.get)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: CPUS)
    return made


def test_differences_over_the_window_become_fractions_of_it():
    found, _ = health(reading(), reading(LATE), cpu_seconds=250 / TICKS)
    assert (found.window_ns, found.threads, found.involuntary_switches) == (2 * 10**9, 4, 50)
    assert (found.load1_before, found.load1_after) == (0.5, 1.5)
    assert found.steal_fraction == pytest.approx(8 / 400)
    assert found.pressure_some_fraction == pytest.approx(0.25)
    assert (found.throttled_periods, found.swapped_in_pages, found.major_faults) == (0, 0, 0)
    assert found.minor_faults == 200


def test_a_stall_that_began_before_a_short_window_fills_it_at_most():
    found, _ = health(reading(), reading(dataclasses.replace(LATE, pressure_us=9_000_000)), 0.0)
    assert found.pressure_some_fraction == 1.0


def test_counters_that_went_back_give_no_fraction():
    """Counters go back when a virtual machine moves to another host."""
    found, reasons = health(reading(), reading(dataclasses.replace(LATE, cpu=CpuTicks(10_400, 4_300, 7))), 0.0)
    assert found.steal_fraction is None
    assert found.others_cpu_fraction is None
    assert "backwards" in reasons["health.steal_fraction"]


@pytest.mark.parametrize(("own_ticks", "others"), [(0, 300 / 400), (250, 50 / 400), (300, 0), (330, 0)])
def test_the_share_of_others_is_busy_time_without_this_process_tree(own_ticks, others):
    found, _ = health(reading(), reading(LATE), cpu_seconds=own_ticks / TICKS)
    assert found.others_cpu_fraction == pytest.approx(others)


def test_pages_swapped_in_and_the_two_products_and_clocks_are_recorded():
    swapped = dataclasses.replace(LATE, swapped_in=19)
    found, _ = health(reading(), reading(swapped, product_ns=600_000, mhz=2500.0), 0.0)
    assert found.swapped_in_pages == 12
    assert (found.product_ns_before, found.product_ns_after) == (500_000, 600_000)
    assert (found.mhz_low, found.mhz_high) == (2500.0, 3000.0)


@pytest.mark.usefixtures("files")
def test_a_value_that_the_kernel_does_not_show_is_null_with_a_reason(monkeypatch):
    def no_average():
        raise OSError

    monkeypatch.setattr("os.getloadavg", no_average)
    nothing = counters.counters()
    before, after = reading(nothing, None, None), reading(dataclasses.replace(nothing, at_ns=nothing.at_ns + 1), None)
    found, unknown = health(before, dataclasses.replace(after, clock_mhz=None), 0.0)
    nulls = {f"health.{field.name}" for field in dataclasses.fields(found) if getattr(found, field.name) is None}
    assert nulls == set(unknown)
    assert len(nulls) == 17
    assert all(unknown.values())


def test_a_kernel_without_cpu_times_does_not_look_idle():
    still = dataclasses.replace(LATE, cpu=EARLY.cpu)
    found, unknown = health(reading(), reading(still), 0.0)
    assert (found.steal_fraction, found.others_cpu_fraction) == (None, None)
    assert "health.others_cpu_fraction" in unknown


def test_the_counters_are_read_from_the_kernels_files(files):
    files["/proc/stat"] = (
        "cpu  999 9 9 9999 9 9 9 9 99 9\ncpu0 60 10 20 400 25 5 10 20 50 5\n"
        "cpu1 40 0 20 400 25 0 5 10 49 4\ncpu2 800 0 0 0 0 0 0 800 0 0"
    )
    files["/proc/vmstat"] = "pgmajfault 5\npswpin 42\npswpout 1"
    files["/proc/pressure/cpu"] = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234\nfull avg10=0.00 total=9"
    files["/sys/fs/cgroup/cpu.stat"] = "usage_usec 5\nnr_periods 3\nnr_throttled 2"
    files["/proc/self/status"] = "Name:\tpython\nThreads:\t6"
    found = counters.counters()
    assert found.cpu == CpuTicks(1050, 170, 30)
    assert (found.swapped_in, found.pressure_us, found.throttled, found.threads) == (42, 1234, 2, 6)


def test_throttling_counts_the_own_control_group_and_the_groups_above(files):
    files["/proc/self/cgroup"] = "0::/user.slice/app.scope"
    files["/sys/fs/cgroup/user.slice/app.scope/cpu.stat"] = "nr_periods 3\nnr_throttled 2"
    files["/sys/fs/cgroup/user.slice/cpu.stat"] = "nr_periods 3\nnr_throttled 5"
    files["/sys/fs/cgroup/other.slice/cpu.stat"] = "nr_throttled 900"
    assert counters.counters().throttled == 7


def test_a_cpu_that_the_kernel_does_not_list_leaves_cpu_time_unknown(files):
    files["/proc/stat"] = "cpu  1 1 1 1 1 1 1 1\ncpu0 1 1 1 1 1 1 1 1"
    assert counters.counters().cpu is None


def test_the_clock_is_that_of_the_fastest_allowed_cpu(files):
    for cpu, khz in enumerate((1_200_000, 3_400_000, 5_000_000)):
        files[f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq"] = str(khz)
    assert counters.clock_mhz() == 3400


def test_without_a_frequency_driver_the_clock_comes_from_cpuinfo(files):
    blocks = [f"processor\t: {cpu}\ncpu MHz\t\t: {mhz}" for cpu, mhz in enumerate(("2100.5", "rubbish", "4000"))]
    files["/proc/cpuinfo"] = "\n\n".join(blocks)
    assert counters.clock_mhz() == 2100.5
    files["/proc/cpuinfo"] = "Hardware : board"
    assert counters.clock_mhz() is None


class FakeClock:
    """A clock on which each product takes the next of the given times."""

    def __init__(self, monkeypatch, durations_ns=(), busy_polls=0):
        self.now, self.durations, self.busy = 0, list(durations_ns), busy_polls
        monkeypatch.setattr(product, "now_ns", lambda: self.now)
        monkeypatch.setattr(product, "_once_ns", self.once)
        monkeypatch.setattr(product, "any_thread_runs", self.poll)
        monkeypatch.setattr("time.sleep", self.sleep)

    def once(self) -> int:
        duration = self.durations.pop(0)
        self.now += duration
        return duration

    def poll(self, _) -> bool:
        self.busy -= 1
        return self.busy >= 0

    def sleep(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)


def test_only_the_fastest_product_of_the_span_counts(monkeypatch):
    FakeClock(monkeypatch, [60_000_000, 30_000_000, 40_000_000, 1])
    assert product.fastest_ns() == 30_000_000


def test_the_product_waits_for_a_spinning_thread_pool(monkeypatch):
    clock = FakeClock(monkeypatch, [product.SPAN_NS], busy_polls=4)
    assert product.fastest_ns() == product.SPAN_NS
    assert clock.now == product.SPAN_NS + 4 * 5_000_000


def test_without_rest_of_the_own_threads_there_is_no_product(monkeypatch):
    clock = FakeClock(monkeypatch, busy_polls=10**6)
    assert product.fastest_ns() is None
    assert clock.now == product.PATIENCE_NS


@pytest.mark.parametrize(("state", "runs"), [("R", True), ("S", False), ("D", False)])
def test_only_a_runnable_thread_runs(files, monkeypatch, state, runs):
    monkeypatch.setattr("os.listdir", lambda _: ["7", "8"])
    monkeypatch.setattr("threading.get_native_id", lambda: 7)
    files["/proc/7/task/7/stat"] = "7 (asks (itself)) R 1"
    files["/proc/7/task/8/stat"] = f"8 (a) worker) {state} 1"
    assert proc.any_thread_runs([7]) is runs


def test_a_process_that_has_ended_does_not_run(monkeypatch):
    def gone(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr("os.listdir", gone)
    assert proc.any_thread_runs([7]) is False


def test_only_the_window_lies_between_the_two_readings_of_the_counters(monkeypatch):
    order: list[str] = []

    def noting(name, answer):
        return lambda *_: order.append(name) or answer

    monkeypatch.setattr("runners.harness.health.counters", noting("counters", EARLY))
    monkeypatch.setattr("runners.harness.product.fastest_ns", noting("product", 1))
    monkeypatch.setattr("runners.harness.gpu_health.read", noting("gpu", NO_GPU))
    opening("cpu")
    assert order == ["gpu", "product", "counters"]
    order.clear()
    closing("cpu")
    assert order == ["counters", "gpu", "product"]
