"""The single writer of output files: bytes of a member in, a verified file out.

A member's content goes to a marked temporary name in the folder where the file will be; after its
size and CRC-32 matched it is flushed and renamed once.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inductiva_widgets.errors import CorruptMemberError, DestinationError, DownloadCancelledError
from inductiva_widgets.formats import safe_text
from inductiva_widgets.outputs.inflate import Decoder, unpack_at_once
from inductiva_widgets.outputs.temporary import TemporaryFile

if TYPE_CHECKING:
    from inductiva_widgets.outputs.archive import Member
    from inductiva_widgets.outputs.folder import OutputFolder

__all__ = ["SMALL_FILE_BYTES", "MemberFile"]

SMALL_FILE_BYTES = 1 << 20


@dataclass(slots=True)
class MemberFile:
    """Unpacks one member into its file. Used by one thread at a time."""

    folder: OutputFolder
    member: Member
    parts: tuple[str, ...]
    replace: bool
    _decoder: Decoder | None = None
    _temporary: TemporaryFile | None = None
    _is_given_up: bool = False

    def feed(self, data: bytes | memoryview) -> bool:
        """Takes bytes of the member's extent in order; `True` once the file has its final name."""
        if self._decoder is None:
            self._decoder = Decoder(self.member)
        decoder = self._decoder
        for piece in decoder.feed(data):
            self._open().write(piece)
        if not decoder.complete:
            return False
        self._publish()
        self._decoder = None  # its window is 40 KB, and a download may have 100,000 members
        return True

    def feed_last(self, data: bytes | memoryview) -> bool:
        """Takes the last bytes of the member's extent.

        Raises:
            CorruptMemberError: They should have been all, and the member is not complete.
        """
        if self.feed(data):
            return True
        raise CorruptMemberError(
            f"{safe_text(self.member.name)} does not end where the next member begins: its local "
            "header is damaged."
        )

    def feed_whole(self, extent: memoryview) -> bool:
        """Takes all bytes of the member's extent at once."""
        if self.member.size < SMALL_FILE_BYTES:
            content = unpack_at_once(self.member, extent)
            if content is not None:
                self._write_small(content)
                return True
        return self.feed_last(extent)

    def write_empty(self, nothing: memoryview) -> bool:
        """Makes the file of a member without content: nothing has to be fetched for it."""
        self._write_small(nothing)
        return True

    def discard(self) -> None:
        """Removes what came so far; nothing more is taken.

        May be called while another thread, left alone, still feeds: that one gets an error, or it
        would write the rest into a new file.
        """
        self._is_given_up = True
        temporary, self._temporary, self._decoder = self._temporary, None, None
        if temporary is not None:
            temporary.discard()

    @property
    def _mode(self) -> int:
        # The execute bit is the one right that an archive may give.
        return 0o777 if (self.member.attributes >> 16) & stat.S_IXUSR else 0o666

    def _open(self) -> TemporaryFile:
        if self._is_given_up:
            raise DownloadCancelledError("The download was stopped.")
        if self._temporary is None:
            self._temporary = TemporaryFile(self.folder, self.parts, mode=self._mode)
        return self._temporary

    def _publish(self) -> None:
        temporary = self._open()
        self._temporary = None
        # Flushing each small new file costs milliseconds and protects nothing that existed before:
        # lost in a power cut, it is found different and fetched again. What replaces a file is
        # always flushed.
        flush = self.replace or self.member.size >= SMALL_FILE_BYTES
        try:
            temporary.publish(replace=self.replace, flush=flush)
        except FileExistsError:
            self._bear_existing()

    def _write_small(self, content: bytes | memoryview) -> None:
        if not self.folder.write_small(self.parts, content, self._mode, replace=self.replace):
            self._bear_existing()

    def _bear_existing(self) -> None:
        """The name was taken meanwhile: by another download of the same outputs, or by the user."""
        if not self.folder.holds(self.parts, self.member.size, self.member.crc):
            raise DestinationError(
                f"{self.folder.shown(self.parts)} appeared during the download and is kept.",
                hint='overwrite="replace" replaces it.',
            )
