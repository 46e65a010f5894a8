"""Random archives, whole and damaged: read as `zipfile` reads them, and never a wrong file."""

from __future__ import annotations

import contextlib
import io
import shutil
import struct
import warnings
import zipfile
import zlib

import pytest
from archive_server import ArchiveServer, Source
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from odd_archives import CASES

from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.errors import (
    ArchiveTooLargeError,
    BadArchiveError,
    CorruptMemberError,
    InductivaWidgetsError,
    UnsupportedMemberError,
)
from inductiva_widgets.outputs.archive import (
    TAIL_BYTES,
    Directory,
    DirectoryNeed,
    Member,
    local_header_bytes,
    read_directory,
)
from inductiva_widgets.outputs.engine import Outputs
from inductiva_widgets.outputs.inflate import Decoder, unpack_at_once
from inductiva_widgets.outputs.remote import RetryPolicy

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
CP437 = bytes(range(32, 256)).decode("cp437")


class OldName(zipfile.ZipInfo):
    """Writes its name as cp437, without the flag of UTF-8."""

    def _encodeFilenameFlags(self):  # noqa: N802 - zipfile's own
        return self.filename.encode("cp437"), self.flag_bits


class Pipe(io.BytesIO):
    """Cannot go back, so that sizes and checksums follow the data."""

    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation

    def tell(self):
        raise io.UnsupportedOperation


def member():
    modern = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
    return st.tuples(
        st.one_of(modern.map(lambda n: (zipfile.ZipInfo, n)),
                  st.text(CP437, max_size=20).map(lambda n: (OldName, n))),
        st.one_of(st.binary(max_size=300), st.binary(min_size=1, max_size=9).map(lambda b: b * 99)),
        st.sampled_from(METHODS),
        st.booleans(),
    )  # fmt: skip


@st.composite
def archives(draw):
    """Bytes of an archive that `zipfile` wrote, with the contents of its members in order."""
    members = draw(st.lists(member(), min_size=1, max_size=6))
    if draw(st.booleans()):
        members.append(draw(st.sampled_from(members)))  # a name twice
    prefix = draw(st.binary(max_size=40))
    # What a pipe was given before is not counted: offsets are short by it, as after a shell script.
    buffer = Pipe() if draw(st.booleans()) else io.BytesIO()
    contents = []
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for (kind, name), content, method, is_long in members:
            info = kind(f"artifacts/{name}", (1980 + draw(st.integers(0, 120)), 1, 1, 0, 0, 0))
            info.compress_type = method
            with archive.open(info, "w", force_zip64=is_long) as file:
                file.write(content)
            contents.append(content)
        archive.comment = draw(st.binary(max_size=60)).replace(b"PK", b"")
    return prefix + buffer.getvalue(), contents


def read(body: bytes) -> Directory:
    window = body[-TAIL_BYTES:]
    found = read_directory(window, len(body))
    while isinstance(found, DirectoryNeed):
        assert 0 <= found.start < found.end == len(body) - len(window)
        window = body[found.start : found.end] + window
        found = read_directory(window, len(body))
    return found


def in_pieces(found: Member, data: bytes, size: int) -> bytes:
    decoder = Decoder(found)
    pieces = [p for at in range(0, len(data), size) for p in decoder.feed(data[at : at + size])]
    assert decoder.complete
    return b"".join(pieces)


@pytest.mark.fault(42)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(archives(), st.integers(1, 500))
def test_what_zipfile_writes_is_read_as_zipfile_reads_it(made, size):
    body, contents = made
    infos = zipfile.ZipFile(io.BytesIO(body)).infolist()

    directory = read(body)

    assert directory.names == [info.filename for info in infos]
    assert list(directory.sizes) == [info.file_size for info in infos]
    assert list(directory.packed_sizes) == [info.compress_size for info in infos]
    assert list(directory.crcs) == [info.CRC for info in infos]
    assert list(directory.methods) == [info.compress_type for info in infos]
    assert list(directory.flags) == [info.flag_bits for info in infos]
    assert list(directory.offsets) == [info.header_offset for info in infos]
    for index, content in enumerate(contents):
        found = directory.member(index)
        data = body[found.offset : directory.start]
        assert in_pieces(found, data, size) == content
        assert unpack_at_once(found, memoryview(data)) in (content, None)


# Damage on the whole way from the storage to the folder.


