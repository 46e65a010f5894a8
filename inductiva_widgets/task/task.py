"""What one can do with a task: read and fetch outputs, wait, kill, send it again, display it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from inductiva_widgets.api.stored import StoredLink
from inductiva_widgets.ending import KillOutcome, Waiting, log_tail, outcome, send_kill
from inductiva_widgets.errors import (
    InductivaWidgetsError,
    NotFoundError,
    OutputsNotReadyError,
    TaskFailedError,
    UserInputError,
    WaitTimeoutError,
)
from inductiva_widgets.formats import safe_text, short_id
from inductiva_widgets.submit import (
    changed,
    check_changes,
    check_inputs,
    packed_inputs,
    prepare,
    rehearse,
    send,
    stored_inputs,
)
from inductiva_widgets.task.facts import TaskFacts

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.outputs.download import Download
    from inductiva_widgets.outputs.engine import Outputs
    from inductiva_widgets.outputs.files import OutputFiles, OutputInfo

__all__ = ["Task"]

PUMP_S = 0.1  # how long a waiting cell may leave a click unanswered


class Task(TaskFacts):
    """A remote simulation task.

    Args:
        task_id: Its id, e.g. `i4ir3kvv62odsfrhko4y8w2an`; not checked against the service.
        backend: The service that it runs on; the default backend when not given.

    Raises:
        UserInputError: The id is no id.
    """

    def __init__(self, task_id: str, *, backend: Backend | None = None) -> None:
        super().__init__(task_id, backend=backend)
        self._outputs: Outputs | None = None
        self._is_tied = False  # inside `sync_context`

    # -- outputs ----------------------------------------------------------------------------

    def get_output_info(self) -> OutputInfo:
        """The output files: names, sizes, packed sizes; `print()` shows the table.

        Raises:
            OutputsNotReadyError: The task has no output archive yet.
        """
        with self._archive() as outputs:
            return outputs.info()

    get_output_files_info = get_output_info

    def download_outputs(
        self,
        filenames: Sequence[str] | None = None,
        output_dir: str | os.PathLike[str] | None = None,
        *,
        uncompress: bool = True,
        overwrite: str = "error",
    ) -> Path:
        """Downloads output files and returns the folder that holds them.

        Args:
            filenames: Names, folders (`vtk/`) or patterns (`vtk/*.vtk`); all files by default.
            output_dir: Used as it is; else `<output root>/<task id>/outputs`.
            uncompress: `False` stores the archive itself as `output.zip`.
            overwrite: `error` (identical files are skipped), `skip`, `replace` or `rename`.

        Raises:
            OutputsNotReadyError: The task has no output archive yet.
            NotFoundError: Names that the archive does not hold, after delivering the others.
            DownloadError: Something was not delivered; `.failed` names it.
        """
        download = self._download(
            filenames, output_dir, uncompress=uncompress, overwrite=overwrite, bar=True
        )
        with self._archive():
            return download.result()

    def start_download(
        self,
        filenames: Sequence[str] | None = None,
        output_dir: str | os.PathLike[str] | None = None,
        *,
        uncompress: bool = True,
        overwrite: str = "error",
    ) -> Download:
        """Starts a download and returns at once: `.result()`, `.cancel()`, `.progress`."""
        return self._download(
            filenames, output_dir, uncompress=uncompress, overwrite=overwrite, bar=False
        )

    def get_output(self) -> OutputFiles:
        """Waits for the end, then gives the outputs as files that are read where they are."""
        self.wait()
        with self._archive() as outputs:
            return outputs.files()

    def output_dir(self, explicit: str | os.PathLike[str] | None = None) -> Path:
        """Folder that downloads go to: as given, else `<output root>/<task id>/outputs`."""
        from pathlib import Path

        if explicit is not None:
            if not str(explicit).strip():
                raise UserInputError(
                    "The output folder is empty.", hint="Leave it out, or name it."
                )
            return Path(explicit).expanduser()
        return self.backend.config.output_dir / self._id / "outputs"

    @property
    def outputs(self) -> Outputs:
        """The output archive behind the service, for views."""
        with self._lock:
            known = self._outputs
        if known is not None:
            return known
        from inductiva_widgets.outputs.engine import Outputs

        made = Outputs(self.backend.client.links, StoredLink(self.backend.client, self._place))
        with self._lock:
            self._outputs = self._outputs or made
            return self._outputs

    def remove_remote_files(self) -> None:
        """Deletes the task's stored inputs and outputs. They cannot be brought back."""
        self.backend.client.remove(f"{self._id}/", region=self.info.storage_region)

    # -- waiting and ending -----------------------------------------------------------------

    def wait(self, timeout: float | None = None, *, raise_on_failure: bool = False) -> str:
        """Waits for the end and returns the status; in a notebook it shows the task meanwhile.

        Ctrl-C stops the waiting only; inside `sync_context()` it kills the task.

        Args:
            timeout: Seconds; `None` waits for ever.
            raise_on_failure: Whether an end other than success raises.

        Raises:
            WaitTimeoutError: Not ended in time; the task goes on.
            TaskFailedError: Ended badly, with `raise_on_failure`.
        """
        host = _host()
        with Waiting(self.backend.watcher, self._id) as waiting, host.waiting_cell(self) as pump:
            end = None if timeout is None else time.monotonic() + timeout
            try:
                while not waiting.ended(
                    PUMP_S if end is None else min(PUMP_S, end - time.monotonic())
                ):
                    pump()
                    self._check_timeout(end, timeout)
            except KeyboardInterrupt:
                if not self._is_tied:
                    host.say(f"Stopped waiting; task {short_id(self._id)} goes on.")
                raise
        return self._ended(raise_on_failure=raise_on_failure)

    async def wait_async(
        self, timeout: float | None = None, *, raise_on_failure: bool = False
    ) -> str:
        """Like `wait()`, for `await`: the event loop goes on meanwhile."""
        end = None if timeout is None else time.monotonic() + timeout
        with Waiting(self.backend.watcher, self._id) as waiting, _host().waiting_cell(self) as pump:
            while not waiting.ended(0):
                pump()
                self._check_timeout(end, timeout)
                await asyncio.sleep(PUMP_S)
        return self._ended(raise_on_failure=raise_on_failure)

    def kill(self, wait_timeout: float | None = 1.0) -> KillOutcome:
        """Ends the task (cancels it): `killed`, `pending`, or `already-ended`.

        Args:
            wait_timeout: Seconds to wait for the confirmation; `None` only sends the request.

        Raises:
            ApiError: The service refused, or failed again after all attempts.
        """
        record = self._final()
        if record is not None:
            return outcome(record.status, ended_before=True)
        status = send_kill(self.backend.client, self._id)
        if status is None or status.is_terminated:
            self.refresh()
            return outcome(status.status if status else "", ended_before=status is None)
        if wait_timeout is None:
            return KillOutcome.PENDING
        with Waiting(self.backend.watcher, self._id, limit_s=0.5) as waiting:
            waiting.ended(wait_timeout)
        record = self._final()
        return outcome(record.status) if record else KillOutcome.PENDING

    @contextlib.contextmanager
    def sync_context(self) -> Iterator[Task]:
        """Ties the task to this session: Ctrl-C or any error inside kills it."""
        outer, self._is_tied = self._is_tied, True
        try:
            yield self
        except BaseException:
            _host().say(f"Killing task {short_id(self._id)}: its session was interrupted.")
            # On a thread of its own, which a second Ctrl-C does not reach, nor the end of Python.
            killing = threading.Thread(target=self._kill_or_say, name="inductiva-kill")
            killing.start()
            killing.join()
            raise
        finally:
            self._is_tied = outer

    def _kill_or_say(self) -> None:
        """Sends the kill request; a failure is said, as the first error is the one to raise."""
        try:
            self.kill(wait_timeout=None)
        except InductivaWidgetsError as error:
            _host().say(f"Task {short_id(self._id)} could not be killed and may go on: {error}")

    def resubmit(self, **changes: Any) -> Any:  # noqa: ANN401 - as tasks.submit
        """Submits the task again and returns the new one; this one stays as it is.

        Inputs, commands, image, group and notes are the same, except for the changes named: the
        arguments of `tasks.submit`, also `input_dir` and `dry_run`. A time limit is not told by
        the service: name it again with `time_to_live_s`.

        Raises:
            NotFoundError: The inputs are not stored any more, or the group is gone.
            UserInputError: A change cannot work, or the commands are not known any more.
        """
        check_changes(changes)
        backend = self.backend
        has_folder, folder = "input_dir" in changes, check_inputs(changes.pop("input_dir", None))
        only_told = changes.pop("dry_run", False)
        record = self.refresh()
        description = changed(record, changes)
        body = description.body(is_local=backend.is_local)
        if only_told:
            inputs = f"the folder {folder.absolute()}" if folder else "none"
            inputs = inputs if has_folder else f"those of task {self._id}"
            return rehearse(backend, prepare(backend, description, body), inputs)
        # The inputs come first: without them nothing is started, and nothing made.
        packed = packed_inputs(folder) if has_folder else stored_inputs(backend, record)
        with packed as archive:
            made = send(backend, prepare(backend, description, body), archive)
        return Task(made, backend=backend)

    # -- display ----------------------------------------------------------------------------

    def monitor(self) -> Any:  # noqa: ANN401 - a widget class that is imported at first use
        """A live view of the task that Python can follow: `.selected`, `.status`."""
        return _host().monitor(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:  # noqa: ANN401 - IPython's protocol
        return _host().task_bundle(self, **kwargs)

    # -- inside -----------------------------------------------------------------------------

    def _place(self) -> tuple[str, str | None]:
        record = self.info
        return record.storage_output_path or f"{self._id}/output.zip", record.storage_region

    def _check_timeout(self, end: float | None, timeout: float | None) -> None:
        if end is not None and time.monotonic() >= end:
            raise WaitTimeoutError(
                f"Task {short_id(self._id)} did not end within {timeout:g} s; it goes on.",
                hint="Wait again, or kill it with task.kill().",
            )

    def _ended(self, *, raise_on_failure: bool) -> str:
        record = self.info
        if raise_on_failure and record.status != "success":
            tail = log_tail(self.outputs)
            reason = record.error_detail or tail.rpartition("\n")[2] or "it does not say why."
            raise TaskFailedError(
                f"Task {short_id(self._id)} ended as {record.alias}: {safe_text(reason)}",
                hint="The end of its log is in `.log_tail`." if tail else "",
                status=record.status,
                log_tail=tail,
            )
        return record.status

    def _download(
        self,
        filenames: Sequence[str] | None,
        output_dir: str | os.PathLike[str] | None,
        *,
        uncompress: bool,
        overwrite: str,
        bar: bool,
    ) -> Download:
        if isinstance(filenames, str):
            filenames = [filenames]
        target = self.output_dir(output_dir)
        on_progress = _progress_bar() if bar else None
        with self._archive() as outputs:
            return outputs.start_download(
                target,
                filenames=filenames,
                uncompress=uncompress,
                overwrite=overwrite,
                on_progress=on_progress,
            )

    @contextlib.contextmanager
    def _archive(self) -> Iterator[Outputs]:
        """The archive; its absence is told as what it means for the task."""
        try:
            yield self.outputs
        except NotFoundError as error:
            if error.missing:
                raise
            raise self.outputs_missing() from None

    def outputs_missing(self) -> InductivaWidgetsError:
        """Why there is no archive: not ended yet, or ended without one."""
        record = self._final() or self.refresh()
        if record.is_terminated:
            return OutputsNotReadyError(
                f"Task {short_id(self._id)} ended as {record.alias} without output files."
            )
        return OutputsNotReadyError(
            f"Task {short_id(self._id)} is {record.alias}: its outputs come when it ends.",
            hint="Wait for it with task.wait().",
        )


def _host() -> Any:  # noqa: ANN401 - a module above this one
    """The notebook host, which the package fills in: nothing here may import it."""
    from inductiva_widgets import _notebook_host

    return _notebook_host()


def _progress_bar() -> Callable[[Any], None]:
    """Shows a download's progress on the terminal or in the cell, in packed bytes.

    A cell's output is no terminal, but shows bars; a pipe or a file gets none.
    """
    from tqdm.auto import tqdm

    # Without tqdm's monitor, a thread that would outlive the download.
    kind: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
    bar = kind(unit="B", unit_scale=True, disable=False if _host().in_kernel() else None)

    def show(progress: Any) -> None:  # noqa: ANN401 - outputs.download.Progress
        if bar.total != progress.bytes:
            bar.reset(total=progress.bytes)  # in a cell this also gives the bar its width
        bar.update(progress.bytes_done - bar.n)
        if progress.state != "running":
            bar.close()

    return show
