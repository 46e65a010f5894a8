"""TaskMonitor and the display of tasks without a browser: a comm that records what is sent."""

from __future__ import annotations

import contextlib
import gzip
import json
import queue
import socket
import sys
import threading
import time
from types import SimpleNamespace

import comm
import pytest
import traitlets
from comm.base_comm import BaseComm
from ipywidgets import Accordion, HBox, Tab, VBox, Widget
from ipywidgets.widgets.widget import _instances
from waiting import wait_until

from inductiva_widgets import Task, TaskMonitor, TaskTable
from inductiva_widgets import backend as backends
from inductiva_widgets.api.config import ApiKey, Config, normalise_url
from inductiva_widgets.api.http import ApiTransport
from inductiva_widgets.backend import Backend
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.notebook import display, known, magics, service_widget, view_code
from inductiva_widgets.notebook.view_code import bundle_of, first_text
from inductiva_widgets.service import dispatch

FIRST_PAINT = 45_000  # bytes with gzip
LOADER = 3_000
EVIL = "<img src=x onerror=alert(1)>"
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
TASK_MIME = "application/vnd.inductiva.task+json"


class RecordingComm(BaseComm):
    """The kernel's end of a comm; what it publishes goes into a queue."""

    def __init__(self, *args, **kwargs):
        self.published = queue.Queue()
        super().__init__(*args, **kwargs)

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        json.dumps(data)
        self.published.put((msg_type, data or {}, buffers or []))


class View:
    """The browser's end: sends what a view sends, and reads what it would receive."""

    def __init__(self, monitor):
        self.comm = monitor.comm
        self.state = {}
        self.events = []

    def message(self, data, buffers=()):
        self.comm.handle_msg({"content": {"data": data}, "buffers": list(buffers)})

    def send(self, content, buffers=()):
        self.message({"method": "custom", "content": content}, buffers)

    def call(self, method, params, buffers=(), call_id="c-1"):
        content = {"kind": "call", "id": call_id, "method": method, "params": params}
        self.send(content, buffers)

    def next(self):
        """The next custom message, with its buffers; states are kept."""
        while True:
            kind, data, buffers = self.comm.published.get(timeout=20)
            if kind in ("comm_open", "comm_msg") and data.get("method") != "custom":
                self.state.update(data.get("state", {}))
            elif data.get("method") == "custom":
                return data["content"], buffers

    def next_event(self, kind, **wanted):
        while True:
            message, _ = self.next()
            if message["kind"] == "event":
                self.events.append(message)
                event = message["event"]
                if event["kind"] == kind and wanted.items() <= event[kind].items():
                    return event[kind]

    def answer(self, call_id="c-1"):
        """Result or error of a call, and its buffers; acks on the way are fine."""
        while True:
            message, buffers = self.next()
            if message["kind"] in ("result", "error") and message["id"] == call_id:
                return message, buffers

    def sent_by_now(self):
        """Custom messages that lie ready."""
        found = []
        while not self.comm.published.empty():
            _, data, _ = self.comm.published.get()
            self.state.update(data.get("state", {}))
            if data.get("method") == "custom":
                found.append(data["content"])
        return found


@pytest.fixture
def notebook(monkeypatch):
    """Surroundings of a kernel: comms, the services and monitors of this test only."""
    services = {}
    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    monkeypatch.setattr(dispatch, "_services", services)
    monkeypatch.setattr(display, "_models", display._Models())
    monkeypatch.setattr(display, "in_kernel", lambda: True)
    monkeypatch.setattr(display, "shows_widgets", display.in_kernel)
    monkeypatch.setattr(backends, "_default", None)
    made_before = set(_instances)
    yield
    for widget in [one for key, one in _instances.items() if key not in made_before]:
        widget.close()
    for service in services.values():
        service.close()


def connected(url, key, folder):
    return Backend(Config(normalise_url(url), ApiKey(key), "the test", folder, is_local=True))


@pytest.fixture
def backend(engine, tmp_path, notebook):
    with contextlib.closing(connected(engine.url, engine.key, tmp_path / "out")) as made:
        yield made


@pytest.fixture
def monitor(backend, finished):
    return TaskMonitor(Task(finished, backend=backend))


@pytest.fixture
def view(monitor):
    return View(monitor)


class Blocked:
    """A service whose calls wait until `release` is set."""

    def __init__(self, monitor, monkeypatch):
        self.release = threading.Event()
        self.started = queue.Queue()
        self.ran = []
        real = monitor._service.call

        def call(method, params, buffers=()):
            self.ran.append(method)
            self.started.put(method)
            assert self.release.wait(20)
            return real(method, params, buffers)

        monkeypatch.setattr(monitor._service, "call", call)


