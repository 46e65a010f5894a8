"""The directory of an archive, compared with what `zipfile` reads."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from array import array

import pytest
from archive_server import zipped
from hypothesis import given, settings
from hypothesis import strategies as st

from inductiva_widgets.errors import ArchiveTooLargeError, BadArchiveError, CorruptMemberError
from inductiva_widgets.outputs.archive import (
    OUTPUTS,
    TAIL_BYTES,
    Directory,
    DirectoryNeed,
    local_header_bytes,
    read_directory,
)
from inductiva_widgets.outputs.listing import _files, _looked_at, make_listing
from inductiva_widgets.outputs.ranges import extent_ends
from inductiva_widgets.outputs.remote import Version


def read(body: bytes, tail: int = TAIL_BYTES) -> Directory:
    window = body[-tail:]
    for _ in range(4):
        found = read_directory(window, len(body))
        if isinstance(found, Directory):
            return found
        assert found.end == len(body) - len(window)
        window = body[found.start : found.end] + window
    raise AssertionError


def check_like_zipfile(body: bytes) -> Directory:
    directory = read(body)
    infos = zipfile.ZipFile(io.BytesIO(body)).infolist()
    assert directory.names == [info.filename for info in infos]
    assert list(directory.sizes) == [info.file_size for info in infos]
    assert list(directory.packed_sizes) == [info.compress_size for info in infos]
    assert list(directory.crcs) == [info.CRC for info in infos]
    assert list(directory.offsets) == [info.header_offset for info in infos]
    for index in range(len(infos)):
        member = directory.member(index)
        assert local_header_bytes(body[member.offset :], member) is not None
    return directory


@pytest.mark.fault(50)
def test_longest_comment_is_found_in_one_tail():
    body = zipped({"a.txt": b"x"})
    commented = body[:-2] + struct.pack("<H", 65535) + b"c" * 65535

    assert check_like_zipfile(commented).names == ["artifacts/", "artifacts/a.txt"]


@pytest.mark.fault(50)
def test_end_records_made_up_in_the_comment_hide_nothing():
    fake = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 0)
    body = zipped({"a.txt": b"x"})
    body = body[:-2] + struct.pack("<H", len(fake)) + fake

    assert read(body).names == ["artifacts/", "artifacts/a.txt"]


@pytest.mark.fault(50)
def test_two_archives_in_one_comment_are_refused():
    inner = zipped({"evil.txt": b"y"})
    body = zipped({"a.txt": b"x"})

    with pytest.raises(BadArchiveError):
        read(body[:-2] + struct.pack("<H", len(inner)) + inner)


@pytest.mark.fault(50)
def test_bytes_before_the_archive_shift_all_offsets():
    body = b"#!/bin/sh\n" * 50 + zipped({"a.txt": b"hello" * 50})

    check_like_zipfile(body)


def test_large_directory_is_asked_for_once():
    body = zipped({f"f{number:05}.txt": b"" for number in range(3000)})

    need = read_directory(body[-TAIL_BYTES:], len(body))

    assert isinstance(need, DirectoryNeed)
    assert need.end == len(body) - TAIL_BYTES
    assert len(check_like_zipfile(body)) == 3001


@pytest.mark.fault(49)
def test_zip64_sizes_and_end_record():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("artifacts/a", "artifacts/b"):
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(b"abc" * 100)
    body = buffer.getvalue()
    end = body.rindex(b"PK\x05\x06")
    *_, count, size, offset, _ = struct.unpack_from("<4s4H2LH", body, end)
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)

    directory = check_like_zipfile(body[:end] + end64 + locator + last)

    assert list(directory.sizes) == [300, 300]


@pytest.mark.fault(49)
def test_zip64_offsets_in_the_directory():
    body = zipped({"a": b"abc"})
    at = body.index(b"PK\x01\x02", body.index(b"PK\x01\x02") + 1)
    fields = list(struct.unpack_from("<4s6H3L5H2L", body, at))
    size, packed, offset = fields[9], fields[8], fields[16]
    extra = struct.pack("<2H3Q", 1, 24, size, packed, offset)
    fields[8], fields[9], fields[16], fields[11] = 2**32 - 1, 2**32 - 1, 2**32 - 1, len(extra)
    name_end = at + 46 + fields[10]
    end = body.rindex(b"PK\x05\x06")
    last = list(struct.unpack_from("<4s4H2LH", body, end))
    last[5] += len(extra)
    forged = (
        body[:at]
        + struct.pack("<4s6H3L5H2L", *fields)
        + body[at + 46 : name_end]
        + extra
        + body[name_end:end]
        + struct.pack("<4s4H2LH", *last)
    )

    check_like_zipfile(forged)


@pytest.mark.fault(49)
def test_members_beyond_four_gigabytes_are_found():
    offset, size, packed = 5 * 2**32 + 7, 9 * 2**32, 2**33
    extra = struct.pack("<2H3Q", 1, 24, size, packed, offset)
    name = b"artifacts/large.bin"
    full = 2**32 - 1
    fields = (45, 45, 0, 8, 0, 33, 5, full, full, len(name), len(extra), 0, 0, 0, 0, full)
    row = struct.pack("<4s6H3L5H2L", b"PK\1\2", *fields) + name + extra
    start = offset + packed + 100
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(row), start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + len(row), 1)
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, full, full, 0)
    window = row + end64 + locator + last

    found = read_directory(window, start + len(window))

    assert isinstance(found, Directory)
    assert (found.sizes[0], found.packed_sizes[0], found.offsets[0]) == (size, packed, offset)
    assert found.start == start
    (end,) = extent_ends(found.offsets, [30 + packed], [70_000 + packed], found.start)
    assert end == start


@pytest.mark.fault(49)
def test_count_of_more_than_65535_members_runs_over():
    names = {f"{number:x}": b"" for number in range(66_000)}
    body = zipped(names)  # written with zip64: the plain record holds 0xFFFF

    assert len(read(body)) == 66_001


@pytest.mark.fault(42)
def test_names_without_flag_are_cp437():
    body = zipped({"caf?.txt": b"x"}).replace(b"caf?.txt", b"caf\x82.txt")

    assert check_like_zipfile(body).names[1] == "artifacts/café.txt"


@pytest.mark.fault(43)
@pytest.mark.parametrize("right_crc", [True, False])
def test_unicode_path_field_counts_only_for_its_own_name(right_crc):
    raw = b"artifacts/x.txt"
    crc = zlib.crc32(raw) if right_crc else 1
    field = struct.pack("<BL", 1, crc) + "artifacts/né.txt".encode()
    info = zipfile.ZipInfo(raw.decode())
    info.extra = struct.pack("<2H", 0x7075, len(field)) + field
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, b"x")

    directory = read(buffer.getvalue())

    assert directory.names == ["artifacts/né.txt" if right_crc else "artifacts/x.txt"]
    assert local_header_bytes(buffer.getvalue(), directory.member(0)) is not None


@pytest.mark.fault(52)
@pytest.mark.parametrize("body", [b"", b"<html>login</html>", b"{}", b"PK\x05\x06", b"\0" * 70_000])
def test_what_is_no_archive_is_refused(body):
    with pytest.raises(BadArchiveError):
        read(body)


@pytest.mark.fault(55)
def test_an_empty_archive_is_empty_and_one_with_bytes_before_it_is_refused():
    empty = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 0)

    assert len(read(empty)) == 0
    with pytest.raises(BadArchiveError):
        read(zipped({"a": b"x"})[:100] + empty)


@pytest.mark.fault(51)
def test_an_archive_cut_anywhere_is_refused():
    body = zipped({f"{number}.txt": bytes([number]) * 100 for number in range(20)})

    for length in range(0, len(body), 37):
        with pytest.raises(BadArchiveError):
            read(body[:length])


@pytest.mark.fault(51)
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_give_a_directory_or_a_typed_error(data):
    body = bytearray(zipped({"a.txt": b"hello", "vtk/b.vtk": b"x" * 300}))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))

    try:
        directory = read(bytes(body))
        for index in range(len(directory)):
            member = directory.member(index)
            local_header_bytes(bytes(body)[member.offset :], member)
    except (BadArchiveError, ArchiveTooLargeError, CorruptMemberError):
        pass


@pytest.mark.fault(47)
def test_absurd_counts_are_refused_before_anything_is_made():
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2**40, 2**40, 2**46, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)

    with pytest.raises((BadArchiveError, ArchiveTooLargeError)):
        read(end64 + locator + last)
    with pytest.raises(ArchiveTooLargeError):
        read_directory(end64 + locator + last, 2**47)


@pytest.mark.fault(48)
@pytest.mark.parametrize(
    ("offset", "new", "what"),
    [
        (0, b"XXXX", "header"),
        (8, b"\0\0", "method"),
        (14, b"\1\2\3\4", "CRC"),
        (22, b"\7", "size"),
        (30, b"b", "name"),
    ],
)
def test_local_header_that_contradicts_the_directory_is_corrupt(offset, new, what):
    body = zipped({"a.txt": b"hello" * 9})
    member = read(body).member(1)
    header = bytearray(body[member.offset :])
    header[offset : offset + len(new)] = new

    with pytest.raises(CorruptMemberError, match=what):
        local_header_bytes(bytes(header), member)


@pytest.mark.fault(53)
def test_only_what_lies_below_artifacts_is_an_output():
    names = [
        "artifacts/",
        "artifacts/a",
        "output.json",
        "artifactsx",
        "artifacts_evil/z",
        "artifacts/d/",
    ]

    assert [OUTPUTS.name(name) for name in names] == [None, "a", None, None, None, "d/"]


def directory_of(names: list[str]) -> Directory:
    columns = [array("Q", range(len(names))) for _ in range(7)]
    return Directory(names, *columns, header_names={}, start=0, digest="")


PARTS = st.sampled_from(["a", "b.vtk", ".", "..", "", "é", "\0", "\0artifacts/", "\n"])
NAMES = st.builds(
    "{}{}".format,
    st.sampled_from(["artifacts/"] * 9 + [""]),
    st.lists(PARTS, max_size=3).map("/".join),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(NAMES, max_size=6))
def test_names_looked_at_together_are_those_looked_at_one_by_one(names):
    directory = directory_of(names)

    assert _files(directory, OUTPUTS) == _looked_at(directory, OUTPUTS)


def test_plain_names_need_no_look_one_by_one(monkeypatch):
    monkeypatch.setattr("inductiva_widgets.outputs.listing._looked_at", None)
    directory = directory_of(["artifacts/a.txt", "artifacts/vtk/a.b.vtk", "artifacts/x y"])

    names, members, folders = _files(directory, OUTPUTS)

    assert (names, list(members), folders) == (["a.txt", "vtk/a.b.vtk", "x y"], [0, 1, 2], [])


def test_sizes_and_extents_are_those_of_the_files_and_not_of_what_lies_between():
    body = zipped({"a.txt": b"hello", "vtk/b.vtk": b"x" * 300})

    listing = make_listing(body, Version(len(body), None), lambda _: b"")

    infos = zipfile.ZipFile(io.BytesIO(body)).infolist()
    files = [info for info in infos if listing.layout.name(info.filename) in listing.names]
    assert len(files) == len(listing) == 2
    assert list(listing.sizes) == [info.file_size for info in files]
    assert list(listing.packed_sizes) == [info.compress_size for info in files]
    extents = [listing.extent(row) for row in range(2)]
    assert [extent.start for extent in extents] == [info.header_offset for info in files]
