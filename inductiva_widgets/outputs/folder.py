"""The folder that a download writes to, and the temporary files in it.

Folders are opened one below the other relative to a handle, without following links, so that a link
planted earlier leads nowhere. Where the system has no such calls (Windows), each folder on the way
is checked instead. A final name is made by one rename of a temporary file in the same folder.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import secrets
import shutil
import stat
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from inductiva_widgets.errors import DestinationError, DiskFullError, DownloadError
from inductiva_widgets.formats import file_size, safe_text
from inductiva_widgets.outputs.inflate import crc32
from inductiva_widgets.outputs.renames import rename_if_absent

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Existing",
    "OpenFolder",
    "OutputFolder",
    "Overwrite",
    "RenameRefusedError",
    "as_ours",
    "translated",
    "write_all",
]

Overwrite = Literal["error", "skip", "replace", "rename"]
Existing = Literal["absent", "file", "other"]

READ_BYTES = 1 << 20
FREE_SPACE_MARGIN_BYTES = 1 << 20
OPEN_FOLDERS = 32
RENAME_WITHIN_S = 2.0  # a virus scanner on Windows may hold a file that was just written

_IS_WINDOWS = os.name == "nt"
_HAS_HANDLES = {os.open, os.mkdir, os.rename, os.unlink, os.stat} <= os.supports_dir_fd
_O_DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)
_O_FILE: int = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
_O_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | _O_FILE
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class RenameRefusedError(PermissionError):
    """A whole file does not get its final name, because another program holds one of the two.

    Attributes:
        kept: Its marked name, in the same folder.
    """

    def __init__(self, error: PermissionError, kept: str) -> None:
        super().__init__(error.errno, error.strerror)
        self.kept = kept


class OutputFolder:
    """The folder that a download writes to. Safe to share between threads.

    Attributes:
        path: The folder, absolute.
        token: Marks this download's temporary files.
    """

    def __init__(self, path: Path, *, with_handles: bool = _HAS_HANDLES) -> None:
        self.path = path.absolute()
        self.token = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, ...], OpenFolder] = OrderedDict()
        self._absent: set[tuple[str, ...]] = set()
        self._is_closed = False
        with translated(str(self.path)):
            self.path.mkdir(parents=True, exist_ok=True)
            # The target itself may be a link: the user chose it. Nothing below it is followed.
            self._fd = os.open(self.path, os.O_RDONLY | _O_DIRECTORY) if with_handles else None

    def close(self) -> None:
        """Gives the handles back; nothing can be opened afterwards."""
        with self._lock:
            self._is_closed = True
            kept, self._open = self._open, OrderedDict()
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
        for place in kept.values():
            place.close()

    def open(self, folders: tuple[str, ...], *, create: bool) -> OpenFolder:
        """A folder below this one, to be closed; `FileNotFoundError` when absent and not made."""
        with self._lock:
            if self._is_closed:
                raise OSError(errno.EBADF, "the download has ended")
            place = OpenFolder(str(self.path), None if self._fd is None else os.dup(self._fd))
        for name in folders:
            try:
                inner = place.step(name, create=create)
            finally:
                place.close()
            place = inner
        return place

    @contextlib.contextmanager
    def borrow(self, folders: tuple[str, ...], *, create: bool) -> Iterator[OpenFolder]:
        """The same from the few that are kept open: 100,000 files are in few folders."""
        place = self._acquire(folders, create=create)
        try:
            yield place
        finally:
            self._give_back(folders, place)

    def _acquire(self, folders: tuple[str, ...], *, create: bool) -> OpenFolder:
        with self._lock:
            place = self._open.pop(folders, None)
        return place or self.open(folders, create=create)

    def _give_back(self, folders: tuple[str, ...], place: OpenFolder) -> None:
        with self._lock:
            if self._is_closed:
                dropped: OpenFolder | None = place
            else:
                dropped = self._open.pop(folders, None)  # another thread's
                self._open[folders] = place
                if dropped is None and len(self._open) > OPEN_FOLDERS:
                    dropped = self._open.popitem(last=False)[1]
        if dropped is not None:
            dropped.close()

    def write_small(
        self, parts: tuple[str, ...], content: bytes | memoryview, mode: int, *, replace: bool
    ) -> bool:
        """A whole file by as few calls as can be; `False` when the name is taken.

        Making them is what 100,000 files cost: no handle, lock or path more than needed.
        """
        folders, temporary = parts[:-1], f".{self.token}-{next(self._numbers)}.part"
        try:
            place = self._acquire(folders, create=True)
            try:
                return place.write_file(temporary, parts[-1], content, mode, replace=replace)
            finally:
                self._give_back(folders, place)
        except OSError as error:
            raise as_ours(error, self.shown(parts)) from error

    def temporary_name(self, number: int | None = None) -> str:
        """A marked name, used once; number 0 is for what a journal continues with."""
        return f".{self.token}-{next(self._numbers) if number is None else number}.part"

    def remove_temporaries(self, token: str, *, keep_first: bool) -> None:
        """Removes what a download that ended badly left under its token; number 0 may be kept."""
        marked = re.compile(
            rf"\.{re.escape(token)}-{'[1-9]' if keep_first else ''}\d*\.part", re.DOTALL
        )
        if self._fd is not None and hasattr(os, "fwalk"):
            for _, _, files, fd in os.fwalk(".", dir_fd=self._fd, follow_symlinks=False):
                for name in filter(marked.fullmatch, files):
                    with contextlib.suppress(OSError):
                        os.unlink(name, dir_fd=fd)
            return
        for base, folders, files in os.walk(self.path):
            folders[:] = [name for name in folders if not _is_junction(f"{base}{os.sep}{name}")]
            for name in filter(marked.fullmatch, files):
                with contextlib.suppress(OSError):
                    Path(base, name).unlink()

    def free_bytes(self) -> int:
        """Room on the folder's disk."""
        with translated(str(self.path)):
            return shutil.disk_usage(self.path).free - FREE_SPACE_MARGIN_BYTES

    def check_room(self, needed_bytes: int) -> None:
        """Raises `DiskFullError` when the folder's disk has not the room."""
        if needed_bytes and needed_bytes > (free := self.free_bytes()):
            raise DiskFullError(
                f"{file_size(needed_bytes)} are needed in {self.path}, "
                f"{file_size(max(0, free))} are free.",
                hint="Make room, choose fewer files, or another folder.",
            )

    def make_folder(self, parts: tuple[str, ...]) -> None:
        """Makes an empty output folder."""
        with translated(self.shown(parts)), self.borrow(parts, create=True):
            pass

    def existing(self, parts: tuple[str, ...]) -> Existing:
        """What is already there under a name."""
        folders = parts[:-1]
        if folders in self._absent:
            return "absent"
        with translated(self.shown(parts)):
            try:
                with self.borrow(folders, create=False) as place:
                    mode = place.mode(parts[-1])
            except FileNotFoundError:
                self._absent.add(folders)  # asked before anything is written: it stays so
                return "absent"
        if mode is None:
            return "absent"
        return "file" if stat.S_ISREG(mode) else "other"

    def size(self, parts: tuple[str, ...]) -> int | None:
        """Bytes of the file under a name; -1 if it is not a file, `None` if there is nothing."""
        folders = parts[:-1]
        if folders in self._absent:
            return None
        with translated(self.shown(parts)):
            try:
                with self.borrow(folders, create=False) as place:
                    return place.size(parts[-1])
            except FileNotFoundError:
                self._absent.add(folders)
                return None

    def names(self, parts: tuple[str, ...]) -> list[str]:
        """What is in a folder; nothing where there is none."""
        with translated(self.shown(parts)):
            try:
                with self.borrow(parts, create=False) as place:
                    return place.names()
            except FileNotFoundError:
                return []

    def holds(self, parts: tuple[str, ...], size: int, crc: int) -> bool:
        """Whether a file with exactly this content is already there."""
        with contextlib.suppress(OSError), self.borrow(parts[:-1], create=False) as place:
            with place.open_read(parts[-1]) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or status.st_size != size:
                    return False
                found = 0
                while piece := file.read(READ_BYTES):
                    found = crc32(piece, found)
            return found & 0xFFFFFFFF == crc
        return False

    def remove(self, parts: tuple[str, ...]) -> None:
        """Removes a file."""
        with contextlib.suppress(OSError), self.borrow(parts[:-1], create=False) as place:
            place.unlink(parts[-1])

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

    def folds_names(self, one: str, other: str) -> bool:
        """Whether this very file system takes two names for the same: asked, never guessed."""
        mark = self.temporary_name()
        with contextlib.suppress(OSError), self.borrow((), create=False) as place:
            os.close(place.create(f"{mark}{one}", 0o600))
            try:
                return place.mode(f"{mark}{other}") is not None
            finally:
                place.unlink(f"{mark}{one}")
        return False

    def shown(self, parts: tuple[str, ...]) -> str:
        """Full path of a member, for messages."""
        # As text: for 100,000 files pathlib would cost seconds.
        return f"{self.path}{os.sep}{os.sep.join(parts)}"  # noqa: PTH118


