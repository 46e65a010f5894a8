"""A temporary file beside its final name, for content that comes in parts."""

from __future__ import annotations

import contextlib
import errno
import os
import threading

from inductiva_widgets.outputs.folder import (
    OutputFolder,
    RenameRefusedError,
    translated,
    write_all,
)

__all__ = ["TemporaryFile"]


class TemporaryFile:
    """A marked file that becomes the final one by one rename, or goes away.

    A thread that was left alone may still write when it is given up: it gets an error then, since
    the number of a closed handle may be that of another file.
    """

    def __init__(
        self,
        folder: OutputFolder,
        parts: tuple[str, ...],
        *,
        mode: int = 0o666,
        number: int | None = None,
    ) -> None:
        """With a `number` the name is the same for the same token, and the file continues."""
        self._path = folder.shown(parts)
        self._parts = parts
        self._lock = threading.Lock()
        with translated(self._path):
            self._place = folder.open(parts[:-1], create=True)
            try:
                self._name = folder.temporary_name(number)
                if number is None:
                    self.fd = self._place.create(self._name, mode)
                else:
                    self.fd = self._place.open_write(self._name, mode)
            except BaseException:
                self._place.close()
                raise
        self._is_open = True
        self._is_kept = False

    def write(self, data: bytes | memoryview) -> None:
        """Appends; a full disk has an error of its own."""
        with translated(self._path), self._lock:
            self._check_open()
            write_all(self.fd, data)

    def write_at(self, offset: int, data: bytes) -> None:
        """Writes at a place, for parts that come out of order; from any thread."""
        with translated(self._path), self._lock:  # Windows has no pwrite
            self._check_open()
            os.lseek(self.fd, offset, os.SEEK_SET)
            write_all(self.fd, data)

    def read_at(self, offset: int, size_bytes: int) -> bytes:
        """Up to `size_bytes` of what was written."""
        with translated(self._path), self._lock:
            self._check_open()
            os.lseek(self.fd, offset, os.SEEK_SET)
            return os.read(self.fd, size_bytes)

    def size(self) -> int:
        """Bytes written so far."""
        return os.fstat(self.fd).st_size

    def clear(self) -> None:
        """Empties it."""
        os.ftruncate(self.fd, 0)

    def publish(self, name: str | None = None, *, replace: bool, flush: bool) -> None:
        """Gives the file its final name, or another one in the same folder.

        Raises:
            FileExistsError: Something appeared there meanwhile and must not be replaced.
            DestinationError: It cannot be written; where another program holds the name, the
                temporary file stays.
        """
        with translated(self._path, FileExistsError):
            try:
                if flush:
                    os.fsync(self.fd)
                self._close()
                final = name or self._parts[-1]
                if replace:
                    self._place.rename(self._name, final)
                else:
                    self._place.rename_new(self._name, final)
            except RenameRefusedError:
                self._is_kept = True
                self._place.close()
                raise
            except BaseException:
                self.discard()
                raise
            self._place.close()

    def leave(self) -> None:
        """Closes it and leaves it for the next download; harmless after `publish`."""
        if self._is_open:
            self._close()
            self._place.close()

    def discard(self) -> None:
        """Removes the temporary file; harmless after `publish`."""
        if self._is_kept:
            return
        with contextlib.suppress(OSError):
            self._close()
            self._place.unlink(self._name)
        self._place.close()

    def _close(self) -> None:
        with self._lock:
            if self._is_open:
                self._is_open = False
                os.close(self.fd)

    def _check_open(self) -> None:
        if not self._is_open:
            raise OSError(errno.EBADF, "it was given up")
