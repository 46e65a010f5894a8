"""A log of 200 MB followed to its end, by each way: all lines, in order, in little memory.

python tests/functional/soak_live.py [MEGABYTES]
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from raw_engine import launch
from support import backend_at

LINES_OF_A_MEGABYTE = 10_000
LIMIT_BYTES = 50_000_000
PRINT = """
import sys
for number in range(int(sys.argv[1])):
    print(f"{number:09d}" + "x" * 90)
"""


def followed(engine, folder, count):
    """Follows a task that prints `count` lines; seconds, and how much the memory grew at most."""
    process = psutil.Process()
    with contextlib.closing(
        backend_at(engine.url, engine.key, folder / "out", is_local=True)
    ) as backend:
        task_id = engine.submit(f"python print.py {count}", files={"print.py": PRINT})
        engine.reach(task_id, "computation-started")
        backend.live.list_files(task_id)
        before, most, number = process.memory_info().rss, 0, 0
        began_s = time.monotonic()
        for line in backend.live.tail(task_id, "stdout.txt", lines=10**7, follow=True):
            if line.endswith("x"):
                assert int(line[:9]) == number, (line, number)
                number += 1
                if number % LINES_OF_A_MEGABYTE == 0:
                    most = max(most, process.memory_info().rss)
        assert number == count, (number, count)
        return time.monotonic() - began_s, most - before


def main(megabytes):
    ways = ["ranges", "webrtc"] if importlib.util.find_spec("aiortc") else ["ranges"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with contextlib.closing(launch(folder / "data", "--port", "0")) as engine:
            for way in ways:
                os.environ["INDUCTIVA_WIDGETS_LIVE"] = way
                took_s, grown = followed(engine, folder, megabytes * LINES_OF_A_MEGABYTE)
                print(f"{way}: {megabytes} MB in {took_s:.1f} s, {grown / 1e6:.1f} MB of memory")  # noqa: T201
                assert grown < LIMIT_BYTES, grown


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
