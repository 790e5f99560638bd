"""docs/levelfield.yml: its own steps in a shell on a synthetic run, and how little each of its jobs may do."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from make_records import TF, failed, make_run, planned, scheduled, step_case, write_folder

from runners.harness.record import Status

yaml = pytest.importorskip("yaml", reason="the workflow is YAML: make test installs it")

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = yaml.safe_load((ROOT / "docs/levelfield.yml").read_text())
JOBS = WORKFLOW["jobs"]
CASE = step_case("cnn4", 1)
OLD, NEW = (dataclasses.replace(TF, version=version) for version in ("2.16.2", "2.21.0"))
PYTHON = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
MAKE = '#!/bin/sh\n# Sets up nothing: what it would install is there.\n[ "$*" = .venv/host ]\n'
GOES_ON = re.compile(r" \|\| \[ \$\? -eq (\d+) \]")


class Render:
    """A fresh machine that runs the job's scripts as the service would: one `bash -e` a step, until one fails."""

    def __init__(self, folder, python=PYTHON):
        self.folder = folder
        self.output, self.summary = folder / "output", folder / "summary"
        for path, text in (("bin/make", MAKE), (".venv/bin/python", python)):
            (folder / path).parent.mkdir(parents=True)
            (folder / path).write_text(text)
            (folder / path).chmod(0o755)

    def bring(self, run):
        """The records as the job `measure` uploads them: what its patterns name, from the folder that all share."""
        (upload,) = (step for step in JOBS["measure"]["steps"] if step.get("with", {}).get("name") == "records")
        (download,) = (step for step in JOBS["render"]["steps"] if step.get("with", {}).get("name") == "records")
        for pattern in upload["with"]["path"].split():
            for found in run.parents[1].glob(pattern):
                target = self.folder / download["with"]["path"] / found.relative_to(run.parent)
                target.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if found.is_dir() else shutil.copy)(found, target)

    def run(self):
        """(exit code of the last step that ran, its name or script, everything printed)."""
        own = {"GITHUB_OUTPUT": self.output, "GITHUB_STEP_SUMMARY": self.summary, "GITHUB_RUN_ATTEMPT": "1"}
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        env = {**os.environ, **WORKFLOW["env"], **own, "PATH": path, "PYTHONPATH": str(ROOT)}
        said = ""
        for step in (step for step in JOBS["render"]["steps"] if "run" in step):
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]], cwd=self.folder, env=env, capture_output=True, text=True, check=False
            )
            said += done.stdout + done.stderr
            if done.returncode:
                break
        return done.returncode, step.get("name", step["run"]), said

    @property
    def outputs(self):
        """What the steps told the service; nothing where none came so far."""
        return dict(line.split("=", 1) for line in self.output.read_text().split()) if self.output.exists() else {}


def a_run(tmp_path, name, slower=1.0, blocks=8, change=lambda records: records):
    """A run of the two versions that the workflow measures, as the launcher leaves it under results/."""
    run = make_run([planned(CASE, [OLD, NEW], blocks)], run_id=name)
    run = dataclasses.replace(run, started_at=f"2026-01-{blocks:02}T03:04:05Z")
    records = scheduled(run, lambda _, who: 0.05 * (slower if who == NEW else 1), scatter=0.004)
    return write_folder(tmp_path / f"measured {name}" / "results" / name, run, change(records))


def rendered(tmp_path, run, earlier=None):
    """The machine, after all its steps or the one that failed; and what `run` gave."""
    machine = Render(tmp_path / f"machine of {run.name}")
    machine.bring(run)
    if earlier:
        shutil.copytree(earlier, machine.folder / "site")
        (machine.folder / "site/.nojekyll").unlink()  # an artifact has no hidden files
    return machine, machine.run()


def test_what_the_workflow_compares_is_what_it_measures():
    env = WORKFLOW["env"]
    assert (env["BASE"], env["HEAD"]) == (OLD.label, NEW.label)
    assert env["FRAMEWORKS"].split(",") == [label.partition("/")[0] for label in (env["BASE"], env["HEAD"])]


