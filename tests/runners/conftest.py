"""Runs jobs in the frameworks' own Pythons, with one process for each framework, which lives as long as the tests."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from needs import ROOT

HERE = Path(__file__).resolve().parent
SCRIPTS = {"onnxruntime": "probe_onnxruntime.py"}
"""Frameworks with a probe of their own, which can do more than tests/runners/probe_steps.py."""
sys.path.insert(0, str(HERE))


class Probe:
    """A framework's Python with the framework imported. It answers each line, a list of jobs, with a list."""

    def __init__(self, framework: str) -> None:
        answers, to = os.pipe()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        self._process = subprocess.Popen(
            [
                ROOT / ".venvs" / framework / "bin" / "python",
                HERE / SCRIPTS.get(framework, "probe_steps.py"),
                framework,
                f"{to}",
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TF_CPP_MIN_LOG_LEVEL": "3",
                # The probe imports ONNX Runtime before the runner, which turns its telemetry off, is imported.
                "ORT_DISABLE_TELEMETRY": "1",
                "CUDA_VISIBLE_DEVICES": "-1",
            },
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            pass_fds=[to],
        )
        os.close(to)
        self._answers = os.fdopen(answers)

    def ask(self, jobs: list) -> list:
        """The answer to each job."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(jobs).encode() + b"\n")
        self._process.stdin.flush()
        line = self._answers.readline()
        if not line:
            self._log.seek(0)
            raise AssertionError(f"the probe ended: {self._log.read().decode(errors='replace')[-3000:]}")
        return json.loads(line)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._log.close()


@pytest.fixture(scope="session")
def carry_out():
    """carry_out(framework, jobs): the answer to each job, from a process that starts once."""
    probes: dict[str, Probe] = {}

    def ask(framework: str, jobs: list) -> list:
        if framework not in probes:
            probes[framework] = Probe(framework)
        return probes[framework].ask(jobs)

    yield ask
    for probe in probes.values():
        probe.end()
