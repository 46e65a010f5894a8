"""Frames of tasks: one row per task."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from inductiva_widgets.formats import iso
from inductiva_widgets.history.columns import KINDS, SPAN, STAMP, spans, texts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from inductiva_widgets.api.models import TaskRecord
    from inductiva_widgets.api.rows import TaskRow

__all__ = ["COLUMNS", "METADATA", "Chunk", "chunk_of", "join", "peek", "task_frame"]

METADATA = "metadata."  # before the keys of the tasks' own notes

# Column → (dtype, where its value is in a record). Order is the order in the frame.
_SOURCES: dict[str, tuple[str, str]] = {
    "simulator": ("category", "simulator"),
    "status": ("status", "status"),
    "is_final": ("boolean", "is_terminated"),
    "machine_type": ("category", "machine_type"),
    "computation_time": (SPAN, "metrics.computation_seconds"),
    "elapsed": (SPAN, ""),  # of running tasks, by the service's clock
    "queue_time": (SPAN, "metrics.queue_time_seconds"),
    "total_time": (SPAN, "metrics.total_seconds"),
    "created_at": (STAMP, "create_time"),
    "submitted_at": (STAMP, "input_submit_time"),
    "started_at": (STAMP, "start_time"),
    "computation_started_at": (STAMP, "computation_start_time"),
    "computation_ended_at": (STAMP, "computation_end_time"),
    "ended_at": (STAMP, "end_time"),
    "output_files": ("Int64", "metrics.output_total_files"),
    "output_size_bytes": ("Int64", "metrics.output_size_bytes"),
    "output_packed_bytes": ("Int64", "metrics.output_zipped_size_bytes"),
    "cost": ("Float64", "estimated_computation_cost"),
    "currency": ("string", ""),  # of the cost
    "project": ("category", "project"),
    "machine_provider": ("category", "executer.host_type"),
    "machine_hosts": ("Int64", "executer.n_mpi_hosts"),
    "machine_group": ("category", "machine_group_name"),
    "container_image": ("string", "container_image"),
    "retries": ("Int64", "num_retries"),
    "error_detail": ("string", "error_detail"),
}
COLUMNS = {name: kind for name, (kind, _) in _SOURCES.items()}
CURRENCY = "USD"  # of every cost that the service gives


class Chunk(NamedTuple):
    """Some tasks as pieces of columns; the rows they were made of are not needed any more."""

    ids: list[str]
    pieces: dict[str, Any]
    metadata: list[dict[str, str]] | None
    lost: list[str]  # names of the cells that could not be read, one for each


def chunk_of(
    rows: Sequence[TaskRow] | Sequence[TaskRecord],
    *,
    metadata: bool = False,
    lost: Iterable[str] = (),
) -> Chunk:
    """Pieces of all columns; `metadata` keeps the tasks' own notes as well."""
    missing = list(lost)
    pieces: dict[str, Any] = {}
    for name, (kind, source) in _SOURCES.items():
        if source:
            values = _values(rows, source)
            piece = pieces[name] = KINDS[kind].piece(values)
            if kind == STAMP and (unread := int(np.isnat(piece).sum()) - values.count(None)):
                missing.extend([source] * unread)
    notes = [row.task_metadata for row in rows] if metadata else None
    return Chunk([row.task_id for row in rows], pieces, notes, missing)


def _values(rows: Sequence[Any], source: str) -> list[Any]:
    if source.startswith("executer."):
        inner = attrgetter(source.partition(".")[2])
        return [None if (machine := row.executer) is None else inner(machine) for row in rows]
    get: Callable[[Any], Any] = attrgetter(source)
    values = [get(row) for row in rows]
    return [value or None for value in values] if source == "status" else values


