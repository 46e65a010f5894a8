"""What is known of tasks for their static form; the service is asked only briefly."""

from __future__ import annotations

import contextlib
from concurrent.futures import TimeoutError as NotInTime
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.notebook.card import ROWS
from inductiva_widgets.service.dispatch import service_of
from inductiva_widgets.service.protocol import BackendName
from inductiva_widgets.service.summaries import record_summary, task_summary

if TYPE_CHECKING:
    from concurrent.futures import Future

    from inductiva_widgets.task import Task
    from inductiva_widgets.tasks.listing import TaskList

__all__ = ["first_look", "in_a_moment", "summaries_of", "summary_of"]

FIRST_LOOK_S = 1.0  # a display of what was never asked for before waits no longer for the service


def in_a_moment(look: Future[Any]) -> Any:  # noqa: ANN401 - whatever is looked at
    """What was asked for, if it comes in a moment; `None` otherwise, and for what fails."""
    with contextlib.suppress(InductivaWidgetsError, NotInTime, TimeoutError):
        return look.result(timeout=FIRST_LOOK_S)
    return None


def summary_of(task: Task) -> dict[str, Any]:
    """Summary of what is known of a task, without asking."""
    seen = task.backend.watcher.latest(task.id)
    if seen is None:
        return {}
    summary: dict[str, Any] = msgspec.to_builtins(task_summary(task.backend, seen))
    return summary


def first_look(task: Task) -> None:
    """Asks once about a task never asked before, for a moment only; failures show in the view."""
    if task.backend.watcher.latest(task.id) is not None:
        return
    workers = service_of(task.backend).workers
    in_a_moment(workers.submit(task.backend.watcher.refresh, task.id, retry=False))


def summaries_of(tasks: TaskList) -> list[dict[str, Any]]:
    """What is known of the first tasks; those never asked for are, for a moment only."""
    first = tasks[:ROWS]
    told = {task.id: _listed_summary(task, first) or summary_of(task) for task in first}
    unknown = [task for task in first if not told[task.id]]
    if unknown:
        service = service_of(unknown[0].backend)
        ids = [task.id for task in unknown if task.backend is service.backend]
        look = service.workers.submit(service.chosen_tasks.list_tasks, {"ids": ids})
        for summary in (in_a_moment(look) or {"tasks": []})["tasks"]:
            told[summary["task_id"]] = summary
    return [told[task.id] or {"task_id": task.id} for task in first]


def _listed_summary(task: Task, tasks: TaskList) -> dict[str, Any] | None:
    """What the list said of a task, unless something was heard of it since."""
    record, said_at = tasks.listed.get(task.id), tasks.as_of
    if record is None or said_at is None:
        return None
    seen = task.backend.watcher.latest(task.id)
    if seen is not None and seen.record is not None and seen.as_of > said_at:
        return None
    name = BackendName(task.backend.id, task.backend.name)
    summary: dict[str, Any] = msgspec.to_builtins(record_summary(name, record, (said_at, said_at)))
    return summary
