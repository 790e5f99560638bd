"""The number formats of a device, from the kernel and the driver."""

import pytest

from runners.harness import precision
from runners.harness.precision import lacking


@pytest.mark.parametrize(
    ("flags", "asked", "said"),
    [
        ("fpu avx2", "fp32", ""),
        ("fpu avx2", "bf16", "does not compute in bf16"),
        ("fpu avx512_bf16", "bf16", ""),
        ("fpu amx_bf16", "bf16", ""),
        ("fpu avx512_bf16", "fp16", "does not compute in fp16"),
        ("fpu avx512_fp16", "fp16", ""),
        ("fpu avx512_bf16", "tf32", "only GPUs"),
        ("", "bf16", ""),  # without flags, nothing is known
    ],
)
def test_a_cpu_lacks_formats_that_its_flags_do_not_name(monkeypatch, flags, asked, said):
    monkeypatch.setattr(precision, "read_text", lambda _path: f"processor\t: 0\nflags\t\t: {flags}\n" if flags else "")
    precision.cpu_flags.cache_clear()
    found = lacking("cpu", asked)
    precision.cpu_flags.cache_clear()
    assert said in found
    assert bool(found) == bool(said)


@pytest.mark.parametrize(
    ("answer", "asked", "said"),
    [
        ("echo 9.0", "tf32", ""),
        ("echo 7.5", "tf32", "compute capability 7.5, tf32 needs 8"),
        ("echo 7.5", "bf16", "bf16 needs 8"),
        ("echo 7.5", "fp16", ""),
        ("echo '[N/A]'", "bf16", ""),
        ("exit 9", "bf16", ""),
    ],
)
def test_a_gpu_lacks_formats_of_later_generations(monkeypatch, tmp_path, answer, asked, said):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{answer}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    precision.gpu_capability.cache_clear()
    found = lacking("gpu", asked)
    precision.gpu_capability.cache_clear()
    assert said in found
    assert bool(found) == bool(said)
