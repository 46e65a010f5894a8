"""The progress of a download: numbers shared by its threads, and copies for others."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Board", "FileProgress", "FileState", "Progress", "State"]

State = Literal["running", "done", "failed", "cancelled"]
FileState = Literal["waiting", "fetching", "verified", "skipped", "failed"]

NOTIFY_INTERVAL_S = 0.2  # views show at most five messages a second
RATE_WINDOW_S = 5.0
RATE_SAMPLE_S = 0.25

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of a download.

    Attributes:
        state: `running`, `done`, `failed` or `cancelled`.
        files: Files to deliver; 0 until the archive's directory is read.
        files_done: Files verified, or skipped because they were there already.
        bytes: Bytes to fetch.
        bytes_done: Bytes fetched; falls when some must be fetched again.
        bytes_per_s: Rate of the last seconds.
        seconds_left: Estimate by that rate; `None` when nothing can be said.
    """

    state: State
    files: int
    files_done: int
    bytes: int
    bytes_done: int
    bytes_per_s: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class FileProgress:
    """One file of a download.

    Attributes:
        index: Its row in the listing; -1 for the archive itself.
        name: Its name in the listing.
        size: Unpacked size in bytes.
        state: `waiting`, `fetching`, `verified`, `skipped` or `failed`.
        reason: Why it failed or was skipped.
        part: Share of its bytes that has come, 0 to 1, while it is fetched in several pieces.
    """

    index: int
    name: str
    size: int
    state: FileState
    reason: str = ""
    part: float = 0.0


class Board:
    """The numbers of one download. All methods may be called from any thread."""

    def __init__(
        self, on_progress: Callable[[Progress], object] | None, clock: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._state: State = "running"
        self._rows: Sequence[int] = ()
        self._names: Sequence[str] = ()
        self._sizes: Sequence[int] = ()
        self._states: list[FileState] = []
        self._reasons: dict[int, str] = {}
        self._parts: dict[int, float] = {}
        self._files_done = 0
        self._ended_at: float | None = None
        self._bytes = self._bytes_done = 0
        self._samples: deque[tuple[float, int]] = deque([(clock(), 0)])
        self._call: Callable[[Progress], object] = on_progress or _nobody
        self._notify_lock = threading.Lock()
        self._notified_at = float("-inf")

    @property
    def state(self) -> State:
        """State of the whole download."""
        return self._state

    def set_files(self, rows: Sequence[int], names: Sequence[str], sizes: Sequence[int]) -> None:
        """Columns of equal length, once they are known; they are kept, not copied."""
        with self._lock:
            self._rows, self._names, self._sizes = rows, names, sizes
            self._states = ["waiting"] * len(rows)
            self._reasons.clear()
            self._parts.clear()
            self._files_done = 0
            self._bytes = self._bytes_done  # a restart has nothing of what it expected

    def mark(self, index: int, state: FileState, reason: str = "") -> None:
        """A file's new state."""
        with self._lock:
            self._states[index] = state
            self._parts.pop(index, None)
            if reason:
                self._reasons[index] = reason
            if state in ("verified", "skipped"):
                self._files_done += 1

    def note_part(self, index: int, part: float) -> None:
        """How much of a file has come, of all of it."""
        with self._lock:
            self._parts[index] = part

    def mark_verified(self, indexes: Sequence[int]) -> None:
        """New state of many files at once."""
        with self._lock:
            for index in indexes:
                self._states[index] = "verified"
                self._parts.pop(index, None)
            self._files_done += len(indexes)

    def expect(self, size_bytes: int) -> None:
        """More bytes will be fetched."""
        with self._lock:
            self._bytes += size_bytes

    def add(self, size_bytes: int) -> None:
        """Bytes came; a negative number takes back what must be fetched again."""
        now = self._clock()
        with self._lock:
            self._bytes_done += size_bytes
            if now - self._samples[-1][0] >= RATE_SAMPLE_S:
                self._samples.append((now, self._bytes_done))
                while len(self._samples) > 2 and now - self._samples[0][0] > RATE_WINDOW_S:
                    self._samples.popleft()
        self._notify(now)

    def finish(self, state: State) -> None:
        """The last notification, sent whatever the interval."""
        with self._lock:
            self._state = state
            self._ended_at = self._clock()
        self._notify(None)

    def snapshot(self) -> Progress:
        """A copy of the numbers."""
        with self._lock:
            now = self._clock() if self._ended_at is None else self._ended_at
            since, before = self._samples[0]
            elapsed = now - since
            rate = max(0.0, (self._bytes_done - before) / elapsed) if elapsed > 0 else 0.0
            left = max(0, self._bytes - self._bytes_done)
            running = self._state == "running"
            return Progress(
                self._state,
                len(self._rows),
                self._files_done,
                self._bytes,
                self._bytes_done,
                rate,
                left / rate if running and rate > 0 else None,
            )

    def files(self) -> list[FileProgress]:
        """A copy of all files' states."""
        with self._lock:
            return [
                FileProgress(
                    row, name, size, state, self._reasons.get(place, ""), self._parts.get(place, 0)
                )
                for place, (row, name, size, state) in enumerate(
                    zip(self._rows, self._names, self._sizes, self._states, strict=True)
                )
            ]

    def _notify(self, now: float | None) -> None:
        """Calls back, one call at a time; the last call has no `now` and waits its turn."""
        if now is not None and now - self._notified_at < NOTIFY_INTERVAL_S:
            return
        if not self._notify_lock.acquire(blocking=now is None):
            return
        try:
            self._notified_at = self._clock() if now is None else now
            self._call(self.snapshot())
        except Exception as error:  # noqa: BLE001 - a view's mistake must not end a download
            self._call = _nobody
            # No traceback: its lines may show what the view holds.
            _log.warning(
                "The progress callback failed and is switched off: %s", safe_text(repr(error))
            )
        finally:
            self._notify_lock.release()


def _nobody(_: Progress) -> None:
    """Takes the place of a callback that is not there, or not any more."""
