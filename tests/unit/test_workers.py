"""Thread pools: threads while there is work, and pools that may be left."""

from __future__ import annotations

import threading

import pytest

from inductiva_widgets.workers import DaemonPool, Workers, result_of


@pytest.fixture
def workers():
    made = Workers(2, "test-workers")
    yield made
    made.shutdown()


def threads():
    return [one for one in threading.enumerate() if one.name.startswith("test-workers")]


def ended():
    for thread in threads():
        thread.join(20)
    return not threads()


def test_work_runs_at_the_same_time_up_to_the_limit(workers):
    together, release = threading.Barrier(3), threading.Event()

    def work(number):
        together.wait(20)
        assert release.wait(20)
        return number

    first = [workers.submit(work, number) for number in range(2)]
    waiting = workers.submit(int, "7")
    together.wait(20)

    assert len(threads()) == 2
    assert not waiting.done()
    release.set()
    assert [one.result(20) for one in first] == [0, 1]
    assert waiting.result(20) == 7


def test_no_thread_is_left_when_all_is_done_and_work_that_comes_later_runs(workers):
    for _ in range(3):
        assert workers.submit(int, "1").result(20) == 1
        assert ended()


def test_work_that_fails_ends_the_thread_as_well(workers):
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 / 0).result(20)
    assert ended()


def test_work_that_gives_work_is_not_cut_off(workers):
    inner = workers.submit(lambda: workers.submit(int, "5")).result(20)
    assert inner.result(20) == 5
    assert ended()


def test_a_shutdown_drops_what_waits_and_refuses_what_comes(workers):
    release = threading.Event()
    running = [workers.submit(release.wait, 20) for _ in range(2)]
    waiting = workers.submit(int)
    workers.shutdown(wait=False, cancel_futures=True)

    assert waiting.cancelled()
    with pytest.raises(RuntimeError):
        workers.submit(int)
    release.set()
    assert [one.result(20) for one in running] == [True, True]
    assert ended()


def test_many_callers_at_once_lose_nothing(workers):
    results, lock = [], threading.Lock()

    def call():
        for number in range(50):
            got = workers.submit(int, number).result(20)
            with lock:
                results.append(got)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)

    assert sorted(results) == sorted([*range(50)] * 4)
    assert ended()


# -- a pool that nobody has to wait for ----------------------------------------------------------


def test_results_come_in_the_order_of_the_items_by_at_most_so_many_threads():
    seen = set()

    def work(number):
        seen.add(threading.current_thread())
        return number * 2

    with DaemonPool(3, "test-workers") as pool:
        assert list(pool.map(work, range(50))) == [number * 2 for number in range(50)]

    assert len(seen) <= 3
    assert not threads()


def test_leaving_a_block_drops_what_has_not_begun_and_leaves_silent_work_alone(monkeypatch):
    monkeypatch.setattr("inductiva_widgets.workers.LEAVE_WITHIN_S", 0.01)
    begun, release = threading.Event(), threading.Event()

    def silent():
        begun.set()
        assert release.wait(20)
        return 1

    with DaemonPool(1, "test-workers") as pool:
        running, waiting = pool.submit(silent), pool.submit(int)
        assert begun.wait(20)

    assert waiting.cancelled()
    assert not running.done()
    assert all(thread.daemon for thread in threads())
    release.set()
    assert result_of(running) == 1
    assert ended()


def test_an_error_of_the_work_is_raised_where_its_result_is_wanted():
    with DaemonPool(2, "test-workers") as pool:
        results = pool.map(lambda number: 1 // number, [1, 0, 1])

        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)
