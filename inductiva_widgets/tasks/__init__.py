"""Many tasks: get, list and submit them, wait for them, fetch and collect their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inductiva_widgets.ending import KillOutcome
from inductiva_widgets.task import Task
from inductiva_widgets.tasks.collecting import collect
from inductiva_widgets.tasks.details import metrics, timeline
from inductiva_widgets.tasks.downloading import download
from inductiva_widgets.tasks.killing import kill
from inductiva_widgets.tasks.listing import TaskList, frame, get
from inductiva_widgets.tasks.many import as_completed, wait_all
from inductiva_widgets.tasks.submission import submit

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "KillOutcome",
    "Task",
    "TaskList",
    "as_completed",
    "collect",
    "download",
    "get",
    "kill",
    "list",
    "metrics",
    "submit",
    "timeline",
    "wait_all",
]


# `tasks.list` is the user's word; inside this package `list` stays Python's.
list = frame  # noqa: A001
frame.__name__ = frame.__qualname__ = "list"
frame.__module__ = __name__


def __dir__() -> Iterable[str]:
    return sorted(__all__)
