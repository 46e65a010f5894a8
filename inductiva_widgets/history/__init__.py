"""Task history as pandas frames, and what can be drawn and kept of them.

Columns and dtypes are always the same, also for no rows. What is not known is NaT or NA, never 0
or a text. Frames are built from columns, page by page, not from one object per cell.
"""

from __future__ import annotations

from inductiva_widgets.history.charts import cost_by, gantt, machine_load, runtime_scatter
from inductiva_widgets.history.files import read_csv, read_parquet, to_csv, to_parquet
from inductiva_widgets.history.frames import task_frame
from inductiva_widgets.history.metrics import metrics_frame
from inductiva_widgets.history.timeline import timeline_frame

__all__ = [
    "cost_by",
    "gantt",
    "machine_load",
    "metrics_frame",
    "read_csv",
    "read_parquet",
    "runtime_scatter",
    "task_frame",
    "timeline_frame",
    "to_csv",
    "to_parquet",
]


def __dir__() -> list[str]:
    return sorted(__all__)
