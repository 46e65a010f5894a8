"""The Jupyter server's side: a real server in front of a real engine, spoken to by HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
import shutil
import socket
import threading
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from lab_server import EVERY_REQUEST, Server, Stream
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from waiting import wait_until

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.lab import handlers
from inductiva_widgets.lab.handlers import EventsHandler
from inductiva_widgets.lab.streams import QUEUE_LIMIT, Pages, PageStream
from inductiva_widgets.service.packing import encode_frame

LINK = re.compile(rb"signature|X-Goog|token=|[?&]sig=|/storage/", re.IGNORECASE)


@pytest.fixture(scope="module")
def server(engine, tmp_path_factory):
    with contextlib.closing(
        Server(
            tmp_path_factory.mktemp("jupyter"),
            INDUCTIVA_API_KEY=engine.key,
            INDUCTIVA_API_URL=engine.url,
        )
    ) as started:
        yield started


# -- calls -------------------------------------------------------------------------------------


def test_every_method_is_answered(server, finished, engine):
    answer, _, _ = server.call("task.get", {"task_id": finished})
    assert answer["result"]["status"] == "success"

    answer, _, _ = server.call("tasks.list", {"last_n": 100})
    assert finished in [task["task_id"] for task in answer["result"]["tasks"]]

    answer, (frame,), _ = server.call("outputs.list", {"task_id": finished})
    names = gzip.decompress(frame)[: answer["result"]["names_bytes"]].decode().split("\n")
    assert answer["result"]["count"] == len(names)
    assert "file_3.txt" in names

    answer, _, _ = server.call("outputs.cancel", {"download_id": "none"})
    assert answer["result"] == {}

    answer, _, _ = server.call("outputs.select", {"task_id": finished})
    assert answer["result"] == {}

    answer, _, _ = server.call("task.kill", {"task_id": finished})
    assert answer["result"]["outcome"] == "already-ended"


def test_a_kill_is_carried_out(server, running, engine):
    answer, _, _ = server.call("task.kill", {"task_id": running})

    assert answer["result"]["outcome"] in ("killed", "pending")
    assert engine.finish(running)["status"] == "killed"


def test_a_selection_is_downloaded_below_the_servers_root(server, finished):
    answer, (frame,), _ = server.call("outputs.list", {"task_id": finished})
    meta = answer["result"]
    names = gzip.decompress(frame)[: meta["names_bytes"]].decode().split("\n")
    bits = bytearray((len(names) + 7) // 8)
    place = names.index("file_7.txt")
    bits[place >> 3] |= 1 << (place & 7)

    with Stream(server) as stream:
        assert stream.next() == {"kind": "hello"}
        assert server.subscribe(stream.page, f"task/{finished}").ok
        params = {"task_id": finished, "revision": meta["revision"]}
        answer, _, _ = server.call("outputs.download", params, [gzip.compress(bytes(bits))])
        end = stream.read("download", state="done")["event"]["download"]

    assert answer["kind"] == "result"
    assert end["target"] == meta["target"] == f"inductiva_output/{finished}/outputs"
    folder = server.root / end["target"]
    assert [(p.name, p.read_text()) for p in folder.iterdir()] == [("file_7.txt", "x" * 7)]
    assert [p.name for p in server.root.iterdir()] == ["inductiva_output"]


def download(server, task_id, **params):
    """Starts a download of all files; the answer to it."""
    listing = server.result("outputs.list", {"task_id": task_id, **params})
    wish = {"task_id": task_id, "revision": listing["revision"], **params}
    answer, _, _ = server.call("outputs.download", wish)
    return listing, answer


@pytest.fixture
def folder(server):
    """A notebook's folder in the file browser."""
    made = server.root / f"study {uuid.uuid4().hex}" / "deep"
    made.mkdir(parents=True)
    yield made
    shutil.rmtree(made.parent)


