"""`%load_ext inductiva_widgets`: `%tasks`, `%task`, and the official client's tasks as monitors."""

from __future__ import annotations

from typing import Any

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.notebook import official, session
from inductiva_widgets.notebook.table import TaskTable
from inductiva_widgets.task import Task

__all__ = ["load_ext", "load_ipython_extension", "unload_ipython_extension"]

LISTED = 50


def load_ext() -> None:
    """Does what `%load_ext inductiva_widgets` does, also where there are no magics: in marimo.

    A notebook of marimo is a program too: run as one, it displays nothing, and this does nothing.
    """
    if session.in_marimo():
        official.show_in_marimo()
    elif (shell := session.shell()) is not None:
        load_ipython_extension(shell)


def load_ipython_extension(shell: Any) -> None:  # noqa: ANN401 - IPython's protocol
    """Adds `%tasks` and `%task`, and shows tasks of the official client; twice does no harm."""
    for name, magic in _MAGICS.items():
        shell.register_magic_function(magic, "line", name)
    official.show_in_ipython(shell)


def unload_ipython_extension(shell: Any) -> None:  # noqa: ANN401
    """Undoes `load_ipython_extension`."""
    lines = shell.magics_manager.magics["line"]
    for name, magic in _MAGICS.items():
        if lines.get(name) is magic:
            del lines[name]
    official.unshow_in_ipython(shell)


def _tasks(line: str) -> None:
    """Shows the newest tasks: `%tasks`, `%tasks 20`."""
    text = line.strip()
    if text and not (text.isascii() and text.isdecimal() and int(text)):
        raise UserInputError(f"%tasks takes a number of tasks, not {text[:40]!r}.")
    last_n = int(text) if text else LISTED
    if session.shows_widgets():
        _show(TaskTable(last_n=last_n))
    else:
        from inductiva_widgets.tasks.listing import get

        _show(get(last_n))


def _task(line: str) -> None:
    """Shows a task: `%task i4ir3kvv62odsfrhko4y8w2an`."""
    text = line.strip().strip("\"'")
    if not text:
        raise UserInputError("%task takes the id of a task.", hint="%tasks lists them.")
    _show(Task(text))


def _show(shown: object) -> None:
    from IPython.display import display as show

    show(shown)  # type: ignore[no-untyped-call] # IPython has no types here


_MAGICS = {"tasks": _tasks, "task": _task}
