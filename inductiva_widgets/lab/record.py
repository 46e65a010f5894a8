"""The record of which tasks ran, which ended, and which notices are pending: a small file."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.api.models import Group, status_info
from inductiva_widgets.formats import iso

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Record", "Row", "load", "save", "take_in"]

log = logging.getLogger(__name__)

ENDED_KEPT = 500  # ids: several times what one look shows
WATCHED_KEPT = 500
PENDING_KEPT = 50
MARGIN = dt.timedelta(minutes=1)  # a task that ended so long before a look may not have been in it
BAD_ENDS = (Group.FAILED, Group.LIMIT, Group.LOST)

Row = dict[str, Any]  # a task summary, as it travels


class Record(msgspec.Struct, kw_only=True):
    """What is known of the tasks of one backend and account.

    Attributes:
        seen_at: Time of the last look; empty before the first one.
        running: Tasks that ran then.
        ended: Tasks whose end is known, newest first: they are not notified again.
        watched: Whether the end of a task is notified, for tasks that somebody opened or chose.
        pending: Notices that no page has shown yet.
    """

    version: int = 1
    seen_at: str = ""
    running: list[str] = []
    ended: list[str] = []
    watched: dict[str, bool] = {}
    pending: list[Row] = []


_decoder = msgspec.json.Decoder(Record)


def load(path: Path) -> Record | None:
    """The record of a file; `None` when there is none that can be read."""
    try:
        record = _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError):
        log.warning("the record of notices %s cannot be read and is begun anew", path)
        return None
    return record if record.version == 1 else None


def save(path: Path, record: Record) -> None:
    """Writes the file in one step, for this user alone. A failure is logged and costs no more."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(record))
        part.replace(path)
    except OSError as error:
        log.warning("the record of notices %s cannot be written: %s", path, error.strerror)
        with contextlib.suppress(OSError):
            part.unlink()


def take_in(record: Record, rows: list[Row], now: dt.datetime, *, is_back: bool) -> list[Row]:
    """Brings a record up to date; returns the new notices, which are also pending then.

    Args:
        record: Changed in place.
        rows: The newest tasks and all others that ran at the last look.
        now: Time of the look.
        is_back: Whether nobody looked since the last time.
    """
    since = record.seen_at
    ended = [row for row in rows if since and _is_news(record, row)]
    if is_back:
        notices = [_away(since, ended)] if ended else []
    else:
        notices = [_end(row) for row in ended if record.watched.get(row["task_id"])]
    over = [row["task_id"] for row in rows if row["is_terminal"]]
    record.running = [row["task_id"] for row in rows if not row["is_terminal"]]
    record.ended = [*dict.fromkeys((*over, *record.ended))][:ENDED_KEPT]
    left = [(i, on) for i, on in record.watched.items() if i not in over]
    record.watched = dict(left[-WATCHED_KEPT:])
    record.pending = [*record.pending, *notices][-PENDING_KEPT:]
    record.seen_at = iso(now) or ""
    return notices


def _is_news(record: Record, row: Row) -> bool:
    """Whether a task has ended since the last look."""
    if not row["is_terminal"]:
        return False
    if row["task_id"] in record.running:
        return True
    ended_at = row["ended_at"]
    if row["task_id"] in record.ended or not ended_at:
        return False
    return _time(ended_at) > _time(record.seen_at) - MARGIN


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def _away(since: str, ended: list[Row]) -> Row:
    bad = [row for row in ended if status_info(row["status"]).group in BAD_ENDS]
    good = [row for row in ended if row not in bad]
    notice_id = secrets.token_hex(8)
    return {
        "kind": "away",
        "notice_id": notice_id,
        "since": since,
        "finished": good,
        "failed": bad,
    }


def _end(row: Row) -> Row:
    return {"kind": "ended", "notice_id": secrets.token_hex(8), "task": row}
