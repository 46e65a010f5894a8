"""Follow remote simulation tasks from a notebook.

    import inductiva_widgets as iw

    iw.connect()                                # the service, or an engine on this machine
    task = iw.Task("i4ir3kvv62odsfrhko4y8w2an")
    task                                        # a live view: status, files to tick, kill
    iw.tasks.list(last_n=10)                    # the history as a DataFrame

Importing the package does nothing: every name below loads its module at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inductiva_widgets import errors, history, local, tasks
    from inductiva_widgets.api.settings import Settings
    from inductiva_widgets.backend import Backend, connect
    from inductiva_widgets.errors import InductivaWidgetsError
    from inductiva_widgets.notebook.magics import (
        load_ext,
        load_ipython_extension,
        unload_ipython_extension,
    )
    from inductiva_widgets.notebook.table import TaskTable
    from inductiva_widgets.notebook.widgets import TaskMonitor
    from inductiva_widgets.task import Task
    from inductiva_widgets.tasks import TaskList

__all__ = [
    "Backend",
    "InductivaWidgetsError",
    "Task",
    "TaskList",
    "TaskMonitor",
    "TaskTable",
    "config",
    "connect",
    "errors",
    "history",
    "load_ext",
    "load_ipython_extension",
    "local",
    "tasks",
    "unload_ipython_extension",
]

__version__ = "0.1.0"

# Public name → module that holds it; a name equal to the module's last part is the module itself.
_HOMES = {
    "Backend": "backend",
    "InductivaWidgetsError": "errors",
    "Task": "task",
    "TaskList": "tasks",
    "TaskMonitor": "notebook.widgets",
    "TaskTable": "notebook.table",
    "connect": "backend",
    "errors": "errors",
    "history": "history",
    "load_ext": "notebook.magics",
    "load_ipython_extension": "notebook.magics",
    "local": "local",
    "tasks": "tasks",
    "unload_ipython_extension": "notebook.magics",
    "_jupyter_labextension_paths": "lab",
    "_jupyter_server_extension_points": "lab",
    "_load_jupyter_server_extension": "lab",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return module if name == _HOMES[name] else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)


def config() -> Settings:
    """Where address, key and folders come from: of the backend in use, else of the next one.

    Sends no request and starts nothing. Shows itself as a table, never the key.
    """
    import os

    from inductiva_widgets import backend, local
    from inductiva_widgets.api import settings

    active = backend._default  # noqa: SLF001 - `default()` would connect where nobody has yet
    return settings.explain(
        active.config if active is not None else None,
        wants_local=os.environ.get(backend.LOCAL_VARIABLE, "0") not in ("", "0"),
        engine_dir=local.data_dir(),
    )


def _notebook(name: str) -> Any:  # noqa: ANN401 - a module
    """A module of the notebook host, which `task` and `tasks` may not import."""
    return importlib.import_module(f"{__name__}.notebook.{name}")
