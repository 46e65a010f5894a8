"""The threads of a download: some that only receive, few that unpack and write.

Chunks are received in order of offset. What comes goes through one queue to the writers, so a
connection never waits for a disk or for another chunk, as long as the byte budget has room. Without
room only the first unfinished chunk continues, once the writers have nothing else to do: its bytes
are the ones that everything held waits for.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from inductiva_widgets.errors import DownloadCancelledError
from inductiva_widgets.outputs.stop import LEAVE_WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from inductiva_widgets.outputs.budget import Budget
    from inductiva_widgets.outputs.ranges import ByteRange
    from inductiva_widgets.outputs.stop import Pace, Stop

__all__ = ["Crew"]

PIECE_BYTES = 1 << 19
# More in front of the writers would only be written to the journal meanwhile. Not where bytes come
# from far: there they are taken as they come, and what is received already is safe.
QUEUE_BYTES = 4 * 1000 * 1000
NEAR_SHARE = 0.5  # of the budget: bytes that are fetched again at once need no large store
GATHER_S = 0.25  # what came on a slow line is handed on after this time


class Crew:
    """Receives chunks and hands their bytes to `take`. `run` is called once."""

    def __init__(  # noqa: PLR0913 - made in one place
        self,
        stop: Stop,
        pace: Pace,
        budget: Budget,
        *,
        read: Callable[[ByteRange, Stop], Generator[bytes, None, None]],
        take: Callable[[int, bytes], None],
        received: Callable[[ByteRange, int, bytes], None],
        ended: Callable[[ByteRange], None],
        is_near: bool,
    ) -> None:
        self._whole = stop
        self._stop = stop  # its part while `run` runs
        self._pace = pace
        self._budget = budget
        self._read = read
        self._take = take
        self._received = received
        self._chunk_ended = ended
        self._is_near = is_near
        self._share = NEAR_SHARE if is_near else 1.0
        self._changed = threading.Condition()
        self._chunks: deque[ByteRange] = deque()
        self._active: list[int] = []  # starts of the chunks under way, in order
        self._queue: deque[tuple[int, bytes]] = deque()
        self._queued = 0
        self._busy_writers = 0
        self._held = 0
        self._error: BaseException | None = None
        self._is_over = False

    def run(self, chunks: Sequence[ByteRange], *, connections: int, writers: int) -> None:
        """Brings all chunks, or raises what stopped it; no thread continues working afterwards."""
        if not chunks:
            return
        with self._whole.part() as self._stop:
            self._run(chunks, connections, writers)

    def _run(self, chunks: Sequence[ByteRange], connections: int, writers: int) -> None:
        self._chunks.extend(chunks)
        self._unfinished = len(chunks)
        acts = [self._receive] * min(connections, len(chunks)) + [self._write] * writers
        threads = [
            threading.Thread(
                target=self._guarded, args=(act,), name="inductiva-download", daemon=True
            )
            for act in acts
        ]
        for thread in threads:
            thread.start()
        try:
            with self._changed:
                while not (self._is_done() or self._error or self._stop.is_set):
                    self._changed.wait(0.5)
                fine = self._is_done() and not self._error
        finally:
            self._end(threads, fine=False if self._stop.is_set else self._is_done())
        if self._error is not None and not self._whole.is_set:
            raise self._error
        if not fine:
            self._whole.check()

    def release(self, size_bytes: int) -> None:
        """Bytes are written, or not wanted: they are not held any more."""
        with self._changed:
            if not self._is_over:
                self._held -= size_bytes
                self._budget.add(-size_bytes)

    def _end(self, threads: Sequence[threading.Thread], *, fine: bool) -> None:
        with self._changed:
            self._is_over = True
            self._queue.clear()
            self._budget.add(-self._held)
            self._changed.notify_all()
        if not fine:
            self._stop.cancel()
        leave_at = time.monotonic() + LEAVE_WITHIN_S
        for thread in threads:
            thread.join(None if fine else max(0.0, leave_at - time.monotonic()))

    def _has_ended(self) -> bool:
        with self._changed:
            return self._is_over or self._is_done()

    def _is_done(self) -> bool:
        return not (self._unfinished or self._queue or self._busy_writers)

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised again in `run`
            with self._changed:
                if self._error is None and not self._is_over:
                    self._error = error
                self._changed.notify_all()

    def _check(self) -> None:
        if self._is_over:
            raise DownloadCancelledError("The download was stopped.")
        self._stop.check()

    def _receive(self) -> None:
        while True:
            with self._changed:
                if not self._chunks or self._is_over:
                    return
                chunk = self._chunks.popleft()
                self._active.append(chunk.start)
            # Closed here, or an error's traceback would keep the connection open.
            with contextlib.closing(self._read(chunk, self._stop)) as pieces:
                self._receive_chunk(chunk, pieces)
            with self._changed:
                self._active.remove(chunk.start)
                self._unfinished -= 1
                self._changed.notify_all()

    def _receive_chunk(self, chunk: ByteRange, pieces: Iterator[bytes]) -> None:
        position = chunk.start
        gathered: list[bytes] = []
        size = 0
        since = time.monotonic()
        while True:
            self._pace.wait(self._stop)
            self._await_room(chunk.start)
            piece = next(pieces, None)
            self._check()
            if piece is not None:
                self._received(chunk, position + size, piece)
                gathered.append(piece)
                size += len(piece)
                self._pace.spend(len(piece), self._stop)
                if size < PIECE_BYTES and time.monotonic() - since < GATHER_S:
                    continue
            if size:
                data = gathered[0] if len(gathered) == 1 else b"".join(gathered)
                self._hand_on(position, data)
                position += size
                gathered, size, since = [], 0, time.monotonic()
            if piece is None:
                self._chunk_ended(chunk)
                return

    def _await_room(self, start: int) -> None:
        if not self._queue and self._budget.has_room(self._share):
            return
        with self._changed:
            while not (
                self._has_room(start)
                or (start == self._active[0] and not self._queue and not self._busy_writers)
            ):
                self._check()
                self._changed.wait(0.05)

    def _has_room(self, start: int) -> bool:
        if not self._budget.has_room(self._share):
            return False
        # Each chunk gets half of what the one before may use. While the writers keep up, all
        # continue; when they do not, the first ones end early, and so do the members in them.
        return not self._is_near or self._queued <= QUEUE_BYTES >> self._active.index(start)

    def _hand_on(self, position: int, data: bytes) -> None:
        with self._changed:
            if self._is_over:
                return
            self._held += len(data)
            self._budget.add(len(data))
            self._queue.append((position, data))
            self._queued += len(data)
            self._changed.notify_all()

    def _write(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    if self._has_ended():
                        return
                    self._changed.wait(0.5)
                position, data = self._queue.popleft()
                self._queued -= len(data)
                self._busy_writers += 1
            try:
                self._check()
                self._take(position, data)
            finally:
                with self._changed:
                    self._busy_writers -= 1
                    self._changed.notify_all()
