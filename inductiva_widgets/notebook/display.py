"""How tasks show themselves in notebooks: bundles, the monitor of a waiting cell, `%load_ext`."""

from __future__ import annotations

import contextlib
import sys
import threading
from concurrent.futures import TimeoutError as NotInTime
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.notebook.card import html_card, text_card
from inductiva_widgets.notebook.pump import comm_pump
from inductiva_widgets.notebook.widgets import TaskMonitor, as_task, task_summary_dict
from inductiva_widgets.service.dispatch import service_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inductiva_widgets.task import Task
    from inductiva_widgets.watch import Observation

__all__ = ["TASK_MIME", "monitor", "say", "task_bundle", "waiting_cell"]

TASK_MIME = "application/vnd.inductiva.task+json"
SCHEMA = 1
FIRST_LOOK_S = 1.0  # a display of a task never asked before waits no longer for the service

_monitors: dict[tuple[str, str], TaskMonitor] = {}
_shown_in_cell: dict[tuple[str, str], int] = {}
_lock = threading.Lock()


def monitor(task: object) -> TaskMonitor:
    """The monitor of a task: one model, however often it is displayed."""
    ours = as_task(task)
    key = (ours.backend.id, ours.id)
    with _lock:
        known = _monitors.get(key)
        if known is not None and not known.is_closed and known.task.backend is ours.backend:
            return known
        made = _monitors[key] = TaskMonitor(ours)
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
    if in_kernel():
        view = monitor(ours)
        bundle = view._repr_mimebundle_(**kwargs)
        widget, metadata = bundle or ({}, {})
        data = {**widget, **data}
        data[TASK_MIME] = {
            "schema": SCHEMA,
            "task_id": ours.id,
            "backend": ours.backend.id,
            "alive_key": view.alive_key,
            "snapshot": {key: value for key, value in summary.items() if key != "server_now"},
        }
        with _lock:
            _shown_in_cell[ours.backend.id, ours.id] = _cell_number()
    return data, metadata


@contextlib.contextmanager
def waiting_cell(task: Task) -> Iterator[Callable[[], None]]:
    """Surroundings of a wait: shows the task, gives the function that keeps its buttons alive."""
    if in_kernel():
        with _lock:
            shown = _shown_in_cell.get((task.backend.id, task.id))
        if shown != _cell_number():
            from IPython.display import display

            display(task)  # type: ignore[no-untyped-call] # IPython has no types here
        with comm_pump() as pump:
            yield pump
        return
    told = _StatusLines()
    subscription = task.backend.watcher.watch(task.id, told)
    try:
        yield lambda: None
    finally:
        subscription.close()


def say(text: str) -> None:
    """A sentence for the user of this session."""
    print(text, flush=True)  # noqa: T201 - interrupts must say what became of the task


def in_kernel() -> bool:
    """Whether this is a Jupyter kernel, which can show widgets."""
    shell = _shell()
    return shell is not None and getattr(shell, "kernel", None) is not None


def load_ipython_extension(shell: Any) -> None:  # noqa: ANN401 - IPython's protocol
    """Makes tasks of the official client display as TaskMonitor too; twice does no harm."""
    formatter = shell.display_formatter.mimebundle_formatter
    formatter.for_type_by_name("inductiva.tasks.task", "Task", _official_bundle)


def unload_ipython_extension(shell: Any) -> None:  # noqa: ANN401
    """Undoes `load_ipython_extension`."""
    formatter = shell.display_formatter.mimebundle_formatter
    formatter.pop("inductiva.tasks.task.Task", None)


def _official_bundle(task: object, **kwargs: Any) -> Any:  # noqa: ANN401
    return task_bundle(task, **kwargs)


class _StatusLines:
    """Prints each new status once, for waits outside a notebook."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, seen: Observation) -> None:
        if seen.record is not None and seen.record.status != self._last:
            self._last = seen.record.status
            say(f"{seen.as_of.astimezone():%H:%M:%S}  {seen.record.alias}")


def _first_look(task: Task) -> None:
    """Asks once about a task never asked before, for a moment only; failures show in the view."""
    if task.backend.watcher.latest(task.id) is not None:
        return
    look = service_of(task.backend).workers.submit(
        task.backend.watcher.refresh, task.id, retry=False
    )
    with contextlib.suppress(InductivaWidgetsError, NotInTime, TimeoutError):
        look.result(timeout=FIRST_LOOK_S)


def _shell() -> Any:  # noqa: ANN401
    core = sys.modules.get("IPython")
    return core.get_ipython() if core is not None else None


def _cell_number() -> int:
    return int(getattr(_shell(), "execution_count", 0) or 0)
