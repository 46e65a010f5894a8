"""Tasks and errors as messages for views, made of the records of the rest of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inductiva_widgets.api.models import TaskRecord, status_info
from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.formats import iso, safe_text
from inductiva_widgets.service.protocol import BackendName, Cost, ServiceError, Stale, TaskSummary

if TYPE_CHECKING:
    import datetime as dt

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.watch import Observation

__all__ = ["record_summary", "service_error", "task_summary"]


def service_error(error: BaseException) -> ServiceError:
    """What of an error is sent to a view: ours in full, others by their class only."""
    if isinstance(error, InductivaWidgetsError):
        return ServiceError(
            type(error).__name__, safe_text(error.message, 600), error.hint, error.retryable
        )
    return ServiceError(
        "InternalError",
        f"Something unexpected happened ({type(error).__name__}).",
        "Details are in the log of the kernel or of the Jupyter server.",
    )


def task_summary(backend: Backend, seen: Observation) -> TaskSummary:
    """What the views show of an observation."""
    now = backend.client.clock.now()
    name = BackendName(backend.id, backend.name)
    stale = None
    if seen.stale is not None:
        error = service_error(seen.stale.error)
        stale = Stale(iso(seen.stale.since) or "", error, seen.stale.retry_in_s)
    # Nothing known yet: a summary of nothing but the error.
    record = seen.record or TaskRecord(task_id=seen.task_id)
    return record_summary(name, record, (seen.as_of, now), seen.tasks_ahead, stale)


def record_summary(
    backend: BackendName,
    record: TaskRecord,
    clocks: tuple[dt.datetime, dt.datetime],
    tasks_ahead: int | None = None,
    stale: Stale | None = None,
) -> TaskSummary:
    """What the views show of a record; `clocks` is when it was said, and the service's now.

    Its words come from elsewhere: what cannot be seen in them is written as an escape.
    """

    def stamp(field: str) -> str | None:
        return iso(record.time(field))

    known = status_info(record.status)
    cost = record.estimated_computation_cost
    return TaskSummary(
        task_id=record.task_id,
        backend=backend,
        simulator=record.simulator and safe_text(record.simulator),
        project=record.project and safe_text(record.project),
        status=record.status,
        status_alias=safe_text(record.alias),
        is_terminal=record.is_terminated,
        is_killable=known.killable and not record.is_terminated,
        tasks_ahead=tasks_ahead,
        machine_type=record.machine_type and safe_text(record.machine_type),
        machine_group=record.machine_group_name and safe_text(record.machine_group_name),
        created_at=stamp("create_time"),
        submitted_at=stamp("input_submit_time"),
        started_at=stamp("start_time"),
        computation_started_at=stamp("computation_start_time"),
        computation_ended_at=stamp("computation_end_time"),
        ended_at=stamp("end_time"),
        computation_seconds=record.metrics.computation_seconds,
        # The service gives all amounts in US dollars.
        cost=None if cost is None else Cost(cost, "USD", record.is_terminated),
        error_detail=record.reason and safe_text(record.reason, 600),
        output_files=record.metrics.output_total_files,
        output_size_bytes=record.metrics.output_size_bytes,
        output_packed_bytes=record.metrics.output_zipped_size_bytes,
        as_of=iso(clocks[0]) or "",
        server_now=iso(clocks[1]) or "",
        stale=stale,
    )
