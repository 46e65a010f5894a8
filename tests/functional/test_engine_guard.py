"""Who may speak to the engine, and what it says to everybody else."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import stat
from urllib.parse import urlsplit

import pytest

from inductiva_widgets.local.app import build_app
from inductiva_widgets.local.service import _build_engine
from inductiva_widgets.local.settings import EngineSettings
from inductiva_widgets.local.store import Store

OPEN = {"/version", "/version-check", "/simulators/available-images", "/signed/{token}"}
UNKNOWN = [("GET", "/no/such/route"), ("GET", "/version/"), ("GET", "//version"), ("PUT", "/")]


@pytest.fixture(scope="module")
def routes(tmp_path_factory):
    """Every route that the application has, as (method, path with made-up parts)."""
    folder = tmp_path_factory.mktemp("routes")
    with contextlib.closing(Store(folder / "engine.db")) as store:
        engine = _build_engine(EngineSettings(data_dir=folder), store, "key")
        app = build_app(engine, port=1, keys=["key"], proof_key="key")
    return [
        (method, re.sub(r"{\w+(:path)?}", "abc", route.path))
        for route in app.routes
        if route.path not in OPEN
        for method in sorted(route.methods)
    ]


def ask(engine, method, path, headers=None, body=None):
    """A request with exactly these headers."""
    address = urlsplit(engine.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": address.netloc, **(headers or {})}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read() or b"{}")
    finally:
        connection.close()


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"X-API-Key": ""}])
def test_every_other_route_wants_the_key(engine, routes, headers):
    assert len(routes) > 40
    for method, path in routes + UNKNOWN:
        assert ask(engine, method, path, headers)[0] == 401, (method, path)


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


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", "127.0.0.1.evil:{port}"],
)
@pytest.mark.parametrize("path", ["/tasks", "/version", "/signed/x"])
def test_other_host_names_are_refused(engine, host, path):
    port = urlsplit(engine.url).port
    headers = {"Host": host.format(port=port), "X-API-Key": engine.key}

    assert ask(engine, "GET", path, headers)[0] == 403


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


def test_a_body_that_says_it_is_too_long_is_refused_unread(engine):
    headers = {"X-API-Key": engine.key, "Content-Length": str(100 * 2**20)}

    assert ask(engine, "POST", "/tasks/submit", headers)[0] == 413


def test_a_body_that_turns_out_too_long_is_refused(engine):
    block = b'"' + b"x" * 300_000
    chunk = f"{len(block):x}\r\n".encode() + block + b"\r\n"
    headers = {"X-API-Key": engine.key, "Transfer-Encoding": "chunked"}

    assert ask(engine, "POST", "/tasks/submit", headers, chunk * 4 + b"0\r\n\r\n")[0] == 413


def test_slow_clients_do_not_hold_up_the_others(engine):
    address = urlsplit(engine.url)
    slow = [
        socket.create_connection((address.hostname, address.port), timeout=5) for _ in range(100)
    ]
    try:
        for connection in slow:
            connection.sendall(b"GET /tasks HTTP/1.1\r\nHost: ")

        assert engine.get("/tasks")["total_size"] >= 0
    finally:
        for connection in slow:
            connection.close()


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
