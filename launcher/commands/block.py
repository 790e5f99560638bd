"""`block`: what a job of ENGINE=slurm runs on its node, which is one block of a run."""

import dataclasses
import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from launcher import gpus, machine
from launcher.engines.engine import Limits
from launcher.engines.selection import select
from launcher.errors import Interrupted, LauncherError, UsageError
from launcher.run.folder import RunFolder, load
from launcher.run.replicate import Replicator
from launcher.run.resuming import datasets_of
from launcher.slurm.files import Result, read_blocks, result_path, run_folder, write_result
from launcher.stop import Stop
from launcher.text import say
from method.schedule import run_schedule

HELP = "measure a block; the jobs of --engine slurm run this on their nodes"
TASK, NODE = "SLURM_ARRAY_TASK_ID", "SLURMD_NODENAME"


def add(parser: ArgumentParser) -> None:
    """Its argument."""
    parser.add_argument("blocks", type=Path, help="the list of the array's blocks, in the folder of the run")


def run(root: Path, given: Namespace, stop: Stop) -> int:
    """Measure the block of this task. The result that it leaves ends the wait of the launcher that submitted it."""
    task, blocks = os.environ.get(TASK, ""), read_blocks(given.blocks)
    if not task.isdigit() or int(task) >= len(blocks):
        raise UsageError(f"{TASK} is {task!r}; {given.blocks} lists {len(blocks)} blocks")
    with stop.on_signals():
        try:
            result = _measured(root, run_folder(given.blocks), blocks[int(task)], stop)
        except Interrupted:
            raise  # Slurm ends the job, and may start it again: without a result the block is still to be measured
        except LauncherError as error:
            result = Result(_node(), fault=str(error), code=error.code)
    write_result(result_path(given.blocks, int(task)), result)
    return result.code


def _measured(root: Path, folder: RunFolder, record_ids: list[str], stop: Stop) -> Result:
    run = load(folder)
    device = run.settings.get("device", "cpu")
    cpus, memory = machine.cpu_set(run.settings.get("cpus", "")), run.memory_bytes or machine.default_memory()
    gpu = gpus.asked(device, "")
    limits = Limits(cpus, memory, gpu=gpu, more_gpus=gpus.further(gpu, run.cases))
    engine, _ = select(root, run.engine, limits, device, stop)
    due = [replicate for replicate in run_schedule(run) if replicate.record_id in record_ids]
    for program in {replicate.competitor.program for replicate in due}:
        engine.restore(program, run.builds[program])
    # A run on nodes names no CPUs: each node has its own, and a job has all of its node's.
    here = dataclasses.replace(run, cpus=list(cpus))
    replicator = Replicator(folder, here, engine, datasets_of(run, folder), stop)
    seconds = {}
    for replicate in due:
        found = replicator.measure(replicate)
        if found is None:
            raise Interrupted("Slurm ended the job before its block was measured")
        record, seconds[replicate.record_id] = found
        say(f"{replicate.record_id}: {record.status} in {found[1]:.1f} s")
    return Result(_node(), seconds, replicator.flags)


def _node() -> str:
    return os.environ.get(NODE, "")
