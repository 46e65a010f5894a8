"""Files, logs and machine of tasks that run on the local engine, by plain requests."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading

import pytest
import requests
from scripted import Answer, ScriptedServer, ok, refusal
from support import backend_at
from waiting import wait_until

from inductiva_widgets.errors import (
    AuthenticationError,
    BadPayloadError,
    LiveUnavailableError,
    NotFoundError,
    ServiceConnectionError,
    UserInputError,
)
from inductiva_widgets.live import following, ranges
from inductiva_widgets.live.following import LiveState
from inductiva_widgets.task import Task

TASK = "i4ir3kvv62odsfrhko4y8w2an"
STEPS = """
import pathlib, sys, time

def wait_for(name):
    while not pathlib.Path(name).exists():
        time.sleep(0.02)

pathlib.Path("vtk").mkdir()
pathlib.Path("vtk/a.vtk").write_text("a")
pathlib.Path("data.bin").write_bytes(bytes(100))
for number in range(int(sys.argv[1])):
    print(f"{number:09d}" + "x" * 90)
print("ready", flush=True)
print("trouble", file=sys.stderr, flush=True)
wait_for("gate")
print("one more")
print("the end", end="")
"""


@pytest.fixture
def backend(engine, tmp_path):
    with contextlib.closing(
        backend_at(engine.url, engine.key, tmp_path / "out", is_local=True)
    ) as made:
        yield made


class Running:
    """A task that printed `ready` and waits for its gate."""

    def __init__(self, engine, backend, lines):
        self.engine = engine
        self.id = engine.submit(f"python steps.py {lines}", files={"steps.py": STEPS})
        self.task = Task(self.id, backend=backend)
        engine.reach(self.id, "computation-started")
        self.folder = engine.work_folder(self.id)
        log = self.folder.parent.parent / "stdout.txt"
        wait_until(lambda: log.exists() and log.read_bytes().endswith(b"ready\n"))

    def open_gate(self):
        with contextlib.suppress(FileNotFoundError):  # the task has ended
            (self.folder / "gate").touch()

    def end(self):
        self.open_gate()
        self.engine.finish(self.id)


@pytest.fixture
def start(engine, backend):
    made = []

    def run(lines=0):
        made.append(Running(engine, backend, lines))
        return made[-1]

    yield run
    for one in made:
        one.end()


class Seen:
    """A file that is followed by callbacks, and what was told."""

    def __init__(self, backend, task_id, name="stdout.txt", **options):
        self.lines, self.states, self.end = [], [], None
        self.threads = set()
        self.following = backend.live.follow(
            task_id,
            name,
            on_lines=self._note_lines,
            on_end=self._note_end,
            on_state=self.states.append,
            **{"lines": 1000, **options},
        )

    def _note_lines(self, lines):
        self.threads.add(threading.current_thread().name)
        self.lines += lines

    def _note_end(self, end):
        self.end = end

    def wait_for(self, line):
        wait_until(lambda: line in self.lines or self.end)
        assert self.end is None, self.end

    def wait_for_end(self):
        wait_until(lambda: self.end)
        return self.end


# -- one look --------------------------------------------------------------------------------------


def test_the_files_are_listed_as_they_are(start):
    running = start()

    found = running.task.list_files()

    by_name = {file.name: file for file in found.files}
    assert {"stdout.txt", "stderr.txt", "steps.py", "vtk/", "vtk/a.vtk"} <= set(by_name)
    assert by_name["vtk/"].is_folder
    assert by_name["data.bin"].size == 100
    assert 0 <= (found.as_of - by_name["data.bin"].modified_at).total_seconds() < 120
    assert "vtk/\n└── vtk/a.vtk" in str(found)
    assert asyncio.run(running.task.list_files_async()).files[0].name == "stdout.txt"


def test_the_file_that_was_written_last_is_told(start):
    running = start()
    (running.folder / "newest.txt").write_text("new")
    wait_until(lambda: "newest.txt" in str(running.task.list_files()))

    def newest():
        (running.folder / "newest.txt").write_text("newer")  # system metrics are written as well
        return running.task.last_modified_file()

    found = wait_until(lambda: (one := newest()).name.endswith("newest.txt") and one)

    assert found.name == "newest.txt"
    assert found.path == f"/workdir/{running.id}/newest.txt"
    assert list(running.task.tail(found.path)) == list(running.task.tail(found.name)) == ["newer"]
    assert str(running.task.tail(found.name)) == repr(running.task.tail(found.name)) == "newer"
    with running.task.tail(found.name, follow=True) as followed:
        assert repr(followed) == "<LiveLines: iterate to follow the file>"
    assert found.age_s >= 0
    assert str(found).startswith(f"Most Recent File: /workdir/{running.id}/newest.txt\n")
    assert "Time Since Last Modification: 0:0" in str(found)


def test_the_load_of_the_machine_is_told(start):
    running = start()

    assert "PID" in running.task.top()
    assert "PID" in asyncio.run(running.task.top_async())


def test_the_last_lines_are_read(start):
    running = start(50)

    assert list(running.task.tail("stdout.txt", 2)) == ["000000049" + "x" * 90, "ready"]
    assert list(running.task.tail("stdout.txt", 0)) == []
    assert len(list(running.task.tail("stdout.txt", 1000))) == 4 + 50 + 1
    found = asyncio.run(running.task.tail_async("stderr.txt", 1))
    assert list(found) == ["trouble"]
    assert found.end.reason == "read"


def test_the_last_lines_are_printed_in_the_official_frame(start):
    running = start()
    paper = io.StringIO()

    running.task.tail_files(["stdout.txt", "stderr.txt"], 1, fout=paper)

    assert paper.getvalue() == (
        "┌ (last 1 lines from stdout.txt)\n│ready\n└\n"
        "┌ (last 1 lines from stderr.txt)\n│trouble\n└\n"
    )


# -- following -------------------------------------------------------------------------------------


def test_a_log_is_followed_until_the_task_ends(start, engine):
    running = start()

    found = []
    with running.task.tail("stdout.txt", lines=1, follow=True) as lines:
        for line in lines:
            found.append(line)
            running.open_gate()

    assert found == ["ready", "one more", "the end", " -------"]
    assert str(lines.end) == "The task has ended (success): no more lines come."
    assert lines.end.is_complete
    assert running.engine.output(running.id).endswith("\n".join(found) + "\n")


def test_twenty_megabytes_are_followed_without_loss_by_a_slow_reader(start, backend, monkeypatch):
    monkeypatch.setattr("inductiva_widgets.live.lines.HELD_LETTERS", 100_000)
    running = start(200_000)

    with running.task.tail("stdout.txt", lines=10**7, follow=True) as lines:
        first = next(lines)
        running.open_gate()
        wait_until(lambda: lines.end)  # not a line is read until all have come
        assert lines._spool._letters < 300_000
        whole = [first, *lines]

    assert "\n".join(whole) + "\n" == running.engine.output(running.id)


def test_callbacks_come_on_one_thread_with_states_and_an_end(start, backend):
    running = start()

    seen = Seen(backend, running.id)
    seen.wait_for("ready")
    running.end()

    assert seen.wait_for_end().reason == "task-ended"
    assert seen.lines[-3:] == ["one more", "the end", " -------"]
    assert seen.threads == {"inductiva-live"}
    assert seen.states == [LiveState.CONNECTING, LiveState.LIVE, LiveState.FINISHING]


def test_twenty_files_are_followed_by_six_threads(start, backend):
    running = start()
    before = set(threading.enumerate())

    seen = [Seen(backend, running.id) for _ in range(20)]
    for one in seen:
        one.wait_for("ready")
    threads = set(threading.enumerate()) - before

    assert len(threads) < 6, threads  # with the one that is here
    for one in seen:
        one.following.close()
    assert {one.wait_for_end().reason for one in seen} == {"closed"}


def test_twenty_tasks_are_followed_by_six_threads(start_engine, tmp_path):
    """Tasks that run at the same time, each with a log of its own."""
    engine = start_engine("--slots", "20", "--kill-grace", "0.5")
    before = set(threading.enumerate())
    with contextlib.closing(
        backend_at(engine.url, engine.key, tmp_path / "out", is_local=True)
    ) as backend:
        running = [Running(engine, backend, 5) for _ in range(20)]
        seen = [Seen(backend, one.id) for one in running]
        for one in seen:
            one.wait_for("ready")
        threads = set(threading.enumerate()) - before
        assert len(threads) < 6, threads  # with the one that is here
        for one in running:
            one.open_gate()
        assert all(one.wait_for_end().is_complete for one in seen)


def test_a_reader_that_is_forgotten_stops_following(start, backend):
    running = start()
    lines = running.task.tail("stdout.txt", follow=True)
    next(lines)

    del lines

    wait_until(lambda: not backend.live._followers)


def test_closing_ends_a_waiting_reader(start):
    running = start()
    lines = running.task.tail("stdout.txt", lines=1, follow=True)
    assert next(lines) == "ready"
    threading.Timer(0.1, lines.close).start()

    assert list(lines) == []
    assert lines.end.reason == "closed"


def test_a_file_that_was_cut_or_replaced_is_read_from_its_start(start, backend):
    running = start()
    log = running.folder / "log.txt"
    log.write_text("first\n" * 100)
    seen = Seen(backend, running.id, "log.txt", lines=1)
    seen.wait_for("first")

    log.write_text("cut\n")
    seen.wait_for("cut")
    other = running.folder / "other.txt"
    other.write_text("replaced\n" * 50)
    other.replace(log)
    seen.wait_for("replaced")

    wait_until(lambda: len(seen.lines) == 52)
    assert seen.lines == ["first", "cut", *["replaced"] * 50]


def test_a_file_that_is_not_there_yet_is_waited_for(start, backend):
    running = start()
    seen = Seen(backend, running.id, "later.txt", wait=True)

    (running.folder / "later.txt").write_text("here\n")

    seen.wait_for("here")


def test_a_task_that_has_not_begun_is_waited_for(backend, engine):
    task_id = engine.create("python steps.py 0")
    seen = Seen(backend, task_id, wait=True)
    assert Seen(backend, task_id).wait_for_end().error.cause == "not-running"

    engine.call("POST", f"/tasks/{task_id}/kill")

    assert isinstance(seen.wait_for_end().error, NotFoundError | LiveUnavailableError)


def test_the_engine_gone_and_back_loses_and_repeats_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(following, "PAUSES_S", (0.01,) * 6)
    text = "".join(f"line {number}\n" for number in range(300)).encode()
    service = Scripted(text[:1000])
    with contextlib.closing(service), service.backend(tmp_path) as backend:
        seen = Seen(backend, TASK)
        wait_until(lambda: len(seen.lines) > 100)
        service.is_down = True
        wait_until(lambda: LiveState.LOST in seen.states)
        service.text = text
        service.is_down = False

        seen.wait_for("line 299")
        assert seen.lines == text.decode().splitlines()


# -- what cannot be ------------------------------------------------------------------------------


def test_files_that_are_not_there_or_no_text_are_told(start, backend):
    running = start()

    with pytest.raises(NotFoundError, match=r"no file 'nope\.txt'") as caught:
        running.task.tail("nope.txt")
    assert caught.value.missing == ("nope.txt",)
    with pytest.raises(UserInputError, match="not a text file"):
        running.task.tail("data.bin")
    with pytest.raises(NotFoundError):
        next(running.task.tail("nope.txt", follow=True))
    with pytest.raises(UserInputError, match="not a text file"):
        next(running.task.tail("data.bin", follow=True))


@pytest.mark.parametrize("name", ["../../../engine.db", "/etc/passwd", "..", "vtk/../../../token"])
def test_no_name_leads_out_of_the_task(start, name):
    running = start()

    with pytest.raises(NotFoundError):
        running.task.tail(name)


def test_a_bad_name_among_several_leaves_none_followed(start, backend):
    running = start()

    with pytest.raises(UserInputError):
        running.task.tail_files(["stdout.txt", "stderr.txt", ""], follow=True)

    wait_until(lambda: not backend.live._followers)


def test_bad_arguments_are_refused_before_any_request(backend):
    task = Task(TASK, backend=backend)

    for name, lines in (("", 1), ("a\0", 1), ("a", -1), ("a", True), ("a", 1.5), (None, 1)):
        with pytest.raises(UserInputError):
            task.tail(name, lines)
        with pytest.raises(UserInputError):
            task.tail(name, lines, follow=True)


def test_of_a_task_that_has_ended_the_outputs_are_read(start):
    running = start(30)
    running.end()
    task = running.task

    assert list(task.tail("stdout.txt", 3)) == ["one more", "the end", " -------"]
    followed = task.tail("stdout.txt", 2, follow=True)
    assert list(followed) == ["the end", " -------"]
    assert str(followed.end) == "The task has ended (success): no more lines come."
    with pytest.raises(NotFoundError):
        task.tail("nope.txt")
    with pytest.raises(UserInputError, match="not a text file"):
        task.tail("data.bin")
    for ask in (task.list_files, task.top, task.last_modified_file):
        with pytest.raises(LiveUnavailableError, match=r"has ended \(Success\)") as caught:
            ask()
        assert caught.value.cause == "not-running"


def test_a_task_that_waits_has_nothing_live(engine, backend):
    task = Task(engine.create("python steps.py 0"), backend=backend)

    with pytest.raises(LiveUnavailableError, match="does not compute now") as caught:
        task.list_files()

    assert caught.value.cause == "not-running"
    assert caught.value.hint
    engine.call("POST", f"/tasks/{task.id}/kill")


def test_unknown_tasks_are_not_found(backend):
    with pytest.raises(NotFoundError):
        Task("0" * 25, backend=backend).top()


def test_the_routes_need_the_key_and_a_running_task(engine, start):
    running = start()
    path = f"/tasks/{running.id}/live"

    for what in ("files", "file?name=stdout.txt", "top", "last-modified-file"):
        assert requests.get(f"{engine.url}{path}/{what}", timeout=10).status_code == 401
    reply = engine.call("GET", f"{path}/file", params={"name": "stdout.txt", "start": "x"})
    assert reply.status_code == 422
    assert engine.call("GET", f"{path}/file").status_code == 422
    assert engine.call("GET", f"{path}/file", params={"name": "../x"}).status_code == 404
    assert engine.call("GET", f"/tasks/{'0' * 25}/live/files").status_code == 404
    running.end()
    assert engine.call("GET", f"{path}/files").status_code == 409


# -- a service that misbehaves ---------------------------------------------------------------------


class Scripted:
    """An engine of which tests choose every answer."""

    def __init__(self, text=b""):
        self.text = text
        self.is_down = False
        self.answer = None
        self.server = ScriptedServer()
        self.server.route = self._route

    @contextlib.contextmanager
    def backend(self, folder):
        with contextlib.closing(
            backend_at(self.server.url, "key", folder / "out", is_local=True)
        ) as made:
            yield made

    def close(self):
        self.server.close()

    def _route(self, asked):
        if self.is_down:
            return refusal(503, "Down.")
        if asked.path.startswith(f"/tasks/{TASK}/status"):
            return ok({"id": TASK, "status": "computation-started", "is_terminated": False})
        if "/live/" not in asked.path:
            return ok(
                {
                    "task_id": TASK,
                    "status": "computation-started",
                    "is_terminated": False,
                    "metrics": {},
                }
            )
        if self.answer is not None:
            return self.answer
        start = int(asked.path.partition("start=")[2] or 0)
        head = b'{"file": "1-2", "size": %d, "start": %d}\n' % (len(self.text), start)
        return Answer(200, head + self.text[start : start + 700])


@pytest.mark.parametrize(
    "body",
    [b"", b"no JSON\nx", b"[1]\nx", b'{"file": 1, "size": 2, "start": 3}\nx', b'{"file": "a"}'],
)
def test_answers_that_make_no_sense_are_refused(tmp_path, body):
    service = Scripted()
    service.answer = Answer(200, body)
    with contextlib.closing(service), service.backend(tmp_path) as backend:
        with pytest.raises(BadPayloadError):
            backend.live.tail(TASK, "x.txt")
        for ask in (backend.live.list_files, backend.live.last_modified_file):
            with pytest.raises(BadPayloadError):
                ask(TASK)


def test_a_refused_key_ends_following(tmp_path):
    service = Scripted()
    service.answer = refusal(401, "The API key is wrong.")
    with contextlib.closing(service), service.backend(tmp_path) as backend:
        end = Seen(backend, TASK).wait_for_end()

    assert isinstance(end.error, AuthenticationError)


def test_an_outage_before_the_first_line_is_told(tmp_path):
    service = Scripted()
    service.answer = refusal(503, "Down.")
    with contextlib.closing(service), service.backend(tmp_path) as backend:
        end = Seen(backend, TASK).wait_for_end()

    assert end.reason == "failed"
    assert end.error is not None


def test_a_service_that_is_gone_is_told(tmp_path):
    service = Scripted()
    with service.backend(tmp_path) as backend:
        service.close()
        with pytest.raises(ServiceConnectionError):
            backend.live.top(TASK)


def test_a_callback_that_fails_ends_its_follower_only(start, backend, caplog):
    running = start()
    ends = []

    def fail(_lines):
        raise ValueError("mine")

    backend.live.follow(running.id, "stdout.txt", on_lines=fail, on_end=ends.append)

    wait_until(lambda: ends)
    assert ends[0].reason == "failed"
    assert "ValueError" in str(ends[0])
    assert "Following a file failed" in caplog.text
    Seen(backend, running.id).wait_for("ready")


def test_nothing_starts_before_the_first_use(engine, tmp_path):
    before = set(threading.enumerate())
    made = backend_at(engine.url, engine.key, tmp_path, is_local=True)

    assert made.live.way == "ranges"
    assert set(threading.enumerate()) == before
    made.close()


def test_pauses_grow_while_nothing_comes():
    assert sorted(ranges.PAUSES_S) == list(ranges.PAUSES_S)
    assert ranges.PAUSES_S[-1] <= 1.0
