"""Slow steps now and then: they move the mean and not the median, and the report says both."""

import dataclasses
import re

from make_records import TF, TORCH, make_records, make_run, planned, step_case

from aggregator.judge.analysis import analyse
from aggregator.read.run_folder import LoadedRun
from aggregator.report.build import build_report


def report_of(slow_every):
    """Two equal sides, but that every n-th step of the second takes ten times as long."""
    run = make_run([planned(step_case(), [TORCH, TF], 8)])
    records = []
    for record in make_records(run):
        steps = record.samples.step_ns
        if record.competitor == TF and slow_every:
            steps = [time * (10 if index % slow_every == 0 else 1) for index, time in enumerate(steps)]
        records.append(dataclasses.replace(record, samples=dataclasses.replace(record.samples, step_ns=steps)))
    runs = [LoadedRun(run.run_id, run, tuple(records), ())]
    return build_report(runs, analyse(runs))


def test_tail_costs_are_said_beside_the_verdict():
    (answer,) = report_of(20).parts[0].answers
    assert any(note.startswith("tensorflow (graph) has tail costs: its mean step is 1.3") for note in answer.notes)


def test_both_ratios_stand_in_the_case_with_interval_and_blocks():
    (case,) = report_of(20).parts[0].cases
    (line,) = [text for text in case.remarks if "ratio of median steps" in text]
    assert re.match(r"\S+ \(\S+ compared with \S+ \(\S+: equivalent within 2 %; ratio of median steps ", line)
    assert ", of mean steps 1.3" in line
    assert line.count("95 % CI") == 2
    assert ", 8 blocks; t test p = " in line


def test_equal_means_cost_no_note():
    (answer,) = report_of(0).parts[0].answers
    assert not any("tail costs" in note for note in answer.notes)
