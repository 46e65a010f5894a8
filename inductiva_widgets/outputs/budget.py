"""One memory limit for all downloads of this process together."""

from __future__ import annotations

import threading

__all__ = ["Budget"]


class Budget:
    """Bytes received and not yet written. Safe to share.

    A soft limit: only threads that hold nothing yet are made to wait, and a download that can only
    continue with the very next bytes gets them in any case, so that no two wait for one another.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._held = 0

    @property
    def held_bytes(self) -> int:
        """Bytes held now."""
        return self._held

    def has_room(self, share: float = 1.0) -> bool:
        """Whether more may be received by somebody who uses this share of the limit only."""
        return self._held < share * self._limit_bytes

    def add(self, size_bytes: int) -> None:
        """Takes bytes in; a negative number gives them back."""
        with self._lock:
            self._held += size_bytes