def test_a_download_goes_beside_the_notebook_that_asks_for_it(server, finished, folder):
    path = folder.relative_to(server.root).as_posix()
    shown = f"{path}/inductiva_output/{finished}/outputs"
    with Stream(server) as stream:
        server.subscribe(stream.page, f"task/{finished}")
        listing, _ = download(server, finished, folder=f"/{path}/")
        end = stream.read("download", state="done", target=shown)["event"]["download"]

    assert listing["target"] == end["target"] == shown
    assert (server.root / shown / "file_7.txt").read_text() == "x" * 7


@pytest.mark.fault(110)
@pytest.mark.parametrize("place", ["inductiva_output", "task", "outputs", "folder"])
def test_a_link_that_leads_outside_is_refused(server, finished, folder, tmp_path, place):
    """The folder of all downloads, of the task, of its files, and the notebook's own."""
    outputs = folder / "inductiva_output" / finished / "outputs"
    link = {
        "inductiva_output": folder / "inductiva_output",
        "task": outputs.parent,
        "outputs": outputs,
        "folder": folder / "elsewhere",
    }[place]
    link.parent.mkdir(parents=True, exist_ok=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    link.symlink_to(outside)
    chosen = link if place == "folder" else folder

    _, answer = download(server, finished, folder=chosen.relative_to(server.root).as_posix())

    assert answer["error"]["type"] == "DestinationError"
    assert str(tmp_path) not in json.dumps(answer)
    assert list(outside.iterdir()) == []


def test_a_link_to_a_folder_inside_is_followed(server, finished, folder):
    (folder / "real").mkdir()
    (folder / "inductiva_output").symlink_to(folder / "real")
    path = folder.relative_to(server.root).as_posix()
    with Stream(server) as stream:
        server.subscribe(stream.page, f"task/{finished}")
        download(server, finished, folder=path)
        stream.read("download", state="done", target=f"{path}/inductiva_output/{finished}/outputs")

    assert (folder / "real" / finished / "outputs" / "file_7.txt").is_file()


@pytest.mark.fault(110)
@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("../elsewhere", "UserInputError"),
        ("a/../../b", "UserInputError"),
        ("a\\..\\b", "UserInputError"),
        ("a\0b", "UserInputError"),
        ("drive:a", "UserInputError"),
        ("a" * 5000, "UserInputError"),
        (7, "UserInputError"),
        (["a"], "UserInputError"),
        ("no/such/folder", "DestinationError"),
    ],
)
@pytest.mark.parametrize("method", ["outputs.download", "tasks.download"])
def test_folders_that_are_none_are_refused(server, finished, folder, kind, method):
    if method == "outputs.download":
        revision = server.result("outputs.list", {"task_id": finished})["revision"]
        params = {"task_id": finished, "revision": revision, "folder": folder}
        answer, _, _ = server.call(method, params)
    else:
        if kind == "DestinationError":
            return  # told of each task, as the next test shows
        answer, _, _ = server.call(method, {"task_ids": [finished], "folder": folder})

    assert answer["error"]["type"] == kind
    assert str(server.root) not in json.dumps(answer)


@pytest.mark.fault(110)
def test_a_batch_goes_beside_the_notebook_and_follows_no_link_outside(
    server, finished, folder, tmp_path
):
    path = folder.relative_to(server.root).as_posix()
    plan = server.result("tasks.download", {"task_ids": [finished], "folder": path, "plan": True})
    assert plan["target"] == f"{path}/inductiva_output"
    (folder / "inductiva_output").symlink_to(tmp_path)

    with Stream(server) as stream:
        state = server.result("tasks.download", {"task_ids": [finished], "folder": path})
        server.subscribe(stream.page, f"batch/{state['batch_id']}")
        end = stream.read("batch", state="failed")["event"]["batch"]

    assert [failure["error"]["type"] for failure in end["failures"]] == ["DestinationError"]
    assert not (tmp_path / finished).exists()


