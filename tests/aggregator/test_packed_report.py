"""The report's answer to: packed against loose files?"""

import dataclasses

import pytest
from make_records import TFDATA, TORCH_LOADER, compared, load_case, make_records, make_run, planned

from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import LoadedRun
from aggregator.report.build import build_report
from aggregator.report.loaders.packed import TITLE
from aggregator.report.loaders.tables import loader_tables
from runners.dali.framework import FRAMEWORK as DALI
from runners.harness.case import Competitor
from runners.jax.framework import FRAMEWORK as JAX
from runners.pytorch.framework import FRAMEWORK as PYTORCH
from runners.tensorflow.framework import FRAMEWORK as TENSORFLOW

WEBDATASET = dataclasses.replace(TORCH_LOADER, loader="webdataset")
TITLES = PYTORCH.titles | TENSORFLOW.titles | DALI.titles
PACKED = {"shards": "32", "packed_bytes": "25000000", "packed_seconds": "0.25", "loose_loader": "torch"}


def run_of(who, blocks=8, settings=PACKED, seconds=lambda _, who: 0.1 if who == WEBDATASET else 0.05):
    run = make_run([planned(load_case("normalize"), who, blocks)])
    run = dataclasses.replace(run, titles=TITLES)

    def told(record):
        if record.competitor.loader != WEBDATASET.loader:
            return record
        known = {**record.effective.settings, **settings}
        return dataclasses.replace(record, effective=dataclasses.replace(record.effective, settings=known))

    return run, tuple(map(told, make_records(run, seconds, scatter=0.001)))


def table_of(*arguments, **more):
    tables = {table.title: table for table in loader_tables(compared(*run_of(*arguments, **more)).cases)}
    return tables.get(TITLE)


def row_of(table):
    return dict(zip(table.columns, (cell.text for cell in table.rows[0]), strict=True))


def test_a_packed_loader_stands_beside_the_loader_that_decodes_alike():
    table = table_of([TORCH_LOADER, TFDATA, WEBDATASET])
    assert len(table.rows) == 1
    row = row_of(table)
    assert (row["packed"], row["loose"]) == ("PyTorch (WebDataset, plain)", "PyTorch (DataLoader, plain)")
    assert float(row["packed ÷ loose"].removesuffix("×")) == pytest.approx(0.5, rel=0.01)
    assert (row["shards"], row["size of the shards"]) == ("32", "23.8 MiB")
    assert row["packing"].startswith("250 ms")
    [line] = table.lines
    assert f"PyTorch (WebDataset, plain) is {row['packed ÷ loose'].removesuffix('×')} times as fast as" in line
    assert "times as fast as PyTorch (DataLoader, plain) (" in line
    assert line.endswith("8 blocks).")


@pytest.mark.parametrize(
    ("who", "settings"),
    [
        ([TORCH_LOADER, TFDATA, WEBDATASET], {}),
        ([TFDATA, WEBDATASET], PACKED),
        ([dataclasses.replace(TORCH_LOADER, variant="tuned"), WEBDATASET], PACKED),
        ([TORCH_LOADER, WEBDATASET], PACKED | {"loose_loader": "webdataset"}),
        ([TORCH_LOADER, TFDATA], PACKED),
    ],
)
def test_without_a_counterpart_there_is_no_comparison(who, settings):
    assert table_of(who, settings=settings) is None


def test_a_single_block_has_no_ratio():
    table = table_of([TORCH_LOADER, WEBDATASET], blocks=1)
    assert row_of(table)["packed ÷ loose"] == "–"
    assert table.lines[0].endswith("PyTorch (DataLoader, plain), too few blocks.")


def test_strange_facts_of_a_record_are_dashes():
    row = row_of(
        table_of([TORCH_LOADER, WEBDATASET], settings=PACKED | {"packed_bytes": "-1", "packed_seconds": "nan"})
    )
    assert (row["size of the shards"], row["packing"]) == ("–", "–")


def test_loaders_have_the_names_that_people_write():
    assert WEBDATASET.called(TITLES) == "PyTorch (WebDataset, plain)"
    assert Competitor("tensorflow", "tuned", "tfrecord").called(TITLES) == "TensorFlow (TFRecord, tuned)"
    assert Competitor("dali", "tuned", "dali").called(TITLES) == "NVIDIA DALI (CPU decoder, tuned)"
    assert WEBDATASET.called({}) == "pytorch (webdataset, plain)"
    assert TITLES["pytorch"] == "PyTorch"


@pytest.mark.parametrize("framework", [PYTORCH, TENSORFLOW, JAX, DALI])
def test_every_loader_has_such_a_name(framework):
    offered = {loader for workload in framework.workloads.values() for loader in workload.every_loader}
    assert offered == set(framework.loader_titles)


def test_the_answer_is_on_the_page():
    run, records = run_of([TORCH_LOADER, WEBDATASET])
    loaded = LoadedRun(run.run_id, run, records, ())
    [part] = build_report([loaded], analyse([loaded])).parts
    assert TITLE in [table.title for table in part.tables]
