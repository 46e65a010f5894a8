"""Thread pools: one that has threads only while there is work, and one that can be left at once.

A notebook with fifty views is idle most of the day and should keep no threads waiting for a click.
And pools of the standard library cannot be left: the end of the block and the end of the process
both wait for their threads, for as long as these wait for a silent host.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from typing_extensions import Self

__all__ = ["DaemonPool", "Workers", "result_of"]

LEAVE_WITHIN_S = 1.0  # a thread that waits for a silent host is left alone after this time
LOOK_S = 0.5  # on Windows Python sees no Ctrl-C in a wait without a limit

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")


class Workers(Executor):
    """A pool of threads that exists while there is work and ends when all is done.

    One lock guards which pool there is and how much work it has.

    Args:
        most: Threads at the same time; more work waits.
        name: Of the threads, with a number.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._open = 0
        self._closed = False

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Runs a function on a thread.

        Raises:
            RuntimeError: After `shutdown`.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._most, thread_name_prefix=self._name)
            future = self._pool.submit(function, *args, **kwargs)
            self._open += 1
        future.add_done_callback(self._done)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is inherited
        """Takes no more work; waits for what runs, and drops the rest, as asked."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _done(self, _: Future[T]) -> None:
        with self._lock:
            self._open -= 1
            if self._open:
                return
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)


class DaemonPool:
    """A pool for one block of code, whose threads are daemons: Ctrl-C leaves the block at once.

    At the end of the block, work that has not begun is dropped, and threads that still wait for
    the network are left alone after a second.

    Args:
        most: Threads at the same time; more work waits.
        name: Of the threads.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(queue.Empty):
            while (job := self._jobs.get_nowait()) is not None:
                job[0].cancel()
        leave_at = time.monotonic() + LEAVE_WITHIN_S
        for _thread in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(max(0.0, leave_at - time.monotonic()))

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Runs a function on a thread; called by the thread that entered the block only."""
        future: Future[T] = Future()
        self._jobs.put((future, partial(function, *args, **kwargs)))
        if len(self._threads) < self._most:
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def map(self, function: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
        """Results for all items, in their order; the first error is raised in its place."""
        return map(result_of, [self.submit(function, item) for item in items])

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, run = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(run())
            except BaseException as error:  # noqa: BLE001 - raised again by who wants the result
                future.set_exception(error)


def result_of(future: Future[T]) -> T:
    """The result, or the error raised again; Ctrl-C ends the waiting on every system."""
    while wait((future,), LOOK_S).not_done:
        pass
    return future.result()
