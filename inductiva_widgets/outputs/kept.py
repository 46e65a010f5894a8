"""Small files kept on disk, so that the next call does not fetch them again."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from typing import TYPE_CHECKING

from inductiva_widgets.errors import DownloadError
from inductiva_widgets.outputs.folder import OutputFolder
from inductiva_widgets.outputs.inflate import crc32

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["KeptFiles"]

CRC_BYTES = 4

_log = logging.getLogger(__name__)


class KeptFiles:
    """A folder of verified contents by task and name. Safe to share between threads.

    Each file begins with the CRC-32 of its content: what was cut or changed is not used. A folder
    that cannot be written keeps nothing, and harms nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._folder: OutputFolder | None = None
        if path is not None:
            try:
                self._folder = OutputFolder(path)
            except DownloadError as error:
                _log.warning("What is collected is not kept: %s", error)

    def get(self, task_id: str, filename: str) -> bytes | None:
        """The content, if it is here and whole."""
        if self._folder is None:
            return None
        parts = _place(task_id, filename)
        with (
            contextlib.suppress(OSError),
            self._folder.borrow((), create=False) as place,
            place.open_read(parts[-1]) as file,
        ):
            held = file.read()
            if crc32(held[CRC_BYTES:], 0) & 0xFFFFFFFF == _number(held):
                return held[CRC_BYTES:]
        return None

    def put(self, task_id: str, filename: str, content: bytes) -> None:
        """Keeps a content."""
        if self._folder is None:
            return
        parts = _place(task_id, filename)
        mark = (crc32(content, 0) & 0xFFFFFFFF).to_bytes(CRC_BYTES, "little")
        with contextlib.suppress(DownloadError):
            if not self._folder.write_small(parts, mark + content, 0o666, replace=False):
                self._folder.remove(parts)  # it was not whole, or it would have been used
                self._folder.write_small(parts, mark + content, 0o666, replace=False)

    def close(self) -> None:
        """Gives the folder back."""
        if self._folder is not None:
            self._folder.close()


def _place(task_id: str, filename: str) -> tuple[str]:
    return (f"{task_id}-{hashlib.sha256(filename.encode()).hexdigest()[:16]}",)


def _number(held: bytes) -> int | None:
    mark = held[:CRC_BYTES]
    return int.from_bytes(mark, "little") if len(mark) == CRC_BYTES else None
