"""The audit: each check passes on a run that kept to its rules, and fails on one that was tampered with."""

import dataclasses
import itertools
import json

import pytest
from make_records import SPDL, TF, TORCH, failed, make_run, planned, scheduled, step_case, write_folder

from aggregator.cli import main
from aggregator.commands.shared import OK, SOME_FAILED, USAGE
from aggregator.judge.auditing.audit import audit
from aggregator.read.run_folder import RUN_ORDER, LoadedRun
from method import stopping, warmup
from method.statistic import summarise
from runners.harness.record import Status
from runners.harness.run import PlannedCase, Run, RunState, Stopping, Unavailable, write_run

SMALL, LARGE = step_case("cnn4", 8), step_case("resnet18", 1, "train")
RULE = Stopping(most_blocks=14, every=1, half_width=0.001)


def fixed_run() -> Run:
    return make_run([planned(SMALL, [TORCH, TF], 9), planned(LARGE, [TF, TORCH, SPDL], 8)])


def adaptive_run() -> tuple[Run, list]:
    """Two cases that go on by the rule itself, to the end that it finds."""
    run = dataclasses.replace(make_run([planned(SMALL, [TORCH, TF], 8), planned(LARGE, [TF, TORCH], 8)]), stopping=RULE)
    return to_its_end(run)


def to_its_end(run: Run, most: int = 100, scatter: float = 0.01) -> tuple[Run, list]:
    """The run with the blocks that its rule asks for, `most` of them at the most, and all its records."""
    while True:
        records = scheduled(run, scatter=scatter)
        found = [standing_of(run, index, records) for index in range(len(run.cases))]
        chosen = stopping.next_cases(found, RULE, bool(run.continued), run.at_once)
        if not chosen or len(run.extensions) == most:
            return run, records
        run = dataclasses.replace(run, extensions=[*run.extensions, *chosen])


def standing_of(run, index, records):
    planned_case = run.cases[index]
    sides = {who: replicates(records, planned_case.case, who) for who in planned_case.competitors}
    return stopping.of_case(run, index, sides)


def replicates(records, case, who):
    found = [one for one in records if (one.case, one.competitor) == (case, who)]
    return {one.block.number: summarise(one) for one in found}


def test_a_run_on_two_nodes_passes_where_two_cases_at_a_time_got_their_blocks():
    cases = [planned(SMALL, [TORCH, TF], 8), planned(LARGE, [TF, TORCH], 8)]
    run, records = to_its_end(dataclasses.replace(make_run(cases), stopping=RULE, at_once=2), scatter=0.05)
    assert len(run.extensions) > 4
    late = [moved(one, started_at="2026-11-29T23:00:00Z") if one.block.sequence < 4 else one for one in records]
    assert outcome(run, late) == {}
    assert outcome(run, records, plan=False) == {}
    alone = outcome(dataclasses.replace(run, at_once=1), late)
    assert set(alone) == {"time moves on", "stopping rule replayed"}


def test_a_run_that_was_continued_passes_where_it_kept_to_the_rule_again():
    started = dataclasses.replace(make_run([planned(SMALL, [TORCH, TF], 8)]), stopping=RULE)
    ended, _ = to_its_end(started, scatter=0.05)
    before = len(ended.extensions)
    run, records = to_its_end(dataclasses.replace(ended, continued=[before]), before + 3, scatter=0.05)
    assert run.blocks(0) == RULE.most_blocks + 3
    run = dataclasses.replace(run, budget_seconds=60.0)
    assert outcome(run, records) == {}
    hidden = dataclasses.replace(run, continued=[])
    assert "stopping rule replayed" in outcome(hidden, records)


def piloted_run():
    """A run whose warm-up its pilots settled."""
    pilots = scheduled(make_run([planned(SMALL, [TORCH, TF], 3)]), pilots=True, warmup=0, steps=120)
    run = make_run([PlannedCase(SMALL, [TORCH, TF], 8, warmups=warmup.plans(pilots))])
    return run, scheduled(run), pilots


def outcome(run, records, pilots=(), plan=True):
    """The failed checks by name, with their problems."""
    ordered = tuple(sorted(records, key=RUN_ORDER))  # as load_run has them
    found = audit(LoadedRun("run-1", run if plan else None, ordered, ()), pilots)
    return {finding.name: finding.problems for finding in found if finding.failed}


def moved(record, **changes):
    return dataclasses.replace(record, block=dataclasses.replace(record.block, **changes))


def swapped(records, first, second):
    """Two replicates that changed their place in the order, with all that says so in the record."""
    ours, theirs = records[first].block, records[second].block
    found = list(records)
    for index, other in ((first, theirs), (second, ours)):
        more = {"sequence": other.sequence, "position": other.position, "started_at": other.started_at}
        found[index] = moved(records[index], **more)
    return found


@pytest.mark.parametrize("plan", [True, False])
def test_a_run_that_kept_to_its_order_passes_with_and_without_its_plan(plan):
    assert outcome(fixed_run(), scheduled(fixed_run()), plan=plan) == {}
    run, records = adaptive_run()
    assert len(run.extensions) > 3
    assert outcome(run, records, plan=plan) == {}