@pytest.fixture
def blocked(monitor, monkeypatch):
    made = Blocked(monitor, monkeypatch)
    yield made
    made.release.set()


@pytest.fixture
def requests_sent(monkeypatch):
    """Paths of all requests to the service."""
    sent = []
    request = ApiTransport._request

    def counting(self, method, path, **options):
        sent.append(f"{method} {path}")
        return request(self, method, path, **options)

    monkeypatch.setattr(ApiTransport, "_request", counting)
    return sent


def ticked(count, *indices):
    bits = bytearray((count + 7) // 8)
    for index in indices:
        bits[index >> 3] |= 1 << (index & 7)
    return gzip.compress(bytes(bits))


def listing(view, task_id):
    view.call("outputs.list", {"task_id": task_id}, call_id="list")
    message, (frame,) = view.answer("list")
    meta = message["result"]
    return meta, gzip.decompress(frame)[: meta["names_bytes"]].decode().split("\n")


# -- calls -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "params", "kind"),
    [
        ("task.get", {"task_id": "…"}, "result"),
        ("outputs.list", {"task_id": "…"}, "result"),
        ("outputs.cancel", {"download_id": "none"}, "result"),
        ("task.details", {"task_id": "…"}, "result"),
        ("task.failure", {"task_id": "…"}, "result"),
        ("task.details", {"task_id": "nosuchtask"}, "error"),
        ("task.get", {"task_id": "nosuchtask"}, "error"),
        ("task.get", {"task_id": None}, "error"),
        ("task.get", None, "error"),
        ("task.get", [1, 2], "error"),
        ("no.such.method", {}, "error"),
        (None, {}, "error"),
        ({"a": 1}, {}, "error"),
        ("outputs.select", {"revision": "r", "count": 9}, "error"),
        ("outputs.select", {"revision": "r", "count": "9"}, "error"),
        ("outputs.download", {"task_id": "…", "revision": "wrong"}, "error"),
    ],
)
def test_every_call_is_acked_first_and_answered_once(monitor, view, method, params, kind):
    if isinstance(params, dict) and params.get("task_id") == "…":
        params = {**params, "task_id": monitor.task_id}

    view.call(method, params)
    view.call("task.get", {"task_id": monitor.task_id}, call_id="after")

    assert view.next()[0] == {"kind": "ack", "id": "c-1"}
    answer, _ = view.answer()
    assert answer["kind"] == kind
    if kind == "error":
        assert set(answer["error"]) == {"type", "message", "hint", "retryable"}
    assert not [m for m in view.sent_by_now() if m["kind"] != "ack" and m["id"] == "c-1"]


@pytest.mark.parametrize(
    "content",
    [None, 3, "text", [], {}, {"kind": "call"}, {"kind": "call", "id": 7}, {"kind": "?"}, b"x"],
)
def test_what_is_no_message_is_ignored(monitor, view, content):
    view.send(content)
    view.call("task.get", {"task_id": monitor.task_id})

    assert view.next()[0] == {"kind": "ack", "id": "c-1"}


def test_a_repeated_call_that_has_ended_is_answered_again_and_not_run_again(monitor, view, blocked):
    blocked.release.set()
    view.call("task.get", {"task_id": monitor.task_id})
    first, _ = view.answer()

    view.call("task.get", {"task_id": monitor.task_id})

    assert view.next()[0] == {"kind": "ack", "id": "c-1"}
    assert view.answer()[0] == first
    assert blocked.ran == ["task.get"]


@pytest.mark.fault(107)
def test_a_repeated_call_that_still_runs_is_acked_and_answered_once(monitor, view, blocked):
    for _ in range(5):
        view.call("task.get", {"task_id": monitor.task_id})
    blocked.started.get(timeout=10)
    blocked.release.set()
    view.answer()
    view.call("task.get", {"task_id": monitor.task_id}, call_id="after")
    view.answer("after")

    assert blocked.ran == ["task.get", "task.get"]


