"""What happens to each requested output, decided before the first byte is fetched."""

from __future__ import annotations

import unicodedata
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inductiva_widgets.errors import (
    ArchiveTooLargeError,
    CorruptMemberError,
    DownloadError,
    FileConflictError,
    UnsafeMemberError,
    UserInputError,
)
from inductiva_widgets.formats import safe_text
from inductiva_widgets.outputs.archive import OUTPUTS, Layout
from inductiva_widgets.outputs.inflate import check_supported
from inductiva_widgets.outputs.jobs import Jobs
from inductiva_widgets.outputs.listing import named
from inductiva_widgets.outputs.names import are_plain, check_kind, disk_parts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inductiva_widgets.outputs.archive import Member
    from inductiva_widgets.outputs.folder import OutputFolder, Overwrite
    from inductiva_widgets.outputs.listing import Listing
    from inductiva_widgets.outputs.progress import Board
    from inductiva_widgets.outputs.ranges import ByteRange

__all__ = ["Decisions", "Order", "examined"]

BOMB_BYTES, BOMB_RATIO = 100 * 1000 * 1000, 1000  # no simulation packs that well
FEW_FILES = 8
MANY_ROWS = 500  # from here on looking at the columns first is faster


@dataclass(frozen=True, slots=True)
class Order:
    """What is requested: names as `check_filenames` gives them, rows, or neither for everything."""

    target: Path
    filenames: Sequence[str] | None = None
    indices: Sequence[int] | None = None
    uncompress: bool = True
    overwrite: Overwrite = "error"
    bytes_per_s: float | None = None
    layout: Layout = OUTPUTS

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
        """Whether the whole archive is requested."""
        return self.filenames is None and self.indices is None

    @property
    def is_long(self) -> bool:
        """Whether it will very likely take several connections."""
        chosen = self.filenames if self.filenames is not None else self.indices
        return chosen is None or len(chosen) > FEW_FILES or any(map(_is_wide, chosen))


@dataclass(slots=True)
class Decisions:
    """The files of one download: what to deliver, and what not, and why."""

    folder: OutputFolder
    listing: Listing
    order: Order
    board: Board
    jobs: Jobs = field(init=False)
    failed: dict[str, DownloadError] = field(default_factory=dict)
    _in_the_way: list[str] = field(default_factory=list)
    _by_parts: dict[tuple[str, ...], int] = field(default_factory=dict)
    _renamed: set[tuple[str, ...]] = field(default_factory=set)
    _folded: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        replace = self.order.overwrite == "replace"
        self.jobs = Jobs(self.folder, self.listing, replace=replace)

    def decide(self, rows: Sequence[int]) -> None:
        """Decides about all rows.

        Raises:
            FileConflictError: Files with other content are there, and should not be touched.
        """
        all_names, sizes = self.listing.names, self.listing.sizes
        names = [all_names[row] for row in rows]
        self.board.set_files(rows, names, array("Q", map(sizes.__getitem__, rows)))
        indexes: Sequence[int] = range(len(rows))
        if len(rows) >= MANY_ROWS and _are_simple(self.listing):
            indexes = self._in_doubt(names)
            simple = sorted(set(range(len(rows))).difference(indexes))
            self.jobs.add(simple, map(rows.__getitem__, simple))
        might_collide = len(set(map(_folded, names))) < len(names) if indexes else False
        for index in indexes:
            try:
                self._decide(index, rows[index], might_collide=might_collide)
            except DownloadError as error:
                self.failed[names[index]] = error
                self.board.mark(index, "failed", error.message)
        self.jobs.close()
        if self._in_the_way:
            count, reason = len(self._in_the_way), "exists with another content"
            what = (
                f"A file in {self.folder.path} exists"
                if count == 1
                else (f"{count} files in {self.folder.path} exist")
            )
            raise FileConflictError(
                f"{what} with another content: {named(self._in_the_way)}.",
                hint='Nothing was fetched. Choose overwrite="skip", "replace" or "rename".',
                failed=dict.fromkeys(self._in_the_way, reason),
            )

    def _in_doubt(self, names: Sequence[str]) -> list[int]:
        """Those of many simple names under which something may be already."""
        folders = {name.rpartition("/")[0] for name in names}
        there: dict[str, set[str]] = {}
        unknown: set[str] = set()
        for folder in folders:
            try:
                found = self.folder.names(tuple(filter(None, folder.split("/"))))
            except DownloadError:  # each of its files says why
                unknown.add(folder)
                found = []
            there[folder] = set(map(_folded, found))
        if not unknown and not any(there.values()):
            return []
        places = [name.rpartition("/") for name in names]
        return [
            index
            for index, (folder, _, name) in enumerate(places)
            if folder in unknown or _folded(name) in there[folder]
        ]

    def _decide(self, index: int, row: int, *, might_collide: bool) -> None:
        name = self.listing.names[row]
        member, parts, _ = examined(self.listing, row)
        first = self._by_parts.setdefault(parts, row)
        if first != row:
            _check_same(self.listing, first, row)
            self.board.mark(index, "skipped", "listed twice with the same content")
            return
        if might_collide:
            self._refuse_collision(name)
        there = self.folder.existing(parts)
        if there == "file" and self.folder.holds(parts, member.size, member.crc):
            self.board.mark(index, "skipped", "already there")
            return
        if there != "absent" and self.order.overwrite == "skip":
            self.board.mark(index, "skipped", "kept as it was")
            return
        if there != "absent" and self.order.overwrite == "rename":
            parts = self.folder.free_name(parts, self._renamed)
            self._renamed.add(parts)
            self.jobs.rename(row, parts)
        elif there != "absent" and self.order.overwrite == "error":
            self._in_the_way.append(name)
            return
        self.jobs.add([index], [row])

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


def _are_simple(listing: Listing) -> bool:
    """Whether `examined` would refuse no file, decided by columns: one of each kind is checked."""
    directory, members = listing.directory, listing.members
    if (
        None in listing.ends
        or max(listing.sizes, default=0) > BOMB_BYTES
        or not are_plain(listing.names)
    ):
        return False
    columns = (directory.attributes, directory.methods, directory.flags)
    kinds = zip(*(map(column.__getitem__, members) for column in columns), strict=True)
    try:
        for index in dict(zip(kinds, members, strict=True)).values():
            check_kind(directory.member(index))
            check_supported(directory.member(index))
    except DownloadError:
        return False
    names = listing.names  # in ASCII, as they are plain
    return len(set(map(str.lower, names))) == len(names) and listing.parents().isdisjoint(names)


def _is_wide(chosen: str | int) -> bool:
    """Whether a name chooses several files."""
    return isinstance(chosen, str) and (chosen.endswith("/") or "*" in chosen)


def _folded(name: str) -> str:
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def examined(listing: Listing, row: int) -> tuple[Member, tuple[str, ...], ByteRange]:
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
