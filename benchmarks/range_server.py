"""A storage on loopback with imitated latency and rate, in a process of its own.

Every request waits `latency_ms` before its answer. A new connection is ready after twice as long,
for TCP and TLS, whether or not its first request is there by then. A connection gives `rate_mb` MB
per second, 0 for as fast as it can. `/storage/zip-contents` is answered from a file at hand;
`/_counts` tells and resets the requests and body bytes so far.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs

PIECE_BYTES = 1 << 16


class Counts:
    """What was asked and sent since the last look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = self._wire = self._connections = 0

    def add(self, requests: int = 0, wire: int = 0, connections: int = 0) -> None:
        """Adds to the counts."""
        with self._lock:
            self._requests += requests
            self._wire += wire
            self._connections += connections

    def take(self) -> bytes:
        """The counts as JSON, from zero again afterwards."""
        with self._lock:
            told = {"requests": self._requests, "wire": self._wire, "conns": self._connections}
            self._requests = self._wire = self._connections = 0
            return json.dumps(told).encode()


def serve(folder: Path, latency_s: float, bytes_per_s: float, port_file: int) -> None:
    """Serves until it is killed; writes the port to `port_file`."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    os.write(port_file, f"{listener.getsockname()[1]}\n".encode())
    counts = Counts()
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(
            target=_talk, args=(connection, folder, latency_s, bytes_per_s, counts), daemon=True
        ).start()


def _talk(
    connection: socket.socket, folder: Path, latency_s: float, bytes_per_s: float, counts: Counts
) -> None:
    is_first = True
    ready_at = time.monotonic() + 2 * latency_s
    buffered = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in buffered:
                try:
                    data = connection.recv(65536)
                except OSError:
                    return
                if not data:
                    return
                buffered += data
            head, _, buffered = buffered.partition(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            path, _, query = path.partition("?")
            if path == "/storage/zip-contents":
                path = f"/{Path(parse_qs(query)['path'][0]).stem}.contents.json"
            try:
                if path == "/_counts":
                    body = counts.take()
                    connection.sendall(_head(200, len(body)) + body)
                    continue
                time.sleep(latency_s + max(0.0, ready_at - time.monotonic()))
                counts.add(requests=1, connections=int(is_first))
                is_first = False
                asked = re.search(rb"(?im)^range:\s*bytes=(\d*)-(\d*)\s*$", head)
                _answer(connection, folder / path[1:], method, asked, bytes_per_s, counts)
            except OSError:
                return


def _answer(  # noqa: PLR0913, PLR0917 - a request has these
    connection: socket.socket,
    path: Path,
    method: str,
    asked: re.Match[bytes] | None,
    bytes_per_s: float,
    counts: Counts,
) -> None:
    total = path.stat().st_size
    start, end, status = 0, total, 200
    if asked is not None:
        status = 206
        if asked[1]:
            start, end = int(asked[1]), min(total, int(asked[2]) + 1 if asked[2] else total)
        else:
            start = max(0, total - int(asked[2]))
    more = f"Content-Range: bytes {start}-{end - 1}/{total}\r\n" if status == 206 else ""
    connection.sendall(_head(status, end - start, more))
    if method == "HEAD":
        return
    with path.open("rb") as file:
        if not bytes_per_s:
            counts.add(wire=connection.sendfile(file, start, end - start) or 0)
            return
        file.seek(start)
        began, sent = time.perf_counter(), 0
        while sent < end - start:
            piece = file.read(min(PIECE_BYTES, end - start - sent))
            connection.sendall(piece)
            sent += len(piece)
            counts.add(wire=len(piece))
            ahead_s = sent / bytes_per_s - (time.perf_counter() - began)
            if ahead_s > 0.002:
                time.sleep(ahead_s)


def _head(status: int, length: int, more: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status} OK\r\nContent-Length: {length}\r\nAccept-Ranges: bytes\r\n"
        f'Content-Type: application/json\r\nETag: "bench"\r\n{more}\r\n'
    ).encode()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), float(sys.argv[2]) / 1000, float(sys.argv[3]) * 1e6, 1)
