"""A local folder compared with the archive: what is missing, different, or not from there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inductiva_widgets.errors import DownloadError
from inductiva_widgets.outputs.folder import OutputFolder
from inductiva_widgets.outputs.names import disk_parts

if TYPE_CHECKING:
    from pathlib import Path

    from inductiva_widgets.outputs.listing import Listing

__all__ = ["FolderReport", "check_folder"]


@dataclass(frozen=True, slots=True)
class FolderReport:
    """What a folder has of an archive, by names in the listing.

    Attributes:
        right: Files with the very size and CRC-32 of the archive.
        missing: Files that are not there, those with names no disk may have included.
        different: Files with another content.
        extra: Files that are not in the archive, relative to the folder; temporary ones included.
    """

    right: list[str]
    missing: list[str]
    different: list[str]
    extra: list[str]

    @property
    def is_complete(self) -> bool:
        """Whether everything of the archive is there and right."""
        return not self.missing and not self.different

    def __str__(self) -> str:
        counts = {
            "right": self.right,
            "missing": self.missing,
            "different": self.different,
            "extra": self.extra,
        }
        return ", ".join(f"{len(names)} {word}" for word, names in counts.items())


def check_folder(listing: Listing, path: Path) -> FolderReport:
    """Reads the folder; nothing is fetched, nothing is changed."""
    if not path.is_dir():
        return FolderReport([], list(dict.fromkeys(listing.names)), [], [])
    folder = OutputFolder(path)
    try:
        return _compared(listing, folder)
    finally:
        folder.close()


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
    return FolderReport(right, missing, different, extra)


def _files_below(path: Path) -> list[str]:
    found: list[str] = []
    for base, _, files in os.walk(path):
        inside = os.path.relpath(base, path).replace(os.sep, "/")
        found += sorted(name if inside == "." else f"{inside}/{name}" for name in files)
    return found
