"""Command about the machine of a task: its load while the task ran."""

from __future__ import annotations

import gzip
import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import NotFoundError
from inductiva_widgets.formats import iso, parse_time, safe_text
from inductiva_widgets.metrics import METRICS_FILE, number, read_table, seconds
from inductiva_widgets.service.packing import pack_numbers
from inductiva_widgets.service.protocol import MachineColumn, MachineMetrics
from inductiva_widgets.task import Task
from inductiva_widgets.task.files import existing_outputs

if TYPE_CHECKING:
    import datetime as dt

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.metrics import Table

__all__ = ["MachineCommands"]

LONGEST_FILE_BYTES = 8 * 1000 * 1000  # some 100,000 rows, more than a month of samples
MOST_COLUMNS = 20
MOST_LIVE_ROWS = 5000  # samples become rarer: a run of days has some hundred

# Words in a column's name → what it measures; the first that matches counts.
_KINDS = (
    ("cpu", re.compile(r"\bcpu|processor", re.IGNORECASE)),
    ("memory", re.compile(r"\bmem|\bram\b", re.IGNORECASE)),
    ("disk-read", re.compile(r"disk.*(input|read)", re.IGNORECASE)),
    ("disk-written", re.compile(r"disk.*(output|writ)", re.IGNORECASE)),
    ("received", re.compile(r"net.*(recv|receive|input|in\b|rx|down)", re.IGNORECASE)),
    ("sent", re.compile(r"net.*(sent|send|output|out\b|tx|up)", re.IGNORECASE)),
)


class MachineCommands:
    """Measures of one backend's tasks, read by ranges of their archives."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def metrics(self, params: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """The samples of a task's machine so far: gzip of float64, a column after the other.

        The first column is the time in seconds since the computation began, or since the first
        sample. A missing value is NaN. No sample: no rows.

        Raises:
            OutputsNotReadyError: The task has ended and left no outputs.
            LiveUnavailableError: The task runs, and its machine cannot be reached.
        """
        task = Task(check_task_id(params.get("task_id")), backend=self._backend)
        record = task.info
        if not record.is_terminated:
            record = task.refresh()
        content = _content(task) if record.is_terminated else self._live_content(task)
        table = read_table(content)
        began = parse_time(record.computation_start_time)
        start, columns, values = (None, [], []) if table is None else _measures(table, began)
        meta = MachineMetrics(
            task_id=task.id,
            start=start,
            rows=len(values[0]) if values else 0,
            columns=columns,
        )
        frame = b"".join(map(pack_numbers, values))
        return msgspec.to_builtins(meta), [gzip.compress(frame, compresslevel=1, mtime=0)]

    def _live_content(self, task: Task) -> bytes:
        try:
            lines = list(self._backend.live.tail(task.id, METRICS_FILE, lines=MOST_LIVE_ROWS))
        except NotFoundError:
            return b""  # the first sample is still to come
        return "\n".join(lines).encode()


def _content(task: Task) -> bytes:
    with existing_outputs(task) as outputs:
        files = outputs.files()
    return files[METRICS_FILE].head(LONGEST_FILE_BYTES) if METRICS_FILE in files else b""


def _measures(
    table: Table, began: dt.datetime | None
) -> tuple[str | None, list[MachineColumn], list[list[float]]]:
    """Start, columns, and the values of time and columns, in the order of time."""
    rows = [(seconds(row[table.time_at]), row) for row in table.rows]
    rows = sorted((row for row in rows if not math.isnan(row[0])), key=lambda row: row[0])
    if not rows:
        return None, [], []
    first = rows[0][0]
    # A clock of another machine may be wrong by hours: then the first sample is the start.
    near = began is not None and 0 <= first - began.timestamp() < max(600, rows[-1][0] - first)
    zero = began.timestamp() if began is not None and near else first
    columns: list[MachineColumn] = []
    values = [[when - zero for when, _ in rows]]
    for place, name in enumerate(table.names):
        if place == table.time_at or len(columns) == MOST_COLUMNS:
            continue
        cells = [number(row[place]) for _, row in rows]
        if all(map(math.isnan, cells)):
            continue
        taken = [column.kind for column in columns]
        kind: Any = next((k for k, words in _KINDS if words.search(name) and k not in taken), None)
        columns.append(MachineColumn(safe_text(name, 80), kind))
        values.append(cells)
    return _stamp(zero), columns, values


def _stamp(since_1970_s: float) -> str | None:
    import datetime as dt

    try:
        return iso(dt.datetime.fromtimestamp(since_1970_s, dt.timezone.utc))
    except (ValueError, OverflowError, OSError):
        return None
