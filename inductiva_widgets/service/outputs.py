"""Commands about output files: list, compare, look into, download a selection, pause, cancel."""

from __future__ import annotations

import contextlib
import secrets
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import (
    FileConflictError,
    InductivaWidgetsError,
    UserInputError,
)
from inductiva_widgets.outputs.check import local_states
from inductiva_widgets.service.packing import pack_listing, selected_indices
from inductiva_widgets.service.preview import previewed
from inductiva_widgets.service.protocol import DownloadProgress, FileListing, LocalFiles
from inductiva_widgets.service.summaries import service_error
from inductiva_widgets.task import Task
from inductiva_widgets.task.files import existing_outputs, outputs_missing, outputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.outputs.download import Download
    from inductiva_widgets.outputs.listing import Listing
    from inductiva_widgets.service.events import EventHub, Listener
    from inductiva_widgets.service.targets import Targets

__all__ = ["OutputCommands"]

ENDED_KEPT = 50  # tasks whose last download is remembered
FILE_STATES = {"waiting": 1, "fetching": 2, "verified": 3, "skipped": 4, "failed": 5}
LOCAL_STATES = {"same-size": 6, "different": 7, "same": 8}
COMPARED_BYTES = 64 * 1000 * 1000  # of contents, each time that a view looks into the folder


class _Running:
    """A download with what was sent to the views.

    One lock is held while sending, so that no older state comes after a newer one.
    """

    def __init__(self, task_id: str, revision: str, target: str) -> None:
        self.download_id = secrets.token_hex(8)
        self.task_id = task_id
        self.revision = revision
        self.target = target
        self.is_archive = False
        self.download: Download | None = None
        self._lock = threading.Lock()
        self._sent: dict[int, int] = {}

    def publish(self, send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Publishes the present state, with the files that changed since the last time."""
        with self._lock:
            event, states = self._event(self._sent)
            self._sent = states
            send(event)
        return event

    def send_whole(self, deliver: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Delivers the state of every file, for those who have missed the events so far."""
        with self._lock:
            event, _ = self._event({})
            deliver(event)
        return event

    @property
    def state(self) -> dict[str, Any]:
        """The download with the state of every file."""
        state: dict[str, Any] = self.send_whole(lambda _: None)["download"]
        return state

    def _event(self, sent: dict[int, int]) -> tuple[dict[str, Any], dict[int, int]]:
        download = self.download
        if download is None:  # set before the first event
            raise AssertionError
        progress = download.progress
        error = download.error
        files = download.files
        states = {f.index: FILE_STATES[f.state] for f in files}
        if isinstance(error, FileConflictError):
            others = [f.index for f in files if f.name in error.failed]
            states.update(dict.fromkeys(others, LOCAL_STATES["different"]))
        changed = {i: s for i, s in states.items() if sent.get(i) != s}
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
            paused=download.is_paused,
            is_archive=self.is_archive,
            percents=[
                number
                for f in files
                if f.state == "fetching" and f.part
                for number in (f.index, int(100 * f.part))
            ],
        )
        return {"kind": "download", "download": msgspec.to_builtins(message)}, states


