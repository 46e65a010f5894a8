"""The service's clock, estimated from its answers."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ServerClock"]

_LAST_YEAR = 9000  # from a later date on, time would soon exceed the range of `datetime`
_JUMP_S = 2.0  # beyond this the answers contradict what was known: one of the clocks was set


class ServerClock:
    """Estimates the service's time from the `Date` header of its answers.

    The header counts whole seconds, so one answer bounds the offset to an interval of a second;
    the answers' intervals together narrow it. Time runs by the monotonic clock in between, so
    that a change of this machine's clock does not make durations jump. Safe to share.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._origin = wall() - monotonic()  # this machine's clock = origin + monotonic
        self._low, self._high = float("-inf"), float("inf")

    def observe(self, date: dt.datetime | None) -> None:
        """Takes in the `Date` of an answer that has just arrived."""
        if date is None or date.year > _LAST_YEAR:
            return
        offset = date.timestamp() - (self._origin + self._monotonic())
        with self._lock:
            if offset > self._high + _JUMP_S or offset + 1 < self._low - _JUMP_S:
                self._low, self._high = float("-inf"), float("inf")
            low, high = max(self._low, offset), min(self._high, offset + 1)
            if low <= high:
                self._low, self._high = low, high

    @property
    def offset_s(self) -> float:
        """Seconds to add to this machine's clock; 0 unless the answers exclude it."""
        with self._lock:
            return min(max(0.0, self._low), self._high)

    def now(self) -> dt.datetime:
        """The service's time now, in UTC."""
        seconds = self._origin + self._monotonic() + self.offset_s
        return dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
