"""Workers: a few threads that are there only while there is work.

A notebook with fifty views is at rest most of its day; threads that wait for the next click would
be all that it has of them.
"""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Workers"]

P = ParamSpec("P")
T = TypeVar("T")


class Workers(Executor):
    """A pool of threads, made anew when work comes and ended when all of it is done.

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
        """Takes no more work; waits for what runs, and drops the rest, as told."""
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
