"""OpenMetrics and the form of benchmark-tracking actions: each number is that of the records, each name its own."""

import dataclasses
import json
import math

import numpy as np
import pytest
from make_records import TF, TORCH, failed, fit_case, make_run, planned, scheduled, step_case, write_folder
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from scipy import stats

from aggregator.cli import main
from aggregator.commands.shared import OK, USAGE
from method.statistic import seconds
from runners.harness.case import Competitor
from runners.harness.record import Status

STEP = step_case()


def export(folder, form):
    """The text of the one file that is made."""
    assert main(["export", str(folder), "--format", form, "--out", str(folder / form)]) == OK
    (path,) = (folder / form).iterdir()
    return path.read_text()


def gauges(text):
    """{metric: {(case, competitor): value}}, as a parser of the format reads them; it refuses a series met twice."""
    return {
        family.name: {(one.labels["case"], one.labels["competitor"]): one.value for one in family.samples}
        for family in text_string_to_metric_families(text)
    }


def two_sided(tmp_path, blocks=8):
    run = make_run([planned(STEP, [TORCH, TF], blocks), planned(fit_case(), [TORCH], blocks)])
    records = scheduled(run, lambda _, who: 0.05 * (1.2 if who == TF else 1))
    records[0] = failed(records[0], Status.OOM, "OOM(host)", "killed")
    return write_folder(tmp_path / "r", run, records), records


def expected(records, case, competitor):
    """(n, geometric mean, low, high) by scipy, from the records."""
    logs = [
        math.log(seconds(one)) for one in records if (one.case, one.competitor, one.status) == (case, competitor, "ok")
    ]
    low, high = stats.ttest_1samp(logs, 0).confidence_interval()
    return len(logs), math.exp(np.mean(logs)), math.exp(low), math.exp(high)


def test_gauges_are_those_of_the_records(tmp_path):
    folder, records = two_sided(tmp_path)
    text = export(folder, "openmetrics")
    assert text.endswith("# EOF\n")
    assert "# TYPE levelfield_time_seconds gauge\n# UNIT levelfield_time_seconds seconds\n" in text
    found = gauges(text)
    for competitor in (TORCH, TF):
        key = (STEP.label, competitor.label)
        names = ("replicates", "time_seconds", "time_low_seconds", "time_high_seconds")
        assert [found[f"levelfield_{name}"][key] for name in names] == pytest.approx(
            expected(records, STEP, competitor)
        )
        peaks = [
            one.resources.rss_peak_bytes
            for one in records
            if (one.case, one.competitor, one.status) == (STEP, competitor, "ok")
        ]
        assert found["levelfield_peak_memory_bytes"][key] == np.median(peaks)
    assert len(found["levelfield_time_seconds"]) == 3


def test_one_replicate_has_no_interval(tmp_path):
    run = make_run([planned(STEP, [TORCH], 1)])
    folder = write_folder(tmp_path / "r", run, scheduled(run))
    found = gauges(export(folder, "openmetrics"))
    assert len(found["levelfield_time_seconds"]) == 1
    assert found["levelfield_time_low_seconds"] == found["levelfield_time_high_seconds"] == {}
    (entry,) = json.loads(export(folder, "benchmark-action"))
    assert "range" not in entry


def test_the_actions_form_is_a_list_of_smaller_is_better(tmp_path):
    folder, records = two_sided(tmp_path)
    entries = json.loads(export(folder, "benchmark-action"))
    assert len({entry["name"] for entry in entries}) == 3
    (entry,) = (one for one in entries if one["name"] == f"{STEP.label} · {TF.label}")
    n, middle, low, high = expected(records, STEP, TF)
    assert entry["value"] == pytest.approx(middle)
    assert float(entry["range"].removeprefix("± ")) == pytest.approx((high - low) / 2, rel=0.01)
    assert (entry["unit"], entry["extra"]) == ("s", f"n {n}, run run-1")


@pytest.mark.parametrize("form", ["openmetrics", "benchmark-action"])
def test_same_records_give_the_same_bytes_and_nothing_ok_gives_none(tmp_path, form):
    folder, _ = two_sided(tmp_path)
    assert export(folder, form) == export(folder, form)
    run = make_run([planned(STEP, [TORCH], 1)])
    nothing = write_folder(
        tmp_path / "n", run, [failed(one, Status.OOM, "OOM(host)", "killed") for one in scheduled(run)]
    )
    assert main(["export", str(nothing), "--format", form, "--out", str(nothing / "o")]) == USAGE
    assert not (nothing / "o").exists()


def test_a_series_keeps_its_name_whatever_the_order_of_the_runs(tmp_path):
    """Two machines are told apart by what they are, two runs of one machine by their ids."""
    folders = []
    for name, machine, level in (("a", "one", 0.01), ("b", "two", 0.02), ("c", "two", 0.03)):
        run = make_run([planned(STEP, [TORCH], 2)], run_id=name)
        records = [
            dataclasses.replace(one, host=dataclasses.replace(one.host, hostname_digest=machine))
            for one in scheduled(run, lambda *_, seconds=level: seconds)
        ]
        folders.append(str(write_folder(tmp_path / name, run, records)))
    read = []
    for index, order in enumerate((folders, folders[::-1], folders[:1])):
        out = tmp_path / f"out{index}"
        assert main(["export", *order, "--format", "benchmark-action", "--out", str(out)]) == OK
        read.append({one["name"]: one["value"] for one in json.loads((out / "benchmark.json").read_text())})
    series = f"{STEP.label} · pytorch/eager"
    where = [f"Example CPU 2 GHz, 2 CPUs, machine {name}" for name in ("one", "two · run b", "two · run c")]
    assert read[0] == read[1]
    assert set(read[0]) == {f"{series} · {one}" for one in where}
    assert set(read[2]) == {series}


def test_hostile_names_stay_labels_and_stay_apart(tmp_path):
    first, second = (Competitor(f'x"\\}} 1{char}# EOF `|<b>', "v") for char in "\n\r")
    run = make_run([planned(dataclasses.replace(STEP, network='n"\n'), [first, second], 2)])
    records = [dataclasses.replace(one, record_id=f"r{index}") for index, one in enumerate(scheduled(run))]
    folder = write_folder(tmp_path / "r", run, records)
    found = gauges(export(folder, "openmetrics"))["levelfield_replicates"]
    assert sorted(found.values()) == [2, 2]
    assert {competitor for _, competitor in found} == {'x"\\} 1 # EOF `|<b>/v', 'x"\\} 1 # EOF `|<b>/v-2'}
    names = [entry["name"] for entry in json.loads(export(folder, "benchmark-action"))]
    assert len(set(names)) == 2
    assert not [name for name in names if set(name) & set("`|<>\n")]
