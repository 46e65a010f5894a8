"""Whole tasks with their history, many at a time: by id, as phases, and machine metrics."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import warnings
from typing import TYPE_CHECKING, Any

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import (
    ApiError,
    AuthenticationError,
    BadPayloadError,
    InductivaWidgetsError,
    RateLimitedError,
    UserInputError,
)
from inductiva_widgets.formats import parse_time
from inductiva_widgets.task import Task
from inductiva_widgets.task.files import existing_outputs
from inductiva_widgets.task.host import host
from inductiva_widgets.tasks.chosen import chosen_tasks, is_frame
from inductiva_widgets.tasks.kept import NO_CACHE_VARIABLE, Kept
from inductiva_widgets.workers import DaemonPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from inductiva_widgets.api.models import TaskRecord
    from inductiva_widgets.backend import Backend

__all__ = ["metrics", "records_by_id", "timeline", "unread_sentence"]

THREADS = 16  # as many connections as a session keeps
BAR_FROM = 32  # from this many requests on, a bar shows the progress
SAME_END = dt.timedelta(seconds=1)  # stamps of the list may be less exact


def timeline(
    tasks: object,
    *,
    keep: bool | None = None,
    progress: bool = True,
    backend: Backend | None = None,
) -> pd.DataFrame:
    """How tasks spent their time: a frame with a row for each phase of each task.

    Columns: `task_id`, `phase` (queue, preparing, command, …), `start`, `end`, `duration`,
    `command` and `exit_code`. The phases of a task add up to its total time.

    The list of tasks has no history, so this takes one request for each task, 16 at a time, and a
    bar says so. What has ended does not change: it is kept in the user's cache folder, and asked
    for once.

    Args:
        tasks: Tasks, ids, or a frame of `tasks.list`, filtered as you like.
        keep: `False` asks for everything again and keeps nothing; the default unless
            `INDUCTIVA_WIDGETS_NO_CACHE=1`.
        progress: Whether to show the bar.
        backend: Of tasks given by id; the default backend when not given.

    Raises:
        UserInputError: Something among them is neither a task nor an id.

    Returns:
        The frame; tasks that could not be read are not in it, but in `attrs["errors"]`.
    """
    from inductiva_widgets.history.timeline import timeline_frame

    chosen = chosen_tasks(tasks, backend)
    ends = _ends(tasks)
    if keep is None:
        keep = os.environ.get(NO_CACHE_VARIABLE, "0") in ("", "0")
    found: dict[str, TaskRecord | InductivaWidgetsError] = {}
    owners = dict.fromkeys(task.backend for task in chosen)
    for one in owners:
        ids = [task.id for task in chosen if task.backend is one]
        found.update(_details(one, ids, ends, keep=keep, progress=progress))
    ordered = [found[task.id] for task in chosen]
    records = [one for one in ordered if not isinstance(one, InductivaWidgetsError)]
    owner = next(iter(owners), None)
    now = owner.client.clock.now() if owner else dt.datetime.now(dt.timezone.utc)
    frame = timeline_frame(records, now)
    errors = {i: str(one) for i, one in found.items() if isinstance(one, InductivaWidgetsError)}
    if errors:
        frame.attrs["errors"] = errors
        warnings.warn(unread_sentence(errors, len(chosen)), stacklevel=2)
    return frame


def metrics(task: str | Task, *, backend: Backend | None = None) -> pd.DataFrame:
    """The load of a task's machine while it ran: `system_metrics.csv` of its outputs.

    Index `time` (UTC); on the service's machines the columns are `command`, `cpu-usage` and
    `memory` (percent), `disk-input` and `disk-output` (bytes so far).

    Args:
        task: The task or its id; it must have outputs, so it must have ended.
        backend: Of a task given by id; the default backend when not given.

    Raises:
        OutputsNotReadyError: The task has no output archive (yet).
        NotFoundError: There is no such file among the outputs.
    """
    from inductiva_widgets.history import metrics as machine

    one = task if isinstance(task, Task) else Task(task, backend=backend)
    with existing_outputs(one) as outputs:
        return machine.metrics_frame(outputs.files()[machine.METRICS_FILE].bytes())


def records_by_id(backend: Backend, ids: Sequence[str]) -> tuple[list[TaskRecord], dict[str, str]]:
    """Records of tasks in the order of their ids, and why others are not available.

    Raises:
        InductivaWidgetsError: What concerns all tasks alike: no connection, a refused key.
    """
    records: list[TaskRecord] = []
    errors: dict[str, str] = {}
    for task_id, found in _in_parallel(lambda one: _record_or_error(backend, one), ids):
        if isinstance(found, InductivaWidgetsError):
            errors[str(task_id)] = str(found)
        else:
            records.append(found)
    return records, errors


def unread_sentence(errors: dict[str, str], count: int) -> str:
    """What a warning says of tasks that could not be read."""
    some = ", ".join([*errors][:3]) + (", …" if len(errors) > 3 else "")
    return f'{len(errors)} of {count} tasks could not be read ({some}): see attrs["errors"].'


def _ends(tasks: object) -> dict[str, Any]:
    """When each task of a frame of the list ended; `None` for running ones."""
    frame: Any = tasks
    if not is_frame(tasks) or frame.index.name != "task_id":
        return {}
    if not {"is_final", "ended_at"} <= {*frame.columns}:
        return {}
    finals = frame["is_final"].fillna(value=False)
    rows = zip(frame.index, frame["ended_at"], finals, strict=True)
    return {task_id: end if is_final else None for task_id, end, is_final in rows}


def _is_old(kept: TaskRecord, ends: dict[str, Any]) -> bool:
    """Whether the list knows better: the task runs again, or has ended again since."""
    if kept.task_id not in ends:
        return False
    end, kept_end = ends[kept.task_id], parse_time(kept.end_time)
    return end is None or kept_end is None or not -SAME_END <= end - kept_end <= SAME_END


def _details(
    backend: Backend, ids: Sequence[str], ends: dict[str, Any], *, keep: bool, progress: bool
) -> dict[str, TaskRecord | InductivaWidgetsError]:
    """Tasks by id: those that are kept, and the others by one request each."""
    with Kept.of(backend) if keep else contextlib.nullcontext() as kept:
        here = kept.find(ids).items() if kept is not None else ()
        found: dict[str, TaskRecord | InductivaWidgetsError] = {
            task_id: record for task_id, record in here if not _is_old(record, ends)
        }
        missing = [task_id for task_id in ids if task_id not in found]
        for task_id, one in _asked(missing, backend, progress=progress):
            found[task_id] = one
            if kept is not None and not isinstance(one, InductivaWidgetsError):
                kept.add(one)
    return found


def _asked(
    ids: Sequence[str], backend: Backend, *, progress: bool
) -> Iterator[tuple[str, TaskRecord | InductivaWidgetsError]]:
    """Asks for each task, with a bar when it takes a while."""
    answers = _in_parallel(lambda one: _record_or_error(backend, one), ids)
    if not progress or len(ids) < BAR_FROM:
        yield from answers
        return
    bar = host().ProgressBar(total=len(ids), desc="One request a task", unit="task")
    with contextlib.closing(bar):
        for done, answer in enumerate(answers, start=1):
            yield answer
            bar.show(done)


def _record_or_error(backend: Backend, task_id: str) -> TaskRecord | InductivaWidgetsError:
    """A whole task, or why this one is not available.

    Raises:
        InductivaWidgetsError: What concerns all tasks alike: no connection, a refused key.
    """
    try:
        return backend.client.task(check_task_id(task_id))
    except RateLimitedError:
        raise
    except AuthenticationError as error:
        if error.status_code == 401:
            raise
        return error
    except (ApiError, BadPayloadError, UserInputError) as error:
        return error


def _in_parallel(
    work: Callable[[str], TaskRecord | InductivaWidgetsError], ids: Sequence[str]
) -> Iterator[tuple[str, TaskRecord | InductivaWidgetsError]]:
    """The result of `work` for each id, in their order; closing the iterator stops it."""
    with DaemonPool(THREADS, "inductiva-details") as pool:
        yield from zip(ids, pool.map(work, ids), strict=True)
