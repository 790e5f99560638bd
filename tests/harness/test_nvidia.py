"""The GPUs that `nvidia-smi` lists, and the GPU of this process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runners.harness import nvidia
from runners.harness.nvidia import Gpu

WHOLE = Gpu("1", "GPU-bbbb", "GPU-bbbb", "NVIDIA H100 PCIe")
PARTS = [
    Gpu(f"0:{number}", f"MIG-cc0{number}", "GPU-aaaa", f"NVIDIA A100 MIG {size}")
    for number, size in enumerate(("3g.20gb", "1c.3g.20gb"))
]
LISTED = """GPU 0: NVIDIA A100 (UUID: GPU-aaaa)
  MIG 3g.20gb     Device  0: (UUID: MIG-cc00)
  MIG 1c.3g.20gb  Device  1: (UUID: MIG-cc01)
GPU 1: NVIDIA H100 PCIe (UUID: GPU-bbbb)"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Installs a shell script as `nvidia-smi`, on a machine without CUDA."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(nvidia, "cuda_uuid", lambda: None)
    nvidia.current.cache_clear()

    def write(script: str) -> None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)

    return write


def test_a_divided_gpu_stands_for_its_parts(tool: Callable[[str], None]) -> None:
    tool(f"cat <<'END'\n{LISTED}\nEND")
    assert nvidia.listed() == [*PARTS, WHOLE]
    assert [gpu.is_part for gpu in nvidia.listed()] == [True, True, False]


def test_no_device_is_an_empty_list(tool: Callable[[str], None]) -> None:
    tool("echo 'No devices were found'")
    assert nvidia.listed() == []


def test_the_reason_of_a_failure_is_what_the_tool_says(tool: Callable[[str], None]) -> None:
    tool("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18")
    with pytest.raises(nvidia.Refused, match="version mismatch"):
        nvidia.listed()


def test_the_tool_of_windows_is_found_without_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100 PCIe (UUID: GPU-bbbb)'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(nvidia, "WSL_FOLDER", str(tmp_path))
    assert [gpu.uuid for gpu in nvidia.listed()] == ["GPU-bbbb"]


@pytest.mark.parametrize(
    ("own", "found"),
    [("cc01", PARTS[1]), ("bbbb", WHOLE), ("eeee", Gpu("?", "GPU-eeee", "GPU-eeee", "")), (None, None)],
)
def test_cuda_says_which_gpu_this_process_has(
    tool: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, own: str | None, found: Gpu | None
) -> None:
    tool(f"cat <<'END'\n{LISTED}\nEND")
    monkeypatch.setattr(nvidia, "cuda_uuid", lambda: own)
    assert nvidia.current() == found


def test_without_cuda_the_only_gpu_is_meant(tool: Callable[[str], None]) -> None:
    tool("echo 'GPU 1: NVIDIA H100 PCIe (UUID: GPU-bbbb)'")
    assert nvidia.current() == WHOLE
