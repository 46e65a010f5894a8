"""Hostile and odd zip archives, made byte by byte: `zipfile` writes nothing that is wrong.

`CASES` is the one table of them. What becomes of each member is the same for every front.
"""

from __future__ import annotations

import bz2
import io
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from functools import cache

UTF8, DESCRIPTOR, ENCRYPTED = 1 << 11, 1 << 3, 1 << 0
STORED, DEFLATED, DEFLATE64, BZIP2, LZMA, ZSTD, XZ, PPMD, AES = 0, 8, 9, 12, 14, 93, 95, 98, 99
ODD = 77
CONTENT = b"particles, particles\n" * 40
GOOD = {"good.txt": b"good" * 100}
MAX32 = 0xFFFFFFFF


@dataclass(frozen=True)
class Entry:
    """One member. `said` are fields that both headers lie about, `listed` and `local` one of them.

    Fields: name, flags, method, crc, packed, size, offset; `mode` is that of Unix.
    """

    name: str | bytes
    content: bytes = CONTENT
    method: int = DEFLATED
    mode: int = 0
    packed: bytes | None = None
    said: dict = field(default_factory=dict)
    listed: dict = field(default_factory=dict)
    local: dict = field(default_factory=dict)
    extra: bytes = b""
    descriptor: str = ""  # signed, bare
    zip64: bool = False
    date: int = 0x5A21  # 2025-01-01
    folder: str = "artifacts/"

    @property
    def raw_name(self) -> bytes:
        name = self.name if isinstance(self.name, bytes) else self.name.encode("utf-8")
        return self.folder.encode() + name

    @property
    def data(self) -> bytes:
        return packed(self.content, self.method) if self.packed is None else self.packed

    @property
    def fields(self) -> dict:
        is_plain = isinstance(self.name, bytes) or self.name.isascii()
        flags = (0 if is_plain else UTF8) | (DESCRIPTOR if self.descriptor else 0)
        return {
            "name": self.raw_name,
            "flags": flags,
            "method": self.method,
            "crc": zlib.crc32(self.content),
            "packed": len(self.data),
            "size": len(self.content),
        }


@cache
def packed(content: bytes, method: int) -> bytes:
    if method == DEFLATED:
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        return deflater.compress(content) + deflater.flush()
    if method == BZIP2:
        return bz2.compress(content)
    if method == LZMA:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("x", content)
            size = archive.getinfo("x").compress_size
        return buffer.getvalue()[31 : 31 + size]
    return content


def archive(
    *entries: Entry,
    prefix: bytes = b"",
    comment: bytes = b"",
    zip64: bool = False,
    end: dict | None = None,
) -> bytes:
    """The archive of these members; `end` are fields of the end record that lie."""
    body, rows = bytearray(prefix), bytearray()
    for entry in entries:
        offset = len(body) - len(prefix)
        body += _local(entry) + entry.data + _descriptor(entry)
        rows += _row(entry, offset)
    start, count = len(body) - len(prefix), len(entries)
    body += rows
    told = {"disk": 0, "count": count, "size": len(rows), "offset": start, **(end or {})}
    if zip64:
        at = len(body) - len(prefix)
        body += struct.pack(
            "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0,
            told["count"], told["count"], told["size"], told["offset"],
        )  # fmt: skip
        body += struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
        told = {"disk": 0, "count": 0xFFFF, "size": MAX32, "offset": MAX32}
    body += struct.pack(
        "<4s4H2LH", b"PK\x05\x06", told["disk"], told["disk"], told["count"], told["count"],
        told["size"], told["offset"], len(comment),
    )  # fmt: skip
    return bytes(body + comment)


