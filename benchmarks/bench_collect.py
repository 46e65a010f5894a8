"""One CSV out of each of many archives, into one frame: `bench_collect.py [ARCHIVES] [LATENCY_MS]`.

The service and its storage are imitated on loopback by a process of its own: every request waits
the latency before its answer, the first one of a connection twice as long again, for TCP and TLS.
The official client's own function fetches the file of a few archives, one after the other, without
its account and its status calls; the time for all of them is that one multiplied.
"""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs, urlsplit

from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.backend import Backend

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).resolve().parent
OFFICIAL = HERE.parent / ".venv-official/bin/python"
REPEATS = 3
OFFICIAL_ARCHIVES = 10
NAME = "forces.csv"


def archive() -> bytes:
    """Outputs of one run: 40 files of particles, a log, and a CSV of 1,500 rows; 2.9 MB."""
    chance = random.Random(1)
    rows = (f"{i / 100},{chance.gauss(0, 1):.6f},{chance.gauss(0, 1):.6f}\n" for i in range(1500))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("artifacts/", b"")
        made.writestr("artifacts/stdout.txt", "step\n" * 2000)
        made.writestr(f"artifacts/{NAME}", "time_s,fx_N,fy_N\n" + "".join(rows))
        for number in range(40):
            made.writestr(f"artifacts/vtk/fluid_{number:03d}.vtk", chance.randbytes(70_000))
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Service and storage in one: signed links, and byte ranges of the same archive for all."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    latency_s = 0.0
    body = b""
    lock = threading.Lock()
    counts: ClassVar = {"requests": 0, "wire": 0}

    def setup(self) -> None:
        """Waits for TCP and TLS."""
        super().setup()
        time.sleep(2 * self.latency_s)

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self.do_GET()

    def do_GET(self) -> None:
        """One request."""
        parts = urlsplit(self.path)
        if parts.path == "/_counts":
            with self.lock:
                self.reply(200, json.dumps(self.counts).encode())
                self.counts.update(requests=0, wire=0)
            return
        time.sleep(self.latency_s)
        with self.lock:
            self.counts["requests"] += 1
        if parts.path == "/storage/signed-urls":
            path = parse_qs(parts.query)["paths"][0]
            port = self.server.server_address[1]
            self.reply(200, json.dumps([f"http://127.0.0.1:{port}/bucket/{path}"]).encode())
        else:
            self.part(self.headers.get("Range", "").removeprefix("bytes="))

    def part(self, asked: str) -> None:
        """The archive, or a range of it."""
        total = len(self.body)
        first, _, last = asked.partition("-")
        start = int(first) if first else total - int(last or total)
        end = int(last) + 1 if first and last else total
        said = {"Content-Range": f"bytes {start}-{end - 1}/{total}"} if asked else {}
        self.reply(206 if asked else 200, self.body[start:end], said)
        if self.command != "HEAD":
            with self.lock:
                self.counts["wire"] += end - start

    def reply(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        """An answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def serve(latency_s: float) -> None:
    """Serves until its input ends; says the port first."""
    Handler.body, Handler.latency_s = archive(), latency_s
    ThreadingHTTPServer.request_queue_size = 64
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


def main(count: int = 1000, latency_ms: float = 80.0) -> None:
    """Prints what one call costs, and what it would cost by the official client."""
    command = [sys.executable, __file__, "--serve", str(latency_ms / 1000)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        measure(url, count, latency_ms)
    finally:
        server.stdin.close()
        server.wait()


def measure(url: str, count: int, latency_ms: float) -> None:
    """Ours and theirs in turn, `REPEATS` times."""
    body = archive()
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        packed = opened.getinfo(f"artifacts/{NAME}").compress_size
        directory = len(body) - opened.start_dir
        expected = opened.read(f"artifacts/{NAME}")
    runs = [ours(url, count, expected) for _ in range(REPEATS)]
    seconds, facts = sorted(runs, key=lambda run: run[0])[REPEATS // 2]
    wire = facts["wire"] / count
    print(f"\n### collect: one CSV out of each of {count} archives, {latency_ms:g} ms\n")
    print(
        f"The CSV has {packed} packed bytes, the directory {directory}, the archive {len(body)}.\n"
    )
    print(
        "| way | median s | requests an archive | bytes an archive | / CSV | / (CSV + directory) |"
    )
    print("|---|---|---|---|---|---|")
    print(
        f"| ours | {seconds:.2f} | {facts['requests'] / count:.2f} | {wire:.0f} | "
        f"{wire / packed:.2f} | {wire / (packed + directory):.2f} |"
    )
    if OFFICIAL.exists():
        each, facts = official(url)
        wire = facts["wire"] / OFFICIAL_ARCHIVES
        print(
            f"| official, from {OFFICIAL_ARCHIVES} archives | {each * count:.0f} "
            f"({each * count / seconds:.0f} ×) | {facts['requests'] / OFFICIAL_ARCHIVES:.1f} | "
            f"{wire:.0f} | {wire / packed:.2f} | {wire / (packed + directory):.2f} |"
        )


def ours(url: str, count: int, expected: bytes) -> tuple[float, dict[str, int]]:
    """Seconds and counts of one call, its content checked."""
    import pandas as pd

    from inductiva_widgets import tasks

    with tempfile.TemporaryDirectory() as folder:
        config = Config(
            url=url, key=ApiKey("k"), key_source="", output_dir=Path(folder), is_local=False
        )
        backend = Backend(config)
        ids = [f"task{number:021d}" for number in range(count)]
        counts(url)
        start = time.perf_counter()
        frame = tasks.collect(ids, NAME, backend=backend)
        seconds = time.perf_counter() - start
        told = counts(url)
        backend.close()
    one = pd.read_csv(io.BytesIO(expected))
    if len(frame) != count * len(one) or not frame.loc[ids[-1]].equals(one):
        raise SystemExit("ours: wrong content")
    return seconds, told


def official(url: str) -> tuple[float, dict[str, int]]:
    """Seconds for one archive, and the counts of all that were fetched."""
    counts(url)
    seconds = []
    for number in range(OFFICIAL_ARCHIVES):
        with tempfile.TemporaryDirectory() as target:
            link = f"{url}/bucket/{number}/output.zip"
            command = [OFFICIAL, HERE / "ways.py", "official", link, target, json.dumps([NAME])]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds.append(json.loads(done.stdout.splitlines()[-1])["seconds"])
    return sorted(seconds)[len(seconds) // 2], counts(url)


def counts(url: str) -> dict[str, int]:
    """Requests and bytes since the last look."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/_counts") as reply:
        told: dict[str, int] = json.load(reply)
    return told


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(float(sys.argv[2]))
    else:
        main(*(int(word) for word in sys.argv[1:]))
