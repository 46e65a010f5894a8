"""Tasks: the words of the user's documents — `Task`, `get`, `list`, `submit`.

`Task` holds an id and a backend, nothing that goes stale by itself: what the service last said
lives in the backend's watcher.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import enum
import threading
import time
from typing import TYPE_CHECKING, Any

from inductiva_widgets import backend as backends
from inductiva_widgets.api.client import MAX_PAGE, check_task_id
from inductiva_widgets.api.models import STATUSES, Group, status_info
from inductiva_widgets.errors import (
    ApiError,
    AuthenticationError,
    BadPayloadError,
    InductivaWidgetsError,
    NotFoundError,
    OutputsNotReadyError,
    RateLimitedError,
    ServerError,
    ServiceConnectionError,
    TaskFailedError,
    UserInputError,
    WaitTimeoutError,
)
from inductiva_widgets.formats import safe_text, short_id, timespan
from inductiva_widgets.submit import (
    LOCAL_GROUP,
    LOCAL_IMAGE,
    Command,
    check_inputs,
    describe,
    submit_task,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from inductiva_widgets.api.models import StatusReply, TaskRecord
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.outputs.download import Download
    from inductiva_widgets.outputs.engine import Outputs
    from inductiva_widgets.outputs.files import OutputFiles, OutputInfo
    from inductiva_widgets.watch import Observation

__all__ = ["KillOutcome", "Task", "TaskList", "get", "submit", "wait_all"]

PUMP_S = 0.1  # how long a waiting cell may leave a click unanswered
WAIT_LIMIT_S = 2.0  # longest pause between two looks while somebody waits
KILL_ATTEMPTS = 3
PAGE_LIMIT = 2000  # a million tasks
LOG_TAIL_LINES, LOG_TAIL_BYTES = 10, 4000
LOG_LIMIT_BYTES = 50 * 1000 * 1000  # a packed log is unpacked from its start to reach its end


class KillOutcome(str, enum.Enum):
    """How a kill ended. True in a condition only when the task is known to be killed."""

    KILLED = "killed"
    PENDING = "pending"
    ALREADY_ENDED = "already-ended"

    def __bool__(self) -> bool:
        return self is KillOutcome.KILLED

    def __str__(self) -> str:
        return self.value


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
        with _Waiting(self) as waiting, host.waiting_cell(self) as pump:
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
        with _Waiting(self) as waiting, _host().waiting_cell(self) as pump:
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
            return _outcome(record.status, ended_before=True)
        status = self._send_kill()
        if status is None or status.is_terminated:
            self.refresh()
            return _outcome(status.status if status else "", ended_before=status is None)
        if wait_timeout is None:
            return KillOutcome.PENDING
        with _Waiting(self, limit_s=0.5) as waiting:
            waiting.ended(wait_timeout)
        record = self._final()
        return _outcome(record.status) if record else KillOutcome.PENDING

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
            tail = self._log_tail()
            reason = record.error_detail or tail.rpartition("\n")[2] or "it does not say why."
            raise TaskFailedError(
                f"Task {short_id(self._id)} ended as {record.alias}: {safe_text(reason)}",
                hint="The end of its log is in `.log_tail`." if tail else "",
                status=record.status,
                log_tail=tail,
            )
        return record.status

    def _log_tail(self) -> str:
        """Last lines of stderr, or of stdout when that is empty; empty when neither is there."""
        with contextlib.suppress(InductivaWidgetsError):  # the failure itself is the news
            files = self.outputs.files()
            for name in ("stderr.txt", "stdout.txt"):
                if name in files and 0 < files[name].size <= LOG_LIMIT_BYTES:
                    text = files[name].tail(LOG_TAIL_BYTES).decode(errors="replace")
                    # The machines frame each command's output with a line of dashes.
                    lines = [safe_text(line) for line in text.splitlines() if line.strip(" -")]
                    return "\n".join(lines[-LOG_TAIL_LINES:])
        return ""

    def _send_kill(self) -> StatusReply | None:
        """Sends the request; after a failure it looks first whether the task still runs.

        `None`: the service refused because the task had already ended.
        """
        client = self.backend.client
        for attempt in range(KILL_ATTEMPTS):
            try:
                return client.kill(self._id)
            except (ServerError, ServiceConnectionError, BadPayloadError):
                # Whether the request arrived is not known, so the status decides.
                status = client.status(self._id)
                if status.is_terminated or status.status == "pending-kill":
                    return status
                if attempt == KILL_ATTEMPTS - 1:
                    raise
            except (AuthenticationError, NotFoundError, RateLimitedError):
                raise
            except ApiError:
                if client.status(self._id).is_terminated:
                    return None
                raise
        raise AssertionError  # the loop returns or raises

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


class _Waiting:
    """Follows one task until it has ended."""

    def __init__(self, task: Task, limit_s: float = WAIT_LIMIT_S) -> None:
        self._task = task
        self._limit_s = limit_s
        self._done = threading.Event()
        self._error: InductivaWidgetsError | None = None

    def __enter__(self) -> _Waiting:  # noqa: PYI034 - private, never subclassed
        watcher = self._task.backend.watcher
        self._subscription = watcher.watch(self._task.id, self._observe, limit_s=self._limit_s)
        return self

    def __exit__(self, *_: object) -> None:
        self._subscription.close()

    def _observe(self, seen: Observation) -> None:
        # An outage is waited out; a refused key or an unknown task will not mend itself.
        if seen.stale and isinstance(seen.stale.error, (AuthenticationError, NotFoundError)):
            self._error = seen.stale.error
            self._done.set()
        elif seen.is_final:
            self._done.set()

    def ended(self, timeout_s: float) -> bool:
        """Whether the task has ended, waiting for it at most `timeout_s`."""
        done = self._done.wait(max(0.0, timeout_s))
        if self._error is not None:
            raise self._error
        return done


class TaskList(list[Task]):
    """Tasks, newest first."""

    def __repr__(self) -> str:
        return "\n".join(repr(task) for task in self) or "<no tasks>"


def get(
    last_n: int | None = 10,
    status: str | None = None,
    project: str | None = None,
    *,
    backend: Backend | None = None,
) -> TaskList:
    """The newest tasks, newest first.

    Args:
        last_n: How many at most; `None` for all.
        status: Only tasks in this state.
        project: Only tasks of this project.
        backend: Where to look; the default backend when not given.

    Raises:
        UserInputError: `last_n` is no positive number, or the status is none that is known.
    """
    chosen = backend or backends.default()
    records = fetch_records(chosen, last_n, status, project)
    return TaskList(Task(record.task_id, backend=chosen) for record in records)


def _list(
    last_n: int | None = 10,
    status: str | None = None,
    project: str | None = None,
    *,
    backend: Backend | None = None,
) -> pd.DataFrame:
    """The task history as a frame: one row a task, newest first; arguments as for `get`."""
    from inductiva_widgets import history

    chosen = backend or backends.default()
    records = fetch_records(chosen, last_n, status, project)
    query = {"last_n": last_n, "status": status, "project": project, "backend": chosen.name}
    return history.task_frame(records, chosen.client.clock.now(), query)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any name may be asked for
    # `tasks.list` is the user's word; inside this module `list` stays Python's.
    if name == "list":
        return _list
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def fetch_records(
    backend: Backend, last_n: int | None, status: str | None, project: str | None
) -> list[TaskRecord]:
    """Records of the newest tasks, each id once, however tasks arrive meanwhile."""
    check_last_n(last_n)
    check_status(status)
    found: dict[str, TaskRecord] = {}
    page = 1
    while last_n is None or len(found) < last_n:
        per_page = MAX_PAGE if last_n is None else min(MAX_PAGE, last_n)
        reply = backend.client.tasks(page=page, per_page=per_page, status=status, project=project)
        fresh = [r for r in reply.tasks if r.task_id and r.task_id not in found]
        found.update((record.task_id, record) for record in fresh)
        # A page without news ends it, whatever the total says: it may lie.
        if not fresh or len(reply.tasks) < per_page:
            break
        page += 1
        if page > PAGE_LIMIT:
            raise BadPayloadError(
                "The service lists tasks without end.", hint="Ask for fewer with last_n."
            )
    return [*found.values()][:last_n]


def check_last_n(last_n: object) -> None:
    """Refuses anything but a positive whole number or `None`."""
    is_count = isinstance(last_n, int) and not isinstance(last_n, bool) and last_n >= 1
    if last_n is not None and not is_count:
        raise UserInputError(
            f"last_n is {last_n!r}, but must be a number of at least 1.",
            hint="last_n=None gives all tasks.",
        )


def check_status(status: object) -> None:
    """Refuses a status filter that the service does not know; `None` is no filter."""
    if status is not None and not (isinstance(status, str) and status in STATUSES):
        raise UserInputError(
            f"{str(status)[:40]!r} is no task status.",
            hint=f"Known are: {', '.join(STATUSES)}.",
        )


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Refuses keys and values that are empty or no text."""
    texts: list[object] = [*metadata.keys(), *metadata.values()]
    if not all(isinstance(text, str) and text for text in texts):
        raise UserInputError("Metadata keys and values are non-empty texts.")


