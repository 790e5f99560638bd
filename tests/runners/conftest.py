"""Answers of the frameworks' own Pythons, asked once a session."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def carry_out():
    """carry_out(framework, jobs, **environment): the answers of tests/runners/probe_steps.py to `jobs`."""

    def ask(framework, jobs, **environment):
        python = ROOT / ".venvs" / framework / "bin" / "python"
        command = [python, Path(__file__).with_name("probe_steps.py"), framework, json.dumps(jobs)]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
        done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return ask
