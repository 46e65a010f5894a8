"""Faults of a storage by a seeded schedule: the same seed makes the same mistakes."""

from __future__ import annotations

import random
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archive_server import ArchiveServer

# Each can be recovered from, alone or after another. `replace` comes once at most: an archive that
# changes twice is given up.
KINDS = (
    "reset", "short", "long", "stall", "500", "503", "429", "expire", "shift", "no-range",
    "gzip", "redirect", "replace", "whole", "late-reset",
)  # fmt: skip


class Schedule:
    """Decides request by request; `faults` counts what went wrong on purpose."""

    def __init__(self, server: ArchiveServer, seed: int, *, most: int, newer: bytes) -> None:
        self._server = server
        self._random = random.Random(seed)
        self._left = most
        self._newer = newer
        self._in_a_row = 0
        self._share = self._random.choice((0.1, 0.3, 0.7))
        self._may_send_whole = self._random.random() < 0.1
        self.faults: list[str] = []

    def __call__(self, number: int, handler, span: tuple[int, int]) -> bool:
        with self._server.lock:
            hit = self._left > 0 and self._in_a_row < 3
            hit = hit and self._random.random() < self._share
            if not hit:
                self._in_a_row = 0
                return False
            kind = self._random.choice(KINDS)
            if (kind == "replace" and kind in self.faults) or (
                kind == "whole" and not self._may_send_whole
            ):
                kind = "short"
            self._in_a_row += 1
            self._left -= 1
            self.faults.append(kind)
            at = self._random.random()
        start, end = span
        answers = getattr(self, f"_{kind.replace('-', '_')}", None)
        if answers is None:
            self._server.send(handler, int(kind), b"busy", {"Retry-After": "0"})
            return True
        return bool(answers(handler, start, end, start + int(at * (end - start))))

    def _short(self, handler, start: int, end: int, at: int) -> bool:
        self._server.send_range(handler, start, end, self._server.body[start:at])
        handler.close_connection = True
        return True

    def _reset(self, handler, start: int, end: int, at: int) -> bool:
        self._short(handler, start, end, at)
        handler.wfile.flush()
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return True

    def _late_reset(self, handler, start: int, end: int, at: int) -> bool:
        return self._reset(handler, start, end, max(start, end - 1))

    def _long(self, handler, start: int, end: int, at: int) -> bool:
        body = self._server.body[start:end] + b"more than was announced"
        self._server.send_range(handler, start, end, body)
        handler.close_connection = True
        return True

    def _stall(self, handler, start: int, end: int, at: int) -> bool:
        self._server.send_range(handler, start, end, self._server.body[start:at])
        handler.wfile.flush()
        self._server.release.wait(0.3)
        return True

    def _expire(self, handler, start: int, end: int, at: int) -> bool:
        self._server.tokens.clear()
        self._server.send(handler, 403, b"<Error><Code>ExpiredToken</Code></Error>")
        return True

    def _shift(self, handler, start: int, end: int, at: int) -> bool:
        shifted = max(0, start - 7)
        said = f"bytes {shifted}-{max(shifted, end - 8)}/{len(self._server.body)}"
        body = self._server.body[shifted : max(shifted + 1, end - 7)]
        self._server.send(handler, 206, body, {"Content-Range": said})
        return True

    def _no_range(self, handler, start: int, end: int, at: int) -> bool:
        self._server.send(handler, 206, self._server.body[start:end])
        return True

    def _gzip(self, handler, start: int, end: int, at: int) -> bool:
        self._server.send_range(handler, start, end, None, **{"Content-Encoding": "gzip"})
        return True

    def _redirect(self, handler, start: int, end: int, at: int) -> bool:
        self._server.send(handler, 302, b"", {"Location": handler.path})
        return True

    def _replace(self, handler, start: int, end: int, at: int) -> bool:
        self._server.body, self._server.etag = self._newer, '"v2"'
        return False

    def _whole(self, handler, start: int, end: int, at: int) -> bool:
        self._server.send(handler, 200, self._server.body)
        return True
