"""Logs beyond their limit: what is kept, what followers get, and what they are told."""

from __future__ import annotations

import contextlib
import itertools
import re

import psutil
import pytest
from support import backend_at
from waiting import wait_until

from inductiva_widgets.live.ended import EndedFile
from inductiva_widgets.live.loop import LiveLoop
from inductiva_widgets.live.ranges import RangesReader
from inductiva_widgets.local import log_ring
from inductiva_widgets.local.live_files import FileTail, LiveFolder

LIMIT_BYTES = 1_000_000
BLOCK_BYTES = 64 * 1024
HEAD_BYTES = 7 * BLOCK_BYTES  # what is kept of the beginning under this limit
LINE_BYTES = 100
LINE = re.compile(r"(\d{9})x{90}")
LEFT_OUT = re.compile(r"\[(\d+) bytes of this log were left out here\.\]")
PRINT_PARTS = """
import os, sys, time
number = 0

def wait_for(name):
    while not os.path.exists(name):
        time.sleep(0.01)

for part, count in enumerate(map(int, sys.argv[1:])):
    wait_for(f"part{part}")
    for first in range(number, number + count, 1000):
        text = "".join(f"{one:09d}{'x' * 90}\\n" for one in range(first, first + 1000))
        os.write(1, text.encode())
    number += count
    open(f"done{part}", "w").close()
wait_for("end")
"""


@pytest.fixture(autouse=True)
def _needs_holes(tmp_path):
    probe = tmp_path / "probe"
    probe.write_bytes(b"x" * 4 * BLOCK_BYTES)
    if not log_ring.turn(probe, 2 * BLOCK_BYTES):
        pytest.skip("this file system makes no holes")


@pytest.fixture
def ring_engine(start_engine):
    """An engine under which a log of more than a megabyte loses its middle."""
    return start_engine("--log-limit", str(LIMIT_BYTES), "--kill-grace", "0.5")


class Printer:
    """A task that prints numbered lines of a hundred bytes, in parts that a test lets go.

    It runs until `printed()`, so that its log stays where it is.
    """

    def __init__(self, engine, *counts):
        self._engine = engine
        text = " ".join(map(str, counts))
        self.task_id = engine.submit(f"python print.py {text}", files={"print.py": PRINT_PARTS})
        self.folder = engine.work_folder(self.task_id)
        self.home = self.folder.parents[1]
        self.log = self.home / "stdout.txt"
        wait_until(self.log.exists)

    def print_part(self, number):
        """Lets it print a part, and waits until the log is within its limit again."""
        (self.folder / f"part{number}").touch()
        wait_until((self.folder / f"done{number}").exists)
        wait_until(lambda: self.log.stat().st_blocks * 512 <= LIMIT_BYTES + 2 * BLOCK_BYTES)

    def printed(self):
        """The whole stored log of the task, which ends only now, and has to succeed."""
        (self.folder / "end").touch()
        task = self._engine.finish(self.task_id)
        assert task["status"] == "success", task
        return self._engine.output(self.task_id)


def parted(log):
    """Beginning and end of a log that has lost its middle, and the number of bytes between."""
    head, count, tail = re.split(rf"\n{LEFT_OUT.pattern}\n", log)
    return head, int(count), tail


def check_told(lines, first, end):
    """That lines tell all from one number to before another, or how many bytes are missing."""
    (place,) = (number for number, line in enumerate(lines) if LEFT_OUT.fullmatch(line))
    before, after = lines[:place], lines[place + 1 :]
    broken = before.pop() if before and not LINE.fullmatch(before[-1]) else ""
    rest = f"{after.pop(0)}\n" if not LINE.fullmatch(after[0]) else ""
    missing = int(LEFT_OUT.fullmatch(lines[place])[1])

    assert numbers(before) == list(range(first, first + len(before)))
    assert numbers(after) == list(range(end - len(after), end))
    told = LINE_BYTES * (len(before) + len(after)) + len(broken) + len(rest)
    assert missing > 0
    assert told + missing == LINE_BYTES * (end - first)


def numbers(lines):
    return [int(LINE.fullmatch(line)[1]) for line in lines]


@pytest.fixture
def loop():
    with contextlib.closing(LiveLoop()) as made:
        yield made


@pytest.fixture
def backend(ring_engine, tmp_path):
    with contextlib.closing(
        backend_at(ring_engine.url, ring_engine.key, tmp_path / "out", is_local=True)
    ) as made:
        yield made


class Follower:
    """Follows the log of a printer by plain requests, when a test says so."""

    def __init__(self, backend, loop, printer):
        self._loop = loop
        self._client = backend.client
        self._task_id = printer.task_id
        file = (printer.task_id, "stdout.txt")
        self._reader = RangesReader(backend.client, loop, file, 10**6, wait=False)

    def new_lines(self):
        """Everything that the log has gained."""
        found = self._loop.start(self._reader.look()).result(10)
        while not self._reader.is_at_end:
            found += self._loop.start(self._reader.look()).result(10)
        return found

    def rest(self):
        """What the outputs have after that, without the engine's own last line."""
        stored = EndedFile(self._client, self._task_id, "stdout.txt")
        lines = [*itertools.chain.from_iterable(self._reader.rest(stored))]
        assert lines.pop() == " -------"
        return lines