@pytest.mark.parametrize("cut", [1, 4, 23])
def test_an_interrupted_run_passes_for_what_it_did(cut):
    run = dataclasses.replace(fixed_run(), state=RunState.INCOMPLETE)
    assert outcome(run, scheduled(run)[:cut]) == {}
    whole = dataclasses.replace(run, state=RunState.COMPLETE)
    assert "no record" in outcome(whole, scheduled(run)[:cut])["schedule of run.json"][0]


def test_a_competitor_left_out_after_its_failure_is_no_gap():
    records = scheduled(fixed_run())
    mine = [one for one in records if one.competitor == SPDL]
    kept = [one for one in records if one.competitor != SPDL]
    broken = failed(mine[0], Status.CRASHED, "CRASH", "exit 139")
    assert outcome(fixed_run(), [broken, *kept]) == {}
    found = outcome(fixed_run(), [mine[0], *kept])
    assert set(found) == {"blocks adjacent", "schedule of run.json"}
    assert "had not failed at first" in found["blocks adjacent"][0]


def test_one_later_failure_excuses_no_missing_records():
    """A run tries again who failed later: deleting what came after it shows."""
    records = scheduled(fixed_run())
    spdl = [one for one in records if one.competitor == SPDL]
    broken = failed(spdl[2], Status.CRASHED, "CRASH", "exit 139")
    gone = {one.record_id for one in spdl[2:]}
    found = outcome(fixed_run(), [*(one for one in records if one.record_id not in gone), broken])
    assert {"blocks adjacent", "schedule of run.json"} <= set(found)


def test_who_was_not_tried_any_more_is_no_gap():
    """A smaller batch ran out of memory in a later block, so that this one was not tried from then on."""
    run = fixed_run()
    why = Unavailable(SPDL, "NOT TRIED", "a batch of 1 ran out of memory")
    cases = [dataclasses.replace(case, unavailable=[why] if SPDL in case.competitors else []) for case in run.cases]
    records = [one for one in scheduled(run) if one.competitor != SPDL or one.block.number < 3]
    assert outcome(dataclasses.replace(run, cases=cases), records) == {}


def test_a_flipped_order_is_found():
    records = scheduled(fixed_run())
    pairs = [
        (index, index + 1)
        for index, (one, other) in enumerate(itertools.pairwise(records))
        if one.case == other.case == SMALL and one.block.number == other.block.number
    ]
    turned = records
    for first, second in pairs:
        if records[first].competitor == TF:
            turned = swapped(turned, first, second)
    found = outcome(fixed_run(), turned)
    assert set(found) == {"places balanced", "seed rebuilds the order", "schedule of run.json"}
    assert "9× in place 0" in found["places balanced"][0] + found["places balanced"][1]
    one = swapped(records, *pairs[0])
    assert {"seed rebuilds the order", "schedule of run.json"} <= set(outcome(fixed_run(), one))
    assert "seed rebuilds the order" in outcome(fixed_run(), one, plan=False)


def test_a_swapped_sequence_is_found():
    records = scheduled(fixed_run())
    found = list(records)
    found[3], found[11] = moved(found[3], sequence=11), moved(found[11], sequence=3)
    expected = {"blocks adjacent", "seed rebuilds the order", "schedule of run.json", "time moves on"}
    assert set(outcome(fixed_run(), found)) == expected
    assert (
        "two replicates are number 5"
        in outcome(fixed_run(), [*records[:4], moved(records[4], sequence=5), *records[5:]])["blocks adjacent"][0]
    )


def test_another_seed_is_found():
    records = [moved(record, order_seed=8) for record in scheduled(fixed_run())]
    assert set(outcome(fixed_run(), records)) == {"seed rebuilds the order", "schedule of run.json"}
    mixed = [moved(records[0], order_seed=9), *records[1:]]
    assert "2 seeds" in outcome(fixed_run(), mixed)["seed rebuilds the order"][0]


def test_another_case_inside_a_block_is_found():
    records = scheduled(fixed_run())
    second = next(index for index, one in enumerate(records) if one.block.position == 1)
    other = next(
        index for index, one in enumerate(records) if one.case != records[second].case and one.block.number == 4
    )
    order = [*records[:second], records[other], *records[second:other], *records[other + 1 :]]
    slipped = [
        moved(one, sequence=place, started_at=records[place].block.started_at) for place, one in enumerate(order)
    ]
    found = outcome(fixed_run(), slipped, plan=False)
    assert {"blocks adjacent", "seed rebuilds the order"} <= set(found)
    assert "another block lies inside it" in found["blocks adjacent"][0]


def test_a_clock_that_goes_back_is_found():
    records = scheduled(fixed_run())
    late = [*records[:7], moved(records[7], started_at="2026-01-03T00:00:00Z"), *records[8:]]
    assert set(outcome(fixed_run(), late)) == {"time moves on"}
    strange = [moved(records[0], started_at="noon"), *records[1:]]
    assert "no time" in outcome(fixed_run(), strange)["time moves on"][0]


