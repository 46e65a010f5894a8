"""A storage for tests: one archive behind a signed link on loopback, with faults to switch on."""

from __future__ import annotations

import contextlib
import io
import mmap
import re
import socket
import struct
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from inductiva_widgets.api.links import LinkTransport

if TYPE_CHECKING:
    from pathlib import Path

SIGNATURE = "sig-5ecret-0f-the-link"


class ArchiveServer:
    """Serves `body` with ranges and an entity tag; counts what is asked and what is sent.

    A fault is a function `(request number, handler, (start, end)) -> bool`; one that returns true
    has answered the request.
    """

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.etag: str | None = '"v1"'
        self.ranges_work = True
        self.tokens = {SIGNATURE}
        self.faults: list = []
        self.connections: list[socket.socket] = []
        self.requests: list[tuple[str | None, int]] = []
        self.headers: list[dict[str, str]] = []
        self.sent = 0
        self.bytes_per_s: float | None = None  # of one connection
        self.lock = threading.Lock()
        self.release = threading.Event()  # ends answers that stall
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def setup(self) -> None:
                server.connections.append(self.request)
                super().setup()

            def do_GET(self) -> None:
                server.answer(self)
                self.wfile.flush()

            def log_message(self, *args: object) -> None:
                pass

        class Http(ThreadingHTTPServer):
            request_queue_size = 128  # with 5, callers at once may have to wait a second

        self.http = Http(("127.0.0.1", 0), Handler)
        self.http.handle_error = lambda *_: None  # clients that leave are part of the game
        self.http.daemon_threads = False  # joined at the end: no thread is left behind
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/bucket/output.zip?X-Signature={SIGNATURE}"

    def close(self) -> None:
        self.release.set()
        self.http.shutdown()
        self.thread.join()
        for connection in self.connections:  # kept alive by clients
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.http.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        with self.lock:
            self.requests.append((asked, 0))
            self.headers.append(dict(handler.headers.items()))
            number = len(self.requests)
        token = handler.path.rpartition("=")[2]
        if token not in self.tokens:
            self.send(handler, 403, b"<Error><Code>ExpiredToken</Code></Error>")
            return
        start, end = self.span(asked)
        if any(fault(number, handler, (start, end)) for fault in list(self.faults)):
            return
        start, end = self.span(asked)  # a fault may have replaced the archive
        match = handler.headers.get("If-Match")
        if match is not None and self.etag is not None and match != self.etag:
            self.send(handler, 412, b"")
        elif asked is None or not self.ranges_work:
            self.send(handler, 200, self.body)
        elif start >= len(self.body):
            self.send(handler, 416, b"", {"Content-Range": f"bytes */{len(self.body)}"})
        else:
            self.send_range(handler, start, end)

    def span(self, asked: str | None) -> tuple[int, int]:
        size = len(self.body)
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked or "")
        if match is None:
            return 0, size
        if not match[1]:
            return max(0, size - int(match[2])), size
        return int(match[1]), min(size, int(match[2]) + 1)

    def send_range(
        self, handler, start: int, end: int, body: bytes | None = None, **headers
    ) -> None:
        said = {"Content-Range": f"bytes {start}-{end - 1}/{len(self.body)}", **headers}
        self.send(handler, 206, self.body[start:end] if body is None else body, said, end - start)

    def send(
        self,
        handler,
        status: int,
        body: bytes,
        headers: dict | None = None,
        length: int | None = None,
    ) -> None:
        """Sends `body`, announcing `length`: a shorter body is followed by a closed connection."""
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        if self.etag is not None and status < 400:
            handler.send_header("ETag", self.etag)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        self.write(handler, body)
        if length is not None and len(body) != length:
            handler.close_connection = True

    def write(self, handler, body: bytes) -> None:
        """The body, at the rate set: what lies in buffers of the system is no part of it."""
        if self.bytes_per_s is None:
            handler.wfile.write(body)
            with self.lock:
                self.sent += len(body)
            return
        step = 8192
        for start in range(0, len(body), step):
            handler.wfile.write(body[start : start + step])
            handler.wfile.flush()
            with self.lock:
                self.sent += len(body[start : start + step])
            if self.release.wait(step / self.bytes_per_s):
                return


class CountingTransport(LinkTransport):
    """Adds up the bytes that arrive, in a file that outlives a kill.

    A server can only count what it sends: megabytes of that may lie in buffers of the system when
    the client is killed, and more on a busy machine.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        if not path.exists():
            path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._count = mmap.mmap(file.fileno(), 8)
        self._counting = threading.Lock()

    @staticmethod
    def counted(path: Path) -> int:
        return struct.unpack("<Q", path.read_bytes())[0]

    def get(self, url, headers=None):
        reply = super().get(url, headers)
        pieces = reply.iter_bytes

        def counting(*args):
            for piece in pieces(*args):
                with self._counting:
                    so_far = struct.unpack_from("<Q", self._count)[0]
                    struct.pack_into("<Q", self._count, 0, so_far + len(piece))
                yield piece

        reply.iter_bytes = counting
        return reply

    def close(self) -> None:
        super().close()
        self._count.close()


class Source:
    """Signed links; `renew` switches the server to a fresh one, as the service would."""

    def __init__(self, server: ArchiveServer, *, fresh_works: bool = True) -> None:
        self.server = server
        self.fresh_works = fresh_works
        self.renewed = 0
        self.asked = 0

    def url(self) -> str:
        self.asked += 1
        return self.server.url

    def renew(self, old_url: str) -> str:
        self.renewed += 1
        fresh = f"{SIGNATURE}-{self.renewed}"
        if self.fresh_works:
            self.server.tokens.add(fresh)
        return f"{old_url.rpartition('=')[0]}={fresh}"


def zipped(
    files: dict[str, bytes], *, folders: tuple[str, ...] = (), stored: bool = False
) -> bytes:
    """An output archive as the service makes it: everything below `artifacts/`."""
    buffer = io.BytesIO()
    method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("artifacts/", b"")
        for name in folders:
            archive.writestr(f"artifacts/{name}", b"")
        for name, content in files.items():
            archive.writestr(f"artifacts/{name}", content)
    return buffer.getvalue()
