"""What a download received and did not deliver yet, on disk beside the files: the next one goes on.

A hidden folder in the target folder, locked by its download. Received chunks lie in it as they
came, each under its offset in the archive, until all members in them are verified. They are pinned
to one version of the archive and prove nothing: what is made of them is verified like what comes
from the network. The folder goes away with success, or with the next download into this target.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import struct
import threading
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from inductiva_widgets.outputs.folder import OpenFolder, OutputFolder, translated, write_all
from inductiva_widgets.outputs.ranges import ByteRange

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

__all__ = ["Journal"]

PREFIX = ".inductiva-"
LOCK, PIN, DONE = "lock", "pin", "done"
READ_BYTES = 1 << 19

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
            with folder.borrow((), create=False) as root:
                names = [name for name in root.names() if name.startswith(PREFIX)]
            for match in filter(None, map(_NAME.fullmatch, names)):
                left = cls._left_behind(folder, match[0])
                if left is None:
                    continue
                is_mine = found is None and left.matches(pin)
                folder.remove_temporaries(match[1], keep_first=is_mine)
                if is_mine:
                    found, folder.token = left, match[1]
                else:
                    left.close(remove=True, name=match[0])
            return found or cls._new(folder, pin)

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
        place = folder.open((f"{PREFIX}{folder.token}",), create=True)
        fd = place.open_write(LOCK)
        _locked(fd)
        pin_fd = place.create(PIN, 0o600)
        try:
            write_all(pin_fd, json.dumps({"pin": pin}).encode())
        finally:
            os.close(pin_fd)
        return cls(folder, place, fd)

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

    def watch(self, chunks: Sequence[ByteRange], extents: Sequence[ByteRange]) -> None:
        """Says which chunks will be kept, in order, and the extents of the members in them."""
        starts = sorted(extent.start for extent in extents)
        ends = sorted(extent.end for extent in extents)
        self._starts = [chunk.start for chunk in chunks]
        self._ends = [chunk.end for chunk in chunks]
        self._unsettled = [
            bisect_left(starts, chunk.end) - bisect_right(ends, chunk.start) for chunk in chunks
        ]

    def keep(self, chunk: ByteRange, data: bytes) -> None:
        """Appends bytes of a chunk; when the disk is full nothing more is kept."""
        with self._lock:
            if self._is_closed or self._is_full:
                return
            try:
                fd = self._files.get(chunk.start)
                if fd is None:
                    fd = self._files[chunk.start] = self._place.create(str(chunk.start), 0o600)
            except OSError:
                self._is_full = True
                return
        try:
            write_all(fd, data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, 0)
            self._is_full = True

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
        """Closes the file of a chunk that is all there."""
        with self._lock:
            fd = self._files.pop(chunk.start, None)
            if fd is not None:
                os.close(fd)
            place = bisect_left(self._starts, chunk.start)
            if place < len(self._starts) and self._unsettled[place] == 0:
                self._remove(chunk.start)

    def settle(self, extent: ByteRange) -> None:
        """A member is through: chunks that only it had waited for go away."""
        first = bisect_right(self._ends, extent.start)
        last = bisect_left(self._starts, extent.end)
        with self._lock:
            for place in range(first, last):
                self._unsettled[place] -= 1
                start = self._starts[place]
                if self._unsettled[place] == 0 and start not in self._files:
                    self._remove(start)

    def forget(self) -> None:
        """Removes all that is kept: some of it was spoilt."""
        with self._lock:
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
        """Gives it up: for good, or for the next download when there is something in it."""
        with self._lock:
            self._is_closed = True
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
            os.close(self._lock_fd)  # Windows removes no open file
            self._place.unlink(LOCK)
        self._place.close()
        with contextlib.suppress(OSError), self._folder.borrow((), create=False) as root:
            root.remove_folder(name or f"{PREFIX}{self._folder.token}")


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
