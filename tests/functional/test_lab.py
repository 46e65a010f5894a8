"""The Jupyter server's side: a real server in front of a real engine, spoken to by HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import re
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import requests
from raw_engine import wait_until
from tornado.web import RequestHandler

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.lab.streams import QUEUE_LIMIT, Pages, PageStream
from inductiva_widgets.service.protocol import decode_frame, encode_frame

TOKEN = "f00d" * 8
LINK = re.compile(rb"signature|X-Goog|token=|[?&]sig=|/storage/", re.IGNORECASE)


class Server:
    """A Jupyter server with our extension and nothing of the user's."""

    def __init__(self, home, **environment):
        self.root = home / "notebooks"
        self.root.mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.origin = f"http://127.0.0.1:{port}"
        self.url = f"{self.origin}/base/inductiva-widgets/"
        self.log = home / "server.log"
        places = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "jupyter_server",
                    "--ServerApp.jpserver_extensions={'inductiva_widgets': True}",
                    "--allow-root",
                    "--ip=127.0.0.1",
                    f"--port={port}",
                    "--ServerApp.port_retries=0",
                    "--ServerApp.base_url=/base/",
                    f"--IdentityProvider.token={TOKEN}",
                    f"--ServerApp.root_dir={self.root}",
                ],
                env={
                    **os.environ,
                    "TMPDIR": str(home),
                    **{name: str(home / name.lower()) for name in places},
                    **environment,
                },
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, 30)

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.ask("GET", f"{self.origin}/base/api/status").ok
        except requests.ConnectionError:
            return False

    def ask(self, method, url, **options):
        headers = {"Authorization": f"token {TOKEN}", **options.pop("headers", {})}
        url = url if url.startswith("http") else self.url + url
        return requests.request(method, url, headers=headers, timeout=20, **options)

    def frame(self, body):
        return self.ask("POST", "api/call", data=body)

    def call(self, method, params, buffers=()):
        """Header and buffers of an answer, and the whole reply."""
        header = {"id": "c1", "method": method, "params": params}
        reply = self.frame(encode_frame(header, buffers))
        assert reply.status_code == 200, reply.text
        assert reply.headers["Content-Type"] == "application/octet-stream"
        answer, packed = decode_frame(reply.content)
        assert answer["id"] == "c1"
        return answer, packed, reply

    def subscribe(self, page, *topics):
        return self.ask("POST", "api/subscribe", json={"client": page, "topics": topics})

    def close(self):
        self.process.terminate()
        self.process.wait(20)


class Stream:
    """The event stream of a page."""

    def __init__(self, server, page=None):
        self.page = page or uuid.uuid4().hex
        self._reply = server.ask("GET", f"api/events?client={self.page}", stream=True)
        assert self._reply.status_code == 200
        self._lines = self._reply.iter_lines(chunk_size=1)
        self.raw = []

    def next(self):
        line = next(self._lines)
        self.raw.append(line)
        return json.loads(line)

    def read(self, kind, **wanted):
        while True:
            message = self.next()
            if message["kind"] == "event" and message["event"]["kind"] == kind:
                payload = message["event"][kind]
                if not wanted or wanted.items() <= payload.items():
                    return message

    def close(self):
        self._reply.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


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


@pytest.fixture(scope="module")
def finished(engine):
    script = "for i in range(9):\n    open(f'file_{i}.txt', 'w').write('x' * i)\n"
    return engine.run("python make.py", files={"make.py": script})["task_id"]


@pytest.fixture
def running(engine):
    task_id = engine.submit("sleep 60")
    engine.reach(task_id, "computation-started")
    yield task_id
    engine.call("POST", f"/tasks/{task_id}/kill")
    engine.finish(task_id)


def routes():
    """What the extension registers: path below its root, handler class."""
    from inductiva_widgets.lab.handlers import add_handlers

    found = []
    app = SimpleNamespace(
        contents_manager=SimpleNamespace(root_dir="."),
        web_app=SimpleNamespace(
            settings={"base_url": "/"}, add_handlers=lambda _, handlers: found.extend(handlers)
        ),
    )
    add_handlers(app)
    return [(rule[0].removeprefix("/inductiva-widgets/"), rule[1]) for rule in found]


def requests_to_routes():
    """Every method of every route that does something."""
    for path, handler in routes():
        for method in ("get", "head", "post", "put", "patch", "delete"):
            if getattr(handler, method) is not getattr(RequestHandler, method):
                yield method.upper(), path.replace("(.*)", "widget.js")


