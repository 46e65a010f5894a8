"""What is written to disk: safe names, verified content, the old until the new is proved."""

from __future__ import annotations

import errno
import os
import stat
import zlib

import pytest
from archive_server import zipped
from hypothesis import given
from hypothesis import strategies as st

from inductiva_widgets.errors import (
    CorruptMemberError,
    DestinationError,
    DiskFullError,
    DownloadCancelledError,
    UnsafeMemberError,
    UnsupportedMemberError,
)
from inductiva_widgets.outputs.archive import Directory, read_directory
from inductiva_widgets.outputs.extract import MemberFile
from inductiva_widgets.outputs.folder import OutputFolder
from inductiva_widgets.outputs.inflate import Decoder
from inductiva_widgets.outputs.names import check_kind, disk_parts
from inductiva_widgets.outputs.temporary import TemporaryFile

CONTENT = b"".join(b"%d particles\n" % number for number in range(5000))


@pytest.fixture(params=[True, False], ids=["handles", "paths"])
def folder(request, tmp_path):
    made = OutputFolder(tmp_path / "out", with_handles=request.param)
    yield made
    made.close()


def packed(content: bytes = CONTENT, *, stored: bool = False):
    """One member with the bytes of its extent."""
    body = zipped({"a.txt": content}, stored=stored)
    directory = read_directory(body, len(body))
    assert isinstance(directory, Directory)
    member = directory.member(1)
    return member, body[member.offset : directory.start]


def changed(member, **fields):
    return member._replace(**fields)


def contents(path):
    return sorted(str(found.relative_to(path)) for found in path.rglob("*"))


@pytest.mark.parametrize("stored", [True, False])
@given(size=st.integers(1, 400), content=st.binary(max_size=3000))
def test_pieces_of_any_size_give_the_content(stored, size, content):
    member, data = packed(content, stored=stored)
    decoder = Decoder(member)

    out = b"".join(
        p for at in range(0, len(data), size) for p in decoder.feed(data[at : at + size])
    )

    assert decoder.complete
    assert out == content


def test_a_megabyte_of_zeros_comes_in_bounded_pieces():
    member, data = packed(bytes(5_000_000))

    pieces = list(Decoder(member).feed(data))

    assert max(map(len, pieces)) <= 1 << 20
    assert sum(map(len, pieces)) == 5_000_000


@pytest.mark.fault(45, 46)
@pytest.mark.parametrize(
    "fields",
    [{"size": 10}, {"size": len(CONTENT) + 1}, {"crc": 5}],
    ids=["shorter", "longer", "crc"],
)
def test_declared_size_and_crc_must_be_met(fields):
    member, data = packed()
    data = bytearray(data)
    data[6] |= 8  # sizes and CRC come later, so the local header does not contradict
    data[14:26] = bytes(12)

    with pytest.raises(CorruptMemberError):
        list(Decoder(changed(member, **fields)).feed(bytes(data)))


@pytest.mark.fault(45, 46)
def test_a_stream_must_end_exactly_at_its_last_byte():
    member, data = packed()
    data = bytearray(data)
    data[6] |= 8
    data[14:26] = bytes(12)

    for difference in (-1, 1):
        wrong = changed(member, packed_size=member.packed_size + difference)
        with pytest.raises(CorruptMemberError):
            list(Decoder(wrong).feed(bytes(data) + b"\0\0"))


@pytest.mark.fault(44)
def test_encrypted_and_unknown_methods_are_named():
    member, _ = packed()

    with pytest.raises(UnsupportedMemberError, match="encrypted"):
        Decoder(changed(member, flags=1))
    with pytest.raises(UnsupportedMemberError, match="zstd"):
        Decoder(changed(member, method=93))


