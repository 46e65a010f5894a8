"""Live feeds and looks without a machine: bounds, slow listeners, starting anew, `top` as text."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from types import SimpleNamespace

import pytest

from inductiva_widgets.errors import InductivaWidgetsError, LiveUnavailableError, NotFoundError
from inductiva_widgets.live import LastModified, LiveEnd, LiveFile, LiveFiles, LiveState
from inductiva_widgets.log_progress import Pattern
from inductiva_widgets.service import live_logs
from inductiva_widgets.service.events import EventHub
from inductiva_widgets.service.live import LiveCommands, read_top
from inductiva_widgets.service.live_logs import KEPT_LETTERS, LONGEST_LINE, LiveLogs

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
DEADLINE_S = 60


class FakeLive:
    """A machine played by the test: `write` and `end` are what it would say."""

    def __init__(self):
        self.followed = {}
        self.closed = []
        self.error = None
        self.looks = []

    def follow(self, task_id, name, *, lines, wait, on_lines, on_end, on_state):
        assert (lines, wait) == (1000, True)
        if self.error:
            raise self.error
        self.followed[name] = SimpleNamespace(lines=on_lines, end=on_end, state=on_state)
        return SimpleNamespace(close=lambda: self.closed.append(name))

    def write(self, *lines, name="stdout.txt"):
        self.followed[name].lines(lines)

    def end(self, error=None, name="stdout.txt"):
        self.followed[name].end(LiveEnd("failed" if error else "task-ended", error=error))

    def list_files(self, task_id):
        self.looks.append("files")
        names = ("stdout.txt", "vtk/", "vtk/stdout.txt")
        return LiveFiles(tuple(LiveFile(name) for name in names), NOW)

    def last_modified_file(self, task_id):
        if isinstance(self.error, NotFoundError):
            raise self.error
        path = "/tmp/task/outputs/vtk/stdout.txt"
        return LastModified(path, NOW, NOW, 12.5, path)


class Heard:
    """A view: what it was told, and whether it reads."""

    def __init__(self):
        self.told = []
        self.came = threading.Condition()

    def __call__(self, message):
        with self.came:
            self.told.append(message["event"])
            self.came.notify_all()

    def until(self, condition):
        with self.came:
            came = self.came.wait_for(lambda: self.told and condition(self), DEADLINE_S)
            assert came, self.told[-3:]

    @property
    def chunks(self):
        return [chunk for event in self.told for chunk in event.get("chunks", ())]

    @property
    def text(self):
        return "\n".join(chunk["text"] for chunk in self.chunks)

    @property
    def state(self):
        return self.told[-1]["state"]

    @property
    def progress(self):
        return self.told[-1]["progress"] or {}


@pytest.fixture
def live():
    return FakeLive()


@pytest.fixture
def backend(live):
    clock = SimpleNamespace(now=lambda: NOW)
    return SimpleNamespace(live=live, client=SimpleNamespace(clock=clock))


@pytest.fixture
def logs(backend, monkeypatch):
    monkeypatch.setattr(live_logs, "PAUSE_S", 0.01)
    monkeypatch.setattr(live_logs, "PROGRESS_PAUSE_S", 0.0)
    monkeypatch.setattr(live_logs, "inputs_of", lambda _: SimpleNamespace(files=dict))
    hub = EventHub(backend)
    with contextlib.closing(LiveLogs(backend, lambda work: work(), hub.deliver)) as made:
        yield made


def test_lines_come_in_order_with_the_log_that_they_are_of(logs, live):
    heard = Heard()
    logs.subscribe("logs/t1", heard)
    live.followed["stdout.txt"].state(LiveState.LIVE)
    live.write("one", "two")
    live.write("oops", name="stderr.txt")
    live.write("three")
    heard.until(lambda view: "three" in view.text)

    numbered = [(c["name"], c["line"], c["text"]) for c in heard.chunks]
    flat = [
        (name, line + i, text)
        for name, line, lines in numbered
        for i, text in enumerate(lines.split("\n"))
    ]
    assert flat == [
        ("stdout.txt", 0, "one"),
        ("stdout.txt", 1, "two"),
        ("stderr.txt", 0, "oops"),
        ("stdout.txt", 2, "three"),
    ]
    assert heard.state == "following"


def test_a_fault_in_one_feed_leaves_the_delivery_of_others_alive(logs, live, monkeypatch, caplog):
    news, broken = live_logs._Feed.news, threading.Event()

    def fail_once(feed):
        if not broken.is_set():
            broken.set()
            raise ZeroDivisionError
        return news(feed)

    monkeypatch.setattr(live_logs._Feed, "news", fail_once)
    heard = Heard()
    logs.subscribe("logs/t1", heard)
    assert broken.wait(DEADLINE_S)
    live.write("after the fault")
    heard.until(lambda view: "after the fault" in view.text)

    assert "fault of this package" in caplog.text


def test_a_listener_that_is_behind_gets_the_newest_and_can_tell_what_it_missed(logs, live):
    heard, quick = Heard(), Heard()
    slow = logs.subscribe("logs/t1", heard)
    logs.subscribe("logs/t1", quick)
    heard.until(lambda view: True)
    slow.is_behind = lambda: True
    quick.until(lambda view: True)
    for number in range(200):
        live.write(f"{number} ".ljust(20_000, "."))
    quick.until(lambda view: "199 ." in view.text)
    before = len(heard.chunks)
    slow.is_behind = lambda: False
    heard.until(lambda view: "199 ." in view.text)

    late = heard.chunks[before:]
    assert late[0]["line"] > 100  # at once no more than one delivery, and that is the newest
    assert sum(len(chunk["text"]) for chunk in late) <= live_logs.BATCH_LETTERS


def test_what_is_kept_is_bounded_whatever_comes(logs, live):
    heard = Heard()
    logs.subscribe("logs/t1", heard)
    feed = logs._feeds["t1"]
    live.write(*("x" * 100 for _ in range(100_000)))
    live.write("y" * 5_000_000)
    heard.until(lambda view: "more letters" in view.text)

    assert feed._letters <= KEPT_LETTERS
    assert max(len(line) for line in heard.text.split("\n")) < LONGEST_LINE + 100
    assert heard.text.endswith("more letters")


def test_two_views_of_one_page_are_two_listeners_of_one_feed(logs, live):
    first, second = Heard(), Heard()
    one = logs.subscribe("logs/t1#a", first)
    live.write("one")
    first.until(lambda view: "one" in view.text)
    other = logs.subscribe("logs/t1#b", second)
    second.until(lambda view: "one" in view.text)

    assert one.topic == "logs/t1#a"
    one.close()
    assert live.closed == []
    other.close()
    assert sorted(live.closed) == ["stderr.txt", "stdout.txt"]


def test_both_logs_have_to_end(logs, live):
    heard = Heard()
    logs.subscribe("logs/t1", heard)
    live.write("last words", name="stderr.txt")
    live.end(name="stderr.txt")
    heard.until(lambda view: "last words" in view.text)
    assert heard.state != "ended"

    live.end()
    heard.until(lambda view: view.state == "ended")


def test_why_a_log_cannot_be_followed_is_told_and_asking_again_tries_again(logs, live):
    live.error = LiveUnavailableError("No answer.", hint="Try again.", cause="no-answer")
    heard, again = Heard(), Heard()
    logs.subscribe("logs/t1", heard)
    heard.until(lambda view: view.state == "unavailable")
    assert heard.told[-1]["error"]["message"] == "No answer."

    live.error = None
    logs.subscribe("logs/t1", again)
    live.write("here it is")
    heard.until(lambda view: "here it is" in view.text)
    again.until(lambda view: "here it is" in view.text)
    assert heard.told[-1]["feed"] != heard.told[0]["feed"]


def test_following_anew_leaves_nothing_of_the_first_try_open(logs, live):
    heard = Heard()
    first = logs.subscribe("logs/t1#a", heard)
    live.end(LiveUnavailableError("No answer."))
    heard.until(lambda view: view.state == "unavailable")
    assert live.closed == []

    again = Heard()
    second = logs.subscribe("logs/t1#b", again)
    assert sorted(live.closed) == ["stderr.txt", "stdout.txt"]
    live.write("a line", name="stderr.txt")
    again.until(lambda view: "a line" in view.text)
    for listener in (first, second):
        listener.close()

    assert sorted(live.closed) == ["stderr.txt", "stderr.txt", "stdout.txt", "stdout.txt"]


def test_a_try_that_is_overtaken_by_another_is_closed(logs, live, monkeypatch):
    follow, names, seconds = live.follow, [], []

    def slow(task_id, name, **options):
        following = follow(task_id, name, **options)
        names.append(name)
        if names == ["stdout.txt"]:
            live.end(LiveUnavailableError("No answer."))
            seconds.append(logs.subscribe("logs/t1#b", Heard()))
        return following

    monkeypatch.setattr(live, "follow", slow)
    first = logs.subscribe("logs/t1#a", Heard())
    for listener in (first, *seconds):
        listener.close()

    assert live.closed.count("stdout.txt") == 2


def test_a_missing_stderr_is_no_fault_of_the_log(logs, live):
    heard = Heard()
    logs.subscribe("logs/t1", heard)
    live.end(NotFoundError("There is no stderr.txt."), name="stderr.txt")
    live.write("one")
    heard.until(lambda view: "one" in view.text)
    assert {event["error"] for event in heard.told} == {None}


def test_a_lost_connection_is_told_while_it_is_tried_again(logs, live):
    heard = Heard()
    logs.subscribe("logs/t1", heard)
    live.followed["stdout.txt"].state(LiveState.LOST)
    heard.until(lambda view: view.state == "lost")
    live.followed["stdout.txt"].state(LiveState.LIVE)
    heard.until(lambda view: view.state == "following")


def test_the_progress_alone_follows_one_log_and_tells_it_once(logs, live):
    heard = Heard()
    listener = logs.subscribe("progress/t1", heard)
    assert [*live.followed] == ["stdout.txt"]
    live.write("Time = 0.25", "nothing new")
    live.write("nothing new")
    heard.until(lambda view: view.progress)

    assert heard.progress == {
        "value": 0.25,
        "end": None,
        "unit": "s",
        "seconds_left": None,
    }
    listener.close()
    assert live.closed == ["stdout.txt"]


@pytest.mark.parametrize(
    ("files", "end"),
    [
        ({"system/controlDict": b"endTime 2;"}, 2.0),
        ({"a/system/controlDict": b"endTime 2;", "b/system/controlDict": b"endTime 3;"}, None),
        ({}, None),
    ],
)
def test_the_end_is_looked_up_in_inputs_that_leave_no_doubt(logs, live, monkeypatch, files, end):
    inputs = {name: SimpleNamespace(head=lambda _, text=text: text) for name, text in files.items()}
    monkeypatch.setattr(live_logs, "inputs_of", lambda _: SimpleNamespace(files=lambda: inputs))
    heard = Heard()
    logs.subscribe("progress/t1", heard)
    live.write("Time = 0.25")
    heard.until(lambda view: view.progress and view.progress["end"] == end)


def test_inputs_that_cannot_be_read_leave_the_end_unknown(logs, live, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise InductivaWidgetsError("No.")

    monkeypatch.setattr(live_logs, "_end_in_inputs", refuse)
    heard = Heard()
    logs.subscribe("progress/t1", heard)
    live.write("Time = 0.25")
    live.write("Time = 0.5")
    heard.until(
        lambda view: view.told[-1]["progress"] and view.told[-1]["progress"]["value"] == 0.5
    )
    assert heard.told[-1]["progress"]["end"] is None


def test_only_names_of_a_patterns_inputs_tell_its_end():
    assert not Pattern("mine", "(.)", "s").is_end_in("anything")


# -- files and machine -------------------------------------------------------------------------


def test_views_that_look_at_once_ask_the_machine_once(backend, live):
    commands = LiveCommands(backend)
    first = commands.files({"task_id": "t1"})

    assert commands.files({"task_id": "t1"}) is first
    assert live.looks == ["files"]
    assert first["files"] == ["stdout.txt", "vtk/stdout.txt"]
    assert first["sizes"] is None
    assert first["newest"] == {"name": "vtk/stdout.txt", "seconds_ago": 12.5}
    assert (first["usual_s"], first["quiet_after_s"]) == (None, 600.0)


def test_before_anything_is_written_nothing_is_the_newest(backend, live):
    live.error = NotFoundError("Nothing yet.")

    assert LiveCommands(backend).files({"task_id": "t1"})["newest"] is None


@pytest.mark.parametrize(("gap_s", "quiet_s"), [(10.0, 180.0), (120.0, 600.0)])
def test_how_long_is_long_follows_how_often_files_are_written(backend, monkeypatch, gap_s, quiet_s):
    now = [1000.0]
    clock = SimpleNamespace(time=lambda: now[0], monotonic=lambda: now[0])
    monkeypatch.setattr("inductiva_widgets.service.live.time", clock)
    commands = LiveCommands(backend)
    for _ in range(5):
        now[0] += gap_s
        told = commands.files({"task_id": "t1"})

    assert told["usual_s"] == pytest.approx(gap_s)
    assert told["quiet_after_s"] == pytest.approx(quiet_s)


TOP = """top - 03:41:15 up  6:53,  0 user,  load average: 2.24, 2.17, 1.48
Threads: 106 total,   1 running, 105 sleeping,   0 stopped,   0 zombie
%Cpu(s): 12.5 us,  4.1 sy,  0.0 ni, 80.0 id,  3.4 wa,  0.0 hi,  0.0 si,  0.0 st
MiB Mem :  24105.6 total,  21359.7 free,    807.7 used,   2322.0 buff/cache
MiB Swap:      0.0 total,      0.0 free,      0.0 used.  23297.9 avail Mem

  PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND
    1 root      10 -10   57604  22692   6424 S   0.0   0.1   2:18.13 init
