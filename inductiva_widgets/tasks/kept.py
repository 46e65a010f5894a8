"""Details of ended tasks, cached on this machine: they do not change, so each is requested once.

One small SQLite file for each account of a service, in the user's cache folder. It holds the
stamps and commands of tasks; the key is in it as little as its address: its name is made of hashes.
Everything in it can be requested again, so a damaged file is set aside and a locked one not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from inductiva_widgets.api.models import StatusChange, TaskRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from inductiva_widgets.backend import Backend

__all__ = ["NO_CACHE_VARIABLE", "Kept", "cache_dir"]

log = logging.getLogger(__name__)

CACHE_DIR_VARIABLE = "INDUCTIVA_WIDGETS_CACHE_DIR"
NO_CACHE_VARIABLE = "INDUCTIVA_WIDGETS_NO_CACHE"  # 1: nothing is kept and nothing looked up
SCHEMA_VERSION = 1  # a file of another version is set aside
LOCK_WAIT_S = 2.0
AT_ONCE = 500  # ids a query; SQLite allows 999 and more
BATCH = 100  # tasks between two commits: what an interruption costs at most


class _Ended(msgspec.Struct, array_like=True):
    """What is kept of a task: what its phases are made of."""

    task_id: str
    status: str
    times: list[str | None]
    history: list[StatusChange]


_TIMES = (
    "create_time",
    "input_submit_time",
    "start_time",
    "computation_start_time",
    "computation_end_time",
    "end_time",
)
_decoder = msgspec.msgpack.Decoder(_Ended)


def cache_dir() -> Path:
    """The user's cache folder of this package: `INDUCTIVA_WIDGETS_CACHE_DIR`, or the platform's."""
    import platformdirs

    chosen = os.environ.get(CACHE_DIR_VARIABLE)
    return Path(chosen or platformdirs.user_cache_dir("inductiva_widgets", appauthor=False))


class Kept:
    """Ended tasks of one backend. For one thread; written and closed with its block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._batch: list[TaskRecord] = []

    @classmethod
    def of(cls, backend: Backend, folder: Path | None = None) -> Kept:
        """The file of this backend and key."""
        key = hmac.new(backend.config.key.reveal().encode(), b"kept tasks", hashlib.sha256)
        return cls((folder or cache_dir()) / f"tasks-{backend.id}-{key.hexdigest()[:12]}.sqlite")

    def __enter__(self) -> Self:
        try:
            self._database = self._opened()
        except sqlite3.OperationalError as error:  # locked, or a folder that cannot be written
            log.debug("details of ended tasks are not kept: %s", error)
        except sqlite3.DatabaseError:
            self._set_aside()
        except OSError as error:
            log.debug("details of ended tasks are not kept: %s", error)
        return self

    def __exit__(self, *_: object) -> None:
        self._write()
        self._close()

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def find(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        """The tasks among these that are kept."""
        found: dict[str, TaskRecord] = {}
        if self._database is None:
            return found
        try:
            for start in range(0, len(ids), AT_ONCE):
                some = ids[start : start + AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT record FROM ended WHERE task_id IN ({marks})"  # noqa: S608 - marks only
                for (record,) in self._database.execute(query, some):
                    task = _record(_decoder.decode(record))
                    found[task.task_id] = task
        except (sqlite3.DatabaseError, msgspec.MsgspecError, TypeError, ValueError):
            self._set_aside()
            return {}
        return found

    def add(self, record: TaskRecord) -> None:
        """Keeps a task, if it has ended."""
        if record.is_terminated:
            self._batch.append(record)
            if len(self._batch) >= BATCH:
                self._write()

    def _write(self) -> None:
        batch, self._batch = self._batch, []
        rows = [(record.task_id, msgspec.msgpack.encode(_ended(record))) for record in batch]
        if self._database is None or not rows:
            return
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO ended VALUES (?, ?)", rows)
        except sqlite3.OperationalError as error:  # locked, or the disk is full
            log.debug("details of ended tasks are not kept: %s", error)
        except sqlite3.DatabaseError:
            self._set_aside()

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        database = sqlite3.connect(self._path, timeout=LOCK_WAIT_S)
        try:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version not in (0, SCHEMA_VERSION):
                raise sqlite3.DatabaseError(f"version {version}")  # noqa: TRY301 - closed below
            with database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS ended (task_id TEXT PRIMARY KEY, record BLOB)"
                )
                database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        except BaseException:
            database.close()
            raise
        return database

    def _set_aside(self) -> None:
        """Puts a damaged file out of the way and begins a new one."""
        self._close()
        aside = self._path.with_suffix(".damaged")
        with contextlib.suppress(OSError):
            self._path.replace(aside)
            log.warning("The file of kept tasks was damaged; it was set aside as %s.", aside.name)
        with contextlib.suppress(sqlite3.DatabaseError, OSError):
            self._database = self._opened()


def _ended(record: TaskRecord) -> _Ended:
    times = [getattr(record, name) for name in _TIMES]
    return _Ended(record.task_id, record.status, times, record.status_history)


def _record(ended: _Ended) -> TaskRecord:
    times = dict(zip(_TIMES, ended.times, strict=True))
    return TaskRecord(
        task_id=ended.task_id,
        status=ended.status,
        is_terminated=True,
        status_history=ended.history,
        **times,  # type: ignore[arg-type]
    )