@pytest.mark.fault(107)
def test_the_same_call_from_many_threads_runs_once(monitor, view, blocked):
    barrier = threading.Barrier(8)

    def click():
        barrier.wait()
        view.call("task.get", {"task_id": monitor.task_id})

    threads = [threading.Thread(target=click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    blocked.release.set()
    view.answer()

    assert blocked.ran == ["task.get"]


def test_bulk_answers_are_not_kept_but_made_again(monitor, view):
    for _ in range(2):
        view.call("outputs.list", {"task_id": monitor.task_id})
        message, buffers = view.answer()
        assert message["kind"] == "result"
        assert len(buffers) == 1
    assert monitor._calls._answers == {}


def test_answers_are_kept_for_a_limited_number_of_calls(monitor, view):
    for number in range(300):
        view.call("outputs.cancel", {}, call_id=f"n{number}")
        view.answer(f"n{number}")

    assert len(monitor._calls._answers) == 256


@pytest.mark.parametrize("layout", [VBox, HBox, Tab, Accordion])
def test_a_layout_of_ipywidgets_holds_a_monitor(monitor, view, finished, layout):
    box = layout([monitor])

    assert box.get_state()["children"] == [f"IPY_MODEL_{monitor.model_id}"]
    assert monitor.get_state()["task_id"] == finished
    box.children = ()
    box.close()
    view.call("task.get", {"task_id": finished})
    assert view.answer()[0]["result"]["status"] == "success"


def test_the_handler_returns_at_once_while_the_service_is_blocked(monitor, view, blocked):
    for number in range(20):
        view.call("task.get", {"task_id": monitor.task_id}, call_id=f"n{number}")
        view.send({"kind": "subscribe", "topic": f"task/{monitor.task_id}"})
        view.send({"kind": "unsubscribe", "topic": f"task/{monitor.task_id}"})

    sent = view.sent_by_now()
    acked = [m["id"] for m in sent if m["kind"] == "ack"]
    assert acked == [f"n{number}" for number in range(20)]
    assert not [m for m in sent if m["kind"] in ("result", "error")]
    blocked.release.set()
    waiting = set(acked)
    while waiting:
        message, _ = view.next()
        if message["kind"] == "result":
            waiting.remove(message["id"])


@pytest.mark.parametrize("kind", [TaskMonitor, TaskTable])
def test_what_a_first_paint_needs_is_small_and_sent_once(backend, finished, kind):
    first, second = (kind(Task(finished, backend=backend)) for _ in range(2))

    assert first.code is second.code
    assert first.code.packed == bundle_of(kind._kind).first
    assert b"export" in gzip.decompress(first.code.packed)
    assert len(first.code.packed) <= FIRST_PAINT
    assert len(json.dumps(first.get_state()["_esm"])) < LOADER


def test_the_code_of_the_views_is_with_the_page_before_they_are(monkeypatch, backend, finished):
    opened = []
    monkeypatch.setattr(view_code, "_codes", {})  # no page was shown before
    monkeypatch.setattr(comm, "create_comm", lambda **keys: _noted(opened, RecordingComm(**keys)))
    task = Task(finished, backend=backend)

    monitors = [TaskMonitor(task), TaskMonitor(task)]

    made = [one.comm_id for one in opened]
    assert made.count(monitors[0].code.model_id) == 1
    for monitor in monitors:
        assert made.index(monitor.code.model_id) < made.index(monitor.model_id)
        assert monitor.get_state()["code"] == f"IPY_MODEL_{monitor.code.model_id}"


def _noted(opened, made):
    opened.append(made)
    return made


def test_the_code_stays_when_monitors_are_closed_and_is_new_after_it_was(backend, finished):
    task = Task(finished, backend=backend)
    first = TaskMonitor(task)
    first.close()
    second = TaskMonitor(task)
    assert second.code is first.code
    assert second.code.comm is not None

    Widget.close_all()
    third = TaskMonitor(task)

    assert third.code is not second.code
    assert third.code.comm is not None
    assert third.code.name == second.code.name


def test_in_marimo_a_widget_brings_all_itself(monkeypatch, backend, finished):
    monkeypatch.setattr(service_widget, "in_marimo", lambda: True)

    monitor = TaskMonitor(Task(finished, backend=backend))

    assert monitor.code is None
    assert monitor._esm == first_text("monitor")
    assert ".iw-details" in monitor._css


def test_the_code_of_a_view_comes_also_while_all_workers_wait(monitor, view, blocked):
    for number in range(dispatch.WORKERS):
        view.call("outputs.cancel", {}, call_id=f"n{number}")
        blocked.started.get(timeout=20)

    view.call("view.code", {}, call_id="code")
    view.call("view.parts", {}, call_id="parts")

    message, (module,) = view.answer("code")
    assert message["result"] == {"name": monitor.code.name}
    assert module == monitor.code.packed
    message, (module,) = view.answer("parts")
    assert message["result"] == {}
    assert module == bundle_of("monitor").parts


@pytest.mark.fault(100)
def test_a_call_that_cannot_be_run_any_more_is_answered(monitor, view):
    monitor._service.close()

    view.call("task.get", {"task_id": monitor.task_id})

    answer, _ = view.answer()
    assert answer["error"]["type"] == "InternalError"
    assert "shutdown" not in json.dumps(answer)


# -- traits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [
        {"status": "killed"},
        {"summary": {"status": "killed"}},
        {"task_id": "another"},
        {"selected_count": 99},
        {"selected_count": "nonsense"},
        {"last_download": {"state": "done"}},
        {"alive_key": "mine"},
        {"made_up": 1},
    ],
)
def test_the_browser_changes_no_trait(monitor, view, state, caplog):
    before = monitor.get_state()

    view.message({"method": "update", "state": state, "buffer_paths": []})

    assert monitor.get_state() == before
    assert not caplog.records


