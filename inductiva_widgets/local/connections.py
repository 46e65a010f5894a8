"""Connections of clients that open one and then say nothing, or take for ever to say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

__all__ = ["PatientProtocol"]

HEADERS_S = 20.0  # a request line and its headers are one packet for every honest client


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with a limit on the time that the head of a request may take.

    Uvicorn closes idle connections only after a first reply, and its timer ends with the first
    byte of the next request: a few hundred half-sent requests would keep everybody else out.
    """

    headers_s = HEADERS_S
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the clock of the first request."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Starts the clock of a further request, or stops it when the head is complete."""
        super().data_received(data)
        cycle: Any = self.cycle  # none before the first request, whatever its type says
        if cycle is not None and not cycle.response_complete:
            self._stop()
        elif self._head_timer is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
        self._stop()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Leaves the pause between two requests to uvicorn's own timer."""
        self._stop()
        super().on_response_complete()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.headers_s, self._give_up)

    def _stop(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        transport: Any = self.transport
        transport.close()
