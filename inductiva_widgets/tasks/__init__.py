"""Tasks in number: get, list and submit them, wait for them, fetch and collect their files."""

from __future__ import annotations

from typing import Any

from inductiva_widgets.ending import KillOutcome
from inductiva_widgets.task import Task
from inductiva_widgets.tasks import listing
from inductiva_widgets.tasks.collecting import collect
from inductiva_widgets.tasks.details import metrics, timeline
from inductiva_widgets.tasks.downloading import download
from inductiva_widgets.tasks.killing import kill
from inductiva_widgets.tasks.listing import TaskList, get
from inductiva_widgets.tasks.many import as_completed, wait_all
from inductiva_widgets.tasks.submission import submit

__all__ = [
    "KillOutcome",
    "Task",
    "TaskList",
    "as_completed",
    "collect",
    "download",
    "get",
    "kill",
    "metrics",
    "submit",
    "timeline",
    "wait_all",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any name may be asked for
    # `tasks.list` is the user's word; inside this package `list` stays Python's.
    if name == "list":
        return listing.frame
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
