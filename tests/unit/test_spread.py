"""Work spread over a few threads: all of it, in bounds, and ended together."""

from __future__ import annotations

import threading

import pytest

from inductiva_widgets.tasks.spread import spread


def nothing():
    """Looks at nothing, stops nothing."""


def test_every_item_is_done_once_by_at_most_so_many_threads():
    done, threads, looks = [], set(), []

    def act(item):
        threads.add(threading.current_thread())
        done.append(item)

    spread(range(100), act, at_once=4, look=lambda: looks.append(len(done)), stop=nothing)

    assert sorted(done) == list(range(100))
    assert len(threads) <= 4
    assert looks[-1] == 100


def test_what_the_work_raises_ends_it_and_is_raised_here():
    done = []

    def act(item):
        if item == 3:
            raise ZeroDivisionError
        done.append(item)

    with pytest.raises(ZeroDivisionError):
        spread(range(100), act, at_once=1, look=nothing, stop=nothing)

    assert done == [0, 1, 2]


def test_what_the_look_raises_stops_all_threads():
    begun, released = threading.Barrier(3), threading.Event()

    def act(_):
        begun.wait(10)
        released.wait(10)

    def look():
        begun.wait(10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spread(range(100), act, at_once=2, look=look, stop=released.set)

    assert not [t for t in threading.enumerate() if t.name == "inductiva-tasks"]


def test_nothing_to_do_needs_no_thread():
    looks = []

    spread([], pytest.fail, at_once=0, look=lambda: looks.append(1), stop=nothing)

    assert looks == [1]