def join(  # noqa: PLR0913 - what to join, and how much of it
    chunks: Sequence[Chunk],
    now: dt.datetime,
    query: Mapping[str, object],
    *,
    choose: Callable[[pd.DataFrame], Any] | None = None,
    limit: int | None = None,
    distinct: bool = True,
) -> pd.DataFrame:
    """The frame of all chunks, index `task_id`, in the order given.

    Args:
        chunks: Of the pages.
        now: The service's clock, for the time that running tasks have run.
        query: What was asked; kept in `attrs["query"]` beside `attrs["as_of"]`.
        choose: Which rows of the frame stay, as a mask.
        limit: How many of these at most.
        distinct: Whether an id stays once only: the first of its rows.
    """
    ids = np.array([task_id for chunk in chunks for task_id in chunk.ids], dtype="object")
    twice = pd.Series(ids, dtype="object").duplicated().to_numpy() if distinct else False
    keep = np.flatnonzero(np.broadcast_to(np.logical_not(twice), len(ids)))
    arrays: dict[str, Any] = {
        name: KINDS[kind].joined([chunk.pieces[name] for chunk in chunks], keep)
        for name, (kind, source) in _SOURCES.items()
        if source
    }
    arrays["elapsed"] = pd.array(_elapsed(arrays, now))
    currencies = np.array([CURRENCY, pd.NA], dtype="object")[arrays["cost"].isna().astype("int8")]
    arrays["currency"] = pd.array(currencies, dtype="string")
    columns = {name: arrays[name] for name in _SOURCES} | _notes(chunks, keep)
    index = pd.Index(pd.array(ids[keep], dtype="string"), name="task_id")
    frame = pd.DataFrame(columns, index=index, copy=False)
    if choose is not None:
        frame = frame[choose(frame)]
    if choose is not None or (limit is not None and len(frame) > limit):
        frame = _without_unused(frame[:limit])
    frame.attrs["as_of"] = iso(now)
    frame.attrs["query"] = dict(query)
    return frame


def peek(chunk: Chunk) -> pd.DataFrame:
    """The columns of a chunk that decide whether its tasks are requested."""
    rows = np.arange(len(chunk.ids))
    names = ("created_at", "simulator", "machine_type")
    return pd.DataFrame({n: KINDS[COLUMNS[n]].joined([chunk.pieces[n]], rows) for n in names})


def task_frame(
    records: Sequence[TaskRecord], now: dt.datetime, query: Mapping[str, object]
) -> pd.DataFrame:
    """One row per task, in the order given; the columns of `tasks.list`.

    Args:
        records: Of the tasks.
        now: The service's clock: running times are counted up to it.
        query: The question that was asked, as `attrs["query"]` keeps it.
    """
    return join([chunk_of(records)], now, query, distinct=False)


def _elapsed(arrays: Mapping[str, Any], now: dt.datetime) -> Any:  # noqa: ANN401 - an array
    """How long tasks that have not ended have computed; as `TaskRecord.computation_seconds`."""
    started = _naive(arrays["computation_started_at"])
    ended = _naive(arrays["computation_ended_at"])
    moment = np.datetime64(now.replace(tzinfo=None), "us")
    until = np.where(np.isnat(ended), moment, ended)
    # Differences as floats: two far stamps may lie further apart than a timedelta reaches.
    seconds = (until.astype("int64").astype("float64") - started.astype("int64")) / 1e6
    seconds[np.isnat(started)] = np.nan
    measured = np.asarray(arrays["computation_time"], dtype="m8[us]")
    found = np.where(np.isnat(measured), spans(np.maximum(seconds, 0.0)), measured)
    found[np.asarray(arrays["is_final"], dtype="bool")] = np.timedelta64("NaT", "us")
    return found


def _naive(stamps: Any) -> Any:  # noqa: ANN401 - arrays
    return np.asarray(stamps.tz_localize(None), dtype="M8[us]")


def _notes(chunks: Sequence[Chunk], keep: Any) -> dict[str, Any]:  # noqa: ANN401 - an array
    """A column a key of the tasks' own notes, in order of the alphabet."""
    if not any(chunk.metadata for chunk in chunks):
        return {}
    notes = [row for chunk in chunks for row in chunk.metadata or [{}] * len(chunk.ids)]
    kept = [notes[place] for place in keep]
    keys = sorted({key for row in kept for key in row})
    everything = np.arange(len(kept))
    return {
        METADATA + key: KINDS["string"].joined([texts([row.get(key) for row in kept])], everything)
        for key in keys
    }


def _without_unused(frame: pd.DataFrame) -> pd.DataFrame:
    """Without categories that no row has; statuses keep all that are known."""
    unordered = [name for name, kind in COLUMNS.items() if kind == "category"]
    return frame.assign(**{name: frame[name].cat.remove_unused_categories() for name in unordered})
