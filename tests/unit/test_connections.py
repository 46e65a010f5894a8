"""What lies between here and a service: certificates, proxies, dead addresses, endless answers."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import tracemalloc
from pathlib import Path

import pytest
from scripted import Answer, ScriptedServer

from inductiva_widgets.api import http
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.credentials import Credentials
from inductiva_widgets.api.http import ApiTransport
from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.errors import BadPayloadError, ServiceConnectionError, ServiceTimeoutError

CERTIFICATES = Path(__file__).with_name("certificates")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Talker:
    """Reads the head of a request on each connection, then says what `talk(connection)` says."""

    def __init__(self, talk, wrap=lambda connection: connection) -> None:
        self.connections = 0
        self.requests = 0
        self.released = threading.Event()
        self._talk, self._wrap = talk, wrap
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self.released.is_set():
                connection.close()
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.closing(self._wrap(connection)) as talking:
            talking.settimeout(10)
            while head := talking.recv(1 << 16):
                self.requests += head.count(b"\r\n\r\n")
                self._talk(self, talking)
        connection.close()

    def close(self) -> None:
        self.released.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self._threads:
            thread.join()
        self._listener.close()


def says(answer: bytes):
    return lambda _, connection: connection.sendall(answer)


WELL = says(HEAD + b"Content-Length: 2\r\n\r\n{}")


@pytest.fixture
def talker():
    with contextlib.ExitStack() as ends:
        yield lambda *given: ends.enter_context(contextlib.closing(Talker(*given)))


@pytest.fixture
def api():
    with contextlib.ExitStack() as ends:

        def make(url, **timeouts):
            made = ApiTransport(
                Credentials(Config(url, ApiKey("a-key"), "a test", Path())),
                user_agent="tests/1",
                timeouts=Timeouts(**timeouts),
                sleep=lambda _: None,
            )
            return ends.enter_context(contextlib.closing(made))

        yield make


@pytest.fixture
def links():
    with contextlib.closing(LinkTransport(timeouts=Timeouts(2.0, 2.0))) as made:
        yield made


@pytest.fixture
def asking(api, links):
    """The two ways to ask https://service.test: with the key, and behind a link."""
    url = "https://service.test"
    return (
        lambda: api(url).get("/tasks", retry=False),
        lambda: links.get(url + "/a").close(),
    )


@pytest.fixture
def names(monkeypatch):
    """Gives names addresses of this machine: `names["service.test"] = [port, …]`, tried in turn."""
    table: dict[str, list[int]] = {}
    resolve = socket.getaddrinfo

    def looked_up(host, port, *args, **kwargs):
        if host not in table:
            return resolve(host, port, *args, **kwargs)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.1", place)) for place in table[host]]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    return table


# -- certificates --------------------------------------------------------------------------------


@pytest.fixture
def secure(talker, names, monkeypatch):
    """Serves https as service.test with a certificate of a given name."""

    def serve(certificate, *, is_trusted):
        if is_trusted:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATES / f"{certificate}.pem"))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
        server = talker(WELL, lambda plain: context.wrap_socket(plain, server_side=True))
        names["service.test"] = [server.port]
        return server

    return serve


@pytest.mark.fault(13)
@pytest.mark.parametrize(
    "case",
    [
        ("right", False, "self-signed"),
        ("expired", True, "expired"),
        ("elsewhere", True, "not valid for 'service.test'"),
    ],
)
def test_a_certificate_that_proves_nothing_ends_it_before_anything_is_sent(secure, asking, case):
    certificate, is_trusted, reason = case
    server = secure(certificate, is_trusted=is_trusted)

    for ask in asking:
        with pytest.raises(ServiceConnectionError, match=reason) as caught:
            ask()
        assert "service.test" in caught.value.message
        assert "REQUESTS_CA_BUNDLE" in caught.value.hint
    assert server.connections == 2
    assert server.requests == 0


@pytest.mark.fault(13)
def test_a_certificate_that_the_user_trusts_is_enough(secure, asking):
    server = secure("right", is_trusted=True)

    for ask in asking:
        ask()

    assert server.requests == 2


