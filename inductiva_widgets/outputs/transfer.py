"""What both ways of delivering share: tuning, the threads, reading the whole archive."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING

from inductiva_widgets.errors import (
    DownloadError,
    IncompleteDownloadError,
    InductivaWidgetsError,
    ServiceConnectionError,
)
from inductiva_widgets.outputs import ranges
from inductiva_widgets.outputs.budget import Budget
from inductiva_widgets.outputs.fetch import Crew
from inductiva_widgets.outputs.stop import interruptible

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from inductiva_widgets.outputs.folder import OutputFolder
    from inductiva_widgets.outputs.progress import Board
    from inductiva_widgets.outputs.ranges import ByteRange
    from inductiva_widgets.outputs.remote import RemoteArchive
    from inductiva_widgets.outputs.stop import Pace, Stop
    from inductiva_widgets.outputs.temporary import TemporaryFile

__all__ = ["Transfer", "Tuning", "as_download_error"]

BUDGET_BYTES = 48 * 1000 * 1000  # with what inflates and what is in the air, growth stays < 128 MB
FAR_S = 0.04  # beyond this round trip more connections pay
OPENING_S = 0.01  # what a new connection costs on this side
NEAR_CHUNK_BYTES = 4 * 1000 * 1000
SMALL_MEMBER_BYTES = 32 * 1000
MANY_WRITERS = 4

BUDGET = Budget(BUDGET_BYTES)


@dataclass(frozen=True, slots=True)
class Tuning:
    """Figures of the engine; the defaults are measured (benchmarks/RESULTS.md).

    Attributes:
        connections: `None`: 8, or 16 where the storage is far away.
        gap_bytes: Longest gap fetched along; `None`: by the measured round trip and rate.
        chunk_bytes: Longest request; `None`: 8 MB, or 4 MB where the storage is near.
        budget: Limit on what is held in memory, shared by all downloads.
    """

    connections: int | None = None
    gap_bytes: int | None = None
    chunk_bytes: int | None = None
    budget: Budget = BUDGET
    clock: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class Transfer:
    """The means of one download."""

    remote: RemoteArchive
    board: Board
    stop: Stop
    pace: Pace
    tuning: Tuning
    crew: Crew | None = field(default=None, init=False)

    def plan(self, extents: Sequence[ByteRange], done: Sequence[ByteRange]) -> list[ByteRange]:
        """Requests for what is not done."""
        gap = self.tuning.gap_bytes
        rate = min(self.remote.bytes_per_s, 25e6)
        if gap is None:
            gap = min(ranges.MB, 64 * ranges.KB + int(self.remote.round_trip_s * rate))
        opening_s = OPENING_S + 2 * self.remote.round_trip_s
        return ranges.plan(
            extents,
            done=done,
            workers=self._connections,
            gap_bytes=gap,
            # What the open connection brings while another one is being opened.
            smallest_bytes=int(min(4 * ranges.MB, opening_s * self.remote.bytes_per_s)),
            open_connections=1 + self.remote.spare_connections,
            chunk_bytes=self.tuning.chunk_bytes
            or (ranges.CHUNK_BYTES if self.remote.round_trip_s > FAR_S else NEAR_CHUNK_BYTES),
        )

    @property
    def _connections(self) -> int:
        return self.tuning.connections or (16 if self.remote.round_trip_s > FAR_S else 8)

    def run(  # noqa: PLR0913 - what the crew calls
        self,
        chunks: Sequence[ByteRange],
        *,
        read: Callable[[ByteRange, Stop], Generator[bytes, None, None]],
        take: Callable[[int, bytes], None],
        received: Callable[[ByteRange, int, bytes], None] = lambda *_: None,
        ended: Callable[[ByteRange], None] = lambda *_: None,
        mean_bytes: float = float("inf"),
    ) -> None:
        """Brings chunks; `mean_bytes` is the size of a member."""
        self.crew = Crew(
            self.stop,
            self.pace,
            self.tuning.budget,
            read=read,
            take=take,
            received=received,
            ended=ended,
            is_near=self.remote.round_trip_s <= FAR_S,
        )
        # Making small files keeps one thread busy in the interpreter: a second one costs more than
        # it brings. Unpacking runs outside of it.
        writers = 1 if mean_bytes < SMALL_MEMBER_BYTES else min(MANY_WRITERS, os.cpu_count() or 1)
        try:
            self.crew.run(chunks, connections=self._connections, writers=writers)
        except InductivaWidgetsError as error:
            raise as_download_error(error) from None

    def release(self, size_bytes: int) -> None:
        """Bytes are not held any more."""
        if self.crew is not None:
            self.crew.release(size_bytes)

    def fetch_whole(self, folder: OutputFolder, spool: TemporaryFile) -> None:
        """The whole archive by one plain request, for storages that ignore ranges."""
        failures = 0
        while True:
            spool.clear()
            received_before = self.board.snapshot().bytes_done
            pieces = self.remote.whole(self.stop)
            try:
                self._spool(pieces, folder, spool, is_first=failures == 0)
            except (IncompleteDownloadError, ServiceConnectionError) as error:
                self.stop.check()
                self.board.add(received_before - self.board.snapshot().bytes_done)
                failures += 1
                if failures >= self.remote.retry.tries:
                    raise as_download_error(error) from None
                self.stop.pause(self.remote.retry.pause_s(failures))
            else:
                return
            finally:
                # Now, or its connection stays until nobody holds the error; a thread left alone
                # with it ends by the stop.
                with contextlib.suppress(ValueError):
                    pieces.close()

    def _spool(
        self,
        pieces: Generator[bytes, None, None],
        folder: OutputFolder,
        spool: TemporaryFile,
        *,
        is_first: bool,
    ) -> None:
        received = 0
        # The storage may never begin to answer; a body under way ends with the stop.
        first: list[bytes] = interruptible(self.stop, partial(list, islice(pieces, 1)))
        for piece in chain(first, pieces):
            version = self.remote.version
            if received == 0 and version is not None:
                folder.check_room(version.total_bytes)
                if is_first:
                    self.board.expect(version.total_bytes)
            spool.write_at(received, piece)
            received += len(piece)
            self.board.add(len(piece))
            self.pace.wait(self.stop)
            self.pace.spend(len(piece), self.stop)


def as_download_error(error: InductivaWidgetsError) -> DownloadError:
    """Callers of a download expect a `DownloadError`; what stopped it is in the message."""
    if isinstance(error, DownloadError):
        return error
    return IncompleteDownloadError(error.message, hint=error.hint)
