"""How tasks show themselves in notebooks: one view of each, and bundles of what it shows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from inductiva_widgets.notebook.card import html_card, html_list, text_card, text_list
from inductiva_widgets.notebook.known import first_look, summaries_of, summary_of
from inductiva_widgets.notebook.session import in_kernel, in_marimo, shows_widgets
from inductiva_widgets.notebook.table import TaskTable
from inductiva_widgets.notebook.waiting import note_shown
from inductiva_widgets.notebook.widgets import TaskMonitor, as_task

if TYPE_CHECKING:
    from inductiva_widgets.tasks.listing import TaskList

__all__ = ["TASK_MIME", "list_bundle", "monitor", "table", "task_bundle"]

TASK_MIME = "application/vnd.inductiva.task+json"
SCHEMA = 1

_lock = threading.Lock()


class _Models:
    """What is displayed again by the model that it has, not by another."""

    def __init__(self) -> None:
        self.monitors: dict[tuple[str, str], TaskMonitor] = {}
        self.tables: dict[tuple[str, tuple[str, ...]], TaskTable] = {}


class _ModelsOfThread(_Models, threading.local):
    """Apart for each thread: marimo's apps are one process, and each visitor a thread of it."""


_models, _models_of_thread = _Models(), _ModelsOfThread()


def monitor(task: object) -> TaskMonitor:
    """The monitor of a task: one model, however often it is displayed."""
    ours = as_task(task)
    key = (ours.backend.id, ours.id)
    with _lock:
        monitors = _models_here().monitors
        known = monitors.get(key)
        if known is not None and not known.is_closed and known.task.backend is ours.backend:
            return known
        made = monitors[key] = TaskMonitor(ours)
        return made


def task_bundle(task: object, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401
    """MIME bundle of a task: text, HTML, widget view, and our own type for the Jupyter server."""
    ours = as_task(task)
    first_look(ours)
    summary = summary_of(ours)
    data: dict[str, Any] = {
        "text/plain": text_card(ours.id, summary),
        "text/html": html_card(ours.id, summary),
    }
    metadata: dict[str, Any] = {}
    if in_kernel() or in_marimo():
        data[TASK_MIME] = saved = {
            "schema": SCHEMA,
            "task_id": ours.id,
            "backend": ours.backend.id,
            "snapshot": {key: value for key, value in summary.items() if key != "server_now"},
        }
        if shows_widgets():
            view = monitor(ours)
            # Not its own, which looks ahead: a Jupyter server that shows the task does so itself.
            bundle = super(TaskMonitor, view)._repr_mimebundle_(**kwargs)
            widget, metadata = bundle or ({}, {})
            data = {**widget, **data}
            saved["alive_key"] = view.alive_key
        note_shown(ours)
    return data, metadata


def list_bundle(tasks: TaskList, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401
    """MIME bundle of several tasks: text, HTML, and a live table of exactly these."""
    rows = summaries_of(tasks)
    data: dict[str, Any] = {
        "text/plain": text_list(rows, len(tasks)),
        "text/html": html_list(rows, len(tasks)),
    }
    metadata: dict[str, Any] = {}
    if shows_widgets() and len({task.backend for task in tasks}) == 1:
        bundle = table(tasks)._repr_mimebundle_(**kwargs)
        widget, metadata = bundle or ({}, {})
        data = {**widget, **data}
    return data, metadata


def table(tasks: TaskList) -> TaskTable:
    """The table of exactly these tasks: one model, however often it is displayed."""
    key = (tasks[0].backend.id, tuple(task.id for task in tasks))
    with _lock:
        tables = _models_here().tables
        known = tables.get(key)
        if known is not None and not known.is_closed and known.backend is tasks[0].backend:
            return known
        made = tables[key] = TaskTable(tasks)
        return made


def _models_here() -> _Models:
    return _models_of_thread if in_marimo() else _models
