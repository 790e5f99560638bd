"""A timed call reports its duration and returns the function's result."""

import pickle

from runners.harness.timed_call import TimedCall


def double(number: int) -> int:
    return 2 * number


def test_each_call_reports_its_duration():
    told: list[int] = []
    ticks = iter((100, 130, 200, 207))
    call = TimedCall(double, told.append, lambda: next(ticks))
    assert [call(1), call(2)] == [2, 4]
    assert told == [30, 7]


def test_it_can_be_sent_to_another_process():
    there = pickle.loads(pickle.dumps(TimedCall(double, double)))
    assert there(4) == 8
