"""The switches of one download: what ends everything it does, and what holds it back."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from inductiva_widgets.errors import DownloadCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inductiva_widgets.api.links import LinkReply

__all__ = ["Pace", "Stop"]


class Stop:
    """Ends all waits of one download at once. Shared by its threads."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._replies: set[LinkReply] = set()
        self._cancelled = False

    @property
    def is_set(self) -> bool:
        """Whether the work shall end."""
        return self._event.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether it shall end for good."""
        return self._cancelled

    def cancel(self) -> None:
        """Ends every pause and every read under way, for good."""
        self._cancelled = True
        self.halt()

    def halt(self) -> None:
        """Ends what is under way; after `resume` the work may go on in another way."""
        with self._lock:
            self._event.set()
            replies = list(self._replies)
        for reply in replies:
            reply.abort()

    def resume(self) -> None:
        """Takes `halt` back, never `cancel`."""
        with self._lock:
            if not self._cancelled:
                self._event.clear()

    def check(self) -> None:
        """Raises `DownloadCancelledError` when the work shall end."""
        if self._event.is_set():
            raise DownloadCancelledError("The download was stopped.")

    def pause(self, seconds: float) -> None:
        """Waits, unless the work shall end."""
        self._event.wait(seconds)
        self.check()

    @contextmanager
    def watching(self, reply: LinkReply) -> Iterator[None]:
        """Lets `set` reach a read that blocks."""
        with self._lock:
            self._replies.add(reply)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._replies.discard(reply)


class Pace:
    """Holds back the receiving of one download: paused, or slowed to a rate. Safe to share."""

    def __init__(
        self,
        stop: Stop,
        bytes_per_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stop = stop
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

    def wait(self) -> None:
        """Returns when bytes may be received."""
        while not self._running.wait(0.2):
            self._stop.check()

    def spend(self, size_bytes: int) -> None:
        """Waits as long as these bytes take at the rate allowed; they count for all threads."""
        if self._bytes_per_s is None:
            return
        with self._lock:
            now = self._clock()
            self._free_at = max(now, self._free_at) + size_bytes / self._bytes_per_s
            wait_s = self._free_at - now
        self._stop.pause(wait_s)
