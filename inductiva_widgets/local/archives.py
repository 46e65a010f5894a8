"""Zip archives: inputs unpacked safely, outputs packed in the layout of the service."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import BadArchiveError, UnsafeMemberError
from inductiva_widgets.local import log_ring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["Packed", "Snapshot", "list_folder", "member_range", "pack", "snapshot", "unpack"]

Snapshot = dict[str, tuple[int, int, int]]
MAX_MEMBERS = 200_000
COPY_BYTES = 1 << 20
PACK_LEVEL = 1  # packing must not take longer than the run
LOCAL_HEADER_BYTES = 30  # APPNOTE § 4.3.7; name and extra field follow
PRESENT_ROOT = "artifacts/"


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed: number of files and the sum of their sizes."""

    files: int
    size_bytes: int


def unpack(archive: Path, folder: Path, *, limit_bytes: int) -> int:
    """Unpacks an archive into a new folder and returns the sum of the file sizes.

    Raises:
        UnsafeMemberError: A name that would leave the folder, or a link or device.
        BadArchiveError: No zip archive, damaged, or larger than allowed.
    """
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive) as source:
            members = source.infolist()
            total = sum(member.file_size for member in members)
            if len(members) > MAX_MEMBERS or total > limit_bytes:
                raise BadArchiveError(
                    f"The inputs hold {len(members)} files and {total} bytes unpacked,"
                    " which is more than the local engine takes."
                )
            for member in members:
                _unpack_member(source, member, folder)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise BadArchiveError(f"The uploaded inputs cannot be unpacked: {error}.") from error
    return total


def _unpack_member(source: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    mode = member.external_attr >> 16
    target = folder / _safe_name(member.filename)
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UnsafeMemberError(f"The inputs hold {member.filename!r}, which is no ordinary file.")
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open(member) as packed, target.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked, COPY_BYTES)
    if mode & 0o111:
        target.chmod(0o700 | (mode & 0o077))


