"""Commands about a running task: its present files, and the load of its machine."""

from __future__ import annotations

import itertools
import math
import re
import statistics
import threading
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import NotFoundError
from inductiva_widgets.formats import iso, safe_text
from inductiva_widgets.service.protocol import LiveFiles, LiveTop, NewestFile, TopProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.live import LiveFile

__all__ = ["LiveCommands"]

SAME_S = 0.5  # two answers about one moment may differ by so much
FRESH_S = 2.0  # several views ask the machine once in that time
MOST_FILES = 20_000
LONGEST_NAME = 500
MOST_PROCESSES = 12
KEPT_TASKS = 50
KEPT_WRITES = 50
QUIET_AT_LEAST_S = 180.0  # solvers think for minutes, too
QUIET_UNKNOWN_S = 600.0  # without a usual time between two writes
QUIET_TIMES = 5

Answer = TypeVar("Answer")


class _Looks:
    """What is known of one task: the last answers, and when files were written."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.answers: dict[str, tuple[float, Any]] = {}
        self.writes: deque[float] = deque(maxlen=KEPT_WRITES)

    def fresh(self, kind: str, ask: Callable[[], Answer]) -> Answer:
        """An answer of the last seconds, else a new one; views that ask at once ask once."""
        with self.lock:
            known_s, known = self.answers.get(kind, (-FRESH_S, None))
            if time.monotonic() - known_s < FRESH_S:
                answer: Answer = known
                return answer
            answer = ask()
            self.answers[kind] = time.monotonic(), answer
            return answer

    def usual_s(self, written_s: float) -> float | None:
        """The usual time between two writes that were seen; `None` before some were."""
        if not self.writes or written_s > self.writes[-1] + SAME_S:
            self.writes.append(written_s)
        times = list(self.writes)
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        return statistics.median(gaps) if len(gaps) >= 3 else None


class LiveCommands:
    """Looks at the machines of one backend's running tasks, shared by all views."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._looks: OrderedDict[str, _Looks] = OrderedDict()

    def files(self, params: dict[str, Any]) -> dict[str, Any]:
        """The files that a running task has now, and which was written last.

        Raises:
            LiveUnavailableError: The task does not run, or its machine cannot be reached.
        """
        task_id = check_task_id(params.get("task_id"))
        looks = self._looks_of(task_id)
        answer: dict[str, Any] = looks.fresh("files", lambda: self._files(task_id, looks))
        return answer

    def top(self, params: dict[str, Any]) -> dict[str, Any]:
        """The leading processes of a running task's machine.

        Raises:
            LiveUnavailableError: As of `files`.
        """
        task_id = check_task_id(params.get("task_id"))
        answer: dict[str, Any] = self._looks_of(task_id).fresh("top", lambda: self._top(task_id))
        return answer

    def _files(self, task_id: str, looks: _Looks) -> dict[str, Any]:
        listed = self._backend.live.list_files(task_id)
        files = [file for file in listed.files if not file.is_folder]
        shown = files[:MOST_FILES]
        sizes = [file.size for file in shown if file.size is not None]
        newest = self._newest(task_id, files)
        usual_s = None if newest is None else looks.usual_s(time.time() - newest.seconds_ago)
        quiet_s = (
            QUIET_UNKNOWN_S if usual_s is None else max(QUIET_AT_LEAST_S, QUIET_TIMES * usual_s)
        )
        message: dict[str, Any] = msgspec.to_builtins(
            LiveFiles(
                task_id=task_id,
                files=[safe_text(file.name, LONGEST_NAME) for file in shown],
                sizes=sizes if len(sizes) == len(shown) else None,
                left_out=len(files) - len(shown),
                newest=newest,
                usual_s=usual_s,
                quiet_after_s=quiet_s,
                as_of=self._now(),
            )
        )
        return message

    def _newest(self, task_id: str, files: Sequence[LiveFile]) -> NewestFile | None:
        """The file written last, by its name among the files; `None` when there is none yet."""
        try:
            last = self._backend.live.last_modified_file(task_id)
        except NotFoundError:
            return None
        # The machine reports its own path, which may end like several of the names.
        names = [file.name for file in files if f"/{last.name}".endswith(f"/{file.name}")]
        name = max(names, key=len, default=last.name.rpartition("/")[2])
        return NewestFile(safe_text(name, LONGEST_NAME), max(0.0, last.age_s))

    def _top(self, task_id: str) -> dict[str, Any]:
        message: dict[str, Any] = msgspec.to_builtins(
            read_top(task_id, self._backend.live.top(task_id), self._now())
        )
        return message

    def _now(self) -> str:
        return iso(self._backend.client.clock.now()) or ""

    def _looks_of(self, task_id: str) -> _Looks:
        with self._lock:
            looks = self._looks.pop(task_id, None) or _Looks()
            self._looks[task_id] = looks
            if len(self._looks) > KEPT_TASKS:
                self._looks.popitem(last=False)
        return looks


_UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_DECIMAL = r"(\d+(?:\.\d+)?)"
_LOAD = re.compile(rf"load average: *{_DECIMAL}[, ]+{_DECIMAL}[, ]+{_DECIMAL}")
_IDLE = re.compile(rf"^%?Cpu.*?{_DECIMAL}%? *id\b", re.MULTILINE)
_MEMORY = re.compile(r"^([KMGT]i?B) Mem *:.*$", re.MULTILINE)
_HEAD = re.compile(r"^ *PID +USER\b.*$", re.MULTILINE)


def read_top(task_id: str, text: str, as_of: str) -> LiveTop:
    """What the text of `top -b -n 1` states; what is missing there is `None` or left out."""
    head = _HEAD.search(text)
    columns = head[0].split() if head else []
    rows = [
        process
        for line in (text[head.end() :].splitlines() if head else [])
        if (process := _process(columns, line)) is not None
    ]
    rows.sort(key=lambda row: (row.cpu, row.memory), reverse=True)
    busy = [row for row in rows if row.cpu > 0 or row.memory > 0]
    load, idle = _LOAD.search(text), _IDLE.search(text)
    total, used = _memory(text)
    return LiveTop(
        task_id=task_id,
        load=[float(part) for part in load.groups()] if load else [],
        cpu_percent=max(0.0, 100 - float(idle[1])) if idle else None,
        memory_bytes=total,
        memory_used_bytes=used,
        processes=busy[:MOST_PROCESSES],
        left_out=max(0, len(rows) - MOST_PROCESSES),
        as_of=as_of,
    )


def _process(columns: list[str], line: str) -> TopProcess | None:
    cells = line.split(maxsplit=len(columns) - 1)
    if len(cells) != len(columns):
        return None
    row = dict(zip(columns, cells, strict=True))
    try:
        cpu, memory = (float(row[name].replace(",", ".")) for name in ("%CPU", "%MEM"))
        if not (math.isfinite(cpu) and math.isfinite(memory)):
            return None
        return TopProcess(
            pid=int(row["PID"]),
            user=safe_text(row["USER"], 32),
            cpu=cpu,
            memory=memory,
            time=safe_text(row.get("TIME+", row.get("TIME", "")), 20),
            command=safe_text(row["COMMAND"].strip(), 200),
        )
    except (KeyError, ValueError):
        return None


def _memory(text: str) -> tuple[int | None, int | None]:
    line = _MEMORY.search(text)
    if line is None:
        return None, None

    def of(word: str) -> int | None:
        found = re.search(rf"{_DECIMAL}\+? *{word}\b", line[0])
        unit = _UNITS.get(line[1], 1024)
        return None if found is None else round(float(found[1]) * unit)

    return of("total"), of("used")
