"""What ends a download, and the steps of one."""

from __future__ import annotations

import threading

import pytest

from inductiva_widgets.errors import DownloadCancelledError, IncompleteDownloadError
from inductiva_widgets.outputs import fetch
from inductiva_widgets.outputs.budget import Budget
from inductiva_widgets.outputs.fetch import Crew
from inductiva_widgets.outputs.ranges import ByteRange
from inductiva_widgets.outputs.stop import Pace, Stop


class Reply:
    """Notes whether its read was ended."""

    is_aborted = False

    def abort(self):
        self.is_aborted = True


def test_a_step_ends_with_the_whole_and_so_does_what_it_reads():
    whole, reply = Stop(), Reply()

    with whole.part() as part, part.watching(reply):
        whole.cancel()

        assert part.is_set
        assert reply.is_aborted
        with pytest.raises(DownloadCancelledError):
            part.pause(10)


def test_a_step_ends_alone():
    whole = Stop()

    with whole.part() as part:
        part.cancel()

    assert part.is_set
    assert not whole.is_set


def test_a_step_of_what_has_ended_does_not_begin():
    whole = Stop()
    whole.cancel()

    with whole.part() as part:
        assert part.is_set


def test_a_thread_that_outlives_its_step_asks_for_nothing_more(monkeypatch):
    monkeypatch.setattr(fetch, "LEAVE_WITHIN_S", 0.0)
    whole, waits, answer, ended = Stop(), threading.Event(), threading.Event(), threading.Event()
    asked_again = []

    def read(chunk, stop):
        if chunk.start == 0:
            waits.wait(10)
            raise IncompleteDownloadError("the other one")
        waits.set()
        answer.wait(10)  # a server that is silent
        try:
            stop.check()
            asked_again.append(chunk)
            yield b"late"
        finally:
            ended.set()

    crew = Crew(
        whole,
        Pace(),
        Budget(1000),
        read=read,
        take=lambda *_: None,
        received=lambda *_: None,
        ended=lambda _: None,
        is_near=True,
    )
    with pytest.raises(IncompleteDownloadError):
        crew.run([ByteRange(0, 4), ByteRange(4, 8)], connections=2, writers=1)
    assert not whole.is_set  # the download may go on in another way

    answer.set()

    assert ended.wait(10)
    assert asked_again == []
