"""Frames in files: CSV and Parquet that give back the same columns and dtypes."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from inductiva_widgets.errors import MissingLibraryError, UserInputError
from inductiva_widgets.formats import safe_text
from inductiva_widgets.history.columns import SPAN, STAMP, array_of
from inductiva_widgets.history.frames import COLUMNS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["read_csv", "read_parquet", "to_csv", "to_parquet"]

# Programs that open tables take a cell that begins with one of these for a formula, which may do
# anything. The quote before it is what they show a text by. Source: OWASP, CSV injection.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TEXTS = ("category", "status", "string")
_HOW = "history.to_csv(frame, path) writes one."


def to_csv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Writes a task frame as CSV (UTF-8, durations in seconds), for `read_csv` and for others.

    A text that begins with `=`, `+`, `-` or `@` gets a `'` before it, so that no program takes it
    for a formula; `read_csv` takes it away again. A NUL is written as `␀`, and stays that.

    Raises:
        UserInputError: It is not a frame of tasks.
    """
    if not isinstance(frame, pd.DataFrame) or frame.index.name != "task_id":
        raise UserInputError(
            "to_csv() writes frames of tasks, whose index is `task_id`.",
            hint="Other frames, such as that of tasks.timeline(), have a to_csv() of their own.",
        )
    plain = pd.DataFrame({name: _plain(frame[name]) for name in frame.columns})
    plain.insert(0, "task_id", _quoted(pd.Series(frame.index.to_numpy(), index=plain.index)))
    plain.columns = pd.Index([_quoted_text(name) for name in plain.columns])
    # All texts in quotes: a lone carriage return would end a row for some readers.
    plain.to_csv(path, index=False, encoding="utf-8", quoting=csv.QUOTE_NONNUMERIC)


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A task frame that `to_csv` wrote, with the dtypes that it had; `attrs` are not in a CSV.

    Raises:
        UserInputError: The file is no such frame.
    """
    try:
        cells = pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])
    except ValueError as error:  # also what pandas raises of no columns, and of no text
        raise UserInputError(
            f"{Path(path).name} is no table that can be read: {safe_text(error, 200)}",
            hint=_HOW,
        ) from error
    cells.columns = pd.Index([_unquoted_text(str(name)) for name in cells.columns])
    missing = {"task_id", *COLUMNS} - {*cells.columns}
    if missing:
        raise UserInputError(
            f"{Path(path).name} is no task history: it has no column {min(missing)!r}.",
            hint=_HOW,
        )
    index = pd.Index(_unquoted(cells.pop("task_id")), dtype="string", name="task_id")
    columns = {str(name): _restored(cells[name]) for name in cells.columns}
    return pd.DataFrame(columns, index=index, copy=False)


def to_parquet(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Writes a task frame as Parquet, `attrs` included; needs `pyarrow`.

    Raises:
        MissingLibraryError: `pyarrow` is not installed (an `ImportError`).
    """
    # Parquet knows no durations: as pandas writes them, other programs read plain numbers.
    with _pyarrow():
        frame.to_parquet(path, engine="pyarrow")


def read_parquet(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A task frame that `to_parquet` or pandas wrote, with the dtypes that it had.

    Raises:
        MissingLibraryError: `pyarrow` is not installed (an `ImportError`).
    """
    with _pyarrow():
        read = pd.read_parquet(path, engine="pyarrow")
    columns = {str(name): _same(read[name]) for name in read.columns}
    index = pd.Index(read.index, dtype="string", name="task_id")
    frame = pd.DataFrame(columns, index=index, copy=False)
    frame.attrs.update(read.attrs)
    return frame


@contextlib.contextmanager
def _pyarrow() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingLibraryError(
            "Parquet needs pyarrow, which is not installed.",
            hint="pip install pyarrow, or write CSV: history.to_csv(frame, path).",
        ) from error


def _kind(name: str) -> str:
    return COLUMNS.get(name, "string")


def _plain(column: pd.Series) -> pd.Series:
    """A column as cells of a CSV."""
    kind = _kind(str(column.name))
    if kind == SPAN:
        return column.dt.total_seconds().reset_index(drop=True)
    if kind == STAMP:
        texts = [None if pd.isna(moment) else moment.isoformat() for moment in column]
        return pd.Series(texts, dtype="object")
    if kind in _TEXTS or str(column.name) not in COLUMNS:
        return _quoted(column.reset_index(drop=True))
    return column.reset_index(drop=True)


def _quoted(column: pd.Series) -> pd.Series:
    values = [None if pd.isna(value) else _quoted_text(str(value)) for value in column]
    return pd.Series(values, dtype="object")


def _quoted_text(text: str) -> str:
    text = text.replace("\0", "␀")  # Python 3.10, and many a program, takes no CSV with a NUL
    # A text that begins with a quote gets another one, or it would lose its own when read.
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def _unquoted(column: pd.Series) -> list[Any]:
    return [None if pd.isna(value) else _unquoted_text(value) for value in column]


def _unquoted_text(text: str) -> str:
    return text.removeprefix("'") if text.startswith("'") else text


def _restored(column: pd.Series) -> Any:  # noqa: ANN401 - a pandas array
    """Cells of a CSV as a column."""
    kind = _kind(str(column.name))
    if kind in _TEXTS:
        return array_of(_unquoted(column), kind)
    values: list[Any] = [None if pd.isna(value) else value for value in column]
    if kind == "boolean":
        values = [str(value).lower() == "true" for value in values]  # spreadsheets write TRUE
    try:
        if kind == "Int64":
            values = [None if value is None else int(value) for value in values]
        return array_of(values, kind)
    except ValueError as error:
        raise UserInputError(
            f"The column {column.name!r} cannot be read: {safe_text(error, 200)}", hint=_HOW
        ) from error


def _same(column: pd.Series) -> Any:  # noqa: ANN401 - a pandas array
    kind = _kind(str(column.name))
    if kind in _TEXTS:
        return array_of([None if pd.isna(v) else str(v) for v in column], kind)
    return column.astype(cast("Any", kind)).array
