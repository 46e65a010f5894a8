"""Connections of clients that are silent, too slow, or do not speak HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

__all__ = ["MAX_EVENT_BYTES", "PatientProtocol"]

HEADERS_S = 20.0  # a request line and its headers are one packet for every honest client
SILENCE_S = 60.0  # longest pause inside a body
# Above the limits of the guard, which says what is too long; this one only closes the connection.
MAX_EVENT_BYTES = 128 * 1024


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with limits on the time that the head of a request takes, and its body pauses.

    Uvicorn closes idle connections only after a first reply, and its timer ends with the first
    byte of the next request: a few hundred half-sent requests would keep everybody else out.
    """

    headers_s = HEADERS_S
    silence_s = SILENCE_S
    _timer: asyncio.TimerHandle | None = None
    _in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the clock of the first request."""
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        """Starts the clock of a further request, or of the next piece of a body."""
        super().data_received(data)
        cycle: Any = self.cycle  # none before the first request, whatever its type says
        if cycle is not None and not cycle.response_complete:
            self._stop()
            if cycle.more_body:
                self._start(in_body=True)
        elif self._timer is None:
            self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
        self._stop()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Leaves the pause between two requests to uvicorn's own timer."""
        self._stop()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP as everything else is answered; just closes in mid-reply."""
        body = json.dumps({"detail": msg}).encode()
        length = str(len(body)).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", length),
            (b"connection", b"close"),
        ]
        transport: Any = self.transport
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            reply = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            for event in (reply, h11.Data(data=body), h11.EndOfMessage()):
                transport.write(self.conn.send(event))
        transport.close()

    def _start(self, *, in_body: bool = False) -> None:
        self._in_body = in_body
        limit_s = self.silence_s if in_body else self.headers_s
        self._timer = self.loop.call_later(limit_s, self._give_up)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._in_body and self.flow.read_paused:  # it is the disk that is slow, not the client
            self._start(in_body=True)
            return
        transport: Any = self.transport
        transport.close()
