"""Who may speak to the engine, and what it says to everybody else."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import sqlite3
import stat
import threading
from urllib.parse import urlsplit

import psutil
import pytest
from raw_engine import ask
from waiting import wait_until

from inductiva_widgets.local.app import build_app
from inductiva_widgets.local.connections import PatientProtocol
from inductiva_widgets.local.folder import read_note
from inductiva_widgets.local.service import _build_engine
from inductiva_widgets.local.settings import EngineSettings
from inductiva_widgets.local.store import Store

# Every route, by what it wants of a caller. A new one needs a place here, or a test fails.
OPEN = {"/version", "/version-check", "/simulators/available-images"}
SIGNED = {"/signed/{token}"}
KEY = {
    "/compute/group",
    "/compute/group/start",
    "/compute/group/{name:path}",
    "/compute/groups",
    "/compute/price",
    "/projects",
    "/projects/{name:path}",
    "/projects/{name:path}/metadata",
    "/projects/{name:path}/task/{task_id}/{action}",
    "/storage",
    "/storage/",
    "/storage/contents",
    "/storage/copy",
    "/storage/cost",
    "/storage/export_multipart",
    "/storage/input_remote",
    "/storage/operations",
    "/storage/operations/{operation_id}",
    "/storage/signed-urls",
    "/storage/size",
    "/storage/zip-contents",
    "/storage/zip-file-range",
    "/tasks",
    "/tasks/submit",
    "/tasks/{task_id}",
    "/tasks/{task_id}/input_uploaded",
    "/tasks/{task_id}/kill",
    "/tasks/{task_id}/live/file",
    "/tasks/{task_id}/live/files",
    "/tasks/{task_id}/live/last-modified-file",
    "/tasks/{task_id}/live/top",
    "/tasks/{task_id}/message",
    "/tasks/{task_id}/metadata",
    "/tasks/{task_id}/offer",
    "/tasks/{task_id}/register",
    "/tasks/{task_id}/status",
    "/users/costs",
    "/users/fees",
    "/users/info",
    "/users/quotas",
}
BAD = {
    "another host": {"Host": "evil.example"},
    "a page of another site": {"Origin": "http://evil.example"},
    "a page of nowhere": {"Origin": "null"},
    "a form of another site": {"Sec-Fetch-Site": "cross-site"},
    "no key": {"X-API-Key": None},
    "a wrong key": {"X-API-Key": "wrong"},
    "a body of 3 GB": {"Content-Length": str(3 * 2**30)},
    "too many headers": {f"X-{number}": "" for number in range(120)},
}
UNKNOWN = [("GET", "/no/such/route"), ("GET", "/version/"), ("GET", "//version"), ("PUT", "/")]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Every route that the application has: its path with the names of its parts, its method."""
    folder = tmp_path_factory.mktemp("routes")
    with contextlib.closing(Store(folder / "engine.db")) as store:
        engine = _build_engine(EngineSettings(data_dir=folder), store, "key")
        app = build_app(engine, port=1, keys=["key"], proof_key="key")
    return sorted((route.path, method) for route in app.routes for method in route.methods)


@pytest.fixture(scope="module")
def routes(table):
    """Those that want the key, as (method, path with made-up parts)."""
    return [(method, filled(path)) for path, method in table if path not in OPEN | SIGNED]


def filled(path):
    return re.sub(r"{\w+(:path)?}", "abc", path)


def expected(path, method, bad):
    """The codes that a bad request may get; `None` where it is no bad request."""
    match bad:
        case "too many headers":
            return 431
        case "a body of 3 GB":
            return 413
        case "no key" | "a wrong key" if path in OPEN:
            return None
        case "no key" | "a wrong key":
            return 403 if path in SIGNED else 401  # 403: the made-up token is none
    return 403


@pytest.mark.fault(124)
def test_every_route_has_its_place_and_refuses_every_bad_request(engine, table):
    assert {path for path, _ in table} == OPEN | SIGNED | KEY

    answers = {}
    for path, method in table:
        for name, headers in BAD.items():
            sent = {"X-API-Key": engine.key, **headers}
            sent = {name: value for name, value in sent.items() if value is not None}
            wanted = expected(path, method, name)
            found, reply = ask(engine, method, filled(path), sent)
            told = method == "HEAD" or "detail" in reply
            if wanted is not None and (found != wanted or not told):
                answers[path, method, name] = found, reply

    assert not answers