def _safe_name(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    unsafe = "\\" in name or "\0" in name or path.is_absolute() or ".." in path.parts
    if unsafe or not path.parts or (os.name == "nt" and ":" in name):
        raise UnsafeMemberError(f"The inputs hold a file with the unsafe name {name!r}.")
    return path


def snapshot(folder: Path) -> Snapshot:
    """Size, time of change and inode of every file below a folder, by relative path."""
    found: Snapshot = {}
    for path, status in _files(folder):
        found[path.relative_to(folder).as_posix()] = _mark(status)
    return found


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _files(folder: Path) -> Iterable[tuple[Path, os.stat_result]]:
    """Regular files, in order of name; links are neither followed nor listed."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(root, name)
            try:
                status = path.lstat()
            except FileNotFoundError:  # removed while we look
                continue
            if stat.S_ISREG(status.st_mode):
                yield path, status


def pack(folder: Path, unchanged: Snapshot, extra: Mapping[str, Path], target: Path) -> Packed:
    """Packs what a run made or changed, under `artifacts/`.

    Args:
        folder: Where the commands ran.
        unchanged: Snapshot of the inputs; files that still look like it are left out.
        extra: Files of the engine by member name. They keep their names: a file of the run that is
            called the same is packed as `run-<name>`.
        target: The archive; it appears under this name only when it is complete.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            packed = _pack_files(archive, folder, unchanged, extra)
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return packed


def _pack_files(
    archive: zipfile.ZipFile, folder: Path, unchanged: Snapshot, extra: Mapping[str, Path]
) -> Packed:
    count = total = 0
    folders = {PRESENT_ROOT}
    _add_folder(archive, PRESENT_ROOT)
    for path, status in _files(folder):
        name = path.relative_to(folder).as_posix()
        if unchanged.get(name) == _mark(status):
            continue
        for parent in reversed(PurePosixPath(name).parents):
            entry = f"{PRESENT_ROOT}{_unicode(parent.as_posix())}/"
            if parent.parts and entry not in folders:
                folders.add(entry)
                _add_folder(archive, entry)
        count += 1
        total += _add_file(archive, path, f"run-{name}" if name in extra else name)
    for name, path in extra.items():
        count += 1
        total += _add_file(archive, path, name, log_ring.stored_blocks)
    return Packed(count, total)


def _add_folder(archive: zipfile.ZipFile, name: str) -> None:
    entry = zipfile.ZipInfo(name, _zip_time(None))
    entry.external_attr = (stat.S_IFDIR | 0o755) << 16 | 0x10
    archive.writestr(entry, b"")


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while block := source.read(COPY_BYTES):
            yield block


def _add_file(
    archive: zipfile.ZipFile,
    path: Path,
    name: str,
    blocks: Callable[[Path], Iterator[bytes]] = _blocks,
) -> int:
    if not os.access(path, os.R_OK):
        path.chmod(0o600)  # the run took its own right to read away
    status = path.stat()
    entry = zipfile.ZipInfo(PRESENT_ROOT + _unicode(name), _zip_time(status.st_mtime))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry._compresslevel = PACK_LEVEL  # type: ignore[attr-defined]  # noqa: SLF001 - public only from Python 3.13 on
    entry.external_attr = (stat.S_IFREG | (status.st_mode & 0o777)) << 16
    entry.file_size = status.st_size  # lets zipfile choose Zip64 where it is needed
    with archive.open(entry, "w") as target:
        for block in blocks(path):
            target.write(block)
    return entry.file_size


def _unicode(name: str) -> str:
    """A name that is valid UTF-8: the bytes that are not become `?`."""
    return name.encode("utf-8", "replace").decode()


def _zip_time(timestamp: float | None) -> tuple[int, int, int, int, int, int]:
    moment = datetime.now(timezone.utc)
    if timestamp is not None:
        moment = datetime.fromtimestamp(timestamp, timezone.utc)
    year = min(max(moment.year, 1980), 2107)  # all that the format can hold
    return year, moment.month, moment.day, moment.hour, moment.minute, moment.second


def list_folder(archive: Path, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    """Files (and, not recursively, folders) below a folder of an archive."""
    prefix = folder.strip("/") + "/" if folder.strip("/") else ""
    contents: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(archive) as source, archive.open("rb") as raw:
        for member in source.infolist():
            if not member.filename.startswith(prefix) or member.filename == prefix:
                continue
            name = member.filename[len(prefix) :]
            first, slash, _ = name.partition("/")
            if not recursive and slash:
                contents.setdefault(first + "/", _entry(first + "/", member, 0, folder=True))
            elif not member.is_dir():
                contents[name] = _entry(name, member, _data_start(raw, member), folder=False)
    return list(contents.values())


def _entry(name: str, member: zipfile.ZipInfo, start: int, *, folder: bool) -> dict[str, Any]:
    try:
        moment = datetime(*member.date_time, tzinfo=timezone.utc)
    except ValueError:  # a date that no calendar has
        moment = datetime(1980, 1, 1, tzinfo=timezone.utc)
    return {
        "name": name,
        "size": 0 if folder else member.file_size,
        "compressed_size": 0 if folder else member.compress_size,
        "range_start": None if folder else start,
        "creation_time": moment.isoformat(timespec="microseconds"),
        "compress_type": 0 if folder else member.compress_type,
    }


def member_range(archive: Path, folder: str, filename: str) -> dict[str, int] | None:
    """Inclusive byte range of a member's packed data (`GET /storage/zip-file-range`), or `None`."""
    prefix = folder.strip("/") + "/" if folder.strip("/") else ""
    with zipfile.ZipFile(archive) as source, archive.open("rb") as raw:
        try:
            member = source.getinfo(prefix + filename)
        except KeyError:
            return None
        if member.is_dir():
            return None
        start = _data_start(raw, member)
        return {
            "range_start": start,
            "range_end": start + member.compress_size - 1,
            "compress_type": member.compress_type,
        }


def _data_start(raw: Any, member: zipfile.ZipInfo) -> int:  # noqa: ANN401 - any binary file
    raw.seek(member.header_offset)
    header = raw.read(LOCAL_HEADER_BYTES)
    name_length = int.from_bytes(header[26:28], "little")
    extra_length = int.from_bytes(header[28:30], "little")
    return member.header_offset + LOCAL_HEADER_BYTES + name_length + extra_length
