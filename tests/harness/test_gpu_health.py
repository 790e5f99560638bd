"""The GPU's state from `nvidia-smi`: new drivers, old drivers, and useless answers."""

import pytest

from runners.harness import gpu_health, nvidia
from runners.harness.gpu_health import GpuReading, between, read
from runners.harness.nvidia import Gpu

GPU = Gpu("3", "GPU-12ab", "GPU-12ab", "card")
NEW = """case "$2" in
*counters*) echo '61, 0x0000000000000001, {power}, 0, {heat}, 0' ;;
*query-gpu*) exit 2 ;;
*) printf '{pids}' ;;
esac"""
MIDDLE = """case "$2" in
*counters*) echo 'Field "clocks_event_reasons_counters.sw_power_cap" is not a valid field to query.'; exit 2 ;;
*clocks_event_reasons.active) echo '61, {mask}' ;;
*) echo 4711 ;;
esac"""
OLD = """case "$2" in
*clocks_event*) echo 'Field "clocks_event_reasons.active" is not a valid field to query.'; exit 2 ;;
*query-gpu*) echo '61, {mask}' ;;
*) echo 4711 ;;
esac"""


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Installs a shell script as `nvidia-smi`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(gpu_health, "processes", lambda: [100, 101])
    monkeypatch.setattr(nvidia, "current", lambda: GPU)

    def write(script: str) -> None:
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return write


def state(tool, script: str):
    tool(script)
    reading = read("gpu")
    return between(reading, reading)


def test_a_cpu_case_asks_nothing(tool):
    tool("echo asked >&2; exit 1")
    assert read("cpu") == GpuReading(unknown="no GPU was requested")


@pytest.mark.parametrize(
    ("power", "heat", "limits"),
    [(500, 7, []), (501, 7, ["sw_power_cap"]), (900, 8, ["hw_thermal_slowdown", "sw_power_cap"])],
)
def test_a_new_driver_counts_the_limits_within_the_window(tool, power, heat, limits):
    tool(NEW.format(power=500, heat=7, pids="4711\\n"))
    before = read("gpu")
    tool(NEW.format(power=power, heat=heat, pids="4711\\n"))
    after = read("gpu")
    assert between(before, after)[:2] == (limits, 1)
    assert after.temperature_c == 61


@pytest.mark.parametrize("driver", [MIDDLE, OLD])
@pytest.mark.parametrize(
    ("mask", "limits"),
    [
        ("0x0000000000000001", []),  # idle
        ("0x0000000000000112", []),  # clocks set by a user
        ("0x0000000000000004", ["sw_power_cap"]),
        ("0x0000000000000048", ["hw_slowdown", "hw_thermal_slowdown"]),
        ("0x00000000000000a0", ["hw_power_brake_slowdown", "sw_thermal_slowdown"]),
        ("[N/A]", None),
    ],
)
def test_older_drivers_report_the_limits_of_the_moment(tool, driver, mask, limits):
    assert state(tool, driver.format(mask=mask))[0] == limits


def test_a_limit_at_either_edge_counts():
    hot, cool = (GpuReading(frozenset(names), processes=1) for names in (["hw_slowdown"], []))
    assert between(hot, cool)[0] == between(cool, hot)[0] == ["hw_slowdown"]


@pytest.mark.parametrize(
    ("pids", "count"),
    [
        ("", None),  # a container that sees no process, although this process computes on the GPU
        ("100\\n", 1),
        ("100\\n101\\n", 1),  # both of this tree
        ("4711\\n", 1),  # a container that sees the process ids outside
        ("100\\n4711\\n", 2),
        ("4711\\n4712\\n4712\\n", 2),
        ("[Insufficient Permissions]\\n", None),
    ],
)
def test_processes_are_counted_with_this_tree_as_one(tool, pids, count):
    limits, processes, why = state(tool, NEW.format(power=0, heat=0, pids=pids))
    assert (limits, processes) == ([], count)
    assert why == "nvidia-smi does not say"


@pytest.mark.parametrize(
    ("holders", "mebibytes"),
    [
        ("100, 700\\n101, 300\\n4711, 9\\n", 1000),  # this tree's memory only
        ("4711, 512\\n", 512),  # a container that sees the process ids outside
        ("4711, 512\\n4712, 5\\n", None),  # unknown which of the two is this process
        ("100, [N/A]\\n", None),
        ("100\\n", None),
        ("", None),
    ],
)
def test_the_memory_is_that_of_this_processes(tool, holders, mebibytes):
    tool(NEW.format(power=0, heat=0, pids=holders))
    assert read("gpu").process_bytes == (None if mebibytes is None else mebibytes * 2**20)


@pytest.mark.parametrize("gpu", [GPU, Gpu("3:1", "MIG-7", "GPU-12ab", "part")])
def test_the_gpu_of_this_process_is_read(tool, tmp_path, monkeypatch, gpu):
    monkeypatch.setattr(nvidia, "current", lambda: gpu)
    tool(f'echo "$1" >> {tmp_path}/asked; exit 1')
    read("gpu")
    assert set((tmp_path / "asked").read_text().split()) == {"--id=GPU-12ab"}


def test_the_processes_of_other_parts_of_a_gpu_do_not_count(tool, monkeypatch):
    monkeypatch.setattr(nvidia, "current", lambda: Gpu("3:1", "MIG-7", "GPU-12ab", "part"))
    tool(NEW.format(power=0, heat=0, pids="4711, 5\\n4712, 5\\n"))
    reading = read("gpu")
    assert (reading.temperature_c, reading.processes, reading.process_bytes) == (61, None, None)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 9", "known"),
        ("echo 'No devices were found'", "known"),
        ("printf '\\377\\000,,,\\n,'", "known"),
        ("true", "known"),
        ("exec sleep 60", "within"),
    ],
)
def test_a_useless_answer_leaves_null_and_a_reason(tool, monkeypatch, script, reason):
    monkeypatch.setattr(gpu_health, "TIMEOUT_SECONDS", 0.05 if "sleep" in script else 5.0)
    limits, processes, why = state(tool, script)
    assert (limits, processes) == (None, None)
    assert reason in why


def test_a_missing_nvidia_smi_is_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(nvidia, "current", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read("gpu").unknown == "nvidia-smi is not installed"


def test_an_nvidia_smi_that_cannot_be_started_is_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(nvidia, "current", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "nvidia-smi").write_text("not a program")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert "could not be started" in read("gpu").unknown
