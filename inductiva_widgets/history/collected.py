"""The contents of one file of each of many tasks, as one frame."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from inductiva_widgets.errors import UserInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["as_frame", "check_join", "collected_frame"]

TASK_ID = "task_id"
JOINED_SUFFIX = "_task"  # of a history column that the files have as well


def as_frame(value: Any) -> pd.DataFrame:  # noqa: ANN401 - whatever a reader gave
    """What a reader gave, as a frame: a frame or series as it is, a mapping as one row.

    Raises:
        TypeError: It is nothing of that.
    """
    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, pd.Series):
        return value.to_frame()
    if isinstance(value, Mapping):
        return pd.DataFrame([dict(value)])
    raise TypeError(f"the reader gave {type(value).__name__}, not a DataFrame, Series or dict")


def check_join(tasks: object, columns: Sequence[str]) -> None:
    """Refuses columns that `collected_frame` could not join.

    Raises:
        UserInputError: `tasks` is not a frame by task, or has no such column.
    """
    if not columns:
        return
    if not isinstance(tasks, pd.DataFrame) or TASK_ID not in tasks.index.names:
        raise UserInputError(
            "Columns can be joined only from a frame with the index `task_id`.",
            hint="Give the frame of iw.tasks.list() instead of tasks.",
        )
    if tasks.index.nlevels > 1 or not tasks.index.is_unique:
        raise UserInputError("Columns can be joined only from a frame with one row a task.")
    known = [str(name) for name in tasks.columns]
    for column in columns:
        if column not in known:
            close = difflib.get_close_matches(column, known, n=3)
            raise UserInputError(
                f"The frame has no column {column!r}.",
                hint=f"Close to it: {', '.join(close)}." if close else "",
            )


def collected_frame(
    found: Mapping[str, pd.DataFrame], tasks: object, columns: Sequence[str]
) -> pd.DataFrame:
    """One frame below the other: index level `task_id`, then the index that each had.

    Args:
        found: Frames by task, in the order of the rows.
        tasks: Frame of the history, one row per task, when there are columns to join.
        columns: Its columns to repeat on all rows of a task; `_task` is added to a name that the
            files have as well.
    """
    if not found:
        index = pd.MultiIndex.from_arrays([[], []], names=[TASK_ID, None])
        made = pd.DataFrame(index=index)
    else:
        plain = [frame.rename_axis(columns=None) for frame in found.values()]
        made = pd.concat(plain, keys=list(found), names=[TASK_ID])
    if columns and isinstance(tasks, pd.DataFrame):
        ids = made.index.get_level_values(TASK_ID)
        for column in columns:
            name = column if column not in made.columns else f"{column}{JOINED_SUFFIX}"
            made[name] = tasks[column].reindex(ids).array
    return made
