"""A zip archive's directory, read out of the bytes at its end. Pure: the caller does the I/O.

Sources: APPNOTE 6.3.10 (§ 4.3.6 overall format, § 4.3.7 local header, § 4.3.12 directory,
§ 4.3.14–16 end records, § 4.5.3 zip64 field, Appendix D names) and the service's layout: every
output lies under `artifacts/`.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
import sys
import zlib
from array import array
from dataclasses import dataclass
from typing import NamedTuple

from inductiva_widgets.errors import ArchiveTooLargeError, BadArchiveError, CorruptMemberError
from inductiva_widgets.formats import safe_text

__all__ = [
    "BZIP2",
    "DEFLATED",
    "INPUTS",
    "LZMA",
    "MAX_LOCAL_HEADER_BYTES",
    "OUTPUTS",
    "STORED",
    "TAIL_BYTES",
    "Directory",
    "DirectoryNeed",
    "Layout",
    "Member",
    "local_header_bytes",
    "method_name",
    "read_directory",
]

STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
MAX_MEMBERS = 1_000_000
MAX_DIRECTORY_BYTES = 256 * 1000 * 1000

FLAG_ENCRYPTED = 1 << 0
FLAG_DESCRIPTOR = 1 << 3  # sizes and CRC follow the data, the local header may hold zeros
FLAG_UTF8 = 1 << 11

_END = struct.Struct("<4s4H2LH")
_LOCATOR64 = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY_BYTES = 46
_ENTRY_LENGTHS = struct.Struct("<3H")  # of name, extra field and comment
_ENTRY_SIGNATURE = b"PK\x01\x02"
_LOCAL = struct.Struct("<4s3HL3L2H")

# Unflagged names are cp437 (Appendix D.1), as `zipfile` reads them.
_CODINGS = {0: ("cp437", "strict"), FLAG_UTF8: ("utf-8", "replace")}

_MAX_COMMENT = 0xFFFF
_MAX16, _MAX32, _MAX64 = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
_ZIP64_FIELD = 0x0001
_UNICODE_PATH_FIELD = 0x7075  # "up" in the file

# The largest comment and every end record fit in, so one request always finds the end of the
# archive; a directory of about 1,500 members fits in as well.
TAIL_BYTES = 2 * (_MAX_COMMENT + _END.size + _LOCATOR64.size + _END64.size)
MAX_LOCAL_HEADER_BYTES = _LOCAL.size + 2 * 0xFFFF

_METHOD_NAMES = {
    0: "stored",
    8: "deflate",
    9: "deflate64",
    12: "bzip2",
    14: "lzma",
    93: "zstd",
    95: "xz",
    98: "ppmd",
    99: "AES",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which members of a stored archive are the user's files, and how they are called.

    Attributes:
        archive_name: Name of the archive itself.
        prefix: Folder in it that holds the files; their names are relative to it.
        beside: Members next to that folder that count as files, unless it has one of that name.
    """

    archive_name: str
    prefix: str
    beside: tuple[str, ...] = ()

    def name(self, member_name: str) -> str | None:
        """Name of the file or folder; `None` for other members, the prefix itself included."""
        if member_name.startswith(self.prefix) and len(member_name) > len(self.prefix):
            return member_name[len(self.prefix) :]
        return member_name if member_name in self.beside else None


OUTPUTS = Layout("output.zip", "artifacts/")
INPUTS = Layout("input.zip", "sim_dir/", beside=("input.json",))


@dataclass(frozen=True, slots=True)
class DirectoryNeed:
    """Bytes `[start, end)` of the archive that must stand before those already given."""

    start: int
    end: int


class Member(NamedTuple):
    """One entry of the directory; `header_name` is what its local header must say.

    A tuple: made in a fifth of the time of a frozen dataclass, for each of 100,000 members.
    """

    name: str
    header_name: str
    size: int
    packed_size: int
    crc: int
    method: int
    flags: int
    offset: int
    attributes: int

    @property
    def is_encrypted(self) -> bool:
        """Whether the data cannot be read without a password."""
        return bool(self.flags & FLAG_ENCRYPTED)


