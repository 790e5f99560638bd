"""The resources of a replicate: peaks that disagree, and counters of energy that wrap round, are locked or missing."""

import ctypes
import os
import threading

import pytest

from runners.harness import nvidia
from runners.harness.energy import Energy, Meter
from runners.harness.nvidia import Gpu
from runners.harness.resources import resources

UNCOUNTED = Energy(None, None, [], {"resources.energy_joules": "none here", "resources.gpu_energy_joules": "none here"})
RANGE = 65_532_610_987
CPU, GPU_ENERGY = "resources.energy_joules", "resources.gpu_energy_joules"


class Powercap:
    """A tree like the kernel's /sys/class/powercap, with the flat links that the kernel makes too."""

    def __init__(self, root):
        self.root, self.devices = root / "class", root / "devices"
        self.root.mkdir()

    def zone(self, path: str, name: str, microjoules: int, highest: int | None = RANGE) -> str:
        folder = self.devices / path
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        if highest is not None:
            (folder / "max_energy_range_uj").write_text(f"{highest}\n")
        (self.root / folder.name).symlink_to(folder)
        self.count(path, microjoules)
        return path

    def count(self, path: str, microjoules: int) -> None:
        """Set a counter, so that no reader finds half of a number."""
        written = self.devices / "written"
        written.write_text(f"{microjoules}\n")
        written.replace(self.devices / path / "energy_uj")


@pytest.fixture
def powercap(tmp_path):
    return Powercap(tmp_path)


class Nvml:
    """The functions of NVIDIA's library that are called, with a counter in millijoules."""

    def __init__(self, *readings: int, fails: str = ""):
        self._readings, self._fails, self.asked_for = iter(readings), fails, None

    def _answer(self, name: str) -> int:
        return 3 if name == self._fails else 0

    def nvmlInit_v2(self):
        return self._answer("init")

    def nvmlDeviceGetHandleByIndex_v2(self, index, _handle):
        self.asked_for = index.value
        return self._answer("handle")

    def nvmlDeviceGetHandleByUUID(self, uuid, _handle):
        self.asked_for = uuid.decode()
        return self._answer("handle")

    def nvmlDeviceGetTotalEnergyConsumption(self, _handle, counter):
        assert isinstance(counter._obj, ctypes.c_ulonglong)
        counter._obj.value = next(self._readings)
        return self._answer("energy")


def no_library(name: str):
    raise OSError(f"{name}: cannot open shared object file")


def metered(powercap, *changes, device="cpu", load=no_library):
    """What a meter finds while these counters change."""
    meter = Meter(device, powercap.root, load)
    meter.start()
    for path, microjoules in changes:
        powercap.count(path, microjoules)
    return meter.stop()


@pytest.mark.parametrize(("allocator", "at_the_end", "peak"), [
    ((2639, 2720), 1422, 2720),
    ((300, 400), 1422, 1422),
    ((300, None), 200, 300),
    ((None, None), 1422, 1422),
    ((300, 400), None, None),
])  # fmt: skip
def test_the_process_held_at_least_its_allocator_s_peak(allocator, at_the_end, peak):
    used, unknown = resources(0, UNCOUNTED, 0, allocator, at_the_end)
    assert used.gpu_process_peak_bytes == peak
    assert ("resources.gpu_process_peak_bytes" in unknown) == (peak is None)


def test_all_packages_count_with_their_memory_and_nothing_counts_twice(powercap):
    first = powercap.zone("intel-rapl:0", "package-0", 5_000_000)
    cores = powercap.zone("intel-rapl:0/intel-rapl:0:0", "core", 1_000_000)
    memory = powercap.zone("intel-rapl:0/intel-rapl:0:1", "dram", 7_000_000)
    graphics = powercap.zone("intel-rapl:0/intel-rapl:0:2", "uncore", 0)
    second = powercap.zone("intel-rapl:1", "package-1-die-0", 100)
    machine = powercap.zone("intel-rapl:2", "psys", 0)
    again = powercap.zone("intel-rapl-mmio:0", "package-0", 0)
    others = [(path, 900_000_000) for path in (cores, graphics, machine, again)]
    energy = metered(powercap, (first, 25_000_000), (memory, 8_000_000), (second, 3_000_100), *others)
    assert (energy.cpu, energy.counters) == (24.0, ["package-0", "package-0 dram", "package-1-die-0"])
    used, unknown = resources(0, energy, 0, (None, None))
    assert (used.energy_joules, used.gpu_energy_joules, used.energy_counters) == (24.0, None, energy.counters)
    assert CPU not in unknown
    assert unknown[GPU_ENERGY] == "no GPU was requested"


