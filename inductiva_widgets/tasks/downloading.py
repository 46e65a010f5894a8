"""Outputs or inputs of many tasks downloaded: a few at a time, with one bar."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

from inductiva_widgets.errors import InductivaWidgetsError, NotFoundError
from inductiva_widgets.formats import file_size, safe_text, text_table
from inductiva_widgets.outputs.listing import check_filenames
from inductiva_widgets.task.host import host
from inductiva_widgets.tasks.by_task import ByTask, why_not
from inductiva_widgets.tasks.chosen import chosen_tasks
from inductiva_widgets.tasks.spread import spread

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.outputs.download import Download
    from inductiva_widgets.outputs.progress import Progress
    from inductiva_widgets.outputs.rehearsal import DownloadPlan
    from inductiva_widgets.task import Task

__all__ = ["DownloadPlans", "DownloadReport", "TaskDownload", "download"]

AT_ONCE = 8
CONNECTIONS = 16  # of all downloads together: as many as a session keeps


@dataclass(frozen=True, slots=True)
class TaskDownload:
    """What became of the download of one task.

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
    """What became of each task, by its id. `print()` shows it as a table."""

    @property
    def failed(self) -> list[str]:
        """Ids of the tasks that miss something; they can be given to `download` again."""
        return [task_id for task_id, one in self.items() if one.error]

    @property
    def is_complete(self) -> bool:
        """Whether everything asked for is there."""
        return not self.failed

    def __str__(self) -> str:
        rows = [
            (task_id, str(one.files), file_size(one.bytes), one.error or safe_text(one.path, 4096))
            for task_id, one in self.items()
        ]
        done = len(self) - len(self.failed)
        head = f"{done} of {len(self)} tasks complete"
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
        """Whether everything asked for would be delivered."""
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
        packed = f"{file_size(self.packed_bytes)} ({file_size(self.bytes)} unpacked)"
        head = f"Nothing was fetched. A download would fetch {len(self.names)} files, {packed}:"
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

    Ctrl-C stops them all: files that are complete stay, and the same call goes on with the rest.

    Args:
        tasks: Tasks or ids, or a frame, series or index of the history with the index `task_id`.
        filenames: Names, folders or patterns, the same for each; all files by default.
        output_dir: Files go to `<output_dir>/<task id>/outputs`; else below the output root.
        uncompress: `False` stores each archive itself as `output.zip`.
        overwrite: `error` (identical files are skipped), `skip`, `replace` or `rename`.
        dry_run: Fetches and writes nothing; returns `DownloadPlans` that tell names and bytes.
        backend: Of tasks given by id; the default backend when not given.

    Returns:
        What became of each task, by id: nothing is raised for a single task.

    Raises:
        UserInputError: An argument cannot be meant; no request has left then.
    """
    from pathlib import Path

    from inductiva_widgets.outputs.decisions import Order

    names = check_filenames(filenames)
    wanted = chosen_tasks(tasks, backend)
    folders = {task: _folder(task, output_dir) for task in wanted}
    # Refuses what cannot work before anything is fetched.
    Order(Path(), names, uncompress=uncompress, overwrite=overwrite)  # type: ignore[arg-type] # checked by it
    batch = _Batch(folders, {"filenames": names, "uncompress": uncompress, "overwrite": overwrite})
    return batch.rehearsed() if dry_run else batch.downloaded()


def _folder(task: Task, root: str | os.PathLike[str] | None) -> Path:
    if root is None:
        return task.output_dir()
    return task.output_dir(root) / task.id / "outputs"


@dataclass(slots=True)
class _Sum:
    """Bytes of the downloads that have ended: they themselves hold more than is worth keeping."""

    bytes: int = 0
    bytes_done: int = 0

    def add(self, progress: Progress) -> None:
        self.bytes += progress.bytes_done  # what it did not fetch, nobody waits for
        self.bytes_done += progress.bytes_done


class _Batch:
    """One call. What its threads share is guarded by one lock."""

    def __init__(self, folders: Mapping[Task, Path], how: Mapping[str, Any]) -> None:
        self._folders = folders
        self._how = how
        self._lock = threading.Lock()
        self._running: set[Download] = set()
        self._ended = _Sum()
        self._results: dict[str, TaskDownload] = {}
        self._plans: dict[str, DownloadPlan] = {}
        self._errors: dict[str, str] = {}
        self._is_stopped = False

    def rehearsed(self) -> DownloadPlans:
        bar = host().ProgressBar(total=len(self._folders), unit="task")
        self._spread(self._plan, lambda: bar.show(len(self._plans) + len(self._errors)), bar)
        plans, errors = self._plans, self._errors
        return DownloadPlans(
            {task.id: plans[task.id] for task in self._folders if task.id in plans},
            {task.id: errors[task.id] for task in self._folders if task.id in errors},
        )

    def downloaded(self) -> DownloadReport:
        bar = host().ProgressBar(unit="B", unit_scale=True)

        def look() -> None:
            with self._lock:
                now: list[Progress | _Sum] = [self._ended, *(one.progress for one in self._running)]
                ended = len(self._results)
            note = f"{ended} of {len(self._folders)} tasks"
            bar.show(sum(one.bytes_done for one in now), sum(one.bytes for one in now), note)

        try:
            self._spread(self._download, look, bar)
        except KeyboardInterrupt:
            done = sum(not one.error for one in self._results.values())
            host().say(
                f"Stopped: {done} of {len(self._folders)} tasks are complete; "
                "the same call goes on with the rest."
            )
            raise
        return DownloadReport({task.id: self._results[task.id] for task in self._folders})

    def _spread(
        self,
        act: Callable[[Task], None],
        look: Callable[[], None],
        bar: Any,  # noqa: ANN401 - a tqdm
    ) -> None:
        threads = min(AT_ONCE, len(self._folders))
        try:
            spread(self._folders, act, at_once=threads, look=look, stop=self._cancel)
        finally:
            bar.close()

    def _plan(self, task: Task) -> None:
        try:
            plan = task.outputs.plan_download(self._folders[task], **self._how)
        except InductivaWidgetsError as error:
            with self._lock:
                self._errors[task.id] = why_not(_of_task(task, error))
        else:
            with self._lock:
                self._plans[task.id] = plan

    def _download(self, task: Task) -> None:
        error: InductivaWidgetsError | None = None
        download = task.outputs.start_download(
            self._folders[task],
            connections=max(2, CONNECTIONS // min(AT_ONCE, len(self._folders))),
            **self._how,
        )
        with self._lock:
            self._running.add(download)
            if self._is_stopped:
                download.cancel(keep_received=True)
        try:
            download.result()
        except InductivaWidgetsError as raised:
            error = _of_task(task, raised)
        delivered = [file for file in download.files if file.state in ("verified", "skipped")]
        result = TaskDownload(
            task.id,
            download.path if delivered or error is None else None,
            len(delivered),
            sum(file.size for file in delivered),
            why_not(error) if error else "",
        )
        with self._lock:
            self._results[task.id] = result
            self._running.discard(download)
            self._ended.add(download.progress)

    def _cancel(self) -> None:
        with self._lock:
            self._is_stopped = True
            running = list(self._running)
        for download in running:
            download.cancel(keep_received=True)


def _of_task(task: Task, error: InductivaWidgetsError) -> InductivaWidgetsError:
    """No archive is told as what it means for the task."""
    if isinstance(error, NotFoundError) and not error.missing:
        try:
            return task.outputs_missing()
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
