"""How tasks show themselves in notebooks: bundles, and the monitor of a waiting cell."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from concurrent.futures import TimeoutError as NotInTime
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.notebook.card import ROWS, html_card, html_list, text_card, text_list
from inductiva_widgets.notebook.many import CellLine, PrintedLine
from inductiva_widgets.notebook.progress import ProgressBar, download_bar
from inductiva_widgets.notebook.pump import comm_pump
from inductiva_widgets.notebook.table import TaskTable
from inductiva_widgets.notebook.view_code import in_marimo
from inductiva_widgets.notebook.widgets import TaskMonitor, as_task, task_summary_dict
from inductiva_widgets.service.dispatch import service_of
from inductiva_widgets.service.protocol import BackendName
from inductiva_widgets.service.summaries import record_summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inductiva_widgets.task import Task
    from inductiva_widgets.tasks.listing import TaskList
    from inductiva_widgets.watch import Observation

__all__ = [
    "TASK_MIME",
    "ProgressBar",
    "comm_pump",
    "download_bar",
    "in_kernel",
    "in_marimo",
    "list_bundle",
    "monitor",
    "say",
    "shell",
    "shows_widgets",
    "table",
    "task_bundle",
    "waiting_cell",
    "waiting_for_many",
]

TASK_MIME = "application/vnd.inductiva.task+json"
SCHEMA = 1
FIRST_LOOK_S = 1.0  # a display of a task never asked before waits no longer for the service

_shown_in_cell: dict[tuple[str, str], int] = {}
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
    _first_look(ours)
    summary = task_summary_dict(ours)
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
        with _lock:
            _shown_in_cell[ours.backend.id, ours.id] = _cell_number()
    return data, metadata


@contextlib.contextmanager
def waiting_cell(task: Task) -> Iterator[Callable[[], None]]:
    """Surroundings of a wait: shows the task, gives the function that keeps its buttons alive."""
    if in_kernel():
        with _lock:
            shown = _shown_in_cell.get((task.backend.id, task.id))
        rewrite = _show_in_cell(task) if shown != _cell_number() else None
        with comm_pump() as pump:
            yield pump
        if rewrite is not None:
            rewrite()
        return
    told = _StatusLines()
    subscription = task.backend.watcher.watch(task.id, told)
    try:
        yield lambda: None
    finally:
        subscription.close()
        told.finish(task.backend.watcher.latest(task.id))


@contextlib.contextmanager
def waiting_for_many(standing: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Surroundings of a wait for many tasks: one line for all, changed in place in a notebook.

    Gives the function that keeps it true, and buttons alive, called some ten times a second.
    """
    if not in_kernel():
        printed = PrintedLine(standing, say)
        try:
            yield printed.show
        finally:
            printed.show(is_last=True)
        return
    from IPython.display import display

    line = CellLine(standing, display)
    with comm_pump() as pump:

        def look() -> None:
            pump()
            line.show()

        try:
            yield look
        finally:
            line.show(is_last=True)


def say(text: str) -> None:
    """A sentence for the user of this session."""
    print(text, flush=True)  # noqa: T201 - interrupts must say what became of the task


def shell() -> Any:  # noqa: ANN401 - IPython's
    """IPython's shell, if this program runs in one."""
    core = sys.modules.get("IPython")
    return core.get_ipython() if core is not None else None


def in_kernel() -> bool:
    """Whether this is a Jupyter kernel, which can show widgets."""
    return getattr(shell(), "kernel", None) is not None


def list_bundle(tasks: TaskList, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401
    """MIME bundle of several tasks: text, HTML, and a live table of exactly these."""
    rows = _summaries(tasks)
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


def shows_widgets() -> bool:
    """Whether somebody may look at widgets of this session.

    What runs notebooks by itself (nbclient, papermill, nbconvert) saves every widget's state, this
    view's code too, and pages made of that need a CDN: there the HTML is better. Such clients
    allow no questions to a user, and front ends do. Voilà is the exception.
    """
    if not in_kernel():
        return in_marimo()
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return True
    parent = shell().kernel.get_parent()
    return not isinstance(parent, dict) or parent.get("content", {}).get("allow_stdin") is not False


def _summaries(tasks: TaskList) -> list[dict[str, Any]]:
    """What is known of the first tasks; those never asked for are, for a moment only."""
    first = tasks[:ROWS]
    told = {task.id: _listed_summary(task, first) or task_summary_dict(task) for task in first}
    unknown = [task for task in first if not told[task.id]]
    if unknown:
        service = service_of(unknown[0].backend)
        ids = [task.id for task in unknown if task.backend is service.backend]
        look = service.workers.submit(service.chosen_tasks.list_tasks, {"ids": ids})
        with contextlib.suppress(InductivaWidgetsError, NotInTime, TimeoutError):
            for summary in look.result(timeout=FIRST_LOOK_S)["tasks"]:
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


def _show_in_cell(task: Task) -> Callable[[], None] | None:
    """Displays the task; what rewrites that at its end, so that a shared notebook tells the end."""
    from IPython.display import display

    before = task.backend.watcher.latest(task.id)
    handle = display(task, display_id=True)  # type: ignore[no-untyped-call] # IPython has no types here
    if handle is None or (before is not None and before.is_final):
        return None

    def rewrite() -> None:
        seen = task.backend.watcher.latest(task.id)
        if seen is not None and seen.is_final:
            handle.update(task)

    return rewrite


class _StatusLines:
    """Prints each new status once, for waits outside a notebook."""

    def __init__(self) -> None:
        self._last = ""
        self._lock = threading.Lock()  # a wait does not return in the middle of a line

    def __call__(self, seen: Observation) -> None:
        with self._lock:
            if seen.record is not None and seen.record.status != self._last:
                self._last = seen.record.status
                say(f"{seen.as_of.astimezone():%H:%M:%S}  {seen.record.alias}")

    def finish(self, seen: Observation | None) -> None:
        """The end wakes the waiting thread too, which may come here before it is printed."""
        if seen is not None:
            self(seen)


def _first_look(task: Task) -> None:
    """Asks once about a task never asked before, for a moment only; failures show in the view."""
    if task.backend.watcher.latest(task.id) is not None:
        return
    look = service_of(task.backend).workers.submit(
        task.backend.watcher.refresh, task.id, retry=False
    )
    with contextlib.suppress(InductivaWidgetsError, NotInTime, TimeoutError):
        look.result(timeout=FIRST_LOOK_S)


def _models_here() -> _Models:
    return _models_of_thread if in_marimo() else _models


def _cell_number() -> int:
    return int(getattr(shell(), "execution_count", 0) or 0)
