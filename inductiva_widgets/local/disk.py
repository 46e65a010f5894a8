"""Disk space: how a full disk shows, and a reserve for writing states when it is full."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DISK_FULL", "RESERVE_BYTES", "Reserve", "is_disk_full"]

DISK_FULL = "The disk is full."
RESERVE_BYTES = 16 * 1024 * 1024
LOW_BYTES = 4 * 1024 * 1024  # a state takes some kilobytes
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_disk_full(error: BaseException) -> bool:
    """Whether an error of the system or of SQLite means that there is no room."""
    if isinstance(error, sqlite3.Error):
        return "disk is full" in str(error)
    return getattr(error, "errno", None) in _NO_ROOM


class Reserve:
    """A file that holds room on the disk for what must be written when there is none left.

    Every method may be called from any thread, and none raises: a reserve is no reason to fail.

    Args:
        path: The file.
        size_bytes: Its size.
    """

    def __init__(self, path: Path, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes

    def fill(self) -> None:
        """Takes the room, if there is twice as much."""
        with contextlib.suppress(OSError):
            if self._path.exists() or self._free() < 2 * self._size_bytes + LOW_BYTES:
                return
            try:
                self._allocate()
            except OSError:
                self._path.unlink(missing_ok=True)

    def give_if_tight(self) -> None:
        """Gives the room up when hardly any is left elsewhere; costs a microsecond."""
        with contextlib.suppress(OSError):
            if self._free() < LOW_BYTES:
                self.give()

    def give(self) -> None:
        """Gives the room up."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _free(self) -> int:
        return shutil.disk_usage(self._path.parent).free

    def _allocate(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, self._size_bytes)
            else:
                file.write(bytes(self._size_bytes))
