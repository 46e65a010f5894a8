"""The single writer of output files: safe names in, verified files out.

A member's bytes go to a marked temporary name in the folder where the file will be; after its size
and CRC-32 matched it is flushed and renamed once. Folders are opened one below the other relative
to a handle, without following links, so that a link planted earlier leads nowhere. Where the
system has no such calls (Windows), each folder on the way is checked instead.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import sys
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal

from inductiva_widgets.errors import (
    DestinationError,
    DiskFullError,
    DownloadError,
    UnsafeMemberError,
)
from inductiva_widgets.formats import file_size, safe_text
from inductiva_widgets.outputs.inflate import Decoder, crc32

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inductiva_widgets.outputs.archive import Member

__all__ = [
    "Existing",
    "MemberFile",
    "OutputFolder",
    "Overwrite",
    "TemporaryFile",
    "check_kind",
    "disk_parts",
]

Overwrite = Literal["error", "skip", "replace", "rename"]
Existing = Literal["absent", "file", "other"]

MAX_NAME_BYTES = 255  # of one component, on every file system in use
MAX_PATH_BYTES = 4000  # Linux stops at 4,096 with the target folder
READ_BYTES = 1 << 20
SMALL_FILE_BYTES = 1 << 20
FREE_SPACE_MARGIN_BYTES = 1 << 20

_HAS_HANDLES = {os.open, os.mkdir, os.rename, os.unlink, os.stat} <= os.supports_dir_fd
_O_DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)
_O_FILE: int = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

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


def _unsafe(name: str, why: str) -> UnsafeMemberError:
    return UnsafeMemberError(f"{safe_text(name) or 'A name'} {why}.")


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


class OutputFolder:
    """The folder that a download writes to. Safe to share between threads.

    Attributes:
        path: The folder, absolute.
    """

    def __init__(self, path: Path, *, with_handles: bool = _HAS_HANDLES) -> None:
        self.path = path.absolute()
        with _translated(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            # The target itself may be a link: the user chose it. Nothing below it is followed.
            self._fd = os.open(self.path, os.O_RDONLY | _O_DIRECTORY) if with_handles else None

    def close(self) -> None:
        """Gives the handle back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def open(self, folders: tuple[str, ...], *, create: bool) -> _Place:
        """The folder below this one. Raises `FileNotFoundError` when absent and not to be made."""
        place = _Place(str(self.path), None if self._fd is None else os.dup(self._fd))
        for name in folders:
            try:
                inner = place.step(name, create=create)
            finally:
                place.close()
            place = inner
        return place

    def check_room(self, needed_bytes: int) -> None:
        """Raises `DiskFullError` when the folder's disk has not the room."""
        with _translated(self.path):
            free = shutil.disk_usage(self.path).free
        if needed_bytes and needed_bytes + FREE_SPACE_MARGIN_BYTES > free:
            raise DiskFullError(
                f"{file_size(needed_bytes)} are needed in {self.path}, {file_size(free)} are free.",
                hint="Make room, choose fewer files, or another folder.",
            )

    def make_folder(self, parts: tuple[str, ...]) -> None:
        """Makes an empty output folder."""
        with _translated(self.path.joinpath(*parts)):
            self.open(parts, create=True).close()

    def existing(self, parts: tuple[str, ...]) -> Existing:
        """What is already there under a name."""
        with _translated(_joined(self.path, parts)):
            try:
                place = self.open(parts[:-1], create=False)
                with contextlib.closing(place):
                    mode = place.lstat(parts[-1]).st_mode
            except FileNotFoundError:
                return "absent"
        return "file" if stat.S_ISREG(mode) else "other"

    def holds(self, parts: tuple[str, ...], size: int, crc: int) -> bool:
        """Whether a file with exactly this content is already there."""
        with contextlib.suppress(OSError):
            place = self.open(parts[:-1], create=False)
            with contextlib.closing(place):
                status = place.lstat(parts[-1])
                if not stat.S_ISREG(status.st_mode) or status.st_size != size:
                    return False
                with place.open_read(parts[-1]) as file:
                    found = 0
                    while piece := file.read(READ_BYTES):
                        found = crc32(piece, found)
                return found & 0xFFFFFFFF == crc
        return False

    def free_name(self, parts: tuple[str, ...], taken: set[tuple[str, ...]]) -> tuple[str, ...]:
        """`name (1).ext` with the first number that nothing here and nothing in `taken` has."""
        stem, dot, extension = parts[-1].rpartition(".")
        if not stem:
            stem, dot, extension = parts[-1], "", ""
        number = 1
        while True:
            candidate = (*parts[:-1], f"{stem} ({number}){dot}{extension}")
            if candidate not in taken and self.existing(candidate) == "absent":
                return candidate
            number += 1


