"""A service with many tasks and their storage on loopback: a study, with faults by task."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SECRET = "sig-5ecret-0f-the-link"


@dataclass
class Asked:
    """One request: `kind` is `sign`, `task` or `bytes`."""

    kind: str
    task_id: str
    range: str | None = None


class StudyServer:
    """Serves `archives` by task id. Tasks in `running` have none yet; all others have ended.

    A fault is a function `(asked, handler) -> bool`; one that returns true has answered.
    """

    def __init__(self, archives: dict[str, bytes], *, delay_s: float = 0.0) -> None:
        self.archives = archives
        self.running: set[str] = set()
        self.places: dict[str, str] = {}  # where outputs lie, if not at `<id>/output.zip`
        self.faults: dict[str, object] = {}
        self.asked: list[Asked] = []
        self.sent = 0  # bytes of archives
        self.delay_s = delay_s  # before each answer, twice on a new connection
        self.connections: list[socket.socket] = []
        self.lock = threading.Lock()
        self.release = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def setup(self) -> None:
                with server.lock:
                    server.connections.append(self.request)
                super().setup()
                time.sleep(2 * server.delay_s)

            def do_GET(self) -> None:
                time.sleep(server.delay_s)
                server.answer(self)
                self.wfile.flush()

            def log_message(self, *args: object) -> None:
                pass

        ThreadingHTTPServer.request_queue_size = 64
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.handle_error = lambda *_: None
        self.http.daemon_threads = False
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def close(self) -> None:
        self.release.set()
        self.http.shutdown()
        self.thread.join()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.http.server_close()

    def of(self, task_id: str, kind: str | None = None) -> list[Asked]:
        return [one for one in self.asked if one.task_id == task_id and kind in (None, one.kind)]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        if parts.path == "/storage/signed-urls":
            path = parse_qs(parts.query)["paths"][0]
            asked = Asked("sign", path.split("/")[-2])
        elif parts.path.startswith("/tasks/"):
            asked = Asked("task", parts.path.split("/")[2])
        else:
            path = parts.path.removeprefix("/bucket/")
            asked = Asked("bytes", path.split("/")[-2], handler.headers.get("Range"))
        with self.lock:
            self.asked.append(asked)
        fault = self.faults.get(asked.task_id)
        if fault is not None and fault(asked, handler):
            return
        if asked.kind == "task":
            self.tell(handler, asked.task_id)
        elif path != self.places.get(asked.task_id, f"{asked.task_id}/output.zip") or (
            asked.task_id not in self.archives or asked.task_id in self.running
        ):
            self.json(handler, 404, {"detail": "There is no such file."})
        elif asked.kind == "sign":
            self.json(handler, 200, [f"{self.url}/bucket/{path}?X-Signature={SECRET}"])
        else:
            self.bytes(handler, asked)

    def tell(self, handler, task_id: str) -> None:
        if task_id not in self.archives:
            self.json(handler, 404, {"detail": f"There is no task '{task_id}'."})
            return
        alive = task_id in self.running
        self.json(
            handler,
            200,
            {
                "task_id": task_id,
                "status": "computation-started" if alive else "success",
                "status_alias": "In Progress" if alive else "Success",
                "is_terminated": not alive,
                "storage_output_path": self.places.get(task_id),
            },
        )

    def json(self, handler, status: int, value: object) -> None:
        self.send(handler, status, json.dumps(value).encode(), {})

    def bytes(self, handler, asked: Asked) -> None:
        body = self.archives[asked.task_id]
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.range or "")
        start, end = 0, len(body)
        if match is not None and match[1]:
            start, end = int(match[1]), min(end, int(match[2]) + 1)
        elif match is not None:
            start = max(0, end - int(match[2]))
        said = {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}", "ETag": '"v1"'}
        with self.lock:
            self.sent += end - start
        self.send(handler, 200 if match is None else 206, body[start:end], said)

    def send(self, handler, status: int, body: bytes, headers: dict[str, str]) -> None:
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