class OpenFolder:
    """One open folder. Names in calls are single components."""

    def __init__(self, path: str, fd: int | None) -> None:
        self.path = path
        self._fd = fd

    def close(self) -> None:
        """Gives the handle back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def step(self, name: str, *, create: bool) -> OpenFolder:
        """The folder `name` in this one."""
        path = f"{self.path}{os.sep}{name}"
        try:
            return self._enter(name, path)
        except FileNotFoundError:
            if not create:
                raise
        with contextlib.suppress(FileExistsError):  # made by another worker meanwhile
            os.mkdir(self._at(name), dir_fd=self._fd)
        return self._enter(name, path)

    def _enter(self, name: str, path: str) -> OpenFolder:
        if self._fd is not None:
            flags = os.O_RDONLY | _O_DIRECTORY | _O_FILE
            return OpenFolder(path, os.open(name, flags, dir_fd=self._fd))
        if not stat.S_ISDIR(os.lstat(path).st_mode) or _is_junction(path):
            raise NotADirectoryError(errno.ENOTDIR, "not a folder", path)
        return OpenFolder(path, None)

    def names(self) -> list[str]:
        """What is in it."""
        return os.listdir(self.path if self._fd is None else self._fd)  # noqa: PTH208 - by handle

    def mode(self, name: str) -> int | None:
        """Kind and rights of what has this name, links not followed; `None` when nothing has."""
        try:
            status = os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return status.st_mode

    def size(self, name: str) -> int | None:
        """Bytes of a file, links not followed; -1: it is not a file, `None`: nothing is there."""
        try:
            status = os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else -1

    def open_read(self, name: str) -> IO[bytes]:
        """An existing file; a pipe in its place does not block."""
        flags = os.O_RDONLY | _O_FILE | getattr(os, "O_NONBLOCK", 0)
        fd = os.open(self._at(name), flags, dir_fd=self._fd)
        return os.fdopen(fd, "rb", buffering=0)

    def create(self, name: str, mode: int) -> int:
        """Handle of a new file."""
        return os.open(self._at(name), _O_CREATE, mode, dir_fd=self._fd)

    def write_file(
        self, temporary: str, name: str, content: bytes | memoryview, mode: int, *, replace: bool
    ) -> bool:
        """Writes a temporary file and renames it; `False` when the name is taken."""
        fd = os.open(self._at(temporary), _O_CREATE, mode, dir_fd=self._fd)
        try:
            try:
                write_all(fd, content)
                if replace:
                    os.fsync(fd)
            finally:
                os.close(fd)
            if replace:
                self.rename(temporary, name)
            else:
                self.rename_new(temporary, name)
        except RenameRefusedError:
            raise
        except OSError as error:
            with contextlib.suppress(OSError):
                self.unlink(temporary)
            if isinstance(error, FileExistsError):
                return False
            raise
        return True

    def open_write(self, name: str, mode: int = 0o600) -> int:
        """Handle of a file that may be there already."""
        return os.open(self._at(name), os.O_RDWR | os.O_CREAT | _O_FILE, mode, dir_fd=self._fd)

    def rename_new(self, old: str, new: str) -> None:
        """The same where nothing has the new name, or `FileExistsError`."""
        if self._fd is not None and rename_if_absent(self._fd, old, new):
            return
        if self.mode(new) is not None:
            raise FileExistsError(new)
        self.rename(old, new)

    def rename(self, old: str, new: str) -> None:
        """Gives `old` the name `new`, in place of what has it.

        Raises:
            RenameRefusedError: Another program holds one of them for long; `old` stays.
            OSError: It failed in another way.
        """
        give_up_at = 0.0
        while True:
            try:
                os.replace(self._at(old), self._at(new), src_dir_fd=self._fd, dst_dir_fd=self._fd)
            except PermissionError as error:
                give_up_at = give_up_at or time.monotonic() + RENAME_WITHIN_S
                if not _IS_WINDOWS:
                    raise
                if time.monotonic() > give_up_at:
                    raise RenameRefusedError(error, old) from error
                time.sleep(0.05)
            else:
                return

    def unlink(self, name: str) -> None:
        """Removes a file."""
        os.unlink(self._at(name), dir_fd=self._fd)

    def remove_folder(self, name: str) -> None:
        """Removes an empty folder."""
        os.rmdir(self._at(name), dir_fd=self._fd)

    def _at(self, name: str) -> str:
        return name if self._fd is not None else f"{self.path}{os.sep}{name}"


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Writes all of it: the system may take less at a time."""
    written = os.write(fd, data)
    if written < len(data):
        view = memoryview(data)[written:]
        while view:
            view = view[os.write(fd, view) :]


