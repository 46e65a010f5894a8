"""Commands about output files: list them, download a selection, cancel."""

from __future__ import annotations

import secrets
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import InductivaWidgetsError, NotFoundError, UserInputError
from inductiva_widgets.service.protocol import (
    DownloadProgress,
    FileListing,
    pack_listing,
    selected_indices,
    service_error,
)
from inductiva_widgets.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.outputs.download import Download
    from inductiva_widgets.outputs.listing import Listing
    from inductiva_widgets.service.events import EventHub, Listener

__all__ = ["OutputCommands"]

ENDED_KEPT = 50  # tasks whose last download is remembered
FILE_STATES = {"waiting": 1, "fetching": 2, "verified": 3, "skipped": 4, "failed": 5}


class _Running:
    """A download with what the views know of it.

    One lock is held while telling, so that no older state comes after a newer one.
    """

    def __init__(self, task_id: str, revision: str, target: str) -> None:
        self.download_id = secrets.token_hex(8)
        self.task_id = task_id
        self.revision = revision
        self.target = target
        self.download: Download | None = None
        self._lock = threading.Lock()
        self._told: dict[int, int] = {}

    def tell(self, publish: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Publishes the present state, with the files that changed since the last time."""
        with self._lock:
            event, states = self._event(self._told)
            self._told = states
            publish(event)
        return event

    def tell_whole(self, deliver: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Delivers the state of every file, for those who have missed the events so far."""
        with self._lock:
            event, _ = self._event({})
            deliver(event)
        return event

    def _event(self, told: dict[int, int]) -> tuple[dict[str, Any], dict[int, int]]:
        download = self.download
        if download is None:  # set before the first event
            raise AssertionError
        progress = download.progress
        error = download.error
        files = download.files
        states = {f.index: FILE_STATES[f.state] for f in files}
        changed = {i: s for i, s in states.items() if told.get(i) != s}
        message = DownloadProgress(
            download_id=self.download_id,
            task_id=self.task_id,
            revision=self.revision,
            state=progress.state,
            files=progress.files,
            files_done=progress.files_done,
            bytes=progress.bytes,
            bytes_done=progress.bytes_done,
            bytes_per_s=progress.bytes_per_s,
            seconds_left=progress.seconds_left,
            target=self.target,
            error=service_error(error) if error else None,
            changed=[number for pair in changed.items() for number in pair],
            reasons={str(f.index): f.reason for f in files if f.index in changed and f.reason},
        )
        return {"kind": "download", "download": msgspec.to_builtins(message)}, states


class OutputCommands:
    """Listings and downloads of one backend's tasks, shared by all its views.

    Listings live in the `Task` objects kept here, so that a selection made in a view finds the
    listing that it was made in.
    """

    def __init__(self, backend: Backend, hub: EventHub, target_root: Path | None) -> None:
        self._backend = backend
        self._hub = hub
        self._target_root = target_root
        self._lock = threading.Lock()
        self._tasks: dict[str, Task] = {}
        self._running: dict[str, _Running] = {}
        self._ended: dict[str, _Running] = {}  # the last one of a task, newest last

    def list_files(self, params: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """The packed listing of a task's outputs.

        Raises:
            OutputsNotReadyError: There is no archive (yet).
        """
        task = self._task(params)
        record = task.info
        if not record.is_terminated:
            record = task.refresh()
        if not record.is_terminated:
            raise task.outputs_missing()
        listing = _listing(task, refresh=bool(params.get("refresh")))
        names_bytes, packed = pack_listing(listing.names, listing.sizes, listing.packed_sizes)
        meta = FileListing(
            task_id=task.id,
            revision=listing.revision,
            count=len(listing.names),
            names_bytes=names_bytes,
            size_bytes=sum(listing.sizes),
            archive_bytes=listing.archive_bytes,
            target=self._shown(self._target(task)),
        )
        return msgspec.to_builtins(meta), [packed]

    def start(self, params: dict[str, Any], buffers: Sequence[bytes]) -> dict[str, Any]:
        """Starts the download of the selected files, or of all when no selection is sent.

        Raises:
            OutputsNotReadyError: There is no archive (yet).
            UserInputError: The selection belongs to another listing.
        """
        task = self._task(params)
        listing = _listing(task)
        if params.get("revision") != listing.revision:
            raise UserInputError(
                "The list of files is no longer the one that was ticked.",
                hint="Refresh the list and tick the files again.",
            )
        indices = selected_indices(buffers[0], len(listing.names)) if buffers else None
        if indices is not None and not indices:
            raise UserInputError("No file is ticked.")
        target = self._target(task)
        running = _Running(task.id, listing.revision, self._shown(target))
        # Callbacks may come before `start_download` returns: they wait for this lock.
        with self._lock:
            running.download = task.outputs.start_download(
                target, indices=indices, on_progress=lambda _: self._progress(running)
            )
            self._running[running.download_id] = running
        state: dict[str, Any] = running.tell_whole(self._publisher(running))["download"]
        return state

    def names(self, task_id: str, revision: str, indices: Sequence[int]) -> list[str]:
        """Names of rows of a listing; none when the outputs have another listing by now."""
        listing = _listing(self._task({"task_id": task_id}))
        if listing.revision != revision:
            return []
        return [listing.names[index] for index in indices if index < len(listing)]

    def cancel(self, params: dict[str, Any]) -> dict[str, Any]:
        """Cancels a running download; one that has ended or is unknown is no error."""
        with self._lock:
            running = self._running.get(str(params.get("download_id")))
        if running is not None and running.download is not None:
            running.download.cancel()
        return {}

    def tell_running(self, listener: Listener) -> None:
        """Tells a new listener of a task's topic its downloads on their way, or the last one.

        A page that is loaded again so still shows which files were verified.
        """
        with self._lock:
            mine = [r for r in self._running.values() if listener.topic == f"task/{r.task_id}"]
            ended = self._ended.get(listener.topic.removeprefix("task/"))
        if not mine and ended is not None:
            mine = [ended]
        for running in mine:
            running.tell_whole(partial(self._hub.deliver, listener))

    def close(self) -> None:
        """Cancels all downloads and waits for their ends."""
        with self._lock:
            running = list(self._running.values())
            self._running.clear()
        for item in running:
            if item.download is not None:
                item.download.cancel()
        for item in running:
            if item.download is not None:
                _await_end(item.download)

    def _progress(self, running: _Running) -> None:
        with self._lock:
            pass  # `start` holds it until the download is known
        if running.tell(self._publisher(running))["download"]["state"] != "running":
            with self._lock:
                self._running.pop(running.download_id, None)
                self._ended.pop(running.task_id, None)
                self._ended[running.task_id] = running
                if len(self._ended) > ENDED_KEPT:
                    del self._ended[next(iter(self._ended))]

    def _publisher(self, running: _Running) -> Callable[[dict[str, Any]], None]:
        return partial(self._hub.publish, f"task/{running.task_id}")

    def _task(self, params: dict[str, Any]) -> Task:
        task_id = check_task_id(params.get("task_id"))
        with self._lock:
            return self._tasks.setdefault(task_id, Task(task_id, backend=self._backend))

    def _target(self, task: Task) -> Path:
        if self._target_root is None:
            return task.output_dir()
        return self._target_root / task.id / "outputs"

    def _shown(self, target: Path) -> str:
        """The folder as people see it; absolute paths of a server are none of a page's business."""
        if self._target_root is None:
            return str(target)
        return target.relative_to(self._target_root.parent).as_posix()


def _listing(task: Task, *, refresh: bool = False) -> Listing:
    """What the task's archive holds; its absence is told as what it means for the task."""
    try:
        return task.outputs.directory(refresh=refresh)
    except NotFoundError:
        raise task.outputs_missing() from None


def _await_end(download: Download) -> None:
    try:
        download.result(timeout=5.0)
    except InductivaWidgetsError:
        return  # cancelled, as was asked