@st.composite
def damaged(draw, body: bytes) -> bytes:
    """The archive cut, or with bytes changed, left out, doubled or put in."""
    at = draw(st.integers(0, len(body) - 1))
    to = min(len(body), at + draw(st.integers(1, 40)))
    kind = draw(st.sampled_from(("cut", "head", "flip", "flip", "flip", "out", "twice", "in")))
    if kind == "cut":
        return body[:at]
    if kind == "head":
        return body[at:]
    if kind == "out":
        return body[:at] + body[to:]
    if kind == "twice":
        return body[:to] + body[at:]
    if kind == "in":
        return body[:at] + draw(st.binary(min_size=1, max_size=40)) + body[at:]
    changed = bytearray(body)
    for _ in range(draw(st.integers(1, 4))):
        changed[draw(st.integers(0, len(body) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


def plain_archive(*, method: int, pipe: bool, files: dict[str, bytes]) -> bytes:
    buffer = Pipe() if pipe else io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            with archive.open(f"artifacts/{name}", "w", force_zip64=pipe) as file:
                file.write(content)
    return buffer.getvalue()


FILES = {"a.txt": b"hello" * 9, "vtk/b.vtk": bytes(range(256)) * 3, "empty": b"", "c": b"x"}
BODIES = [
    plain_archive(method=method, pipe=pipe, files=FILES)
    for method in METHODS
    for pipe in (False, True)
]


@pytest.fixture(scope="module")
def server():
    with contextlib.closing(ArchiveServer(b"")) as made:
        yield made


@pytest.mark.fault(51)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(BODIES).flatmap(damaged))
def test_a_damaged_archive_gives_no_wrong_file_and_no_strange_error(server, tmp_path, body):
    folder = tmp_path / "out"
    shutil.rmtree(folder, ignore_errors=True)
    server.body = body
    with contextlib.closing(LinkTransport()) as transport:
        retry = RetryPolicy(tries=2, first_pause_s=0)
        outputs = Outputs(transport, Source(server), retry=retry)
        error = None
        try:
            outputs.start_download(folder).result(20)
        except InductivaWidgetsError as raised:
            error = raised

    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    # The two headers of a member name it: an empty one's local header is never fetched.
    assert {
        n: p.read_bytes() for n, p in found.items() if p.stat().st_size
    }.items() <= FILES.items()
    if error is None:
        assert set(found) == set(outputs.directory().names)
    assert not list(folder.rglob(".*"))
    assert [path.name for path in tmp_path.iterdir()] in (["out"], [])


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_member_of_any_fields_and_bytes_is_delivered_right_or_refused(data):
    body = data.draw(st.sampled_from(BODIES))
    directory = read(body)
    index = data.draw(st.integers(0, len(directory) - 1))
    real = directory.member(index)
    name = data.draw(st.sampled_from(("size", "packed_size", "crc", "method", "flags")))
    stated = real._replace(**{name: data.draw(st.integers(0, 0xFFFF))})
    extent = bytearray(body[real.offset : directory.start])
    if data.draw(st.booleans()):  # its local header lies in the same way
        struct.pack_into("<HH", extent, 6, stated.flags, stated.method)
        if not stated.flags & 8:
            sizes = (stated.crc, stated.packed_size, stated.size)
            struct.pack_into("<LLL", extent, 14, *(value & 0xFFFFFFFF for value in sizes))

    out = b""
    try:
        decoder = Decoder(stated)
        for piece in decoder.feed(bytes(extent)):
            out += piece
    except (CorruptMemberError, UnsupportedMemberError):
        return
    assert len(out) <= stated.size
    if decoder.complete:
        assert (len(out), zlib.crc32(out)) == (stated.size, stated.crc)


# Bytes that are hardly an archive.


TOKENS = st.sampled_from(
    [
        b"PK\5\6",
        b"PK\6\6",
        b"PK\6\7",
        b"PK\1\2",
        b"PK\3\4",
        b"\0" * 18,
        b"\xff" * 8,
        b"\x2c" + bytes(7),
    ]
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(TOKENS, st.binary(max_size=30)), max_size=30).map(b"".join),
    st.sampled_from((0, 0, 1, 5000, 1 << 33, 1 << 62)),
)
def test_any_bytes_give_a_directory_or_a_need_or_a_refusal(window, before):
    try:
        found = read_directory(window, before + len(window))
    except (BadArchiveError, ArchiveTooLargeError):
        return
    if isinstance(found, DirectoryNeed):
        assert 0 <= found.start < found.end == before
    else:
        assert len(found) == len(found.sizes) == len(found.offsets)


@pytest.mark.fault(51)
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_odd_archives_damaged_still_give_typed_errors(data):
    case = data.draw(st.sampled_from([c for c in CASES.values() if 0 < len(c.body) < 20_000]))
    body = data.draw(damaged(case.body))
    assume(body)
    with contextlib.suppress(BadArchiveError, ArchiveTooLargeError):
        directory = read(body)
        for index in range(len(directory)):
            found = directory.member(index)
            with contextlib.suppress(CorruptMemberError):
                local_header_bytes(body[found.offset :], found)