@pytest.mark.parametrize("name", ["status", "summary", "task_id", "selected_count"])
def test_python_code_cannot_set_what_the_service_says(monitor, name):
    with pytest.raises(traitlets.TraitError):
        setattr(monitor, name, getattr(monitor, name))


def test_threads_that_push_and_states_that_arrive_never_lose_the_last_value(monitor, view):
    rounds, failures = 300, []
    stop = threading.Event()
    interval = sys.getswitchinterval()
    threading.excepthook, hook = lambda a: failures.append(a.exc_value), threading.excepthook

    def browser():
        while not stop.is_set():
            monitor.set_state({"_view_name": "AnyView", "status": "from the browser"})

    def poller(name):
        for number in range(rounds):
            monitor.push(status=f"{name} {number}", selected_count=number)

    sys.setswitchinterval(1e-6)
    try:
        sender = threading.Thread(target=browser)
        pushers = [threading.Thread(target=poller, args=(name,)) for name in "ab"]
        for thread in (sender, *pushers):
            thread.start()
        for thread in pushers:
            thread.join()
        monitor.push(status="last", selected_count=1234)
        stop.set()
        sender.join()
    finally:
        sys.setswitchinterval(interval)
        threading.excepthook = hook

    view.sent_by_now()
    assert failures == []
    assert (monitor.status, monitor.selected_count) == ("last", 1234)
    assert (view.state["status"], view.state["selected_count"]) == ("last", 1234)


def test_an_observer_that_fails_does_not_silence_the_view(backend, finished):
    monitor = TaskMonitor(Task(finished, backend=backend))
    view = View(monitor)
    monitor.observe(lambda _: 1 / 0, "status")
    view.send({"kind": "subscribe", "topic": f"task/{finished}"})

    view.next_event("task", status="success")
    backend.watcher.refresh(finished)
    view.next_event("task", status="success")

    assert monitor.status == "success"


def test_a_running_log_comes_through_the_comm_and_only_that_of_its_own_task(engine, backend):
    files = {"run.py": "import time\nprint('hello', flush=True)\ntime.sleep(60)\n"}
    task_id = engine.submit("python run.py", files=files)
    other = engine.submit("python run.py", files=files)
    engine.reach(task_id, "computation-started")
    engine.reach(other, "computation-started")
    monitor = TaskMonitor(Task(task_id, backend=backend))
    view = View(monitor)
    try:
        view.send({"kind": "subscribe", "topic": f"logs/{other}"})
        view.send({"kind": "subscribe", "topic": f"logs/{other}#{task_id}"})
        view.send({"kind": "subscribe", "topic": f"logs/{task_id}#iw1"})
        text = ""
        while "hello" not in text:
            message, _ = view.next()
            if message["kind"] == "event":
                assert message["topic"] == f"logs/{task_id}#iw1"
                text += "".join(chunk["text"] for chunk in message["event"]["chunks"])
    finally:
        monitor.close()
        for each in (task_id, other):
            engine.call("POST", f"/tasks/{each}/kill")
            engine.finish(each)


def test_status_can_be_observed(engine, backend):
    task_id = engine.submit("sleep 0.2")
    monitor = TaskMonitor(Task(task_id, backend=backend))
    seen, ended = [], threading.Event()

    def note(change):
        seen.append(change["new"])
        if change["new"] == "success":
            ended.set()

    monitor.observe(note, "status")
    View(monitor).send({"kind": "subscribe", "topic": f"task/{task_id}"})

    assert ended.wait(20)
    assert monitor.summary["is_terminal"]
    assert len(seen) == len(set(seen))


# -- selection and download --------------------------------------------------------------------