class _Place:
    """One open folder. Names in calls are single components."""

    def __init__(self, path: str, fd: int | None) -> None:
        self.path = path
        self._fd = fd

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def step(self, name: str, *, create: bool) -> _Place:
        path = f"{self.path}{os.sep}{name}"
        try:
            return self._enter(name, path)
        except FileNotFoundError:
            if not create:
                raise
        with contextlib.suppress(FileExistsError):  # made by another worker meanwhile
            os.mkdir(self._at(name), dir_fd=self._fd)
        return self._enter(name, path)

    def _enter(self, name: str, path: str) -> _Place:
        if self._fd is not None:
            flags = os.O_RDONLY | _O_DIRECTORY | _O_FILE
            return _Place(path, os.open(name, flags, dir_fd=self._fd))
        if not stat.S_ISDIR(os.lstat(path).st_mode) or _is_junction(path):
            raise NotADirectoryError(errno.ENOTDIR, "not a folder", path)
        return _Place(path, None)

    def lstat(self, name: str) -> os.stat_result:
        return os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False)

    def open_read(self, name: str) -> IO[bytes]:
        fd = os.open(self._at(name), os.O_RDONLY | _O_FILE, dir_fd=self._fd)
        return os.fdopen(fd, "rb", buffering=0)

    def create(self, name: str, mode: int) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _O_FILE
        return os.open(self._at(name), flags, mode, dir_fd=self._fd)

    def rename(self, old: str, new: str) -> None:
        os.replace(self._at(old), self._at(new), src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def unlink(self, name: str) -> None:
        os.unlink(self._at(name), dir_fd=self._fd)

    def _at(self, name: str) -> str:
        return name if self._fd is not None else f"{self.path}{os.sep}{name}"


class TemporaryFile:
    """A marked file that becomes the final one by one rename, or goes away."""

    def __init__(self, folder: OutputFolder, parts: tuple[str, ...], *, mode: int = 0o666) -> None:
        self._folder = folder
        self._parts = parts
        self._path = _joined(folder.path, parts)
        self._seek_lock = threading.Lock()
        with _translated(self._path):
            self._place = folder.open(parts[:-1], create=True)
            try:
                self._name = _temporary_name(parts[-1])
                self.fd = self._place.create(self._name, mode)
            except BaseException:
                self._place.close()
                raise
        self._is_open = True

    def write(self, data: bytes) -> None:
        """Appends; a full disk is told apart from all else."""
        with _translated(self._path):
            view = memoryview(data)
            while view:
                view = view[os.write(self.fd, view) :]

    def write_at(self, offset: int, data: bytes) -> None:
        """Writes at a place, for parts that come out of order; from any thread."""
        with _translated(self._path):
            view = memoryview(data)
            while view:
                with self._seek_lock:  # Windows has no pwrite
                    os.lseek(self.fd, offset, os.SEEK_SET)
                    written = os.write(self.fd, view)
                view, offset = view[written:], offset + written

    def read_at(self, offset: int, size_bytes: int) -> bytes:
        """Up to `size_bytes` of what was written."""
        with _translated(self._path), self._seek_lock:
            os.lseek(self.fd, offset, os.SEEK_SET)
            return os.read(self.fd, size_bytes)

    def size(self) -> int:
        """Bytes written so far."""
        return os.fstat(self.fd).st_size

    def clear(self) -> None:
        """Begins anew."""
        os.ftruncate(self.fd, 0)

    def publish(self, name: str | None = None, *, replace: bool, flush: bool) -> None:
        """Gives the file its final name, or another one in the same folder.

        Raises:
            DestinationError: Something appeared there meanwhile and must not be replaced.
        """
        with _translated(self._path):
            try:
                if flush:
                    os.fsync(self.fd)
                os.close(self.fd)
                self._is_open = False
                final = name or self._parts[-1]
                if not replace:
                    self._refuse_existing(final)
                self._place.rename(self._name, final)
            except BaseException:
                self.discard()
                raise
            self._place.close()

    def _refuse_existing(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._place.lstat(name)
            raise DestinationError(
                f"{self._path} appeared during the download and is kept.",
                hint='overwrite="replace" replaces it.',
            )

    def discard(self) -> None:
        """Removes the temporary file; harmless after `publish`."""
        with contextlib.suppress(OSError):
            if self._is_open:
                self._is_open = False
                os.close(self.fd)
            self._place.unlink(self._name)
        self._place.close()


@dataclass(slots=True)
class MemberFile:
    """Unpacks one member into its file. Used by one thread at a time."""

    folder: OutputFolder
    member: Member
    parts: tuple[str, ...]
    replace: bool
    _decoder: Decoder | None = None
    _temporary: TemporaryFile | None = None

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

    def write_empty(self) -> bool:
        """Makes the file of a member without content: nothing has to be fetched for it."""
        self._publish()
        return True

    def discard(self) -> None:
        """Forgets what came so far; the member can be fed again from its start."""
        if self._temporary is not None:
            self._temporary.discard()
        self._temporary = self._decoder = None

    def _open(self) -> TemporaryFile:
        if self._temporary is None:
            # The execute bit is the one right that an archive may give.
            mode = 0o777 if (self.member.attributes >> 16) & stat.S_IXUSR else 0o666
            self._temporary = TemporaryFile(self.folder, self.parts, mode=mode)
        return self._temporary

    def _publish(self) -> None:
        temporary = self._open()
        self._temporary = None
        # Flushing each small new file costs milliseconds and protects nothing that existed before:
        # lost in a power cut, it is found different and fetched again. What replaces a file is
        # always flushed.
        flush = self.replace or self.member.size >= SMALL_FILE_BYTES
        temporary.publish(replace=self.replace, flush=flush)


def _temporary_name(name: str) -> str:
    # Cut by bytes, or a long name would be too long with its mark.
    head = os.fsdecode(os.fsencode(name)[: MAX_NAME_BYTES - 32]).encode("utf-8", "ignore")
    return f".{head.decode('utf-8', 'ignore')}.{secrets.token_hex(6)}.part"


def _joined(path: Path, parts: tuple[str, ...]) -> str:
    # As text: for 100,000 files pathlib would cost seconds.
    return f"{path}{os.sep}{os.sep.join(parts)}"  # noqa: PTH118


def _is_junction(path: str) -> bool:
    # os.path.isjunction came with Python 3.12.
    attributes = getattr(os.lstat(path), "st_file_attributes", 0)
    return bool(attributes & getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0))


@contextlib.contextmanager
def _translated(path: Path | str) -> Iterator[None]:
    """Turns errors of the file system into ours, with the path that could not be written."""
    try:
        yield
    except DownloadError:
        raise
    except OSError as error:
        shown = safe_text(path, limit=1000)
        if error.errno in _NO_ROOM:
            raise DiskFullError(
                f"No room left while writing {shown}.",
                hint="Make room, then download again: what is complete is kept.",
            ) from error
        reason = error.strerror or type(error).__name__
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            reason = "a folder on the way is a link or a file"
        raise DestinationError(f"{shown} cannot be written: {reason}.") from error