@pytest.mark.fault(124)
def test_no_get_changes_anything(engine, table):
    task = engine.run("true")
    engine.put("a/file.txt", b"content")
    parts = {"task_id": task["task_id"], "name": "default", "operation_id": "x"}
    query = (
        "operation=upload&paths=new/file.txt&path=a&filename=file.txt&source=a&target=b"
        "&project_name=default&machine_group_id=local&machine_type=x&client=x&block_s=0&nonce=ab"
    )

    def state():
        with contextlib.closing(sqlite3.connect(engine.data_dir / "engine.db")) as database:
            stored = list(database.iterdump())
        files = engine.data_dir.rglob("*")
        return stored, sorted(str(path) for path in files if not path.name.startswith("engine.db"))

    before = state()
    for path, method in table:
        if method in ("GET", "HEAD"):
            place = re.sub(r"{(\w+)(:path)?}", lambda part: parts.get(part[1], "abc"), path)
            code, _ = ask(engine, method, f"{place}?{query}", {"X-API-Key": engine.key})
            assert code < 500, (method, place)

    assert state() == before


@pytest.mark.fault(124)
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"X-API-Key": ""}])
def test_every_other_route_wants_the_key(engine, routes, headers):
    assert len(routes) > 40
    for method, path in routes + UNKNOWN:
        assert ask(engine, method, path, headers)[0] == 401, (method, path)


@pytest.mark.fault(124)
def test_the_key_in_the_query_is_no_key(engine):
    assert ask(engine, "GET", f"/tasks?X-API-Key={engine.key}&api_key={engine.key}")[0] == 401


@pytest.mark.parametrize("path", ["/version", "/version-check?client_version=0.18.12"])
def test_the_version_is_told_to_everybody_on_this_machine(engine, path):
    assert ask(engine, "GET", path)[0] == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_names_of_this_machine_are_served(engine, host):
    port = urlsplit(engine.url).port
    headers = {"Host": f"{host}:{port}", "X-API-Key": engine.key}

    assert ask(engine, "GET", "/tasks", headers)[0] == 200


@pytest.mark.fault(124)
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", "127.0.0.1.evil:{port}"],
)
@pytest.mark.parametrize("path", ["/tasks", "/version", "/signed/x"])
def test_other_host_names_are_refused(engine, host, path):
    port = urlsplit(engine.url).port
    headers = {"Host": host.format(port=port), "X-API-Key": engine.key}

    assert ask(engine, "GET", path, headers)[0] == 403


@pytest.mark.fault(124)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/tasks"), ("POST", "/tasks/a/kill")])
def test_pages_of_other_sites_are_refused_even_with_the_key(engine, method, path, headers):
    port = str(urlsplit(engine.url).port)
    sent = {name: value.replace("{port}", port) for name, value in headers.items()}

    status, reply = ask(engine, method, path, {**sent, "X-API-Key": engine.key})

    assert status == 403
    assert reply["detail"]


def test_the_own_origin_is_served(engine):
    headers = {"Origin": engine.url, "Sec-Fetch-Site": "same-origin", "X-API-Key": engine.key}

    assert ask(engine, "GET", "/tasks", headers)[0] == 200


def test_a_preflight_gets_no_permission(engine):
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}

    assert ask(engine, "OPTIONS", "/tasks/submit", headers)[0] == 403


@pytest.mark.fault(124)
@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nope", 404),
        ("GET", "/", 404),
        ("GET", "/tasks/", 404),
        ("POST", "/storage/signed-urls", 405),
        ("DELETE", "/tasks", 405),
        ("GET", "/tasks/a/kill", 405),
        ("GET", "/tasks/../../etc/passwd", 404),
        ("GET", "/tasks/%2e%2e%2fapi_key", 404),
    ],
)
def test_unknown_routes_answer_with_a_detail(engine, method, path, code):
    status, reply = ask(engine, method, path, {"X-API-Key": engine.key})

    assert status == code
    assert isinstance(reply["detail"], str)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b'{"a": 1} x', b""])
def test_a_body_that_is_no_json_is_a_422(engine, body):
    headers = {"X-API-Key": engine.key, "Content-Length": str(len(body))}

    status, reply = ask(engine, "POST", "/tasks/submit", headers, body)

    assert status == 422
    assert reply["detail"][0]["loc"] == ["body"]


@pytest.mark.fault(124)
def test_a_body_that_says_it_is_too_long_is_refused_unread(engine):
    headers = {"X-API-Key": engine.key, "Content-Length": str(100 * 2**20)}

    assert ask(engine, "POST", "/tasks/submit", headers)[0] == 413