@pytest.mark.parametrize(
    ("method", "params", "kind"),
    [
        ("no.such", {}, "UserInputError"),
        (None, {}, "UserInputError"),
        ("task.get", None, "UserInputError"),
        ("task.get", "text", "UserInputError"),
        ("task.get", {"task_id": "../users/info"}, "UserInputError"),
        ("task.get", {"task_id": "nosuchtask"}, "NotFoundError"),
        ("tasks.list", {"last_n": 10**9}, "UserInputError"),
        ("outputs.download", {"task_id": "nosuchtask", "revision": 1}, "NotFoundError"),
    ],
)
def test_errors_are_answers_too(server, method, params, kind):
    answer, _, _ = server.call(method, params)

    assert answer["kind"] == "error"
    assert answer["error"]["type"] == kind


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\x00" * 3,
        b"\xff" * 100,
        encode_frame({"id": 1}, [b"1234"])[:-1],
        encode_frame({"id": 1}) + b"more",
        b"\x02\x00\x00\x00[]",
    ],
)
def test_what_is_no_frame_is_a_bad_request(server, body):
    reply = server.frame(body)

    assert reply.status_code == 400
    assert b"Traceback" not in reply.content


# -- events ------------------------------------------------------------------------------------


def test_a_stream_says_hello_then_events_with_rising_revisions(server, engine):
    task_id = engine.submit("sleep 0.3")
    with Stream(server) as stream:
        assert stream.next() == {"kind": "hello"}
        assert server.subscribe(stream.page, f"task/{task_id}", "tasks").ok

        end = stream.read("task", is_terminal=True)

        mine = [
            message["revision"]
            for message in map(json.loads, stream.raw)
            if message.get("topic") == end["topic"]
        ]
    assert end["topic"] == f"task/{task_id}"
    assert mine == [*range(1, len(mine) + 1)]
    assert len(mine) >= 2


def test_the_list_of_tasks_is_a_topic(server, finished):
    with Stream(server) as stream:
        server.subscribe(stream.page, "tasks")

        message = stream.read("tasks")

    assert (message["topic"], message["revision"]) == ("tasks", 1)
    assert finished in [task["task_id"] for task in message["event"]["tasks"]]


def test_topics_are_replaced_and_a_new_one_starts_at_revision_one(server, engine, finished):
    other = engine.run("true")["task_id"]
    with Stream(server) as stream:
        server.subscribe(stream.page, f"task/{finished}")
        assert stream.read("task")["event"]["task"]["task_id"] == finished
        server.subscribe(stream.page, f"task/{other}")
        assert stream.read("task")["event"]["task"]["task_id"] == other
        server.subscribe(stream.page, f"task/{other}", f"task/{finished}")

        again = stream.read("task")

    assert again["event"]["task"]["task_id"] == finished
    assert again["revision"] == 1


def test_one_bad_topic_does_not_hide_the_good_ones(server, finished):
    with Stream(server) as stream:
        reply = server.subscribe(stream.page, "nonsense", f"task/{finished}", "a/b")

        assert reply.status_code == 400
        assert stream.read("task")["event"]["task"]["task_id"] == finished


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b'{"client": "none-of-ours"}', 400),
        (b'{"client": "none-of-ours", "topics": "tasks"}', 400),
        (b'{"client": "none-of-ours", "topics": [1]}', 400),
        (b'{"client": "none-of-ours", "topics": []}', 404),
        (b'{"client": "none-of-ours", "topics": [], "min_interval_s": "1"}', 400),
        (b'{"client": "none-of-ours", "topics": [], "min_interval_s": true}', 400),
        (b'{"client": "none-of-ours", "topics": [], "min_interval_s": -1}', 400),
        (b'{"client": "none-of-ours", "topics": [], "min_interval_s": NaN}', 400),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(server, body, status):
    reply = server.ask("POST", "api/subscribe", data=body)

    assert reply.status_code == status


