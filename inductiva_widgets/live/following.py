"""A file that is followed while its task runs, with callbacks for its lines."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inductiva_widgets.errors import (
    AuthenticationError,
    BadPayloadError,
    InductivaWidgetsError,
    LiveUnavailableError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    ServiceConnectionError,
    UserInputError,
)
from inductiva_widgets.live.ended import EndedFile
from inductiva_widgets.live.running import RUNNING, look, not_running
from inductiva_widgets.live.ways import LostError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inductiva_widgets.api.client import Client
    from inductiva_widgets.live.loop import LiveLoop
    from inductiva_widgets.live.ways import Reader
    from inductiva_widgets.watch import Observation, Subscription, Watcher

__all__ = ["Callbacks", "Following", "LiveEnd", "LiveState", "Source"]

log = logging.getLogger(__name__)

PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # between tries after a lost connection
GRACE_S = 3.0  # for a machine to say the rest itself and to close
REST_TRIES = 3
TRANSIENT = (ServiceConnectionError, ServerError, RateLimitedError)


class LiveState(str, enum.Enum):
    """What a follower does now."""

    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"  # the connection is gone; it is tried again
    FINISHING = "finishing"  # the task is ending or has ended; the rest of the file comes


@dataclass(frozen=True, slots=True)
class LiveEnd:
    """Why no more lines come.

    Attributes:
        reason: `task-ended`, `read` (nobody wanted to follow), `closed` (by the reader) or
            `failed`.
        status: The task's last known status code; empty when not known.
        error: What went wrong, for `failed`.
        is_complete: Whether everything up to the end of the file was delivered.
    """

    reason: str
    status: str = ""
    error: InductivaWidgetsError | None = None
    is_complete: bool = False

    def __str__(self) -> str:
        """One sentence for people."""
        if self.reason == "failed":
            return str(self.error)
        if self.reason != "task-ended":
            return "Not followed."
        rest = "" if self.is_complete else " The last lines could not be fetched."
        return f"The task has ended ({self.status}): no more lines come.{rest}"


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What a follower calls, on the live thread, one after another."""

    on_lines: Callable[[Sequence[str]], None]
    on_end: Callable[[LiveEnd], None]
    on_state: Callable[[LiveState], None] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a follower gets lines from.

    Attributes:
        client: The service.
        watcher: Reports the end of the task.
        loop: The live thread.
        reader: Makes the reader, once the task runs.
    """

    client: Client
    watcher: Watcher
    loop: LiveLoop
    reader: Callable[[], Reader]


class Following:
    """One followed file; made by `Live.follow`.

    Attributes:
        task_id: The task.
        filename: The file, relative to its outputs.
        state: What it does now.
        end: Why no more lines come; `None` while they may.
    """

    def __init__(
        self,
        source: Source,
        file: tuple[str, str],
        callbacks: Callbacks,
        *,
        lines: int,
        wait: bool,
    ) -> None:
        self.task_id, self.filename = file
        self.state = LiveState.CONNECTING
        self.end: LiveEnd | None = None
        self._source = source
        self._callbacks = callbacks
        self._lines = lines
        self._wait = wait
        self._reader: Reader | None = None
        self._work: asyncio.Task[LiveEnd] | None = None
        self._is_closed = False
        self._ended = asyncio.Event()  # of the task; touched on the loop only
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Stops following; from any thread, also twice. `on_end` is called soon, with `closed`."""
        self._is_closed = True
        self._source.loop.call(self._cancel)

    async def run(self) -> None:
        """Follows to the end; never raises. Called by `Live`, on the loop."""
        self._set_state(LiveState.CONNECTING)
        subscription = await self._source.loop.blocking(self._subscribe)
        self._work = asyncio.ensure_future(self._follow())
        if self._is_closed:
            self._work.cancel()
        try:
            end = await self._work
        except asyncio.CancelledError:
            end = LiveEnd("closed")
        except InductivaWidgetsError as error:
            end = LiveEnd("failed", error=error)
        except Exception as error:
            log.exception("Following a file failed by a fault of this package")
            wrapped = InductivaWidgetsError(f"Following failed: {type(error).__name__}.")
            end = LiveEnd("failed", error=wrapped)
        finally:
            subscription.close()
        self.end = end
        try:
            self._callbacks.on_end(end)
        except Exception:
            log.exception("A callback failed")

    # -- on the loop ---------------------------------------------------------------------------

    def _cancel(self) -> None:
        if self._work is not None:
            self._work.cancel()

    async def _follow(self) -> LiveEnd:
        status = await self._started()
        if status == RUNNING:
            self._reader = self._source.reader()
            await self._read_while_running(self._reader)
            status = await self._terminal_status()
        self._set_state(LiveState.FINISHING)
        return LiveEnd("task-ended", status, is_complete=await self._read_rest(status))

    async def _started(self) -> str:
        """Status of the task once it runs or has ended.

        Raises:
            LiveUnavailableError: It does not run yet, and nobody wants to wait.
        """
        while True:
            self._changed.clear()
            found = await self._source.loop.blocking(look, self._source.client, self.task_id)
            if found.status == RUNNING or found.is_terminated:
                return found.status
            if not self._wait and found.status != "computation-ended":
                raise not_running(self.task_id, found)
            await self._pause(self._changed, PAUSES_S[-1])

    async def _read_while_running(self, reader: Reader) -> None:
        """Delivers what comes until the task runs no more."""
        failures = 0
        while not self._ended.is_set():
            try:
                async with contextlib.aclosing(reader.batches()) as batches:
                    async for lines in batches:
                        failures = 0
                        self._set_state(LiveState.LIVE)
                        if lines:
                            self._callbacks.on_lines(lines)
            except LostError:
                pass
            except (LiveUnavailableError, BadPayloadError, *TRANSIENT) as error:
                await self._raise_if_first(error)
            except NotFoundError:
                if await self._runs():
                    raise
                return
            if self._ended.is_set() or not await self._runs():
                return
            self._set_state(LiveState.LOST)
            await self._pause(self._ended, PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1

    async def _raise_if_first(self, error: InductivaWidgetsError) -> None:
        """Raises what prevented the first line; later errors lead to another try."""
        if self.state is LiveState.CONNECTING and await self._runs():
            raise error

    async def _runs(self) -> bool:
        try:
            found = await self._source.loop.blocking(look, self._source.client, self.task_id)
        except TRANSIENT:
            return not self._ended.is_set()
        return found.status == RUNNING

    async def _terminal_status(self) -> str:
        self._set_state(LiveState.FINISHING)
        failures = 0
        while True:
            try:
                found = await self._source.loop.blocking(look, self._source.client, self.task_id)
            except TRANSIENT:
                pass
            else:
                if found.is_terminated:
                    return found.status
            await self._pause(self._ended, PAUSES_S[min(failures, 3)])
            failures += 1

    async def _read_rest(self, status: str) -> bool:
        """Delivers what the archive holds beyond what was delivered; whether that was possible.

        Raises:
            InductivaWidgetsError: Nothing at all was delivered, because of this.
        """
        trouble: InductivaWidgetsError | None = None
        for number in range(REST_TRIES):
            try:
                await self._deliver_archived()
            except (NotFoundError, UserInputError, AuthenticationError) as error:
                trouble = error
                break
            except InductivaWidgetsError as error:
                trouble = error
                await asyncio.sleep(PAUSES_S[number])
            else:
                return True
        if self._reader is None and trouble is not None:
            raise trouble
        log.info("The rest of a followed file of a task (%s) is not there: %s", status, trouble)
        return False

    async def _deliver_archived(self) -> None:
        blocking = self._source.loop.blocking
        file = await blocking(EndedFile, self._source.client, self.task_id, self.filename)
        if self._reader is None:
            lines = await blocking(file.last_lines, self._lines)
            if lines:
                self._callbacks.on_lines(lines)
            return
        rest = self._reader.rest(file)
        while (batch := await blocking(next, rest, None)) is not None:
            self._callbacks.on_lines(batch)

    # -- the task's state ----------------------------------------------------------------------

    def _subscribe(self) -> Subscription:
        return self._source.watcher.watch(self.task_id, self._on_observation, is_brief=True)

    def _on_observation(self, seen: Observation) -> None:
        """On the watcher's thread."""
        self._source.loop.call(self._changed.set)
        if seen.is_final:
            self._source.loop.call(self._on_task_end)

    def _on_task_end(self) -> None:
        if not self._ended.is_set():
            self._ended.set()
            if self._reader is not None:
                asyncio.get_running_loop().call_later(GRACE_S, self._reader.stop)

    def _set_state(self, state: LiveState) -> None:
        if state is not self.state or state is LiveState.CONNECTING:
            self.state = state
            if self._callbacks.on_state is not None:
                self._callbacks.on_state(state)

    @staticmethod
    async def _pause(event: asyncio.Event, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
