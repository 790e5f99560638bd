"""CSV and Parquet: what pandas reads back is what the records hold."""

import csv
import dataclasses

import numpy as np
import pandas as pd
import pytest
from make_records import (
    HOST,
    TF,
    TF_FIT,
    TORCH,
    TORCH_FIT,
    failed,
    fit_case,
    load_case,
    make_run,
    planned,
    scheduled,
    step_case,
    write_folder,
)
from make_records import SPDL as LOADER

from aggregator.cli import main
from aggregator.commands.shared import NOT_WRITABLE, OK, USAGE
from aggregator.export import csv_parquet
from method.statistic import seconds
from runners.harness.case import Competitor
from runners.harness.record import Status

STEP, LOAD, FIT = step_case(), load_case(), fit_case()
READ = {"csv": lambda path: pd.read_csv(path, keep_default_na=False, na_values=[""]), "parquet": pd.read_parquet}


def run_of_everything():
    run = make_run([planned(STEP, [TORCH, TF], 3), planned(LOAD, [LOADER], 3), planned(FIT, [TORCH_FIT, TF_FIT], 3)])
    records = scheduled(run)
    records[0] = failed(records[0], Status.CRASHED, "CRASH", "exit 139")
    return run, records


def export(folder, suffix, capsys):
    """(replicates, samples) as pandas reads them."""
    assert main(["export", str(folder), "--format", suffix, "--out", str(folder / suffix)]) == OK
    paths = capsys.readouterr().out.splitlines()
    assert [path.rpartition("/")[2] for path in paths] == [f"replicates.{suffix}", f"samples.{suffix}"]
    return [READ[suffix](path) for path in paths]


@pytest.mark.parametrize("suffix", READ)
@pytest.mark.parametrize("batch", [1, 100_000])
def test_both_tables_hold_what_the_records_hold(tmp_path, capsys, monkeypatch, suffix, batch):
    monkeypatch.setattr(csv_parquet, "BATCH", batch)
    run, records = run_of_everything()
    replicates, samples = export(write_folder(tmp_path / "r", run, records), suffix, capsys)
    assert list(replicates.record_id) == [record.record_id for record in records]
    assert list(replicates.status) == ["crashed"] + ["ok"] * (len(records) - 1)
    assert replicates.error_message[0] == "exit 139"
    assert set(samples.record_id) == {record.record_id for record in records[1:]}
    by_id = samples.groupby("record_id", sort=False)
    for record, (_, row) in zip(records[1:], replicates[1:].iterrows(), strict=True):
        assert (row.competitor, row.block, row.host) == (record.competitor.label, record.block.number, "0123456789ab")
        assert (row.case, row.run, row.environment) == (record.case.label, "run-1", 1)
        assert row.seconds == pytest.approx(seconds(record))
        assert row.rss_peak_bytes == record.resources.rss_peak_bytes
        mine, of = by_id.get_group(record.record_id), record.samples
        times = [of.stage_ns["train"]] if record.case == FIT else of.step_ns
        assert np.round(mine.seconds * 1e9).astype(int).tolist() == times
        assert mine.step.tolist() == list(range(len(times)))
        assert mine.warm_up.sum() == of.warmup_steps
        assert mine.workload.unique().tolist() == [record.case.workload]


@pytest.mark.parametrize("suffix", READ)
def test_what_is_unknown_is_missing_and_never_zero(tmp_path, capsys, suffix):
    replicates, samples = export(write_folder(tmp_path / "r", *run_of_everything()), suffix, capsys)
    assert replicates.gpu.isna().all()
    energy = [name for name in replicates.columns if "energy" in name]
    assert len(energy) == 7
    assert replicates[energy].isna().all(axis=None)
    assert replicates.seconds.isna().tolist() == [True] + [False] * (len(replicates) - 1)
    assert samples[samples.workload == "infer"].workers.isna().all()


@pytest.mark.parametrize("suffix", READ)
def test_energy_is_exported_for_the_window_an_image_and_a_step(tmp_path, capsys, suffix):
    run = make_run([planned(STEP, [TORCH], 1)])
    (record,) = scheduled(run)
    steps = len(record.samples.step_ns)
    counted = {"energy_joules": 3.0 * steps, "energy_counters": ["package-0", "package-0 dram"]}
    record = dataclasses.replace(record, resources=dataclasses.replace(record.resources, **counted))
    (row,) = export(write_folder(tmp_path / "r", run, [record]), suffix, capsys)[0].itertuples()
    assert (row.energy_joules, row.energy_counters) == (3.0 * steps, "package-0, package-0 dram")
    assert row.energy_joules_per_step == pytest.approx(3.0)
    assert row.energy_joules_per_image == pytest.approx(3.0 / record.samples.items_per_step)


