"""Previews of output files: their kind, and as many bytes as a view shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.formats import file_size, safe_text
from inductiva_widgets.outputs.archive import STORED
from inductiva_widgets.service.protocol import FilePreview, PreviewKind

if TYPE_CHECKING:
    from inductiva_widgets.outputs.files import OutputFile, OutputFiles
    from inductiva_widgets.outputs.listing import Listing

__all__ = ["kind_of", "previewed"]

HEAD_BYTES = 64 * 1000
# Text is read on in steps up to here; from there on there is its end.
TEXT_BYTES = 1000 * 1000
LIMITS: dict[PreviewKind, int] = {
    "text": TEXT_BYTES,
    "csv": TEXT_BYTES,
    "json": TEXT_BYTES,
    "image": 8 * 1000 * 1000,
    "vtk": 16 * 1000 * 1000,
    "binary": 512,
}
# A packed file is unpacked from its start to show its end.
END_PACKED_BYTES = 16 * 1000 * 1000

IMAGES = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
}
BINARY_SHARE = 0.1  # of bytes that no text has
CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\b\x1b"))


def previewed(
    files: OutputFiles, listing: Listing, params: dict[str, Any]
) -> tuple[FilePreview, bytes]:
    """A part of the file that `index` names: its first bytes, those from `offset`, or its end.

    Raises:
        UserInputError: There is no such file or part.
        DownloadError: It cannot be read.
    """
    row = _number(params, "index", len(listing) - 1)
    file = files.at(row)
    offset = _number(params, "offset", TEXT_BYTES)
    head = file.head(HEAD_BYTES) if offset == 0 else b""
    kind, media_type = kind_of(file.name, head) if offset == 0 else ("text", "")
    content = head
    if params.get("end"):
        content, offset = _end(file, listing, row)
    elif offset:
        length = _number(params, "length", TEXT_BYTES, HEAD_BYTES)
        content = file.head(min(offset + length, TEXT_BYTES))[offset:]
    elif kind in ("image", "vtk") and file.size > len(head):
        content = _whole(file, kind)
    elif kind == "binary":
        content = head[: LIMITS[kind]]
    meta = FilePreview(
        revision=listing.revision,
        index=row,
        kind=kind,
        media_type=media_type,
        size=file.size,
        offset=offset,
        limit=LIMITS[kind],
    )
    return meta, content


def kind_of(name: str, head: bytes) -> tuple[PreviewKind, str]:
    """What a file is shown as, and the media type of an image. The first bytes decide."""
    for media_type, starts in IMAGES.items():
        if head.startswith(starts):
            return "image", media_type
    if head.startswith(b"# vtk DataFile"):
        return "vtk", ""
    if _is_binary(head):
        return "binary", ""
    extension = name.lower().rpartition(".")[2]
    if extension == "svg" and b"<svg" in head:
        return "image", "image/svg+xml"
    if extension in ("csv", "tsv"):
        return "csv", ""
    return ("json", "") if extension == "json" else ("text", "")


def _is_binary(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 by its byte order mark
        return False
    if b"\0" in head:
        return True
    # What is cut at the end is no fault; a letter of Latin-1 now and then is none either.
    odd = head.decode("utf-8", "replace")[:-1].count("\ufffd")
    odd += len(head) - len(head.translate(None, CONTROLS))
    return odd > BINARY_SHARE * max(1, len(head))


def _whole(file: OutputFile, kind: PreviewKind) -> bytes:
    """All of a picture, or none of one that is too large; of points what is allowed."""
    if file.size <= LIMITS[kind]:
        return file.bytes()
    return b"" if kind == "image" else file.head(LIMITS[kind])


def _end(file: OutputFile, listing: Listing, row: int) -> tuple[bytes, int]:
    member = listing.directory.member(listing.members[row])
    if member.method != STORED and member.packed_size > END_PACKED_BYTES:
        raise UserInputError(
            f"The end of {safe_text(file.name)} is not shown: all of its "
            f"{file_size(member.packed_size)} would have to be read for it.",
            hint="Download the file.",
        )
    content = file.tail(HEAD_BYTES)
    return content, file.size - len(content)


def _number(params: dict[str, Any], name: str, largest: int, default: int = 0) -> int:
    value = params.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise UserInputError(f"{name} must be a number from 0 to {largest}.")
    return value
