"""Commands about many tasks at once: kill them, download the outputs of each."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.ending import KillOutcome
from inductiva_widgets.errors import (
    DownloadCancelledError,
    InductivaWidgetsError,
    UserInputError,
)
from inductiva_widgets.service.protocol import (
    BatchFailure,
    BatchProgress,
    BatchState,
    TaskKill,
    TaskKills,
)
from inductiva_widgets.service.summaries import service_error
from inductiva_widgets.task import Task
from inductiva_widgets.task.files import outputs_of
from inductiva_widgets.tasks.downloading import SideBySide, of_task
from inductiva_widgets.tasks.killing import kill_each

if TYPE_CHECKING:
    from pathlib import Path

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.service.events import EventHub, Listener
    from inductiva_widgets.service.targets import Targets

__all__ = ["BulkCommands"]

log = logging.getLogger(__name__)

MOST_TASKS = 1000  # in one command
KILL_WAIT_S = 2.0  # for the confirmations of all of them together
PROGRESS_S = 0.25  # between two events of a batch
ENDED_KEPT = 20  # batches whose end is sent to pages that come back

Publish = Callable[[dict[str, Any]], None]


class BulkCommands:
    """Kills and downloads of many tasks, for one backend and all its views.

    Args:
        backend: Where the tasks run.
        hub: Carries the events of a batch, topic `batch/<id>`.
        targets: Folders that views download to.
        is_ended: Whether a task is known to have ended.
    """

    def __init__(
        self,
        backend: Backend,
        hub: EventHub,
        targets: Targets,
        is_ended: Callable[[str], bool],
    ) -> None:
        self._backend = backend
        self._hub = hub
        self._targets = targets
        self._is_ended = is_ended
        self._lock = threading.Lock()
        self._batches: dict[str, _Batch] = {}  # oldest first

    def kill(self, params: dict[str, Any]) -> dict[str, Any]:
        """Kills tasks, some at a time; `outcomes` holds what the service confirmed for each.

        Nothing is sent for tasks that have ended. One failure does not affect the others.
        """
        tasks = [Task(task_id, backend=self._backend) for task_id in _task_ids(params)]
        results = kill_each(tasks, KILL_WAIT_S, is_ended=self._is_ended)
        self._backend.watcher.wake()
        outcomes = [_task_kill(task_id, result) for task_id, result in results.items()]
        answer: dict[str, Any] = msgspec.to_builtins(TaskKills(outcomes))
        return answer

    def download(self, params: dict[str, Any]) -> dict[str, Any]:
        """Starts the download of the same files of each task; only reports where to with `plan`.

        Raises:
            UserInputError: No tasks, too many, `filenames` is not a list of texts, or `folder` not
                a folder of the file browser.
        """
        task_ids, filenames = _task_ids(params), _filenames(params.get("filenames"))
        tasks = [Task(task_id, backend=self._backend) for task_id in task_ids]
        folder = params.get("folder")
        shown = self._targets.shown(self._targets.base(self._backend, folder))
        batch = _Batch(tasks, filenames, partial(self._target, folder), shown)
        if params.get("plan"):
            return batch.state("planned")
        with self._lock:
            self._batches[batch.batch_id] = batch
            ended = [i for i, one in self._batches.items() if one.is_ended]
            for batch_id in ended[: max(0, len(ended) - ENDED_KEPT)]:
                del self._batches[batch_id]
        batch.start(partial(self._hub.publish, f"batch/{batch.batch_id}"))
        return batch.state()

    def cancel(self, params: dict[str, Any]) -> dict[str, Any]:
        """Cancels a batch; one that has ended or is unknown is no error."""
        with self._lock:
            batch = self._batches.get(str(params.get("batch_id")))
        if batch is not None:
            batch.cancel()
        return {}

    def send_state(self, listener: Listener) -> None:
        """Sends the state of a batch to a new listener of its topic."""
        with self._lock:
            batch = self._batches.get(listener.topic.removeprefix("batch/"))
        if batch is not None:
            batch.send(partial(self._hub.deliver, listener))

    def close(self) -> None:
        """Cancels all batches and waits for their ends."""
        with self._lock:
            batches = list(self._batches.values())
        for batch in batches:
            batch.cancel()
        for batch in batches:
            batch.join()

    def _target(self, folder: object, task: Task) -> Path:
        return self._targets.checked(self._targets.place(task, folder))


class _Batch:
    """Downloads of several tasks, a few at a time. One lock guards the outcome of the tasks."""

    def __init__(
        self,
        tasks: list[Task],
        filenames: list[str] | None,
        target_of: Callable[[Task], Path],
        shown: str,
    ) -> None:
        self.batch_id = secrets.token_hex(8)
        self._tasks = tasks
        self._filenames = filenames
        self._target_of = target_of
        self._shown = shown
        self._together = SideBySide(tasks)
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._failures: list[BatchFailure] = []
        self._ended_tasks = 0
        self._next_at = 0.0  # when the next event is due
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_ended(self) -> bool:
        return self._ended.is_set()

    def start(self, publish: Publish) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(publish,), name="inductiva-batch", daemon=True
        )
        self._thread.start()

    def cancel(self) -> None:
        self._together.cancel(keep_received=False)

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join(5.0)

    def send(self, deliver: Publish) -> None:
        """Delivers the present state; no older one comes after it."""
        with self._sending:
            deliver({"kind": "batch", "batch": self.state()})

    def state(self, state: BatchState | None = None) -> dict[str, Any]:
        with self._lock:
            now = self._together.standing()
            progress = BatchProgress(
                batch_id=self.batch_id,
                state=state or self._state(),
                tasks=len(self._tasks),
                tasks_done=self._ended_tasks,
                files_done=now.files_done,
                bytes=now.bytes,
                bytes_done=now.bytes_done,
                bytes_per_s=now.bytes_per_s or None,
                target=self._shown,
                failures=list(self._failures),
            )
        message: dict[str, Any] = msgspec.to_builtins(progress)
        return message

    def _state(self) -> BatchState:
        if not self.is_ended:
            return "running"
        if self._together.is_cancelled:
            return "cancelled"
        return "failed" if self._failures else "done"

    def _run(self, publish: Publish) -> None:
        try:
            self._together.each(self._fetch, partial(self._send_if_due, publish))
        finally:
            self._ended.set()
            self.send(publish)

    def _send_if_due(self, publish: Publish) -> None:
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + PROGRESS_S
            self.send(publish)

    def _fetch(self, task: Task) -> None:
        try:
            self._deliver(task)
        except DownloadCancelledError:
            return  # as was asked, so neither done nor failed
        except Exception as error:
            # The top of a thread: one task's failure is noted and does not affect the others.
            if not isinstance(error, InductivaWidgetsError):
                log.exception("download of a task failed")
            with self._lock:
                self._failures.append(BatchFailure(task.id, service_error(error)))
        with self._lock:
            self._ended_tasks += 1

    def _deliver(self, task: Task) -> None:
        if self._together.is_cancelled:
            raise DownloadCancelledError("The download was cancelled.")
        download = outputs_of(task).start_download(
            self._target_of(task),
            filenames=self._filenames,
            connections=self._together.connections,
        )
        try:
            self._together.follow(download)
        except InductivaWidgetsError as error:
            raise of_task(task, error) from None


def _task_kill(task_id: str, result: KillOutcome | InductivaWidgetsError) -> TaskKill:
    if isinstance(result, KillOutcome):
        return TaskKill(task_id, result.value)
    return TaskKill(task_id, "failed", service_error(result))


def _task_ids(params: dict[str, Any]) -> list[str]:
    """The ids, each once, in the order given."""
    given = params.get("task_ids")
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_TASKS:
        raise UserInputError(f"task_ids must be a list of 1 to {MOST_TASKS} ids.")
    return list(dict.fromkeys(check_task_id(task_id) for task_id in given))


def _filenames(given: object) -> list[str] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not given or not all(isinstance(n, str) for n in given):
        raise UserInputError(
            "filenames must be a list of names, folders or patterns.",
            hint="Leave it out for all files.",
        )
    return given