@pytest.mark.parametrize("suffix", READ)
def test_same_records_give_the_same_bytes(tmp_path, capsys, suffix):
    run, records = run_of_everything()
    for name in ("one", "two"):
        export(write_folder(tmp_path / name, run, records), suffix, capsys)
    for table in ("replicates", "samples"):
        one, two = (tmp_path / name / suffix / f"{table}.{suffix}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def hostile(tmp_path, name):
    """A run in which a framework, a network and a package have this name."""
    run = make_run([planned(dataclasses.replace(STEP, network=name), [Competitor(name, "v")], 1)])
    host = dataclasses.replace(HOST, packages={name: name}, cpu_model=name)
    records = [dataclasses.replace(one, record_id="r0", host=host) for one in scheduled(run)]
    return write_folder(tmp_path / "r", run, records)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\x00=1", "\u200b=1"])
def test_no_cell_of_a_csv_file_starts_a_formula(tmp_path, capsys, name):
    folder = hostile(tmp_path, name)
    replicates, _ = export(folder, "csv", capsys)
    for table in ("replicates", "samples"):
        with (folder / f"csv/{table}.csv").open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\x00"))]
    assert replicates.framework[0].lstrip("'").lstrip("\ufffd") == name.strip("\t\r \x00\u200b")
    assert export(folder, "parquet", capsys)[0].framework[0].lstrip("\ufffd") == name.strip("\t\r \x00\u200b")


def test_quotes_commas_and_lines_stay_in_one_cell(tmp_path, capsys):
    replicates, samples = export(hostile(tmp_path, 'a",\nb'), "csv", capsys)
    assert (len(replicates), replicates.framework[0]) == (1, 'a", b')
    assert len(samples) == 80


def test_environments_and_runs_are_told_apart(tmp_path):
    run = make_run([planned(STEP, [TORCH], 4)])
    hosts = [HOST, dataclasses.replace(HOST, kernel="7")]
    records = [dataclasses.replace(one, host=hosts[one.block.number > 1]) for one in scheduled(run)]
    first = write_folder(tmp_path / "r", run, records)
    other = make_run([planned(STEP, [TORCH], 1)], "run-2")
    second = write_folder(tmp_path / "s", other, scheduled(other))
    assert main(["export", str(first), str(second), "--format", "parquet", "--out", str(tmp_path / "o")]) == OK
    read = pd.read_parquet(tmp_path / "o/replicates.parquet")
    assert list(zip(read.run, read.environment, strict=True)) == [("run-1", 1)] * 2 + [("run-1", 2)] * 2 + [
        ("run-2", 3)
    ]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, capsys, monkeypatch):
    folder = write_folder(tmp_path / "r", *run_of_everything())
    export(folder, "csv", capsys)
    before = (folder / "csv/samples.csv").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv_parquet, "_inert", full)
    arguments = ["export", str(folder), "--format", "csv", "--out"]
    assert main([*arguments, str(folder / "csv")]) == NOT_WRITABLE
    assert "No space left on device" in capsys.readouterr().err
    assert (folder / "csv/samples.csv").read_bytes() == before
    assert sorted(path.name for path in (folder / "csv").iterdir()) == ["replicates.csv", "samples.csv"]
    assert main([*arguments, "/proc/nowhere"]) == NOT_WRITABLE
    assert main(["export", str(folder), "--format", "parqet", "--out", str(tmp_path)]) == USAGE
    assert "did you mean parquet?" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", READ)
def test_competitors_and_cases_that_read_the_same_are_told_apart(tmp_path, capsys, suffix):
    cases = [dataclasses.replace(STEP, network=f"n\u200b{char}") for char in "\u200b\u200c"]
    pair = [Competitor(f"fw{char}", "v") for char in "\u200b\u200c"]
    run = make_run([planned(case, pair, 2) for case in cases])
    records = [dataclasses.replace(one, record_id=f"r{index}") for index, one in enumerate(scheduled(run))]
    for table in export(write_folder(tmp_path / "r", run, records), suffix, capsys):
        assert set(table.competitor) == {"fw\ufffd/v", "fw\ufffd/v-2"}
        assert table.groupby(["case", "competitor"]).record_id.nunique().tolist() == [2] * 4
        assert set(table.framework) == {"fw\ufffd"}
