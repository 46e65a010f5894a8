"""Columns: values of one kind, gathered in pieces and joined to pandas arrays of one dtype.

A piece is a page of the list. Its values become numpy arrays at once, so that the page's rows can
be dropped; texts become codes, so that the same text is held once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from inductiva_widgets.api.models import STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["KINDS", "SPAN", "STAMP", "Coded", "array_of", "spans", "texts"]

STAMP = "datetime64[us, UTC]"
SPAN = "timedelta64[us]"
SPAN_LIMIT_S = 9e9  # 285 years; beyond, the service meant no time
INT_LIMIT = 2**63 - 1
_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?")

Array = Any  # numpy and pandas arrays of many dtypes


class Coded(NamedTuple):
    """Texts as numbers into a table; -1 is a missing text."""

    codes: Array
    table: list[str]


class Numbers(NamedTuple):
    """Whole numbers, and where there is none."""

    numbers: Array
    missing: Array


class Kind(NamedTuple):
    """How the values of a column are gathered and joined."""

    piece: Callable[[list[Any]], Any]
    joined: Callable[[Sequence[Any], Array], Any]  # pieces, and which rows are kept


def array_of(values: list[Any], kind: str) -> Any:  # noqa: ANN401 - a pandas array
    """One column of values at once."""
    chosen = KINDS[kind]
    return chosen.joined([chosen.piece(values)], np.arange(len(values)))


# -- pieces --------------------------------------------------------------------------------------


def _floats(values: list[Any]) -> Array:
    return np.array(values, dtype="float64")  # numpy takes None for NaN


def _flags(values: list[Any]) -> Array:
    return np.array(values, dtype="bool")


def _numbers(values: list[Any]) -> Numbers:
    missing = [v is None or not -INT_LIMIT <= v <= INT_LIMIT for v in values]
    # A number that no column can hold is one that no task can have.
    kept = [0 if gone else v for v, gone in zip(values, missing, strict=True)]
    return Numbers(np.array(kept, dtype="int64"), np.array(missing, dtype="bool"))


def texts(values: list[Any]) -> Coded:
    """Texts as codes; anything else is missing."""
    table: dict[str, int] = {}
    codes = [-1 if v is None else table.setdefault(v, len(table)) for v in values]
    return Coded(np.array(codes, dtype="int32"), list(table))


def _stamps(values: list[Any]) -> Array:
    """UTC stamps; a text that is no time becomes NaT without harming its neighbours."""
    cut = [None if v is None else v[:-6] if v[-6:] == "+00:00" else v.rstrip("Z") for v in values]
    if all(v is None or _PLAIN.fullmatch(v) for v in cut):
        try:
            return np.array(cut, dtype="M8[us]")
        except ValueError:
            pass  # the 30th of February
    # pandas reads words such as `today` as times whatever the format: a stamp begins with a year.
    sane = [v if isinstance(v, str) and v[:4].isdigit() else None for v in values]
    parsed = pd.to_datetime(
        pd.Series(sane, dtype="object"), format="ISO8601", utc=True, errors="coerce"
    )
    return parsed.dt.tz_localize(None).dt.as_unit("us").to_numpy()


# -- joining -------------------------------------------------------------------------------------


def _join_stamps(pieces: Sequence[Array], keep: Array) -> Any:  # noqa: ANN401
    naive = np.concatenate([np.empty(0, "M8[us]"), *pieces])[keep]
    return pd.DatetimeIndex(naive).tz_localize("UTC").array


def spans(seconds: Array) -> Array:
    """Seconds as timedeltas; NaN and what is no time are NaT."""
    found = np.full(len(seconds), "NaT", dtype="m8[us]")
    sane = np.abs(seconds) < SPAN_LIMIT_S  # false for NaN
    found[sane] = np.round(seconds[sane] * 1e6).astype("m8[us]")
    return found


def _join_spans(pieces: Sequence[Array], keep: Array) -> Any:  # noqa: ANN401
    return pd.array(spans(_whole(pieces)[keep]))


def _join_floats(pieces: Sequence[Array], keep: Array) -> Any:  # noqa: ANN401
    values = _whole(pieces)[keep]
    return pd.arrays.FloatingArray(values, np.isnan(values))


def _whole(pieces: Sequence[Array]) -> Array:
    return np.concatenate([np.empty(0, "float64"), *pieces])


def _join_flags(pieces: Sequence[Array], keep: Array) -> Any:  # noqa: ANN401
    values = np.concatenate([np.empty(0, "bool"), *pieces])[keep]
    return pd.arrays.BooleanArray(values, np.zeros(len(values), "bool"))


def _join_numbers(pieces: Sequence[Numbers], keep: Array) -> Any:  # noqa: ANN401
    values = np.concatenate([np.empty(0, "int64"), *(p.numbers for p in pieces)])[keep]
    missing = np.concatenate([np.empty(0, "bool"), *(p.missing for p in pieces)])[keep]
    return pd.arrays.IntegerArray(values, missing)


def _common(pieces: Sequence[Coded], keep: Array) -> Coded:
    """Pieces under one table that holds only what is kept, in order of the alphabet."""
    table: dict[str, int] = {}
    parts = [np.empty(0, "int32")]
    for piece in pieces:
        numbers = [table.setdefault(text, len(table)) for text in piece.table]
        parts.append(np.array([*numbers, -1], dtype="int32")[piece.codes])  # -1: the last
    codes = np.concatenate(parts)[keep]
    names = list(table)
    used = sorted({*np.unique(codes).tolist()} - {-1}, key=names.__getitem__)
    renumbered = np.full(len(names) + 1, -1, dtype="int32")
    renumbered[used] = np.arange(len(used))
    return Coded(renumbered[codes], [names[code] for code in used])


def _join_categories(pieces: Sequence[Coded], keep: Array) -> Any:  # noqa: ANN401
    codes, table = _common(pieces, keep)
    return pd.Categorical.from_codes(
        codes, dtype=pd.CategoricalDtype(pd.Index(table, dtype="string"))
    )


def _join_statuses(pieces: Sequence[Coded], keep: Array) -> Any:  # noqa: ANN401
    codes, table = _common(pieces, keep)
    known = [*STATUSES, *(text for text in table if text not in STATUSES)]
    places = np.array([*(known.index(text) for text in table), -1], dtype="int32")
    dtype = pd.CategoricalDtype(pd.Index(known, dtype="string"), ordered=True)
    return pd.Categorical.from_codes(places[codes], dtype=dtype)


def _join_texts(pieces: Sequence[Coded], keep: Array) -> Any:  # noqa: ANN401
    codes, table = _common(pieces, keep)
    values = np.array([*table, pd.NA], dtype="object")
    return pd.array(values[codes], dtype="string")


KINDS = {
    STAMP: Kind(_stamps, _join_stamps),
    SPAN: Kind(_floats, _join_spans),
    "Float64": Kind(_floats, _join_floats),
    "Int64": Kind(_numbers, _join_numbers),
    "boolean": Kind(_flags, _join_flags),
    "category": Kind(texts, _join_categories),
    "status": Kind(texts, _join_statuses),
    "string": Kind(texts, _join_texts),
}
