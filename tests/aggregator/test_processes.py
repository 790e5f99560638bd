"""Work done beside this process: the same result, whoever does it and whatever becomes of who does."""

import errno
import multiprocessing
import os
import signal
import time

import pytest

from aggregator.base.processes import FORK, helper, in_parallel

HERE = os.getpid()


@pytest.fixture(autouse=True)
def two_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def test_another_process_does_it_and_sees_what_is_here():
    seen = {"what": "only in memory"}
    with in_parallel(lambda: (seen, os.getpid()), True) as result:
        found, who = result()
    assert found == seen
    assert who != HERE
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(("much", "cpus"), [(False, {0, 1}), (True, {0})])
def test_little_work_or_one_cpu_starts_no_process(monkeypatch, much, cpus):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cpus)
    with in_parallel(os.getpid, much) as result:
        assert result() == HERE


def test_where_there_is_no_room_for_another_process_this_one_does_it(monkeypatch):
    def full(_process):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(FORK.Process, "_Popen", staticmethod(full))
    with in_parallel(os.getpid, True) as result:
        assert result() == HERE


def test_where_the_other_process_is_killed_this_one_does_it():
    def killed_elsewhere():
        if os.getpid() != HERE:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    with in_parallel(killed_elsewhere, True) as result:
        assert result() == HERE


def test_a_result_that_was_half_sent_is_made_again():
    whole = b"x" * 10**7  # more than a pipe holds

    with in_parallel(lambda: (whole, os.getpid()), True) as result:
        [other] = multiprocessing.active_children()
        time.sleep(0.3)  # by then it waits for somebody to read on
        other.kill()
        other.join()
        assert result() == (whole, HERE)


def test_who_cannot_send_does_nothing_more():
    def unsendable_and_more():
        yield lambda: None
        while True:
            time.sleep(0.01)
            yield 1

    with helper(unsendable_and_more) as connection:
        assert connection.poll(30)
        with pytest.raises(EOFError):
            connection.recv()


def test_things_are_made_and_sent_while_nobody_receives(tmp_path):
    """More than a pipe holds; the last one is made before the first one is received."""

    def many():
        for number in range(20):
            yield number, b"x" * 10**6
        (tmp_path / "all made").touch()

    with helper(many) as connection:
        begun = time.monotonic()
        while not (tmp_path / "all made").exists() and time.monotonic() - begun < 30:
            time.sleep(0.01)
        assert (tmp_path / "all made").exists()
        assert [connection.recv()[0] for _ in range(20)] == list(range(20))
        with pytest.raises(EOFError):
            connection.recv()


def test_an_error_comes_where_the_result_is_asked_for_and_is_told_once(capfd):
    def fail():
        raise ValueError("no such table")

    with pytest.raises(ValueError, match="no such table"), in_parallel(fail, True) as result:
        result()
    assert capfd.readouterr().err == ""


def test_nothing_of_it_is_left_when_this_process_is_stopped():
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), in_parallel(lambda: time.sleep(60), True):
        raise KeyboardInterrupt
    assert not multiprocessing.active_children()
    assert time.monotonic() - begun < 30


def test_ctrl_c_is_for_this_process_alone():
    def interrupted():
        os.kill(os.getpid(), signal.SIGINT)
        return os.getpid()

    with in_parallel(interrupted, True) as result:
        assert result() != HERE
