"""Task history as pandas frames, with charts and files of them.

Columns and dtypes are always the same, even without rows. Unknown values are NaT or NA, never 0
or a text. Frames are built from columns, page by page, not from one object per cell.
"""

from __future__ import annotations

from inductiva_widgets.history.charts import cost_by, gantt, machine_load, runtime_scatter
from inductiva_widgets.history.files import read_csv, read_parquet, to_csv, to_parquet

__all__ = [
    "cost_by",
    "gantt",
    "machine_load",
    "read_csv",
    "read_parquet",
    "runtime_scatter",
    "to_csv",
    "to_parquet",
]


def __dir__() -> list[str]:
    return sorted(__all__)
