"""Received bytes on their way to the members they belong to, in whatever order they come."""

from __future__ import annotations

import threading
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from inductiva_widgets.errors import CorruptMemberError, DiskFullError, DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inductiva_widgets.outputs.extract import MemberFile
    from inductiva_widgets.outputs.progress import Board
    from inductiva_widgets.outputs.ranges import ByteRange

__all__ = ["Assembly", "Job"]


@dataclass(slots=True, eq=False)
class Job:
    """One member to deliver. Its file is fed by one thread at a time, in order of offset."""

    index: int
    name: str
    extent: ByteRange
    file: MemberFile
    position: int
    state: Literal["waiting", "verified", "corrupt", "failed"] = "waiting"
    error: DownloadError | None = None
    early: dict[int, memoryview] | None = None  # what cannot be fed yet
    is_busy: bool = False

    def restart(self) -> None:
        """Begins anew."""
        self.file.discard()
        self.state, self.error, self.position, self.early = "waiting", None, self.extent.start, None


class Assembly:
    """Feeds members. `take` may be called from any thread with any bytes, each byte once.

    A member that lies whole in one piece is fed at once. Else its parts are put down at its job;
    the thread that brings the next part in order feeds it and whatever then follows.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        board: Board,
        *,
        settled: Callable[[Job], None],
        released: Callable[[int], None],
    ) -> None:
        self._jobs = sorted(jobs, key=lambda job: job.extent.start)
        self._starts = [job.extent.start for job in self._jobs]
        self._board = board
        self._settled = settled
        self._released = released
        self._lock = threading.Lock()

    def take(self, start: int, data: bytes) -> None:
        """Hands on bytes that begin at `start`; `released` tells when they are held no more."""
        view, end = memoryview(data), start + len(data)
        place = max(0, bisect_right(self._starts, start) - 1)
        released = len(data)
        while place < len(self._jobs) and self._starts[place] < end:
            job = self._jobs[place]
            place += 1
            first, last = max(start, job.extent.start), min(end, job.extent.end)
            if first >= last or job.state != "waiting":
                continue
            part = view[first - start : last - start]
            if len(part) == len(job.extent):
                self.guard(job, job.file.feed_whole, part)
            else:
                released -= len(part)
                # A copy, where a small part would hold all of a long piece.
                whole = 2 * len(part) > len(data)
                self._put(job, first, part if whole else memoryview(bytes(part)))
        self._released(released)

    def _put(self, job: Job, start: int, part: memoryview) -> None:
        with self._lock:
            if job.early is None:
                job.early = {}
            early = job.early
            early[start] = part
            if job.is_busy:
                return
            job.is_busy = True
        if job.position == job.extent.start:
            self._board.mark(job.index, "fetching")
        while True:
            with self._lock:
                following = early.pop(job.position, None)
                if following is None:
                    job.is_busy = False
                    break
            if job.state == "waiting":
                self.guard(job, job.file.feed, following)
            job.position += len(following)
            self._released(len(following))

    def guard(self, job: Job, feed: Callable[[memoryview], bool], data: memoryview) -> None:
        """Does one step of a job; its own failure ends this job only."""
        try:
            if not feed(data):
                return
            job.state = "verified"
            self._board.mark(job.index, "verified")
        except DiskFullError:
            raise
        except CorruptMemberError as error:
            job.file.discard()
            job.state, job.error = "corrupt", error
            self._board.mark(job.index, "waiting")
        except DownloadError as error:
            job.file.discard()
            job.state, job.error = "failed", error
            self._board.mark(job.index, "failed", error.message)
        self._settled(job)
