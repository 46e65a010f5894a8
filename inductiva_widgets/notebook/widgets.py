"""Widgets: TaskMonitor, one task as a live view in a notebook.

The view and the service talk by custom messages (`service/protocol.py`); synced traits hold only
what Python users observe and what a saved notebook needs. Any thread may call in (kernel
subshells, the poller, download workers): one lock per widget guards traits and sending.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.service.dispatch import Service, service_of
from inductiva_widgets.service.protocol import selected_indices, service_error, task_summary
from inductiva_widgets.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inductiva_widgets.service.events import Listener

__all__ = ["TaskMonitor", "as_task"]

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent.parent / "static"
ANSWERS_KEPT = 256  # a view that repeats a call gets the same answer, and nothing runs twice


class TaskMonitor(anywidget.AnyWidget):
    """Live view of one task: status, runtime, machine, output files to tick and download, kill.

    Args:
        task: A task id, a `Task`, or a task of the official client.

    Attributes:
        task_id: Id of the task.
        status: Status code as last seen; observe it to react to changes.
        selected_count: How many files are ticked.
        last_download: `{"state", "target", "files", "error"}` of the last download, or `None`.
    """

    _esm = STATIC / "widget.js"
    _css = STATIC / "widget.css"

    task_id = traitlets.Unicode(read_only=True).tag(sync=True)
    status = traitlets.Unicode("", read_only=True).tag(sync=True)
    summary = traitlets.Dict(allow_none=True, default_value=None, read_only=True).tag(sync=True)
    selected_count = traitlets.Int(0, read_only=True).tag(sync=True)
    last_download = traitlets.Dict(allow_none=True, default_value=None, read_only=True).tag(
        sync=True
    )
    alive_key = traitlets.Unicode(read_only=True).tag(sync=True)

    def __init__(self, task: object, **kwargs: Any) -> None:  # noqa: ANN401 - ipywidgets' own
        self._guard = threading.RLock()
        self._closed = False
        self._calls = _Calls()
        self._listener: Listener | None = None
        self._subscribed = 0  # counts the view's wishes: only the newest one is followed
        self._selection: tuple[str, list[int]] = ("", [])
        self.task = as_task(task)
        self._service: Service = service_of(self.task.backend)
        with self.hold_trait_notifications():
            self.set_trait("task_id", self.task.id)
            self.set_trait("alive_key", secrets.token_hex(16))
            seen = self.task.backend.watcher.latest(self.task.id)
            if seen is not None:
                self._take_summary(task_summary_dict(self.task))
        super().__init__(**kwargs)

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

    @property
    def is_closed(self) -> bool:
        """Whether `close()` was called; a closed monitor shows nothing new."""
        return self._closed

    def close(self) -> None:
        """Frees everything: the watching and the comm."""
        self._closed = True
        self._unsubscribe()
        with self._guard:
            super().close()

    # -- messages ---------------------------------------------------------------------------

    def open(self) -> None:
        """Opens the comm so that clicks reach a busy kernel.

        ipykernel 7.4 sends a view's messages to whichever thread published last; the default
        route, a subshell, is the one that stays free while a cell runs.
        """
        super().open()
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda data, default: default  # noqa: ARG005, SLF001

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """State from the browser; traits here are read-only for it, so only known keys pass."""
        with self._guard:
            super().set_state({k: v for k, v in sync_data.items() if k.startswith("_")})

    def push(self, **traits: Any) -> None:  # noqa: ANN401
        """Sets synced traits: the only place that does, from any thread."""
        with self._guard, self.hold_sync():
            for name, value in traits.items():
                self.set_trait(name, value)

    def _handle_custom_msg(self, content: Any, buffers: Any) -> None:  # noqa: ANN401
        """A message of the view. Returns at once: work runs on this widget's workers."""
        try:
            self._take_message(content, [bytes(buffer) for buffer in buffers or ()])
        except Exception as error:
            # Whatever is raised here would vanish: ipywidgets shows handlers' errors nowhere.
            log.exception("message of the view failed")
            if isinstance(content, dict) and isinstance(content.get("id"), str):
                self._post(_failure(content["id"], error))

    def _take_message(self, content: Any, buffers: list[bytes]) -> None:  # noqa: ANN401
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind == "call" and isinstance(content.get("id"), str):
            self._call(content, buffers)
        elif kind == "subscribe":
            # Also a repeat: the view asks anew after a gap and needs revisions from 1.
            if content.get("topic") == f"task/{self.task.id}":  # it speaks of its own task only
                self._service.workers.submit(self._subscribe, self._unsubscribe())
        elif kind == "unsubscribe":
            self._unsubscribe()

    def _call(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        call_id = content["id"]
        self._post({"kind": "ack", "id": call_id})
        is_new, known = self._calls.take(call_id)
        if known is not None:
            self._post(known)
        elif is_new:
            self._service.workers.submit(self._answer, call_id, content, buffers)

    def _answer(self, call_id: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        try:
            params = content.get("params")
            params = params if isinstance(params, dict) else {}
            if content.get("method") == "outputs.select":
                self._select(params, buffers)
            result, packed = self._service.call(content.get("method"), params, buffers)
            answer: dict[str, Any] = {"kind": "result", "id": call_id, "result": result}
        except Exception as error:
            # The border of the host: every call is answered, whatever happened.
            log.debug("call %s failed", content.get("method"), exc_info=True)
            answer, packed = _failure(call_id, error), []
        self._calls.end(call_id, answer, packed)
        self._post(answer, packed)

    def _subscribe(self, wish: int) -> None:
        if wish != self._subscribed:
            return
        listener = self._service.subscribe(f"task/{self.task.id}", self._on_event)
        with self._guard:
            is_wanted = wish == self._subscribed and not self._closed
            if is_wanted:
                self._listener = listener
        if not is_wanted:
            listener.close()

    def _unsubscribe(self) -> int:
        """Ends the present subscription and those on their way; the number of a next one."""
        with self._guard:
            self._subscribed += 1
            wish, listener, self._listener = self._subscribed, self._listener, None
        if listener is not None:
            listener.close()
        return wish

    def _on_event(self, message: dict[str, Any]) -> None:
        try:
            self._keep(message["event"])
        except Exception:
            # Somebody's observer of a trait raised; the view goes on.
            log.exception("an observer of the monitor of task %s failed", self.task.id)
        self._post(message)

    def _keep(self, event: dict[str, Any]) -> None:
        """Sets the traits that an event changes."""
        if event["kind"] == "task":
            self._take_summary(event["task"])
        elif event["kind"] == "download" and event["download"]["state"] != "running":
            state = event["download"]
            kept = {key: state[key] for key in ("state", "target", "files", "files_done", "error")}
            self.push(last_download=kept)

    def _take_summary(self, summary: dict[str, Any]) -> None:
        """Keeps the summary for saved notebooks; its clock only matters to live views."""
        known = self.summary or {}
        if any(known.get(key) != value for key, value in summary.items() if key not in _CLOCKS):
            self.push(status=summary["status"], summary=summary)

    def _select(self, params: dict[str, Any], buffers: list[bytes]) -> None:
        count = params.get("count")
        if not isinstance(count, int) or not buffers:
            raise UserInputError("The view sent no selection.")
        indices = selected_indices(buffers[0], count)
        self._selection = (str(params.get("revision")), indices)
        self.push(selected_count=len(indices))

    def _post(self, message: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        with self._guard:
            self.send(message, list(buffers))

    def __repr__(self) -> str:
        return f"<TaskMonitor {self.task.id}: {self.status or 'not asked yet'}>"


_CLOCKS = frozenset({"as_of", "server_now"})


class _Calls:
    """Answers given lately, by call id, so that a repeated call is not run again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, dict[str, Any] | None] = OrderedDict()

    def take(self, call_id: str) -> tuple[bool, dict[str, Any] | None]:
        """Whether the call is new and so must be run; else its answer, if there is one by now."""
        with self._lock:
            if call_id in self._answers:
                return False, self._answers[call_id]
            self._answers[call_id] = None
            while len(self._answers) > ANSWERS_KEPT:
                self._answers.popitem(last=False)
            return True, None

    def end(self, call_id: str, answer: dict[str, Any], buffers: list[bytes]) -> None:
        """Keeps the answer. Bulk data is not kept: a repeated call for it runs again."""
        with self._lock:
            if buffers:
                self._answers.pop(call_id, None)
            elif call_id in self._answers:
                self._answers[call_id] = answer


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
    """Its task with our backend, if both talk to the same address: never another account's."""
    from inductiva_widgets.api.config import normalise_url

    ours = Task(str(task.id))
    configuration = getattr(getattr(task, "_api", None), "api_client", None)
    host = getattr(getattr(configuration, "configuration", None), "host", None)
    if host is None or normalise_url(host) != ours.backend.config.url:
        raise UserInputError(
            f"This task belongs to another service than {ours.backend.name}.",
            hint="Connect to its service first: inductiva_widgets.connect(url=…).",
        )
    return ours


def task_summary_dict(task: Task) -> dict[str, Any]:
    """Summary of what is known of a task, without asking."""
    import msgspec

    seen = task.backend.watcher.latest(task.id)
    if seen is None:
        return {}
    summary: dict[str, Any] = msgspec.to_builtins(task_summary(task.backend, seen))
    return summary


def _failure(call_id: str, error: BaseException) -> dict[str, Any]:
    import msgspec

    return {"kind": "error", "id": call_id, "error": msgspec.to_builtins(service_error(error))}