def test_a_counter_that_wrapped_round_goes_on_from_nought(powercap):
    package = powercap.zone("intel-rapl:0", "package-0", RANGE - 2_000_000)
    assert metered(powercap, (package, 1_000_000)).cpu == 3.0


def test_a_counter_is_followed_through_many_rounds(powercap):
    package = powercap.zone("intel-rapl:0", "package-0", 0, highest=10_000_000)
    read = threading.Semaphore(0)

    class Followed(Meter):
        def _add(self):
            super()._add()
            read.release()

    meter = Followed("cpu", powercap.root, no_library, every=0.001)
    meter.start()
    for microjoules in (8_000_000, 6_000_000, 4_000_000):
        powercap.count(package, microjoules)
        while read.acquire(blocking=False):
            pass
        read.acquire()  # perhaps of a reading that began before the change
        read.acquire()
    assert meter.stop().cpu == 24.0


@pytest.mark.parametrize(("highest", "after"), [(None, 1_000_000), (1000, 1_000_000), (RANGE, 2_000_000)])
def test_a_counter_of_unknown_range_or_one_that_stands_still_is_no_number(powercap, highest, after):
    package = powercap.zone("intel-rapl:0", "package-0", 2_000_000, highest)
    energy = metered(powercap, (package, after))
    assert (energy.cpu, energy.counters) == (None, [])
    assert "stood still, or could not be followed" in energy.unknown[CPU]


def test_a_machine_without_counters_says_so(powercap, tmp_path):
    powercap.zone("intel-rapl:2", "psys", 0)
    assert "of a CPU package" in metered(powercap).unknown[CPU]
    assert "virtual machines have none" in Meter("cpu", tmp_path / "missing", no_library).stop().unknown[CPU]


def test_counters_that_a_container_hides_are_not_called_missing(powercap):
    powercap.zone("intel-rapl:0", "package-0", 0)
    powercap.devices.rename(powercap.devices.with_name("masked"))
    assert "the container hides" in metered(powercap).unknown[CPU]


def test_locked_counters_say_how_to_allow_them(powercap, monkeypatch):
    powercap.zone("intel-rapl:0", "package-0", 0)
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)  # root may read any file
    energy = metered(powercap)
    assert energy.cpu is None
    assert "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj" in energy.unknown[CPU]


@pytest.mark.parametrize(
    ("gpu", "asked_for"), [(None, 0), (Gpu("1:0", "MIG-34cd", "GPU-12ab", "a part of a card"), "GPU-12ab")]
)
def test_the_gpu_counts_its_own_energy(powercap, monkeypatch, gpu, asked_for):
    monkeypatch.setattr(nvidia, "current", lambda: gpu)
    nvml = Nvml(0, 5_000, 17_500)
    energy = metered(powercap, device="gpu", load=lambda _name: nvml)
    assert (energy.gpu, nvml.asked_for) == (12.5, asked_for)
    assert GPU_ENERGY not in energy.unknown
    assert energy.cpu is None


@pytest.mark.parametrize(("load", "reason"), [
    (no_library, "libnvidia-ml.so.1 cannot be loaded"),
    (lambda _name: object(), "too old"),
    (lambda _name: Nvml(fails="init"), "does not give access to GPU 0 (NVML error 3)"),
    (lambda _name: Nvml(fails="handle"), "does not give access to GPU 0 (NVML error 3)"),
    (lambda _name: Nvml(0, 0, 0, fails="energy"), "counts no energy"),
    (lambda _name: Nvml(0, 9, 9), "stood still"),
])  # fmt: skip
def test_a_gpu_without_a_counter_says_why(powercap, monkeypatch, load, reason):
    monkeypatch.setattr(nvidia, "current", lambda: None)
    energy = metered(powercap, device="gpu", load=load)
    assert energy.gpu is None
    assert reason in energy.unknown[GPU_ENERGY]


def test_without_a_gpu_the_driver_is_not_asked(powercap):
    assert metered(powercap, load=lambda _name: pytest.fail("the driver was asked")).gpu is None
