"""Tasks as the service lists them: as a list, as a frame, as records."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from inductiva_widgets import backend as backends
from inductiva_widgets.api.client import MAX_PAGE
from inductiva_widgets.api.models import STATUSES
from inductiva_widgets.errors import BadPayloadError, UserInputError
from inductiva_widgets.task import Task

if TYPE_CHECKING:
    import pandas as pd

    from inductiva_widgets.api.models import TaskRecord
    from inductiva_widgets.backend import Backend

__all__ = ["TaskList", "fetch_records", "frame", "get"]

log = logging.getLogger(__name__)

PAGE_LIMIT = 2000  # a million tasks
READINGS = 3  # of the pages, while tasks come and go between them


class TaskList(list[Task]):
    """Tasks, newest first."""

    def __repr__(self) -> str:
        return "\n".join(repr(task) for task in self) or "<no tasks>"


def get(
    last_n: int | None = 10,
    status: str | None = None,
    project: str | None = None,
    *,
    unknown_status: bool = False,
    backend: Backend | None = None,
) -> TaskList:
    """The newest tasks, newest first.

    Args:
        last_n: How many at most; `None` for all.
        status: Only tasks in this state.
        project: Only tasks of this project.
        unknown_status: Whether `status` may be one that this package does not know.
        backend: Where to look; the default backend when not given.

    Raises:
        UserInputError: `last_n` is no positive number, or the status is none that is known.
    """
    chosen = backend or backends.default()
    records = fetch_records(chosen, last_n, status, project, unknown_status=unknown_status)
    return TaskList(Task(record.task_id, backend=chosen) for record in records)


def frame(
    last_n: int | None = 10,
    status: str | None = None,
    project: str | None = None,
    *,
    unknown_status: bool = False,
    backend: Backend | None = None,
) -> pd.DataFrame:
    """The task history as a frame: one row a task, newest first; arguments as for `get`."""
    from inductiva_widgets import history

    chosen = backend or backends.default()
    records = fetch_records(chosen, last_n, status, project, unknown_status=unknown_status)
    query = {"last_n": last_n, "status": status, "project": project, "backend": chosen.name}
    return history.task_frame(records, chosen.client.clock.now(), query)


def fetch_records(
    backend: Backend,
    last_n: int | None,
    status: str | None,
    project: str | None,
    *,
    unknown_status: bool = False,
) -> list[TaskRecord]:
    """Records of the newest tasks, each id once, however tasks arrive meanwhile."""
    check_last_n(last_n)
    if not unknown_status or not isinstance(status, str) or not status:
        check_status(status)
    found: dict[str, TaskRecord] = {}
    for _ in range(READINGS):
        records, totals = _read_pages(backend, last_n, status, project)
        if len(totals) == 1:  # nothing came or went between the pages: this reading is whole
            found = records
            break
        found = {**records, **{i: r for i, r in found.items() if i not in records}}
    told = min(totals)
    missing = (told if last_n is None else min(told, last_n)) - len(found)
    if missing > 0:
        log.warning("The list of tasks is incomplete: the service kept %d back.", missing)
    return [*found.values()][:last_n]


def _read_pages(
    backend: Backend, last_n: int | None, status: str | None, project: str | None
) -> tuple[dict[str, TaskRecord], set[int]]:
    """Records by id, newest first, and the totals that the pages told."""
    found: dict[str, TaskRecord] = {}
    totals: set[int] = set()
    for page in range(1, PAGE_LIMIT + 1):
        per_page = MAX_PAGE if last_n is None else min(MAX_PAGE, last_n)
        reply = backend.client.tasks(page=page, per_page=per_page, status=status, project=project)
        totals.add(reply.total_size)
        fresh = [r for r in reply.tasks if r.task_id and r.task_id not in found]
        found.update((record.task_id, record) for record in fresh)
        # A page without news ends it, whatever the total says: it may lie. A short page alone
        # does not: the service may send fewer a page than asked for.
        is_short = len(reply.tasks) < per_page and len(found) >= reply.total_size
        if not fresh or is_short or (last_n is not None and len(found) >= last_n):
            return found, totals
    raise BadPayloadError("The service lists tasks without end.", hint="Ask for fewer with last_n.")


def check_last_n(last_n: object) -> None:
    """Refuses anything but a positive whole number or `None`."""
    is_count = isinstance(last_n, int) and not isinstance(last_n, bool) and last_n >= 1
    if last_n is not None and not is_count:
        raise UserInputError(
            f"last_n is {last_n!r}, but must be a number of at least 1.",
            hint="last_n=None gives all tasks.",
        )


def check_status(status: object) -> None:
    """Refuses a status filter that the service does not know; `None` is no filter."""
    if status is not None and not (isinstance(status, str) and status in STATUSES):
        raise UserInputError(
            f"{str(status)[:40]!r} is no task status.",
            hint=f"Known are: {', '.join(STATUSES)}.",
        )
