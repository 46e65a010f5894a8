"""Task history as pandas frames: one row a task, or one row a phase.

Columns and dtypes are always the same, also for no rows. What is not known is NaT or NA, never 0
or a text. Frames are built from columns, not from one object per cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from inductiva_widgets.api.models import STATUSES
from inductiva_widgets.formats import iso, parse_time

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from inductiva_widgets.api.models import TaskRecord

__all__ = ["task_frame", "timeline_frame"]

STAMP = "datetime64[us, UTC]"
SPAN = "timedelta64[us]"
SPAN_LIMIT_S = 9e9  # 285 years; beyond, pandas refuses the whole column
INT_LIMIT = 2**63 - 1

# Column → (dtype, value out of a record). Order is the order in the frame.
_COLUMNS: dict[str, tuple[str, Callable[[TaskRecord], Any]]] = {
    "simulator": ("category", lambda r: r.simulator),
    "status": ("status", lambda r: r.status or None),
    "is_final": ("boolean", lambda r: r.is_terminated),
    "machine_type": ("category", lambda r: r.machine_type),
    "computation_time": (SPAN, lambda r: r.metrics.computation_seconds),
    "elapsed": (SPAN, lambda _: None),  # of running tasks; filled with the service's clock
    "queue_time": (SPAN, lambda r: r.metrics.queue_time_seconds),
    "total_time": (SPAN, lambda r: r.metrics.total_seconds),
    "created_at": (STAMP, lambda r: r.create_time),
    "submitted_at": (STAMP, lambda r: r.input_submit_time),
    "started_at": (STAMP, lambda r: r.start_time),
    "computation_started_at": (STAMP, lambda r: r.computation_start_time),
    "computation_ended_at": (STAMP, lambda r: r.computation_end_time),
    "ended_at": (STAMP, lambda r: r.end_time),
    "output_files": ("Int64", lambda r: r.metrics.output_total_files),
    "output_size_bytes": ("Int64", lambda r: r.metrics.output_size_bytes),
    "output_packed_bytes": ("Int64", lambda r: r.metrics.output_zipped_size_bytes),
    "cost": ("Float64", lambda r: r.estimated_computation_cost),
    "currency": ("string", lambda r: None if r.estimated_computation_cost is None else "USD"),
    "project": ("category", lambda r: r.project),
    "machine_provider": ("category", lambda r: r.executer.host_type if r.executer else None),
    "machine_hosts": ("Int64", lambda r: r.executer.n_mpi_hosts if r.executer else None),
    "machine_group": ("category", lambda r: r.machine_group_name),
    "container_image": ("string", lambda r: r.container_image),
    "retries": ("Int64", lambda r: r.num_retries),
    "error_detail": ("string", lambda r: r.error_detail),
}


def task_frame(
    records: Sequence[TaskRecord], now: dt.datetime, query: Mapping[str, object]
) -> pd.DataFrame:
    """One row a task, index `task_id`, in the order given.

    Args:
        records: As the service's list sent them.
        now: The service's clock, for the time that running tasks have run.
        query: What was asked; kept in `attrs["query"]` beside `attrs["as_of"]`.
    """
    columns = {
        name: _series([value(record) for record in records], kind)
        for name, (kind, value) in _COLUMNS.items()
    }
    running = [None if r.is_terminated else r.computation_seconds(now) for r in records]
    columns["elapsed"] = _series(running, SPAN)
    index = pd.Index([record.task_id for record in records], name="task_id", dtype="string")
    frame = pd.DataFrame({name: series.array for name, series in columns.items()}, index=index)
    frame.attrs["as_of"] = iso(now)
    frame.attrs["query"] = dict(query)
    return frame


def timeline_frame(records: Sequence[TaskRecord], now: dt.datetime) -> pd.DataFrame:
    """One row a phase: task_id, phase, started_at, ended_at, duration, command, exit_code.

    A phase is a status of the history that lasted, or a command inside one (then `command` is
    set). The present phase of a running task has no end; its duration counts until `now`.
    """
    rows: list[dict[str, Any]] = []
    for record in records:
        for change in record.status_history:
            final = record.is_terminated and change is record.status_history[-1]
            if not final:
                rows.append(_phase(record, change.alias or change.status, change, now))
            rows.extend(
                _phase(record, operation.name, operation, now)
                for operation in change.operations
                if operation.attributes.get("command")
            )
    return pd.DataFrame(
        {
            "task_id": _series([r["task_id"] for r in rows], "string").array,
            "phase": _series([r["phase"] for r in rows], "string").array,
            "started_at": _series([r["start"] for r in rows], STAMP).array,
            "ended_at": _series([r["end"] for r in rows], STAMP).array,
            "duration": _series([r["seconds"] for r in rows], SPAN).array,
            "command": _series([r["command"] for r in rows], "string").array,
            "exit_code": _series([r["exit_code"] for r in rows], "Int64").array,
        }
    )


def _phase(record: TaskRecord, phase: str | None, item: Any, now: dt.datetime) -> dict[str, Any]:  # noqa: ANN401 - StatusChange or Operation
    attributes = getattr(item, "attributes", {})
    start = getattr(item, "timestamp", None) or getattr(item, "start_timestamp", None)
    begun, ended = parse_time(start), parse_time(item.end_timestamp)
    until = ended or (None if record.is_terminated else now)
    command, exit_code = attributes.get("command"), attributes.get("exit_code")
    return {
        "task_id": record.task_id,
        "phase": phase,
        "start": start,
        "end": item.end_timestamp,
        "seconds": max(0.0, (until - begun).total_seconds()) if begun and until else None,
        "command": None if command is None else str(command),
        "exit_code": exit_code if type(exit_code) is int else None,
    }


def _series(values: list[Any], kind: str) -> pd.Series:
    if kind == STAMP:
        return _stamps(values)
    if kind == SPAN:
        seconds = pd.Series(values, dtype="float64")
        sane = seconds.where(seconds.abs() < SPAN_LIMIT_S)
        return pd.Series(pd.to_timedelta(sane, unit="s")).astype(SPAN)
    if kind == "Int64":
        # A number that no column can hold is one that no task can have.
        values = [v if v is None or abs(v) <= INT_LIMIT else None for v in values]
    if kind == "status":
        known = [*STATUSES, *sorted({v for v in values if v and v not in STATUSES})]
        return pd.Series(pd.Categorical(values, categories=known, ordered=True))
    if kind == "category":
        # Object first: an all-empty column would otherwise have float categories.
        return pd.Series(values, dtype="object").astype("string").astype("category")
    return pd.Series(values, dtype=kind)


def _stamps(values: list[Any]) -> pd.Series:
    """UTC stamps; a text that is no time becomes NaT without harming its neighbours."""
    # pandas reads words such as `today` as times whatever the format: a stamp begins with a year.
    texts: list[Any] = [v if isinstance(v, str) and v[:4].isdigit() else None for v in values]
    parsed = pd.to_datetime(
        pd.Series(texts, dtype="object"), format="ISO8601", utc=True, errors="coerce"
    )
    return parsed.astype(STAMP)
