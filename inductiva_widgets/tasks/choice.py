"""The filters of a task list, checked before any request."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
from typing import TYPE_CHECKING

from inductiva_widgets.api.models import STATUSES
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.formats import iso, parse_time, safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["Choice", "check_last_n", "check_status", "check_text", "moment_of"]

_DATE_LENGTH = 10  # 2025-06-16


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """Which tasks; what the service cannot filter by is filtered here."""

    last_n: int | None
    status: str | None
    project: str | None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    simulator: str | None = None
    machine_type: str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether rows that the service sends may have to be left out."""
        return any((self.since, self.until, self.simulator, self.machine_type))

    def query(self) -> dict[str, object]:
        """The query in plain values, for a frame's `attrs`."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return plain | {"since": iso(self.since), "until": iso(self.until)}

    def mask(self, columns: Mapping[str, pd.Series] | pd.DataFrame) -> pd.Series:
        """Which rows are requested, of a frame or of its columns."""
        chosen = columns["created_at"].notna() | True
        if self.since is not None:
            chosen &= columns["created_at"] >= self.since
        if self.until is not None:
            chosen &= columns["created_at"] < self.until
        for name in ("simulator", "machine_type"):
            wanted = getattr(self, name)
            if wanted is not None:
                chosen &= (columns[name] == wanted).fillna(value=False)
        return chosen


def check_last_n(last_n: object) -> None:
    """Refuses anything but a positive whole number or `None`."""
    is_count = isinstance(last_n, int) and not isinstance(last_n, bool) and last_n >= 1
    if last_n is not None and not is_count:
        raise UserInputError(
            f"last_n is {last_n!r}, but must be a number of at least 1.",
            hint="last_n=10 gives the ten newest, last_n=None all.",
        )


def check_status(status: object) -> None:
    """Refuses a status filter that the service does not know; `None` means no filter."""
    if status is None or (isinstance(status, str) and status in STATUSES):
        return
    words = {info.alias.lower(): code for code, info in STATUSES.items()}
    asked = str(status)[:40]
    near = difflib.get_close_matches(asked.lower(), [*STATUSES, *words], n=1)
    meant = f" Did you mean {words.get(near[0], near[0])!r}?" if near else ""
    raise UserInputError(
        f"{asked!r} is no task status.{meant}", hint=f"Known are: {', '.join(STATUSES)}."
    )


def check_text(name: str, value: object) -> None:
    """Refuses a filter that is not text, or an empty one; `None` means no filter."""
    if value is not None and not (isinstance(value, str) and value):
        raise UserInputError(
            f"{name} is {safe_text(repr(value), 60)}, but must be a text.",
            hint=f"Leave {name} out for tasks of any {name.replace('_', ' ')}.",
        )


def moment_of(name: str, value: object) -> dt.datetime | None:
    """A moment as users write it, aware UTC: a text in ISO 8601, a date, a datetime, a timedelta.

    Without a zone it is UTC, as all stamps of the frame; a date is its first moment; a timedelta
    counts back from now.

    Raises:
        UserInputError: It cannot be read.
    """
    found: dt.datetime | None = None
    if value is None:
        return None
    try:
        if isinstance(value, str):
            text = value.strip()
            found = parse_time(f"{text}T00:00" if len(text) == _DATE_LENGTH else text)
        elif isinstance(value, dt.timedelta):
            found = dt.datetime.now(dt.timezone.utc) - value
        elif isinstance(value, dt.datetime):
            found = _utc(value)
        elif isinstance(value, dt.date):
            found = dt.datetime(value.year, value.month, value.day, tzinfo=dt.timezone.utc)
    except (ValueError, OverflowError, TypeError):
        found = None  # among them pandas' NaT, which is a datetime by type only
    if found is None:
        raise UserInputError(
            f"{name} is {safe_text(repr(value), 60)}, which is no date or time.",
            hint="Write '2025-06-16', '2025-06-16 18:30' (UTC), a datetime, or a timedelta: "
            "so long ago.",
        )
    return found


def _utc(value: dt.datetime) -> dt.datetime:
    plain = dt.datetime.fromisoformat(value.isoformat()[:32])  # pandas' stamps become datetimes
    if plain.tzinfo is None:
        return plain.replace(tzinfo=dt.timezone.utc)
    return plain.astimezone(dt.timezone.utc)