def test_what_is_ticked_is_known_to_python(monitor, view):
    meta, names = listing(view, monitor.task_id)
    params = {"task_id": monitor.task_id, "revision": meta["revision"], "count": len(names)}

    view.call("outputs.select", params, [memoryview(ticked(len(names), 0, 3, len(names) - 1))])

    assert view.answer()[0]["result"] == {}
    assert monitor.selected == [names[0], names[3], names[-1]]
    assert monitor.selected_count == 3


def test_nothing_is_ticked_before_a_view_says_so(monitor, requests_sent):
    assert monitor.selected == []
    assert monitor.selected_count == 0
    assert requests_sent == []


def test_what_was_ticked_in_another_listing_is_not_ticked(monitor, view):
    _, names = listing(view, monitor.task_id)

    params = {"task_id": monitor.task_id, "revision": "old", "count": len(names)}
    view.call("outputs.select", params, [ticked(len(names), 1)])
    view.answer()

    assert monitor.selected == []


@pytest.mark.parametrize("count", [-9, -(10**12), 10**12, True, 3.5, None])
def test_a_selection_with_a_nonsense_count_is_refused(monitor, view, count):
    bomb = gzip.compress(bytes(50_000_000), compresslevel=1)

    view.call("outputs.select", {"revision": "r", "count": count}, [bomb])

    assert view.answer()[0]["error"]["type"] == "UserInputError"
    assert monitor.selected_count == 0


def test_the_ticked_files_are_downloaded_by_python_or_the_files_named(
    monitor, view, backend, monkeypatch
):
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # its thread would stay
    meta, names = listing(view, monitor.task_id)
    params = {"task_id": monitor.task_id, "revision": meta["revision"], "count": len(names)}
    with pytest.raises(UserInputError):
        monitor.download()
    view.call("outputs.select", params, [ticked(len(names), names.index("file_3.txt"))])
    view.answer()

    folder = monitor.download()
    monitor.download(["file_5.txt"])

    assert folder == backend.config.output_dir / monitor.task_id / "outputs"
    assert {path.name for path in folder.iterdir()} == {"file_3.txt", "file_5.txt"}


def test_the_last_download_is_kept_for_python(monitor, view):
    meta, names = listing(view, monitor.task_id)
    view.send({"kind": "subscribe", "topic": f"task/{monitor.task_id}"})
    params = {"task_id": monitor.task_id, "revision": meta["revision"]}

    view.call("outputs.download", params, [ticked(len(names), names.index("file_8.txt"))])
    end = view.next_event("download", state="done")

    assert monitor.last_download == {
        "state": "done",
        "target": end["target"],
        "files": 1,
        "files_done": 1,
        "error": None,
    }


# -- subscriptions and closing -----------------------------------------------------------------


def watched(backend):
    return [s.task_id for group in backend.watcher._subscriptions.values() for s in group]


def settled(monitor):
    """All workers have done what was handed to them so far."""
    barrier = threading.Barrier(5)
    for _ in range(4):
        monitor._service.workers.submit(barrier.wait, 10)
    barrier.wait(10)


@pytest.mark.fault(101)
def test_events_come_after_subscribing_and_stop_after_unsubscribing(monitor, view, backend):
    topic = f"task/{monitor.task_id}"
    view.send({"kind": "subscribe", "topic": topic})
    view.next_event("task", status="success")
    settled(monitor)
    assert watched(backend) == [monitor.task_id]

    view.send({"kind": "unsubscribe", "topic": topic})
    backend.watcher.refresh(monitor.task_id)

    assert watched(backend) == []
    assert view.sent_by_now() == []
    assert [m["revision"] for m in view.events] == [1]


def test_subscribing_again_starts_revisions_at_one_and_keeps_one_watching(monitor, view, backend):
    topic = f"task/{monitor.task_id}"
    for _ in range(3):
        view.send({"kind": "subscribe", "topic": topic})
        settled(monitor)
    backend.watcher.refresh(monitor.task_id)
    view.next_event("task")

    assert view.events[-1]["revision"] == 1
    assert watched(backend) == [monitor.task_id]
    assert len(monitor._service.hub._listeners[topic]) == 1


def test_a_burst_of_wishes_ends_with_the_last_one(monitor, view, backend):
    topic = f"task/{monitor.task_id}"
    for _ in range(30):
        view.send({"kind": "subscribe", "topic": topic})
        view.send({"kind": "unsubscribe", "topic": topic})
    settled(monitor)
    assert watched(backend) == []
    assert monitor._service.hub._listeners == {}

    for _ in range(30):
        view.send({"kind": "subscribe", "topic": topic})
    settled(monitor)
    assert len(monitor._service.hub._listeners[topic]) == 1


