"""What shall happen with each output asked for, decided before the first byte is fetched."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inductiva_widgets.errors import (
    ArchiveTooLargeError,
    CorruptMemberError,
    DestinationError,
    DownloadError,
    UnsafeMemberError,
    UserInputError,
)
from inductiva_widgets.formats import safe_text
from inductiva_widgets.outputs.assembly import Job
from inductiva_widgets.outputs.extract import MemberFile
from inductiva_widgets.outputs.inflate import check_supported
from inductiva_widgets.outputs.names import check_kind, disk_parts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inductiva_widgets.outputs.archive import Member
    from inductiva_widgets.outputs.folder import OutputFolder, Overwrite
    from inductiva_widgets.outputs.listing import Listing
    from inductiva_widgets.outputs.progress import Board
    from inductiva_widgets.outputs.ranges import ByteRange

__all__ = ["Decisions", "Order", "named"]

BOMB_BYTES, BOMB_RATIO = 100 * 1000 * 1000, 1000  # no simulation packs that well
NAMED_FAILURES = 5


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: names as `check_filenames` gives them, rows, or neither for everything."""

    target: Path
    filenames: Sequence[str] | None = None
    indices: Sequence[int] | None = None
    uncompress: bool = True
    overwrite: Overwrite = "error"
    bytes_per_s: float | None = None

    def __post_init__(self) -> None:
        if self.overwrite not in ("error", "skip", "replace", "rename"):
            raise UserInputError(
                f"overwrite is {safe_text(self.overwrite)}.",
                hint='Choose "error", "skip", "replace" or "rename".',
            )
        if self.bytes_per_s is not None and not self.bytes_per_s > 0:
            raise UserInputError("The rate limit is not above 0 bytes per second.")
        chosen = self.filenames is not None or self.indices is not None
        if self.filenames is not None and self.indices is not None:
            raise UserInputError("Choose files by names or by indices, not by both.")
        if chosen and not self.uncompress:
            raise UserInputError(
                "The archive can be kept packed only as a whole.",
                hint="Leave out the file names, or `uncompress=False`.",
            )

    @property
    def is_everything(self) -> bool:
        """Whether the whole archive is asked for."""
        return self.filenames is None and self.indices is None


@dataclass(slots=True)
class Decisions:
    """The files of one download: what to deliver, and what not, and why."""

    folder: OutputFolder
    listing: Listing
    order: Order
    board: Board
    jobs: list[Job] = field(default_factory=list)
    failed: dict[str, DownloadError] = field(default_factory=dict)
    _in_the_way: list[str] = field(default_factory=list)
    _by_parts: dict[tuple[str, ...], int] = field(default_factory=dict)
    _renamed: set[tuple[str, ...]] = field(default_factory=set)
    _folded: dict[str, str] = field(default_factory=dict)

    def decide(self, rows: Sequence[int]) -> None:
        """Decides about all rows.

        Raises:
            DestinationError: Files with other content are there, and shall not be touched.
        """
        names = self.listing.names
        self.board.set_files([(row, names[row], self.listing.sizes[row]) for row in rows])
        might_collide = len({_folded(names[row]) for row in rows}) < len(rows)
        for index, row in enumerate(rows):
            try:
                job = self._decided(index, row, might_collide=might_collide)
            except DownloadError as error:
                self.failed[names[row]] = error
                self.board.mark(index, "failed", error.message)
            else:
                if job is not None:
                    self.jobs.append(job)
        if self._in_the_way:
            reason = "exists with another content"
            raise DestinationError(
                f"{len(self._in_the_way)} files in {self.folder.path} exist with another content: "
                f"{named(self._in_the_way)}.",
                hint='Choose overwrite="skip", "replace" or "rename".',
                failed=dict.fromkeys(self._in_the_way, reason),
            )

    def _decided(self, index: int, row: int, *, might_collide: bool) -> Job | None:
        name = self.listing.names[row]
        member, parts, extent = _examined(self.listing, row)
        first = self._by_parts.setdefault(parts, row)
        if first != row:
            _check_same(self.listing, first, row)
            self.board.mark(index, "skipped", "listed twice with the same content")
            return None
        if might_collide:
            self._refuse_collision(name)
        there = self.folder.existing(parts)
        if there == "file" and self.folder.holds(parts, member.size, member.crc):
            self.board.mark(index, "skipped", "already there")
            return None
        if there != "absent" and self.order.overwrite == "skip":
            self.board.mark(index, "skipped", "kept as it was")
            return None
        if there != "absent" and self.order.overwrite == "rename":
            parts = self.folder.free_name(parts, self._renamed)
            self._renamed.add(parts)
        elif there != "absent" and self.order.overwrite == "error":
            self._in_the_way.append(name)
            return None
        file = MemberFile(self.folder, member, parts, replace=self.order.overwrite == "replace")
        return Job(index, name, extent, file, extent.start)

    def _refuse_collision(self, name: str) -> None:
        """`A.txt` and `a.txt` are one file on some file systems: this one is asked."""
        other = self._folded.setdefault(_folded(name), name)
        if other == name:
            return
        one, two = (part.rpartition("/")[2] for part in (other, name))
        if one == two:  # they differ in a folder
            one, two = other.replace("/", "_"), name.replace("/", "_")
        if self.folder.folds_names(one[-60:], two[-60:]):
            raise UnsafeMemberError(
                f"{safe_text(name)} would take the place of {safe_text(other)} on this disk."
            )


def _folded(name: str) -> str:
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


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
        twin = listing.directory.member(listing.members[other]) if other != row else member
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


def named(names: Sequence[str]) -> str:
    """The first of many names, for a message."""
    shown = ", ".join(safe_text(name) for name in names[:NAMED_FAILURES])
    more = len(names) - NAMED_FAILURES
    return f"{shown} and {more} more" if more > 0 else shown