def test_an_extension_that_the_rule_did_not_choose_is_found():
    run, _ = adaptive_run()
    wrong = dataclasses.replace(run, extensions=[1 - run.extensions[0], *run.extensions[1:]])
    found = outcome(wrong, scheduled(wrong))
    assert "the rule chooses" in found["stopping rule replayed"][0]
    early = dataclasses.replace(run, extensions=run.extensions[:-1])
    assert "the rule goes on" in outcome(early, scheduled(early))["stopping rule replayed"][0]
    bounded = dataclasses.replace(early, budget_seconds=60.0)
    assert outcome(bounded, scheduled(bounded)) == {}


def test_warm_up_is_what_the_pilots_call_for():
    run, records, pilots = piloted_run()
    assert outcome(run, records, pilots) == {}
    other = dataclasses.replace(records[5], samples=dataclasses.replace(records[5].samples, warmup_steps=3))
    found = outcome(run, [*records[:5], other, *records[6:]], pilots)
    assert set(found) == {"warm-up frozen"}
    assert "3 steps of warm-up, not" in found["warm-up frozen"][0]
    short = dataclasses.replace(other, samples=dataclasses.replace(records[5].samples, step_ns=[10**7] * 30))
    assert "fewer than" in outcome(run, [*records[:5], short, *records[6:]], pilots)["warm-up frozen"][0]
    assert "no pilot's record" in outcome(run, records)["warm-up frozen"][0]
    slow = [dataclasses.replace(one, samples=warming(one.samples)) for one in pilots]
    assert "not the one that its pilots call for" in outcome(run, records, slow)["warm-up frozen"][0]


def test_a_pilot_without_times_is_said():
    run, records, pilots = piloted_run()
    odd = dataclasses.replace(pilots[0], samples=dataclasses.replace(pilots[0].samples, step_ns=[5]))
    assert "holds no times" in outcome(run, records, [odd, *pilots[1:]])["warm-up frozen"][0]


def warming(samples):
    """The first 30 steps take longer."""
    return dataclasses.replace(samples, step_ns=[time * (2 if i < 30 else 1) for i, time in enumerate(samples.step_ns)])


def test_changed_sampling_is_found():
    records = scheduled(fixed_run())
    asked = [dataclasses.replace(one, command=[*one.command, "--min-steps", "40"]) for one in records]
    assert outcome(fixed_run(), asked) == {}
    asked[6] = dataclasses.replace(asked[6], command=[*records[6].command, "--min-steps", "80"])
    assert "asked for --min-steps 80" in outcome(fixed_run(), asked)["sampling frozen"][0]
    run, records, pilots = piloted_run()
    own = [
        dataclasses.replace(one, command=[*one.command, "--min-steps", "40" if one.competitor == TF else "90"])
        for one in records
    ]
    assert outcome(run, own, pilots) == {}
    own[5] = dataclasses.replace(own[5], command=[*records[5].command, "--min-steps", "80"])
    assert "asked for --min-steps 80" in outcome(run, own, pilots)["sampling frozen"][0]
    slowed = dataclasses.replace(records[9], samples=dataclasses.replace(records[9].samples, injected_slowdown=1.05))
    assert "slowed down" in outcome(fixed_run(), [*records[:9], slowed, *records[10:]])["sampling frozen"][0]


def test_the_command_prints_a_line_a_check_and_its_exit_code_says_the_rest(tmp_path, capsys):
    run, records, pilots = piloted_run()
    folder = write_folder(tmp_path / "run-1", run, records, pilots)
    assert main(["audit", str(folder)]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    assert all(line.startswith(("ok", "–")) for line in lines)
    write_run(dataclasses.replace(run, stopping=RULE, extensions=[7]), folder)
    assert main(["audit", str(folder)]) == SOME_FAILED
    assert "a case that does not exist" in capsys.readouterr().out
    write_run(run, folder)
    path = folder / "pilots/records" / f"{pilots[0].record_id}.json"
    path.write_text(path.read_text()[:100])
    assert main(["audit", str(folder)]) == SOME_FAILED
    assert "FAILED  records readable" in capsys.readouterr().out
    assert main(["audit", str(tmp_path / "run-2")]) == USAGE
    assert "no run at" in capsys.readouterr().err


def test_a_run_is_audited_from_the_version_on_whose_order_is_that_of_today(tmp_path, capsys):
    """Version 5 had that order, and kept in a second file what replicates are started with."""
    run, records, pilots = piloted_run()
    folder = write_folder(tmp_path / "run-1", run, records, pilots)
    path = folder / "run.json"
    kept = json.loads(path.read_text())
    later = ("cpus", "memory_bytes", "manifests", "builds", "commit", "dirty", "pilots", "slowdown")
    before = {key: value for key, value in kept.items() if key not in later}
    before["cases"] = [
        {key: value for key, value in case.items() if key not in ("sampling", "timeout")} for case in kept["cases"]
    ]
    path.write_text(json.dumps(before | {"run_version": 5}))
    assert main(["audit", str(folder)]) == OK
    path.write_text(json.dumps(before | {"run_version": 4}))
    assert main(["audit", str(folder)]) == USAGE
    assert "an order of its own; it can only be reported" in capsys.readouterr().err