@pytest.mark.parametrize("topic", ["task/another", "tasks", "", None, 7, ["task/x"]])
def test_a_monitor_speaks_of_its_own_task_only(monitor, view, backend, topic):
    view.send({"kind": "subscribe", "topic": topic})
    settled(monitor)

    assert watched(backend) == []


@pytest.mark.fault(101)
def test_close_may_be_called_twice_and_frees_everything(monitor, view, backend):
    view.send({"kind": "subscribe", "topic": f"task/{monitor.task_id}"})
    view.next_event("task")
    model_id = monitor.model_id

    monitor.close()
    monitor.close()

    assert monitor.is_closed
    assert watched(backend) == []
    assert model_id not in _instances
    assert view.comm._closed


def test_a_subscription_on_its_way_does_not_survive_close(monitor, view, backend):
    view.send({"kind": "subscribe", "topic": f"task/{monitor.task_id}"})
    monitor.close()
    settled(monitor)

    assert watched(backend) == []
    assert monitor._service.hub._listeners == {}


@pytest.mark.fault(100)
def test_an_answer_that_comes_after_close_goes_nowhere_and_raises_nothing(
    monitor, view, blocked, caplog
):
    view.call("task.get", {"task_id": monitor.task_id})
    blocked.started.get(timeout=10)
    monitor.close()
    blocked.release.set()
    settled(monitor)

    assert [m["kind"] for m in view.sent_by_now()] == ["ack"]
    assert not [r for r in caplog.records if r.name.startswith("inductiva_widgets")]


@pytest.mark.fault(101)
def test_the_page_that_closes_the_comm_closes_nothing_twice(monitor, view):
    view.comm.handle_close({"content": {}})
    monitor.close()


# -- whose monitor -----------------------------------------------------------------------------


def official(backend, task_id, host=None):
    """A task of the official client, as far as it is looked at."""
    keys = {"APIKeyHeader": backend.config.key.reveal()}
    configuration = SimpleNamespace(host=host or backend.config.url, api_key=keys)
    api = SimpleNamespace(api_client=SimpleNamespace(configuration=configuration))
    kind = type("Task", (), {"__module__": "inductiva.tasks.task", "id": task_id, "_api": api})
    return kind()


def test_a_monitor_is_made_of_an_id_a_task_or_an_official_task(backend, finished, monkeypatch):
    monkeypatch.setattr(backends, "_default", backend)

    for given in (finished, Task(finished), official(backend, finished)):
        monitor = TaskMonitor(given)
        assert monitor.task_id == finished
        assert monitor.task.backend is backend


@pytest.mark.parametrize("given", [None, 7, b"id", ["id"], "", "not an id", "../x", object()])
def test_a_monitor_of_nonsense_is_refused(backend, given):
    with pytest.raises(UserInputError):
        TaskMonitor(given)


@pytest.mark.parametrize("host", ["https://api.inductiva.ai", "http://127.0.0.1:1"])
def test_an_official_task_of_another_service_is_refused(backend, finished, monkeypatch, host):
    monkeypatch.setattr(backends, "_default", backend)

    with pytest.raises(UserInputError, match="another service"):
        TaskMonitor(official(backend, finished, host))


@pytest.mark.parametrize("key", ["another-key", 7, None])
def test_an_official_task_of_another_account_is_refused(backend, finished, monkeypatch, key):
    monkeypatch.setattr(backends, "_default", backend)
    task = official(backend, finished)
    task._api.api_client.configuration.api_key = {"APIKeyHeader": key} if key else {}

    with pytest.raises(UserInputError, match="another API key") as refused:
        TaskMonitor(task)

    assert backend.config.key.reveal() not in str(refused.value)
    assert "another-key" not in str(refused.value)


@pytest.mark.fault(101)
def test_a_task_has_one_monitor_until_that_is_closed(backend, finished):
    task = Task(finished, backend=backend)
    first = task.monitor()

    assert Task(finished, backend=backend).monitor() is first
    first.close()
    assert task.monitor() is not first


@pytest.mark.fault(101)
def test_a_cell_run_a_hundred_times_costs_what_one_costs(backend, engine, requests_sent):
    task_id = engine.submit("sleep 60")
    engine.reach(task_id, "computation-started")
    task = Task(task_id, backend=backend)
    task._repr_mimebundle_()
    view = View(task.monitor())
    view.send({"kind": "subscribe", "topic": f"task/{task_id}"})
    view.next_event("task")
    threads, asked = threading.active_count(), len(requests_sent)

    for _ in range(100):
        Task(task_id, backend=backend)._repr_mimebundle_()

    assert list(display._models.monitors.values()) == [task.monitor()]
    assert threading.active_count() <= threads
    # The one poller asks for the status only, as long as that stays the same.
    assert f"GET /tasks/{task_id}" not in requests_sent[asked:]
    task.monitor().close()
    wait_until(lambda: threading.active_count() < threads)
    engine.call("POST", f"/tasks/{task_id}/kill")
    engine.finish(task_id)


