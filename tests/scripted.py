"""A real HTTP server on loopback that answers by script and notes what it was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Answer:
    """What to send. `announced`: bytes that Content-Length promises, if not those sent."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    reason: str | None = None


RESET = Answer(status=-1)  # the connection is reset instead of an answer
SILENCE = Answer(status=-2)  # no byte comes


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def ok(value: Any, **headers: str) -> Answer:
    return Answer(200, json.dumps(value).encode(), headers)


def refusal(status: int, detail: Any, **headers: str) -> Answer:
    return Answer(status, json.dumps({"detail": detail}).encode(), headers)


class LoopbackServer:
    """A server on a free port; `handle` gets each request, on a thread of its own."""

    def __init__(self, handle: Callable[[BaseHTTPRequestHandler], None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
            setattr(Handler, f"do_{method}", lambda handler: handle(handler))  # noqa: PLW0108 - a bound method stays bound
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def received(handler: BaseHTTPRequestHandler) -> Asked:
    """A request with its body."""
    return Asked(handler.command, handler.path, dict(handler.headers), _read(handler))


class ScriptedServer:
    """Gives the answers of `script` in turn, the last again and again; `route` decides before."""

    def __init__(self) -> None:
        self.script: list[Answer] = [Answer()]
        self.route: Callable[[Asked], Answer | None] = lambda _: None
        self.asked: list[Asked] = []
        self._released = threading.Event()
        self._lock = threading.Lock()

        self._server = LoopbackServer(self._serve)

    @property
    def url(self) -> str:
        return self._server.url

    def say(self, *answers: Answer) -> None:
        with self._lock:
            self.script = list(answers)

    def paths(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.asked]

    def close(self) -> None:
        self._released.set()
        self._server.close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        asked = received(handler)
        with self._lock:
            self.asked.append(asked)
        answer = self.route(asked)
        if answer is None:
            with self._lock:
                answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        handler.close_connection = True
        if answer is RESET:
            linger = struct.pack("ii", 1, 0)  # closing sends RST
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        elif answer is SILENCE:
            self._released.wait(60)
        else:
            with contextlib.suppress(OSError):  # the client may have left
                self._send(handler, answer)

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.send_response(answer.status, answer.reason)
        for name, value in {"Connection": "close", **answer.headers}.items():
            handler.send_header(name, value)
        length = len(answer.body) if answer.announced is None else answer.announced
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(answer.body)
        if answer.headers.get("X-Stall"):
            self._released.wait(60)


def _read(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding") == "chunked":
        body = b""
        while size := int(handler.rfile.readline(), 16):
            body += handler.rfile.read(size)
            handler.rfile.readline()
        handler.rfile.readline()
        return body
    return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
