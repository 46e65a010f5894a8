"""Live: files, logs and load of running tasks, for one backend."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.live.ended import EndedFile
from inductiva_widgets.live.following import Callbacks, Following, LiveEnd, Source
from inductiva_widgets.live.lines import LiveLines
from inductiva_widgets.live.loop import LiveLoop
from inductiva_widgets.live.ranges import Ranges
from inductiva_widgets.live.records import name_of
from inductiva_widgets.live.running import check_running, look, not_running
from inductiva_widgets.live.ways import LostError
from inductiva_widgets.live.webrtc import WebRtc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from inductiva_widgets.api.client import Client
    from inductiva_widgets.live.following import LiveState
    from inductiva_widgets.live.records import LastModified, LiveFiles
    from inductiva_widgets.live.ways import Reader, Way
    from inductiva_widgets.watch import Watcher

__all__ = ["Live"]

LIVE_VARIABLE = "INDUCTIVA_WIDGETS_LIVE"  # webrtc: also for the local engine
MOST_LINES = 10**7
CLOSE_LIMIT_S = 15.0

T = TypeVar("T")


class Live:
    """Files, logs and load of running tasks; `Backend.live`. Starts nothing before its first use.

    One thread (`inductiva-live`) serves all tasks of a backend, with up to three workers for
    requests. Methods may be called on any thread; those without a callback block, within limits.

    All raise `LiveUnavailableError` (`.cause` says why: `not-running`, `no-aiortc`, `no-answer`,
    `blocked-udp`), `NotFoundError` for an unknown task or file, `UserInputError` for a file that
    is not text, `BadPayloadError` for an answer that cannot be read, and errors of the service.
    """

    def __init__(self, client: Client, watcher: Watcher, *, is_local: bool) -> None:
        self._client = client
        self._watcher = watcher
        self._is_local = is_local
        self._lock = threading.Lock()
        self._loop: LiveLoop | None = None
        self._ways: dict[str, Way] = {}  # those in use; touched on the loop only
        self._followers: set[Following] = set()  # touched on the loop only

    @property
    def way(self) -> str:
        """How machines are reached: `webrtc`, or `ranges` for the local engine.

        Plain requests to the engine on this machine need nothing installed and no handshake, and
        give sizes and times as well; `INDUCTIVA_WIDGETS_LIVE=webrtc` uses WebRTC all the same.
        """
        by_force = os.environ.get(LIVE_VARIABLE, "") == "webrtc"
        return "ranges" if self._is_local and not by_force else "webrtc"

    def list_files(self, task_id: str) -> LiveFiles:
        """The output folder of a running task as it is now."""
        task_id = check_task_id(task_id)
        return self._run(self._ask(task_id, lambda way: way.files(task_id)))

    def top(self, task_id: str) -> str:
        """What `top -b -H -n 1` prints on the machine of a running task."""
        task_id = check_task_id(task_id)
        return self._run(self._ask(task_id, lambda way: way.top(task_id)))

    def last_modified_file(self, task_id: str) -> LastModified:
        """The file that the task wrote last."""
        task_id = check_task_id(task_id)
        return self._run(self._ask(task_id, lambda way: way.last_modified(task_id)))

    def tail(
        self,
        task_id: str,
        filename: str,
        *,
        lines: int = 10,
        follow: bool = False,
        wait: bool = False,
    ) -> LiveLines:
        """The last lines of a file and, with `follow`, those that come.

        Of a task that has ended they are read from its outputs. Without `follow` they are here when
        this returns; with it this returns at once, and iterating waits and raises.

        Args:
            task_id: The task.
            filename: Relative to the outputs, e.g. `stdout.txt`, or the machine's path.
            lines: How many lines to begin with (≥ 0).
            follow: Whether to continue until the task ends.
            wait: Whether a task or a file that is not there yet is waited for.
        """
        if not follow:
            task_id, filename = _checked(task_id, filename, lines)
            return self._run(self._tail(task_id, filename, lines))
        made = LiveLines()
        on_lines, on_end = made.feeders()
        made.fed_by(
            self.follow(task_id, filename, lines=lines, wait=wait, on_lines=on_lines, on_end=on_end)
        )
        return made

    def follow(  # noqa: PLR0913 - a file, how, and the callbacks
        self,
        task_id: str,
        filename: str,
        *,
        lines: int = 10,
        wait: bool = False,
        on_lines: Callable[[Sequence[str]], None],
        on_end: Callable[[LiveEnd], None],
        on_state: Callable[[LiveState], None] | None = None,
    ) -> Following:
        """Follows a file by callbacks; returns at once.

        They are called on the live thread, one after another, and should return at once:
        `on_lines` with at least one line, `on_state` at each change, `on_end` once, as the last.
        Every failure arrives as `LiveEnd.error`; only a bad argument raises here.

        Args:
            task_id: The task.
            filename: Relative to the outputs.
            lines: How many lines to begin with.
            wait: Whether a task or a file that is not there yet is waited for.
            on_lines: Takes lines, in order, without their ends.
            on_end: Called once when no more lines come, with the reason.
            on_state: Called with each new state of the follower.
        """
        task_id, filename = _checked(task_id, filename, lines)
        loop = self._started()

        def reader() -> Reader:
            return self._way().reader(task_id, filename, lines, wait=wait)

        source = Source(self._client, self._watcher, loop, reader)
        callbacks = Callbacks(on_lines, on_end, on_state)
        made = Following(source, (task_id, filename), callbacks, lines=lines, wait=wait)

        async def run() -> None:
            self._followers.add(made)
            try:
                await made.run()
            finally:
                self._followers.discard(made)

        loop.start(run())
        return made

    def close(self) -> None:
        """Ends all followers, closes all connections, ends the thread; it can be used again."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.start(self._close_all()).result(CLOSE_LIMIT_S)
            loop.close()

    # -- for `await` ---------------------------------------------------------------------------

    async def list_files_async(self, task_id: str) -> LiveFiles:
        """Like `list_files()`; like the next ones it does not block the caller's event loop."""
        task_id = check_task_id(task_id)
        return await self._awaited(self._ask(task_id, lambda way: way.files(task_id)))

    async def tail_async(self, task_id: str, filename: str, *, lines: int = 10) -> LiveLines:
        """Like `tail()` without `follow`; with it, iterate over `tail()` by `async for`."""
        task_id, filename = _checked(task_id, filename, lines)
        return await self._awaited(self._tail(task_id, filename, lines))

    async def top_async(self, task_id: str) -> str:
        """Like `top()`."""
        task_id = check_task_id(task_id)
        return await self._awaited(self._ask(task_id, lambda way: way.top(task_id)))

    async def last_modified_file_async(self, task_id: str) -> LastModified:
        """Like `last_modified_file()`."""
        task_id = check_task_id(task_id)
        return await self._awaited(self._ask(task_id, lambda way: way.last_modified(task_id)))

    # -- on the loop ---------------------------------------------------------------------------

    async def _ask(self, task_id: str, question: Callable[[Way], Awaitable[T]]) -> T:
        """The answer of the machine, by the way that works."""
        await self._blocking(check_running, self._client, task_id)
        try:
            return await question(self._way())
        except LostError:  # it ended meanwhile
            raise not_running(task_id, await self._blocking(look, self._client, task_id)) from None

    async def _tail(self, task_id: str, filename: str, lines: int) -> LiveLines:
        found = await self._blocking(look, self._client, task_id)
        if not found.is_terminated:
            last = await self._ask(task_id, lambda way: way.tail(task_id, filename, lines))
            return LiveLines(last, LiveEnd("read", found.status, is_complete=True))
        file = await self._blocking(EndedFile, self._client, task_id, filename)
        last = await self._blocking(file.last_lines, lines)
        return LiveLines(last, LiveEnd("task-ended", found.status, is_complete=True))

    def _way(self) -> Way:
        """The way to machines.

        Raises:
            LiveUnavailableError: There is none.
        """
        name = self.way
        if name not in self._ways:
            loop = self._started()
            self._ways[name] = (
                Ranges(self._client, loop)
                if name == "ranges"
                else WebRtc(self._client, loop, is_local=self._is_local)
            )
        return self._ways[name]

    async def _close_all(self) -> None:
        for following in list(self._followers):
            following.close()
        ways, self._ways = list(self._ways.values()), {}
        for way in ways:
            await way.close()

    # -- from other threads --------------------------------------------------------------------

    def _started(self) -> LiveLoop:
        with self._lock:
            if self._loop is None:
                self._loop = LiveLoop()
            return self._loop

    async def _blocking(self, function: Callable[..., T], *args: object) -> T:
        return await self._started().blocking(function, *args)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._started().start(work).result()

    async def _awaited(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(self._started().start(work))


def _checked(task_id: object, filename: object, lines: object) -> tuple[str, str]:
    """The task and the file's name relative to its outputs.

    Raises:
        UserInputError: One of them, or the number of lines, cannot be.
    """
    checked = check_task_id(task_id)
    if not isinstance(filename, str) or not filename.strip() or "\0" in filename:
        raise UserInputError("The name of a file is needed, such as 'stdout.txt'.")
    if not isinstance(lines, int) or isinstance(lines, bool) or not 0 <= lines <= MOST_LINES:
        raise UserInputError(f"The number of lines is a whole number from 0 to {MOST_LINES}.")
    return checked, name_of(filename, checked)
