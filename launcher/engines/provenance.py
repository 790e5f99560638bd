"""Facts that only the launcher knows. It passes them to the runner, which writes them into the record."""

import json
import socket

from launcher.engines.engine import Job
from launcher.text import printable
from runners.harness.nvidia import Gpu

VARIABLE = "LEVELFIELD_PROVENANCE"


def handed_down(job: Job, engine: str, gpu: Gpu | None, command: list[str], **more: object) -> str:
    """The value of the environment variable: engine, GPU, commit, host, and the command that repeats it by hand."""
    facts = {
        **job.provenance,
        "engine": engine,
        "gpu": gpu.uuid if gpu else None,
        "hostname": socket.gethostname(),
        "command": [printable(word) for word in command],
        **more,
    }
    return json.dumps(facts, ensure_ascii=True)
