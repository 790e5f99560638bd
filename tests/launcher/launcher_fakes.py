"""A fake engine, a fake framework in a temporary tree, and small makers of plans and records."""

import dataclasses
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from launcher.engines.engine import Job, Outcome
from launcher.errors import BuildFailed
from launcher.stop import Ending, Stop
from runners.harness.case import Block, Case, Competitor
from runners.harness.record import SCHEMA_VERSION, Check, Failure, Record, Samples, Status, write_record
from runners.harness.run import RUN_VERSION, Build, PlannedCase, Run, RunState

REPOSITORY = Path(__file__).resolve().parents[2]
A, B, C = Competitor("alpha", "eager"), Competitor("beta", "graph"), Competitor("gamma", "plain")
EXITED = Outcome(Ending.EXITED, 0)

Behaviour = Callable[[Record, Job, Stop], Outcome]


def case(**changes: object) -> Case:
    """A small inference case."""
    plain = Case("infer", "cpu", batch_size=8, seed=25, network="cnn4", input_size=32, scope="compute")
    return dataclasses.replace(plain, **changes)


def run_of(*cases: PlannedCase, seed: int = 7) -> Run:
    """A run that is about to start."""
    return Run(
        *(RUN_VERSION, "run-1", "test", "fake", "asked for", seed, "", RunState.RUNNING, ["bench"], {}, list(cases)),
        cpus=[0, 1],
        memory_bytes=2**31,
        commit="c0ffee",
        dirty=False,
    )


def ok(record: Record, job: Job, _stop: Stop) -> Outcome:
    """A runner that does what it should."""
    write_record(record, job.records)
    return EXITED


def failing(status: Status, kind: str) -> Behaviour:
    """A runner that says in its record what went wrong."""

    def behave(record: Record, job: Job, _stop: Stop) -> Outcome:
        write_record(dataclasses.replace(record, status=status, error=Failure(kind, "as told")), job.records)
        return Outcome(Ending.EXITED, 1)

    return behave


def scattered(cv: float, seed: int = 0, level: float = 1.0) -> Behaviour:
    """A runner whose processes differ by this much, normally distributed."""
    chance = random.Random(seed)

    def behave(record: Record, job: Job, stop: Stop) -> Outcome:
        step = round(level * 10_000_000 * max(0.1, 1 + cv * chance.gauss(0, 1)))
        return ok(dataclasses.replace(record, samples=Samples([step] * 50, 5, 8, step, 1, 1)), job, stop)

    return behave


def ending(outcome: Outcome) -> Behaviour:
    """A runner that leaves nothing."""
    return lambda _record, _job, _stop: outcome


def with_check(check: Check, code: int = 0) -> Behaviour:
    """A runner with certain evidence of its work."""

    def behave(record: Record, job: Job, _stop: Stop) -> Outcome:
        write_record(dataclasses.replace(record, check=check), job.records)
        return Outcome(Ending.EXITED, code)

    return behave


class FakeEngine:
    """Plays replicates from a script: (competitor label, block) or competitor label to a behaviour."""

    name = "fake"
    shares_host_memory = False

    def __init__(self, run: Run, script: dict[object, Behaviour] | None = None) -> None:
        self.run_plan, self.script = run, script or {}
        self.started: list[tuple[int, int, str]] = []
        self.jobs: list[Job] = []
        self.unbuildable: set[str] = set()

    def is_ready(self, program: str) -> bool:
        """All but those that the test names."""
        return program not in self.unbuildable

    def prepare(self, program: str) -> Build:
        """Fail for those that the test names."""
        if program in self.unbuildable:
            raise BuildFailed(f"{program}: no", "last line")
        return Build("as it is")

    def restore(self, program: str, build: Build) -> None:
        """Nothing ever changes."""

    def run(self, job: Job, stop: Stop) -> Outcome:
        """Play the script's behaviour, by default a good one."""
        options = dict(zip(job.order_arguments[::2], job.order_arguments[1::2], strict=True))
        number = int(job.record_id.split("-")[0][1:])
        competitor = job.competitor
        block = int(options["--block"])
        self.started.append((number, block, competitor.label))
        self.jobs.append(job)
        record = Record(
            schema_version=SCHEMA_VERSION,
            record_id=job.record_id,
            run_id=job.run_id,
            status=Status.OK,
            error=None,
            case=self.run_plan.cases[number].case,
            competitor=competitor,
            block=Block(
                block, int(options["--position"]), int(options["--sequence"]), int(options["--order-seed"]), "now"
            ),
            command=["fake"],
            samples=Samples([10, 10], 1, 8, 10, 1, 1),
        )
        job.log.write_text("first line\nlast line\n")
        behave = self.script.get((competitor.label, block)) or self.script.get(competitor.label) or ok
        return behave(record, job, stop)


def framework_tree(root: Path, name: str = "fake", body: str = "") -> Path:
    """A tree with one framework that needs the standard library only; `body` runs inside its step."""
    runners = root / "runners"
    (runners / name).mkdir(parents=True, exist_ok=True)
    if not (runners / "harness").exists():
        shutil.copytree(
            REPOSITORY / "runners" / "harness", runners / "harness", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copytree(
            REPOSITORY / "runners" / "reference", runners / "reference", ignore=shutil.ignore_patterns("__pycache__")
        )
        (runners / "__init__.py").write_text('"""Runners."""\n')
    (runners / name / "__init__.py").write_text('"""A fake."""\n')
    (runners / name / "__main__.py").write_text(
        "import sys\nfrom runners.harness.cli import main\n"
        f"from runners.{name}.framework import FRAMEWORK\nsys.exit(main(FRAMEWORK))\n"
    )
    (runners / name / "framework.py").write_text(
        "from runners.harness.workload import Framework, Workload\n"
        "INFER = Workload(('only',), networks=('cnn4',), scopes=('compute',))\n"
        f"FRAMEWORK = Framework({name!r}, (), {{'infer': INFER}})\n"
    )
    (runners / name / "infer.py").write_text(INFER.replace("# BODY", body or "pass"))
    (root / "images" / name).mkdir(parents=True, exist_ok=True)
    (root / "profiles").mkdir(exist_ok=True)
    (root / "profiles" / "tiny.toml").write_text(TINY)
    return root


def keeping_compiled_code(tree: Path, name: str = "fake") -> Path:
    """The tree, its framework now one that keeps what it compiled."""
    runner = tree / "runners" / name / "infer.py"
    keep = "(request.compiler_cache / 'code').write_text('compiled')"
    runner.write_text(runner.read_text().replace("(request):\n", f"(request):\n    {keep}\n"))
    return tree


INFER = """
import os, signal, socket, sys, time
from runners.harness.record import Check
from runners.harness.workload import Seen, StepWork


def step():
    # BODY


def prepare(request):
    seen = Seen("cpu", "fp32", request.threads, request.threads)
    return StepWork(step, lambda: None, request.case.batch_size, lambda: Check(trainable=1), lambda: seen, lambda: None)
"""

TINY = """
description = "one case"
blocks = 2
timeout = 30

[sampling]
warmup_steps = 1
min_steps = 2
max_steps = 3
min_seconds = 0.0

[[cases]]
workload = "infer"
network = "cnn4"
input_size = 32
batch_size = 4
"""
