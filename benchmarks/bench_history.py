"""The task history beside the official client: seconds and memory for 10,000 and 100,000 tasks.

`python benchmarks/bench_history.py [--full]` prints Markdown tables. A server in a process of its
own answers from prepared pages after an imitated latency; each way runs in a fresh process.
`--full` adds 100,000 tasks and the timeline of 5,000.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from harness import Case, measure

HERE = Path(__file__).resolve()
ROOT = HERE.parents[1]
OFFICIAL = next(ROOT.glob(".venv-official/lib/python*/site-packages"), None)
LATENCY_S = 0.08
# What the official client asks for when it is imported; outside the clock.
AT_IMPORT = b'{"is_valid": true, "server_version": "0.18.12", "client_version": "0.18.12"}'
PAGE = 500


# -- the service ---------------------------------------------------------------------------------


def task(number: int, *, history: bool) -> dict[str, object]:
    """A task as the contract describes it, some 1,900 bytes; numbers make them differ."""
    begun = 1_750_000_000 - 60 * number
    stamps = [
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(begun + step))
        + f".{number % 10**6:06d}+00:00"
        for step in (0, 2, 43, 50, 242, 244)
    ]
    value: dict[str, object] = {
        "task_id": f"{number:025d}",
        "status": ("success", "success", "failed", "killed")[number % 4],
        "status_alias": ("Success", "Success", "Failed", "Killed")[number % 4],
        "simulator": ("openfoam", "splishsplash", "swash", "reef3d")[number % 4],
        "storage_path": f"user-bucket/{number:025d}/",
        "storage_input_path": f"{number:025d}/input.zip",
        "storage_output_path": f"{number:025d}/output.zip",
        "storage_region": "europe-west1",
        "container_image": "docker://inductiva/kutu:splishsplash_v2.13.0",
        "project": f"project-{number % 7}",
        "is_terminated": True,
        "create_time": stamps[0],
        "input_submit_time": stamps[1],
        "start_time": stamps[2],
        "computation_start_time": stamps[3],
        "computation_end_time": stamps[4],
        "end_time": stamps[5],
        "estimated_computation_cost": 0.0123 + number / 1e6,
        "metrics": {
            "total_seconds": 244.0 + number / 1e3,
            "queue_time_seconds": 41.0,
            "computation_seconds": 192.0 + number / 1e3,
            "container_image_download_seconds": 4.2,
            "container_image_size_bytes": 268_000_000,
            "input_upload_seconds": 1.25,
            "input_download_seconds": 0.5,
            "input_decompression_seconds": 0.25,
            "output_upload_seconds": 1.5,
            "input_zipped_size_bytes": 12_000,
            "input_size_bytes": 24_000,
            "output_zipped_size_bytes": 268_000 + number,
            "output_size_bytes": 410_000 + number,
            "output_total_files": 44,
        },
        "executer": {
            "uuid": f"5c0f0000-0000-4000-8000-{number:012d}",
            "cpu_count_logical": 4,
            "cpu_count_physical": 2,
            "memory": 16_785_600_512,
            "n_mpi_hosts": 1,
            "vm_type": ("c2-standard-4", "c3d-highcpu-16")[number % 2],
            "vm_name": f"vm-{number}",
            "host_type": "GCP",
            "error_detail": None,
        },
        "machine_group_name": f"api-{number % 90:04d}",
        "machine_group_id": f"0d6c0000-0000-4000-8000-{number:012d}",
        "error_detail": None,
        "input_resources": [],
        "stream_zip": True,
        "num_retries": 0,
        "compress_with": "SEVEN_Z",
        "task_metadata": {},
        "extra_params": {"commands": ["./SPHSimulator config.json"], "sim_dir": "sim_dir"},
        "resubmit_on_preemption": False,
        "duration_seconds": 244.0,
        "orchestration_fee": {"amount": 0.01, "charged": True, "currency": "USD"},
    }
    if history:
        value |= {"status_history": _history(stamps, str(value["status"]))}
        value |= {"machine_operations": [], "steps": []}
    return value


def _history(stamps: list[str], status: str) -> list[dict[str, object]]:
    codes = ("pending-input", "submitted", "started", "computation-started", "computation-ended")
    entries: list[dict[str, object]] = []
    for place, code in enumerate((*codes, status)):
        command = {
            "name": "exec_command",
            "alias": "Execute command",
            "start_timestamp": stamps[3],
            "end_timestamp": stamps[4],
            "status": "OK",
            "attributes": {"command": "./SPHSimulator config.json", "exit_code": 0},
        }
        entries.append(
            {
                "status": code,
                "alias": code,
                "description": "What this status means, in a sentence.",
                "timestamp": stamps[place],
                "end_timestamp": stamps[place + 1] if place < 5 else None,
                "machine_id": None,
                "operations": [command] if code == "computation-started" else [],
            }
        )
    return entries


def serve(count: int, latency_s: float) -> None:
    """Answers until it is ended; prints its address."""

    @functools.cache
    def page(number: int) -> bytes:
        first = (number - 1) * PAGE
        tasks = [task(i, history=False) for i in range(first, min(count, first + PAGE))]
        return json.dumps({"total_size": count, "tasks": tasks}).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            time.sleep(latency_s)
            asked = urlsplit(self.path)
            number = asked.path.rpartition("/")[2]
            if asked.path.rstrip("/") == "/tasks":
                body = page(int(parse_qs(asked.query)["page"][0]))
            elif asked.path.startswith("/tasks/"):
                body = json.dumps(task(int(number), history=True)).encode()
            else:
                body = AT_IMPORT
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    for number in range(1, count // PAGE + 3):
        page(number)  # made before the clock runs
    ThreadingHTTPServer.request_queue_size = 64  # a full queue would cost a connection a second
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


# -- the ways ------------------------------------------------------------------------------------


def ours(url: str, _: int):  # noqa: ANN201 - a function to time
    """`tasks.list(last_n=None)`: 26 typed columns."""
    from inductiva_widgets import backend, history, tasks  # noqa: F401 - loads pandas

    there = backend.connect("bench-key", url)
    return lambda: len(tasks.list(last_n=None, backend=there))


def raw(url: str, count: int):  # noqa: ANN201
    """The pages' bytes, one after another, by `requests`: the floor of a client on one thread."""
    import requests

    def run() -> int:
        with requests.Session() as session:
            pages = range(1, -(-count // PAGE) + 1)
            sizes = [
                len(session.get(f"{url}/tasks?page={n}&per_page={PAGE}").content) for n in pages
            ]
        return count if sum(sizes) else 0

    return run


def official(_url: str, _count: int):  # noqa: ANN201
    """`inductiva.tasks.get_all()`, `to_dict` and a DataFrame: 7 columns of texts."""
    import pandas as pd

    methods = importlib.import_module("inductiva.tasks.methods")
    return lambda: len(pd.DataFrame(methods.to_dict(methods.get_all())))


def timeline(url: str, count: int):  # noqa: ANN201
    """`tasks.timeline` of the ids."""
    from inductiva_widgets import backend, history, tasks  # noqa: F401

    there = backend.connect("bench-key", url)
    ids = [f"{number:025d}" for number in range(count)]

    def run() -> int:
        return tasks.timeline(ids, backend=there)["task_id"].nunique()

    return run


def main() -> None:
    """Runs one way when told so, else all of them."""
    match sys.argv[1:]:
        case ["serve", count, latency]:
            serve(int(count), float(latency))
        case ["way", name, url, count]:
            _one(name, url, int(count))
        case rest:
            _all(full="--full" in rest)


def _one(name: str, url: str, count: int) -> None:
    import ways

    run = globals()[name](url, count)
    before = ways.memory_kb("VmRSS")
    start, cpu = time.perf_counter(), time.process_time()
    rows = run()
    facts = {"seconds": time.perf_counter() - start, "cpu s": time.process_time() - cpu}
    growth = ways.memory_kb("VmHWM") - before
    if rows != count:
        raise SystemExit(f"{name}: {rows} of {count} rows")
    print("\n" + json.dumps({**facts, "growth MB": growth / 1000}))


def _all(*, full: bool) -> None:
    for count in (10_000, 100_000) if full else (10_000,):
        for latency_s in (0.0, LATENCY_S):
            _compare(count, latency_s)
    if full:
        _compare_timeline(5000, LATENCY_S)


def _compare(count: int, latency_s: float) -> None:
    with _served(count, latency_s) as url:
        title = f"History of {count:,} tasks, {latency_s * 1000:.0f} ms"
        names = ["ours", *(["official"] if OFFICIAL else []), "raw"]
        cases = [Case(name, functools.partial(_fresh, name, url, count)) for name in names]
        measure(title, cases, repeats=5 if count < 50_000 else 3)


def _compare_timeline(count: int, latency_s: float) -> None:
    with _served(count, latency_s) as url, tempfile.TemporaryDirectory() as folder:
        again = {"INDUCTIVA_WIDGETS_CACHE_DIR": folder}
        cases = [
            Case("asked for", functools.partial(_fresh, "timeline", url, count, again)),
            Case("kept", functools.partial(_fresh, "timeline", url, count, again)),
        ]
        measure(f"Timeline of {count:,} tasks, {latency_s * 1000:.0f} ms", cases, repeats=1)


def _fresh(
    name: str, url: str, count: int, environment: dict[str, str] | None = None
) -> dict[str, float]:
    command = [sys.executable, HERE, "way", name, url, str(count)]
    with tempfile.TemporaryDirectory() as home:
        more = official_environment(url, home) if name == "official" else {}
        done = subprocess.run(
            command,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **more, **(environment or {})},
        )
    return json.loads(done.stdout.splitlines()[-1])


def official_environment(url: str, home: str) -> dict[str, str]:
    """Its packages before ours, which only lend it pandas; a home of its own, no way out."""
    guard = ROOT / "tests" / "conformance" / "loopback_only"
    return {
        "HOME": home,
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "INDUCTIVA_API_KEY": "bench-key",
        "INDUCTIVA_API_URL": url,
        "INDUCTIVA_DISABLE_IMPORT_INFO": "true",
        "INDUCTIVA_MACHINES_CATALOGUE_API_URL": url,
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONPATH": f"{guard}{os.pathsep}{OFFICIAL}",
    }


class _served:  # noqa: N801 - reads as a word in `with`
    def __init__(self, count: int, latency_s: float) -> None:
        command = [sys.executable, HERE, "serve", str(count), str(latency_s)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> str:
        return f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


if __name__ == "__main__":
    main()
