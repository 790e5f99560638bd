"""pyperf suites: what pyperf reads back is what the records hold."""

import dataclasses
import socket
import subprocess
import sys

import pyperf
import pytest
from make_records import (
    HOST,
    TF,
    TF_FIT,
    TFDATA,
    TORCH,
    TORCH_FIT,
    TORCH_LOADER,
    failed,
    fit_case,
    load_case,
    make_run,
    planned,
    scheduled,
    step_case,
    write_folder,
)

from aggregator.cli import main
from aggregator.commands.shared import NOT_WRITABLE, OK, SOME_FAILED, USAGE
from method.statistic import retained
from runners.harness.case import Competitor
from runners.harness.record import Status

STEP, LOAD, FIT = step_case(), load_case(), fit_case()


def every_workload():
    pairs = ((STEP, [TORCH, TF]), (LOAD, [TORCH_LOADER, TFDATA]), (FIT, [TORCH_FIT, TF_FIT]))
    run = make_run([planned(case, competitors, 3) for case, competitors in pairs])
    records = scheduled(run)
    records[0] = failed(records[0], Status.CRASHED, "CRASH", "exit 139")
    return run, records


def export(folder, *more):
    return main(["export", str(folder), "--format", "pyperf", "--out", str(folder / "pyperf"), *more])


def test_values_warm_ups_and_facts_are_those_of_the_records(tmp_path, capsys):
    run, records = every_workload()
    folder = write_folder(tmp_path / "r", run, records)
    assert export(folder) == OK
    made = capsys.readouterr().out.splitlines()
    assert len(made) == 6
    for competitor, case in ((TORCH, STEP), (TF, STEP), (TORCH_LOADER, LOAD), (TF_FIT, FIT)):
        mine = [one for one in records if (one.case, one.competitor, one.status) == (case, competitor, Status.OK)]
        name = ".".join(part for part in (competitor.framework, competitor.loader, competitor.variant) if part)
        suite = pyperf.BenchmarkSuite.load(str(folder / "pyperf" / f"{name}.json"))
        (benchmark,) = suite.get_benchmarks()
        assert benchmark.get_name() == case.label
        mine.sort(key=lambda one: one.block.number)
        runs = benchmark.get_runs()
        assert len(runs) == len(mine)
        for one, record in zip(runs, mine, strict=True):
            steps = [record.samples.stage_ns["train"]] if case is FIT else retained(record.samples)
            assert one.values == pytest.approx([step / 1e9 for step in steps])
            warm = record.samples.step_ns[: record.samples.warmup_steps]
            assert [value for _, value in one.warmups] == pytest.approx([step / 1e9 for step in warm])
            facts = one.get_metadata()
            assert (facts["hostname"], facts["record_id"]) == (HOST.hostname_digest, record.record_id)