@dataclass(frozen=True, slots=True, eq=False)
class Directory:
    """All members in the order of the directory, as columns: 100,000 rows stay below 20 MB.

    Attributes:
        names: Names as decoded, folders end with `/`.
        sizes: Unpacked sizes in bytes.
        packed_sizes: Sizes in the archive.
        crcs: CRC-32 of the unpacked data.
        methods: Packing methods (0 stored, 8 deflate).
        flags: General purpose flags.
        offsets: Places of the local headers, counted from the first byte of the file.
        attributes: External attributes; the upper half is a Unix mode.
        header_names: Name in the local header by row, where another one (field 0x7075) is used.
        start: Offset of the directory itself: no member's data reaches beyond it.
        digest: Short hash of the directory's bytes: the same for the same archive.
    """

    names: list[str]
    sizes: array[int]
    packed_sizes: array[int]
    crcs: array[int]
    methods: array[int]
    flags: array[int]
    offsets: array[int]
    attributes: array[int]
    header_names: dict[int, str]
    start: int
    digest: str

    def __len__(self) -> int:
        return len(self.names)

    def member(self, index: int) -> Member:
        """One row as a record."""
        name = self.names[index]
        return Member(
            name,
            self.header_names.get(index, name),
            self.sizes[index],
            self.packed_sizes[index],
            self.crcs[index],
            self.methods[index],
            self.flags[index],
            self.offsets[index],
            self.attributes[index],
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one end record says the directory is. `prefix` bytes stand before the archive."""

    start: int
    size: int
    count: int
    prefix: int


def method_name(method: int) -> str:
    """Packing method in words."""
    return _METHOD_NAMES.get(method, f"method {method}")


def read_directory(window: bytes, total_bytes: int) -> Directory | DirectoryNeed:
    """Reads the directory out of the last bytes of an archive.

    Args:
        window: The end of the archive, at least `TAIL_BYTES` or all of it.
        total_bytes: Size of the whole archive.

    Returns:
        The directory, or the bytes still needed: fetch them, put them before `window`, call again.

    Raises:
        BadArchiveError: This is no zip archive, or a damaged one.
        ArchiveTooLargeError: More members than any simulation writes.
    """
    if total_bytes == 0:
        raise BadArchiveError("The archive is empty: 0 bytes.")
    base = total_bytes - len(window)
    places = _places(window, base)
    if isinstance(places, DirectoryNeed):
        return places
    # A comment can hold a made-up end record; what lists members wins over what lists none, and two
    # that both fit cannot be told apart.
    places = [place for place in places if place.count] or places
    if not places:
        raise BadArchiveError(
            f"The {total_bytes} bytes received are not a zip archive: no end record fits.",
            hint="The task may have been interrupted while its outputs were stored.",
        )
    if len(places) > 1:
        raise BadArchiveError("The archive has two end records that both fit.")
    place = places[0]
    if place.count > MAX_MEMBERS or place.size > MAX_DIRECTORY_BYTES:
        raise ArchiveTooLargeError(
            f"The archive lists {place.count} members in {place.size} bytes; "
            f"the limits are {MAX_MEMBERS} and {MAX_DIRECTORY_BYTES}."
        )
    if place.start < base:
        return DirectoryNeed(place.start, base)
    return _parse(window, place.start - base, place)


def _places(window: bytes, base: int) -> list[_Place] | DirectoryNeed:
    lowest = max(0, len(window) - _MAX_COMMENT - _END.size)
    found: list[_Place] = []
    at = len(window)
    while (at := window.rfind(b"PK\x05\x06", lowest, at)) >= 0:
        if at + _END.size > len(window):
            continue
        comment_size = _END.unpack_from(window, at)[-1]
        if at + _END.size + comment_size != len(window):
            continue
        place = _place(window, base, at)
        if isinstance(place, DirectoryNeed):
            return place
        if place is not None:
            found.append(place)
    return found


def _place(window: bytes, base: int, at: int) -> _Place | DirectoryNeed | None:  # noqa: PLR0911 - a list of tests
    _, disk, start_disk, here, count, size, offset, _ = _END.unpack_from(window, at)
    end = at
    if _MAX16 in (here, count, disk, start_disk) or _MAX32 in (size, offset):
        record = _find_end64(window, base, at)
        if isinstance(record, DirectoryNeed):
            return record
        if record is not None:
            end = record
            fields = _END64.unpack_from(window, record)
            disk, start_disk, here, count, size, offset = fields[4:]
    if disk or start_disk or here != count:
        return None
    start = base + end - size
    prefix = start - offset
    if start < 0 or prefix < 0:
        return None
    if count == 0:
        # An empty archive is its end record and nothing else: what stands before would be lost.
        return _Place(start, 0, 0, 0) if size == 0 and base + end == 0 else None
    if size < count % 0x10000 * _ENTRY_BYTES:
        return None
    if start >= base and window[start - base : start - base + 4] != _ENTRY_SIGNATURE:
        return None
    return _Place(start, size, count, prefix)


def _find_end64(window: bytes, base: int, at: int) -> int | DirectoryNeed | None:
    locator = at - _LOCATOR64.size
    if locator < 0 or window[locator : locator + 4] != b"PK\x06\x07":
        return None
    stated = _LOCATOR64.unpack_from(window, locator)[2] - base
    # Right before the locator where every known writer puts it, even when bytes stand before the
    # archive and the stated offset is short; elsewhere only with an extensible data sector.
    for record in (locator - _END64.size, stated):
        if 0 <= record <= locator - _END64.size and window[record : record + 4] == b"PK\x06\x06":
            length = _END64.unpack_from(window, record)[1]
            if record + 12 + length == locator:
                return record
    if -MAX_DIRECTORY_BYTES < stated < 0 <= stated + base:
        return DirectoryNeed(stated + base, base)
    return None


def _parse(window: bytes, first: int, place: _Place) -> Directory:
    """Reads `place.size` bytes from `first` on, by columns: a loop with a row is twice as slow."""
    starts = _entry_starts(window, first, first + place.size)
    # Writers without zip64 let the 16-bit count run over (66,000 members are counted as 464).
    if len(starts) % 0x10000 != place.count % 0x10000:
        raise BadArchiveError(
            f"The end record counts {place.count} members, the directory has {len(starts)}."
        )
    heads = b"".join([window[at : at + _ENTRY_BYTES] for at in starts])
    flags = _column(heads, 8, 2, "H")
    packed_sizes, sizes, offsets = (_column(heads, at, 4, "Q") for at in (20, 24, 42))
    name_sizes, extra_sizes = _column(heads, 28, 2, "H"), _column(heads, 30, 2, "H")
    crcs, attributes = _column(heads, 16, 4, "I"), _column(heads, 38, 4, "I")
    methods = _column(heads, 10, 2, "H")
    del heads  # megabytes
    names = _names(window, starts, name_sizes, flags)
    header_names: dict[int, str] = {}
    for row in itertools.compress(itertools.count(), extra_sizes):
        name_at = starts[row] + _ENTRY_BYTES
        extra_at = name_at + name_sizes[row]
        extra = window[extra_at : extra_at + extra_sizes[row]]
        values = sizes[row], packed_sizes[row], offsets[row]
        if _MAX32 in values:
            sizes[row], packed_sizes[row], offsets[row] = _zip64(extra, *values)
        better = _unicode_path(extra, window[name_at:extra_at]) if b"up" in extra else None
        if better is not None:
            header_names[row] = names[row]
            names[row] = better
    if place.prefix:
        offsets = array("Q", (min(offset + place.prefix, _MAX64) for offset in offsets))
    return Directory(
        names,
        sizes,
        packed_sizes,
        crcs,
        methods,
        flags,
        offsets,
        attributes,
        header_names,
        place.start,
        hashlib.sha256(memoryview(window)[first : first + place.size]).hexdigest()[:16],
    )


def _entry_starts(window: bytes, first: int, end: int) -> array[int]:
    """Where each entry of the directory begins; they follow one another without a gap."""
    starts = array("Q")
    unpack, add = _ENTRY_LENGTHS.unpack_from, starts.append
    at, last = first, end - _ENTRY_BYTES
    while at <= last:
        add(at)
        name_size, extra_size, comment_size = unpack(window, at + 28)
        at += _ENTRY_BYTES + name_size + extra_size + comment_size
    for number, start in enumerate(starts):
        if not window.startswith(_ENTRY_SIGNATURE, start):
            raise BadArchiveError(f"The archive's directory is damaged at entry {number}.")
    if at > end:
        raise BadArchiveError(f"The archive's directory is cut at entry {len(starts) - 1}.")
    if at < end:
        raise BadArchiveError(f"The archive's directory is damaged at entry {len(starts)}.")
    return starts


def _column(heads: bytes, at: int, width: int, code: str) -> array[int]:
    """One field of all entries: every 46th byte is a slice, so nothing is done row by row."""
    column = array(code)
    data = bytearray(len(heads) // _ENTRY_BYTES * column.itemsize)
    for byte in range(width):
        data[byte :: column.itemsize] = heads[at + byte :: _ENTRY_BYTES]
    column.frombytes(data)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _names(window: bytes, starts: array[int], sizes: array[int], flags: array[int]) -> list[str]:
    head = _ENTRY_BYTES
    raw = [window[at + head : at + head + size] for at, size in zip(starts, sizes, strict=True)]
    together = b"\0".join(raw)
    if raw and together.isascii() and together.count(0) == len(raw) - 1:
        return together.decode("ascii").split("\0")  # the same in both codings
    return list(map(_decode, raw, flags))


def _decode(raw: bytes, flags: int) -> str:
    return raw.decode("ascii") if raw.isascii() else raw.decode(*_CODINGS[flags & FLAG_UTF8])


def _fields(extra: bytes) -> list[tuple[int, bytes]]:
    fields: list[tuple[int, bytes]] = []
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        fields.append((kind, extra[at + 4 : at + 4 + size]))
        at += 4 + size
    return fields


def _zip64(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The three values, those of them that are all ones replaced from the zip64 field."""
    values = [size, packed, offset]
    for kind, body in _fields(extra):
        if kind == _ZIP64_FIELD:
            at = 0
            for i, value in enumerate(values):
                if value == _MAX32 and at + 8 <= len(body):
                    values[i] = struct.unpack_from("<Q", body, at)[0]
                    at += 8
            break
    return values[0], values[1], values[2]


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Name of field 0x7075, which counts only when it was made for this very name (§ 4.6.9)."""
    for kind, body in _fields(extra):
        if kind == _UNICODE_PATH_FIELD and len(body) > 5 and body[0] == 1:
            if struct.unpack_from("<L", body, 1)[0] != zlib.crc32(raw):
                return None
            try:
                return body[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
    return None


def local_header_bytes(data: bytes | bytearray | memoryview, member: Member) -> int | None:
    """Length of the local header at the start of `data`, after checking it against the directory.

    Returns:
        Offset of the member's data in `data`, or `None` when `data` is too short to tell.

    Raises:
        CorruptMemberError: The header is missing or says something else than the directory.
    """
    if len(data) < _LOCAL.size:
        return None
    name_size: int
    extra_size: int
    # fmt: off
    (signature, _, flags, method, _, crc, packed, size,
     name_size, extra_size) = _LOCAL.unpack_from(data)
    # fmt: on
    if signature != b"PK\x03\x04":
        raise CorruptMemberError(f"No local header where {safe_text(member.name)} should begin.")
    if len(data) < _LOCAL.size + name_size:
        return None
    name = _decode(bytes(data[_LOCAL.size : _LOCAL.size + name_size]), member.flags)
    follows = flags & FLAG_DESCRIPTOR and not (crc or packed or size)
    if (
        name == member.header_name
        and method == member.method
        and (follows or (packed, size, crc) == (member.packed_size, member.size, member.crc))
        and not (flags | member.flags) & FLAG_ENCRYPTED
    ):  # as nearly always: few comparisons for each of 100,000 members
        return _LOCAL.size + name_size + extra_size
    checks: list[tuple[str, str | int, str | int]] = [
        ("name", name, member.header_name),
        ("method", method, member.method),
        ("encryption", flags & FLAG_ENCRYPTED, member.flags & FLAG_ENCRYPTED),
        ("size", size, member.size),
        ("packed size", packed, member.packed_size),
        ("CRC", crc, member.crc),
    ]
    for what, local, listed in checks:
        later = what in ("size", "packed size", "CRC") and flags & FLAG_DESCRIPTOR and local == 0
        elsewhere = what in ("size", "packed size") and local == _MAX32  # in its zip64 field
        if local != listed and not later and not elsewhere:
            raise CorruptMemberError(
                f"The local header of {safe_text(member.name)} has {what} {safe_text(local)}, "
                f"the directory {safe_text(listed)}."
            )
    return _LOCAL.size + name_size + extra_size
