"""One download order, from the listing to files on disk, or to an error naming what is missing."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Protocol

from inductiva_widgets.errors import (
    DownloadError,
    IncompleteDownloadError,
    RangeUnsupportedError,
    RemoteChangedError,
    UserInputError,
)
from inductiva_widgets.outputs.assembly import Assembly
from inductiva_widgets.outputs.decisions import Decisions, Order
from inductiva_widgets.outputs.folder import OutputFolder
from inductiva_widgets.outputs.journal import Journal
from inductiva_widgets.outputs.listing import Listing, named, not_found, select
from inductiva_widgets.outputs.names import disk_parts
from inductiva_widgets.outputs.packed import deliver_archive, spooled_listing
from inductiva_widgets.outputs.ranges import split
from inductiva_widgets.outputs.stop import interruptible
from inductiva_widgets.outputs.temporary import TemporaryFile
from inductiva_widgets.outputs.transfer import Transfer, Tuning

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from inductiva_widgets.outputs.jobs import Jobs
    from inductiva_widgets.outputs.progress import Board
    from inductiva_widgets.outputs.ranges import ByteRange
    from inductiva_widgets.outputs.remote import RemoteArchive
    from inductiva_widgets.outputs.stop import Pace, Stop

__all__ = ["ArchiveSource", "Delivery"]

SPOOL_PIECE_BYTES = 1 << 20
# When the first answer takes longer, connections for the files are opened meanwhile.
FAR_AFTER_S = 0.03
CONNECTIONS_AHEAD = 5
LEAVE_AHEAD_S = 0.1  # they are there before the answer, or not worth waiting for


class ArchiveSource(Protocol):
    """The archive as it is now; called from the download's threads."""

    def remote(self) -> RemoteArchive:
        """The archive, or the one that took its place."""

    def listing(self, remote: RemoteArchive, stop: Stop) -> Listing:
        """What that archive holds."""


