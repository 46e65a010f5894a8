"""A chosen set of tasks, listed as if there were no others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.formats import iso
from inductiva_widgets.service.packing import pack_tasks
from inductiva_widgets.service.protocol import (
    BackendName,
    NewestTasks,
    TaskCollection,
    TaskSummary,
)
from inductiva_widgets.service.summaries import record_summary
from inductiva_widgets.service.tasks import listed_count
from inductiva_widgets.tasks.details import records_by_id

if TYPE_CHECKING:
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.service.all_tasks import AllTasks, Kept

__all__ = ["ChosenTasks"]

MOST_CHOSEN = 50_000
ASKED_ONE_BY_ONE = 16  # as many requests as go at once; more tasks come by pages of the list
MOST_ASKED = 500  # tasks too old for the pages


class ChosenTasks:
    """Answers `tasks.list` and `tasks.all` for the tasks of given ids.

    What has ended is requested once. One lock guards what is kept.

    Args:
        backend: Where the tasks run.
        all_tasks: Tasks that are known already.
    """

    def __init__(self, backend: Backend, all_tasks: AllTasks) -> None:
        self._backend = backend
        self._all = all_tasks
        self._name = BackendName(backend.id, backend.name)
        self._lock = threading.Lock()
        self._ended: dict[str, Kept] = {}

    def list_tasks(self, params: dict[str, Any]) -> dict[str, Any]:
        """The newest of the tasks `ids`, newest first, and how many there are.

        Ids unknown to the service are left out.

        Raises:
            UserInputError: `ids` is not a list of ids, or `last_n` no number from 1 to 500.
        """
        last_n, found = listed_count(params), self._found(_checked(params.get("ids")))
        now = iso(self._backend.client.clock.now()) or ""
        rows = [msgspec.structs.replace(row, server_now=now) for row, _ in found[:last_n]]
        listed: dict[str, Any] = msgspec.to_builtins(NewestTasks(rows, len(found)))
        return listed

    def pack(self, params: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """All of the tasks `ids`, packed.

        Raises:
            UserInputError: `ids` is not a list of ids.
        """
        found = self._found(_checked(params.get("ids")))
        now = iso(self._backend.client.clock.now()) or ""
        count = len(found)
        meta = TaskCollection(
            count=count, total=count, backend=self._name, as_of=now, server_now=now
        )
        return msgspec.to_builtins(meta), [pack_tasks(found)]

    def _found(self, ids: list[str]) -> list[Kept]:
        with self._lock:
            known = {task_id: self._ended[task_id] for task_id in ids if task_id in self._ended}
        unknown = [task_id for task_id in ids if task_id not in known]
        if len(unknown) > ASKED_ONE_BY_ONE:
            known.update(self._all.of(unknown))
            unknown = [task_id for task_id in unknown if task_id not in known]
        records, _ = records_by_id(self._backend, unknown[:MOST_ASKED])
        clocks = (self._backend.client.clock.now(),) * 2
        for record in records:
            summary = record_summary(self._name, record, clocks)
            known[record.task_id] = (summary, record.task_metadata)
        with self._lock:
            self._ended.update((i, kept) for i, kept in known.items() if kept[0].is_terminal)
            while len(self._ended) > MOST_CHOSEN:
                del self._ended[next(iter(self._ended))]
        return sorted(known.values(), key=_created_at, reverse=True)


def _created_at(kept: tuple[TaskSummary, dict[str, str]]) -> str:
    return kept[0].created_at or ""


def _checked(ids: object) -> list[str]:
    if not isinstance(ids, list) or len(ids) > MOST_CHOSEN:
        raise UserInputError(f"ids must be a list of at most {MOST_CHOSEN} ids.")
    return list(dict.fromkeys(check_task_id(task_id) for task_id in ids))