# -- reading ahead -----------------------------------------------------------------------------


def test_a_display_reads_what_its_view_will_ask_for(monitor, view, requests_sent):
    monitor._repr_mimebundle_()
    wait_until(lambda: monitor._service.outputs._packed is not None)
    asked = len(requests_sent)

    view.call("task.get", {"task_id": monitor.task_id, "refresh": False})
    assert view.answer()[0]["kind"] == "result"
    meta, names = listing(view, monitor.task_id)

    assert len(names) == meta["count"] > 0
    assert requests_sent.count(f"GET /tasks/{monitor.task_id}") == 1
    assert requests_sent[asked:] == []


def test_a_view_finds_what_the_tasks_owner_has_listed(backend, finished, requests_sent):
    task = Task(finished, backend=backend)
    count = task.get_output_info().n_files
    asked = len(requests_sent)
    monitor = TaskMonitor(task)

    monitor._repr_mimebundle_()
    wait_until(lambda: monitor._service.outputs._packed is not None)

    assert listing(View(monitor), finished)[0]["count"] == count
    assert requests_sent[asked:] == []


def test_a_view_that_asks_what_is_on_its_way_shares_the_answer(
    backend, engine, requests_sent, monkeypatch
):
    task_id = engine.submit("sleep 60")
    engine.reach(task_id, "computation-started")
    monitor = TaskMonitor(Task(task_id, backend=backend))
    view, asked, release = View(monitor), threading.Event(), threading.Event()
    refresh = backend.watcher.refresh

    def held(task_id, **options):
        asked.set()
        assert release.wait(20)
        return refresh(task_id, **options)

    monkeypatch.setattr(backend.watcher, "refresh", held)
    monitor._repr_mimebundle_()
    assert asked.wait(20)
    view.call("task.get", {"task_id": task_id, "refresh": False})
    assert view.next()[0]["kind"] == "ack"
    release.set()

    assert view.answer()[0]["result"]["task_id"] == task_id
    # And nothing is read of a task that has not ended.
    assert requests_sent == [f"GET /tasks/{task_id}"]
    engine.call("POST", f"/tasks/{task_id}/kill")
    engine.finish(task_id)


def test_a_display_of_an_unknown_task_leaves_the_error_to_the_view(backend):
    monitor = TaskMonitor(Task("nosuchtask", backend=backend))

    monitor._repr_mimebundle_()

    view = View(monitor)
    view.call("task.get", {"task_id": "nosuchtask", "refresh": False})
    assert view.answer()[0]["error"]["type"] == "NotFoundError"


# -- representations ---------------------------------------------------------------------------


def test_no_repr_ever_asks_the_service(backend, finished, requests_sent):
    task = Task(finished, backend=backend)
    monitor = TaskMonitor(task)

    texts = [repr(task), str(task), repr(monitor), str(monitor), f"{monitor!r:>10}"]

    assert requests_sent == []
    assert all(finished in text for text in texts)


def test_the_bundle_has_all_forms_with_one_request(backend, finished, requests_sent):
    task = Task(finished, backend=backend)

    data, metadata = task._repr_mimebundle_()
    again, _ = task._repr_mimebundle_()

    assert set(data) == {"text/plain", "text/html", WIDGET_MIME, TASK_MIME}
    assert metadata == {}
    assert requests_sent == [f"GET /tasks/{finished}"]
    assert "success" in data["text/plain"].lower()
    assert data[WIDGET_MIME]["model_id"] == again[WIDGET_MIME]["model_id"]
    assert data == again


def test_a_finished_tasks_bundle_has_the_same_bytes_in_another_session(engine, backend, finished):
    with contextlib.closing(connected(engine.url, engine.key, backend.config.output_dir)) as other:
        one, _ = Task(finished, backend=backend)._repr_mimebundle_()
        two, _ = Task(finished, backend=other)._repr_mimebundle_()

    assert one["text/plain"] == two["text/plain"]
    assert one["text/html"] == two["text/html"]