EVERY_REQUEST = sorted(requests_to_routes())


# -- who may ask -------------------------------------------------------------------------------


def test_the_routes_are_the_expected_ones():
    assert EVERY_REQUEST == [
        ("GET", "api/events"),
        ("GET", "static/widget.js"),
        ("HEAD", "static/widget.js"),
        ("POST", "api/call"),
        ("POST", "api/subscribe"),
    ]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "token wrong"}, {"Cookie": "x=y"}])
@pytest.mark.parametrize(("method", "path"), EVERY_REQUEST)
def test_nobody_gets_anything_without_logging_in(server, method, path, headers):
    reply = requests.request(
        method, server.url + path, headers=headers, timeout=20, allow_redirects=False
    )

    if reply.status_code == 302:  # pages and their files are sent to the login
        assert path.startswith("static/")
        assert "/login" in reply.headers["Location"]
    else:
        assert reply.status_code in (401, 403)
    assert b"render" not in reply.content


@pytest.mark.parametrize("path", [p for m, p in EVERY_REQUEST if m == "POST"])
def test_a_browser_that_is_logged_in_needs_the_xsrf_token_to_change_anything(server, path):
    with requests.Session() as browser:
        browser.get(f"{server.origin}/base/tree?token={TOKEN}", timeout=20)
        page = {"Referer": f"{server.origin}/base/tree"}
        assert browser.get(server.url + "static/widget.js", headers=page, timeout=20).ok

        forged = browser.post(server.url + path, data=b"{}", timeout=20)
        xsrf = {"X-XSRFToken": browser.cookies["_xsrf"]}
        meant = browser.post(server.url + path, data=b"{}", headers=xsrf, timeout=20)

    assert forged.status_code == 403
    assert meant.status_code == 400  # let in, and then found to be no message


@pytest.mark.parametrize(("method", "path"), EVERY_REQUEST)
def test_another_site_gets_nothing(server, method, path):
    with requests.Session() as browser:
        browser.get(f"{server.origin}/base/tree?token={TOKEN}", timeout=20)
        reply = browser.request(
            method,
            server.url + path,
            headers={"Origin": "https://evil.example", "Referer": "https://evil.example/"},
            timeout=20,
        )

    assert reply.status_code in (403, 404)
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_every_route_asks_the_authorizer():
    for _, handler in routes():
        assert handler.auth_resource
        for method in ("get", "post"):
            function = getattr(handler, method)
            if function is not getattr(RequestHandler, method):
                # functools.wraps leaves one link per decorator.
                assert function.__wrapped__.__wrapped__


def test_static_files_are_served_to_those_logged_in_and_only_they(server):
    reply = server.ask("GET", "static/widget.js")

    assert reply.ok
    assert "javascript" in reply.headers["Content-Type"]
    for outside in ("../cli.py", "..%2fcli.py", "%2e%2e/cli.py", "/etc/passwd", "nothing.js"):
        assert server.ask("GET", f"static/{outside}").status_code in (403, 404)


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


def test_a_page_that_connects_anew_ends_its_older_stream(server):
    with Stream(server) as old:
        old.next()
        with Stream(server, old.page) as new:
            assert new.next() == {"kind": "hello"}
            with pytest.raises(StopIteration):
                old.next()
            assert server.subscribe(new.page, "tasks").ok


# -- secrets -----------------------------------------------------------------------------------


def test_no_reply_holds_the_key_or_a_link_or_a_path(server, engine, finished):
    link = engine.link("download", engine.get(f"/tasks/{finished}")["storage_output_path"])
    replies = []
    with Stream(server) as stream:
        server.subscribe(stream.page, f"task/{finished}", "tasks")
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
        ]:
            replies.append(server.call(method, {"task_id": finished, **more})[2].content)
        stream.read("download", state="done")
        replies += stream.raw
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


def test_a_page_that_reads_too_slowly_loses_its_stream():
    async def scene():
        stream = PageStream(asyncio.get_running_loop())
        for number in range(QUEUE_LIMIT + 1):
            stream._feed({"n": number})
        await asyncio.sleep(0)
        assert await stream.next(1) is None

    asyncio.run(scene())


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


def test_static_files_exist():
    from inductiva_widgets.lab.handlers import STATIC

    assert (Path(STATIC) / "widget.js").is_file()
