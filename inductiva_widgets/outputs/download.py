"""Download of outputs: a future, and the engine of threads behind it.

The directory is read first and decides everything: which members are wanted, whether their names
are safe, what is already there, whether there is room. Then workers take chunks of the archive in
order of offset. The bytes of a chunk go straight through inflate to temporary files; where a member
goes on from the chunk before, they wait in memory until that one is through. So memory stays
below workers × chunk, whatever the size of a member, and all connections stay busy.
"""

from __future__ import annotations

import contextlib
import threading
import time
from bisect import bisect_right
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from inductiva_widgets.errors import (
    ArchiveTooLargeError,
    BadArchiveError,
    CorruptMemberError,
    DestinationError,
    DiskFullError,
    DownloadCancelledError,
    DownloadError,
    IncompleteDownloadError,
    InductivaWidgetsError,
    NotFoundError,
    RangeUnsupportedError,
    ServiceConnectionError,
    UnsafeMemberError,
    UserInputError,
    WaitTimeoutError,
)
from inductiva_widgets.formats import file_size, safe_text
from inductiva_widgets.outputs import ranges
from inductiva_widgets.outputs.archive import TAIL_BYTES, Member
from inductiva_widgets.outputs.extract import (
    MemberFile,
    OutputFolder,
    Overwrite,
    TemporaryFile,
    check_kind,
    disk_parts,
)
from inductiva_widgets.outputs.inflate import check_supported
from inductiva_widgets.outputs.listing import Listing, make_listing, select
from inductiva_widgets.outputs.progress import Board, FileProgress, Progress
from inductiva_widgets.outputs.ranges import ByteRange
from inductiva_widgets.outputs.remote import RemoteArchive, Stop, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["Download", "Order", "Tuning"]

ARCHIVE_NAME = "output.zip"
BOMB_BYTES, BOMB_RATIO = 100 * 1000 * 1000, 1000  # no simulation packs that well
NAMED_FAILURES = 5
STOP_WITHIN_S = 2.0
SPOOL_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Tuning:
    """Figures of the engine; the defaults are measured (benchmarks/RESULTS.md)."""

    workers: int = 8
    chunk_bytes: int = ranges.CHUNK_BYTES
    gap_bytes: int = ranges.GAP_BYTES
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: names as `check_filenames` gives them, rows, or neither for everything."""

    target: Path
    filenames: Sequence[str] | None = None
    indices: Sequence[int] | None = None
    uncompress: bool = True
    overwrite: Overwrite = "error"

    def __post_init__(self) -> None:
        if self.overwrite not in ("error", "skip", "replace", "rename"):
            raise UserInputError(
                f"overwrite is {safe_text(self.overwrite)}.",
                hint='Choose "error", "skip", "replace" or "rename".',
            )
        chosen = self.filenames is not None or self.indices is not None
        if self.filenames is not None and self.indices is not None:
            raise UserInputError("Choose files by names or by indices, not by both.")
        if chosen and not self.uncompress:
            raise UserInputError(
                "The archive can be kept packed only as a whole.",
                hint="Leave out the file names, or `uncompress=False`.",
            )


class Download:
    """A download under way: a future. Its threads end when it does.

    Attributes:
        path: The folder written to, absolute.
    """

    def __init__(
        self,
        order: Order,
        remote: RemoteArchive,
        read_listing: Callable[[Stop], Listing],
        *,
        on_progress: Callable[[Progress], object] | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        tuning = tuning or Tuning()
        self.path = order.target.absolute()
        self._stop = Stop()
        self._board = Board(on_progress, tuning.clock)
        self._finished = threading.Event()
        self._error: BaseException | None = None
        self._engine = _Engine(order, remote, read_listing, self._board, self._stop, tuning)
        self._thread = threading.Thread(target=self._run, name="inductiva-download", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended, well or badly."""
        return self._finished.is_set()

    @property
    def error(self) -> BaseException | None:
        """What `result` raises; `None` while running and after success."""
        return self._error

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._board.snapshot()

    @property
    def files(self) -> list[FileProgress]:
        """State of each file; empty until the archive's directory is read."""
        return self._board.files()

    def cancel(self) -> bool:
        """Stops it, keeping the files that are complete; `False` when it had ended already."""
        if self.done:
            return False
        self._stop.cancel()
        return True

    def result(self, timeout: float | None = None) -> Path:
        """Waits for the end and gives the folder. Ctrl-C cancels the download and is raised again.

        Args:
            timeout: Seconds to wait at most; the download goes on beyond them.

        Raises:
            WaitTimeoutError: It did not end in time.
            DownloadError: Something asked for was not delivered; `failed` names it.
            NotFoundError: Names that are not in the archive; the others were delivered.
        """
        try:
            if not self._finished.wait(timeout):
                raise WaitTimeoutError(
                    f"The download did not end within {timeout} s; it goes on.",
                    hint="Call result() again, or cancel().",
                )
        except KeyboardInterrupt:
            self.cancel()
            self._finished.wait(STOP_WITHIN_S)
            raise
        self._thread.join(STOP_WITHIN_S)
        if self._error is not None:
            raise self._error
        return self.path

    def __repr__(self) -> str:
        now = self.progress
        return (
            f"<Download {now.state}: {now.files_done} of {now.files} files, "
            f"{file_size(now.bytes_done)} of {file_size(now.bytes)}>"
        )

    def _run(self) -> None:
        try:
            self._engine.run()
        except DownloadCancelledError as error:
            self._error = error
            self._board.finish("cancelled")
        except BaseException as error:  # noqa: BLE001 - raised again in result()
            self._error = error
            self._board.finish("failed")
        else:
            self._board.finish("done")
        finally:
            self._finished.set()


