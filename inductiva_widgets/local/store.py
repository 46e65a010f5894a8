"""Tasks, their history and their operations, as rows that survive a killed engine.

Every change of a status is one transaction that names the statuses it may come from, so that two
threads (a worker and a kill, say) can race and exactly one of them wins.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from inductiva_widgets.local.database import Database
from inductiva_widgets.local.statuses import RUNNING, TERMINAL, WAITING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from inductiva_widgets.local.disk import Reserve

__all__ = ["NewTask", "PageQuery", "ProcessIdentity", "Store", "TaskRecord"]

JsonObject = dict[str, Any]
ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH = 25
SORT_COLUMNS = {
    "create_time": "seq",
    "input_submit_time": "input_submit_time",
    "start_time": "start_time",
    "computation_start_time": "computation_start_time",
    "computation_end_time": "computation_end_time",
    "end_time": "end_time",
    "status": "status",
    "simulator": "simulator",
    "project": "project",
    "task_id": "task_id",
}
UNKNOWN_REQUEST: JsonObject = {
    "commands": [],
    "compress_with": "AUTO",
    "extra_params": {},
    "input_resources": [],
    "resubmit_on_preemption": False,
    "stream_zip": True,
    "time_to_live_seconds": None,
}
_TERMINAL_SQL = ", ".join(f"'{status}'" for status in sorted(TERMINAL))


@dataclass(frozen=True, slots=True)
class NewTask:
    """The fixed properties of a submission."""

    simulator: str
    project: str
    container_image: str
    storage_prefix: str
    request: JsonObject


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task as stored; times are ISO 8601 texts in UTC."""

    seq: int
    task_id: str
    status: str
    simulator: str
    project: str
    container_image: str
    storage_dir: str
    request: JsonObject
    create_time: str
    input_submit_time: str | None
    start_time: str | None
    computation_start_time: str | None
    computation_end_time: str | None
    end_time: str | None
    queue_seq: int | None
    run_token: str | None
    outcome: JsonObject | None
    error_detail: str | None
    metrics: JsonObject
    metadata: dict[str, str]

    @property
    def input_path(self) -> str:
        """Storage path of the inputs."""
        return f"{self.storage_dir}/input.zip"

    @property
    def output_path(self) -> str:
        """Storage path of the outputs."""
        return f"{self.storage_dir}/output.zip"


@dataclass(frozen=True, slots=True)
class PageQuery:
    """One page of the list (`GET /tasks`). `sort` holds (field, descending) pairs."""

    page: int = 1
    per_page: int = 10
    status: str | None = None
    project: str | None = None
    active: bool | None = None
    id_part: str | None = None
    sort: Sequence[tuple[str, bool]] = ()


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    create_time: float
    session: int