def _is_junction(path: str) -> bool:
    # os.path.isjunction came with Python 3.12.
    attributes = getattr(os.lstat(path), "st_file_attributes", 0)
    return bool(attributes & getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0))


@contextlib.contextmanager
def translated(path: str, passed: type[OSError] | tuple[()] = ()) -> Iterator[None]:
    """Turns errors of the file system into ours, with the path that could not be written."""
    try:
        yield
    except DownloadError:
        raise
    except OSError as error:
        if isinstance(error, passed):
            raise
        raise as_ours(error, path) from error


def as_ours(error: OSError, path: str) -> DownloadError:
    """An error of the file system as ours."""
    shown = safe_text(path, limit=1000)
    if error.errno in _NO_ROOM:
        return DiskFullError(
            f"No room left while writing {shown}.",
            hint="Make room, then download again: what is complete is kept.",
        )
    if isinstance(error, RenameRefusedError):
        return DestinationError(
            f"{shown} is held by another program. What was fetched is whole and verified, and kept"
            f" beside it as {error.kept}.",
            hint="End that program, then rename the file, or remove it and download again.",
        )
    reason = error.strerror or type(error).__name__
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        reason = "a folder on the way is a link or a file"
    if error.errno == errno.EEXIST:
        reason = "it is a file, not a folder"
    return DestinationError(f"{shown} cannot be written: {reason}.", hint="Choose another folder.")
