"""A row of the task list as text, as the service's command line prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inductiva_widgets.formats import parse_time, safe_text

if TYPE_CHECKING:
    import datetime as dt

    from inductiva_widgets.api.models import TaskRecord

__all__ = ["COLUMNS", "MISSING", "moment", "row"]

COLUMNS = (
    "ID",
    "SIMULATOR",
    "STATUS",
    "SUBMITTED",
    "STARTED",
    "COMPUTATION TIME",
    "RESOURCE TYPE",
)
MISSING = "n/a"
CELL = 40  # characters of a name in the list; `tasks info` shows more


def row(record: TaskRecord, now: dt.datetime) -> tuple[str, ...]:
    """The cells of `COLUMNS`, harmless on any terminal. A `*` marks a time that still grows."""
    seconds = record.computation_seconds(now)
    grows = not record.is_terminated and record.metrics.computation_seconds is None
    duration = None if seconds is None else f"{'*' * grows}{_clock(seconds)}"
    cells = (
        record.task_id,
        record.simulator,
        record.alias,
        moment(record.input_submit_time),
        moment(record.start_time),
        duration,
        _resource(record),
    )
    return tuple(safe_text(cell, CELL) if cell else MISSING for cell in cells)


def _clock(seconds: float) -> str:
    """`0:03:12`, as the service's command line writes it; hours may exceed 99."""
    whole = max(0, round(min(seconds, 1e12)))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def moment(text: str | None) -> str | None:
    """A stamp in local time; `None` when there is none that can be read."""
    found = parse_time(text)
    if found is None:
        return None
    try:
        return found.astimezone().strftime("%d/%m, %H:%M:%S")
    except (OverflowError, ValueError, OSError):  # years 1 and 9999 have no local time
        return found.strftime("%d/%m, %H:%M:%S")


def _resource(record: TaskRecord) -> str | None:
    machine = record.executer
    if machine is None:
        return None
    hosts = machine.n_mpi_hosts or 1
    words = [machine.host_type, machine.type_name, f"x{hosts}" if hosts > 1 else None]
    return " ".join(word for word in words if word)
