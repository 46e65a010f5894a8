"""The tasks that an argument names: tasks, ids, or a frame or index of the history."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.task import Task

if TYPE_CHECKING:
    from inductiva_widgets.backend import Backend

__all__ = ["chosen_tasks", "is_frame", "named_tasks", "several"]

INDEX = "task_id"


def chosen_tasks(tasks: object, backend: Backend | None = None) -> list[Task]:
    """The tasks named, each once, in order.

    Args:
        tasks: A task or id, several of them, a frame whose index (or one level of it, or a column)
            is `task_id`, a series with that index or of ids, or an index of ids.
        backend: Of tasks given by id; the default backend when not given.

    Raises:
        UserInputError: Something among them is neither a task nor an id.
    """
    return list({task.id: task for task in named_tasks(tasks, backend)}.values())


def named_tasks(tasks: object, backend: Backend | None = None) -> list[Task]:
    """The tasks named, as `chosen_tasks`, but as often as they are named."""
    return [_task(one, backend) for one in several(tasks)]


def is_frame(tasks: object) -> bool:
    """Whether this is a DataFrame; pandas is not loaded for the question."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(tasks, pandas.DataFrame)


def several(tasks: object) -> Iterable[object]:
    """What an argument names, one by one and unchecked: of pandas' things, the ids in them.

    Raises:
        UserInputError: It is a frame without ids.
    """
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(tasks, (pandas.DataFrame, pandas.Series, pandas.Index)):
        return _ids(tasks, is_index=isinstance(tasks, pandas.Index))
    if isinstance(tasks, (str, Task)) or not isinstance(tasks, Iterable):
        return [tasks]
    return tasks


def _ids(labelled: Any, *, is_index: bool) -> Iterable[object]:  # noqa: ANN401 - of pandas
    """The ids in a frame, series or index; each label once."""
    index = labelled if is_index else labelled.index
    if INDEX in index.names:
        return list(index.get_level_values(INDEX).unique())
    if is_frame(labelled):
        if INDEX not in labelled.columns:
            raise UserInputError(
                "The frame has no index or column `task_id`.",
                hint="Take one that iw.tasks.list() made.",
            )
        return list(labelled[INDEX].unique())
    return list(labelled.unique())


def _task(one: object, backend: Backend | None) -> Task:
    if isinstance(one, Task):
        return one
    if isinstance(one, str):
        return Task(one, backend=backend)
    if type(one).__module__.partition(".")[0] == "inductiva":  # its account is not checked here
        raise UserInputError(
            "A task of the official client is not taken here.",
            hint="Give its id: inductiva_widgets.Task(task.id).",
        )
    raise UserInputError(
        f"Tasks are given as tasks or ids, not as {type(one).__name__}.",
        hint="For example iw.tasks.get(last_n=20), or the frame of iw.tasks.list().",
    )