@pytest.mark.fault(33)
@pytest.mark.parametrize(
    "name",
    [
        *("../x", "a/../../x", "a/..", "..", "/etc/x", "//host/x", "C:/x", "C:\\x"),
        *("\\\\host\\x", "\\\\?\\x", "a\\..\\x", "..\\x"),
        *("a\0b", "", ".", "./", "x" * 256, "a/" * 3000 + "x"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(UnsafeMemberError):
        disk_parts(name, windows=False)


@pytest.mark.fault(33)
@given(st.text(max_size=40))
def test_an_accepted_name_stays_below_the_folder(name):
    for windows in (True, False):
        try:
            parts = disk_parts(name, windows=windows)
        except UnsafeMemberError:
            continue
        assert parts
        assert all(
            part not in ("", ".", "..") and "/" not in part and "\0" not in part for part in parts
        )
        assert not windows or not any(set(part) & set('<>:"|?*\\') for part in parts)


@pytest.mark.fault(39)
def test_windows_rule_changes_what_windows_refuses():
    assert disk_parts("a:b?/nul.txt/end. ", windows=True) == ("a_b_", "_nul.txt", "end._")
    assert disk_parts("a:b?/nul.txt/x", windows=False) == ("a:b?", "nul.txt", "x")


@pytest.mark.fault(34, 35)
@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(kind):
    member, _ = packed()

    with pytest.raises(UnsafeMemberError):
        check_kind(changed(member, attributes=(kind | 0o777) << 16))


def test_a_verified_file_gets_its_name_and_no_other_is_left(folder):
    member, data = packed()

    assert MemberFile(folder, member, ("sub", "deep", "a.txt"), replace=False).feed(data)

    assert contents(folder.path) == ["sub", "sub/deep", "sub/deep/a.txt"]
    assert (folder.path / "sub/deep/a.txt").read_bytes() == CONTENT


def test_a_finished_member_keeps_no_inflater(folder):
    """40 KB for each of 100,000 members would be 4 GB."""
    member, data = packed()
    file = MemberFile(folder, member, ("a.txt",), replace=False)

    file.feed(data)

    assert file._decoder is None
    assert file._temporary is None


def test_until_the_last_byte_there_is_only_a_marked_name(folder):
    member, data = packed()
    file = MemberFile(folder, member, ("a.txt",), replace=False)

    assert not file.feed(data[:-50])
    (only,) = contents(folder.path)
    assert only.startswith(f".{folder.token}-")
    assert only.endswith(".part")

    file.discard()
    assert contents(folder.path) == []


@pytest.mark.fault(45)
def test_a_corrupt_member_leaves_the_old_file(folder):
    (folder.path / "a.txt").write_bytes(b"old")
    member, data = packed()
    file = MemberFile(folder, member, ("a.txt",), replace=True)

    with pytest.raises(CorruptMemberError):
        file.feed(data[:200] + b"\xff\xff" + data[202:])
    file.discard()

    assert contents(folder.path) == ["a.txt"]
    assert (folder.path / "a.txt").read_bytes() == b"old"


@pytest.mark.fault(60)
def test_what_appears_meanwhile_is_not_replaced(folder):
    member, data = packed()
    file = MemberFile(folder, member, ("a.txt",), replace=False)
    file.feed(data[:-50])
    (folder.path / "a.txt").write_bytes(b"mine")

    with pytest.raises(DestinationError):
        file.feed(data[-50:])

    assert contents(folder.path) == ["a.txt"]
    assert (folder.path / "a.txt").read_bytes() == b"mine"


@pytest.mark.fault(62)
def test_a_planted_link_is_not_followed(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder.path / "sub").symlink_to(outside)
    member, data = packed()

    with pytest.raises(DestinationError):
        MemberFile(folder, member, ("sub", "a.txt"), replace=True).feed(data)

    assert contents(outside) == []


@pytest.mark.fault(62)
def test_a_link_in_the_place_of_the_file_is_replaced_and_not_written_through(folder, tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_bytes(b"mine")
    (folder.path / "a.txt").symlink_to(outside)
    member, data = packed()

    assert folder.existing(("a.txt",)) == "other"
    MemberFile(folder, member, ("a.txt",), replace=True).feed(data)

    assert outside.read_bytes() == b"mine"
    assert not (folder.path / "a.txt").is_symlink()


def test_a_file_in_the_place_of_a_folder_is_named(folder):
    (folder.path / "sub").write_bytes(b"x")
    member, data = packed()

    with pytest.raises(DestinationError, match="sub"):
        MemberFile(folder, member, ("sub", "a.txt"), replace=True).feed(data)


@pytest.mark.fault(35)
def test_rights_are_plain_but_for_the_execute_bit(folder):
    member, data = packed()
    for name, mode in (("plain", 0o4777 & ~0o111), ("run", 0o6755)):
        attributes = (stat.S_IFREG | mode) << 16
        MemberFile(folder, changed(member, attributes=attributes), (name,), replace=False).feed(
            data
        )

    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((folder.path / "plain").stat().st_mode) == 0o666 & ~umask
    assert stat.S_IMODE((folder.path / "run").stat().st_mode) == 0o777 & ~umask


@pytest.mark.fault(57)
def test_a_full_disk_is_told_apart_and_leaves_nothing(folder, monkeypatch):
    member, data = packed()
    file = MemberFile(folder, member, ("a.txt",), replace=False)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DiskFullError):
        file.feed(data)
    file.discard()

    assert contents(folder.path) == []


@pytest.mark.fault(58)
def test_too_little_room_is_said_before_the_start(folder):
    with pytest.raises(DiskFullError, match="needed"):
        folder.check_room(2**60)


@pytest.mark.fault(61)
def test_identical_means_size_and_crc(folder):
    (folder.path / "a.txt").write_bytes(CONTENT)

    assert folder.holds(("a.txt",), len(CONTENT), zlib.crc32(CONTENT))
    assert not folder.holds(("a.txt",), len(CONTENT), 1)
    assert not folder.holds(("a.txt",), 1, zlib.crc32(CONTENT))
    assert not folder.holds(("b.txt",), 0, 0)


def test_the_next_free_name_is_taken(folder):
    for name in ("a.txt", "a (1).txt", ".hidden"):
        (folder.path / name).write_bytes(b"")

    assert folder.free_name(("a.txt",), set()) == ("a (2).txt",)
    assert folder.free_name(("a.txt",), {("a (2).txt",)}) == ("a (3).txt",)
    assert folder.free_name((".hidden",), set()) == (".hidden (1)",)


@pytest.mark.fault(41)
def test_longest_name_has_room_for_the_mark(folder):
    member, data = packed()

    assert MemberFile(folder, member, ("é" * 127,), replace=False).feed(data)


# Threads that were left alone: they may come back when all is given up.


def test_a_member_given_up_takes_nothing_more_and_leaves_nothing(folder):
    member, data = packed(stored=True)
    file = MemberFile(folder, member, ("a.txt",), replace=False)
    feed = len(data) // 2
    assert not file.feed(data[:feed])

    file.discard()

    with pytest.raises(CorruptMemberError):
        file.feed(data[feed:])
    assert contents(folder.path) == []


def test_a_member_given_up_while_it_is_fed_is_not_published(folder, monkeypatch):
    """The thread that feeds has unpacked one piece when another thread gives the member up."""
    member, data = packed()
    pieces = Decoder.feed

    def feed_and_lose(decoder, extent):
        for number, piece in enumerate(pieces(decoder, extent)):
            view = memoryview(piece)
            yield view[:1000]
            if number == 0:
                file.discard()
            yield view[1000:]

    file = MemberFile(folder, member, ("a.txt",), replace=False)
    monkeypatch.setattr(Decoder, "feed", feed_and_lose)

    with pytest.raises(DownloadCancelledError):
        file.feed(data)

    assert contents(folder.path) == []


def test_a_temporary_file_given_up_writes_into_no_other_file(folder, tmp_path):
    temporary = TemporaryFile(folder, ("a.txt",))
    temporary.write(b"begun")
    number = temporary.fd
    temporary.discard()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    os.dup2(other, number)  # the handle of a file of somebody else
    try:
        for write in (lambda: temporary.write(b"late"), lambda: temporary.write_at(0, b"late")):
            with pytest.raises(DestinationError, match="given up"):
                write()

        assert os.fstat(other).st_size == 0
    finally:
        os.close(other)
        if number != other:
            os.close(number)


def test_a_closed_folder_opens_nothing_more(folder):
    folder.close()

    with pytest.raises(DestinationError, match="has ended"):
        folder.write_small(("a", "b.txt"), b"late", 0o666, replace=False)

    assert contents(folder.path) == []
