"""`system_metrics.csv`: what the machine did while a task ran, as cells. Pure."""

from __future__ import annotations

import csv
import math
import re
from typing import NamedTuple

from inductiva_widgets.formats import parse_time

__all__ = ["METRICS_FILE", "MISSING", "Table", "number", "read_table", "seconds"]

METRICS_FILE = "system_metrics.csv"
MISSING = frozenset(["", "--", "-", "nan", "NaN", "n/a", "N/A", "NA", "null", "None"])
_TIMES = re.compile(r"(date|time|timestamp)\b.*", re.IGNORECASE)


class Table(NamedTuple):
    """Cells of a table.

    Attributes:
        names: Names of the columns, none empty, none twice.
        rows: As many cells a row as there are names.
        time_at: Place of the column of times.
    """

    names: list[str]
    rows: list[list[str]]
    time_at: int


def read_table(content: bytes) -> Table | None:
    """The table in a file; `None` when it is empty.

    The column of times is the first whose name begins with `time` or `date`, else the first of all.

    Args:
        content: CSV with a header, separated by commas, semicolons or tabs. Rows of more cells
            than names are left out; missing cells are empty.
    """
    text = content.decode("utf-8-sig", errors="replace").replace("\0", "")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    separator = max(",;\t", key=lines[0].count)
    names = _names(lines[0].lstrip("# ").split(separator))
    # More cells than names, or fewer: what a crash leaves of the last line.
    rows = [
        [*(cell.strip() for cell in row), *[""] * (len(names) - len(row))]
        for row in _cells(lines[1:], separator)
        if len(row) <= len(names)
    ]
    time_at = next((i for i, name in enumerate(names) if _TIMES.fullmatch(name)), 0)
    return Table(names, rows, time_at)


def number(cell: str) -> float:
    """The number in a cell, also of a percentage; NaN when there is none."""
    try:
        found = float(cell.strip(" %"))
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def seconds(cell: str) -> float:
    """The time in a cell, as seconds since 1970 (so written, or ISO 8601); NaN without one."""
    found = number(cell)
    if not math.isnan(found):
        return found
    when = parse_time(cell)
    return math.nan if when is None else when.timestamp()


def _cells(lines: list[str], separator: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    except csv.Error:  # a cell of more than 128 KB or, before Python 3.11, a NUL
        return [line.split(separator) for line in lines]


def _names(header: list[str]) -> list[str]:
    found: list[str] = []
    for place, cell in enumerate(header):
        name = cell.strip().strip("\"'").strip() or f"column {place + 1}"
        found.append(name if name not in found else f"{name} ({place + 1})")
    return found
