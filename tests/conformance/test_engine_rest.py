"""The rest of the contract on the engine: storage exchange, prices, patience with clients."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import uvicorn
from raw_engine import launch
from scripted import Answer, ScriptedServer, ok, refusal
from waiting import wait_until

from inductiva_widgets.local import sampling
from inductiva_widgets.local.connections import PatientProtocol
from inductiva_widgets.local.sampling import UpdateLog

HEAD_LIMIT_S = 1.0  # far above what an honest request takes on a busy machine
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def elsewhere():
    with contextlib.closing(ScriptedServer()) as server:
        yield server


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rest") / "data"
    with contextlib.closing(launch(folder, "--port", "0")) as started:
        yield started


# -- files from and to elsewhere --------------------------------------------------------------


def post(engine, path, **options):
    reply = engine.call("POST", path, **options)
    return reply.status_code, reply.json()


def fetch(engine, url, path="remote/file.bin"):
    return post(engine, "/storage/input_remote", params={"url": url, "path": path})


def stored(engine, folder):
    reply = engine.call("GET", "/storage/contents", params={"path": folder})
    return {one["name"]: one["size_bytes"] for one in reply.json().get("contents", [])}


def test_a_file_is_fetched_from_elsewhere(engine, elsewhere):
    elsewhere.say(Answer(body=b"x" * 3000))

    assert fetch(engine, f"{elsewhere.url}/data?secret=1") == (200, {})

    assert stored(engine, "remote") == {"file.bin": 3000}
    assert "X-API-Key" not in elsewhere.asked[0].headers
    assert engine.call("DELETE", "/storage/", params={"path": "remote/"}).status_code == 200


@pytest.mark.parametrize(
    "answer", [refusal(404, "no"), refusal(500, "no"), Answer(body=b"xx", announced=9)]
)
def test_what_cannot_be_fetched_whole_is_not_stored(engine, elsewhere, answer):
    elsewhere.say(answer)

    status, reply = fetch(engine, f"{elsewhere.url}/data?secret=1")

    assert status == 400
    assert "cannot be fetched" in reply["detail"]
    assert "secret" not in reply["detail"]
    assert stored(engine, "/") == {}


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http:///x", "http://[::1", "x", ""]
)
def test_only_web_addresses_are_fetched(engine, url):
    assert fetch(engine, url)[0] == 400


@pytest.mark.parametrize("path", ["", "/", "remote/", "../x", "a/../../x"])
def test_fetched_files_stay_in_the_storage(engine, elsewhere, path):
    assert fetch(engine, elsewhere.url, path)[0] == 400
    assert elsewhere.asked == []


def test_fetching_needs_both_words(engine):
    assert post(engine, "/storage/input_remote")[0] == 422


@pytest.fixture
def shelf(engine):
    """A stored file of 2500 bytes."""
    engine.put("shelf/file.bin", b"a" * 1000 + b"b" * 1000 + b"c" * 500)
    yield "shelf/file.bin"
    assert engine.call("DELETE", "/storage/", params={"path": "shelf/"}).status_code == 200


def export_body(path, url, parts=3):
    return {
        "path": path,
        "parts_size": 1000,
        "upload_parts": [
            {"part_number": number, "part_url": f"{url}/part{number}?sign=1"}
            for number in range(1, parts + 1)
        ],
        "complete_multipart_url": f"{url}/complete?sign=1",
    }


def test_a_file_is_exported_in_parts(engine, elsewhere, shelf):
    elsewhere.route = lambda asked: ok({}, ETag=f'"{asked.path[1:6]}"')

    status, _ = post(engine, "/storage/export_multipart", json=export_body(shelf, elsewhere.url))

    assert status == 200
    assert elsewhere.paths() == [
        "PUT /part1?sign=1",
        "PUT /part2?sign=1",
        "PUT /part3?sign=1",
        "POST /complete?sign=1",
    ]
    assert [one.body for one in elsewhere.asked[:3]] == [b"a" * 1000, b"b" * 1000, b"c" * 500]
    last = elsewhere.asked[3].body.decode()
    assert '<Part><PartNumber>3</PartNumber><ETag>"part3"</ETag></Part>' in last
    newest = engine.get("/storage/operations", page=1, per_page=1)[0]
    assert (newest["name"], newest["status"], newest["error_message"]) == ("export", "OK", None)
    assert newest["start_time"] <= newest["end_time"]
    assert engine.get(f"/storage/operations/{newest['id']}") == newest


def test_a_failed_export_is_told_by_its_operation(engine, elsewhere, shelf):
    elsewhere.say(refusal(403, "expired"))

    status, _ = post(engine, "/storage/export_multipart", json=export_body(shelf, elsewhere.url))

    assert status == 200
    newest = engine.get("/storage/operations")[0]
    assert newest["status"] == "FAILED"
    assert "403" in newest["error_message"]
    assert "sign" not in newest["error_message"]


def test_an_export_of_nothing_is_not_found(engine, elsewhere):
    body = export_body("no/such.file", elsewhere.url)
    assert post(engine, "/storage/export_multipart", json=body)[0] == 404
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    "change",
    [
        {"parts_size": 0},
        {"parts_size": True},
        {"upload_parts": []},
        {"upload_parts": [{"part_number": "1", "part_url": "http://x"}]},
        {"upload_parts": None},
        {"complete_multipart_url": None},
        {"path": 1},
    ],
)
def test_a_malformed_export_is_told_by_its_place(engine, elsewhere, shelf, change):
    body = {**export_body(shelf, elsewhere.url), **change}

    status, reply = post(engine, "/storage/export_multipart", json=body)

    assert status == 422
    assert reply["detail"][0]["loc"] == ["body", *change]


def test_operations_are_paged(engine):
    assert engine.call("GET", "/storage/operations", params={"per_page": 51}).status_code == 422
    assert engine.get("/storage/operations", page=999) == []
    assert engine.call("GET", "/storage/operations/none").status_code == 404


# -- prices -----------------------------------------------------------------------------------


def test_this_machine_costs_nothing_and_others_are_not_priced(engine):
    own = engine.get("/compute/group/local")["machine_type"]

    found = engine.get("/compute/price", machine_type=own, zone="local")

    assert found == {"preemptible_price": 0.0, "on_demand_price": 0.0}
    other = engine.call("GET", "/compute/price", params={"machine_type": "c2-standard-4"})
    assert other.status_code == 404
    assert engine.call("GET", "/compute/price").status_code == 422


# -- clients that take their time -------------------------------------------------------------


class Hasty(PatientProtocol):
    headers_s = HEAD_LIMIT_S


@pytest.fixture
def connect():
    """Connections to a server whose patience with request heads is short."""

    async def app(scope, receive, send):
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        size = str(len(body)).encode()
        headers = [(b"content-length", str(len(size)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": size})

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=Hasty, lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    wait_until(lambda: server.started)
    with contextlib.ExitStack() as stack:

        def make():
            made = stack.enter_context(socket.create_connection(listener.getsockname(), 5))
            made.settimeout(20)  # a connection that is not given up fails the test
            return made

        yield make
    server.should_exit = True
    thread.join(10)
    listener.close()


def answered(connection):
    """Body of the next reply: one digit, after the head."""
    reply = b""
    while not reply[:-1].endswith(b"\r\n\r\n"):
        reply += connection.recv(1)
    assert reply.startswith(b"HTTP/1.1 200 OK")
    return reply[-1:]


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_request_that_never_comes_is_given_up(connect, sent):
    connection = connect()
    connection.sendall(sent)

    assert connection.recv(1) == b""


def test_a_head_that_comes_drop_by_drop_is_given_up(connect):
    connection = connect()

    def sends_another_drop():
        connection.sendall(b"G")

    with pytest.raises((ConnectionResetError, BrokenPipeError)):  # as the system has it
        wait_until(sends_another_drop)


def test_a_second_request_that_stalls_is_given_up(connect):
    connection = connect()
    connection.sendall(REQUEST)
    assert answered(connection) == b"0"

    connection.sendall(REQUEST[:10])

    assert connection.recv(1) == b""


def test_a_slow_body_and_a_pause_between_requests_are_fine(connect):
    connection = connect()
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
    for _ in range(4):
        time.sleep(HEAD_LIMIT_S / 3)
        connection.sendall(b"x")
    assert answered(connection) == b"4"

    time.sleep(HEAD_LIMIT_S * 1.2)
    connection.sendall(REQUEST)

    assert answered(connection) == b"0"


def test_the_engine_is_patient_for_some_seconds_only(engine):
    assert 5 <= PatientProtocol.headers_s <= 60
    place = urlsplit(engine.url)
    with socket.create_connection((place.hostname, place.port), 5) as connection:
        head = f"GET /version HTTP/1.1\r\nHost: {place.netloc}\r\n"
        connection.sendall(head.encode())
        connection.sendall(b"\r\n")
        assert b"200 OK" in connection.recv(1000)


# -- files that the runner writes -------------------------------------------------------------


def test_the_newest_file_is_noted_now_and_then(tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(sampling, "time", clock)
    folder = tmp_path / "run"
    (folder / "sub").mkdir(parents=True)
    log = UpdateLog(tmp_path / "output_update.csv", folder)

    log.write_if_due()  # not yet
    clock.now += sampling.UPDATE_INTERVAL_S
    log.write_if_due()  # nothing written so far
    (folder / "sub" / "new, really.txt").write_text("x")
    clock.now += sampling.UPDATE_INTERVAL_S
    log.write_if_due()

    (row,) = (tmp_path / "output_update.csv").read_text().splitlines()
    stamp, _, name = row.partition(",")
    assert stamp.endswith("+00:00")
    assert name == '"sub/new, really.txt"'
