"""The switches of one download: cancel, pause, and a limit on its rate."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from inductiva_widgets.errors import DownloadCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from inductiva_widgets.api.links import LinkReply

__all__ = ["LEAVE_WITHIN_S", "Pace", "Stop", "interruptible", "together"]

LEAVE_WITHIN_S = 1.0  # a thread that waits for a silent server is left alone after this time

T = TypeVar("T")


class Stop:
    """Ends all waits of one download at once and for ever. Shared by its threads."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._endings: set[Callable[[], None]] = set()

    @property
    def is_set(self) -> bool:
        """Whether the work should end."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Ends every pause and every read under way."""
        with self._lock:
            self._event.set()
            endings = list(self._endings)
        for end in endings:
            end()

    def check(self) -> None:
        """Raises `DownloadCancelledError` when the work should end."""
        if self._event.is_set():
            raise DownloadCancelledError("The download was stopped.")

    def pause(self, seconds: float) -> None:
        """Waits, unless the work should end."""
        self._event.wait(seconds)
        self.check()

    @contextmanager
    def part(self) -> Iterator[Stop]:
        """The stop of one step of the work: ends with this one, or alone.

        A thread that outlives its step, since it waits for a silent server, finds it set for ever.
        """
        part = Stop()
        with self._calling(part.cancel):
            if self.is_set:
                part.cancel()
            yield part

    @contextmanager
    def watching(self, reply: LinkReply) -> Iterator[None]:
        """Lets `cancel` reach a read that blocks."""
        with self._calling(reply.abort):
            self.check()
            yield

    @contextmanager
    def _calling(self, end: Callable[[], None]) -> Iterator[None]:
        with self._lock:
            self._endings.add(end)
        try:
            yield
        finally:
            with self._lock:
                self._endings.discard(end)


class Pace:
    """Holds back the receiving of one download: paused, or slowed to a rate. Safe to share."""

    def __init__(
        self,
        bytes_per_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock()
        self._running = threading.Event()
        self._running.set()

    @property
    def is_held(self) -> bool:
        """Whether nothing more is received for now."""
        return not self._running.is_set()

    def hold(self) -> None:
        """Receives nothing more until `go_on`."""
        self._running.clear()

    def go_on(self) -> None:
        """Takes `hold` back."""
        self._running.set()

    def wait(self, stop: Stop) -> None:
        """Returns when bytes may be received."""
        while not self._running.wait(0.2):
            stop.check()

    def spend(self, size_bytes: int, stop: Stop) -> None:
        """Waits as long as these bytes take at the rate allowed; they count for all threads."""
        if self._bytes_per_s is None:
            return
        with self._lock:
            now = self._clock()
            self._free_at = max(now, self._free_at) + size_bytes / self._bytes_per_s
            wait_s = self._free_at - now
        stop.pause(wait_s)


def interruptible(stop: Stop, act: Callable[[], T]) -> T:
    """Result of `act`, done on a thread of its own: a stop need not wait for a silent server."""
    return together(stop, [act])[0]


def together(stop: Stop, acts: Sequence[Callable[[], T]]) -> list[T]:
    """Results of all, each done on a thread of its own, or the first error.

    The threads are daemons, so that not even the end of the process waits for a silent server.
    """
    results: dict[int, T] = {}
    errors: list[BaseException] = []

    def work(place: int, act: Callable[[], T]) -> None:
        try:
            results[place] = act()
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=item, name="inductiva-download", daemon=True)
        for item in enumerate(acts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive() and not stop.is_set:
            thread.join(0.1)
    if stop.is_set:
        leave_at = time.monotonic() + LEAVE_WITHIN_S
        for thread in threads:
            thread.join(max(0.0, leave_at - time.monotonic()))
        stop.check()
    if errors:
        raise errors[0]
    return [results[place] for place in range(len(acts))]