@dataclass(slots=True, eq=False)
class _Job:
    """One member to deliver. Fed by one worker at a time, in order of offset."""

    index: int
    name: str
    extent: ByteRange
    file: MemberFile
    position: int
    state: Literal["waiting", "verified", "corrupt", "failed"] = "waiting"
    error: DownloadError | None = None


class _Engine:
    """Runs one order. `run` is called once, on the download's own thread, which works as well."""

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self,
        order: Order,
        remote: RemoteArchive,
        read_listing: Callable[[Stop], Listing],
        board: Board,
        stop: Stop,
        tuning: Tuning,
    ) -> None:
        self._order = order
        self._remote = remote
        self._read_listing = read_listing
        self._board = board
        self._stop = stop
        self._tuning = tuning
        self._failed: dict[str, DownloadError] = {}
        self._jobs: list[_Job] = []
        self._missing: dict[str, list[str]] = {}
        self._moved = threading.Condition()  # a chunk is through, or the work halts
        self._fatal: BaseException | None = None

    def run(self) -> None:
        """Delivers, or raises what was not delivered."""
        with contextlib.ExitStack() as cleanup:
            try:
                if self._order.uncompress:
                    self._deliver_files(cleanup)
                else:
                    self._deliver_archive(cleanup)
            except DownloadError as error:
                self._add_undelivered(error)
                raise
        self._conclude()

    # Files out of the archive.

    def _deliver_files(self, cleanup: contextlib.ExitStack) -> None:
        spool: TemporaryFile | None = None
        folder: OutputFolder | None = None
        try:
            listing = self._read_listing(self._stop)
        except RangeUnsupportedError:
            folder = _opened(self._order.target, cleanup)
            spool = self._fetch_whole(folder, cleanup)
            listing = _spooled_listing(spool, self._remote.version)
        rows = self._choose(listing)
        if not rows and self._missing:
            return
        folder = folder or _opened(self._order.target, cleanup)
        cleanup.callback(self._discard_unfinished)
        self._prepare(folder, listing, rows)
        waiting = [job for job in self._jobs if job.state == "waiting"]
        folder.check_room(sum(job.file.member.size for job in waiting))
        if self._order.filenames is None and self._order.indices is None:
            self._make_folders(folder, listing)
        if spool is None:
            try:
                self._fetch(waiting)
            except RangeUnsupportedError:
                self._discard_unfinished()
                spool = self._fetch_whole(folder, cleanup)
        if spool is not None:
            for job in waiting:
                if job.state == "waiting":
                    self._extract(spool, job)

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

    def _prepare(self, folder: OutputFolder, listing: Listing, rows: Sequence[int]) -> None:
        """Decides about every file before the first byte of any is asked for."""
        self._board.set_files([(row, listing.names[row], listing.sizes[row]) for row in rows])
        by_parts: dict[tuple[str, ...], int] = {}
        in_the_way: dict[str, DownloadError] = {}
        renamed: set[tuple[str, ...]] = set()
        for index, row in enumerate(rows):
            name = listing.names[row]
            try:
                member, parts, extent = _examined(listing, row)
                first = by_parts.setdefault(parts, row)
                if first != row:
                    _check_same(listing, first, row)
                    self._board.mark(index, "skipped", "listed twice with the same content")
                    continue
                there = folder.existing(parts)
                if there == "file" and folder.holds(parts, member.size, member.crc):
                    self._board.mark(index, "skipped", "already there")
                    continue
                if there != "absent" and self._order.overwrite == "skip":
                    self._board.mark(index, "skipped", "kept as it was")
                    continue
                if there != "absent" and self._order.overwrite == "rename":
                    parts = folder.free_name(parts, renamed)
                    renamed.add(parts)
                elif there != "absent" and self._order.overwrite == "error":
                    in_the_way[name] = DestinationError("exists with another content")
                    continue
            except DownloadError as error:
                self._fail(index, name, error)
                continue
            file = MemberFile(folder, member, parts, replace=self._order.overwrite == "replace")
            self._jobs.append(_Job(index, name, extent, file, extent.start))
        if in_the_way:
            raise DestinationError(
                f"{len(in_the_way)} files in {folder.path} exist with another content: "
                f"{_named(in_the_way)}.",
                hint='Choose overwrite="skip", "replace" or "rename".',
                failed={name: error.message for name, error in in_the_way.items()},
            )

    def _make_folders(self, folder: OutputFolder, listing: Listing) -> None:
        for name in listing.folders:
            try:
                folder.make_folder(disk_parts(name))
            except DownloadError as error:
                self._failed[name] = error

    def _fetch(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            if job.file.member.size == 0 and job.file.member.crc == 0:
                self._guard(job, job.file.write_empty)
        again = False
        while todo := [job for job in jobs if job.state == "waiting"]:
            chunks = ranges.plan(
                [job.extent for job in todo],
                workers=self._tuning.workers,
                gap_bytes=self._tuning.gap_bytes,
                chunk_bytes=self._tuning.chunk_bytes,
            )
            self._board.expect(sum(map(len, chunks)))
            self._run_pool(chunks, partial(self._run_chunk, _Distribution(todo, self._feed)))
            if again:
                break
            # What did not fit may have been spoilt on the way: one more time, no more.
            again = True
            for job in todo:
                if job.state == "corrupt":
                    job.state, job.error, job.position = "waiting", None, job.extent.start

    def _run_chunk(self, feed: _Distribution, chunk: ByteRange) -> None:
        backlog: list[bytes] = []  # bytes of a member whose earlier part is still on its way
        position = chunk.start
        for piece in self._remote.stream(chunk, self._stop):
            self._board.add(len(piece))
            backlog.append(piece)
            if feed.is_ready(position):
                for waiting in backlog:
                    position = feed.take(position, waiting)
                backlog.clear()
        with self._moved:
            self._moved.notify_all()
            while backlog and not feed.is_ready(position):
                self._stop.check()
                self._moved.wait(1.0)
        for waiting in backlog:
            position = feed.take(position, waiting)
        with self._moved:
            self._moved.notify_all()

    def _feed(self, job: _Job, data: memoryview) -> None:
        if job.state != "waiting":
            return
        if job.position == job.extent.start:
            self._board.mark(job.index, "fetching")
        self._guard(job, lambda: job.file.feed(data))

    def _guard(self, job: _Job, act: Callable[[], bool]) -> None:
        """Does one step of a job; its own failure ends this job only."""
        try:
            if act():
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

    def _extract(self, spool: TemporaryFile, job: _Job) -> None:
        """One member out of an archive that had to be fetched whole."""
        job.position = job.extent.start
        while job.state == "waiting" and job.position < job.extent.end:
            self._stop.check()
            size = min(SPOOL_PIECE_BYTES, job.extent.end - job.position)
            data = spool.read_at(job.position, size)
            if not data:
                break
            self._feed(job, memoryview(data))
            job.position += len(data)

    # The archive as it is.

    def _deliver_archive(self, cleanup: contextlib.ExitStack) -> None:
        folder = _opened(self._order.target, cleanup)
        self._board.set_files([(-1, ARCHIVE_NAME, 0)])
        parts: tuple[str, ...] = (ARCHIVE_NAME,)
        if folder.existing(parts) != "absent":
            if self._order.overwrite == "skip":
                self._board.mark(0, "skipped", "kept as it was")
                return
            if self._order.overwrite == "error":
                raise DestinationError(
                    f"{folder.path / ARCHIVE_NAME} exists.",
                    hint='Choose overwrite="skip", "replace" or "rename".',
                )
            if self._order.overwrite == "rename":
                parts = folder.free_name(parts, set())
        try:
            listing = self._read_listing(self._stop)
            file = self._fetch_ranges(folder, listing, cleanup)
            if _spooled_listing(file, listing.version).revision != listing.revision:
                raise BadArchiveError("The archive fetched is not the one that was listed.")
        except RangeUnsupportedError:
            file = self._fetch_whole(folder, cleanup)
            _spooled_listing(file, self._remote.version)
        file.publish(parts[-1], replace=self._order.overwrite == "replace", flush=True)
        self._board.mark(0, "verified")

    def _fetch_ranges(
        self, folder: OutputFolder, listing: Listing, cleanup: contextlib.ExitStack
    ) -> TemporaryFile:
        total = listing.archive_bytes
        folder.check_room(total)
        self._board.set_files([(-1, ARCHIVE_NAME, total)])
        file = TemporaryFile(folder, (ARCHIVE_NAME,))
        cleanup.callback(file.discard)
        self._board.expect(total)
        self._board.mark(0, "fetching")

        def write(chunk: ByteRange) -> None:
            position = chunk.start
            for piece in self._remote.stream(chunk, self._stop):
                file.write_at(position, piece)
                position += len(piece)
                self._board.add(len(piece))

        chunks = ranges.split(
            [ByteRange(0, total)],
            workers=self._tuning.workers,
            chunk_bytes=self._tuning.chunk_bytes,
        )
        self._run_pool(chunks, write)
        return file

    def _fetch_whole(self, folder: OutputFolder, cleanup: contextlib.ExitStack) -> TemporaryFile:
        """The whole archive by one plain request, for storages that ignore ranges."""
        spool = TemporaryFile(folder, (ARCHIVE_NAME,))
        cleanup.callback(spool.discard)
        failures = 0
        while True:
            received = 0
            try:
                for piece in self._remote.whole(self._stop):
                    version = self._remote.version
                    if received == 0 and version is not None:
                        folder.check_room(version.total_bytes)
                        if failures == 0:
                            self._board.expect(version.total_bytes)
                    spool.write_at(received, piece)
                    received += len(piece)
                    self._board.add(len(piece))
            except (IncompleteDownloadError, ServiceConnectionError) as error:
                self._stop.check()
                self._board.add(-received)
                spool.clear()
                failures += 1
                if failures >= self._remote.retry.tries:
                    raise _as_download_error(error) from None
                self._stop.pause(self._remote.retry.pause_s(failures))
            else:
                return spool

    # Threads.

    def _run_pool(self, chunks: Sequence[ByteRange], act: Callable[[ByteRange], None]) -> None:
        """Runs `act` on all chunks, taken in order; this thread is one of the workers."""
        queue = iter(chunks)
        lock = threading.Lock()

        def work() -> None:
            try:
                while not self._stop.is_set:
                    with lock:
                        chunk = next(queue, None)
                    if chunk is None:
                        return
                    act(chunk)
            except BaseException as error:  # noqa: BLE001 - raised again below
                self._halt(error)

        helpers = [
            threading.Thread(target=work, name=f"inductiva-download-{number}", daemon=True)
            for number in range(1, min(self._tuning.workers, len(chunks)))
        ]
        for helper in helpers:
            helper.start()
        work()
        for helper in helpers:
            helper.join()
        fatal, self._fatal = self._fatal, None
        if not self._stop.cancelled and fatal is not None:
            self._stop.resume()
            if isinstance(fatal, InductivaWidgetsError):
                raise _as_download_error(fatal) from None
            raise fatal
        self._stop.check()

    def _halt(self, error: BaseException) -> None:
        with self._moved:
            if self._fatal is None:
                self._fatal = error
            self._moved.notify_all()
        self._stop.halt()

    # The end.

    def _discard_unfinished(self) -> None:
        for job in self._jobs:
            if job.state != "verified":
                job.file.discard()

    def _fail(self, index: int, name: str, error: DownloadError) -> None:
        self._failed[name] = error
        self._board.mark(index, "failed", error.message)

    def _add_undelivered(self, error: DownloadError) -> None:
        """Completes an error that ended everything with the names that were still to come."""
        failed = {name: reason.message for name, reason in self._failed.items()}
        for job in self._jobs:
            if job.state != "verified":
                failed[job.name] = job.error.message if job.error else error.message
                self._board.mark(job.index, "failed", failed[job.name])
        error.failed = error.failed | {n: r for n, r in failed.items() if n not in error.failed}
        error.path = str(self._order.target)

    def _conclude(self) -> None:
        for job in self._jobs:
            if job.state != "verified":
                error = job.error or IncompleteDownloadError("not all of its bytes came")
                self._fail(job.index, job.name, error)
        if self._failed:
            first = next(iter(self._failed.values()))
            reasons = {name: error.message for name, error in self._failed.items()}
            reasons.update((name, "is not in the archive") for name in self._missing)
            raise type(first)(
                f"{len(reasons)} of the files asked for were not delivered: "
                f"{_named(self._failed)}. {first.message}",
                hint=first.hint,
                failed=reasons,
                path=str(self._order.target),
            )
        if self._missing:
            raise _not_found(self._missing)


class _Distribution:
    """Gives the bytes of chunks to the jobs they belong to."""

    def __init__(self, jobs: Sequence[_Job], feed: Callable[[_Job, memoryview], None]) -> None:
        self._jobs = sorted(jobs, key=lambda job: job.extent)
        self._starts = [job.extent.start for job in self._jobs]
        self._feed = feed

    def is_ready(self, position: int) -> bool:
        """Whether the job at `position` has all bytes before it."""
        place = bisect_right(self._starts, position) - 1
        if place < 0 or position >= self._jobs[place].extent.end:
            return True
        return self._jobs[place].position == position

    def take(self, position: int, data: bytes) -> int:
        """Hands on bytes that begin at `position`; gives the position after them."""
        view = memoryview(data)
        place = bisect_right(self._starts, position) - 1
        while view:
            while place + 1 < len(self._starts) and self._starts[place + 1] <= position:
                place += 1
            job = self._jobs[place] if place >= 0 else None
            if job is not None and position < job.extent.end:
                size = min(len(view), job.extent.end - position)
                self._feed(job, view[:size])
                job.position = position + size
            elif place + 1 < len(self._starts):
                size = min(len(view), self._starts[place + 1] - position)
            else:
                return position + len(view)
            view, position = view[size:], position + size
        return position


def _opened(target: Path, cleanup: contextlib.ExitStack) -> OutputFolder:
    folder = OutputFolder(target)
    cleanup.callback(folder.close)
    return folder


def _examined(listing: Listing, row: int) -> tuple[Member, tuple[str, ...], ByteRange]:
    """A row's member, its place on disk and in the archive; raises what speaks against it."""
    member = listing.directory.member(listing.members[row])
    name = listing.names[row]
    parts = disk_parts(name)
    check_kind(member)
    check_supported(member)
    if listing.is_folder(name):
        raise UnsafeMemberError(f"{safe_text(name)} is a folder as well.")
    for other in listing.rows(name):
        twin = listing.directory.member(listing.members[other])
        if (twin.size, twin.crc) != (member.size, member.crc):
            raise UnsafeMemberError(
                f"{safe_text(name)} is listed twice with different content: "
                f"{member.size} and {twin.size} bytes."
            )
    if member.size > BOMB_BYTES and member.size > BOMB_RATIO * member.packed_size:
        raise ArchiveTooLargeError(
            f"{safe_text(name)} would grow from {member.packed_size} to {member.size} bytes."
        )
    extent = listing.extent(row)
    if extent is None:
        raise CorruptMemberError(
            f"{safe_text(name)} overlaps another member, or lies beyond the archive's end: "
            f"{member.packed_size} bytes at {member.offset}."
        )
    return member, parts, extent


def _check_same(listing: Listing, first: int, row: int) -> None:
    """Two names for one place on disk (`a/b`, `a//b`): the first wins, or both are the same."""
    one, two = (listing.directory.member(listing.members[i]) for i in (first, row))
    if (one.size, one.crc) != (two.size, two.crc):
        raise UnsafeMemberError(
            f"{safe_text(two.name)} would take the place of {safe_text(one.name)}."
        )


def _spooled_listing(spool: TemporaryFile, version: Version | None) -> Listing:
    total = spool.size()
    size = min(TAIL_BYTES, total)
    return make_listing(
        spool.read_at(total - size, size),
        version or Version(total, None),
        lambda need: spool.read_at(need.start, need.end - need.start),
    )


def _as_download_error(error: InductivaWidgetsError) -> DownloadError:
    """Callers of a download wait for its errors; what stopped it in the middle is told inside."""
    if isinstance(error, DownloadError):
        return error
    return IncompleteDownloadError(error.message, hint=error.hint)


def _named(names: dict[str, DownloadError]) -> str:
    shown = ", ".join(safe_text(name) for name in list(names)[:NAMED_FAILURES])
    more = len(names) - NAMED_FAILURES
    return f"{shown} and {more} more" if more > 0 else shown


def _not_found(missing: dict[str, list[str]]) -> NotFoundError:
    shown = ", ".join(safe_text(name) for name in list(missing)[:NAMED_FAILURES])
    more = len(missing) - NAMED_FAILURES
    closest = list(dict.fromkeys(name for close in missing.values() for name in close))
    text = f"{shown} and {more} more" if more > 0 else shown
    hint = f"Close to it: {', '.join(map(safe_text, closest[:NAMED_FAILURES]))}." if closest else ""
    return NotFoundError(f"Not in the archive: {text}.", hint=hint, missing=tuple(missing))
