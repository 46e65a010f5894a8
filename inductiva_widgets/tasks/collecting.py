"""One small file from the archive of each of many tasks, as one frame."""

from __future__ import annotations

import io
import threading
from collections import deque
from typing import IO, TYPE_CHECKING, Any

from inductiva_widgets.api.stored import StoredLink
from inductiva_widgets.errors import (
    CorruptMemberError,
    InductivaWidgetsError,
    NotFoundError,
    RemoteChangedError,
    UserInputError,
)
from inductiva_widgets.formats import counted, safe_text
from inductiva_widgets.outputs.kept import KeptFiles
from inductiva_widgets.outputs.listing import check_filenames
from inductiva_widgets.outputs.pick import Ends, pick
from inductiva_widgets.outputs.remote import RemoteArchive
from inductiva_widgets.outputs.stop import Stop
from inductiva_widgets.task.files import outputs_missing
from inductiva_widgets.task.host import host
from inductiva_widgets.tasks.by_task import why_not
from inductiva_widgets.tasks.chosen import chosen_tasks
from inductiva_widgets.tasks.spread import spread

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.task import Task

    Reader = Callable[[IO[bytes]], Any]

__all__ = ["collect"]

# A third of them asks the service at any time, so that some 13 of the 16 connections that a session
# keeps to the storage are in use.
AT_ONCE = 20
UNREAD = 32  # contents in memory that the reader has not had yet
WAIT_S = 0.1
KEPT_FOLDER = ".collected"  # below the output root


def collect(  # noqa: PLR0913 - the words of one sentence, all but two by name
    tasks: object,
    filename: str,
    *,
    reader: Reader | None = None,
    join: str | Sequence[str] = (),
    cache: bool | str | os.PathLike[str] = True,
    backend: Backend | None = None,
) -> pd.DataFrame:
    """One small output file of each task, read into one frame.

    Of each archive only its end and the file itself are fetched, 20 archives at a time; CRC-32 and
    size are verified. A task without the file, or with an unreadable one, does not affect the
    others: `attrs["errors"]` of the frame says by task id why it has no rows.

    What was fetched is kept in a folder, so that after Ctrl-C, errors, or with another reader the
    same call fetches only what is missing. The outputs of an ended task do not change; delete the
    folder to fetch all again.

    Args:
        tasks: Tasks or ids, or a frame, series or index of the history with the index `task_id`.
        filename: A name, or a pattern (`log/*.csv`), that fits exactly one file of each task.
        reader: Called here, one file after the other, with an open binary file; gives a frame, a
            series, or a dict for one row. `pandas.read_csv` by default.
        join: Columns of the frame given as `tasks`, to repeat on all rows of a task, such as
            `["cost", "metadata.spacing"]`.
        cache: The folder; `True` for `<output root>/.collected`, `False` to keep nothing.
        backend: Of tasks given by id; the default backend when not given.

    Returns:
        The rows of all files, in the order of the tasks: index level `task_id`, then the reader's
        own index. `attrs["filename"]`, `attrs["errors"]`.

    Raises:
        UserInputError: An argument is invalid; nothing was sent.
    """
    from inductiva_widgets.history import collected

    names = check_filenames([filename])
    columns = [join] if isinstance(join, str) else list(join)
    collected.check_join(tasks, columns)
    wanted = chosen_tasks(tasks, backend)
    kept = KeptFiles(_kept_folder(cache, wanted) if names else None)
    try:
        work = _Collection(wanted, names[0] if names else filename, kept)
        work.run(reader)
    finally:
        kept.close()
    frame = collected.collected_frame(work.frames, tasks, columns)
    frame.attrs = {"filename": filename, "errors": work.errors}
    if work.errors:
        host().say(
            f"{len(work.errors)} of {counted(len(wanted), 'task')} could not give"
            f" {safe_text(repr(filename))}: "
            'the frame\'s .attrs["errors"] says why.'
        )
    return frame


