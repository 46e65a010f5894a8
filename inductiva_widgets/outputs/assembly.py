"""Received bytes on their way to the members they belong to, in whatever order they come."""

from __future__ import annotations

import threading
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inductiva_widgets.errors import CorruptMemberError, DiskFullError, DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from inductiva_widgets.outputs.extract import MemberFile
    from inductiva_widgets.outputs.jobs import Jobs
    from inductiva_widgets.outputs.progress import Board

__all__ = ["Assembly"]


@dataclass(slots=True, eq=False)
class _Started:
    """A job of which some bytes are here. Its file is fed by one thread at a time, in order."""

    file: MemberFile
    position: int
    early: dict[int, memoryview] = field(default_factory=dict)  # what cannot be fed yet
    is_busy: bool = False


class Assembly:
    """Feeds members. `take` may be called from any thread with any bytes, each byte once.

    A member that lies whole in one piece is fed at once. Else its parts are put down at its job;
    the thread that brings the next part in order feeds it and whatever then follows.

    Args:
        jobs: The members.
        board: Hears of their states.
        settled: Called with the first and the last byte of members that are through, within one
            piece, and their number.
        released: Called with the number of bytes that are held no more.
    """

    def __init__(
        self,
        jobs: Jobs,
        board: Board,
        *,
        settled: Callable[[int, int, int], None],
        released: Callable[[int], None],
    ) -> None:
        self._jobs = jobs
        self._board = board
        self._settled = settled
        self._released = released
        self._lock = threading.Lock()
        self._started: dict[int, _Started] = {}
        self._is_over = False

    def take(self, start: int, data: bytes) -> None:
        """Hands on bytes that begin at `start`."""
        jobs, starts, ends = self._jobs, self._jobs.starts, self._jobs.ends
        view, end = memoryview(data), start + len(data)
        job = max(0, bisect_right(starts, start) - 1)
        released = len(data)
        whole: list[int] = []
        try:
            while job < len(starts) and starts[job] < end and not self._is_over:
                first, last = max(start, starts[job]), min(end, ends[job])
                if first < last and jobs.is_waiting(job):
                    part = view[first - start : last - start]
                    if len(part) == ends[job] - starts[job]:
                        self._take_whole(job, part, whole)
                    else:
                        released -= len(part)
                        # A copy, where a small part would hold all of a long piece.
                        is_most = 2 * len(part) > len(data)
                        self._put(job, first, part if is_most else memoryview(bytes(part)))
                job += 1
        finally:
            self._note_verified(whole)
        self._released(released)

    def make_empty(self, job: int) -> None:
        """Makes the file of a member without content."""
        whole: list[int] = []
        file = self._jobs.file(job)
        if self._guarded(job, file, file.write_empty, memoryview(b"")):
            whole.append(job)
        self._note_verified(whole)

    def discard(self) -> None:
        """Removes what was begun and not ended; what still comes is not taken."""
        with self._lock:
            self._is_over = True
            started, self._started = self._started, {}
        for unfinished in started.values():
            unfinished.file.discard()

    def _take_whole(self, job: int, part: memoryview, whole: list[int]) -> None:
        file = self._jobs.file(job)
        if self._guarded(job, file, file.feed_whole, part):
            whole.append(job)

    def _note_verified(self, whole: list[int]) -> None:
        """All at once: a lock for each of 100,000 members would be felt."""
        if whole:
            self._board.mark_verified([self._jobs.places[job] for job in whole])
            self._settled(self._jobs.starts[whole[0]], self._jobs.ends[whole[-1]], len(whole))

    def _put(self, job: int, start: int, part: memoryview) -> None:
        with self._lock:
            if self._is_over:
                return
            started = self._started.get(job)
            if started is None:
                file = self._jobs.file(job)
                started = self._started[job] = _Started(file, self._jobs.starts[job])
            started.early[start] = part
            if started.is_busy:
                return
            started.is_busy = True
        if started.position == self._jobs.starts[job]:
            self._board.mark(self._jobs.places[job], "fetching")
        while True:
            with self._lock:
                following = started.early.pop(started.position, None)
                if following is None:
                    started.is_busy = False
                    break
            started.position += len(following)
            is_last = started.position == self._jobs.ends[job]
            first, end = self._jobs.starts[job], self._jobs.ends[job]
            self._board.note_part(
                self._jobs.places[job], (started.position - first) / (end - first)
            )
            feed = started.file.feed_last if is_last else started.file.feed
            if self._jobs.is_waiting(job) and self._guarded(job, started.file, feed, following):
                self._note_verified([job])
            self._released(len(following))
        if started.position == self._jobs.ends[job] and not self._jobs.is_waiting(job):
            with self._lock:
                self._started.pop(job, None)

    def _guarded(
        self, job: int, file: MemberFile, feed: Callable[[memoryview], bool], data: memoryview
    ) -> bool:
        """Does one step of a job, `True` when it was the last; its failure ends this job only."""
        try:
            if feed(data):
                self._jobs.settle(job, "verified")
                return True
        except DiskFullError:
            file.discard()
            raise
        except CorruptMemberError as error:
            file.discard()
            self._jobs.settle(job, "corrupt", error)
            self._board.mark(self._jobs.places[job], "waiting")
        except DownloadError as error:
            file.discard()
            self._jobs.settle(job, "failed", error)
            self._board.mark(self._jobs.places[job], "failed", error.message)
        else:
            return False
        self._settled(self._jobs.starts[job], self._jobs.ends[job], 1)
        return False
