"""What the service says about a task: its state, times, machine and notes."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

from inductiva_widgets import backend as backends
from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.api.models import Group, status_info
from inductiva_widgets.formats import safe_text, timespan
from inductiva_widgets.submit import check_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from inductiva_widgets.api.models import TaskRecord
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.watch import Observation

__all__ = ["TaskFacts"]


class TaskFacts:
    """What can be asked about a task; `Task` adds what can be done with it.

    It holds no state of the task: what the service said last is kept by the backend's watcher.

    Everything that asks the service raises as `refresh` does.
    """

    def __init__(self, task_id: str, *, backend: Backend | None = None) -> None:
        self._id = check_task_id(task_id)
        self._backend = backend
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """The task's id."""
        return self._id

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self._id

    @property
    def backend(self) -> Backend:
        """The service that the task runs on; fixed at the first use."""
        with self._lock:
            if self._backend is None:
                self._backend = backends.default()
            return self._backend

    @property
    def info(self) -> TaskRecord:
        """Everything the service said last; sends a request only when nothing is known yet."""
        seen = self._seen()
        return seen.record if seen and seen.record and not seen.is_brief else self.refresh()

    def refresh(self) -> TaskRecord:
        """Asks the service for everything about the task now.

        Raises:
            NotFoundError: This account has no such task.
            AuthenticationError: The key is refused.
            ServiceConnectionError: No answer, again after all retries.
            ServerError: The service failed, again after all retries.
        """
        record = self.backend.watcher.refresh(self._id).record
        if record is None:  # an observation without error always has one
            raise AssertionError
        return record

    def to_dict(self) -> dict[str, Any]:
        """Everything about the task exactly as the service sends it now."""
        return self.backend.client.task_dict(self._id)

    def get_status(self) -> str:
        """Status code now, e.g. `submitted`, `computation-started`, `success`.

        Asks the service unless the task is known to have ended, and raises as `refresh`.
        """
        record = self._final() or self.refresh()
        return record.status

    def is_terminal(self) -> bool:
        """Whether the task has ended, as the service decides."""
        return (self._final() or self.refresh()).is_terminated

    def is_running(self) -> bool:
        """Whether a machine works on the task now."""
        return status_info(self.get_status()).group is Group.RUNNING

    def is_failed(self) -> bool:
        """Whether the task has ended, but not in success."""
        record = self._final() or self.refresh()
        return record.is_terminated and record.status != "success"

    def get_position_in_queue(self) -> int | None:
        """Tasks ahead of this one while it is in the queue (0: next), else `None`."""
        return self.backend.watcher.refresh(self._id).tasks_ahead

    def get_machine_type(self) -> str | None:
        """Machine type, e.g. `c2-standard-4`; `None` until a machine picked the task up."""
        return (self._final() or self.refresh()).machine_type

    def get_simulator_name(self) -> str | None:
        """Name of the simulator as shown in lists."""
        return self.info.simulator

    def get_computation_time(self) -> str | None:
        """Computation time as `HH:MM:SS`, up to now while it runs; `None` before."""
        return timespan(self._computation_seconds())

    @property
    def computation_time(self) -> dt.timedelta | None:
        """Computation time, up to now while it runs; `None` before."""
        seconds = self._computation_seconds()
        if seconds is None or abs(seconds) > dt.timedelta.max.total_seconds() / 2:
            return None
        return dt.timedelta(seconds=seconds)

    def get_total_time(self) -> str | None:
        """Time since the task was created, or its total duration, as `HH:MM:SS`."""
        record = self._final() or self.refresh()
        return timespan(record.total_seconds(self.backend.client.clock.now()))

    def get_metadata(self) -> dict[str, str]:
        """The metadata of the task: its user's own notes."""
        return self.backend.client.metadata(self._id)

    def set_metadata(self, metadata: Mapping[str, str], *, replace: bool = False) -> None:
        """Adds metadata to the task, or replaces all of it; non-empty texts only.

        Raises:
            UserInputError: A key or value is empty or no text.
        """
        check_metadata(metadata)
        self.backend.client.set_metadata(self._id, metadata, replace=replace)

    def timeline(self) -> pd.DataFrame:
        """Phases of the task as a long-form frame: phase, start, end, duration, command, exit."""
        from inductiva_widgets.history.timeline import timeline_frame

        record = self.info if self._final() else self.refresh()
        return timeline_frame([record], self.backend.client.clock.now())

    def __repr__(self) -> str:
        record = self._known()
        state = f": {safe_text(record.status, 60)}" if record else ""
        return f"<Task {self._id}{state}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TaskFacts):
            return NotImplemented
        return (self._id, self._backend) == (other._id, other._backend)

    def __hash__(self) -> int:
        return hash(self._id)

    def _seen(self) -> Observation | None:
        backend = self._backend
        return backend.watcher.latest(self._id) if backend else None

    def _known(self) -> TaskRecord | None:
        seen = self._seen()
        return seen.record if seen else None

    def _final(self) -> TaskRecord | None:
        record = self._known()
        return record if record and record.is_terminated else None

    def _computation_seconds(self) -> float | None:
        record = self._final() or self.refresh()
        return record.computation_seconds(self.backend.client.clock.now())
