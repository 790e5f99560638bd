"""Resumes a run: with its settings, its data sets and the rest of its time budget."""

import dataclasses

from launcher.datasets.assignment import Dataset, is_still, read
from launcher.errors import UsageError
from launcher.options import SETTINGS, USUAL, Options
from launcher.plan.estimate import spent
from launcher.plan.own_model import is_still as is_still_model
from launcher.run.folder import RunFolder, load, model_of, text_to_path
from launcher.run.session import Session
from runners.harness.run import Run, RunState


def resume(folder: RunFolder, options: Options) -> Session:
    """The run of the folder. Raises UsageError where other settings are asked for, or where the data changed."""
    run = load(folder)
    for name in (name for name in SETTINGS if name != "budget"):
        asked, before = options.given.get(name), run.settings.get(name)
        as_it_is = (run.settings.get(name, USUAL.get(name)), *([run.engine] if name == "engine" else []))
        if asked is None or asked in as_it_is:
            continue
        was = "not given" if before is None else repr(before)
        raise UsageError(
            f"run {run.run_id} was made with {name} {was}, now asked {asked!r}; leave it out, or start a new run"
        )
    if options.budget is not None and run.state is RunState.COMPLETE:
        run = _continued(run, folder, options.budget)
    elif options.budget is not None and (options.budget != run.budget_seconds or not run.budget_cuts_planned):
        settings = run.settings | {"budget": options.given["budget"]}
        run = dataclasses.replace(run, budget_seconds=options.budget, settings=settings)
    for case in (one.case for one in run.cases if one.competitors and one.case.model):
        if not is_still_model(model := model_of(run), case):
            raise UsageError(f"{model}: it changed since run {run.run_id} began, or is gone; start a new run")
    return Session(folder, dataclasses.replace(run, state=RunState.RUNNING), datasets_of(run, folder))


def datasets_of(run: Run, folder: RunFolder) -> dict[str, Dataset]:
    """The data set of each workload of the run. Raises UsageError where it is not as it was when the run began."""
    datasets: dict[str, Dataset] = {}
    for case in (one.case for one in run.cases if one.competitors and one.case.dataset):
        if case.workload not in run.manifests:
            raise UsageError(f"{folder.path}: cannot be resumed (no manifest for {case.workload}); start a new run")
        manifest = text_to_path(run.manifests[case.workload])
        if case.workload not in datasets:
            datasets[case.workload] = read(manifest)
        if not is_still(datasets[case.workload], case):
            raise UsageError(f"{manifest}: the data changed since run {run.run_id} began; start a new run")
    return datasets


def _continued(run: Run, folder: RunFolder, seconds: float) -> Run:
    """The complete run with more time for the comparisons that are still open."""
    if run.stopping is None:
        raise UsageError(
            f"run {run.run_id} is complete, and its number of blocks was fixed: to add some after looking at the "
            "result would make its test wrong; start a new run"
        )
    total = spent(folder.path) + seconds
    return dataclasses.replace(run, budget_seconds=total, continued=[*run.continued, len(run.extensions)])
