"""How long runs usually take, learned from task lists that were fetched anyway."""

from __future__ import annotations

import statistics
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inductiva_widgets.api.models import TaskRecord
    from inductiva_widgets.api.rows import TaskRow

__all__ = ["RunTimes"]

KEPT = 100  # newest runs of one simulator on one machine type
FEWEST = 3  # fewer than this many runs are not "usual"


class RunTimes:
    """Computation times of successful runs, by simulator and machine type. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[tuple[str, str], dict[str, float]] = {}

    def learn(self, records: Sequence[TaskRecord | TaskRow]) -> None:
        """Takes in the successful ones of a list, newest first."""
        with self._lock:
            for record in reversed(records):
                seconds, machine = record.metrics.computation_seconds, record.machine_type
                if record.status != "success" or seconds is None or seconds < 0:
                    continue
                if record.simulator and machine:
                    runs = self._seconds.setdefault((record.simulator, machine), {})
                    runs[record.task_id] = seconds
                    if len(runs) > KEPT:
                        del runs[next(iter(runs))]

    def usual(self, simulator: str | None, machine_type: str | None) -> float | None:
        """Median in seconds; `None` when fewer than three runs are known."""
        if simulator is None or machine_type is None:
            return None
        with self._lock:
            runs = list(self._seconds.get((simulator, machine_type), {}).values())
        return statistics.median(runs) if len(runs) >= FEWEST else None
