"""Faults of a storage by a seeded schedule: the same seed makes the same mistakes."""

from __future__ import annotations

import random
import socket
import struct
from email.utils import formatdate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archive_server import ArchiveServer

# Each can be recovered from, alone or after another. `replace` comes once at most: an archive that
# changes twice is given up.
KINDS = (
    "reset", "late-reset", "hang-up", "short", "chunked", "long", "stall", "drip",
    "500", "502", "503", "504", "429", "expire", "replace", "whole",
    "shift", "less", "no-range", "no-total", "multipart", "posing-multipart", "gzip",
    "redirect", "redirect-elsewhere",
)  # fmt: skip
DRIP_S, DRIPS = 0.03, 30


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
            wait = self._random.choice(("0", "soon", "-1", formatdate(usegmt=True), None))
        start, end = span
        answers = getattr(self, f"_{kind.replace('-', '_')}", None)
        if answers is None:
            headers = {} if wait is None else {"Retry-After": wait}
            self._server.send(handler, int(kind), b"busy", headers)
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

    def _hang_up(self, handler, start: int, end: int, at: int) -> bool:
        handler.close_connection = True
        return True

    def _chunked(self, handler, start: int, end: int, at: int) -> bool:
        """Too little, and yet ended as chunked bodies end."""
        said = f"bytes {start}-{end - 1}/{len(self._server.body)}"
        piece = self._server.body[start:at]
        chunk = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
        self._head(handler, {"Content-Range": said, "Transfer-Encoding": "chunked"})
        self._server.write(handler, chunk + b"0\r\n\r\n")
        return True

    def _drip(self, handler, start: int, end: int, at: int) -> bool:
        """One byte after the other: never silent for long, and never done."""
        said = f"bytes {start}-{end - 1}/{len(self._server.body)}"
        self._head(handler, {"Content-Range": said, "Content-Length": str(end - start)})
        handler.close_connection = True
        for place in range(start, min(end, start + DRIPS)):
            self._server.write(handler, self._server.body[place : place + 1])
            handler.wfile.flush()
            if self._server.release.wait(DRIP_S):
                break
        return True

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

    def _less(self, handler, start: int, end: int, at: int) -> bool:
        """A part of the range, and truly so: RFC 9110 § 15.3.7 allows it."""
        self._server.send_range(handler, start, max(start + 1, at))
        return True

    def _no_total(self, handler, start: int, end: int, at: int) -> bool:
        said = {"Content-Range": f"bytes {start}-{end - 1}/*"}
        self._server.send(handler, 206, self._server.body[start:end], said)
        return True

    def _multipart(self, handler, start: int, end: int, at: int) -> bool:
        said, body = self._parts(start, end)
        self._server.send(handler, 206, body, said)
        return True

    def _posing_multipart(self, handler, start: int, end: int, at: int) -> bool:
        """Its head speaks of one range, and its body, as long as that, of several."""
        said, body = self._parts(start, end)
        said["Content-Range"] = f"bytes {start}-{end - 1}/{len(self._server.body)}"
        self._server.send(handler, 206, body[: end - start], said)
        return True

    def _parts(self, start: int, end: int) -> tuple[dict[str, str], bytes]:
        middle = (start + end) // 2
        total = len(self._server.body)
        parts = [
            b"--mark\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%b\r\n"
            % (first, last - 1, total, self._server.body[first:last])
            for first, last in ((start, middle), (middle, end))
        ]
        return (
            {"Content-Type": 'multipart/byteranges; boundary="mark"'},
            b"".join(parts) + b"--mark--\r\n",
        )

    def _gzip(self, handler, start: int, end: int, at: int) -> bool:
        self._server.send_range(handler, start, end, None, **{"Content-Encoding": "gzip"})
        return True

    def _redirect(self, handler, start: int, end: int, at: int) -> bool:
        self._server.send(handler, 302, b"", {"Location": handler.path})
        return True

    def _redirect_elsewhere(self, handler, start: int, end: int, at: int) -> bool:
        place = f"http://localhost:{self._server.http.server_port}{handler.path}"
        self._server.send(handler, 307, b"", {"Location": place})
        return True

    def _replace(self, handler, start: int, end: int, at: int) -> bool:
        self._server.body, self._server.etag = self._newer, '"v2"'
        return False

    def _whole(self, handler, start: int, end: int, at: int) -> bool:
        self._server.send(handler, 200, self._server.body)
        return True

    def _head(self, handler, headers: dict[str, str]) -> None:
        handler.send_response(206)
        for name, value in headers.items():
            handler.send_header(name, value)
        if self._server.etag is not None:
            handler.send_header("ETag", self._server.etag)
        handler.end_headers()