# -- proxies -------------------------------------------------------------------------------------


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    "case",
    [
        (b"407 Proxy Authentication Required", "asks for a user name", "USER:PASSWORD"),
        (b"403 Forbidden", "does not lead to service.test", "NO_PROXY"),
    ],
)
def test_a_proxy_that_refuses_is_told_apart_without_its_password(talker, asking, monkeypatch, case):
    answer, said, hint = case
    proxy = talker(says(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\n\r\n"))
    monkeypatch.setenv("https_proxy", f"http://me:s3cret@127.0.0.1:{proxy.port}")

    for ask in asking:
        with pytest.raises(ServiceConnectionError, match=said) as caught:
            ask()
        assert hint in caught.value.hint
        assert "s3cret" not in str(caught.value)
    assert proxy.requests == 2


@pytest.mark.fault(30)
def test_a_proxy_set_for_the_world_is_used(api, monkeypatch):
    with contextlib.closing(ScriptedServer()) as proxy:
        proxy.say(Answer(200, b'{"way": "proxy"}'))
        monkeypatch.setenv("http_proxy", proxy.url)

        reply = api("http://service.test").get("/tasks")

        assert json.loads(reply.body) == {"way": "proxy"}
        assert proxy.paths() == ["GET http://service.test/tasks"]


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.fault(32)
@pytest.mark.parametrize("is_silent", [True, False])
def test_a_dead_first_address_costs_one_time_limit_at_most(talker, names, api, is_silent):
    server = talker(WELL)
    with contextlib.ExitStack() as ends:
        dead = ends.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        while is_silent:  # until its queue is full, and it takes no more
            caller = ends.enter_context(socket.socket())
            caller.settimeout(0.2)
            try:
                caller.connect(dead.getsockname())
            except TimeoutError:
                break
        port = dead.getsockname()[1]
        if not is_silent:
            dead.close()
        names["service.test"] = [port, server.port]

        reply = api("http://service.test", connect_s=0.5).get("/tasks", retry=False)

    assert reply.body == b"{}"
    assert Timeouts().connect_s <= 5


# -- answers without end -------------------------------------------------------------------------


def many_headers(_, connection):
    connection.sendall(HEAD + b"X-A: b\r\n" * 100_000 + b"Content-Length: 2\r\n\r\n{}")


def long_header(_, connection):
    connection.sendall(HEAD + b"X-A: " + b"b" * 10_000_000 + b"\r\nContent-Length: 2\r\n\r\n{}")


@pytest.mark.fault(29)
@pytest.mark.parametrize("talk", [many_headers, long_header])
def test_headers_without_end_are_given_up(talker, api, links, talk):
    server = talker(talk)
    url = f"http://127.0.0.1:{server.port}"

    with pytest.raises(ServiceConnectionError):
        api(url).get("/tasks", retry=False)
    with pytest.raises(ServiceConnectionError):
        links.get(url + "/a")


@pytest.mark.fault(29)
def test_json_without_end_is_given_up_at_the_limit(talker, api):
    def endless(server, connection):
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        piece = b'{"a": "' + b"x" * 100_000
        while not server.released.is_set():
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))

    server = talker(endless)
    tracemalloc.start()
    try:
        with pytest.raises(BadPayloadError, match="larger than"):
            api(f"http://127.0.0.1:{server.port}").get("/tasks", retry=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 64_000_000


@pytest.mark.fault(6)
def test_an_answer_that_comes_drop_by_drop_is_given_up(talker, api, monkeypatch):
    monkeypatch.setattr(http, "WITHIN_S", 0.2)

    def drip(server, connection):
        connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
        while not server.released.wait(0.01):
            connection.sendall(b" ")

    server = talker(drip)

    with pytest.raises(ServiceTimeoutError, match="bytes of the service's answer came"):
        api(f"http://127.0.0.1:{server.port}").get("/tasks")

    assert server.requests == 1


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"


@pytest.mark.parametrize("answer", [b"Content-Length: 2\r\n\r\n{}", CHUNKED])
def test_a_connection_is_used_again(talker, api, answer):
    server = talker(says(HEAD + answer))
    asking = api(f"http://127.0.0.1:{server.port}")

    assert [asking.get("/tasks").body for _ in range(3)] == [b"{}"] * 3

    assert (server.connections, server.requests) == (1, 3)
