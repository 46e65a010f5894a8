"""Outputs read where they are: what the archive holds, and files that open by byte ranges."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inductiva_widgets.errors import (
    CorruptMemberError,
    NotFoundError,
    UnsupportedMemberError,
    UserInputError,
)
from inductiva_widgets.formats import counted, file_size, safe_text
from inductiva_widgets.outputs.archive import STORED, Member, local_header_bytes
from inductiva_widgets.outputs.inflate import Decoder, check_supported
from inductiva_widgets.outputs.listing import Listing, check_filenames, not_found, select
from inductiva_widgets.outputs.ranges import ByteRange

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from inductiva_widgets.outputs.remote import RemoteArchive

__all__ = ["FileInfo", "OutputFile", "OutputFiles", "OutputInfo"]

# Reads grow from this: looking at a file costs little, reading it all is fast.
FIRST_READ_BYTES = 256 * 1000
LONGEST_READ_BYTES = 8 * 1000 * 1000
BUFFER_BYTES = 1 << 16
Content = bytes  # `OutputFile.bytes` hides the type inside its class

HEADER_GUESS_BYTES = 600  # local header with its name and fields, as a first guess


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One output file: name relative to the outputs, size and packed size in bytes."""

    name: str
    size: int
    compressed_size: int


class OutputInfo:
    """The contents of an output archive. `str()` is the table of the official page *Manage tasks*.

    Attributes:
        size: Bytes of the archive itself.
        contents: The files, in the order of the archive.
        difference: Where the service contradicts the archive, in a sentence; else empty. The
            archive is right. `repr()` says it too, `str()` is the table alone.
    """

    def __init__(self, size: int, contents: list[FileInfo]) -> None:
        self.size = size
        self.contents = contents
        self.difference = ""

    # The present official client's names for the same.

    @property
    def total_size_bytes(self) -> int:
        """Bytes of the archive itself."""
        return self.size

    @property
    def files(self) -> list[FileInfo]:
        """The files."""
        return self.contents

    @property
    def n_files(self) -> int:
        """Number of files."""
        return len(self.contents)

    num_files = n_files

    @property
    def total_compressed_size_bytes(self) -> int:
        """Sum of the packed sizes."""
        return sum(info.compressed_size for info in self.contents)

    def __len__(self) -> int:
        return len(self.contents)

    def __str__(self) -> str:
        lines = [f"Archive size: {file_size(self.size)}", "Contents:"]
        rows = [("Size", "Compressed", "Name")]
        rows += [
            (file_size(info.size), file_size(info.compressed_size), safe_text(info.name, 4096))
            for info in self.contents
        ]
        lines += [f"  {size:<12} {packed:<12} {name}" for size, packed, name in rows]
        return "\n".join(lines)

    def __repr__(self) -> str:
        difference = f". {self.difference}" if self.difference else ""
        return f"<OutputInfo: {counted(self.n_files, 'file')}, {file_size(self.size)}{difference}>"


