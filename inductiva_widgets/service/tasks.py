"""Commands about tasks: get, list, kill; and following the task list."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.api.models import STATUSES
from inductiva_widgets.backend import LOCAL_LIMIT_S
from inductiva_widgets.errors import (
    AuthenticationError,
    InductivaWidgetsError,
    RateLimitedError,
    UserInputError,
)
from inductiva_widgets.formats import iso
from inductiva_widgets.service.protocol import (
    BackendName,
    KillResult,
    NewestTasks,
    Stale,
    TasksEvent,
    TaskSummary,
)
from inductiva_widgets.service.summaries import record_summary, service_error, task_summary
from inductiva_widgets.task import Task
from inductiva_widgets.watch import KEY_LOOK_S, STEPS_S

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from inductiva_widgets.api.models import TaskPage
    from inductiva_widgets.backend import Backend

__all__ = ["TaskListFeed", "get_task", "kill_task", "list_tasks", "listed_count", "state_of"]

log = logging.getLogger(__name__)

MAX_LISTED = 500
FOLLOWED = 100
KILL_WAIT_S = 1.0


def get_task(backend: Backend, params: dict[str, Any]) -> dict[str, Any]:
    """State of one task, as `state_of`; with `refresh` the service is asked anyway."""
    task_id = check_task_id(params.get("task_id"))
    summary: dict[str, Any] = msgspec.to_builtins(
        state_of(backend, task_id, refresh=bool(params.get("refresh")))
    )
    return summary


def state_of(backend: Backend, task_id: str, *, refresh: bool = False) -> TaskSummary:
    """State of one task; asks the service unless there is an answer already.

    Raises:
        InductivaWidgetsError: The task is not known, or the service does not answer.
    """
    seen = None if refresh else backend.watcher.latest(task_id)
    if seen is None or seen.record is None:
        seen = backend.watcher.refresh(task_id, retry=False)
    return task_summary(backend, seen)


def kill_task(backend: Backend, params: dict[str, Any]) -> dict[str, Any]:
    """Kills a task; `outcome` is what the service confirmed, never what was hoped."""
    task = Task(check_task_id(params.get("task_id")), backend=backend)
    outcome = task.kill(wait_timeout=KILL_WAIT_S)
    try:
        seen = backend.watcher.refresh(task.id, retry=False)
    except InductivaWidgetsError:  # of the state only: the kill itself has an outcome
        known = backend.watcher.latest(task.id)
        if known is None:
            raise
        seen = known
    backend.watcher.wake()
    result: dict[str, Any] = msgspec.to_builtins(KillResult(outcome, task_summary(backend, seen)))
    return result


def list_tasks(backend: Backend, params: dict[str, Any]) -> dict[str, Any]:
    """The newest tasks, newest first, and how many there are."""
    last_n, status = listed_count(params), params.get("status")
    if status is not None and (not isinstance(status, str) or status not in STATUSES):
        raise UserInputError("There is no such task status.")
    page = backend.client.tasks(per_page=last_n, status=status)
    newest = NewestTasks(_rows(backend, page), page.total_size)
    listed: dict[str, Any] = msgspec.to_builtins(newest)
    return listed


def listed_count(params: dict[str, Any]) -> int:
    """How many tasks a view wants listed.

    Raises:
        UserInputError: No number, or too many.
    """
    last_n = params.get("last_n", 50)
    if isinstance(last_n, bool) or not isinstance(last_n, int) or not 1 <= last_n <= MAX_LISTED:
        raise UserInputError(f"last_n must be a number from 1 to {MAX_LISTED}.")
    return last_n


def _rows(backend: Backend, page: TaskPage) -> list[TaskSummary]:
    now = backend.client.clock.now()
    name = BackendName(backend.id, backend.name)
    return [record_summary(name, record, (now, now)) for record in page.tasks if record.task_id]


class TaskListFeed:
    """Follows the newest tasks on a thread of its own and sends what changed.

    Requests come after 1, 2, 5, 10 s, and after 1 s again when something changed, but never sooner
    than the backend's watcher polls. While the service does not answer, the tasks known so far are
    sent once, marked as stale. With a refused key nothing is asked until there is another one, or
    `wake` is called.

    Args:
        backend: Where the tasks run.
        send: Takes each event, on the thread.
        on_page: Takes each answer, whether or not it holds news, on the thread.

    Attributes:
        latest: The event sent last.
    """

    def __init__(
        self,
        backend: Backend,
        send: Callable[[dict[str, Any]], None],
        on_page: Callable[[TaskPage], None] = lambda _: None,
    ) -> None:
        self._backend = backend
        self._send = send
        self._on_page = on_page
        self.latest: dict[str, Any] | None = None
        self._rows: list[TaskSummary] = []
        self._total = 0
        self._stale_since: dt.datetime | None = None
        self._quiet_rounds = 0
        self._refused_key: int | None = None  # its number
        self._closed = False
        self._wake = threading.Event()
        name = "inductiva-task-list"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def close(self) -> None:
        """Ends the following."""
        self._closed = True
        self._wake.set()

    def wake(self) -> None:
        """Looks at once: something is known to have changed."""
        self._quiet_rounds = 0
        self._refused_key = None
        self._wake.set()

    def _run(self) -> None:
        while not self._closed:
            try:
                pause = self._look()
            except Exception as error:  # the thread must outlive whatever an answer does to it
                log.exception("following the tasks failed by a fault of this package")
                pause = self._failed(InductivaWidgetsError(type(error).__name__))
            self._wake.wait(pause)
            self._wake.clear()

    def _look(self) -> float:
        """One look; returns the seconds until the next one."""
        credentials = self._backend.client.credentials
        if not credentials.is_new(self._refused_key):
            return KEY_LOOK_S
        number = credentials.changes
        try:
            page = self._backend.client.tasks(per_page=FOLLOWED, retry=False)
        except InductivaWidgetsError as error:
            self._refused_key = number if isinstance(error, AuthenticationError) else None
            return self._failed(error)
        self._on_page(page)
        rows, total = _rows(self._backend, page), page.total_size
        old = self._rows, self._total
        is_news = self.latest is None or self._stale_since is not None
        self._rows, self._total, self._stale_since = rows, total, None
        if is_news or not _is_same(old, (rows, total)):
            self._quiet_rounds = -1
            self._publish(rows)
        return self._pause()

    def _failed(self, error: InductivaWidgetsError) -> float:
        pause = self._pause() if self._refused_key is None else KEY_LOOK_S
        if isinstance(error, RateLimitedError) and error.retry_after_s is not None:
            pause = error.retry_after_s
        if self._stale_since is None and self.latest is not None:
            self._stale_since = self._backend.client.clock.now()
            retry_in_s = pause if self._refused_key is None else None
            stale = Stale(iso(self._stale_since) or "", service_error(error), retry_in_s)
            self._publish([msgspec.structs.replace(row, stale=stale) for row in self._rows])
        return pause

    def _pause(self) -> float:
        self._quiet_rounds += 1
        step = STEPS_S[min(self._quiet_rounds, len(STEPS_S) - 1)]
        step = min(step, LOCAL_LIMIT_S) if self._backend.is_local else step
        return max(step, self._backend.watcher.least_pause_s)

    def _publish(self, rows: list[TaskSummary]) -> None:
        event = msgspec.to_builtins(TasksEvent(tasks=rows, total=self._total))
        self.latest = event
        if not self._closed:
            self._send(event)


def _is_same(old: tuple[list[TaskSummary], int], new: tuple[list[TaskSummary], int]) -> bool:
    """Whether two lists differ in nothing but the time of asking."""

    def timeless(rows: list[TaskSummary]) -> list[TaskSummary]:
        return [msgspec.structs.replace(row, as_of="", server_now="") for row in rows]

    return old[1] == new[1] and timeless(old[0]) == timeless(new[0])