class Delivery:
    """Runs one order. `run` is called once, on the download's own thread.

    Attributes:
        keeps_received: Whether what is not complete stays for the next download.
    """

    def __init__(
        self, order: Order, source: ArchiveSource, board: Board, switches: tuple[Stop, Pace, Tuning]
    ) -> None:
        self._order = order
        self._source = source
        self._board = board
        self._stop, self._pace, self._tuning = switches
        self.keeps_received = True
        self._begin()

    def _begin(self) -> None:
        self._transfer = Transfer(
            self._source.remote(), self._board, self._stop, self._pace, self._tuning
        )
        self._failed: dict[str, DownloadError] = {}
        self._jobs: Jobs | None = None
        self._assembly: Assembly | None = None
        self._missing: dict[str, list[str]] = {}

    def run(self) -> None:
        """Delivers, or raises what was not delivered."""
        try:
            try:
                self._deliver()
            except RemoteChangedError:
                # Rows are those of the old listing: they mean nothing in the new one.
                if self._order.indices is not None:
                    raise
                self._take_back()
                self._begin()
                self._deliver()
        except DownloadError as error:
            self._add_undelivered(error)
            raise
        self._conclude()

    def _take_back(self) -> None:
        """Removes what came from the older archive: files of two versions are never mixed."""
        if self._jobs:
            with contextlib.ExitStack() as cleanup:
                folder = self._open_folder(cleanup)
                for job in self._jobs.having("verified"):
                    folder.remove(self._jobs.parts(job))

    def _deliver(self) -> None:
        with contextlib.ExitStack() as cleanup:
            if self._order.uncompress:
                self._deliver_files(cleanup)
            else:
                deliver_archive(
                    self._transfer,
                    self._read_listing,
                    lambda: self._open_folder(cleanup),
                    self._order,
                    cleanup,
                    keeps_received=lambda: self.keeps_received,
                )

    def _read_listing(self) -> Listing:
        remote = self._transfer.remote
        ahead = threading.Timer(FAR_AFTER_S, remote.open_connections, (CONNECTIONS_AHEAD,))
        ahead.daemon = True
        if self._order.is_long:
            ahead.start()
        try:
            return interruptible(self._stop, lambda: self._source.listing(remote, self._stop))
        finally:
            ahead.cancel()
            if self._order.is_long:
                ahead.join(LEAVE_AHEAD_S)

    def _open_folder(self, cleanup: contextlib.ExitStack) -> OutputFolder:
        folder = OutputFolder(self._order.target)
        cleanup.callback(folder.close)
        return folder

    def _deliver_files(self, cleanup: contextlib.ExitStack) -> None:
        spool: TemporaryFile | None = None
        folder: OutputFolder | None = None
        try:
            listing = self._read_listing()
        except RangeUnsupportedError:
            folder = self._open_folder(cleanup)
            spool = self._spool(folder, cleanup)
            listing = spooled_listing(spool, self._transfer.remote.version, self._order.layout)
        rows = self._choose(listing)
        if not rows and self._missing:
            return
        folder = folder or self._open_folder(cleanup)
        cleanup.callback(self._discard_unfinished)
        decisions = Decisions(folder, listing, self._order, self._board)
        jobs, self._failed = decisions.jobs, decisions.failed
        self._jobs = jobs
        decisions.decide(rows)
        if self._order.is_everything:
            self._make_folders(folder, listing)
        if not jobs:
            Journal.sweep(folder)
            return
        folder.check_room(jobs.waiting_bytes())
        journal = Journal.open(folder, listing.revision)
        cleanup.callback(lambda: journal.close(remove=self._is_complete or not self.keeps_received))
        self._make_empty_files(jobs)
        if spool is None:
            try:
                self._fetch(jobs, folder, journal)
            except RangeUnsupportedError:
                self._discard_unfinished()
                spool = self._spool(folder, cleanup)
        if spool is not None:
            self._extract(jobs, spool)

    @property
    def _is_complete(self) -> bool:
        """Whether nothing is left for another download."""
        return self._jobs is None or not self._jobs.count("waiting")

    def _choose(self, listing: Listing) -> list[int]:
        if self._order.filenames is not None:
            selection = select(listing, self._order.filenames)
            self._missing = selection.missing
            return selection.rows
        if self._order.indices is None:
            return list(range(len(listing)))
        wrong = [index for index in self._order.indices if not 0 <= index < len(listing)]
        if wrong:
            raise UserInputError(f"The archive has {len(listing)} files, no file {wrong[0]}.")
        return sorted(set(self._order.indices))

    def _make_folders(self, folder: OutputFolder, listing: Listing) -> None:
        for name in listing.folders:
            try:
                folder.make_folder(disk_parts(name))
            except DownloadError as error:
                self._failed[name] = error

    def _make_empty_files(self, jobs: Jobs) -> None:
        assembly = self._begin_assembly(jobs, lambda *_: None)
        for job in jobs.empty():
            assembly.make_empty(job)

    def _begin_assembly(self, jobs: Jobs, settled: Callable[[int, int, int], None]) -> Assembly:
        self._discard_unfinished()
        self._assembly = Assembly(
            jobs, self._board, settled=settled, released=self._transfer.release
        )
        return self._assembly

    def _fetch(self, jobs: Jobs, folder: OutputFolder, journal: Journal) -> None:
        self._fetch_once(jobs, folder, journal)
        # What did not fit may have been spoilt on the way: one more time, no more.
        spoilt = list(jobs.having("corrupt"))
        if spoilt:
            for job in spoilt:
                jobs.settle(job, "waiting")
            journal.forget()
            self._fetch_once(jobs, folder, journal)

    def _fetch_once(self, jobs: Jobs, folder: OutputFolder, journal: Journal) -> None:
        spans = jobs.spans()
        needed = ranges_that_touch(journal.kept, spans)
        fetched = self._transfer.plan(spans, needed)
        self._board.expect(sum(map(len, fetched)))
        chunks = sorted([*fetched, *needed])
        local = frozenset(needed)
        journal.watch(chunks, *jobs.extents())
        unpacked = jobs.waiting_bytes()
        if unpacked + sum(map(len, fetched)) > folder.free_bytes():
            journal.keep_nothing()
        remote = self._transfer.remote

        def read(chunk: ByteRange, stop: Stop) -> Generator[bytes, None, None]:
            return journal.read(chunk) if chunk in local else remote.stream(chunk, stop)

        def received(chunk: ByteRange, _: int, data: bytes) -> None:
            if chunk not in local:
                self._board.add(len(data))
                journal.keep(chunk, data)

        self._transfer.run(
            chunks,
            read=read,
            take=self._begin_assembly(jobs, journal.settle).take,
            received=received,
            ended=journal.received,
            mean_bytes=unpacked / max(1, jobs.count("waiting")),
        )

    # An archive that had to be fetched whole.

    def _spool(self, folder: OutputFolder, cleanup: contextlib.ExitStack) -> TemporaryFile:
        spool = TemporaryFile(folder, (self._order.layout.archive_name,))
        cleanup.callback(spool.discard)
        self._transfer.fetch_whole(folder, spool)
        return spool

    def _extract(self, jobs: Jobs, spool: TemporaryFile) -> None:
        def read(chunk: ByteRange, _: Stop) -> Generator[bytes, None, None]:
            for start in range(chunk.start, chunk.end, SPOOL_PIECE_BYTES):
                data = spool.read_at(start, min(SPOOL_PIECE_BYTES, chunk.end - start))
                if not data:
                    return
                yield data

        take = self._begin_assembly(jobs, lambda *_: None).take
        chunks = split(jobs.spans(), workers=1)
        self._transfer.run(chunks, read=read, take=take)

    # The end.

    def _discard_unfinished(self) -> None:
        if self._assembly is not None:
            self._assembly.discard()

    def _undelivered(self, otherwise: DownloadError) -> dict[str, DownloadError]:
        """Why each file is missing, noted on the board as well."""
        undelivered: dict[str, DownloadError] = {}
        if self._jobs is not None:
            for job in self._jobs.having("waiting", "corrupt", "failed"):
                error = self._jobs.errors.get(job, otherwise)
                undelivered[self._jobs.name(job)] = error
                self._board.mark(self._jobs.places[job], "failed", error.message)
        return undelivered

    def _add_undelivered(self, error: DownloadError) -> None:
        """Completes an error that ended everything with the names that were still to come."""
        reasons = {**self._failed, **self._undelivered(error)}
        failed = {name: reason.message for name, reason in reasons.items()}
        error.failed = error.failed | {n: r for n, r in failed.items() if n not in error.failed}
        error.path = str(self._order.target)

    def _conclude(self) -> None:
        self._failed |= self._undelivered(IncompleteDownloadError("not all of its bytes came"))
        if self._failed:
            first = next(iter(self._failed.values()))
            reasons = {name: error.message for name, error in self._failed.items()}
            reasons.update((name, "is not in the archive") for name in self._missing)
            raise type(first)(
                f"{len(reasons)} of the files asked for were not delivered: "
                f"{named(list(self._failed))}. {first.message}",
                hint=first.hint,
                failed=reasons,
                path=str(self._order.target),
            )
        if self._missing:
            raise not_found(self._missing, has_others=bool(self._jobs))


def ranges_that_touch(kept: Sequence[ByteRange], extents: Sequence[ByteRange]) -> list[ByteRange]:
    """Those kept ranges that hold bytes of the extents; both in order of offset or not."""
    wanted = iter(sorted(extents))
    extent = next(wanted, None)
    found: list[ByteRange] = []
    for part in sorted(kept):
        while extent is not None and extent.end <= part.start:
            extent = next(wanted, None)
        if extent is not None and extent.start < part.end:
            found.append(part)
    return found