def test_a_body_that_turns_out_too_long_is_refused(engine):
    block = b'"' + b"x" * 300_000
    chunk = f"{len(block):x}\r\n".encode() + block + b"\r\n"
    headers = {"X-API-Key": engine.key, "Transfer-Encoding": "chunked"}

    assert ask(engine, "POST", "/tasks/submit", headers, chunk * 4 + b"0\r\n\r\n")[0] == 413


@pytest.mark.fault(124)
@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /tasks HTTP/1.1\r\nHost: ",
        (
            b"POST /tasks/submit HTTP/1.1\r\nHost: {place}\r\nX-API-Key: {key}\r\n"
            b"Content-Length: 100\r\n\r\n{"
        ),
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_200_slow_clients_do_not_hold_up_the_others(engine, begun):
    address = urlsplit(engine.url)
    begun = begun.replace(b"{place}", address.netloc.encode())
    begun = begun.replace(b"{key}", engine.key.encode())
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            place = (address.hostname, address.port)
            slow = stack.enter_context(socket.create_connection(place, timeout=10))
            slow.sendall(begun)

        for _ in range(10):
            assert engine.get("/tasks")["total_size"] >= 0


class _Hasty(PatientProtocol):
    headers_s = silence_s = 0.2


@pytest.fixture
def hasty(tmp_path, monkeypatch):
    """Place of an engine in a thread of this process that waits a moment only, and its key."""
    from inductiva_widgets.local import service

    monkeypatch.setattr(service, "PatientProtocol", _Hasty)
    servers = []
    monkeypatch.setattr(
        service, "_ends", lambda server, _parent: contextlib.nullcontext(servers.append(server))
    )
    settings = EngineSettings(data_dir=tmp_path / "data", slots=1)
    thread = threading.Thread(target=service.run, args=(settings,), kwargs={"port": 0})
    thread.start()
    try:
        note = wait_until(lambda: read_note(settings.data_dir))
        address = urlsplit(note["url"])
        yield (address.hostname, address.port), (settings.data_dir / "api_key").read_text()
    finally:
        servers[0].should_exit = True
        thread.join()


@pytest.mark.fault(124)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_that_falls_silent_is_closed(hasty, method):
    place, key = hasty
    head = f"{method} /tasks HTTP/1.1\r\nHost: 127.0.0.1:{place[1]}\r\nX-API-Key: {key}\r\n"
    begun = head if method == "GET" else head.replace("/tasks", "/tasks/submit")
    rest = "" if method == "GET" else "Content-Length: 50\r\n\r\n{"

    with socket.create_connection(place, timeout=20) as client:
        client.sendall((begun + rest).encode())

        assert client.recv(1000) == b""


@pytest.mark.fault(29, 124)
@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /tasks HTTP/1.1\r\n" + b"A: b\r\n" * 100_000 + b"\r\n",
        b"GET /tasks HTTP/1.1\r\nA: " + b"b" * 10_000_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 10_000_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["100,000 headers", "a header of 10 MB", "an address of 10 MB"],
)
def test_endless_heads_are_cut_off_and_kept_nowhere(engine, request_text):
    process = psutil.Process(engine.pid)
    before = process.memory_info().rss
    address = urlsplit(engine.url)

    for _ in range(5):
        with (
            socket.create_connection((address.hostname, address.port), timeout=10) as client,
            contextlib.suppress(ConnectionError),
        ):
            client.sendall(request_text)
            reply = client.recv(1000)
            assert not reply or reply.startswith(b"HTTP/1.1 4")

    assert engine.get("/tasks")["total_size"] >= 0
    assert process.memory_info().rss - before < 64e6


@pytest.mark.fault(124)
def test_what_is_no_http_is_told_so(engine):
    address = urlsplit(engine.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        reply = http.client.HTTPResponse(client)
        reply.begin()

        assert (reply.status, reply.read()) == (
            400,
            b'{"detail": "Invalid HTTP request received."}',
        )


def test_files_of_the_engine_are_for_its_user_alone(engine):
    def mode(path):
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(engine.data_dir) == 0o700
    assert mode(engine.key_file) == 0o600
    assert mode(engine.data_dir / "server.json") == 0o600


def test_the_key_is_nowhere_but_in_its_file(engine):
    engine.run("true")

    for path in engine.data_dir.rglob("*"):
        if path.is_file() and path != engine.key_file:
            assert engine.key.encode() not in path.read_bytes(), path
