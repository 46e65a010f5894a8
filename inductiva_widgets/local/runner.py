"""The queue and its slots: takes tasks in order, runs them, kills them, picks up after a crash."""

from __future__ import annotations

import collections
import logging
import shutil
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from inductiva_widgets.local.run import ENGINE_STOPPED, KILLED, TaskRun
from inductiva_widgets.local.statuses import RUNNING

if TYPE_CHECKING:
    from pathlib import Path

    from inductiva_widgets.local.disk import Reserve
    from inductiva_widgets.local.settings import EngineSettings
    from inductiva_widgets.local.storage import Storage
    from inductiva_widgets.local.store import Store

__all__ = ["Runner"]

logger = logging.getLogger(__name__)

# An engine that was asked to stop must not hang on a disk that does not answer: the next one
# packs what is left.
STOP_LIMIT_S = 6.0
RETRY_S = 1.0  # before the queue is asked again when the database could not answer


class Runner:
    """Worker threads, one per slot.

    Args:
        store: Where tasks and states are.
        storage: Where archives lie.
        settings: Slots, limits and grace times.
        reserve: Room kept for states, taken while the engine runs.
    """

    def __init__(
        self, store: Store, storage: Storage, settings: EngineSettings, reserve: Reserve
    ) -> None:
        self._store = store
        self._storage = storage
        self._settings = settings
        self._reserve = reserve
        self._changed = threading.Condition()
        self._stopping = False
        self._left_over: collections.deque[TaskRun] = collections.deque()
        self._runs: dict[str, TaskRun] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Sorts out what an earlier engine left, then starts to work on the queue."""
        self._settings.work_path.mkdir(parents=True, exist_ok=True)
        unfinished = self._store.with_status(RUNNING | {"pending-kill"})
        for record in unfinished:
            if record.status == "started":
                self._store.fail_open_operations(record.task_id)
                self._store.requeue(record.task_id)
            else:
                run = TaskRun(record, self._store, self._storage, self._settings)
                self._left_over.append(run)
        self._storage.remove_parts()
        self._sweep({record.task_id for record in unfinished})
        self._reserve.fill()
        for number in range(self._settings.slots):
            thread = threading.Thread(target=self._work, name=f"slot-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def wake(self) -> None:
        """Says that the queue has grown."""
        with self._changed:
            self._changed.notify_all()

    def kill(self, task_id: str) -> None:
        """Ends the run of a task that was marked `pending-kill`; returns at once."""
        with self._changed:
            run = self._runs.get(task_id)
        if run is not None:
            run.stop(KILLED)

    def stop(self) -> None:
        """Ends every run, waits for their states to be written, and stops the threads."""
        with self._changed:
            self._stopping = True
            for run in self._runs.values():
                run.stop(ENGINE_STOPPED, grace_s=self._settings.stop_grace_s)
            self._changed.notify_all()
        deadline_s = time.monotonic() + STOP_LIMIT_S
        for thread in self._threads:
            thread.join(max(deadline_s - time.monotonic(), 0))
        self._reserve.give()

    def _sweep(self, kept: set[str]) -> None:
        """Removes folders of tasks that ended while the engine was being killed."""
        for folder in self._settings.work_path.iterdir():
            if folder.name in kept:
                continue
            if self._is_unpacked(folder):
                self._settings.rescue_path.mkdir(exist_ok=True)
                folder.rename(self._settings.rescue_path / folder.name)
            else:
                shutil.rmtree(folder, ignore_errors=True)

    def _is_unpacked(self, folder: Path) -> bool:
        """Whether a run's outputs are nowhere but here: they could be neither packed nor moved."""
        record = self._store.get(folder.name)
        ran = (folder / "stdout.txt").exists()
        return ran and not (record and self._storage.local_path(record.output_path).is_file())

    def _work(self) -> None:
        while True:
            left_over, run = self._next()
            if run is None:
                return
            try:
                if left_over:
                    run.recover()
                else:
                    run.execute()
            except Exception:  # a slot must outlive everything, above all a full disk
                logger.exception("The state of task %s could not be written", run.task_id)
            finally:
                self._reserve.fill()
                with self._changed:
                    self._runs.pop(run.task_id, None)

    def _next(self) -> tuple[bool, TaskRun | None]:
        """What to do next, waiting for it; `None` when the engine stops."""
        with self._changed:
            while not self._stopping:
                if self._left_over:
                    return True, self._left_over.popleft()
                try:
                    record = self._store.claim_next()
                except sqlite3.Error:  # a full disk, above all: the queue waits for room
                    logger.exception("No task could be taken from the queue")
                    self._changed.wait(RETRY_S)
                    continue
                if record is not None:
                    run = TaskRun(record, self._store, self._storage, self._settings)
                    self._runs[record.task_id] = run
                    return False, run
                self._changed.wait()
        return False, None
