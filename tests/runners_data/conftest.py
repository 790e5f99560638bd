"""Runs the probes in the frameworks' own Pythons."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from needs import ROOT

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


@pytest.fixture(scope="session")
def probe():
    """probe(framework, name, *arguments) runs a probe and returns its output."""

    def run(framework: str, script: str, *arguments: str) -> dict:
        python = ROOT / ".venvs" / framework / "bin" / "python"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
        command = [str(python), str(HERE / script), framework, *arguments]
        ended = subprocess.run(command, capture_output=True, env=environment, cwd=ROOT, timeout=300, check=False)
        assert ended.returncode == 0, ended.stderr.decode(errors="replace")[-4000:]
        return json.loads(ended.stdout.splitlines()[-1])

    return run