def _local(entry: Entry) -> bytes:
    told = entry.fields
    if entry.descriptor:
        told.update(crc=0, packed=0, size=0)
    told.update(entry.said, **entry.local)
    extra = entry.extra
    if entry.zip64:
        extra += struct.pack("<2H2Q", 1, 16, told["size"], told["packed"])
        told.update(size=MAX32, packed=MAX32)
    return (
        struct.pack(
            "<4s5H3L2H", b"PK\x03\x04", 20, told["flags"], told["method"], 0, entry.date,
            told["crc"], told["packed"], told["size"], len(told["name"]),
            told.get("extra_size", len(extra)),
        )
        + told["name"] + extra
    )  # fmt: skip


def _descriptor(entry: Entry) -> bytes:
    if not entry.descriptor:
        return b""
    mark = b"PK\x07\x08" if entry.descriptor == "signed" else b""
    told = entry.fields
    form = "<LQQ" if entry.zip64 else "<LLL"
    return mark + struct.pack(form, told["crc"], told["packed"], told["size"])


def _row(entry: Entry, offset: int) -> bytes:
    told = {**entry.fields, "offset": offset, **entry.said, **entry.listed}
    extra = entry.extra
    if entry.zip64 or max(told["size"], told["packed"], told["offset"]) > MAX32:
        values = (told["size"], told["packed"], told["offset"])
        extra += struct.pack("<2H3Q", 1, 24, *values)
        told.update(size=MAX32, packed=MAX32, offset=MAX32)
    return (
        struct.pack(
            "<4s6H3L5H2L", b"PK\x01\x02", 3 << 8, 20, told["flags"], told["method"], 0, entry.date,
            told["crc"], told["packed"], told["size"], len(told["name"]), len(extra), 0, 0, 0,
            entry.mode << 16, told["offset"],
        )
        + told["name"] + extra
    )  # fmt: skip


def unicode_path(better: str, for_name: bytes) -> bytes:
    """Extra field 0x7075."""
    body = struct.pack("<BL", 1, zlib.crc32(for_name)) + better.encode()
    return struct.pack("<2H", 0x7075, len(body)) + body


@dataclass(frozen=True)
class Case:
    """An archive and what becomes of it, beside `good.txt`.

    Attributes:
        delivered: Name on disk and content.
        refused: Listed name, and words of the reason.
        whole: Words of the reason why nothing can be had of it at all.
        error: Class of the error that the library raises.
        folders: Empty folders made when everything is asked for.
        modes: Rights on disk, less those that the umask takes.
        is_good_there: Whether `good.txt` is.
    """

    body: bytes
    delivered: dict[str, bytes] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    whole: str = ""
    error: str = ""
    folders: tuple[str, ...] = ()
    modes: dict[str, int] = field(default_factory=dict)
    is_good_there: bool = True

    @property
    def found(self) -> dict[str, bytes]:
        """Files on disk afterwards."""
        return {**(GOOD if self.is_good_there and not self.whole else {}), **self.delivered}

    @property
    def names(self) -> list[str]:
        """Names as listed."""
        good = list(GOOD) if self.is_good_there else []
        return [*good, *self.delivered, *self.refused]


FINE = Entry("good.txt", GOOD["good.txt"])


def with_good(*entries: Entry, **options) -> bytes:
    return archive(FINE, *entries, **options)


def unsafe(name: str, words: str) -> Case:
    return Case(with_good(Entry(name)), refused={name: words}, error="UnsafeMemberError")


def kept(name: str) -> Case:
    return Case(with_good(Entry(name)), delivered={name: CONTENT})


def of_kind(mode: int, words: str, content: bytes = b"/etc/passwd") -> Case:
    return Case(
        with_good(Entry("bad", content, mode=mode)),
        refused={"bad": words},
        error="UnsafeMemberError",
    )


def unsupported(words: str, **fields) -> Case:
    return Case(
        with_good(Entry("bad.txt", **fields)),
        refused={"bad.txt": words},
        error="UnsupportedMemberError",
    )


def corrupt(words: str, **fields) -> Case:
    return Case(
        with_good(Entry("bad.txt", **fields)),
        refused={"bad.txt": words},
        error="CorruptMemberError",
    )


