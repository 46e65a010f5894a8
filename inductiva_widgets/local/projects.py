"""Projects: names that group tasks (`/projects…`)."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import NotFoundError, UserInputError

if TYPE_CHECKING:
    import sqlite3

    from inductiva_widgets.local.store import Store

__all__ = ["Projects"]

MAX_NAME = 128
DEFAULT = "default"
KINDS = ("project", "benchmark")


class Projects:
    """The projects of one engine: those that were made, and those that tasks name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._database = store.database
        self._ensure(DEFAULT, "project")

    def create(self, body: object) -> dict[str, Any]:
        """Makes a project; one that exists is answered as it is."""
        if not isinstance(body, dict):
            raise UserInputError("An object with a name is required.")
        name, kind = body.get("name"), body.get("project_type") or "project"
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or kind not in KINDS:
            raise UserInputError(f"A project needs a name of 1 to {MAX_NAME} characters.")
        self._ensure(name, kind)
        return self.get(name)

    def get(self, name: str) -> dict[str, Any]:
        """One project.

        Raises:
            NotFoundError: There is none of this name.
        """
        row = self._row(name)
        counts = self._database.rows(
            "SELECT status, count(*) AS n FROM tasks WHERE project = ? GROUP BY status", (name,)
        )
        overview = {found["status"]: found["n"] for found in counts}
        return {
            "name": name,
            "project_type": row["project_type"],
            "id": row["id"],
            "created_at": row["created_at"],
            "num_tasks": sum(overview.values()),
            "estimated_computation_cost": 0.0,
            "total_orchestration_fee": 0.0,
            "task_status_overview": overview,
            "project_metadata": json.loads(row["metadata"]),
        }

    def all(self) -> list[dict[str, Any]]:
        """Every project, oldest first."""
        for row in self._database.rows(
            "SELECT DISTINCT project FROM tasks WHERE project NOT IN (SELECT name FROM projects)"
        ):
            self._ensure(row["project"], "project")
        rows = self._database.rows("SELECT name FROM projects ORDER BY created_at, name")
        return [self.get(row["name"]) for row in rows]

    def delete(self, name: str) -> None:
        """Removes a project; its tasks go to the default one."""
        self._row(name)
        if name == DEFAULT:
            raise UserInputError("The default project cannot be removed.")
        with self._database.transaction() as connection:
            connection.execute("UPDATE tasks SET project = ? WHERE project = ?", (DEFAULT, name))
            connection.execute("DELETE FROM projects WHERE name = ?", (name,))

    def place(self, name: str, task_id: str, *, inside: bool) -> None:
        """Puts a task into a project, or takes it out of it."""
        self._row(name)
        record = self._store.get(task_id)
        if record is None:
            raise NotFoundError(f"There is no task {task_id[:100]!r}.")
        if inside:
            self._store.set_project(task_id, name)
        elif record.project == name:
            self._store.set_project(task_id, DEFAULT)

    def set_metadata(self, name: str, values: dict[str, str], *, replace: bool) -> None:
        """Replaces or merges the metadata of a project."""
        with self._database.transaction() as connection:
            present = {} if replace else json.loads(self._row(name)["metadata"])
            connection.execute(
                "UPDATE projects SET metadata = ? WHERE name = ?",
                (json.dumps({**present, **values}), name),
            )

    def _row(self, name: str) -> sqlite3.Row:
        query = "SELECT * FROM projects WHERE name = ?"
        row = self._database.row(query, (name,))
        if row is None and self._database.row(
            "SELECT 1 FROM tasks WHERE project = ? LIMIT 1", (name,)
        ):
            self._ensure(name, "project")
            row = self._database.row(query, (name,))
        if row is None:
            raise NotFoundError(f"There is no project {name[:MAX_NAME]!r}.")
        return row

    def _ensure(self, name: str, kind: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO projects (name, id, project_type, created_at)"
                " VALUES (?, ?, ?, ?)",
                (name, str(uuid.uuid4()), kind, self._store.now()),
            )
