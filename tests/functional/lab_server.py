"""A real Jupyter server with our extension, and a page's stream, spoken to by plain HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import uuid
from types import SimpleNamespace

import requests
from tornado.web import RequestHandler
from waiting import wait_until

from inductiva_widgets.service.packing import decode_frame, encode_frame

TOKEN = "f00d" * 8


class Server:
    """A Jupyter server with our extension and nothing of the user's.

    `options` are further arguments of the command line.
    """

    def __init__(self, home, *options, base="/base/", **environment):
        self.home = home
        self.root = home / "notebooks"
        self.root.mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.base = base
        self.url = f"{self.origin}{self.base}inductiva-widgets/"
        self.log = home / "server.log"
        self.options = options
        self.environment = environment
        self.start()

    def start(self):
        """Starts the process; again, at the same address, after `close`."""
        places = (
            "HOME",
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "XDG_DATA_HOME",
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "jupyter_server",
                    "--ServerApp.jpserver_extensions={'inductiva_widgets': True}",
                    "--allow-root",
                    "--ip=127.0.0.1",
                    f"--port={self.port}",
                    "--ServerApp.port_retries=0",
                    f"--ServerApp.base_url={self.base}",
                    f"--IdentityProvider.token={TOKEN}",
                    f"--ServerApp.root_dir={self.root}",
                    *self.options,
                ],
                env={
                    **os.environ,
                    "TMPDIR": str(self.home),
                    **{name: str(self.home / name.lower()) for name in places},
                    **self.environment,
                },
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, 30)

    @property
    def key_file(self):
        return self.home / "home" / ".inductiva" / "api_key"

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.ask("GET", f"{self.origin}{self.base}api/status").ok
        except requests.ConnectionError:
            return False

    def ask(self, method, url, **options):
        headers = {"Authorization": f"token {TOKEN}", **options.pop("headers", {})}
        url = url if url.startswith("http") else self.url + url
        return requests.request(method, url, headers=headers, timeout=20, **options)

    def frame(self, body):
        return self.ask("POST", "api/call", data=body)

    def call(self, method, params, buffers=(), **place):
        """Header and buffers of an answer, and the whole reply."""
        header = {"id": "c1", "method": method, "params": params, **place}
        reply = self.frame(encode_frame(header, buffers))
        assert reply.status_code == 200, reply.text
        assert reply.headers["Content-Type"] == "application/octet-stream"
        answer, packed = decode_frame(reply.content)
        assert answer["id"] == "c1"
        return answer, packed, reply

    def result(self, method, params, **place):
        answer, _, _ = self.call(method, params, **place)
        assert answer["kind"] == "result", answer
        return answer["result"]

    def error(self, method, params, **place):
        answer, _, _ = self.call(method, params, **place)
        assert answer["kind"] == "error", answer
        return answer["error"]

    def backends(self):
        reply = self.ask("GET", "api/backends")
        assert reply.ok, reply.text
        return reply.json()

    def subscribe(self, page, *topics):
        return self.ask("POST", "api/subscribe", json={"client": page, "topics": topics})

    def close(self):
        self.process.terminate()
        self.process.wait(20)


class Stream:
    """The event stream of a page."""

    def __init__(self, server, page=None):
        self.page = page or uuid.uuid4().hex
        self._reply = server.ask("GET", f"api/events?client={self.page}", stream=True)
        assert self._reply.status_code == 200
        self._lines = self._reply.iter_lines(chunk_size=None)  # as chunks arrive
        self.raw = []

    def next(self):
        line = next(self._lines)
        self.raw.append(line)
        return json.loads(line)

    def read(self, kind, **wanted):
        while True:
            message = self.next()
            if message["kind"] == "event" and message["event"]["kind"] == kind:
                payload = message["event"][kind]
                if not wanted or wanted.items() <= payload.items():
                    return message

    def close(self):
        self._reply.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def routes():
    """What the extension registers: path below its root, handler class."""
    from inductiva_widgets.lab.handlers import add_handlers

    found = []
    app = SimpleNamespace(
        contents_manager=SimpleNamespace(root_dir="."),
        web_app=SimpleNamespace(
            settings={"base_url": "/"}, add_handlers=lambda _, handlers: found.extend(handlers)
        ),
    )
    add_handlers(app)
    return [(rule[0].removeprefix("/inductiva-widgets/"), rule[1]) for rule in found]


def _requests():
    """Every method of every route that does something."""
    for path, handler in routes():
        for method in ("get", "head", "post", "put", "patch", "delete"):
            if getattr(handler, method) is not getattr(RequestHandler, method):
                yield method.upper(), path.replace("(.*)", "loader.js")


EVERY_REQUEST = sorted(_requests())
