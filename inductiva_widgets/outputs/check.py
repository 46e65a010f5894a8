"""A local folder compared with the archive: what is missing, different, or not from there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from inductiva_widgets.errors import DownloadError
from inductiva_widgets.formats import safe_text
from inductiva_widgets.outputs import journal
from inductiva_widgets.outputs.folder import OutputFolder
from inductiva_widgets.outputs.names import disk_parts

if TYPE_CHECKING:
    from pathlib import Path

    from inductiva_widgets.outputs.listing import Listing

__all__ = ["FolderReport", "LocalState", "check_folder", "local_states"]

LocalState = Literal["same-size", "different", "same"]


_TEMPORARY = re.compile(r"\.[0-9a-f]{12}-\d+\.part")
SHOWN_NAMES = 20  # of each kind; more are counted


@dataclass(frozen=True, slots=True, repr=False)
class FolderReport:
    """How a folder compares with an archive, by names in the listing. `print()` shows it.

    Attributes:
        path: The folder.
        right: Files with the very size and CRC-32 of the archive.
        missing: Files that are not there, those with names no disk may have included.
        different: Files with another content.
        extra: Files that are not in the archive, relative to the folder; not those that an
            interrupted download keeps in order to continue.
    """

    path: Path
    right: list[str]
    missing: list[str]
    different: list[str]
    extra: list[str]

    @property
    def is_complete(self) -> bool:
        """Whether everything of the archive is there and right."""
        return not self.missing and not self.different

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        kinds = ("right", "missing", "different", "extra")
        return {"path": str(self.path), **{kind: getattr(self, kind) for kind in kinds}}

    def __str__(self) -> str:
        kinds = {"missing": self.missing, "different": self.different, "extra": self.extra}
        counts = [f"{len(self.right)} right", *(f"{len(kinds[kind])} {kind}" for kind in kinds)]
        lines = [f"{safe_text(self.path, 4096)}: {', '.join(counts)}"]
        for kind, names in kinds.items():
            lines += [f"  {kind:<9}  {safe_text(name, 4096)}" for name in names[:SHOWN_NAMES]]
            if len(names) > SHOWN_NAMES:
                lines.append(f"  {kind:<9}  … and {len(names) - SHOWN_NAMES} more")
        return "\n".join(lines)

    __repr__ = __str__


def check_folder(listing: Listing, path: Path) -> FolderReport:
    """Reads the folder; nothing is fetched, nothing is changed."""
    if not path.is_dir():
        return FolderReport(path.absolute(), [], list(dict.fromkeys(listing.names)), [], [])
    folder = OutputFolder(path)
    try:
        return _compared(listing, folder)
    finally:
        folder.close()


def local_states(listing: Listing, path: Path, *, read_bytes: int) -> dict[int, LocalState]:
    """What a folder has of an archive, by rows of the listing, without those that are not there.

    Quicker than `check_folder`, and never long: contents are compared as far as `read_bytes` go, of
    the other files only the sizes (`same-size`).
    """
    if not path.is_dir():
        return {}
    states: dict[int, LocalState] = {}
    folder = OutputFolder(path)
    try:
        for row, name in enumerate(listing.names):
            size = listing.sizes[row]
            try:
                found = folder.size(disk_parts(name))
            except DownloadError:
                continue
            if found is None:
                continue
            states[row] = "same-size" if found == size else "different"
            if found == size <= read_bytes:
                read_bytes -= size
                crc = listing.directory.crcs[listing.members[row]]
                is_same = folder.holds(disk_parts(name), size, crc)
                states[row] = "same" if is_same else "different"
    finally:
        folder.close()
    return states


def _compared(listing: Listing, folder: OutputFolder) -> FolderReport:
    right: list[str] = []
    missing: list[str] = []
    different: list[str] = []
    known: set[str] = set()
    for row, name in enumerate(listing.names):
        try:
            parts = disk_parts(name)
            known.add("/".join(parts))
            there = folder.existing(parts)
        except DownloadError:
            there = "absent"
        crc = listing.directory.crcs[listing.members[row]]
        if there == "absent":
            missing.append(name)
        elif there == "file" and folder.holds(parts, listing.sizes[row], crc):
            right.append(name)
        else:
            different.append(name)
    extra = [name for name in _files_below(folder.path) if name not in known]
    return FolderReport(folder.path, right, missing, different, extra)


def _files_below(path: Path) -> list[str]:
    found: list[str] = []
    for base, folders, files in os.walk(path):
        # What an interrupted download keeps for the next one is not reported as extra.
        folders[:] = sorted(name for name in folders if not name.startswith(journal.PREFIX))
        inside = os.path.relpath(base, path).replace(os.sep, "/")
        names = sorted(name for name in files if not _TEMPORARY.fullmatch(name))
        found += [name if inside == "." else f"{inside}/{name}" for name in names]
    return found
