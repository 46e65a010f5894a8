"""Following 50 tasks beside the official client, and what importing each package costs.

`python benchmarks/bench_polling.py [--full]` prints Markdown tables. A server in a process of its
own answers after an imitated latency and counts what it is asked; each way runs in a fresh process.
`--full` follows the tasks for longer, and imports more often.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import bench_history
from harness import Case, measure

HERE = Path(__file__).resolve()
LATENCY_S = 0.02
TASKS = 50
HISTORY = 1000  # tasks of the account, the followed ones newest
PERIOD_S = 1.0
IDS = [f"{number:025d}" for number in range(TASKS)]


# -- the service ---------------------------------------------------------------------------------


@functools.cache
def task(number: int) -> dict[str, object]:
    """A task; the newest run."""
    value = bench_history.task(number, history=False)
    if number < TASKS:
        value |= {"status": "computation-started", "status_alias": "In Progress"}
        value |= {"is_terminated": False, "computation_end_time": None, "end_time": None}
    return value


def serve(latency_s: float) -> None:
    """Answers until it is ended; prints its address. `/count` tells how much it was asked."""
    lock, counted = threading.Lock(), [0]

    @functools.cache
    def page(number: int, size: int) -> bytes:
        rows = [task(i) for i in range(min(HISTORY, (number - 1) * size), HISTORY)][:size]
        return json.dumps({"total_size": HISTORY, "tasks": rows}).encode()

    def answer(path: str, query: dict[str, list[str]]) -> bytes:
        if path == "/tasks":
            return page(int(query["page"][0]), int(query["per_page"][0]))
        if not path.startswith("/tasks/"):
            return bench_history.AT_IMPORT
        words = path.split("/")
        one = task(int(words[2]))
        if words[3:] != ["status"]:
            return json.dumps(one | {"status_history": [], "steps": []}).encode()
        told = {key: one[key] for key in ("status", "is_terminated")}
        return json.dumps({"id": one["task_id"], "position_in_queue": None, **told}).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if asked.path == "/count":
                body = json.dumps(counted[0]).encode()
            else:
                with lock:
                    counted[0] += 1
                time.sleep(latency_s)
                body = answer(asked.path.rstrip("/"), parse_qs(asked.query))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    page(1, 100)  # made before the clock runs
    ThreadingHTTPServer.request_queue_size = 64
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


class _served:  # noqa: N801 - reads as a word in `with`
    def __init__(self, latency_s: float) -> None:
        command = [sys.executable, HERE, "serve", str(latency_s)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> str:
        return f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def asked(url: str) -> int:
    """How many requests the server had."""
    with urllib.request.urlopen(f"{url}/count") as reply:
        return int(reply.read())


# -- following -----------------------------------------------------------------------------------


def ours(url: str):  # noqa: ANN201 - a function to time
    """The watcher with a view of each task, its thread replaced by the clock of `_follow`."""
    from inductiva_widgets import backend
    from inductiva_widgets.watch import Watcher

    class Still(Watcher):
        def _start(self) -> None:
            pass

    watcher = Still(backend.connect("bench-key", url).client)
    seen = {}
    for task_id in IDS:
        watcher.watch(task_id, lambda one: seen.update({one.task_id: one.record.status}))

    def look() -> int:
        watcher.poll_once()
        return len(seen)

    return look


def official(_url: str):  # noqa: ANN201
    """`inductiva.tasks.Task.get_status()` of each: one request a task."""
    tasks = [importlib.import_module("inductiva").tasks.Task(task_id) for task_id in IDS]
    return lambda: len([task.get_status() for task in tasks])


def _follow(name: str, url: str, seconds: float) -> None:
    """Looks once a second, or as often as the way can; the first look is not measured."""
    look = globals()[name](url)
    look()
    before, cpu, start = asked(url), time.process_time(), time.perf_counter()
    rounds: list[float] = []
    while (now := time.perf_counter()) - start < seconds:
        if look() != TASKS:
            raise SystemExit(f"{name}: not all tasks were seen")
        rounds.append(time.perf_counter() - now)
        time.sleep(max(0.0, PERIOD_S - rounds[-1]))
    elapsed = time.perf_counter() - start
    facts = {
        "seconds": sorted(rounds)[len(rounds) // 2],
        "rounds/s": len(rounds) / elapsed,
        "requests/s": (asked(url) - before) / elapsed,
        "CPU %": 100 * (time.process_time() - cpu) / elapsed,
    }
    print("\n" + json.dumps(facts))


# -- importing -----------------------------------------------------------------------------------

IMPORTS = {
    "import inductiva_widgets": "import inductiva_widgets",
    "import requests": "import requests",
    "import inductiva (official)": "import inductiva",
    "ours, one status asked": (
        "import inductiva_widgets as iw; "
        "iw.connect('bench-key', {url!r}).client.status('{task_id}')"
    ),
}


def _import(statement: str, url: str) -> None:
    import ways

    home = Path.home()
    before = asked(url)
    start = time.perf_counter()
    exec(statement.format(url=url, task_id=IDS[0]))
    seconds = time.perf_counter() - start
    facts = {
        "seconds": seconds,
        "RSS MB": ways.memory_kb("VmRSS") / 1000,
        "requests": asked(url) - before,
        "files made": sum(path.is_file() for path in home.rglob("*")),
        "pandas": float("pandas" in sys.modules),
    }
    print("\n" + json.dumps(facts))


# -- all of it -----------------------------------------------------------------------------------


def main(arguments: list[str]) -> None:
    """Runs one way when told so, else all of them."""
    match arguments:
        case ["serve", latency]:
            serve(float(latency))
        case ["follow", name, url, seconds]:
            _follow(name, url, float(seconds))
        case ["import", statement, url]:
            _import(statement, url)
        case rest:
            _all(full="--full" in rest)


def _all(*, full: bool) -> None:
    with _served(LATENCY_S) as url:
        seconds = "20" if full else "6"
        names = ["ours", *(["official"] if bench_history.OFFICIAL else [])]
        cases = [
            Case(
                name,
                functools.partial(_fresh, name == "official", url, "follow", name, url, seconds),
            )
            for name in names
        ]
        title = f"{TASKS} tasks followed at 1 Hz, {LATENCY_S * 1000:.0f} ms (time of a round)"
        measure(title, cases, repeats=3 if full else 1)
        cases = [
            Case(name, functools.partial(_fresh, "official" in name, url, "import", statement, url))
            for name, statement in IMPORTS.items()
            if bench_history.OFFICIAL or "official" not in name
        ]
        measure("Import in a fresh process", cases, repeats=7 if full else 3)


def _fresh(is_official: bool, url: str, *arguments: str) -> dict[str, float]:  # noqa: FBT001
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home}
        if is_official:
            environment |= bench_history.official_environment(url, home)
        done = subprocess.run(
            [sys.executable, HERE, *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main(sys.argv[1:])
