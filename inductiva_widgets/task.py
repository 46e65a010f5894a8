"""Task: one simulation, by its id and the service that it runs on.

It holds nothing that goes stale by itself: what the service last said lives in the backend's
watcher.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import threading
import time
from typing import TYPE_CHECKING, Any

from inductiva_widgets import backend as backends
from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.api.models import Group, status_info
from inductiva_widgets.ending import KillOutcome, Waiting, log_tail, outcome, send_kill
from inductiva_widgets.errors import (
    InductivaWidgetsError,
    NotFoundError,
    OutputsNotReadyError,
    TaskFailedError,
    UserInputError,
    WaitTimeoutError,
)
from inductiva_widgets.formats import safe_text, short_id, timespan
from inductiva_widgets.submit import check_metadata

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from inductiva_widgets.api.models import TaskRecord
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.outputs.download import Download
    from inductiva_widgets.outputs.engine import Outputs
    from inductiva_widgets.outputs.files import OutputFiles, OutputInfo
    from inductiva_widgets.watch import Observation

__all__ = ["Task"]

PUMP_S = 0.1  # how long a waiting cell may leave a click unanswered


class Task:
    """A remote simulation task.

    Args:
        task_id: Its id, e.g. `i4ir3kvv62odsfrhko4y8w2an`; not checked against the service.
        backend: The service that it runs on; the default backend when not given.

    Raises:
        UserInputError: The id is no id.
    """

    def __init__(self, task_id: str, *, backend: Backend | None = None) -> None:
        self._id = check_task_id(task_id)
        self._backend = backend
        self._lock = threading.Lock()
        self._outputs: Outputs | None = None
        self._is_tied = False  # inside `sync_context`

    # -- what it is -------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The task's id."""
        return self._id

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self._id

    @property
    def backend(self) -> Backend:
        """The service that the task runs on; fixed at the first use."""
        with self._lock:
            if self._backend is None:
                self._backend = backends.default()
            return self._backend

    @property
    def info(self) -> TaskRecord:
        """Everything the service said last; asks only when nothing is known yet."""
        seen = self._seen()
        return seen.record if seen and seen.record else self.refresh()

    def refresh(self) -> TaskRecord:
        """Asks the service for everything about the task now."""
        record = self.backend.watcher.refresh(self._id).record
        if record is None:  # an observation without error always has one
            raise AssertionError
        return record

    def to_dict(self) -> dict[str, Any]:
        """Everything about the task exactly as the service sends it now."""
        return self.backend.client.task_dict(self._id)

    def get_status(self) -> str:
        """Status code now, e.g. `submitted`, `computation-started`, `success`.

        Asks the service unless the task is known to have ended.
        """
        record = self._final() or self.refresh()
        return record.status

    def is_terminal(self) -> bool:
        """Whether the task has ended, as the service decides."""
        return (self._final() or self.refresh()).is_terminated

    def is_running(self) -> bool:
        """Whether a machine works on the task now."""
        return status_info(self.get_status()).group is Group.RUNNING

    def is_failed(self) -> bool:
        """Whether the task has ended, and not in success."""
        record = self._final() or self.refresh()
        return record.is_terminated and record.status != "success"

    def get_position_in_queue(self) -> int | None:
        """Tasks ahead of this one while it is in the queue (0: next), else `None`."""
        return self.backend.watcher.refresh(self._id).tasks_ahead

    def get_machine_type(self) -> str | None:
        """Machine type, e.g. `c2-standard-4`; `None` until a machine picked the task up."""
        return (self._final() or self.refresh()).machine_type

    def get_simulator_name(self) -> str | None:
        """Name of the simulator as shown in lists."""
        return self.info.simulator

    def get_computation_time(self) -> str | None:
        """Time of the computation as `HH:MM:SS`, so far while it runs; `None` before."""
        return timespan(self._computation_seconds())

    @property
    def computation_time(self) -> dt.timedelta | None:
        """Time of the computation, so far while it runs; `None` before."""
        seconds = self._computation_seconds()
        if seconds is None or abs(seconds) > dt.timedelta.max.total_seconds() / 2:
            return None
        return dt.timedelta(seconds=seconds)

    def get_total_time(self) -> str | None:
        """Time since the task was made, or its whole life, as `HH:MM:SS`."""
        record = self._final() or self.refresh()
        return timespan(record.total_seconds(self.backend.client.clock.now()))

    def get_metadata(self) -> dict[str, str]:
        """The notes kept with the task."""
        return self.backend.client.metadata(self._id)

    def set_metadata(self, metadata: Mapping[str, str], *, replace: bool = False) -> None:
        """Adds notes to the task, or replaces them all; non-empty texts only.

        Raises:
            UserInputError: A key or value is empty or no text.
        """
        check_metadata(metadata)
        self.backend.client.set_metadata(self._id, metadata, replace=replace)

    def timeline(self) -> pd.DataFrame:
        """Phases of the task as a long-form frame: phase, start, end, duration, command, exit."""
        from inductiva_widgets import history

        record = self._final() or self.refresh()
        return history.timeline_frame([record], self.backend.client.clock.now())

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

        made = Outputs(self.backend.client.links, _OutputLink(self))
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
            say = _host().say
            say(f"Killing task {short_id(self._id)}: its session was interrupted.")
            try:
                self.kill(wait_timeout=None)
            except InductivaWidgetsError as error:  # the first error is the one to raise
                say(f"Task {short_id(self._id)} could not be killed and may go on: {error}")
            raise
        finally:
            self._is_tied = outer

    # -- display ----------------------------------------------------------------------------

    def monitor(self) -> Any:  # noqa: ANN401 - a widget class that is imported at first use
        """A live view of the task that Python can follow: `.selected`, `.status`."""
        return _host().monitor(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:  # noqa: ANN401 - IPython's protocol
        return _host().task_bundle(self, **kwargs)

    def __repr__(self) -> str:
        record = self._known()
        state = f": {safe_text(record.status, 60)}" if record else ""
        return f"<Task {self._id}{state}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Task):
            return NotImplemented
        return (self._id, self._backend) == (other._id, other._backend)

    def __hash__(self) -> int:
        return hash(self._id)

    # -- inside -----------------------------------------------------------------------------

    def _seen(self) -> Observation | None:
        backend = self._backend
        return backend.watcher.latest(self._id) if backend else None

    def _known(self) -> TaskRecord | None:
        seen = self._seen()
        return seen.record if seen else None

    def _final(self) -> TaskRecord | None:
        record = self._known()
        return record if record and record.is_terminated else None

    def _computation_seconds(self) -> float | None:
        record = self._final() or self.refresh()
        return record.computation_seconds(self.backend.client.clock.now())

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


class _OutputLink:
    """The signed link of a task's output archive, made at first use and anew when it expired."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._lock = threading.Lock()
        self._url: str | None = None

    def url(self) -> str:
        """The present link."""
        with self._lock:
            if self._url is None:
                self._url = self._sign()
            return self._url

    def renew(self, old: str) -> str:
        """A link other than `old`; many workers asking at once get the same new one."""
        with self._lock:
            if self._url is None or self._url == old:
                self._url = self._sign()
            return self._url

    def _sign(self) -> str:
        record = self._task.info
        path = record.storage_output_path or f"{self._task.id}/output.zip"
        client = self._task.backend.client
        return client.signed_url(path, operation="download", region=record.storage_region)


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
        bar.total = progress.bytes
        bar.update(progress.bytes_done - bar.n)
        if progress.state != "running":
            bar.close()

    return show