def _kept_folder(cache: bool | str | os.PathLike[str], tasks: Sequence[Task]) -> Path | None:  # noqa: FBT001 - as given
    from pathlib import Path

    if cache is False or not tasks:
        return None
    if cache is True:
        return tasks[0].backend.config.output_dir / KEPT_FOLDER
    if not str(cache).strip():
        raise UserInputError("The cache folder is empty.", hint="Leave it out, or name it.")
    return Path(cache).expanduser()


class _Collection:
    """One call: contents come on the threads, and are read on the caller's."""

    def __init__(self, tasks: Sequence[Task], filename: str, kept: KeptFiles) -> None:
        self._tasks = tasks
        self._filename = filename
        self._kept = kept
        self._ends = Ends()
        self._stop = Stop()
        self._lock = threading.Lock()
        self._arrived: deque[tuple[str, bytes]] = deque()
        self._room = threading.Semaphore(UNREAD)
        self._errors: dict[str, str] = {}
        self._read: dict[str, pd.DataFrame] = {}

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """What was read, in the order of the tasks."""
        return {task.id: self._read[task.id] for task in self._tasks if task.id in self._read}

    @property
    def errors(self) -> dict[str, str]:
        """Sentence by task id, in the order of the tasks."""
        return {task.id: self._errors[task.id] for task in self._tasks if task.id in self._errors}

    def run(self, reader: Reader | None) -> None:
        """Fetches and reads all."""
        if reader is None:
            import pandas as pd

            reader = pd.read_csv
        bar = host().ProgressBar(total=len(self._tasks), unit="task", desc=self._filename)

        def look() -> None:
            self._read_arrived(reader)
            bar.show(len(self._read) + len(self._errors))

        try:
            missing = [task for task in self._tasks if not self._is_kept(task, reader)]
            look()
            threads = min(AT_ONCE, len(missing))
            spread(missing, self._fetch, at_once=threads, look=look, stop=self._stop.cancel)
        except KeyboardInterrupt:
            host().say(
                f"Stopped: {len(self._read)} of {len(self._tasks)} files were collected; "
                "the same call goes on from what it kept."
            )
            raise
        finally:
            bar.close()

    def _is_kept(self, task: Task, reader: Reader) -> bool:
        content = self._kept.get(task.id, self._filename)
        if content is not None:
            self._read_one(task.id, content, reader)
        return content is not None

    def _fetch(self, task: Task) -> None:
        try:
            while not self._room.acquire(timeout=WAIT_S):
                self._stop.check()
            content = self._content(task)
        except InductivaWidgetsError as error:
            self._room.release()
            with self._lock:
                self._errors[task.id] = why_not(error)
        else:
            self._kept.put(task.id, self._filename, content)
            self._arrived.append((task.id, content))

    def _content(self, task: Task) -> bytes:
        """The file; what is damaged or replaced in between is fetched a second time."""
        try:
            return self._picked(task)
        except (CorruptMemberError, RemoteChangedError):
            return self._picked(task)

    def _picked(self, task: Task) -> bytes:
        # Where nearly all outputs lie: to ask for their place first would be one more round trip.
        usual = (f"{task.id}/output.zip", None)
        try:
            return self._picked_at(task, usual)
        except NotFoundError as error:
            if error.missing:
                raise
        place = task.info.output_place
        try:
            if place != usual:
                return self._picked_at(task, place)
        except NotFoundError as error:
            if error.missing:
                raise
        raise outputs_missing(task)

    def _picked_at(self, task: Task, place: tuple[str, str | None]) -> bytes:
        client = task.backend.client
        remote = RemoteArchive(client.links, StoredLink(client, lambda: place))
        return pick(remote, self._filename, self._ends, self._stop)

    def _read_arrived(self, reader: Reader) -> None:
        while self._arrived:
            self._read_one(*self._arrived.popleft(), reader)
            self._room.release()

    def _read_one(self, task_id: str, content: bytes, reader: Reader) -> None:
        from inductiva_widgets.history.collected import as_frame

        try:
            self._read[task_id] = as_frame(reader(io.BytesIO(content)))
        except Exception as error:  # noqa: BLE001 - not our reader; one bad file spares the others
            name = safe_text(self._filename)
            with self._lock:
                self._errors[task_id] = (
                    f"{type(error).__name__}: {name} cannot be read: {safe_text(error)}"
                )
