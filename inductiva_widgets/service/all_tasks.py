"""All tasks of a backend, kept and packed for views that search, sort and group them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.formats import iso
from inductiva_widgets.service.packing import pack_tasks
from inductiva_widgets.service.protocol import BackendName, TaskCollection, TaskSummary
from inductiva_widgets.service.summaries import record_summary
from inductiva_widgets.tasks.listing import fetch_records

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from inductiva_widgets.api.models import TaskPage, TaskRecord
    from inductiva_widgets.backend import Backend

__all__ = ["AllTasks", "Kept"]

MOST_KEPT = 50_000  # some 50 MB here, 150 MB in a browser
PAGE_SIZE = 500
FRESH_S = 10.0  # an answer this young serves again
REREAD_S = 60.0  # all pages are read again at most this often, however the totals contradict them
MOST_ASKED = 20  # older tasks still open, asked for one by one; more of them lead to a full reading

Kept = tuple[TaskSummary, dict[str, str]]


class AllTasks:
    """The newest 50,000 tasks, read once page by page and kept up to date by the newest page.

    One lock guards what is kept; another one lets one thread read while the rest wait for it.

    Args:
        backend: Where the tasks run.
        monotonic: Seconds of a clock that is never set.
    """

    def __init__(self, backend: Backend, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._backend = backend
        self._name = BackendName(backend.id, backend.name)
        self._monotonic = monotonic
        self._reading = threading.Lock()
        self._lock = threading.Lock()
        self._kept: dict[str, Kept] = {}  # newest first
        self._total = 0
        self._as_of: dt.datetime | None = None
        self._is_whole = False  # nothing is known to be missing
        self._read_at = self._seen_at = float("-inf")
        self._packed: bytes | None = None

    def pack(self, params: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """All tasks as one packed frame; with `refresh` the service is asked in any case."""
        with self._reading:
            self._bring_up_to_date(asked=bool(params.get("refresh")))
        with self._lock:
            if self._packed is None:
                self._packed = pack_tasks(self._kept.values())
            meta = TaskCollection(
                count=len(self._kept),
                total=max(self._total, len(self._kept)),
                backend=self._name,
                as_of=iso(self._as_of) or "",
                server_now=iso(self._backend.client.clock.now()) or "",
            )
            return msgspec.to_builtins(meta), [self._packed]

    def of(self, task_ids: Sequence[str]) -> dict[str, Kept]:
        """Those among these tasks that are kept, as young as for `pack`."""
        with self._reading:
            self._bring_up_to_date(asked=False)
        with self._lock:
            return {i: self._kept[i] for i in task_ids if i in self._kept}

    def accept(self, page: TaskPage) -> None:
        """Takes in the newest tasks, which another caller has asked for."""
        with self._lock:
            if self._kept:
                self._merge(page)

    def is_ended(self, task_id: str) -> bool:
        """Whether a task is known to have ended, which no later answer takes back."""
        with self._lock:
            known = self._kept.get(task_id)
        return known is not None and known[0].is_terminal

    def _bring_up_to_date(self, *, asked: bool) -> None:
        if not self._kept:
            self._read_all()
            return
        if asked or self._monotonic() - self._seen_at > FRESH_S:
            page = self._backend.client.tasks(per_page=PAGE_SIZE)
            with self._lock:
                self._merge(page)
            self._ask_for_older(page)
        if not self._is_whole and self._monotonic() - self._read_at > REREAD_S:
            self._read_all()

    def _read_all(self) -> None:
        records = fetch_records(self._backend, MOST_KEPT, None, None)
        page = self._backend.client.tasks(per_page=PAGE_SIZE)
        with self._lock:
            self._as_of = self._backend.client.clock.now()
            self._kept = {record.task_id: self._keep(record) for record in records}
            self._read_at = self._monotonic()
            self._merge(page)

    def _merge(self, page: TaskPage) -> None:
        """The newest page first, then what was known; notes when that leaves something out."""
        self._as_of = self._backend.client.clock.now()
        fresh = {r.task_id: self._keep(r) for r in page.tasks if r.task_id}
        is_joined = not fresh or any(task_id in self._kept for task_id in fresh)
        older = ((task_id, kept) for task_id, kept in self._kept.items() if task_id not in fresh)
        merged = dict([*fresh.items(), *older][:MOST_KEPT])
        self._is_whole = is_joined and len(merged) == min(page.total_size, MOST_KEPT)
        if page.total_size != self._total or not _is_same(merged, self._kept):
            self._packed = None
        self._kept, self._total = merged, page.total_size
        self._seen_at = self._monotonic()

    def _ask_for_older(self, page: TaskPage) -> None:
        """Asks for older tasks that were still open, which the newest page does not hold."""
        listed = {record.task_id for record in page.tasks}
        with self._lock:
            open_ids = [i for i, kept in self._kept.items() if not kept[0].is_terminal]
        older = [task_id for task_id in open_ids if task_id not in listed]
        if len(older) > MOST_ASKED:
            self._is_whole = False
            return
        for task_id in older:
            try:
                record = self._backend.client.task(task_id)
            except InductivaWidgetsError:
                self._is_whole = False  # it may be gone
                continue
            with self._lock:
                self._kept[task_id] = self._keep(record)
                self._packed = None

    def _keep(self, record: TaskRecord) -> Kept:
        clocks = (self._as_of or self._backend.client.clock.now(),) * 2
        return record_summary(self._name, record, clocks), record.task_metadata


def _is_same(one: dict[str, Kept], other: dict[str, Kept]) -> bool:
    """Whether both hold the same of the same tasks, whenever it was said."""
    return list(one) == list(other) and all(
        ours is theirs or _timeless(ours) == _timeless(theirs)
        for ours, theirs in zip(one.values(), other.values(), strict=True)
    )


def _timeless(kept: Kept) -> tuple[Sequence[Any], dict[str, str]]:
    return msgspec.structs.astuple(msgspec.structs.replace(kept[0], as_of="", server_now="")), kept[
        1
    ]
