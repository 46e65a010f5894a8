"""Progress bars: what they show, and that they end."""

from __future__ import annotations

import io
import os
import pty
import select
import threading

import pytest

from inductiva_widgets.notebook.progress import ProgressBar, download_bar
from inductiva_widgets.outputs.progress import Progress


@pytest.fixture
def terminal():
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        yield stream, lambda: _all(master)
    os.close(master)


def _all(master):
    """What was written so far; a terminal hands it on in pieces."""
    shown = b""
    while select.select([master], [], [], 0.1)[0]:
        shown += os.read(master, 1 << 16)
    return shown.decode()


def test_a_pipe_gets_no_bar():
    stream = io.StringIO()
    bar = ProgressBar(total=3, file=stream)

    bar.show(2)
    bar.close()

    assert not stream.getvalue()


def test_a_total_may_grow_and_progress_go_back(terminal):
    stream, screen = terminal
    bar = ProgressBar(unit="B", file=stream, mininterval=0, ncols=60)

    bar.show(5, 10)
    bar.show(15, 20, "1 of 2 tasks")
    bar.show(10, 20)
    assert bar._bar.n == 10
    assert bar._bar.total == 20
    bar.close()

    shown = screen()
    assert "5/10" in shown
    assert "15/20" in shown
    assert "1 of 2 tasks" in shown
    assert "10/20" in shown.splitlines()[-1]


def test_the_bar_of_a_download_ends_with_it_and_leaves_no_thread(terminal):
    before = threading.active_count()
    show = download_bar()

    show(Progress("running", 2, 1, 100, 50, 0.0, None))
    show(Progress("failed", 2, 1, 100, 60, 0.0, None))

    assert threading.active_count() == before


def test_a_download_that_fetches_nothing_gets_no_bar(terminal, monkeypatch):
    stream, screen = terminal
    monkeypatch.setattr("sys.stderr", stream)
    show = download_bar()

    show(Progress("running", 2, 0, 0, 0, 0.0, None))
    show(Progress("done", 2, 2, 0, 0, 0.0, None))

    assert not screen()