@pytest.mark.fault(120)
def test_a_log_keeps_its_beginning_and_its_end_and_tells_what_is_missing(ring_engine):
    printer = Printer(ring_engine, 50_000, 50_000, 3000)
    for number in range(3):
        printer.print_part(number)

    log = printer.printed()

    head, count, tail = parted(log)
    beginning = head[: head.index("000000000x")]
    assert len(head) == HEAD_BYTES
    assert HEAD_BYTES <= len(tail) <= LIMIT_BYTES
    assert tail.endswith("000102999" + "x" * 90 + "\n -------\n")
    assert len(head) + count + len(tail) == len(beginning) + 103_000 * LINE_BYTES + len(
        " -------\n"
    )


@pytest.mark.fault(120)
def test_a_log_within_its_limit_is_kept_whole(ring_engine):
    printer = Printer(ring_engine, 9000)
    printer.print_part(0)

    log = printer.printed()

    assert numbers(filter(LINE.fullmatch, log.splitlines())) == [*range(9000)]
    assert not LEFT_OUT.search(log)


@pytest.mark.fault(120, 112)
def test_a_log_that_lost_its_middle_is_stored_after_a_crash_of_the_engine(
    ring_engine, start_engine
):
    printer = Printer(ring_engine, 50_000, 1000)
    printer.print_part(0)
    ring_engine.process.kill()
    ring_engine.process.communicate(timeout=10)
    ring_engine.process = None

    again = start_engine("--log-limit", str(LIMIT_BYTES))
    task = again.finish(printer.task_id)

    head, count, tail = parted(again.output(printer.task_id))
    assert task["status"] == "executer-failed"
    assert len(head) == HEAD_BYTES
    assert tail.endswith("000049999" + "x" * 90 + "\n")
    assert count > 50_000 * LINE_BYTES - HEAD_BYTES - LIMIT_BYTES


@pytest.mark.fault(120)
def test_a_follower_gets_what_is_there_and_is_told_what_it_came_too_late_for(
    ring_engine, backend, loop
):
    printer = Printer(ring_engine, 2000, 50_000, 2000, 50_000)
    steady, idle = Follower(backend, loop, printer), Follower(backend, loop, printer)

    printer.print_part(0)
    first = steady.new_lines()
    idle.new_lines()
    assert numbers(first[-2000:]) == [*range(2000)]
    printer.print_part(1)  # far more than the end that is kept
    check_told(steady.new_lines(), 2000, 52_000)
    printer.print_part(2)
    assert numbers(steady.new_lines()) == [*range(52_000, 54_000)]
    late = Follower(backend, loop, printer).new_lines()
    assert LEFT_OUT.fullmatch(late[0])
    assert numbers(late[2:]) == [*range(54_000 - len(late[2:]), 54_000)]

    printer.print_part(3)
    printer.printed()
    check_told(steady.rest(), 54_000, 104_000)
    check_told(idle.rest(), 2000, 104_000)


@pytest.mark.fault(120)
def test_a_follower_at_the_end_goes_on_in_the_outputs_at_the_same_place(ring_engine, backend, loop):
    printer = Printer(ring_engine, 50_000, 3000)
    follower = Follower(backend, loop, printer)
    printer.print_part(0)
    follower.new_lines()

    printer.print_part(1)
    printer.printed()

    assert numbers(follower.rest()) == [*range(50_000, 53_000)]


@pytest.mark.fault(120)
def test_the_tail_that_webrtc_sends_tells_what_is_missing(ring_engine):
    printer = Printer(ring_engine, 2000, 50_000)
    printer.print_part(0)
    tail = FileTail(LiveFolder(printer.home), "stdout.txt", 2000)
    with contextlib.closing(tail):
        assert numbers(all_of(tail)) == [*range(2000)]
        printer.print_part(1)
        check_told(all_of(tail), 2000, 52_000)
    printer.printed()


def all_of(tail):
    found = []
    while lines := tail.look():
        found += lines
    return found


@pytest.mark.fault(120)
def test_a_file_system_without_holes_is_told_and_nothing_is_lost(tmp_path, monkeypatch):
    log = tmp_path / "stdout.txt"
    log.write_bytes(b"x" * 2 * LIMIT_BYTES)
    monkeypatch.setattr(log_ring, "_punch", lambda *_: False)

    assert log_ring.turn(log, LIMIT_BYTES) is False
    assert log.read_bytes() == b"x" * 2 * LIMIT_BYTES


def flood(engine):
    """A task that prints a gigabyte and goes on; the most memory that the engine had meanwhile."""
    process = psutil.Process(engine.pid)
    task_id = engine.submit("yes")
    log = engine.work_folder(task_id).parents[1] / "stdout.txt"
    wait_until(log.exists)
    most = 0

    def has_printed():
        nonlocal most
        most = max(most, process.memory_info().rss)
        return log.stat().st_size > 2**30

    wait_until(has_printed, 110)
    assert engine.status(task_id)["status"] == "computation-started"
    engine.call("POST", f"/tasks/{task_id}/kill")
    wait_until(lambda: engine.status(task_id)["is_terminated"], 110)
    return task_id, max(most, process.memory_info().rss)


@pytest.mark.fault(120)
def test_a_task_that_prints_a_gigabyte_goes_on_and_takes_no_memory_of_the_engine(ring_engine):
    task_id, most = flood(ring_engine)

    head, count, tail = parted(ring_engine.output(task_id))
    assert len(head) == HEAD_BYTES
    assert len(tail) <= LIMIT_BYTES
    assert count > 2**30 - 2 * LIMIT_BYTES
    assert most < 100e6


@pytest.mark.full
@pytest.mark.fault(120)
def test_a_log_of_the_usual_limit_takes_no_memory_of_the_engine(start_engine):
    engine = start_engine("--kill-grace", "0.5")

    _, most = flood(engine)

    assert most < 100e6