class Store:
    """The tasks of one engine; every method may be called from any thread.

    Args:
        path: The SQLite file.
        clock: Seconds since the epoch; a parameter for tests.
        reserve: Room that is given up when a state could not be written otherwise.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        reserve: Reserve | None = None,
    ) -> None:
        self.database = Database(path, reserve)
        self._clock = clock

    def close(self) -> None:
        """Closes the database."""
        self.database.close()

    def now(self) -> str:
        """Present time as the service writes it: six fraction digits and `+00:00`."""
        return datetime.fromtimestamp(self._clock(), timezone.utc).isoformat(
            timespec="microseconds"
        )

    # -- tasks ---------------------------------------------------------------------------------

    def create(self, new: NewTask) -> TaskRecord:
        """Stores a task that waits for its inputs."""
        task_id = "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))
        prefix = f"{new.storage_prefix}/" if new.storage_prefix else ""
        now = self.now()
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO tasks (task_id, status, simulator, project, container_image,"
                " storage_dir, request, create_time) VALUES (?, 'pending-input', ?, ?, ?, ?, ?, ?)",
                (
                    task_id,
                    new.simulator,
                    new.project,
                    new.container_image,
                    prefix + task_id,
                    json.dumps(new.request),
                    now,
                ),
            )
            _open_history(connection, task_id, "pending-input", now)
        return self.require(task_id)

    def adopt(
        self,
        task_id: str,
        *,
        storage_dir: str,
        time: str,
        run_token: str | None,
        error_detail: str,
    ) -> None:
        """Stores a task of which only the files are left: as running if it has a run token."""
        status = "executer-failed" if run_token is None else "computation-started"
        ended = time if run_token is None else None
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO tasks (task_id, status, simulator, project, container_image,"
                " storage_dir, request, create_time, end_time, run_token, error_detail)"
                " VALUES (?, ?, 'arbitrary_commands', 'default', '', ?, ?, ?, ?, ?, ?)",
                (
                    task_id,
                    status,
                    storage_dir,
                    json.dumps(UNKNOWN_REQUEST),
                    time,
                    ended,
                    run_token,
                    error_detail,
                ),
            )
            _open_history(connection, task_id, status, time)

    def get(self, task_id: str) -> TaskRecord | None:
        """The task, or `None`."""
        row = self.database.row("SELECT * FROM tasks WHERE task_id = ?", (task_id,))
        return None if row is None else _record(row)

    def require(self, task_id: str) -> TaskRecord:
        """The task, which is known to exist."""
        record = self.get(task_id)
        if record is None:
            raise LookupError(f"task {task_id} is not in the database")
        return record

    def status(self, task_id: str) -> tuple[str, int | None] | None:
        """Status and number of tasks ahead in the queue (`None` outside it), in one query."""
        row = self.database.row(
            "SELECT status, CASE status WHEN 'submitted' THEN (SELECT count(*) FROM tasks AS other"
            " WHERE other.status = 'submitted' AND other.queue_seq < tasks.queue_seq) END AS ahead"
            " FROM tasks WHERE task_id = ?",
            (task_id,),
        )
        return None if row is None else (row["status"], row["ahead"])

    def page(self, query: PageQuery) -> tuple[int, list[TaskRecord]]:
        """Number of matches over all pages, and the tasks of one page."""
        conditions: list[str] = []
        values: list[object] = []
        for condition, value in (
            ("status = ?", query.status),
            ("project = ?", query.project),
            ("instr(task_id, ?) > 0", query.id_part),
        ):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        if query.active is not None:
            negation = "NOT " if query.active else ""
            conditions.append(f"status {negation}IN ({_TERMINAL_SQL})")
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        order = [f"{SORT_COLUMNS[name]} {'DESC' if down else 'ASC'}" for name, down in query.sort]
        order.append("seq DESC")
        total = self.database.row(f"SELECT count(*) AS n FROM tasks {where}", values)  # noqa: S608 - conditions are constants
        rows = self.database.rows(
            f"SELECT * FROM tasks {where} ORDER BY {', '.join(order)} LIMIT ? OFFSET ?",  # noqa: S608 - columns are constants
            [*values, query.per_page, (query.page - 1) * query.per_page],
        )
        return (0 if total is None else int(total["n"])), [_record(row) for row in rows]

    def with_status(self, statuses: Collection[str]) -> list[TaskRecord]:
        """Tasks in one of the statuses, oldest first."""
        marks = ", ".join("?" * len(statuses))
        rows = self.database.rows(
            f"SELECT * FROM tasks WHERE status IN ({marks}) ORDER BY seq",  # noqa: S608 - only question marks
            sorted(statuses),
        )
        return [_record(row) for row in rows]

    # -- states --------------------------------------------------------------------------------

    def move(self, task_id: str, to: str, *, only_from: Collection[str], **changes: object) -> bool:
        """Changes the status and, in the same transaction, the named columns.

        Returns:
            Whether it happened: `False` if the task was in none of `only_from` (any more).
        """
        now = self.now()
        with self.database.transaction() as connection:
            row = connection.execute(
                "SELECT status FROM tasks WHERE task_id = ?", (task_id,)
            ).fetchone()
            if row is None or row["status"] not in only_from:
                return False
            columns = {"status": to, **_stamps(to, now), **changes}
            assignments = ", ".join(f"{name} = ?" for name in columns)
            connection.execute(
                f"UPDATE tasks SET {assignments} WHERE task_id = ?",  # noqa: S608 - names are ours
                [*columns.values(), task_id],
            )
            connection.execute(
                "UPDATE history SET end_timestamp = ? WHERE task_id = ? AND end_timestamp IS NULL",
                (now, task_id),
            )
            if to in TERMINAL:
                connection.execute("DELETE FROM processes WHERE task_id = ?", (task_id,))
            _open_history(connection, task_id, to, now)
        return True

    def note(self, task_id: str, **changes: object) -> None:
        """Writes the named columns and leaves the status alone."""
        assignments = ", ".join(f"{name} = ?" for name in changes)
        with self.database.transaction() as connection:
            connection.execute(
                f"UPDATE tasks SET {assignments} WHERE task_id = ?",  # noqa: S608 - names are ours
                [*changes.values(), task_id],
            )

    def enqueue(self, task_id: str) -> bool:
        """Puts a task whose inputs have come at the end of the queue."""
        with self.database.transaction() as connection:
            last = connection.execute("SELECT max(queue_seq) AS n FROM tasks").fetchone()["n"] or 0
            return self.move(task_id, "submitted", only_from=("pending-input",), queue_seq=last + 1)

    def claim_next(self) -> TaskRecord | None:
        """Takes the first task of the queue for running; `None` when the queue is empty."""
        with self.database.transaction() as connection:
            row = connection.execute(
                "SELECT task_id FROM tasks WHERE status = 'submitted' ORDER BY queue_seq LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            task_id = str(row["task_id"])
            self.move(task_id, "started", only_from=("submitted",), run_token=secrets.token_hex(12))
        return self.require(task_id)

    def requeue(self, task_id: str) -> bool:
        """Gives a task back to the queue, at its old place: no command of it has begun."""
        return self.move(
            task_id,
            "submitted",
            only_from=("started",),
            input_submit_time=self.require(task_id).input_submit_time,
            start_time=None,
            run_token=None,
        )

    def request_kill(self, task_id: str) -> str | None:
        """Marks a task to be killed; a waiting one is killed by that.

        Returns:
            The status before the call, `None` for an unknown task.
        """
        with self.database.transaction() as connection:
            row = connection.execute(
                "SELECT status FROM tasks WHERE task_id = ?", (task_id,)
            ).fetchone()
            if row is None:
                return None
            before = str(row["status"])
            self.move(task_id, "killed", only_from=WAITING)
            self.move(task_id, "pending-kill", only_from=RUNNING)
        return before

    def update_metrics(self, task_id: str, values: Mapping[str, float]) -> None:
        """Adds measured values."""
        self._merge(task_id, "metrics", values)

    def merge_metadata(self, task_id: str, values: Mapping[str, str]) -> None:
        """Adds or replaces single entries."""
        self._merge(task_id, "metadata", values)

    def replace_metadata(self, task_id: str, values: Mapping[str, str]) -> None:
        """Replaces all entries."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE tasks SET metadata = ? WHERE task_id = ?", (json.dumps(values), task_id)
            )

    def set_project(self, task_id: str, project: str) -> None:
        """Moves a task to a project."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE tasks SET project = ? WHERE task_id = ?", (project, task_id))

    def _merge(self, task_id: str, column: str, values: Mapping[str, object]) -> None:
        with self.database.transaction() as connection:
            row = connection.execute(
                f"SELECT {column} AS text FROM tasks WHERE task_id = ?",  # noqa: S608 - two constants
                (task_id,),
            ).fetchone()
            if row is not None:
                merged = {**json.loads(row["text"]), **values}
                connection.execute(
                    f"UPDATE tasks SET {column} = ? WHERE task_id = ?",  # noqa: S608 - two constants
                    (json.dumps(merged), task_id),
                )

    # -- history -------------------------------------------------------------------------------

    def detail(
        self, task_id: str
    ) -> tuple[TaskRecord, list[tuple[sqlite3.Row, list[sqlite3.Row]]]] | None:
        """The task with its statuses, oldest first, each with its operations; all of one moment."""
        with self.database.snapshot() as connection:
            row = connection.execute("SELECT * FROM tasks WHERE task_id = ?", (task_id,)).fetchone()
            if row is None:
                return None
            entries = connection.execute(
                "SELECT * FROM history WHERE task_id = ? ORDER BY seq", (task_id,)
            ).fetchall()
            operations = connection.execute(
                "SELECT * FROM operations WHERE task_id = ? ORDER BY seq", (task_id,)
            ).fetchall()
        return _record(row), [
            (entry, [one for one in operations if one["history_seq"] == entry["seq"]])
            for entry in entries
        ]

    def begin_operation(self, task_id: str, name: str, attributes: JsonObject) -> int:
        """Opens an operation under the present status and returns its number."""
        with self.database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO operations (history_seq, task_id, name, start_timestamp, status,"
                " attributes) SELECT max(seq), task_id, ?, ?, 'RUNNING', ? FROM history"
                " WHERE task_id = ?",
                (name, self.now(), json.dumps(attributes), task_id),
            )
            return int(cursor.lastrowid or 0)

    def end_operation(self, seq: int, *, ok: bool, attributes: JsonObject) -> None:
        """Closes an operation; `attributes` are added to those of its beginning."""
        with self.database.transaction() as connection:
            row = connection.execute(
                "SELECT attributes FROM operations WHERE seq = ?", (seq,)
            ).fetchone()
            merged = json.dumps({**json.loads(row["attributes"]), **attributes})
            connection.execute(
                "UPDATE operations SET end_timestamp = ?, status = ?, attributes = ? WHERE seq = ?",
                (self.now(), "OK" if ok else "FAILED", merged, seq),
            )

    def fail_open_operations(self, task_id: str) -> None:
        """Closes what a killed engine left open."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE operations SET end_timestamp = ?, status = 'FAILED'"
                " WHERE task_id = ? AND end_timestamp IS NULL",
                (self.now(), task_id),
            )

    # -- processes -----------------------------------------------------------------------------

    def remember_process(self, task_id: str, process: ProcessIdentity) -> None:
        """Notes a running process, so that a later engine can end it."""
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO processes VALUES (?, ?, ?, ?)",
                (task_id, process.pid, process.create_time, process.session),
            )

    def processes(self, task_id: str) -> list[ProcessIdentity]:
        """Processes noted for a task that has not ended."""
        rows = self.database.rows("SELECT * FROM processes WHERE task_id = ?", (task_id,))
        return [ProcessIdentity(row["pid"], row["create_time"], row["session"]) for row in rows]


def _open_history(connection: sqlite3.Connection, task_id: str, status: str, now: str) -> None:
    connection.execute(
        "INSERT INTO history (task_id, status, timestamp) VALUES (?, ?, ?)", (task_id, status, now)
    )


def _stamps(to: str, now: str) -> dict[str, str]:
    column = {
        "submitted": "input_submit_time",
        "started": "start_time",
        "computation-started": "computation_start_time",
    }.get(to, "end_time" if to in TERMINAL else "")
    return {column: now} if column else {}


def _record(row: sqlite3.Row) -> TaskRecord:
    values = dict(row)
    for column in ("request", "metrics", "metadata"):
        values[column] = json.loads(values[column])
    values["outcome"] = json.loads(values["outcome"]) if values["outcome"] else None
    return TaskRecord(**values)
