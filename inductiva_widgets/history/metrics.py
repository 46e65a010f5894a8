"""The machine of a task while it ran: `system_metrics.csv` as a frame."""

from __future__ import annotations

import pandas as pd

from inductiva_widgets.metrics import METRICS_FILE, MISSING, read_table

__all__ = ["METRICS_FILE", "metrics_frame"]


def metrics_frame(content: bytes) -> pd.DataFrame:
    """The samples of a task's machine, index `time` (UTC), in the order of time.

    Columns are numbers where all cells are; a cell of `--` and the like is missing. The column of
    times is the first whose name begins with `time` or `date`, else the first of all; seconds
    since 1970 and ISO 8601 are read. Rows without a time are left out, unless none has one.

    Args:
        content: The file's bytes: CSV with a header, separated by commas, semicolons or tabs.
    """
    table = read_table(content)
    if table is None:
        return pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC", name="time").as_unit("us"))
    rows = [[None if cell in MISSING else cell for cell in row] for row in table.rows]
    cells = pd.DataFrame(rows, columns=table.names, dtype="string")
    named = table.names[table.time_at]
    index = _times(cells[named])
    if not index.notna().any():
        return cells.apply(_typed).set_axis(index, axis="index")
    frame = cells.drop(columns=named).apply(_typed).set_axis(index, axis="index")
    return frame[frame.index.notna()].sort_index(kind="stable")


def _times(cells: pd.Series) -> pd.DatetimeIndex:
    seconds = pd.to_numeric(cells, errors="coerce")
    if seconds.notna().any():
        read = pd.to_datetime(seconds.astype("Float64"), unit="s", utc=True, errors="coerce")
    else:
        read = pd.to_datetime(cells, format="ISO8601", utc=True, errors="coerce")
    return pd.DatetimeIndex(read, name="time").as_unit("us")


def _typed(column: pd.Series) -> pd.Series:
    """Numbers where every cell that holds something is one; counts where all are whole."""
    numbers = pd.to_numeric(column.str.strip(" %"), errors="coerce")
    whole = numbers.notna().sum() == column.notna().sum()
    if not whole:
        return column
    is_counted = numbers.notna().any() and (numbers.dropna() % 1 == 0).all()
    return numbers.astype("Int64" if is_counted else "Float64")
