"""Notices: what happened to tasks while nobody looked, and the ends of watched tasks.

Each is shown once, by one page: pages ask before they show a notice, and the first one may. What
is known outlives the server, in a file for each backend and account. The service is asked only
while a page listens.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import InductivaWidgetsError, UserInputError
from inductiva_widgets.formats import iso
from inductiva_widgets.lab.record import Record, load, save, take_in
from inductiva_widgets.service.events import Listener
from inductiva_widgets.service.protocol import NoticeClaim, WatchedTask

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inductiva_widgets.lab.record import Row
    from inductiva_widgets.service.dispatch import Service

    Send = Callable[[dict[str, Any]], None]

__all__ = ["Notices"]

FOLLOWED = 100  # running tasks that are not among the newest


class Notices:
    """The notices of one backend and account. One lock guards all state; no waiting below it.

    Args:
        service: Of the backend.
        path: The file of the record.
        now: The service's time, if not that of its clock.
    """

    topic = "notices"

    def __init__(
        self, service: Service, path: Path, now: Callable[[], dt.datetime] | None = None
    ) -> None:
        self._service = service
        self._path = path
        self._now = now or service.backend.client.clock.now
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._loaded: Record | None = None
        self._is_back = False  # nobody has listened since the last look
        self._is_fresh = False  # the last look showed what is true
        self._newest: list[Row] = []
        self._older: dict[str, Row | None] = {}  # tasks that are not among the newest; none yet
        self._following: dict[str, Listener] = {}  # by topic

    # ---- for pages; on any thread ----

    def subscribe(self, send: Send) -> Listener:
        """Listens; notices that no page has shown yet come at once."""
        listener = Listener(self, self.topic, send)
        with self._lock:
            is_first = not self._listeners
            if is_first:  # another server may have written since
                self._loaded = load(self._path) or self._loaded
                self._is_back, self._is_fresh = True, False
            self._listeners.append(listener)
            pending = list(self._record().pending)
        for notice in pending:
            self._deliver(listener, notice)
        if is_first:
            self._follow("tasks", self._on_tasks)
        return listener

    def remove(self, listener: Listener) -> None:
        """Ends a subscription; the last one ends the following of tasks."""
        with self._lock:
            if listener not in self._listeners:
                return
            self._listeners.remove(listener)
            if self._listeners:
                return
            self._note_time()
            following = list(self._following.values())
            self._following, self._newest, self._older = {}, [], {}
        for followed in following:
            followed.close()

    def seen(self, params: dict[str, Any]) -> dict[str, Any]:
        """Takes a notice away. Only the page that `is_first` to ask may show it."""
        with self._changing() as record:
            left = [n for n in record.pending if n["notice_id"] != params.get("notice_id")]
            is_first = len(left) < len(record.pending)
            record.pending = left
        claim: dict[str, Any] = msgspec.to_builtins(NoticeClaim(is_first))
        return claim

    def watch(self, params: dict[str, Any]) -> dict[str, Any]:
        """Sets whether the end of a task is notified.

        Raises:
            UserInputError: No task id, or `on` is neither true nor false.
        """
        task_id, on = check_task_id(params.get("task_id")), params.get("on")
        if not isinstance(on, bool):
            raise UserInputError("on must be true or false.")
        with self._changing() as record:
            record.watched[task_id] = on
        watched: dict[str, Any] = msgspec.to_builtins(WatchedTask(on))
        return watched

    def opened(self, task_id: str) -> None:
        """A page shows a task: its end is notified, unless somebody chose otherwise."""
        with self._lock:
            record = self._record()
            is_known = task_id in record.watched or task_id in record.ended
        if not is_known:
            with self._changing() as record:
                record.watched.setdefault(task_id, True)

    def keep(self) -> None:
        """Writes down that somebody looked until now, as at the end of the server."""
        with self._lock:
            if self._listeners:
                self._note_time()

    def close(self) -> None:
        """Ends all listening."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.close()

    # ---- what the service says; on the threads of its feeds ----

    def _on_tasks(self, message: dict[str, Any]) -> None:
        rows: list[Row] = message["event"]["tasks"]
        if any(row["stale"] for row in rows):
            with self._lock:
                self._is_fresh = False
            return
        with self._lock:
            self._newest = rows
            known = {row["task_id"] for row in rows}
            older = [i for i in self._record().running if i not in known][:FOLLOWED]
            self._older = {task_id: self._older.get(task_id) for task_id in older}
            wanted = {f"task/{task_id}" for task_id in older}
            left = [t for t in self._following if t not in wanted and t.startswith("task/")]
            gone = [self._following.pop(topic) for topic in left]
        for listener in gone:
            listener.close()
        for topic in sorted(wanted):
            self._follow(topic, self._on_older)
        self._consider()

    def _on_older(self, message: dict[str, Any]) -> None:
        event = message["event"]
        if event["kind"] != "task":
            return
        row: Row = event["task"]
        with self._lock:
            if row["task_id"] in self._older:
                self._older[row["task_id"]] = row
        self._consider()

    def _consider(self) -> None:
        """Sends notices of what has ended, once the state of all tasks is known."""
        with self._lock:
            older = [row for row in self._older.values() if row is not None]
            if not self._listeners or len(older) < len(self._older):
                return
            rows = self._newest + [row for row in older if not _is_lost(row)]
            record = self._record()
            before = (record.running, record.ended)
            notices = take_in(record, rows, self._now(), is_back=self._is_back)
            self._is_back, self._is_fresh = False, True
            if notices or before != (record.running, record.ended):
                save(self._path, record)
            listeners = list(self._listeners)
        for notice in notices:
            for listener in listeners:
                self._deliver(listener, notice)

    def _follow(self, topic: str, send: Send) -> None:
        with self._lock:
            if topic in self._following or not self._listeners:
                return
        try:
            listener: Listener | None = self._service.hub.subscribe(topic, send)
        except InductivaWidgetsError:  # a record may hold an id that is none
            with self._lock:
                self._older.pop(topic.removeprefix("task/"), None)
            return
        with self._lock:
            if self._listeners and topic not in self._following and listener is not None:
                self._following[topic], listener = listener, None
        if listener is not None:
            listener.close()

    def _deliver(self, listener: Listener, notice: Row) -> None:
        with contextlib.suppress(RuntimeError):  # the page's loop has ended
            listener.deliver(notice)

    # ---- the record ----

    def _record(self) -> Record:
        """The record (lock held)."""
        if self._loaded is None:
            self._loaded = load(self._path) or Record()
        return self._loaded

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Record]:
        with self._lock:
            yield self._record()
            save(self._path, self._record())

    def _note_time(self) -> None:
        """What was true at the last look is so until now (lock held)."""
        if self._is_fresh:
            self._record().seen_at = iso(self._now()) or ""
            save(self._path, self._record())


def _is_lost(row: Row) -> bool:
    """Whether the service says that there is no such task any more."""
    return row["stale"] is not None and row["stale"]["error"]["type"] == "NotFoundError"
