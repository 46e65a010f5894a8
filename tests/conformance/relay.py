"""A relay in front of an engine: it notes every request and may change every reply.

What the official client leaves open is put here, so that the engine itself has no modes
that only tests use.
"""

from __future__ import annotations

import contextlib
import http.client
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from scripted import LoopbackServer, received

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler

    from scripted import Asked

DROPPED = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class Reply:
    """A reply on its way to the client."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def say(self, status: int, value: Any) -> None:
        self.status, self.body = status, json.dumps(value).encode()
        self.headers = {"Content-Type": "application/json"}

    def edit(self, change: Callable[[Any], Any]) -> None:
        """Changes a JSON reply in place; what `change` returns takes its place, if anything."""
        value = self.json
        changed = change(value)
        self.body = json.dumps(value if changed is None else changed).encode()


@dataclass
class Relay:
    """Passes requests on to `target`; links in the replies lead back through the relay.

    `before` may change the path that is asked for; `after` may change the reply.
    """

    target: str
    before: Callable[[Asked], str | None] = lambda _: None
    after: Callable[[Asked, Reply], None] = lambda *_: None
    asked: list[Asked] = field(default_factory=list)
    refused: list[tuple[Asked, Reply]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = LoopbackServer(self._pass_on)

    @property
    def url(self) -> str:
        return self._server.url

    def close(self) -> None:
        self._server.close()

    def of(self, method: str, path: str) -> list[Asked]:
        """Requests noted so far, of this method and path (without its query)."""
        return [one for one in self.asked if one.method == method and route(one) == path]

    def _pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        asked = received(handler)
        self.asked.append(asked)
        reply = self._fetch(asked, self.before(asked) or asked.path)
        self.after(asked, reply)
        if reply.status >= 400:
            self.refused.append((asked, reply))
        handler.close_connection = True
        with contextlib.suppress(OSError):  # the client may have left
            handler.send_response_only(reply.status)
            length = reply.headers.pop("X-Length", str(len(reply.body)))
            for name, value in {**reply.headers, "Content-Length": length}.items():
                handler.send_header(name, value)
            handler.send_header("Connection", "close")
            handler.end_headers()
            if asked.method != "HEAD":
                handler.wfile.write(reply.body)

    def _fetch(self, asked: Asked, path: str) -> Reply:
        place = urlsplit(self.target)
        with contextlib.closing(
            http.client.HTTPConnection(place.hostname, place.port, timeout=70)
        ) as connection:
            headers = {
                name: value
                for name, value in asked.headers.items()
                if name.lower() not in DROPPED | {"host"}
            }
            connection.request(asked.method, path, asked.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
            found = {n: v for n, v in answer.getheaders() if n.lower() not in DROPPED}
            if asked.method == "HEAD":  # the length of what is not sent
                found["X-Length"] = answer.getheader("Content-Length", "0")
            if answer.getheader("Content-Type", "").startswith("application/json"):
                body = body.replace(self.target.encode(), self.url.encode())
            return Reply(answer.status, found, body)


def route(asked: Asked) -> str:
    """Path of a request, decoded, without its query."""
    return unquote(urlsplit(asked.path).path)


def query(asked: Asked) -> dict[str, list[str]]:
    return parse_qs(urlsplit(asked.path).query, keep_blank_values=True)