24041 me        20   0    9076   5224   3164 R  99.7   6.0   0:00.01 inter Foam
   59 root      20   0   57604  22692   6424 S   0.0   0.0   0:00.47 idle
  bad line
"""


def test_top_is_read_busiest_first():
    told = read_top("t1", TOP, "")

    assert [(row.pid, row.command, row.cpu) for row in told.processes] == [
        (24041, "inter Foam", 99.7),
        (1, "init", 0.0),
    ]
    assert told.load == [2.24, 2.17, 1.48]
    assert told.cpu_percent == pytest.approx(20.0)
    assert told.memory_bytes == round(24105.6 * 2**20)
    assert told.memory_used_bytes == round(807.7 * 2**20)


@pytest.mark.parametrize(
    "text",
    [
        *("", "no top here", "PID USER\n1 me\n", TOP[:200], "\0" * 1000),
        "load average: 1.2.3, ..., 4\n%Cpu(s): ... id\nMiB Mem : . total, .. used",
        TOP[TOP.index("PID") :].partition("\n")[0]
        + "\n 1 me 20 0 1 2 3 S nan 0.0 0:00.01 x\n 2 me 20 0 1 2 3 S 0.0 inf 0:00.01 x",
    ],
)
def test_whatever_top_says_is_read_as_far_as_it_goes(text):
    assert read_top("t1", text, "").processes == []
