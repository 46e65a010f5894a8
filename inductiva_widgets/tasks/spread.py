"""One function called for each of many tasks: a few at a time, all stopped together."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["spread"]

LOOK_S = 0.1
STOP_WITHIN_S = 1.0  # what still waits for a silent host is left alone after this time

T = TypeVar("T")


def spread(
    items: Iterable[T],
    act: Callable[[T], None],
    *,
    at_once: int,
    look: Callable[[], None],
    stop: Callable[[], None],
) -> None:
    """Calls `act` for each item, on at most `at_once` threads, and returns when all have ended.

    Args:
        items: In the order in which they are begun.
        act: Notes failures by itself; what it raises ends everything and is raised here.
        at_once: Number of threads.
        look: Called on this thread about ten times a second, and once at the end.
        stop: Called when something is raised here, Ctrl-C as well: ends what `act` waits for.
    """
    queue = _Queue(iter(items), act)
    threads = [
        threading.Thread(target=queue.work, name="inductiva-tasks", daemon=True)
        for _ in range(at_once)
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(LOOK_S)
                look()
    except BaseException:
        queue.halt()
        stop()
        end = time.monotonic() + STOP_WITHIN_S
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))
        raise
    if queue.error is not None:
        raise queue.error
    look()


class _Queue(Generic[T]):
    """What is still to do. Guarded by one lock."""

    def __init__(self, items: Iterator[T], act: Callable[[T], None]) -> None:
        self.error: BaseException | None = None
        self._items = items
        self._act = act
        self._lock = threading.Lock()
        self._halted = False

    def halt(self) -> None:
        self._halted = True

    def work(self) -> None:
        while not self._halted:
            with self._lock:
                try:
                    item = next(self._items)
                except StopIteration:
                    return
            try:
                self._act(item)
            except BaseException as error:  # noqa: BLE001 - raised again by `spread`
                self.error = error
                self.halt()
