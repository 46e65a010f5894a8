"""What a session shows while work continues: sentences, progress bars, the surroundings of a wait.

Plain programs wait too, so this loads no widgets.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from inductiva_widgets.ending import StatusLines
from inductiva_widgets.notebook.many import CellLine, PrintedLine
from inductiva_widgets.notebook.progress import ProgressBar, download_bar
from inductiva_widgets.notebook.pump import comm_pump
from inductiva_widgets.notebook.session import in_kernel, shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inductiva_widgets.task import Task

__all__ = [
    "ProgressBar",
    "comm_pump",
    "download_bar",
    "note_shown",
    "say",
    "waiting_cell",
    "waiting_for_many",
]

_shown_in_cell: dict[tuple[str, str], int] = {}
_lock = threading.Lock()


def say(text: str) -> None:
    """A sentence for the user of this session."""
    print(text, flush=True)  # noqa: T201 - interrupts must say what became of the task


def note_shown(task: Task) -> None:
    """The present cell shows this task: a wait in it needs no second view."""
    with _lock:
        _shown_in_cell[task.backend.id, task.id] = _cell_number()


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
    lines = StatusLines(say)
    subscription = task.backend.watcher.watch(task.id, lines)
    try:
        yield lambda: None
    finally:
        subscription.close()
        # The end wakes the waiting thread as well, which may come here before it is printed.
        if (seen := task.backend.watcher.latest(task.id)) is not None:
            lines(seen)


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


def _show_in_cell(task: Task) -> Callable[[], None] | None:
    """Displays the task; what rewrites that at its end, so that a shared notebook shows the end."""
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


def _cell_number() -> int:
    return int(getattr(shell(), "execution_count", 0) or 0)
