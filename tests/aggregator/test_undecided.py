"""Comparisons without an answer: what is said of them, and the command that goes on with them."""

import dataclasses
import re

from make_records import TF, TORCH, compared, make_run, planned, scheduled, step_case

from aggregator.report.undecided import answered, going_on
from runners.harness.run import Stopping

RULE = Stopping(most_blocks=30, every=1, half_width=0.02)
CLEAR, OPEN = step_case("cnn4", 1), step_case("cnn4", 8)


def environment(stopping=RULE, scatter=0.03, blocks=6):
    """A run of one clear case and one that scatters."""
    run = dataclasses.replace(make_run([planned(CLEAR, [TORCH, TF], blocks), planned(OPEN, [TORCH, TF], blocks)]))
    run = dataclasses.replace(run, stopping=stopping)
    slower = {CLEAR: 2.0, OPEN: 1.05}
    records = scheduled(run, lambda case, who: 0.05 * (slower[case] if who == TF else 1), scatter=scatter)
    return compared(run, records)


def test_the_first_line_says_how_much_was_answered():
    assert answered(environment().cases) == "1 of 2 comparisons answered, after 6 blocks."
    assert answered([]) == ""


def test_an_ended_run_names_the_command_that_goes_on():
    said = " ".join(going_on(environment(), environment().cases))
    assert said.startswith("1 comparison is undecided; the table above has the bounds.")
    command = r"About (\d+) more min of this run .*: `make bench RUN=run-1 BUDGET=(\d+)m`"
    found = re.search(command, said)
    assert found
    assert 1 <= int(found[1]) <= int(found[2])


def test_the_answers_that_come_first_are_advised_and_not_an_afternoon():
    env = environment()
    result = env.cases[1]
    costly = dataclasses.replace(
        result, sides=tuple(dataclasses.replace(one, records=tuple(map(slow, one.records))) for one in result.sides)
    )
    both, cheap = " ".join(going_on(env, [result, costly])), " ".join(going_on(env, [result]))
    assert "1 of 2 undecided comparisons" in both
    assert both.replace("1 of 2", "1 of 1").partition("comparisons:")[2] == cheap.partition("comparison:")[2]
    assert "to answer 1 of 1 undecided comparison" in " ".join(going_on(env, [costly]))


def slow(record):
    """A replicate that took ten minutes more to set up."""
    return dataclasses.replace(record, samples=dataclasses.replace(record.samples, setup_ns=600 * 10**9))


def test_a_run_of_a_fixed_number_of_blocks_needs_a_new_one():
    said = " ".join(going_on(environment(stopping=None), environment(stopping=None).cases))
    assert re.search(r"A new run with `BLOCKS=\d+`", said)
    assert "RUN=" not in said


def test_what_no_sensible_number_of_blocks_answers_is_said():
    env = environment(scatter=1.5)
    (said,) = going_on(env, env.cases[1:])
    assert "40 more blocks are not expected to answer any of them." in said


def test_where_all_is_answered_nothing_is_said():
    env = environment(scatter=0.0005)
    assert going_on(env, env.cases) == ()