@pytest.mark.parametrize("page", ["", "short", "a" * 65, "../../etc", "a b c d e f"])
def test_a_page_without_a_name_gets_no_stream(server, page):
    reply = server.ask("GET", "api/events", params={"client": page})

    assert reply.status_code == 400


def test_a_page_that_closes_its_stream_frees_its_listeners(server, running):
    process = psutil.Process(server.process.pid)
    with Stream(server) as stream:
        stream.next()
        server.subscribe(stream.page, "task/nosuchtask")  # warms up what stays
        server.subscribe(stream.page)
        before = wait_until(process.num_threads)
        server.subscribe(stream.page, f"task/{running}", "tasks")
        stream.read("task")
        assert process.num_threads() > before

    wait_until(lambda: process.num_threads() <= before, 5)
    assert server.subscribe(stream.page, "tasks").status_code == 404


@pytest.mark.fault(111)
def test_a_page_that_connects_anew_ends_its_older_stream(server):
    with Stream(server) as old:
        old.next()
        with Stream(server, old.page) as new:
            assert new.next() == {"kind": "hello"}
            with pytest.raises(StopIteration):
                old.next()
            assert server.subscribe(new.page, "tasks").ok


@pytest.mark.fault(111)
@pytest.mark.parametrize("count", [50, pytest.param(500, marks=pytest.mark.full)])
def test_idle_pages_cost_no_threads_and_little_memory_and_all_hear_the_same(server, engine, count):
    process = psutil.Process(server.process.pid)
    connections = len(process.net_connections()) + 4  # the server's own to the engine are kept
    with contextlib.ExitStack() as pages:
        first = pages.enter_context(Stream(server))
        server.subscribe(first.page, "tasks", "notices")
        first.read("tasks")
        before, memory = process.num_threads(), process.memory_info().rss
        streams = [first]
        for _ in range(count - 1):
            streams.append(pages.enter_context(Stream(server)))
            server.subscribe(streams[-1].page, "tasks", "notices")
        assert process.num_threads() <= before
        assert process.memory_info().rss - memory < 50 * 2**20
        assert server.backends()["default"]  # a call is answered beside them

        task_id = engine.create("true")
        for stream in streams:
            while task_id not in {row["task_id"] for row in stream.read("tasks")["event"]["tasks"]}:
                pass
    wait_until(lambda: len(process.net_connections()) <= connections, 30)


# -- secrets -----------------------------------------------------------------------------------


def test_no_reply_holds_the_key_or_a_link_or_a_path(server, engine, finished):
    link = engine.link("download", engine.get(f"/tasks/{finished}")["storage_output_path"])
    replies = []
    with Stream(server) as stream:
        server.subscribe(stream.page, f"task/{finished}", "tasks", "notices", "nonsense")
        answer, (frame,), reply = server.call("outputs.list", {"task_id": finished})
        replies += [reply.content, gzip.decompress(frame)]
        params = {"task_id": finished, "revision": answer["result"]["revision"]}
        for method, more in [
            ("task.get", {"refresh": True}),
            ("task.kill", {}),
            ("tasks.list", {"last_n": 100}),
            ("outputs.download", params),
            ("outputs.download", {"revision": "old"}),
            ("outputs.cancel", {}),
            ("task.get", {"task_id": "nosuchtask"}),
            ("tasks.all", {}),
            ("tasks.kill", {"task_ids": [finished, "nosuchtask"]}),
            ("tasks.download", {"task_ids": [finished], "plan": True}),
            ("tasks.watch", {"on": True}),
            ("notices.seen", {"notice_id": "none"}),
        ]:
            replies.append(server.call(method, {"task_id": finished, **more})[2].content)
        stream.read("download", state="done")
        replies += stream.raw
    for method, path in EVERY_REQUEST:
        if path not in ("api/events", "api/engine"):
            data = b'{"key": "another"}' if method == "POST" else None
            replies.append(server.ask(method, path, data=data).content)
    replies.append(server.log.read_bytes())

    for text in replies:
        assert engine.key.encode() not in text
        assert link.rpartition("/")[2][-20:].encode() not in text
    for text in replies[:-1]:
        assert not LINK.search(text)
        assert str(server.root).encode() not in text


