"""Rows that the runner writes beside a running command, as the machines of the service do.

`system_metrics.csv`: what the command and its children use. `output_update.csv`: which file of the
outputs was written last.
"""

from __future__ import annotations

import contextlib
import csv
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import psutil

from inductiva_widgets.local import archives

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HEADER", "Sampler", "UpdateLog"]

HEADER = ("time", "command", "cpu-usage", "memory", "disk-input", "disk-output")
LONGEST_INTERVAL_S = 30.0  # the published runner's; a long run needs no finer picture
UPDATE_INTERVAL_S = 60.0  # the published runner's
GROWTH = 20  # a run is drawn with some hundred points, however long it takes


class Sampler:
    """Appends rows for one command: percent of all processors, percent of memory, bytes so far.

    Args:
        path: The file; the header is written when it is made.
        command: Text of the second column.
        pid: The command's process.
        interval_s: Shortest time between rows; it grows with the length of the run.
    """

    def __init__(self, path: Path, command: str, pid: int, *, interval_s: float) -> None:
        self._path = path
        self._command = command
        self._pid = pid
        self._interval_s = interval_s
        self._started_s = self._last_s = time.monotonic()
        self._next_s = self._started_s
        self._cpu_s: dict[int, float] = {}
        self._disk: dict[int, tuple[int, int]] = {}
        if not path.exists():
            self._append(HEADER)

    def sample_if_due(self) -> bool:
        """Writes a row when it is time for one, and says so."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return False
        growing = (now_s - self._started_s) / GROWTH
        self._next_s = now_s + min(max(self._interval_s, growing), LONGEST_INTERVAL_S)
        self.sample(now_s)
        return True

    def sample(self, now_s: float | None = None) -> None:
        """Writes a row now."""
        now_s = time.monotonic() if now_s is None else now_s
        elapsed_s = max(now_s - self._last_s, 1e-3)
        self._last_s = now_s
        before_s = sum(self._cpu_s.values())
        memory = 0.0
        for process in self._processes():
            # A process may end between any two of these calls.
            with contextlib.suppress(psutil.Error, OSError), process.oneshot():
                memory += process.memory_percent()
                times = process.cpu_times()
                self._cpu_s[process.pid] = times.user + times.system
                if hasattr(process, "io_counters"):  # not on macOS
                    io = process.io_counters()
                    self._disk[process.pid] = (io.read_bytes, io.write_bytes)
        used_s = sum(self._cpu_s.values()) - before_s
        cpu = 100 * used_s / elapsed_s / (psutil.cpu_count() or 1)
        read = sum(counts[0] for counts in self._disk.values())
        written = sum(counts[1] for counts in self._disk.values())
        stamp = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._append((stamp, self._command, f"{cpu:.1f}", f"{memory:.2f}", read, written))

    def _processes(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self._pid)
            return [root, *root.children(recursive=True)]
        except psutil.Error:
            return []

    def _append(self, row: tuple[object, ...]) -> None:
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(row)


class UpdateLog:
    """Appends the newest file of a folder and when it was looked at; nothing for short runs.

    Args:
        path: The file; it has no header.
        folder: Where the command writes.
        interval_s: Time between rows.
    """

    def __init__(self, path: Path, folder: Path, *, interval_s: float = UPDATE_INTERVAL_S) -> None:
        self._path = path
        self._folder = folder
        self._interval_s = interval_s
        self._next_s = time.monotonic() + interval_s

    def write_if_due(self) -> None:
        """Writes a row when it is time for one."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + self._interval_s
        files = archives.snapshot(self._folder)
        if files:
            newest = max(files, key=lambda name: files[name][1])
            stamp = datetime.now(timezone.utc).isoformat(timespec="seconds")
            with self._path.open("a", newline="", encoding="utf-8", errors="replace") as file:
                csv.writer(file, lineterminator="\n").writerow((stamp, newest))
