"""Frames of phases: one row per phase of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from inductiva_widgets.history.columns import INT_LIMIT, SPAN, STAMP, array_of
from inductiva_widgets.phases import KINDS, phases

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from inductiva_widgets.api.models import TaskRecord

__all__ = ["timeline_frame"]


def timeline_frame(records: Sequence[TaskRecord], now: dt.datetime) -> pd.DataFrame:
    """One row per phase: task_id, phase, start, end, duration, command, exit_code.

    The phases are those of `inductiva_widgets.phases`: the present one of a running task has no
    end, and its duration counts until `now`.

    Args:
        records: Of the tasks, with their history.
        now: The service's clock.
    """
    rows = [(record.task_id, phase) for record in records for phase in phases(record, now)]
    found = [phase for _, phase in rows]
    codes = [
        phase.exit_code if phase.exit_code is None or abs(phase.exit_code) <= INT_LIMIT else None
        for phase in found
    ]
    kinds = pd.CategoricalDtype(pd.Index(list(KINDS), dtype="string"), ordered=True)
    return pd.DataFrame(
        {
            "task_id": array_of([task_id for task_id, _ in rows], "string"),
            "phase": pd.Categorical([phase.kind for phase in found], dtype=kinds),
            "start": array_of([phase.start.isoformat() for phase in found], STAMP),
            "end": array_of([phase.end and phase.end.isoformat() for phase in found], STAMP),
            "duration": array_of([phase.seconds for phase in found], SPAN),
            "command": array_of([phase.command for phase in found], "string"),
            "exit_code": array_of(codes, "Int64"),
        }
    )
