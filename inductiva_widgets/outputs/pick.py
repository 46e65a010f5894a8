"""One file out of an archive in as few requests as possible: its end, then the file."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inductiva_widgets.errors import (
    ArchiveTooLargeError,
    BadArchiveError,
    CorruptMemberError,
    UserInputError,
)
from inductiva_widgets.formats import file_size, safe_text
from inductiva_widgets.outputs.archive import TAIL_BYTES
from inductiva_widgets.outputs.inflate import Decoder, check_supported
from inductiva_widgets.outputs.listing import Listing, make_listing, named, not_found, select
from inductiva_widgets.outputs.ranges import ByteRange

if TYPE_CHECKING:
    from inductiva_widgets.outputs.remote import RemoteArchive
    from inductiva_widgets.outputs.stop import Stop

__all__ = ["Ends", "pick"]

FIRST_END_BYTES = 16 * 1000  # the directory of 150 files, or all of a small archive
LONGEST_END_BYTES = 1000 * 1000  # 12,000 files; one odd archive must not make all others dear
LARGEST_FILE_BYTES = 100 * 1000 * 1000  # read into memory, a few at a time
REMEMBERED = 16
OVERFETCH = 1.2


class Ends:
    """How many bytes at the end of an archive are needed, learned from similar ones.

    The archives of one study hold the same files, so the first few predict all others.
    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._needed: deque[int] = deque(maxlen=REMEMBERED)

    @property
    def size_bytes(self) -> int:
        """What to ask for next."""
        with self._lock:
            most = max(self._needed, default=0)
        # A name or a number may be a digit longer in the next one.
        return min(LONGEST_END_BYTES, most + most // 20 + 64) if most else FIRST_END_BYTES

    def learn(self, total_bytes: int, directory_start: int, extent: ByteRange) -> None:
        """Notes what one archive needed: its directory, and the file if it is next to that."""
        with_file = total_bytes - extent.start
        needed = total_bytes - directory_start
        if with_file <= OVERFETCH * (needed + len(extent)):
            needed = with_file
        with self._lock:
            self._needed.append(needed)


@dataclass(frozen=True, slots=True)
class _Window:
    """The end of an archive, and where it begins."""

    start: int
    data: bytes


def pick(remote: RemoteArchive, filename: str, ends: Ends, stop: Stop) -> bytes:
    """Content of the one file that `filename` fits, by `listing.select`; its CRC-32 is right.

    Raises:
        NotFoundError: No file fits; the closest are named.
        UserInputError: Several files fit; they are named.
        ArchiveTooLargeError: The file is too large to be held in memory.
        DownloadError: It cannot be fetched, or is damaged.
    """
    listing, window = _end(remote, ends.size_bytes, stop)
    row = _only(listing, filename)
    member = listing.directory.member(listing.members[row])
    check_supported(member)
    extent = listing.extent(row)
    if extent is None:
        raise CorruptMemberError(
            f"{safe_text(filename)} overlaps another member, or lies beyond the archive's end."
        )
    if member.size > LARGEST_FILE_BYTES:
        raise ArchiveTooLargeError(
            f"{safe_text(filename)} has {file_size(member.size)}, more than the "
            f"{file_size(LARGEST_FILE_BYTES)} that are read at once.",
            hint="Download it instead.",
        )
    ends.learn(listing.archive_bytes, listing.directory.start, extent)
    if extent.start >= window.start:
        packed = window.data[extent.start - window.start : extent.end - window.start]
    else:
        packed = remote.read(extent, stop)
    decoder = Decoder(member)
    content = b"".join(map(bytes, decoder.feed(packed)))
    if not decoder.complete:
        raise CorruptMemberError(f"{safe_text(filename)} is cut in the archive.")
    return content


def _end(remote: RemoteArchive, size_bytes: int, stop: Stop) -> tuple[Listing, _Window]:
    data = remote.tail(size_bytes, stop)
    version = remote.version
    if version is None:
        raise AssertionError
    window = _Window(version.total_bytes - len(data), data)
    try:
        listing = make_listing(
            data, version, lambda need: remote.read_wide(ByteRange(need.start, need.end), stop)
        )
    except BadArchiveError:
        if window.start == 0 or size_bytes >= TAIL_BYTES:
            raise
        return _end(remote, TAIL_BYTES, stop)  # a long comment hides the end record
    return listing, window


def _only(listing: Listing, filename: str) -> int:
    selection = select(listing, [filename])
    if not selection.rows:
        raise not_found(selection.missing)
    if len(selection.rows) > 1:
        names = [listing.names[row] for row in selection.rows]
        raise UserInputError(
            f"{safe_text(filename)} fits {len(names)} files: {named(names)}.",
            hint="Name one of them.",
        )
    return selection.rows[0]