class OutputCommands:
    """Listings and downloads of one backend's tasks, shared by all its views.

    Listings live in the `Task` objects kept here, so that a selection made in a view finds the
    listing that it was made in.
    """

    def __init__(self, backend: Backend, hub: EventHub, targets: Targets) -> None:
        self._backend = backend
        self._hub = hub
        self._targets = targets
        self._lock = threading.Lock()
        self._tasks: dict[str, Task] = {}
        self._packing = threading.Lock()
        self._packed: tuple[Listing, tuple[int, bytes]] | None = None  # the last one sent
        self._running: dict[str, _Running] = {}
        self._ended: dict[str, _Running] = {}  # the last one of a task, newest last

    def prepare(self, task: Task) -> None:
        """Reads and packs what a view of the task asks for first, if the task has ended.

        The view then finds what the task's owner has read already. What goes wrong is
        reported when the view asks.
        """
        with self._lock:
            task = self._tasks.setdefault(task.id, task)
        with contextlib.suppress(InductivaWidgetsError):
            if task.info.is_terminated and task.info.metrics.output_total_files != 0:
                self._frame(_listing(task))

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
            raise outputs_missing(task)
        listing = _listing(task, refresh=bool(params.get("refresh")))
        names_bytes, packed = self._frame(listing)
        meta = FileListing(
            task_id=task.id,
            revision=listing.revision,
            count=len(listing.names),
            names_bytes=names_bytes,
            size_bytes=sum(listing.sizes),
            archive_bytes=listing.archive_bytes,
            target=self._targets.shown(self._targets.place(task, params.get("folder"))),
        )
        return msgspec.to_builtins(meta), [packed]

    def start(self, params: dict[str, Any], buffers: Sequence[bytes]) -> dict[str, Any]:
        """Starts the download of the selected files, or of all when no selection is sent.

        Raises:
            OutputsNotReadyError: There is no archive (yet).
            UserInputError: The selection belongs to another listing, or a parameter is none.
            DestinationError: The folder is not one to write to.
        """
        task = self._task(params)
        listing = _same_listing(task, params)
        indices = selected_indices(buffers[0], len(listing.names)) if buffers else None
        if indices is not None and not indices:
            raise UserInputError("No file is ticked.")
        place = self._targets.place(task, params.get("folder"))
        target = self._targets.checked(place)
        running = _Running(task.id, listing.revision, self._targets.shown(place))
        running.is_archive = params.get("uncompress") is False
        # Callbacks may come before `start_download` returns: they wait for this lock.
        with self._lock:
            running.download = outputs_of(task).start_download(
                target,
                indices=indices,
                uncompress=not running.is_archive,
                overwrite=params.get("overwrite") or "error",
                on_progress=lambda _: self._progress(running),
            )
            self._running[running.download_id] = running
        state: dict[str, Any] = running.send_whole(self._publisher(running))["download"]
        return state

    def check(self, params: dict[str, Any]) -> dict[str, Any]:
        """What the target folder has of the listing, by sizes, and some contents.

        Raises:
            UserInputError: `folder` is none, or there is another listing by now.
            DestinationError: The folder cannot be written to.
        """
        task = self._task(params)
        listing = _same_listing(task, params)
        place = self._targets.place(task, params.get("folder"))
        found = local_states(listing, self._targets.checked(place), read_bytes=COMPARED_BYTES)
        changed = [number for row, state in found.items() for number in (row, LOCAL_STATES[state])]
        answer = LocalFiles(self._targets.shown(place), changed)
        return dict[str, Any](msgspec.to_builtins(answer))

    def preview(self, params: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """A part of one file, read by ranges of the archive.

        Raises:
            UserInputError: There is no such file in the listing.
            DownloadError: It cannot be read, or is damaged.
        """
        task = self._task(params)
        listing = _same_listing(task, params)
        meta, content = previewed(outputs_of(task).files(), listing, params)
        return msgspec.to_builtins(meta), [content]

    def state(self, params: dict[str, Any]) -> dict[str, Any]:
        """Downloads of a task on their way, else the last one, with the state of every file."""
        task_id = check_task_id(params.get("task_id"))
        return {"downloads": [running.state for running in self._known(task_id)]}

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

    def pause(self, params: dict[str, Any]) -> dict[str, Any]:
        """Holds a running download, or lets it go on; one that has ended is no error."""
        with self._lock:
            running = self._running.get(str(params.get("download_id")))
        if running is not None and running.download is not None:
            if params.get("paused"):
                running.download.pause()
            else:
                running.download.resume()
            running.publish(self._publisher(running))
        return {}

    def send_running(self, listener: Listener) -> None:
        """Sends a new listener of a task's topic its downloads on their way, or the last one.

        A page that is loaded again so still shows which files were verified.
        """
        if listener.topic.startswith("task/"):
            for running in self._known(listener.topic.removeprefix("task/")):
                running.send_whole(partial(self._hub.deliver, listener))

    def _frame(self, listing: Listing) -> tuple[int, bytes]:
        """The packed listing, made once for all who ask for it at about the same time."""
        with self._packing:
            if self._packed is None or self._packed[0] is not listing:
                frame = pack_listing(listing.names, listing.sizes, listing.packed_sizes)
                self._packed = listing, frame
            return self._packed[1]

    def _known(self, task_id: str) -> list[_Running]:
        with self._lock:
            running = [item for item in self._running.values() if item.task_id == task_id]
            ended = self._ended.get(task_id)
        return running or ([] if ended is None else [ended])

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
        if running.publish(self._publisher(running))["download"]["state"] != "running":
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


def _listing(task: Task, *, refresh: bool = False) -> Listing:
    """What the task's archive holds; its absence is reported as what it means for the task."""
    with existing_outputs(task) as outputs:
        return outputs.directory(refresh=refresh)


def _same_listing(task: Task, params: dict[str, Any]) -> Listing:
    """The listing that the view counts in."""
    listing = _listing(task)
    if params.get("revision") != listing.revision:
        raise UserInputError(
            "The list of files is no longer the one that was ticked.",
            hint="Refresh the list and tick the files again.",
        )
    return listing


def _await_end(download: Download) -> None:
    try:
        download.result(timeout=5.0)
    except InductivaWidgetsError:
        return  # cancelled, as was asked
