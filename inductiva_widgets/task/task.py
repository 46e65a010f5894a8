"""Actions on a task: wait for it, kill it, submit it again, display it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Literal, overload

from inductiva_widgets.ending import (
    ONLY_SENDS,
    KillOutcome,
    Waiting,
    check_timeout,
    failure,
    outcome,
    send_kill,
)
from inductiva_widgets.errors import InductivaWidgetsError, WaitTimeoutError
from inductiva_widgets.formats import short_id
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
from inductiva_widgets.task.callbacks import DoneCallback
from inductiva_widgets.task.files import existing_outputs, outputs_of
from inductiva_widgets.task.host import host, views
from inductiva_widgets.task.live import TaskLive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Unpack

    from inductiva_widgets import TaskMonitor
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.outputs.files import OutputFiles
    from inductiva_widgets.submit import Changes, DryRun

__all__ = ["Task"]

PUMP_S = 0.1  # how long a waiting cell may leave a click unanswered


class Task(TaskLive):
    """A remote simulation task.

    Args:
        task_id: Its id, e.g. `i4ir3kvv62odsfrhko4y8w2an`; not checked against the service.
        backend: The service that it runs on; the default backend when not given.

    Raises:
        UserInputError: The id is not valid.
    """

    def __init__(self, task_id: str, *, backend: Backend | None = None) -> None:
        super().__init__(task_id, backend=backend)
        self._is_tied = False  # inside `sync_context`

    def get_output(self) -> OutputFiles:
        """Waits for the end, then returns the outputs as files that are read in place.

        Raises:
            OutputsNotReadyError: The task ended without output files.
            NotFoundError: There is no such task.
            AuthenticationError: The key is refused.
        """
        if self._final() is None:
            self.wait()
        with existing_outputs(self) as outputs:
            return outputs.files()

    # -- waiting and ending -----------------------------------------------------------------

    def wait(self, timeout: float | None = None, *, raise_on_failure: bool = False) -> str:
        """Waits for the end and returns the status; in a notebook it shows the task meanwhile.

        Outages of the service are waited out. Ctrl-C stops the waiting only; inside
        `sync_context()` it kills the task.

        Args:
            timeout: Seconds; `None` waits for ever.
            raise_on_failure: Whether an end other than success raises.

        Raises:
            WaitTimeoutError: Not ended in time (a `TimeoutError`); the task continues.
            TaskFailedError: Ended badly, with `raise_on_failure`: says why, and what its log
                says last.
            NotFoundError: There is no such task.
            AuthenticationError: The key is refused.
            UserInputError: `timeout` is not a number of seconds.
        """
        check_timeout("timeout", timeout)
        above = host()
        with Waiting(self.backend.watcher, self._id) as waiting, above.waiting_cell(self) as pump:
            end = None if timeout is None else time.monotonic() + timeout
            try:
                while not waiting.ended(
                    PUMP_S if end is None else min(PUMP_S, end - time.monotonic())
                ):
                    pump()
                    self._check_timeout(end, timeout)
            except KeyboardInterrupt:
                if not self._is_tied:
                    above.say(f"Stopped waiting; task {short_id(self._id)} goes on.")
                raise
        return self._ended(raise_on_failure=raise_on_failure)

    async def wait_async(
        self, timeout: float | None = None, *, raise_on_failure: bool = False
    ) -> str:
        """Like `wait()`, for `await`: the event loop continues meanwhile."""
        check_timeout("timeout", timeout)
        end = None if timeout is None else time.monotonic() + timeout
        with Waiting(self.backend.watcher, self._id) as waiting, host().waiting_cell(self) as pump:
            while not waiting.ended(0):
                pump()
                self._check_timeout(end, timeout)
                await asyncio.sleep(PUMP_S)
        return self._ended(raise_on_failure=raise_on_failure)

    def on_done(self, callback: Callable[[Task], object]) -> DoneCallback[Task]:
        """Calls `callback(task)` once when the task has ended, at once if it has already.

        It runs on a thread of its own, so it may take its time, as long as this process lives. If
        it raises, a warning names it and the error; nothing else is affected.

        Returns:
            Something with `cancel()`: nothing is called after that.

        Raises:
            UserInputError: `callback` cannot be called.
        """
        return DoneCallback(self, callback)

    def kill(self, wait_timeout: float | None = 1.0) -> KillOutcome:
        """Ends the task (cancels it): `killed`, `pending`, or `already-ended`.

        Args:
            wait_timeout: Seconds to wait for the confirmation; `None` only sends the request.

        Raises:
            ApiError: The service refused, or failed again after all attempts.
            UserInputError: `wait_timeout` is not a number of seconds; nothing was sent.
        """
        check_timeout("wait_timeout", wait_timeout, none=ONLY_SENDS)
        record = self._final()
        if record is not None:
            return outcome(record.status, ended_before=True)
        status = send_kill(self.backend.client, self._id)
        if status is None or status.is_terminated:
            with contextlib.suppress(InductivaWidgetsError):  # how the kill ended is known
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
            host().say(f"Killing task {short_id(self._id)}: its session was interrupted.")
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
            host().say(f"Task {short_id(self._id)} could not be killed and may go on: {error}")

    @overload
    def resubmit(self, *, dry_run: Literal[False] = ..., **changes: Unpack[Changes]) -> Task: ...

    @overload
    def resubmit(self, *, dry_run: Literal[True], **changes: Unpack[Changes]) -> DryRun: ...

    def resubmit(self, *, dry_run: bool = False, **changes: Unpack[Changes]) -> Task | DryRun:
        """Submits the task again and returns the new one; this one stays as it is.

        Args:
            dry_run: Sends nothing; returns a `DryRun` with what would be sent.
            changes: Arguments of `tasks.submit`, `input_dir` as well. What is not named stays:
                inputs, commands, image, group and notes. The service does not
                return time limits: name yours again with `time_to_live_s`.

        Raises:
            TypeError: A change that `tasks.submit` has not.
            NotFoundError: The inputs are not stored any more, or the group is gone.
            UserInputError: A change is invalid, or the commands are not known any more.
        """
        check_changes(changes)
        backend = self.backend
        has_folder, folder = "input_dir" in changes, check_inputs(changes.pop("input_dir", None))
        record = self.refresh()
        description = changed(record, changes)
        body = description.body(is_local=backend.is_local)
        if dry_run:
            inputs = f"the folder {folder.absolute()}" if folder else "none"
            inputs = inputs if has_folder else f"those of task {self._id}"
            return rehearse(backend, prepare(backend, description, body), inputs)
        # The inputs come first: without them nothing is started, and nothing made.
        packed = packed_inputs(folder) if has_folder else stored_inputs(backend, record)
        with packed as archive:
            made = send(backend, prepare(backend, description, body), archive)
        return Task(made, backend=backend)

    # -- display ----------------------------------------------------------------------------

    def monitor(self) -> TaskMonitor:
        """A live view of the task that Python can follow: `.selected`, `.status`."""
        shown: TaskMonitor = views().monitor(self)
        return shown

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:  # noqa: ANN401 - IPython's protocol
        return views().task_bundle(self, **kwargs)

    # -- inside -----------------------------------------------------------------------------

    def _check_timeout(self, end: float | None, timeout: float | None) -> None:
        if end is not None and time.monotonic() >= end:
            raise WaitTimeoutError(
                f"Task {short_id(self._id)} did not end within {timeout:g} s; it goes on.",
                hint="Wait again, or kill it with task.kill().",
            )

    def _ended(self, *, raise_on_failure: bool) -> str:
        record = self._final() or self.info
        if raise_on_failure and record.status != "success":
            raise failure(self._id, self.info, outputs_of(self))
        return record.status