# -- without a key -----------------------------------------------------------------------------


def test_without_key_and_engine_calls_are_answered_and_an_engine_is_found_when_it_comes(
    tmp_path, start_engine
):
    folder = tmp_path / "data"
    with contextlib.closing(
        Server(tmp_path / "jupyter", INDUCTIVA_WIDGETS_DATA_DIR=str(folder))
    ) as server:
        answer, _, _ = server.call("tasks.list", {"last_n": 5})
        assert answer["error"]["type"] == "ConfigurationError"
        assert "connect()" in answer["error"]["hint"]
        with Stream(server) as stream:
            assert stream.next() == {"kind": "hello"}
            assert server.subscribe(stream.page, "tasks").status_code == 400

        first = start_engine(folder=folder)
        answer, _, _ = server.call("tasks.list", {"last_n": 5})
        assert answer["result"] == {"tasks": [], "total": 0}

        first.close()
        second = start_engine(folder=folder)  # at another address
        with Stream(server) as stream:
            stream.next()
            answer, _, _ = server.call("task.get", {"task_id": "sometask"})
            assert answer["error"]["retryable"]
            with pytest.raises(StopIteration):  # the page comes back, and finds the new one
                stream.next()
        answer, _, _ = server.call("tasks.list", {"last_n": 5})
        assert answer["result"] == {"tasks": [], "total": 0}
        assert second.url != first.url


# -- streams, on a loop of their own -----------------------------------------------------------


class Listening:
    """A service that only keeps listeners."""

    def __init__(self):
        self.open = []
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def subscribe(self, topic, send):
        if topic == "bad":
            raise UserInputError("no")
        listener = SimpleNamespace(topic=topic, send=send)
        listener.close = lambda: self.open.remove(listener)
        self.open.append(listener)
        self.entered.set()
        assert self.go_on.wait(10)
        return listener

    @property
    def topics(self):
        return sorted(listener.topic for listener in self.open)


def test_requests_that_overtake_one_another_end_with_the_newest_wish():
    service = Listening()

    async def scene():
        stream = PageStream(asyncio.get_running_loop())
        service.go_on.clear()
        stream.want(["a"])
        first = asyncio.create_task(asyncio.to_thread(stream.follow, service))
        await asyncio.to_thread(service.entered.wait, 10)
        stream.want(["b"])
        second = asyncio.create_task(asyncio.to_thread(stream.follow, service))
        service.go_on.set()
        await asyncio.gather(first, second)
        assert service.topics == ["b"]
        stream.close()

    asyncio.run(scene())
    assert service.open == []


def test_a_listener_is_behind_until_the_page_has_read():
    service = Listening()

    async def scene():
        stream = PageStream(asyncio.get_running_loop())
        stream.want(["a"])
        await asyncio.to_thread(stream.follow, service)
        (listener,) = service.open
        assert not listener.is_behind()
        for number in range(20):
            stream.send({"kind": "event", "number": number})
        assert listener.is_behind()
        for _ in range(15):
            await stream.next(1)
        assert not listener.is_behind()
        stream.close()

    asyncio.run(scene())


def test_a_stream_that_closes_while_it_subscribes_leaves_no_listener():
    service = Listening()

    async def scene():
        stream = PageStream(asyncio.get_running_loop())
        service.go_on.clear()
        stream.want(["a", "b"])
        following = asyncio.create_task(asyncio.to_thread(stream.follow, service))
        await asyncio.to_thread(service.entered.wait, 10)
        stream.close()
        service.go_on.set()
        await following
        stream.want(["c"])
        await asyncio.to_thread(stream.follow, service)

    asyncio.run(scene())
    assert service.open == []


