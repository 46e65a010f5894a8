"""The journal of a download: what it received and did not deliver yet, kept for the next one.

A hidden folder in the target folder, locked by its download. Received chunks are in it as they
came, each under its offset in the archive, until all members in them are verified; the last 2 %,
4 MB of all downloads at most, are in memory only: a process that is killed loses those. They
are pinned to one version of the archive and prove nothing: what is made of them is verified like
what comes from the network. The folder goes away with success, or with the next download into this
target.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import struct
import threading
from bisect import bisect_left, bisect_right
from collections import deque
from typing import TYPE_CHECKING

from inductiva_widgets.outputs.budget import Budget
from inductiva_widgets.outputs.folder import OpenFolder, OutputFolder, translated, write_all
from inductiva_widgets.outputs.ranges import ByteRange

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

__all__ = ["Journal"]

PREFIX = ".inductiva-"
LOCK, PIN, DONE = "lock", "pin", "done"
NEW_TRIES = 20
READ_BYTES = 1 << 19
# What came last is written late: on a fast line most of it is verified before, and never written.
LATE = Budget(4 * 1000 * 1000)
LATE_SHARE = 0.02  # of all bytes to come: what a kill may cost

_NAME = re.compile(rf"{re.escape(PREFIX)}([0-9a-f]{{12}})")
_RECORD = struct.Struct("<QQ")


class Journal:
    """The journal of one download. Safe to share between its threads.

    Attributes:
        kept: Ranges of the archive that an earlier download left here, in order.
        done: Ranges that an earlier download wrote to the archive's own temporary file.
    """

    def __init__(self, folder: OutputFolder, place: OpenFolder, lock_fd: int) -> None:
        self._folder = folder
        self._place = place
        self._lock_fd = lock_fd
        self._lock = threading.Lock()
        self._files: dict[int, int] = {}
        self._is_closed = self._is_full = False
        self._writing = threading.Lock()  # pieces of a chunk in order; taken before `_lock`
        self._late: deque[tuple[int, bytes]] = deque()
        self._late_bytes = self._late_limit_bytes = 0
        self._late_pieces: dict[int, int] = {}
        self._busy_with = -1
        self._ended: set[int] = set()
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._unsettled: list[int] = []
        self.kept: list[ByteRange] = []
        self.done: list[ByteRange] = []

    @classmethod
    def open(cls, folder: OutputFolder, pin: str) -> Journal:
        """The journal of an earlier download of the same that ended too soon, or a new one.

        Other journals without an owner are removed, with the temporary files that belong to them.
        """
        found: Journal | None = None
        with translated(str(folder.path)):
            for token, left in cls._ownerless(folder):
                is_mine = found is None and left.matches(pin)
                folder.remove_temporaries(token, keep_first=is_mine)
                if is_mine:
                    found, folder.token = left, token
                else:
                    left.close(remove=True, name=f"{PREFIX}{token}")
            return found or cls._new(folder, pin)

    @classmethod
    def sweep(cls, folder: OutputFolder) -> None:
        """Removes journals without an owner, when nothing is left to resume."""
        with contextlib.suppress(OSError):  # it may be a folder that only others may write to
            for token, left in cls._ownerless(folder):
                folder.remove_temporaries(token, keep_first=False)
                left.close(remove=True, name=f"{PREFIX}{token}")

    @classmethod
    def _ownerless(cls, folder: OutputFolder) -> Generator[tuple[str, Journal], None, None]:
        """Journals whose owner is gone, with their tokens."""
        with folder.borrow((), create=False) as root:
            names = [name for name in root.names() if name.startswith(PREFIX)]
        for match in filter(None, map(_NAME.fullmatch, names)):
            left = cls._left_behind(folder, match[0])
            if left is not None:
                yield match[1], left

    @classmethod
    def _left_behind(cls, folder: OutputFolder, name: str) -> Journal | None:
        """A journal whose owner is gone; `None` while it lives."""
        try:
            place = folder.open((name,), create=False)
        except OSError:
            return None
        try:
            fd = place.open_write(LOCK)
        except OSError:
            place.close()
            return None
        if not _locked(fd):
            os.close(fd)
            place.close()
            return None
        return cls(folder, place, fd)

    @classmethod
    def _new(cls, folder: OutputFolder, pin: str) -> Journal:
        for _ in range(NEW_TRIES):
            with contextlib.suppress(FileNotFoundError, FileExistsError):
                place = folder.open((f"{PREFIX}{folder.token}",), create=True)
                fd = _new_lock(place)
                if fd is not None:
                    journal = cls(folder, place, fd)
                    try:
                        journal._write_pin(pin)
                    except BaseException:
                        journal.close(remove=True)
                        raise
                    return journal
            # Before it was locked, another download took it for one without an owner.
            folder.token = secrets.token_hex(6)
        raise BlockingIOError(errno.EAGAIN, "other downloads are in the way")

    def _write_pin(self, pin: str) -> None:
        fd = self._place.create(PIN, 0o600)
        try:
            write_all(fd, json.dumps({"pin": pin}).encode())
        finally:
            os.close(fd)

    def matches(self, pin: str) -> bool:
        """Whether it is of this very archive; then reads what it has."""
        try:
            with self._place.open_read(PIN) as file:
                if json.loads(file.read(1000)) != {"pin": pin}:
                    return False
            reached = 0
            for start in sorted(int(name) for name in self._place.names() if name.isdecimal()):
                with self._place.open_read(str(start)) as file:
                    end = start + os.fstat(file.fileno()).st_size
                if start >= reached and end > start:
                    self.kept.append(ByteRange(start, end))
                    reached = end
                else:
                    self._place.unlink(str(start))
            self._read_done()
        except (OSError, ValueError):
            return False
        return True

    def _read_done(self) -> None:
        with contextlib.suppress(FileNotFoundError), self._place.open_read(DONE) as file:
            data = file.read()
            whole = len(data) - len(data) % _RECORD.size
            reached = 0
            for start, end in sorted(_RECORD.iter_unpack(data[:whole])):
                if end > max(start, reached):
                    self.done.append(ByteRange(max(start, reached), end))
                    reached = end

    def watch(
        self, chunks: Sequence[ByteRange], starts: Sequence[int], ends: Sequence[int]
    ) -> None:
        """Says which chunks come, in order, and the extents of the members in them, in order."""
        self._starts = [chunk.start for chunk in chunks]
        self._ends = [chunk.end for chunk in chunks]
        self._unsettled = [
            bisect_left(starts, chunk.end) - bisect_right(ends, chunk.start) for chunk in chunks
        ]
        self._ended.clear()
        self._late_limit_bytes = int(LATE_SHARE * sum(map(len, chunks)))

    def keep(self, chunk: ByteRange, data: bytes) -> None:
        """Takes bytes of a chunk, in order; when the disk is full nothing more is kept."""
        with self._lock:
            if self._is_closed or self._is_full:
                return
            self._late.append((chunk.start, data))
            self._add_late(len(data))
            self._late_pieces[chunk.start] = self._late_pieces.get(chunk.start, 0) + 1
        self._write_late(self._late_limit_bytes if LATE.has_room() else 0)

    def _add_late(self, size_bytes: int) -> None:
        self._late_bytes += size_bytes
        LATE.add(size_bytes)

    def _write_late(self, leave_bytes: int) -> None:
        """Writes the oldest pieces, except those whose members are done."""
        if self._late_bytes <= leave_bytes:
            return
        with self._writing:
            while self._late_bytes > leave_bytes:
                with self._lock:
                    if not self._late:
                        return
                    start, data = self._late.popleft()
                    self._add_late(-len(data))
                    fd = None if self._is_over(start) else self._opened(start)
                    self._busy_with = start
                if fd is not None:
                    try:
                        write_all(fd, data)
                    except OSError:
                        with contextlib.suppress(OSError):
                            os.ftruncate(fd, 0)
                        self._is_full = True
                with self._lock:
                    self._busy_with = -1
                    self._late_pieces[start] -= 1
                    self._tidy(start)

    def _opened(self, start: int) -> int | None:
        if not self._is_full and start not in self._files:
            try:
                self._files[start] = self._place.create(str(start), 0o600)
            except OSError:
                self._is_full = True
        return None if self._is_full else self._files[start]

    def _is_over(self, start: int) -> bool:
        place = bisect_left(self._starts, start)
        return start in self._ended and self._unsettled[place] == 0

    def _tidy(self, start: int) -> None:
        """Closes the file of a chunk that is all there, and removes it when nobody waits for it."""
        if start not in self._ended or start == self._busy_with:
            return
        if self._is_over(start) or not self._late_pieces.get(start):
            fd = self._files.pop(start, None)
            if fd is not None:
                os.close(fd)
        if self._is_over(start):
            self._remove(start)

    def keep_nothing(self) -> None:
        """There is no room for it."""
        self._is_full = True

    def mark_done(self, done: ByteRange) -> None:
        """Notes a range that was written to the archive's own temporary file."""
        with self._lock, contextlib.suppress(OSError):
            if self._is_closed:
                return
            if -1 not in self._files:
                self._files[-1] = self._place.open_write(DONE)
                os.lseek(self._files[-1], 0, os.SEEK_END)
            write_all(self._files[-1], _RECORD.pack(done.start, done.end))

    def read(self, kept: ByteRange) -> Generator[bytes, None, None]:
        """Bytes of a range in `kept`."""
        with translated(self._place.path), self._place.open_read(str(kept.start)) as file:
            while piece := file.read(READ_BYTES):
                yield piece

    def received(self, chunk: ByteRange) -> None:
        """A chunk is all there."""
        with self._lock:
            self._ended.add(chunk.start)
            self._tidy(chunk.start)

    def settle(self, start: int, end: int, count: int) -> None:
        """`count` members between two offsets are through: chunks that only they had waited for go.

        Several members at once must lie within one chunk.
        """
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        with self._lock:
            for place in range(first, last):
                self._unsettled[place] -= count
                if self._unsettled[place] == 0:
                    self._tidy(self._starts[place])

    def forget(self) -> None:
        """Removes all that is kept: some of it was spoilt."""
        with self._writing, self._lock:
            self._late.clear()
            self._late_pieces.clear()
            self._add_late(-self._late_bytes)
            for fd in self._files.values():
                os.close(fd)
            self._files.clear()
            for name in self._place.names():
                if name not in (LOCK, PIN):
                    self._remove(name)
            self.kept, self.done = [], []

    def _remove(self, start: int | str) -> None:
        with contextlib.suppress(OSError):
            self._place.unlink(str(start))

    def close(self, *, remove: bool, name: str = "") -> None:
        """Closes it: removed, or left for the next download when there is something in it."""
        if not remove:
            self._write_late(0)
        with self._writing, self._lock:
            self._is_closed = True
            self._late.clear()
            self._add_late(-self._late_bytes)
            for fd in self._files.values():
                os.close(fd)
            self._files.clear()
        with contextlib.suppress(OSError):
            names = self._place.names()
            if not remove and any(entry not in (LOCK, PIN) for entry in names):
                os.close(self._lock_fd)
                self._place.close()
                return
            for entry in names:
                if entry != LOCK:
                    with contextlib.suppress(OSError):
                        self._place.unlink(entry)
            if os.name == "nt":  # removes no open file
                os.close(self._lock_fd)
            with contextlib.suppress(OSError):
                self._place.unlink(LOCK)
            if os.name != "nt":  # unlocked when it is no more: who gets the lock then sees that
                os.close(self._lock_fd)
        self._place.close()
        with contextlib.suppress(OSError), self._folder.borrow((), create=False) as root:
            root.remove_folder(name or f"{PREFIX}{self._folder.token}")


def _new_lock(place: OpenFolder) -> int | None:
    """Handle of a journal's lock; `None`, with the folder closed, when it is not to be had."""
    try:
        fd = place.open_write(LOCK)
    except OSError:
        place.close()
        raise
    if _locked(fd) and os.fstat(fd).st_nlink:
        return fd
    os.close(fd)
    place.close()
    return None


def _locked(fd: int) -> bool:
    """Locks a file for as long as it is open; `False` when somebody else has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return False
    return True
