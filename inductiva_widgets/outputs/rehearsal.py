"""A dry run of a download: what it would fetch. Nothing is fetched or written."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from inductiva_widgets.errors import DownloadError
from inductiva_widgets.formats import file_size, safe_text, text_table
from inductiva_widgets.outputs.decisions import examined
from inductiva_widgets.outputs.folder import OutputFolder
from inductiva_widgets.outputs.listing import select

if TYPE_CHECKING:
    from pathlib import Path

    from inductiva_widgets.outputs.decisions import Order
    from inductiva_widgets.outputs.listing import Listing

__all__ = ["DownloadPlan", "PlannedFile", "rehearse"]

Action = Literal["fetch", "skip", "conflict", "refuse"]

SHOWN_ROWS = 100


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """What a download would do with one file.

    Attributes:
        name: As listed; the archive's own name where it would be kept whole.
        size: Bytes on disk.
        packed_size: Bytes to fetch, but for the small headers between files.
        action: `fetch`; `skip`: nothing needs to be done; `conflict`: a file with another content
            is there, and the download would stop before it begins; `refuse`: cannot be written.
        reason: Why, or in what way.
    """

    name: str
    size: int
    packed_size: int
    action: Action = "fetch"
    reason: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class DownloadPlan:
    """What a download would do. `print()` shows it as a table.

    Attributes:
        path: Folder that it would write to.
        files: All requested files, in the order of the archive.
        missing: Names that the archive does not hold, with the closest that it does.
    """

    path: Path
    files: list[PlannedFile]
    missing: dict[str, list[str]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The files that would be fetched."""
        return [file.name for file in self._fetched]

    @property
    def bytes(self) -> int:
        """What they take on disk."""
        return sum(file.size for file in self._fetched)

    @property
    def packed_bytes(self) -> int:
        """What would travel."""
        return sum(file.packed_size for file in self._fetched)

    @property
    def is_clear(self) -> bool:
        """Whether everything requested would be delivered."""
        return not self.missing and all(file.action in ("fetch", "skip") for file in self.files)

    @property
    def _fetched(self) -> list[PlannedFile]:
        return [file for file in self.files if file.action == "fetch"]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "packed_bytes": self.packed_bytes,
            "files": [
                {
                    "name": file.name,
                    "size": file.size,
                    "packed_size": file.packed_size,
                    "action": file.action,
                    "reason": file.reason,
                }
                for file in self.files
            ],
            "missing": list(self.missing),
        }

    def __len__(self) -> int:
        return len(self.files)

    def __str__(self) -> str:
        count = len(self._fetched)
        sizes = f"{file_size(self.packed_bytes)} ({file_size(self.bytes)} unpacked)"
        lines = [
            "Nothing was fetched.",
            f"A download would fetch {count} of {len(self.files)} files, {sizes},",
            f"to {safe_text(self.path, 4096)}:",
        ]
        rows = [
            (
                file_size(file.size),
                file_size(file.packed_size),
                f"{file.action}: {safe_text(file.reason)}" if file.reason else file.action,
                safe_text(file.name, 4096),
            )
            for file in self.files[:SHOWN_ROWS]
        ]
        if rows:
            lines.append(text_table(("Size", "Packed", "Action", "Name"), rows, indent="  "))
        if len(self.files) > SHOWN_ROWS:
            lines.append(f"  … and {len(self.files) - SHOWN_ROWS} more")
        for name, closest in self.missing.items():
            close = f" Close to it: {', '.join(map(safe_text, closest))}." if closest else ""
            lines.append(f"Not in the archive: {safe_text(name)}.{close}")
        return "\n".join(lines)

    __repr__ = __str__


def rehearse(listing: Listing, order: Order) -> DownloadPlan:
    """What the order would do now, by the listing and what is in the target folder.

    Raises:
        DestinationError: The target is not a folder, or cannot be read.
    """
    missing: dict[str, list[str]] = {}
    rows = list(range(len(listing)))
    if order.filenames is not None:
        selection = select(listing, order.filenames)
        rows, missing = selection.rows, selection.missing
    with contextlib.ExitStack() as cleanup:
        folder: OutputFolder | None = None
        if order.target.exists():  # opening it would make it
            folder = OutputFolder(order.target)
            cleanup.callback(folder.close)
        if order.uncompress:
            files = [_planned(listing, row, folder, order) for row in rows]
        else:
            files = [_whole(listing, folder, order)]
    return DownloadPlan(order.target.absolute(), files, missing)


def _planned(listing: Listing, row: int, folder: OutputFolder | None, order: Order) -> PlannedFile:
    sizes = listing.names[row], listing.sizes[row], listing.packed_sizes[row]
    try:
        member, parts, _ = examined(listing, row)
        if listing.rows(sizes[0])[0] != row:
            return PlannedFile(*sizes, "skip", "listed twice with the same content")
        if folder is not None and folder.holds(parts, member.size, member.crc):
            return PlannedFile(*sizes, "skip", "already there")
        return PlannedFile(*sizes, *_beside_existing(folder, parts, order))
    except DownloadError as error:
        return PlannedFile(*sizes, "refuse", error.message)


def _whole(listing: Listing, folder: OutputFolder | None, order: Order) -> PlannedFile:
    name, size = order.layout.archive_name, listing.archive_bytes
    return PlannedFile(name, size, size, *_beside_existing(folder, (name,), order))


def _beside_existing(
    folder: OutputFolder | None, parts: tuple[str, ...], order: Order
) -> tuple[Action, str]:
    """What becomes of a file whose name is perhaps taken by another content."""
    if folder is None or folder.existing(parts) == "absent":
        return "fetch", ""
    if order.overwrite == "skip":
        return "skip", "kept as it is"
    if order.overwrite == "rename":
        return "fetch", f"as {folder.free_name(parts, set())[-1]}"
    if order.overwrite == "replace":
        return "fetch", "replaces another content"
    return "conflict", "exists with another content"