def submit(  # noqa: PLR0913 - the fields of a task, all by name
    commands: Sequence[Command],
    input_dir: str | os.PathLike[str] | None = None,
    *,
    simulator: str | None = None,
    machine_group: str | None = None,
    container_image: str | None = None,
    project: str | None = None,
    time_to_live_s: float | None = None,
    input_resources: Sequence[str] = (),
    resubmit_on_preemption: bool = False,
    metadata: Mapping[str, str] | None = None,
    dry_run: bool = False,
    backend: Backend | None = None,
) -> Any:  # noqa: ANN401 - Task, or dict with dry_run
    """Submits a task and returns it.

    Args:
        commands: Run in order in the folder of the inputs; each a text, or a dict with `cmd` and
            optionally `env`, `prompts`, `mpi_config`. The first that fails ends the task.
        input_dir: Folder whose files the task starts with.
        simulator: Name to show in lists.
        machine_group: Name of the machines to use; the local engine has one, `local`.
        container_image: `docker://…` or `inductiva://…`; the local engine only records it.
        project: Project to file the task under; made if it does not exist.
        time_to_live_s: Longest computation in seconds.
        input_resources: Remote files to add to the inputs.
        resubmit_on_preemption: Whether a task that lost its machine starts again.
        metadata: Notes to keep with the task.
        dry_run: Returns what would be sent, and sends nothing.
        backend: Where to run; the default backend when not given.

    Raises:
        UserInputError: A command, the folder or the group is missing or cannot work.
    """
    chosen = backend or backends.default()
    if not chosen.is_local and not (machine_group and container_image):
        raise UserInputError(
            "On the service a task needs machine_group and container_image.",
            hint="Only the local engine can do without.",
        )
    # Everything is checked before anything is sent: a group that starts costs money.
    if metadata:
        check_metadata(metadata)
    check_inputs(input_dir)
    image = container_image or LOCAL_IMAGE
    body = describe(
        commands,
        simulator=simulator,
        machine_group_id="",
        container_image=image,
        project=project,
        time_to_live_s=time_to_live_s,
        input_resources=input_resources,
        resubmit_on_preemption=resubmit_on_preemption,
    )
    group = chosen.client.machine_group(machine_group or LOCAL_GROUP)
    body["resource_pool"] = group.id
    if dry_run:
        return body
    if not group.started:
        chosen.client.start_machine_group(group.id)
    if project:
        chosen.client.ensure_project(project)
    task = Task(submit_task(chosen, body, input_dir), backend=chosen)
    if metadata:
        task.set_metadata(metadata)
    return task


