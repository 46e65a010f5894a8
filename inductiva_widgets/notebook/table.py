"""TaskTable: many tasks as a live table in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from inductiva_widgets import backend as backends
from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.formats import counted
from inductiva_widgets.notebook.card import ROWS, html_list, html_note
from inductiva_widgets.notebook.known import in_a_moment, summaries_of
from inductiva_widgets.notebook.service_widget import ServiceWidget
from inductiva_widgets.notebook.session import is_unattended
from inductiva_widgets.service.dispatch import service_of
from inductiva_widgets.task import Task
from inductiva_widgets.tasks.choice import check_last_n, check_status, check_text
from inductiva_widgets.tasks.chosen import chosen_tasks
from inductiva_widgets.tasks.listing import TaskList, get

if TYPE_CHECKING:
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.service.dispatch import Reply

__all__ = ["TaskTable"]

MOST_TICKED = 50_000  # as many as a view holds


class TaskTable(ServiceWidget):
    """Live table of tasks: search, sort and group them, look into one, download, kill, compare.

    Args:
        tasks: Shows exactly these: a `TaskList`, tasks, ids, or a frame of the history. All tasks
            of the account when not given.
        last_n: How many of the newest are loaded at first; `None` for all. Searching and sorting
            are over all in any case. Does not matter with `tasks`.
        status: The table begins with tasks in this state only; its reader may change that.
        project: The same for a project.
        backend: Where to look; the default backend when not given.

    Attributes:
        selected_ids: Ids of the ticked tasks; observe it to react to changes.

    Raises:
        UserInputError: An argument cannot be meant, or `tasks` run on several services.
    """

    _kind = "table"

    last_n = traitlets.Int(allow_none=True, default_value=50, read_only=True).tag(sync=True)
    filters = traitlets.Dict(read_only=True).tag(sync=True)
    is_chosen = traitlets.Bool(read_only=True).tag(sync=True)
    selected_ids = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)

    def __init__(
        self,
        tasks: object = None,
        last_n: int | None = 50,
        status: str | None = None,
        project: str | None = None,
        backend: Backend | None = None,
        **kwargs: Any,  # noqa: ANN401 - ipywidgets' own
    ) -> None:
        check_last_n(last_n)
        check_status(status)
        check_text("project", project)
        chosen = None if tasks is None else chosen_tasks(tasks, backend)
        self.backend = _one_backend(chosen or [], backend)
        self._ids = None if chosen is None else [task.id for task in chosen]
        self._known = frozenset(self._ids or ())
        self._total = len(self._known)  # of those known to the service
        traits: dict[str, Any] = {
            "last_n": last_n if chosen is None else None,
            "filters": {"status": status, "project": project},
            "is_chosen": chosen is not None,
        }
        traits["as_text"] = f"TaskTable: {self._told_of(traits)}"
        super().__init__(service_of(self.backend), traits, **kwargs)

    # -- for Python users -------------------------------------------------------------------

    @property
    def selected(self) -> TaskList:
        """The ticked tasks, in the order in which they were ticked."""
        return TaskList(Task(task_id, backend=self.backend) for task_id in self.selected_ids)

    # -- messages ---------------------------------------------------------------------------

    def _speaks_of(self, topic: str) -> bool:
        return topic == "tasks" or topic.startswith(("task/", "batch/", "logs/", "progress/"))

    def _run(self, method: object, params: dict[str, Any], buffers: list[bytes]) -> Reply:
        if method == "tasks.select":
            self._select(params)
        if self._ids is None or method not in ("tasks.list", "tasks.all"):
            return super()._run(method, params, buffers)
        result, packed = super()._run(method, {**params, "ids": self._ids}, buffers)
        self._total = result["total"]
        return result, packed

    def _told(self, event: dict[str, Any]) -> dict[str, Any]:
        if self._ids is None or event["kind"] != "tasks":
            return event
        ours = [task for task in event["tasks"] if task["task_id"] in self._known]
        return {**event, "tasks": ours, "total": self._total}

    def _select(self, params: dict[str, Any]) -> None:
        ids = params.get("task_ids")
        if not isinstance(ids, list) or len(ids) > MOST_TICKED:
            raise UserInputError("The view sent no selection.")
        self.push(selected_ids=[check_task_id(task_id) for task_id in ids])

    # -- display ----------------------------------------------------------------------------

    def _html(self) -> str:
        """The first tasks where the table itself is not seen; else only that there is one."""
        if is_unattended():
            tasks = in_a_moment(self._service.workers.submit(self._first_tasks))
            if tasks is not None:
                return html_list(summaries_of(tasks), len(self._ids or tasks))
        listed = f"iw.tasks.get({self.last_n or ''})"
        return html_note(f"{self.as_text}. No live table here; {listed} shows a list on any page.")

    def _first_tasks(self) -> TaskList:
        if self._ids is not None:
            return TaskList(Task(task_id, backend=self.backend) for task_id in self._ids[:ROWS])
        return get(min(self.last_n or ROWS, ROWS), **self.filters, backend=self.backend)

    def _told_of(self, traits: dict[str, Any]) -> str:
        last_n = traits["last_n"]
        if self._ids is not None:
            shown = counted(len(self._ids), "task")
        else:
            shown = "all tasks" if last_n is None else f"newest {counted(last_n, 'task')}"
        chosen = "".join(f", {name} {value}" for name, value in traits["filters"].items() if value)
        return f"{shown} of {self.backend.name}{chosen}"

    def __repr__(self) -> str:
        return f"<{self.as_text}>"


def _one_backend(chosen: list[Task], backend: Backend | None) -> Backend:
    owners = dict.fromkeys(task.backend for task in chosen)
    if len(owners) > 1:
        names = ", ".join(owner.name for owner in owners)
        raise UserInputError(
            f"These tasks run on several services: {names}.", hint="Make a table for each."
        )
    return next(iter(owners), None) or backend or backends.default()