@pytest.mark.fault(108)
def test_our_own_type_names_the_task_and_holds_no_secret(backend, engine, finished):
    data, _ = Task(finished, backend=backend)._repr_mimebundle_()
    ours = data[TASK_MIME]
    monitor = Task(finished, backend=backend).monitor()

    assert (ours["schema"], ours["task_id"], ours["backend"]) == (1, finished, backend.id)
    assert ours["alive_key"] == monitor.alive_key
    assert ours["snapshot"]["status"] == "success"
    saved = json.dumps(data) + json.dumps(monitor.get_state())
    for secret in (engine.key, engine.url, str(backend.config.output_dir), "127.0.0.1"):
        assert secret not in saved
    assert len(json.dumps(data)) < 16_000


@pytest.mark.fault(104)
def test_names_from_elsewhere_are_shown_as_text(engine, backend):
    task_id = engine.run("true", simulator_name_alias=EVIL)["task_id"]

    data, _ = Task(task_id, backend=backend)._repr_mimebundle_()

    assert EVIL in json.dumps(data[TASK_MIME]["snapshot"])
    assert EVIL not in data["text/html"]
    assert "&lt;img src=x onerror=alert(1)&gt;" in data["text/html"]
    assert "<img" not in data["text/html"]
    assert len(data["text/html"].encode()) < 8192


def test_outside_a_kernel_the_bundle_is_text_and_html_only(backend, finished, monkeypatch):
    monkeypatch.setattr(display, "in_kernel", lambda: False)

    data, _ = Task(finished, backend=backend)._repr_mimebundle_()

    assert set(data) == {"text/plain", "text/html"}


def test_an_unknown_task_still_has_a_bundle(engine, tmp_path, notebook):
    with contextlib.closing(connected(engine.url, engine.key, tmp_path)) as backend:
        data, _ = Task("nosuchtask", backend=backend)._repr_mimebundle_()

    assert data["text/plain"] == "Task nosuchtask: not asked yet"


def test_a_service_that_is_silent_costs_a_moment_and_still_gives_a_bundle(tmp_path, notebook):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        backend = connected(f"http://127.0.0.1:{silent.getsockname()[1]}", "key", tmp_path)
        start = time.perf_counter()
        data, _ = Task("sometask", backend=backend)._repr_mimebundle_()
        took = time.perf_counter() - start

    backend.close()
    assert took < 10 * known.FIRST_LOOK_S  # and less than the 30 s that an answer may take
    assert set(data) == {"text/plain", "text/html", WIDGET_MIME, TASK_MIME}
    assert data[TASK_MIME]["snapshot"] == {}
    assert data["text/plain"] == "Task sometask: not asked yet"


def test_a_service_that_is_down_still_gives_a_bundle_at_once(tmp_path, notebook, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(known, "FIRST_LOOK_S", 600.0)  # it is not waited for
    with contextlib.closing(connected(f"http://127.0.0.1:{port}", "key", tmp_path)) as backend:
        data, _ = Task("sometask", backend=backend)._repr_mimebundle_()

    assert WIDGET_MIME in data


# -- %load_ext ---------------------------------------------------------------------------------


@pytest.fixture
def shell():
    from IPython.core.formatters import DisplayFormatter

    lines = {}
    return SimpleNamespace(
        display_formatter=DisplayFormatter(),
        magics_manager=SimpleNamespace(magics={"line": lines}),
        register_magic_function=lambda magic, kind, name: lines.update({name: magic}),
    )


def test_official_tasks_display_as_monitors_after_load_ext(backend, finished, shell, monkeypatch):
    monkeypatch.setattr(backends, "_default", backend)
    task = official(backend, finished)
    assert WIDGET_MIME not in shell.display_formatter.format(task)[0]

    magics.load_ipython_extension(shell)
    magics.load_ipython_extension(shell)
    assert WIDGET_MIME in shell.display_formatter.format(task)[0]
    assert set(shell.magics_manager.magics["line"]) == {"tasks", "task"}

    magics.unload_ipython_extension(shell)
    assert WIDGET_MIME not in shell.display_formatter.format(task)[0]
    assert shell.magics_manager.magics["line"] == {}
    magics.unload_ipython_extension(shell)


def test_waiting_outside_a_notebook_prints_each_status_once(engine, backend, monkeypatch, capsys):
    monkeypatch.setattr(display, "in_kernel", lambda: False)
    task_id = engine.submit("sleep 0.2")

    assert Task(task_id, backend=backend).wait(timeout=20) == "success"

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len({line.split(maxsplit=1)[1] for line in lines})
    assert lines[-1].endswith("Success")
    wait_until(lambda: not backend.watcher._subscriptions)
