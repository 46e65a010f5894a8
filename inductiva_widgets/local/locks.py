"""A file lock that ends with the process that holds it, however that process ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["FileLock"]

POLL_S = 0.05


class FileLock:
    """An exclusive lock between processes; not inherited by the processes that the holder starts.

    Args:
        path: The file; it stays behind, empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self) -> bool:
        """Takes the lock if nobody holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Gives the lock back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @contextlib.contextmanager
    def held(self, timeout_s: float) -> Iterator[bool]:
        """Holds the lock for the block, waiting for it; yields whether it was had in time."""
        deadline_s = time.monotonic() + timeout_s
        while not (had := self.acquire()) and time.monotonic() < deadline_s:
            time.sleep(POLL_S)
        try:
            yield had
        finally:
            self.release()


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
