"""Checks that /dev/shm is large enough for the workers' batches; workers that overrun it are killed silently."""

import os
import tempfile

from runners.harness.workload import Invalid

FOLDER = "/dev/shm"


def require_shared_memory(need: int) -> None:
    """Reserve `need` bytes for a moment. Raises Invalid if this fails."""
    try:
        with tempfile.TemporaryFile(dir=FOLDER) as probe:
            os.posix_fallocate(probe.fileno(), 0, need)
    except OSError as error:
        raise Invalid(
            "SHM",
            f"worker processes need {need / 2**20:.0f} MiB of shared memory and {FOLDER} has less ({error.strerror}); "
            f"give a container more: SHM={-(-need // 2**30)} (by hand docker run --shm-size={-(-need // 2**20)}m)",
        ) from error
