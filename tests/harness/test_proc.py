"""Reading facts about this process from the kernel."""

import threading

from runners.harness.proc import threads_named


def test_threads_are_counted_by_the_name_that_the_kernel_keeps():
    """Before Python 3.14 the kernel does not get a thread's name from Python, so the test sets it."""
    name, ready, done = "levelfield-counted", threading.Barrier(3), threading.Event()

    def named() -> None:
        with open(f"/proc/self/task/{threading.get_native_id()}/comm", "w") as comm:
            comm.write(name)
        ready.wait()
        done.wait()

    threads = [threading.Thread(target=named) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.wait()
    found = threads_named(name)
    done.set()
    for thread in threads:
        thread.join()
    assert (found, threads_named(name)) == (2, 0)