def wait_all(tasks: Iterable[Task], timeout: float | None = None) -> list[str]:
    """Waits until all tasks have ended; their statuses in the order given.

    Raises:
        WaitTimeoutError: Not all ended within `timeout` seconds.
    """
    end = None if timeout is None else time.monotonic() + timeout
    return [task.wait(None if end is None else max(0.0, end - time.monotonic())) for task in tasks]


def _outcome(status: str, *, ended_before: bool = False) -> KillOutcome:
    if status == "killed" and not ended_before:
        return KillOutcome.KILLED
    return KillOutcome.ALREADY_ENDED


def _host() -> Any:  # noqa: ANN401 - a module above this one
    """The notebook host, which the package fills in: nothing here may import it."""
    from inductiva_widgets import _notebook_host

    return _notebook_host()


def _progress_bar() -> Callable[[Any], None]:
    """Shows a download's progress on the terminal or in the cell, in packed bytes."""
    from tqdm.auto import tqdm

    # Without tqdm's monitor, a thread that would outlive the download.
    kind: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
    bar = kind(unit="B", unit_scale=True, disable=None, leave=True)

    def show(progress: Any) -> None:  # noqa: ANN401 - outputs.download.Progress
        bar.total = progress.bytes
        bar.update(progress.bytes_done - bar.n)
        if progress.state != "running":
            bar.close()

    return show
