"""The event loop of everything live: one thread for all tasks of a backend."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from inductiva_widgets.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

__all__ = ["LiveLoop"]

WORKERS = 3  # requests to the service block a thread each; more would wait for the same machine
STOP_LIMIT_S = 10.0

T = TypeVar("T")


class LiveLoop:
    """A thread with an event loop, and a few workers for blocking requests.

    Created at the first use. Not the caller's loop: a notebook's loop is busy for as long as a cell
    runs, and connections have to be kept alive meanwhile.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._workers = Workers(WORKERS, "inductiva-live-request")
        self._thread = threading.Thread(target=self._run, name="inductiva-live", daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Starts work on the loop, from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Calls a function on the loop, soon; nothing happens when the loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)

    async def blocking(self, function: Callable[..., T], *args: object) -> T:
        """Result of a blocking function, on a worker."""
        return await self._loop.run_in_executor(self._workers, function, *args)

    def close(self) -> None:
        """Cancels what runs and waits for the thread and the workers, within a limit."""
        self.call(self._loop.stop)
        if self._thread is not threading.current_thread():
            self._thread.join(STOP_LIMIT_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            # Requests have limits of their own; what they answer now interests nobody.
            self._workers.shutdown(wait=True, cancel_futures=True)
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
