"""Tasks of the official client, displayed as ours. Its package is never imported here."""

from __future__ import annotations

import importlib.abc
import sys
from html import escape
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.notebook import display
from inductiva_widgets.notebook.widgets import as_task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from inductiva_widgets.task import Task

__all__ = ["show_in_ipython", "show_in_marimo", "unshow_in_ipython"]

# By name: importing the official client would call the network.
MODULE, CLASS = "inductiva.tasks.task", "Task"
DISPLAY = "_display_"  # marimo asks a value's class for this before all else


def show_in_ipython(shell: Any) -> None:  # noqa: ANN401 - IPython's protocol
    """Its tasks display as monitors in a shell of IPython."""
    formatter = shell.display_formatter.mimebundle_formatter
    formatter.for_type_by_name(MODULE, CLASS, display.task_bundle)


def unshow_in_ipython(shell: Any) -> None:  # noqa: ANN401 - IPython's protocol
    """Undoes `show_in_ipython`."""
    shell.display_formatter.mimebundle_formatter.pop(f"{MODULE}.{CLASS}", None)


def show_in_marimo() -> None:
    """Its tasks display as monitors in marimo, also if they are imported later.

    marimo has no formatters by name, and its cells run in the order of their names' use: the cell
    that imports the official client may come after the one that calls this.
    """
    module = sys.modules.get(MODULE)
    if module is not None:
        _teach(module)
    elif _on_import not in sys.meta_path:
        sys.meta_path.insert(0, _on_import)


def _teach(module: ModuleType) -> None:
    shown = getattr(module, CLASS, None)
    if shown is not None and not hasattr(shown, DISPLAY):
        setattr(shown, DISPLAY, _as_ours)


def _as_ours(task: object) -> Task | _Refusal:
    try:
        return as_task(task)
    except InductivaWidgetsError as error:
        return _Refusal(error)


class _Refusal:
    """A sentence where a monitor was expected: marimo shows nothing of errors in a display."""

    def __init__(self, error: InductivaWidgetsError) -> None:
        self._text = escape(str(error))

    def _repr_html_(self) -> str:
        return f'<p role="alert">{self._text}</p>'


class _OnImport(importlib.abc.MetaPathFinder):
    """Teaches the official client's class when it is imported."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname == MODULE else None
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_teach(module: ModuleType) -> None:
            run(module)
            _teach(module)

        spec.loader.exec_module = run_and_teach  # type: ignore[method-assign] # of this one only
        return spec


_on_import = _OnImport()