class OutputFile:
    """One output file in the archive. Nothing is read before it is needed.

    Attributes:
        name: Name relative to the outputs.
        size: Unpacked size in bytes.
    """

    def __init__(self, remote: RemoteArchive, listing: Listing, row: int) -> None:
        self.name = listing.names[row]
        self.size = listing.sizes[row]
        self._remote = remote
        self._member = listing.directory.member(listing.members[row])
        check_supported(self._member)
        extent = listing.extent(row)
        if extent is None:
            raise CorruptMemberError(
                f"{safe_text(self.name)} overlaps another member, or lies beyond the archive's end."
            )
        self._extent = extent

    def bytes(self) -> Content:
        """The whole content, checked against its CRC-32."""
        return b"".join(_unpacked(self._remote, self._member, self._extent, LONGEST_READ_BYTES))

    def text(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        """The whole content as text; newlines as they are."""
        return self.bytes().decode(encoding, errors)

    def head(self, size_bytes: int = 1000) -> Content:
        """The first bytes; not much more than those is read."""
        _check_size(size_bytes)
        with self._raw(self._first_read(size_bytes)) as raw:
            return _read_exactly(raw, size_bytes)

    def tail(self, size_bytes: int = 1000) -> Content:
        """The last bytes. A packed file is unpacked from its start for it, in little memory."""
        _check_size(size_bytes)
        if size_bytes == 0:
            return b""
        with self._raw(LONGEST_READ_BYTES) as raw:
            if self._member.method == STORED:
                raw.seek(max(0, self.size - size_bytes))
                return _read_exactly(raw, size_bytes)
            kept: deque[Content] = deque()
            held = 0
            while piece := raw.read(1 << 20):
                kept.append(piece)
                held += len(piece)
                while held - len(kept[0]) >= size_bytes:
                    held -= len(kept.popleft())
            return b"".join(kept)[-size_bytes:]

    def open(self) -> io.BufferedReader:
        """A binary file object; seeks backwards in a packed file read it again from its start."""
        return io.BufferedReader(self._raw(FIRST_READ_BYTES), BUFFER_BYTES)

    def _raw(self, first_read_bytes: int) -> _RemoteMember:
        return _RemoteMember(self._remote, self._member, self._extent, first_read_bytes)

    def _first_read(self, size_bytes: int) -> int:
        """Packed bytes that very likely unpack to `size_bytes`."""
        share = size_bytes / max(1, self.size) * self._member.packed_size
        return int(HEADER_GUESS_BYTES + min(size_bytes, share * 1.25 + 2000))

    def __repr__(self) -> str:
        return f"<OutputFile {safe_text(self.name)}: {file_size(self.size)}>"


class OutputFiles(Mapping[str, OutputFile]):
    """Output files by name, as `OutputFile`: `files["stdout.txt"].text()`.

    Names may carry `artifacts/` or `./`. A name that is not there raises `NotFoundError`, which is
    a `LookupError`.
    """

    def __init__(self, remote: RemoteArchive, listing: Listing) -> None:
        self._remote = remote
        self._listing = listing

    def __getitem__(self, name: str) -> OutputFile:
        checked = check_filenames([name]) or []
        rows = [row for path in checked for row in self._rows(path)]
        if len(rows) > 1:
            raise UnsupportedMemberError(f"{safe_text(name)} is listed {len(rows)} times.")
        if not rows:
            raise self._not_found(name, checked)
        return OutputFile(self._remote, self._listing, rows[0])

    def at(self, row: int) -> OutputFile:
        """The file in a row of the listing, also where its name is listed twice."""
        return OutputFile(self._remote, self._listing, row)

    def __contains__(self, name: object) -> bool:
        try:
            checked = check_filenames([name]) if isinstance(name, str) else None
        except UserInputError:
            return False
        return any(self._rows(path) for path in checked or ())

    def get(self, name: str, default: object = None) -> OutputFile | object:  # type: ignore[override]
        """The file, or `default` when it is not there."""
        return self[name] if name in self else default  # noqa: SIM401 - this is `get`

    def __iter__(self) -> Iterator[str]:
        return iter(self._listing.names)

    def __len__(self) -> int:
        return len(self._listing)

    def __repr__(self) -> str:
        return f"<OutputFiles: {len(self)} files, {file_size(self._listing.archive_bytes)}>"

    def _not_found(self, name: str, checked: list[str]) -> NotFoundError:
        selection = select(self._listing, checked)
        if selection.rows:
            return NotFoundError(
                f"{safe_text(name)} is no file's name: it chooses {len(selection.rows)}.",
                hint="Name one of them here; download_outputs() takes folders and patterns.",
                missing=(name,),
            )
        close = [near for found in selection.missing.values() for near in found]
        return not_found({name: close})

    def _rows(self, name: str) -> list[int]:
        rows = self._listing.rows
        return rows(name) or rows(name.removeprefix(self._listing.layout.prefix))


class _RemoteMember(io.RawIOBase):
    """A member as a seekable raw file; read without a jump, its CRC is checked at the end."""

    def __init__(
        self, remote: RemoteArchive, member: Member, extent: ByteRange, first_read_bytes: int
    ) -> None:
        self._remote = remote
        self._member = member
        self._extent = extent
        self._first_read_bytes = first_read_bytes
        self._position = 0
        self._data_start: int | None = None
        self._at = 0
        self._ready = memoryview(b"")
        self._pieces: Iterator[bytes] = iter(())
        self._restart()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._member.size}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._position >= self._member.size:
            return 0
        if self._at != self._position:
            self._go_to_position()
        while not self._ready:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._ready = memoryview(piece)
        view = memoryview(buffer).cast("B")
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        self._position += size
        self._at = self._position
        if self._position == self._member.size:
            # The last bytes may be out before the end of the stream was seen: look for it.
            for _ in self._pieces:
                pass
        return size

    def _restart(self) -> None:
        self._pieces = _unpacked(self._remote, self._member, self._extent, self._first_read_bytes)
        self._ready = memoryview(b"")
        self._at = 0

    def _go_to_position(self) -> None:
        near = self._at <= self._position <= self._at + len(self._ready)
        if self._member.method == STORED and not near:
            start = self._find_data() + self._position
            end = self._find_data() + self._member.size
            self._pieces = _growing(self._remote, ByteRange(start, end), self._first_read_bytes)
            self._ready, self._at = memoryview(b""), self._position
            return
        if self._position < self._at:
            self._restart()
        while self._at < self._position:
            if not self._ready:
                piece = next(self._pieces, None)
                if piece is None:
                    return
                self._ready = memoryview(piece)
            skipped = min(len(self._ready), self._position - self._at)
            self._ready = self._ready[skipped:]
            self._at += skipped

    def _find_data(self) -> int:
        """Offset of a stored member's first byte in the archive."""
        if self._data_start is None:
            size = min(HEADER_GUESS_BYTES, len(self._extent))
            while True:
                start = self._extent.start
                head = self._remote.read(ByteRange(start, start + size))
                length = local_header_bytes(head, self._member)
                if length is not None:
                    self._data_start = start + length
                    break
                if size == len(self._extent):
                    raise CorruptMemberError(f"{safe_text(self._member.name)} is cut.")
                size = min(size * 16, len(self._extent))
        return self._data_start


def _unpacked(
    remote: RemoteArchive, member: Member, extent: ByteRange, first_read_bytes: int
) -> Iterator[bytes]:
    """A member's content, verified when it is read to its end."""
    decoder = Decoder(member)
    for piece in _growing(remote, extent, first_read_bytes):
        yield from map(bytes, decoder.feed(piece))
        if decoder.complete:
            return
    raise CorruptMemberError(f"{safe_text(member.name)} is cut in the archive.")


def _growing(remote: RemoteArchive, wanted: ByteRange, first_read_bytes: int) -> Iterator[bytes]:
    """A range by requests of growing length: each is read to its end, so connections are kept."""
    size, position = first_read_bytes, wanted.start
    while position < wanted.end:
        end = min(position + size, wanted.end)
        yield from remote.stream(ByteRange(position, end))
        position, size = end, min(size * 2, LONGEST_READ_BYTES)


def _read_exactly(raw: _RemoteMember, size_bytes: int) -> bytes:
    pieces: list[bytes] = []
    while size_bytes > 0 and (piece := raw.read(size_bytes)):
        pieces.append(piece)
        size_bytes -= len(piece)
    return b"".join(pieces)


def _check_size(size_bytes: int) -> None:
    if size_bytes < 0:
        raise UserInputError("The number of bytes is negative.")
