"""TaskMonitor: one task as a live view in a notebook."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

import traitlets

import inductiva_widgets.outputs.engine  # noqa: F401 - loaded here, and not by the first view
from inductiva_widgets.api import sessions
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.notebook.card import html_card, text_card
from inductiva_widgets.notebook.known import in_a_moment, summary_of
from inductiva_widgets.notebook.service_widget import ServiceWidget
from inductiva_widgets.notebook.session import is_unattended
from inductiva_widgets.service.dispatch import service_of
from inductiva_widgets.service.packing import selected_indices
from inductiva_widgets.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from inductiva_widgets.service.dispatch import Reply

__all__ = ["TaskMonitor", "as_task"]

sessions.load()

OFFICIAL_KEY = "APIKeyHeader"  # where the official client's configuration has its key


class TaskMonitor(ServiceWidget):
    """Live view of one task: status, runtime, machine, output files to tick and download, kill.

    Args:
        task: A task id, a `Task`, or a task of the official client.

    Attributes:
        task_id: Id of the task.
        status: Status code as last seen; observe it to react to changes.
        selected_count: How many files are ticked.
        last_download: `{"state", "target", "files", "error"}` of the last download, or `None`.
    """

    _kind = "monitor"

    task_id = traitlets.Unicode(read_only=True).tag(sync=True)
    status = traitlets.Unicode("", read_only=True).tag(sync=True)
    summary = traitlets.Dict(allow_none=True, default_value=None, read_only=True).tag(sync=True)
    selected_count = traitlets.Int(0, read_only=True).tag(sync=True)
    last_download = traitlets.Dict(allow_none=True, default_value=None, read_only=True).tag(
        sync=True
    )

    def __init__(self, task: object, **kwargs: Any) -> None:  # noqa: ANN401 - ipywidgets' own
        self._selection: tuple[str, list[int]] = ("", [])
        self._first_look: Future[Reply] | None = None
        self.task = as_task(task)
        traits: dict[str, Any] = {"task_id": self.task.id}
        summary = summary_of(self.task)
        if summary:
            traits.update(status=summary["status"], summary=summary)
        traits["as_text"] = text_card(self.task.id, summary)
        super().__init__(service_of(self.task.backend), traits, **kwargs)

    # -- for Python users -------------------------------------------------------------------

    @property
    def selected(self) -> list[str]:
        """Names of the ticked files, in the order of the archive."""
        revision, indices = self._selection
        if not indices:
            return []
        return self._service.outputs.names(self.task.id, revision, indices)

    def download(self, filenames: Sequence[str] | None = None) -> Path:
        """Downloads the ticked files, or those named, and returns their folder."""
        names = self.selected if filenames is None else filenames
        if not names:
            raise UserInputError("No file is ticked.", hint="Tick files, or name them.")
        return self.task.download_outputs(filenames=names)

    # -- display ----------------------------------------------------------------------------

    def _take_summary(self, summary: dict[str, Any]) -> None:
        """Keeps the summary for saved notebooks; its clock only matters to live views."""
        known = self.summary or {}
        if any(known.get(key) != value for key, value in summary.items() if key not in _CLOCKS):
            as_text = text_card(self.task.id, summary)
            self.push(status=summary["status"], summary=summary, as_text=as_text)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:  # noqa: ANN401
        # What the view will ask for is found out while the page makes the view.
        self._first_look = self._service.workers.submit(self._look_ahead)
        if is_unattended():
            in_a_moment(self._first_look)
        bundle: tuple[dict[str, Any], dict[str, Any]] | None = super()._repr_mimebundle_(**kwargs)
        return bundle

    def _html(self) -> str:
        return html_card(self.task.id, summary_of(self.task))

    def _catch_up(self) -> None:
        if summary := summary_of(self.task):
            self._take_summary(summary)

    def _look_ahead(self) -> Reply:
        reply = self._service.call("task.get", {"task_id": self.task.id})
        self._take_summary(reply[0])  # a view whose questions wait for a busy kernel has this
        if reply[0]["is_terminal"]:
            self._service.workers.submit(self._service.outputs.prepare, self.task)
        return reply

    # -- messages ---------------------------------------------------------------------------

    def _speaks_of(self, topic: str) -> bool:
        kind, _, task_id = topic.partition("/")
        if kind in ("logs", "progress"):  # those of a view bear its mark
            task_id = task_id.partition("#")[0]
        return kind in ("task", "logs", "progress") and task_id == self.task.id

    def _run(self, method: object, params: dict[str, Any], buffers: list[bytes]) -> Reply:
        if method == "outputs.select":
            self._select(params, buffers)
        look = self._first_look
        is_same = method == "task.get" and params == {"task_id": self.task.id, "refresh": False}
        # One that waits for a free worker is not waited for: all workers could come to wait so.
        if is_same and look is not None and look.running():
            return look.result()
        return super()._run(method, params, buffers)

    def _keep(self, event: dict[str, Any]) -> None:
        """Sets the traits that an event changes."""
        if event["kind"] == "task":
            self._take_summary(event["task"])
        elif event["kind"] == "download" and event["download"]["state"] != "running":
            state = event["download"]
            kept = {key: state[key] for key in ("state", "target", "files", "files_done", "error")}
            self.push(last_download=kept)

    def _select(self, params: dict[str, Any], buffers: list[bytes]) -> None:
        count = params.get("count")
        if not isinstance(count, int) or not buffers:
            raise UserInputError("The view sent no selection.")
        indices = selected_indices(buffers[0], count)
        self._selection = (str(params.get("revision")), indices)
        self.push(selected_count=len(indices))

    def __repr__(self) -> str:
        return f"<TaskMonitor {self.task.id}: {self.status or 'not asked yet'}>"


_CLOCKS = frozenset({"as_of", "server_now"})


def as_task(task: object) -> Task:
    """Our `Task` for an id, a `Task`, or a task of the official client.

    Raises:
        UserInputError: None of these, or a task of another host than the default backend's.
    """
    if isinstance(task, Task):
        return task
    if isinstance(task, str):
        return Task(task)
    if type(task).__module__.split(".")[0] == "inductiva":
        return _official_task(task)
    raise UserInputError(
        f"A TaskMonitor shows a task id or a Task, not {type(task).__name__}.",
        hint='For example TaskMonitor("i4ir3kvv62odsfrhko4y8w2an").',
    )


def _official_task(task: Any) -> Task:  # noqa: ANN401 - a class of the official client
    """Its task with our backend, if both use the same service with the same account.

    Else a kill here could reach a task of another account that happens to have the same id.
    """
    from inductiva_widgets.api.config import normalise_url

    ours = Task(str(task.id))
    backend = ours.backend
    client = getattr(getattr(task, "_api", None), "api_client", None)
    configuration = getattr(client, "configuration", None)
    host = getattr(configuration, "host", None)
    if not isinstance(host, str) or normalise_url(host) != backend.config.url:
        raise UserInputError(
            f"This task belongs to another service than {backend.name}.",
            hint="Connect to its service first: inductiva_widgets.connect(url=…).",
        )
    keys = getattr(configuration, "api_key", None)
    key = keys.get(OFFICIAL_KEY) if isinstance(keys, dict) else None
    mine = backend.config.key.reveal()
    if not isinstance(key, str) or not hmac.compare_digest(key.strip().encode(), mine.encode()):
        raise UserInputError(
            f"This task was made with another API key than the one used for {backend.name}.",
            hint="Connect with its key first: inductiva_widgets.connect(key=…).",
        )
    return ours
