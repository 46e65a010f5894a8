"""Downloads of the outputs of many tasks: a few at a time, with one bar."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from inductiva_widgets.errors import InductivaWidgetsError, NotFoundError
from inductiva_widgets.formats import counted, file_size, safe_text, text_table
from inductiva_widgets.outputs.listing import check_filenames
from inductiva_widgets.task.files import download_folder, outputs_missing, outputs_of
from inductiva_widgets.task.host import host
from inductiva_widgets.tasks.by_task import ByTask, why_not
from inductiva_widgets.tasks.chosen import chosen_tasks
from inductiva_widgets.tasks.spread import spread

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.outputs.download import Download
    from inductiva_widgets.outputs.rehearsal import DownloadPlan
    from inductiva_widgets.task import Task

__all__ = ["DownloadPlans", "DownloadReport", "SideBySide", "TaskDownload", "download", "of_task"]

AT_ONCE = 8
CONNECTIONS = 16  # of all downloads together: as many as a session keeps


@dataclass(frozen=True, slots=True)
class TaskDownload:
    """The outcome of the download of one task.

    Attributes:
        task_id: The task.
        path: Folder that holds the files; `None` when nothing was delivered.
        files: Files delivered, or there already.
        bytes: Their size.
        error: Why something is missing, as a sentence that begins with the kind of error; empty
            when nothing is.
    """

    task_id: str
    path: Path | None
    files: int
    bytes: int
    error: str = ""


class DownloadReport(ByTask[TaskDownload]):
    """The outcome of each task, by its id. `print()` shows it as a table."""

    @property
    def failed(self) -> list[str]:
        """Ids of the tasks that miss something; they can be given to `download` again."""
        return [task_id for task_id, one in self.items() if one.error]

    @property
    def is_complete(self) -> bool:
        """Whether everything requested is there."""
        return not self.failed

    def __str__(self) -> str:
        rows = [
            (task_id, str(one.files), file_size(one.bytes), one.error or safe_text(one.path, 4096))
            for task_id, one in self.items()
        ]
        done = len(self) - len(self.failed)
        head = f"{done} of {counted(len(self), 'task')} complete"
        return f"{head}\n{_table(('Task', 'Files', 'Size', 'Folder, or what is missing'), rows)}"


class DownloadPlans(ByTask["DownloadPlan"]):
    """What a download would do, by task id. `print()` shows it as a table.

    Attributes:
        errors: Sentence by id, of the tasks whose archive could not be listed.
    """

    def __init__(self, results: Mapping[str, DownloadPlan], errors: Mapping[str, str]) -> None:
        super().__init__(results)
        self.errors = dict(errors)

    @property
    def names(self) -> list[str]:
        """The files that would be fetched, each as `<task id>/<name>`."""
        return [f"{task_id}/{name}" for task_id, plan in self.items() for name in plan.names]

    @property
    def bytes(self) -> int:
        """What they take on disk."""
        return sum(plan.bytes for plan in self.values())

    @property
    def packed_bytes(self) -> int:
        """What would travel."""
        return sum(plan.packed_bytes for plan in self.values())

    @property
    def is_clear(self) -> bool:
        """Whether everything requested would be delivered."""
        return not self.errors and all(plan.is_clear for plan in self.values())

    def __str__(self) -> str:
        rows = [
            (
                task_id,
                f"{len(plan.names)} of {len(plan)}",
                file_size(plan.bytes),
                file_size(plan.packed_bytes),
                _remarks(plan),
            )
            for task_id, plan in self.items()
        ]
        rows += [(task_id, "–", "–", "–", why) for task_id, why in self.errors.items()]
        files = counted(len(self.names), "file")
        packed = f"{file_size(self.packed_bytes)} ({file_size(self.bytes)} unpacked)"
        head = f"Nothing was fetched. A download would fetch {files}, {packed}:"
        return f"{head}\n{_table(('Task', 'Files', 'Size', 'Packed', 'Remarks'), rows)}"


@overload
def download(
    tasks: object,
    filenames: Sequence[str] | None = ...,
    output_dir: str | os.PathLike[str] | None = ...,
    *,
    uncompress: bool = ...,
    overwrite: str = ...,
    dry_run: Literal[False] = ...,
    backend: Backend | None = ...,
) -> DownloadReport: ...


@overload
def download(
    tasks: object,
    filenames: Sequence[str] | None = ...,
    output_dir: str | os.PathLike[str] | None = ...,
    *,
    uncompress: bool = ...,
    overwrite: str = ...,
    dry_run: Literal[True],
    backend: Backend | None = ...,
) -> DownloadPlans: ...


def download(  # noqa: PLR0913 - as `Task.download_outputs`
    tasks: object,
    filenames: Sequence[str] | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    *,
    uncompress: bool = True,
    overwrite: str = "error",
    dry_run: bool = False,
    backend: Backend | None = None,
) -> DownloadReport | DownloadPlans:
    """Downloads outputs of many tasks, 8 at a time; a bad one does not stop the others.

    Ctrl-C stops them all: files that are complete stay, and the same call continues with the rest.

    Args:
        tasks: Tasks or ids, or a frame, series or index of the history with the index `task_id`.
        filenames: Names, folders or patterns, the same for each; all files by default.
        output_dir: Files go to `<output_dir>/<task id>/outputs`; else below the output root.
        uncompress: `False` stores each archive itself as `output.zip`.
        overwrite: `error` (identical files are skipped), `skip`, `replace` or `rename`.
        dry_run: Fetches and writes nothing; returns `DownloadPlans` with names and bytes.
        backend: Of tasks given by id; the default backend when not given.

    Returns:
        The outcome of each task, by id: nothing is raised for a single task.

    Raises:
        UserInputError: An argument is invalid; nothing was sent.
    """
    from pathlib import Path

    from inductiva_widgets.outputs.decisions import Order

    names = check_filenames(filenames)
    wanted = chosen_tasks(tasks, backend)
    folders = {task: _folder(task, output_dir) for task in wanted}
    # Refuses what is invalid before anything is fetched.
    Order(Path(), names, uncompress=uncompress, overwrite=overwrite)  # type: ignore[arg-type] # checked by it
    batch = _Batch(folders, {"filenames": names, "uncompress": uncompress, "overwrite": overwrite})
    return batch.rehearsed() if dry_run else batch.downloaded()


def _folder(task: Task, root: str | os.PathLike[str] | None) -> Path:
    if root is None:
        return download_folder(task)
    return download_folder(task, root) / task.id / "outputs"


class DownloadStanding(NamedTuple):
    """How far several downloads are: files that are there, bytes fetched, and those wanted."""

    files_done: int
    bytes: int
    bytes_done: int
    bytes_per_s: float


class SideBySide:
    """Downloads of several tasks at the same time. What their threads share is under one lock.

    Args:
        tasks: In the order in which they are begun.

    Attributes:
        connections: How many each of them may use.
        is_cancelled: Whether no further download should begin.
    """

    def __init__(self, tasks: Collection[Task]) -> None:
        self._tasks = tasks
        self._at_once = min(AT_ONCE, len(tasks))
        self.connections = max(2, CONNECTIONS // max(1, self._at_once))
        self._lock = threading.Lock()
        self._running: set[Download] = set()
        # Of downloads that are over: they themselves hold more than is worth keeping.
        self._ended_files = self._ended_bytes = 0
        self._keeps_received = True
        self.is_cancelled = False

    def each(self, act: Callable[[Task], None], look: Callable[[], None]) -> None:
        """Calls `act` for each task, as `spread` does; what it raises cancels all downloads."""
        spread(self._tasks, act, at_once=self._at_once, look=look, stop=self.cancel)

    def follow(self, download: Download) -> None:
        """Waits for a download, and raises what it raises."""
        with self._lock:
            self._running.add(download)
            if self.is_cancelled:
                download.cancel(keep_received=self._keeps_received)
        try:
            download.result()
        finally:
            with self._lock:
                self._running.discard(download)
                end = download.progress
                self._ended_files += end.files_done
                self._ended_bytes += end.bytes_done

    def standing(self) -> DownloadStanding:
        """How far all of them are together; what a failed one did not fetch is not wanted."""
        with self._lock:
            now = [one.progress for one in self._running]
            files, ended = self._ended_files, self._ended_bytes
        return DownloadStanding(
            files_done=files + sum(one.files_done for one in now),
            bytes=ended + sum(one.bytes for one in now),
            bytes_done=ended + sum(one.bytes_done for one in now),
            bytes_per_s=sum(one.bytes_per_s for one in now),
        )

    def cancel(self, *, keep_received: bool = True) -> None:
        """Cancels those under way and all that are still to come; as of `Download.cancel`."""
        with self._lock:
            self.is_cancelled, self._keeps_received = True, keep_received
            running = list(self._running)
        for download in running:
            download.cancel(keep_received=keep_received)


class _Batch:
    """One call. Each of its threads writes the entries of its own tasks only."""

    def __init__(self, folders: Mapping[Task, Path], how: Mapping[str, Any]) -> None:
        self._folders = folders
        self._how = how
        self._together = SideBySide(folders)
        self._results: dict[str, TaskDownload] = {}
        self._plans: dict[str, DownloadPlan] = {}
        self._errors: dict[str, str] = {}

    def rehearsed(self) -> DownloadPlans:
        bar = host().ProgressBar(total=len(self._folders), unit="task")
        try:
            self._together.each(self._plan, lambda: bar.show(len(self._plans) + len(self._errors)))
        finally:
            bar.close()
        plans, errors = self._plans, self._errors
        return DownloadPlans(
            {task.id: plans[task.id] for task in self._folders if task.id in plans},
            {task.id: errors[task.id] for task in self._folders if task.id in errors},
        )

    def downloaded(self) -> DownloadReport:
        bar = host().ProgressBar(unit="B", unit_scale=True)

        def look() -> None:
            now, done = self._together.standing(), len(self._results)
            bar.show(now.bytes_done, now.bytes, f"{done} of {len(self._folders)} tasks")

        try:
            self._together.each(self._download, look)
        except KeyboardInterrupt:
            done = sum(not one.error for one in [*self._results.values()])
            host().say(
                f"Stopped: {done} of {len(self._folders)} tasks are complete; "
                "the same call goes on with the rest."
            )
            raise
        finally:
            bar.close()
        return DownloadReport({task.id: self._results[task.id] for task in self._folders})

    def _plan(self, task: Task) -> None:
        try:
            plan = outputs_of(task).plan_download(self._folders[task], **self._how)
        except InductivaWidgetsError as error:
            self._errors[task.id] = why_not(of_task(task, error))
        else:
            self._plans[task.id] = plan

    def _download(self, task: Task) -> None:
        error: InductivaWidgetsError | None = None
        download = outputs_of(task).start_download(
            self._folders[task], connections=self._together.connections, **self._how
        )
        try:
            self._together.follow(download)
        except InductivaWidgetsError as raised:
            error = of_task(task, raised)
        delivered = [file for file in download.files if file.state in ("verified", "skipped")]
        self._results[task.id] = TaskDownload(
            task.id,
            download.path if delivered or error is None else None,
            len(delivered),
            sum(file.size for file in delivered),
            why_not(error) if error else "",
        )


def of_task(task: Task, error: InductivaWidgetsError) -> InductivaWidgetsError:
    """A missing archive as what it means for the task; other errors as they are."""
    if isinstance(error, NotFoundError) and not error.missing:
        try:
            return outputs_missing(task)
        except InductivaWidgetsError as unknown:
            return unknown
    return error


def _remarks(plan: DownloadPlan) -> str:
    counts = {
        "skipped": sum(file.action == "skip" for file in plan.files),
        "in the way": sum(file.action == "conflict" for file in plan.files),
        "refused": sum(file.action == "refuse" for file in plan.files),
        "not in the archive": len(plan.missing),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return text_table(header, rows, indent="  ") if rows else "  (no tasks)"