def no_archive(body: bytes, words: str = "not a zip|empty|damaged") -> Case:
    return Case(body, whole=words, error="BadArchiveError", is_good_there=False)


def overlapping() -> bytes:
    """Three names for the same bytes: the way small archives unpack to terabytes."""
    one = Entry("bad.txt")
    at = len(_local(FINE) + FINE.data)
    return archive(FINE, one, Entry("worse.txt", packed=b"", listed={"offset": at, "packed": 50}))


def broken_stream() -> bytes:
    data = bytearray(packed(CONTENT, DEFLATED))
    data[0] |= 6  # a block type that does not exist
    return bytes(data)


SHORT_STREAM = packed(CONTENT, DEFLATED)[:-4]
TWO_STREAMS = packed(CONTENT, DEFLATED) * 2
EMPTY = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 0)
BOMB_PIECE, BOMB_PIECES = 8_000_000, 19
BOMB_BYTES = BOMB_PIECE * BOMB_PIECES


def bomb() -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = deflater.compress(bytes(BOMB_PIECE)) + deflater.flush(zlib.Z_FULL_FLUSH)
    return piece * BOMB_PIECES + b"\x03\x00"


CASES: dict[str, Case] = {
    # 33: names that lead elsewhere
    "parent": unsafe("../bad.txt", "leads out"),
    "inner parent": unsafe("a/../../bad.txt", "leads out"),
    "inner parent that stays": unsafe("a/../bad.txt", "leads out"),
    "last parent": unsafe("a/..", "leads out"),
    "absolute": unsafe("/etc/bad.txt", "absolute"),
    "two slashes": unsafe("//host/bad.txt", "absolute"),
    "drive": unsafe("C:/bad.txt", "absolute"),
    "drive with backslash": unsafe("c:\\bad.txt", "absolute"),
    "network share": unsafe("\\\\host\\bad.txt", "absolute"),
    "verbatim path": unsafe("\\\\?\\C:\\bad.txt", "absolute"),
    "backslash parent": unsafe("..\\bad.txt", "leads out"),
    "inner backslash parent": unsafe("a\\..\\bad.txt", "leads out"),
    "dots and slashes that stay": Case(
        with_good(Entry("a/./b//c.txt"), Entry("./d.txt")),
        delivered={"a/b/c.txt": CONTENT, "d.txt": CONTENT},
    ),
    # 34, 35: what is no plain file
    "link": of_kind(stat.S_IFLNK | 0o777, "a link", b"good.txt"),
    "absolute link": of_kind(stat.S_IFLNK | 0o777, "a link"),
    "link and a write through it": Case(
        with_good(
            Entry("bad", b"/tmp", mode=stat.S_IFLNK | 0o777),
            Entry("bad/in.txt"),
        ),
        delivered={"bad/in.txt": CONTENT},
        refused={"bad": "a link|a folder as well"},
        error="UnsafeMemberError",
    ),
    "pipe": of_kind(stat.S_IFIFO | 0o666, "not a plain file", b""),
    "character device": of_kind(stat.S_IFCHR | 0o666, "not a plain file", b""),
    "block device": of_kind(stat.S_IFBLK | 0o666, "not a plain file", b""),
    "socket": of_kind(stat.S_IFSOCK | 0o666, "not a plain file", b""),
    "set-uid bits": Case(
        with_good(
            Entry("run.sh", mode=stat.S_IFREG | 0o6755),
            Entry("plain.txt", mode=stat.S_IFREG | 0o7644),
        ),
        delivered={"run.sh": CONTENT, "plain.txt": CONTENT},
        modes={"run.sh": 0o777, "plain.txt": 0o666},
    ),
    # 36, 37, 38: names that meet
    "two contents": Case(
        with_good(Entry("bad.txt", b"one"), Entry("bad.txt", b"other")),
        refused={"bad.txt": "twice .* (3 and 5|5 and 3) bytes"},
        error="UnsafeMemberError",
    ),
    "one content twice": Case(with_good(FINE)),
    "case": Case(
        with_good(Entry("a.txt", b"small"), Entry("A.txt", b"large")),
        delivered={"a.txt": b"small", "A.txt": b"large"},
    ),
    "composed and decomposed": Case(
        with_good(Entry("\u00e9.txt", b"one"), Entry("e\u0301.txt", b"two")),
        delivered={"\u00e9.txt": b"one", "e\u0301.txt": b"two"},
    ),
    "dots and spaces at the end": Case(
        with_good(Entry("a", b"1"), Entry("a.", b"2"), Entry("a ", b"3")),
        delivered={"a": b"1", "a.": b"2", "a ": b"3"},
    ),
    "file, then folder": Case(
        with_good(Entry("bad"), Entry("bad/in.txt")),
        delivered={"bad/in.txt": CONTENT},
        refused={"bad": "a folder as well"},
        error="UnsafeMemberError",
    ),
    "folder, then file": Case(
        with_good(Entry("bad/", b"", method=STORED), Entry("bad")),
        refused={"bad": "a folder as well"},
        error="UnsafeMemberError",
        folders=("bad",),
    ),
    "two ways to one name": Case(
        with_good(Entry("a/b.txt", b"one"), Entry("a//b.txt", b"other")),
        refused={"a/b.txt": "twice"},
        error="UnsafeMemberError",
    ),
    # 39, 40: odd names that are as good as others
    "device name": kept("con.txt"),
    "bare device name": kept("nul"),
    "colon": kept("a:b.txt"),
    "question and star": kept("what?*|.txt"),
    "brackets": kept("a[1].txt"),
    "newline": kept("a\nb.txt"),
    "return": kept("a\rb.txt"),
    "escape": kept("a\x1b[31mb.txt"),
    "right to left": kept("a\u202etxt.exe"),
    "html": kept("<img src=x onerror=alert(1)>.txt"),
    "formula": kept("=1+1.csv"),
    "shell": kept("$(rm -rf x);`id`.txt"),
    "option": kept("-rf"),
    "backslash": kept("a\\b.txt"),
    "spaces": kept(" a b "),
    "umlaut": kept("grün/größe.txt"),
    "emoji": kept("🌊/波.txt"),
    "dots": kept("...txt"),
    "NUL": unsafe("a\0b.txt", "NUL"),
    # 41: long
    "longest name": kept("y" * 255),
    "long name": unsafe("x" * 256, "too long"),
    "long name of few letters": unsafe("é" * 128, "too long"),
    "long path": unsafe("/".join(["d" * 200] * 25), "too long"),
    # 42, 43: which name counts
    "cp437": Case(with_good(Entry(b"caf\x82.txt")), delivered={"café.txt": CONTENT}),
    "UTF-8 without its flag": Case(
        with_good(Entry("né.txt".encode())), delivered={"n├⌐.txt": CONTENT}
    ),
    "flagged and no UTF-8": Case(
        with_good(Entry(b"n\xff.txt", said={"flags": UTF8})), delivered={"n\ufffd.txt": CONTENT}
    ),
    "better name": Case(
        with_good(
            Entry(b"n.txt", extra=unicode_path("artifacts/né.txt", b"artifacts/n.txt")),
        ),
        delivered={"né.txt": CONTENT},
    ),
    "better name of another": Case(
        with_good(Entry(b"n.txt", extra=unicode_path("artifacts/né.txt", b"other"))),
        delivered={"n.txt": CONTENT},
    ),
    "better name that leads out": Case(
        with_good(
            Entry(b"n.txt", extra=unicode_path("artifacts/../bad.txt", b"artifacts/n.txt")),
        ),
        refused={"../bad.txt": "leads out"},
        error="UnsafeMemberError",
    ),
    "safe name in place of one that leads out": Case(
        with_good(
            Entry(b"../n.txt", extra=unicode_path("artifacts/n.txt", b"artifacts/../n.txt")),
        ),
        delivered={"n.txt": CONTENT},
    ),
    # 44: packings
    "encrypted": unsupported("encrypted", said={"flags": ENCRYPTED}),
    "encrypted, listed only": unsupported("encrypted", listed={"flags": ENCRYPTED}),
    "AES": unsupported("encrypted|AES", method=AES, said={"flags": ENCRYPTED}),
    "AES without flag": unsupported("AES", method=AES),
    "deflate64": unsupported("deflate64", method=DEFLATE64),
    "zstd": unsupported("zstd", method=ZSTD),
    "xz": unsupported("xz", method=XZ),
    "ppmd": unsupported("ppmd", method=PPMD),
    "unknown method": unsupported("method 77", method=ODD),
    "bzip2": Case(with_good(Entry("b.txt", method=BZIP2)), delivered={"b.txt": CONTENT}),
    "lzma": Case(with_good(Entry("l.txt", method=LZMA)), delivered={"l.txt": CONTENT}),
    "stored": Case(with_good(Entry("s.txt", method=STORED)), delivered={"s.txt": CONTENT}),
    # 45, 46: content that is not what was declared
    "crc": corrupt("CRC-32", said={"crc": 1}),
    "crc of what is stored": corrupt("CRC-32", method=STORED, said={"crc": 1}),
    "content changed": corrupt("CRC-32", method=STORED, packed=CONTENT[:-1] + b"?"),
    "broken stream": corrupt("broken", packed=broken_stream()),
    "stream cut": corrupt("does not end", packed=SHORT_STREAM),
    "stream ends early": corrupt("ends too early", packed=TWO_STREAMS),
    "broken bzip2": corrupt("broken", method=BZIP2, packed=b"BZh9" + bytes(60)),
    "broken lzma": corrupt("broken", method=LZMA, packed=b"\x09\x14\x05\x00" + b"\xff" * 60),
    "size too small": corrupt("longer than the 1 bytes", said={"size": 1}),
    "size zero": corrupt("longer|instead", said={"size": 0}),
    "size too big": corrupt("instead of 5000", said={"size": 5000}),
    "stored size too big": corrupt("instead of 5000", method=STORED, said={"size": 5000}),
    # 47: bombs
    "bomb": Case(
        with_good(Entry("bad.txt", b"", packed=bomb(), said={"size": BOMB_BYTES})),
        refused={"bad.txt": f"would grow from .* to {BOMB_BYTES}"},
        error="ArchiveTooLargeError",
    ),
    "absurd size": Case(
        with_good(Entry("bad.txt", listed={"size": 1 << 60})),
        refused={"bad.txt": "would grow"},
        error="ArchiveTooLargeError",
    ),
    "one content, many names": Case(
        overlapping(),
        refused={"bad.txt": "overlaps", "worse.txt": "overlaps"},
        error="CorruptMemberError",
    ),
    "absurd count": Case(
        with_good(zip64=True, end={"count": 10**7, "size": 46 * 10**7, "offset": 0}),
        whole="not a zip|lists 10000000 members",
        is_good_there=False,
        error="BadArchiveError",
    ),
    # 48: two headers
    "local name": corrupt("name", local={"name": b"artifacts/bed.txt"}),
    "local size": corrupt("size", local={"size": 7}),
    "local packed size": corrupt("packed size", local={"packed": 7}),
    "local method": corrupt("method", local={"method": STORED}),
    "local CRC": corrupt("CRC", local={"crc": 7}),
    "local extra field too long": corrupt("does not end", local={"extra_size": 0x1000}),
    "local encryption": corrupt("encryption", local={"flags": ENCRYPTED}),
    "offset past the end": corrupt("beyond|overlaps", listed={"offset": 0x7FFFFFFF}),
    "offset past all ends": corrupt("beyond|overlaps", listed={"offset": 1 << 63}),
    "offset into the directory": corrupt(
        "beyond|overlaps|No local header", listed={"offset": 30 + 18 + len(FINE.data) + 160}
    ),
    "offset beside the header": corrupt(
        "No local header", listed={"offset": 30 + 18 + len(FINE.data) + 1, "packed": 5}
    ),
    "packed size past the end": corrupt("beyond", said={"packed": 0x7FFFFFFF}),
    # 49: long forms and late sizes
    "zip64 fields": Case(with_good(Entry("z.txt", zip64=True)), delivered={"z.txt": CONTENT}),
    "zip64 end record": Case(
        with_good(Entry("z.txt"), zip64=True), delivered={"z.txt": CONTENT}
    ),
    "zip64 with bytes before": Case(
        with_good(Entry("z.txt"), zip64=True, prefix=b"#!/bin/sh\n" * 9),
        delivered={"z.txt": CONTENT},
    ),
    **{
        f"{form} descriptor{' of zip64' if zip64 else ''}": Case(
            with_good(
                Entry("d.txt", descriptor=form, zip64=zip64), Entry("e.txt", descriptor=form)
            ),
            delivered={"d.txt": CONTENT, "e.txt": CONTENT},
        )
        for form in ("signed", "bare")
        for zip64 in (False, True)
    },
    # 50: what stands around
    "longest comment": Case(with_good(comment=b"c" * 65535)),
    "end record in the comment": Case(with_good(comment=EMPTY)),
    "archive in the comment": no_archive(
        with_good(comment=archive(Entry("evil.txt"))), "two end records"
    ),
    "bytes before": Case(with_good(Entry("p.txt"), prefix=b"\x7fELF" * 99), {"p.txt": CONTENT}),
    "two archives in a row": Case(with_good(prefix=archive(Entry("first.txt")))),
    "bytes after": no_archive(with_good() + b"more"),
    "several disks": no_archive(with_good(end={"disk": 1})),
    # 51, 52: what is no archive
    "zero bytes": no_archive(b"", "empty"),
    "page": no_archive(b"<html><body>Sign in</body></html>"),
    "JSON": no_archive(b'{"error": "not found"}'),
    "cut": no_archive(with_good(Entry("c.txt"))[:-30]),
    "head cut": no_archive(with_good(Entry("c.txt"))[200:]),
    "directory offset absurd": no_archive(with_good(end={"offset": 0x7FFFFFFF})),
    "directory size absurd": no_archive(with_good(end={"size": 0x7FFFFFFF})),
    "directory size zero": no_archive(with_good(end={"size": 0})),
    "count too big": no_archive(with_good(end={"count": 7})),
    # 53, 54, 55, 56: odd, and in order
    "beside the outputs": Case(
        with_good(
            Entry("output.json", folder=""),
            Entry("artifactsx", folder=""),
            Entry("artifacts_evil/z", folder=""),
            Entry("../etc/passwd", folder=""),
        )
    ),
    "with the folder itself": Case(with_good(Entry("", b"", method=STORED))),
    "empty archive": Case(EMPTY, is_good_there=False),
    "no outputs in it": Case(archive(Entry("output.json", folder="")), is_good_there=False),
    "empty file": Case(
        with_good(Entry("e.txt", b"", method=STORED), Entry("f.txt", b"")),
        delivered={"e.txt": b"", "f.txt": b""},
    ),
    "empty folders": Case(
        with_good(Entry("a/b/", b"", method=STORED), Entry("c/", b"", mode=stat.S_IFDIR | 0o777)),
        folders=("a/b", "c"),
    ),
    "impossible dates": Case(
        with_good(Entry("d.txt", date=0xFFFF), Entry("e.txt", date=0)),
        delivered={"d.txt": CONTENT, "e.txt": CONTENT},
    ),
}  # fmt: skip