@pytest.mark.fault(111)
def test_a_page_that_reads_too_slowly_loses_its_stream_and_its_listeners():
    service = Listening()

    async def scene():
        stream = PageStream(asyncio.get_running_loop())
        stream.want(["a"])
        await asyncio.to_thread(stream.follow, service)
        (listener,) = service.open
        for number in range(3 * QUEUE_LIMIT):
            listener.send({"n": number})
        await asyncio.sleep(0)
        assert service.open == []
        assert stream._queue.qsize() == 1  # what waited is let go
        assert await stream.next(1) is None

    asyncio.run(scene())


class OpenEventsHandler(RequestHandler):
    """The stream of events without the login before it."""

    stream = None
    get = EventsHandler.get.__wrapped__.__wrapped__
    _line = EventsHandler._line

    def initialize(self, pages):
        self.state = SimpleNamespace(pages=pages, set_pace=lambda: None)


@pytest.mark.fault(111)
def test_a_page_that_takes_nothing_is_cut_off(monkeypatch):
    """As the page of a computer that sleeps: its socket is open, and full."""
    monkeypatch.setattr(handlers, "WRITE_S", 0.1)
    pages = Pages()

    async def scene(page):
        (listening,) = bind_sockets(0, "127.0.0.1")
        server = HTTPServer(Application([("/", OpenEventsHandler, {"pages": pages})]))
        server.add_socket(listening)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(page, listening.getsockname())
        await loop.sock_sendall(page, b"GET /?client=a-page-of-mine HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await loop.sock_recv(page, 8) == b"HTTP/1.1"
        while (stream := pages.get("a-page-of-mine")) is not None:
            stream.send({"text": "x" * 1_000_000})
            await asyncio.sleep(0.001)
        server.stop()
        await server.close_all_connections()

    with socket.socket() as page:
        page.setblocking(False)
        asyncio.run(asyncio.wait_for(scene(page), 20))


def test_a_silent_stream_pings():
    async def scene():
        assert await PageStream(asyncio.get_running_loop()).next(0.001) == {"kind": "ping"}

    asyncio.run(scene())


def test_the_older_stream_of_a_page_does_not_take_the_newer_one_with_it():
    async def scene():
        pages = Pages()
        old = pages.open("page")
        new = pages.open("page")
        assert await old.next(1) is None
        pages.close("page", old)
        assert pages.get("page") is new
        pages.close("page", new)
        assert pages.get("page") is None

    asyncio.run(scene())


class Paced:
    """A server's backends, as far as they are told how often to look."""

    def __init__(self):
        self.told = []

    def set_least_pause(self, pause_s):
        self.told.append(pause_s)


def test_the_page_that_wants_the_longest_pause_sets_it_for_as_long_as_it_is_open():
    known = Paced()

    async def scene():
        state = handlers.ServerState(known)
        for page, pause_s in [("one", 1.0), ("two", 30.0)]:
            state.pages.open(page).least_pause_s = pause_s
            state.set_pace()
        state.pages.close("two", state.pages.get("two"))
        state.set_pace()

    asyncio.run(scene())
    assert known.told == [1.0, 30.0, 1.0]


def test_a_page_that_spares_the_service_is_heard_and_a_shorter_pause_begins_at_once(server, engine):
    """Nothing but the second wish wakes the looks: the first one is for a minute."""
    with Stream(server) as stream:
        wish = {"client": stream.page, "topics": ["tasks"]}
        assert server.ask("POST", "api/subscribe", json={**wish, "min_interval_s": 3600}).ok
        stream.read("tasks")
        task_id = engine.create("true")
        asked = time.monotonic()
        assert server.ask("POST", "api/subscribe", json={**wish, "min_interval_s": 0}).ok
        while stream.read("tasks")["event"]["tasks"][0]["task_id"] != task_id:
            pass
        assert time.monotonic() - asked < 10


def test_static_files_exist():
    from inductiva_widgets.lab.handlers import STATIC

    assert (Path(STATIC) / "loader.js").is_file()