def test_a_site_grows_from_run_to_run_and_the_gate_passes_equal_versions(tmp_path):
    first, (code, _, said) = rendered(tmp_path, a_run(tmp_path, "r1"))
    assert code == 0, said
    second, (code, _, said) = rendered(tmp_path, a_run(tmp_path, "r2", blocks=9), first.folder / "site")
    assert code == 0, said
    page = (second.folder / "site/index.html").read_text()
    assert re.findall(r'<h3><a href="runs/(r\d)/report.html">', page) == ["r2", "r1"]
    assert "no regression beyond the threshold" in second.summary.read_text()


def test_a_regression_fails_the_job_once_the_site_is_handed_on(tmp_path):
    machine, (code, step, _) = rendered(tmp_path, a_run(tmp_path, "r", 1.2))
    assert (code, step) == (4, "Fail on a regression")
    assert "REGRESSION" in machine.summary.read_text()
    (name,) = set(machine.outputs.values())
    (pages,) = (step for step in JOBS["render"]["steps"] if "upload-pages-artifact" in step.get("uses", ""))
    assert pages["with"]["name"].replace("${{ github.run_attempt }}", "1") == name
    assert JOBS["publish"]["steps"][0]["with"]["artifact_name"] == "${{ needs.render.outputs.site }}"


def test_failed_replicates_are_rendered_and_a_gate_without_a_test_fails(tmp_path):
    def broken(records):
        return [failed(one, Status.OOM, "OOM(host)", "killed") if one.block.number > 1 else one for one in records]

    machine, (code, step, _) = rendered(tmp_path, a_run(tmp_path, "r", change=broken))
    assert (code, step) == (1, "Fail on a regression")
    assert "No comparison came to a test" in machine.summary.read_text()
    assert "4 ok of 16 recorded" in (machine.folder / "site/index.html").read_text()
    assert machine.outputs


def test_a_foreign_folder_in_place_of_the_site_is_not_handed_on(tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / ".nojekyll").write_text("")
    (foreign / "index.html").write_text("<p>mine</p>")
    machine, (code, _, said) = rendered(tmp_path, a_run(tmp_path, "r"), foreign)
    assert code
    assert "which publish did not make" in said
    assert not machine.outputs


@pytest.mark.parametrize(("code", "goes_on"), [(0, True), (1, True), (2, False), (3, False), (70, False), (130, False)])
def test_the_workflow_goes_on_after_failed_cases_and_after_nothing_else(tmp_path, code, goes_on):
    machine = Render(tmp_path, f'#!/bin/sh\ncase "$*" in *" publish "*) exit {code};; esac\n')
    machine.run()
    assert bool(machine.outputs) is goes_on
    accepted = [GOES_ON.findall(step.get("run", "")) for job in JOBS.values() for step in job["steps"]]
    assert [codes for codes in accepted if codes] == [["1"], ["1"]], "of `bench` and of `publish`"


def test_each_job_may_do_what_it_must_and_no_more():
    assert WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "measure": {"contents": "read"},
        "history": {"actions": "read"},
        "render": {"contents": "read"},
        "publish": {"pages": "write", "id-token": "write"},
    }
    assert set(WORKFLOW[True]) == {"schedule", "workflow_dispatch"}, "`on`, which YAML reads as true"
    text = (ROOT / "docs/levelfield.yml").read_text()
    assert "secrets." not in text
    assert [name for name, job in JOBS.items() if "github.token" in str(job)] == ["history"]
    assert [name for name, job in JOBS.items() if "self-hosted" in job["runs-on"]] == ["measure"]
    assert not [step for step in JOBS["publish"]["steps"] if "run" in step], "what may write runs no code of ours"


def test_no_step_trusts_a_tag_a_kept_token_or_an_expression_in_a_script():
    steps = [step for job in JOBS.values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", one) for one in used)
    kept = [step["with"]["persist-credentials"] for step in steps if "actions/checkout@" in step.get("uses", "")]
    assert kept == [False, False]
    assert not [step for step in steps if "${{" in step.get("run", "")]