def test_pyperf_itself_takes_the_files(tmp_path):
    folder = write_folder(tmp_path / "r", *every_workload())
    export(folder)
    ours, theirs = (str(folder / "pyperf" / f"{name}.json") for name in ("pytorch.eager", "tensorflow.graph"))
    for arguments in (["stats", ours], ["check", ours], ["compare_to", ours, theirs, "--table"], ["metadata", ours]):
        done = subprocess.run([sys.executable, "-m", "pyperf", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_nothing_of_the_exporting_machine_is_added(tmp_path):
    folder = write_folder(tmp_path / "r", *every_workload())
    export(folder)
    text = (folder / "pyperf/pytorch.eager.json").read_text()
    assert socket.gethostname() not in text
    assert "boot_time" not in text


def test_hostile_names_make_plain_files(tmp_path):
    who = Competitor("../../x\n", "v" * 300, "")
    twin = Competitor("../../x\r", "v" * 300, "")
    case = dataclasses.replace(STEP, network="\n\x00")
    twins = dataclasses.replace(case, seed=26)
    run = make_run([planned(case, [who, twin], 1), planned(twins, [who, twin], 1)])
    records = [
        dataclasses.replace(one, block=dataclasses.replace(one.block, started_at="noon\n")) for one in scheduled(run)
    ]
    for index, record in enumerate(records):
        records[index] = dataclasses.replace(record, record_id=f"r{index}")
    folder = write_folder(tmp_path / "r", run, records)
    assert export(folder) == OK
    made = sorted(path.name for path in (folder / "pyperf").iterdir())
    assert len(made) == 2
    assert all(name.startswith("______x_.v") for name in made)
    for name in made:
        assert len(pyperf.BenchmarkSuite.load(str(folder / "pyperf" / name)).get_benchmarks()) == 2


def test_no_file_takes_anothers_name(tmp_path):
    """One competitor is called what a second file of another would be."""
    names = [("x", "v\n"), ("x", "v\r"), ("x", "v_-2")]
    run = make_run([planned(STEP, [Competitor(one, two) for one, two in names], 1)])
    records = [dataclasses.replace(one, record_id=f"r{index}") for index, one in enumerate(scheduled(run))]
    folder = write_folder(tmp_path / "r", run, records)
    assert export(folder) == OK
    assert len(list((folder / "pyperf").iterdir())) == 3


def test_errors_are_for_people(tmp_path, capsys):
    run, records = every_workload()
    folder = write_folder(tmp_path / "r", run, records)
    assert export(folder, "--format", "pyprf") == USAGE
    assert "did you mean pyperf?" in capsys.readouterr().err
    assert export(folder, "--out", "/proc/nowhere") == NOT_WRITABLE
    assert "cannot write" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "s"), "--out", str(tmp_path)]) == USAGE
    (folder / "records/bad.json").write_text("{")
    assert export(folder) == SOME_FAILED
    assert "left out: bad.json" in capsys.readouterr().err
    nothing = write_folder(tmp_path / "n", run, [failed(one, Status.OOM, "OOM(host)", "killed") for one in records])
    assert export(nothing) == USAGE
    assert "nothing to export" in capsys.readouterr().err


def test_suites_of_an_earlier_export_are_removed_and_nothing_else(tmp_path):
    run, records = every_workload()
    many, out = write_folder(tmp_path / "many", run, records), tmp_path / "out"
    few = make_run([planned(STEP, [TORCH], 2)], run_id="few")
    few_folder = write_folder(tmp_path / "few", few, scheduled(few))
    both = ["export", str(many), str(few_folder), "--format", "pyperf", "--out", str(out)]
    assert main(both) == OK
    theirs = pyperf.BenchmarkSuite([pyperf.Benchmark([pyperf.Run([1.0], metadata={"name": "theirs"})])])
    theirs.dump(str(out / "theirs.json"))
    others = {"empty.json": "", "list.json": "[]", "deep.json": "[" * 100_000, "suite.txt": "mine"}
    for name, text in others.items():
        (out / name).write_text(text)
    (out / "record.json").write_bytes(next((many / "records").iterdir()).read_bytes())
    (out / "link.json").symlink_to(out / "pytorch.eager.json")
    assert (out / "environment-2/pytorch.eager.json").is_file()
    assert export(few_folder, "--out", str(out)) == OK
    left = {path.name for path in out.rglob("*.*")}
    assert left == {"pytorch.eager.json", "theirs.json", "record.json", "link.json", *others}


@pytest.mark.parametrize("place", ["records", "records/more", "pilots/records", "link"])
def test_nothing_is_exported_among_the_records(tmp_path, capsys, place):
    folder = write_folder(tmp_path / "r", *every_workload())
    (folder / "link").symlink_to("records")
    before = sorted(folder.rglob("*"))
    for form in ("pyperf", "benchmark-action"):
        assert export(folder, "--format", form, "--out", str(folder / place)) == USAGE
        assert "is reserved for the records of the run; give another --out DIR" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "command", [["report", "r"], ["merge", "r", "r"], ["export", "r"], ["publish", "r", "--site", ""]]
)
def test_an_empty_name_is_not_the_current_folder(tmp_path, monkeypatch, capsys, command):
    write_folder(tmp_path / "r", *every_workload())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main([*command, *([] if "--site" in command else ["--out", ""])])
    assert stopped.value.code == USAGE
    assert "empty; name a folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["r"]
