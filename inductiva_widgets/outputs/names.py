"""The name under which a member may be written, always inside the target folder. Pure."""

from __future__ import annotations

import os
import re
import stat
import sys
from typing import TYPE_CHECKING

from inductiva_widgets.errors import UnsafeMemberError
from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inductiva_widgets.outputs.archive import Member

__all__ = ["MAX_NAME_BYTES", "are_plain", "check_kind", "disk_parts"]

MAX_NAME_BYTES = 255  # of one component, on every file system in use
MAX_PATH_BYTES = 4000  # Linux stops at 4,096 with the target folder

_PLAIN = re.compile(r"(?:[\w-][\w.+-]{0,250}/)*[\w-][\w.+-]{0,250}", re.ASCII)
_DRIVE = re.compile(r"[A-Za-z]:(?=[\\/]|$)")
_WINDOWS_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')
_WINDOWS_RESERVED = re.compile(
    r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)"
)


def disk_parts(name: str, *, windows: bool = sys.platform == "win32") -> tuple[str, ...]:
    """Folders and file name under which a member is written, below the target folder.

    On Windows what its file systems do not take is changed: `<>:"|?*` and control characters become
    `_`, names of devices get a `_` in front, a dot or space at the end becomes `_`.

    Raises:
        UnsafeMemberError: The name leads elsewhere, or no file system can hold it.
    """
    if _PLAIN.fullmatch(name) and not windows and len(name) < MAX_PATH_BYTES:
        return tuple(name.split("/"))  # as nearly all of 100,000 names
    if not name or "\0" in name:
        raise _unsafe(name, "is empty or holds a NUL")
    if name[0] in "/\\" or _DRIVE.match(name):
        raise _unsafe(name, "is an absolute path")
    if ".." in re.split(r"[/\\]", name):
        raise _unsafe(name, "leads out of the folder")
    if windows and "\\" in name:
        raise _unsafe(name, "holds a backslash")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts:
        raise _unsafe(name, "names no file")
    if windows:
        parts = [_windows_name(part) for part in parts]
    try:
        lengths = [len(os.fsencode(part)) for part in parts]
    except UnicodeEncodeError:
        raise _unsafe(name, "cannot be written by this system") from None
    if max(lengths) > MAX_NAME_BYTES or sum(lengths) + len(parts) > MAX_PATH_BYTES:
        raise _unsafe(name, "is too long for a file name")
    return tuple(parts)


def are_plain(names: Sequence[str], *, windows: bool = sys.platform == "win32") -> bool:
    """Whether `disk_parts` takes every one of these names as it is."""
    longest = max(map(len, names), default=0)
    return not windows and longest < MAX_PATH_BYTES and all(map(_PLAIN.fullmatch, names))


def _unsafe(name: str, why: str) -> UnsafeMemberError:
    # Cut, so that the reason is still seen where a message is cut.
    return UnsafeMemberError(f"{safe_text(name, 120) or 'A name'} {why}.")


def check_kind(member: Member) -> None:
    """Refuses everything but plain files and folders.

    Raises:
        UnsafeMemberError: A link, device, pipe or socket.
    """
    kind = stat.S_IFMT(member.attributes >> 16)
    expected = stat.S_IFDIR if member.name.endswith("/") else stat.S_IFREG
    if kind not in (0, expected):
        what = "a link" if kind == stat.S_IFLNK else "not a plain file"
        raise UnsafeMemberError(f"{safe_text(member.name)} is {what}.")


def _windows_name(part: str) -> str:
    part = _WINDOWS_FORBIDDEN.sub("_", part)
    if part[-1] in ". ":
        part = part[:-1] + "_"
    return f"_{part}" if _WINDOWS_RESERVED.match(part) else part
