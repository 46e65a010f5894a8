"""Status requests to the local engine: one idle client, and 50 while four tasks print.

`python benchmarks/bench_engine.py [SECONDS]` prints a Markdown table. Engine and clients share the
machine; the clients are bare sockets in one process, so that little of it goes to them.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests

from inductiva_widgets import local

MONITORS = 50
PRINTERS = 4
SECONDS = 10.0
IDLE_PAUSE_S = 0.02
PRINT = """
import sys, time
line = "x" * 99 + "\\n"
while True:
    sys.stdout.write(line * 1000)
    sys.stdout.flush()
    time.sleep(0.1)
"""


@dataclass
class Tally:
    """What a number of clients saw; `seconds` are those from question to answer."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    elapsed_s: float = 0.0

    def row(self, name: str) -> str:
        """A line of the table."""
        ranked = sorted(self.seconds)
        middle, high = (1000 * ranked[int(len(ranked) * share)] for share in (0.5, 0.95))
        rate = len(ranked) / self.elapsed_s
        return f"| {name} | {rate:,.0f} | {middle:.1f} | {high:.1f} | {self.failed} |"


async def ask(request: bytes, port: int, end_s: float, pause_s: float, tally: Tally) -> None:
    """Asks on one connection until it is time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < end_s:
        start_s = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = (
            line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        )
        await reader.readexactly(int(length.partition(b":")[2]))
        tally.seconds.append(time.perf_counter() - start_s)
        tally.failed += not head.startswith(b"HTTP/1.1 200")
        await asyncio.sleep(pause_s)
    writer.close()
    await writer.wait_closed()


async def clients(
    engine: local.EngineInfo, task_id: str, count: int, pause_s: float, seconds: float
) -> Tally:
    """Many clients at once, each on a connection of its own."""
    place = urlsplit(engine.url)
    request = (
        f"GET /tasks/{task_id}/status HTTP/1.1\r\nHost: {place.netloc}\r\n"
        f"X-API-Key: {engine.read_key()}\r\n\r\n"
    ).encode()
    tally = Tally()
    start_s = time.perf_counter()
    each = [
        ask(request, int(place.port or 0), start_s + seconds, pause_s, tally) for _ in range(count)
    ]
    await asyncio.gather(*each)
    tally.elapsed_s = time.perf_counter() - start_s
    return tally


def printing_task(engine: local.EngineInfo) -> str:
    """Id of a running task that prints 1 MB a second."""
    session = requests.Session()
    session.headers["X-API-Key"] = engine.read_key()
    body = {
        "simulator": "arbitrary_commands",
        "resource_pool": "local",
        "container_image": "docker://none",
        "extra_params": {"sim_dir": "sim_dir", "commands": [{"cmd": "python print.py"}]},
    }
    task_id = str(session.post(f"{engine.url}/tasks/submit", json=body).json()["id"])
    inputs = io.BytesIO()
    with zipfile.ZipFile(inputs, "w") as archive:
        archive.writestr("sim_dir/print.py", PRINT)
    asked = {"operation": "upload", "paths": f"{task_id}/input.zip"}
    (url,) = session.get(f"{engine.url}/storage/signed-urls", params=asked).json()
    session.put(url, data=inputs.getvalue()).raise_for_status()
    session.post(f"{engine.url}/tasks/{task_id}/input_uploaded").raise_for_status()
    while session.get(f"{engine.url}/tasks/{task_id}").json()["status"] != "computation-started":
        time.sleep(0.05)
    return task_id


def printed_bytes(engine: local.EngineInfo) -> int:
    """What all running tasks have printed so far."""
    return sum(path.stat().st_size for path in engine.data_dir.glob("work/*/stdout.txt"))


def main(seconds: float) -> None:
    """Measures both, the idle client first."""
    with tempfile.TemporaryDirectory() as folder:
        engine = local.start(Path(folder) / "engine", slots=PRINTERS)
        try:
            first = printing_task(engine)
            requests.post(
                f"{engine.url}/tasks/{first}/kill", headers={"X-API-Key": engine.read_key()}
            ).raise_for_status()
            idle = asyncio.run(clients(engine, first, 1, IDLE_PAUSE_S, seconds))
            task_ids = [printing_task(engine) for _ in range(PRINTERS)]
            before = printed_bytes(engine)
            loaded = asyncio.run(clients(engine, task_ids[0], MONITORS, 0.0, seconds))
            printed = (printed_bytes(engine) - before) / loaded.elapsed_s / 1e6
        finally:
            local.stop(engine.data_dir)
    print(f"\n### Status requests to the local engine, {seconds:g} s each\n")
    print("| clients | requests/s | median ms | 95th percentile ms | other answers than 200 |")
    print("|---|---|---|---|---|")
    print(idle.row("1, idle engine"))
    print(loaded.row(f"{MONITORS}, {PRINTERS} tasks printing {printed:.1f} MB/s in all"))


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else SECONDS)
