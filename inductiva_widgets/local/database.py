"""The SQLite file: opened safely, one writer, one reader, every write a transaction.

A file that is damaged is kept under another name and a new one begun; one that is merely locked,
out of room or of a newer version is left alone.

WAL allows status reads while a state is being written; `synchronous=FULL` means that every
acknowledged state is on the disk, so a killed engine has forgotten nothing.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import sqlite3
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import LocalEngineError, StoreCorruptError
from inductiva_widgets.local.disk import is_disk_full

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from inductiva_widgets.local.disk import Reserve

__all__ = ["Database"]

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    simulator TEXT NOT NULL,
    project TEXT NOT NULL,
    container_image TEXT NOT NULL,
    storage_dir TEXT NOT NULL,
    request TEXT NOT NULL,
    create_time TEXT NOT NULL,
    input_submit_time TEXT,
    start_time TEXT,
    computation_start_time TEXT,
    computation_end_time TEXT,
    end_time TEXT,
    queue_seq INTEGER,
    run_token TEXT,
    outcome TEXT,
    error_detail TEXT,
    metrics TEXT NOT NULL DEFAULT '{}',
    metadata TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX tasks_by_status ON tasks (status, queue_seq);
CREATE INDEX tasks_by_project ON tasks (project, seq);
CREATE TABLE history (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id TEXT NOT NULL REFERENCES tasks (task_id),
    status TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    end_timestamp TEXT
);
CREATE INDEX history_by_task ON history (task_id, seq);
CREATE TABLE operations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    history_seq INTEGER NOT NULL REFERENCES history (seq),
    task_id TEXT NOT NULL,
    name TEXT NOT NULL,
    start_timestamp TEXT NOT NULL,
    end_timestamp TEXT,
    status TEXT NOT NULL,
    attributes TEXT NOT NULL
);
CREATE INDEX operations_by_task ON operations (task_id, seq);
CREATE TABLE processes (
    task_id TEXT NOT NULL,
    pid INTEGER NOT NULL,
    create_time REAL NOT NULL,
    session INTEGER NOT NULL
);
CREATE TABLE objects (
    path TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL
);
CREATE TABLE projects (
    name TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    project_type TEXT NOT NULL,
    created_at TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
TABLES = frozenset(re.findall(r"CREATE TABLE (\w+)", SCHEMA))


class Database:
    """One open database; every method may be called from any thread.

    Attributes:
        path: The file.
        damage: What was wrong with the file that was found there, when it had to be set aside.

    Args:
        path: The file.
        reserve: Room that is given up when a state could not be written otherwise.

    Raises:
        LocalEngineError: The file was written by a newer version, or cannot be opened at all.
        StoreCorruptError: It is damaged and cannot be set aside.
    """

    def __init__(self, path: Path, reserve: Reserve | None = None) -> None:
        self.path = path
        self.damage: StoreCorruptError | None = None
        self._reserve = reserve
        self._writer = self._open()
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only=ON")
        self._write_lock = threading.RLock()
        self._read_lock = threading.Lock()

    def _open(self) -> sqlite3.Connection:
        try:
            return _open_checked(self.path)
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise _cannot_open(self.path, error) from error
            self.damage = _set_aside(self.path, "is read-only", keep_content=True)
        except sqlite3.DatabaseError as error:
            self.damage = _set_aside(self.path, f"is damaged ({error})")
        try:
            return _open_checked(self.path)
        except sqlite3.DatabaseError as error:
            raise _cannot_open(self.path, error) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: commits at the end of the block, rolls back on an exception."""
        with self._write_lock:
            if self._writer.in_transaction:  # joined by an outer block of the same thread
                yield self._writer
                return
            if self._reserve is not None:
                self._reserve.give_if_tight()
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                self._roll_back()
                if self._reserve is not None and is_disk_full(error):
                    self._reserve.give()
                raise

    def _roll_back(self) -> None:
        if self._writer.in_transaction:  # on a full disk SQLite has ended it by itself
            self._writer.execute("ROLLBACK")

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Every row of a query, as last committed."""
        with self._read_lock:
            return self._reader.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Row | None:
        """First row of a query, as last committed."""
        with self._read_lock:
            found: sqlite3.Row | None = self._reader.execute(sql, values).fetchone()
            return found

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Several queries that see one and the same state."""
        with self._read_lock:
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                self._reader.execute("COMMIT")

    def setting(self, name: str, default: str) -> str:
        """A value kept for ever; `default` is stored when there is none yet."""
        with self.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, default))
            found: Any = connection.execute(
                "SELECT value FROM settings WHERE name = ?", (name,)
            ).fetchone()
            return str(found["value"])

    def close(self) -> None:
        """Closes both connections; the write-ahead log is merged by SQLite."""
        with self._read_lock:
            self._reader.close()
        with self._write_lock:
            self._writer.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    connection.row_factory = sqlite3.Row
    return connection


def _cannot_open(path: Path, error: sqlite3.Error) -> LocalEngineError:
    return LocalEngineError(
        f"The task database {path} cannot be opened: {error}.",
        hint="Check that its folder can be written and that no other program holds it.",
    )


def _open_checked(path: Path) -> sqlite3.Connection:
    if path.is_file() and path.stat().st_size == 0:
        raise sqlite3.DatabaseError("it is empty")
    connection = _connect(path)
    try:
        version = _checked_version(connection, path)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version={version}")  # fails where nothing can be written
        connection.execute("ROLLBACK")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        if version == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE;{SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _checked_version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise LocalEngineError(
            f"The task database {path} was written by a newer version of inductiva_widgets.",
            hint="Update the package, or choose another data folder.",
        )
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("quick_check found damage")
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    tables = {row["name"] for row in names if not row["name"].startswith("sqlite_")}
    if tables != (TABLES if version else set()):
        raise sqlite3.DatabaseError("it holds other tables")
    return version


def _set_aside(path: Path, fault: str, *, keep_content: bool = False) -> StoreCorruptError:
    """Renames a database that cannot be used, so that nothing is lost and the engine can start.

    Returns:
        The error to report.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    try:
        for suffix in ("", "-wal", "-shm"):
            found = path.with_name(path.name + suffix)
            if found.exists():
                kept = path.with_name(f"{path.name}.damaged-{stamp}{suffix}")
                found.rename(kept)
                if keep_content and suffix != "-shm":  # SQLite recreates that one
                    shutil.copyfile(kept, found)
    except OSError as error:
        raise StoreCorruptError(
            f"The task database {path} {fault} and cannot be put aside: {error.strerror}.",
            hint="Move it away, or choose another data folder.",
            path=str(path),
        ) from error
    text = f"The task database {path} {fault}. It is kept as {aside.name}, and a new one in use."
    hint = "Tasks whose files are there are listed again, without what was known of them."
    damage = StoreCorruptError(text, hint="" if keep_content else hint, path=str(aside))
    logger.error("%s", damage)
    return damage
