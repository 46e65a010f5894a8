"""The bytes beside messages: packed tasks, listings and numbers, selections, frames for HTTP.

`docs/protocol.md` describes their layouts.
"""

from __future__ import annotations

import gzip
import io
import re
import struct
import sys
import zlib
from array import array
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.service.protocol import TASK_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from inductiva_widgets.service.protocol import TaskSummary

__all__ = [
    "decode_frame",
    "encode_frame",
    "pack_listing",
    "pack_numbers",
    "pack_tasks",
    "selected_indices",
]

MAX_FILES = 10_000_000  # more than any view can hold: bounds what a selection may unpack to
NEWLINE_MARK = "\u2424"  # stands for a newline inside a file name, which separates names
# What a page would not show, or let turn the letters around it: control characters, marks of
# direction, and those without width but the joiners that some writings and pictures need.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


def pack_tasks(tasks: Iterable[tuple[TaskSummary, dict[str, str]]]) -> bytes:
    """Tasks and their notes as gzip of a JSON object: a list for each of `TASK_COLUMNS`.

    The values are those of `TaskSummary`; the notes are the column `metadata`.
    """
    rows = list(tasks)
    columns: dict[str, list[Any]] = {
        name: [getattr(summary, name) for summary, _ in rows] for name in TASK_COLUMNS
    }
    columns["metadata"] = [notes or None for _, notes in rows]
    return gzip.compress(msgspec.json.encode(columns), compresslevel=1, mtime=0)


def pack_listing(
    names: Sequence[str], sizes: Iterable[float], packed_sizes: Iterable[float]
) -> tuple[int, bytes]:
    """The bulk of a listing as gzip: `(bytes of the names, packed frame)`.

    Layout: UTF-8 names joined by newlines, zero padded to 8 bytes; then sizes and packed sizes as
    little-endian float64. 100,000 names take 1.1 MB this way (`benchmarks/RESULTS.md`).
    """
    # One look at all of them: nearly always there is nothing to be made visible.
    seen = names if "".join(names).isprintable() else map(_seen_name, names)
    text = "\n".join(seen)
    # Lone surrogates cannot travel as UTF-8.
    encoded = text.encode("utf-8", "replace")
    padding = bytes(-len(encoded) % 8)
    raw = b"".join((encoded, padding, pack_numbers(sizes), pack_numbers(packed_sizes)))
    return len(encoded), gzip.compress(raw, compresslevel=1, mtime=0)


def pack_numbers(numbers: Iterable[float]) -> bytes:
    """Numbers as little-endian float64."""
    column = array("d", numbers)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _seen_name(name: str) -> str:
    """A name as views show it: a visible sign for each letter that cannot be seen."""
    return name if name.isprintable() else _UNSEEN.sub(_sign, name)


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] == "\n":
        return NEWLINE_MARK
    # Unicode has pictures of the first of them; all else is what no letter stands for.
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def selected_indices(buffer: bytes, count: int) -> list[int]:
    """Positions of the set bits, bit i of byte i >> 3, lowest first.

    Raises:
        UserInputError: The bit set does not belong to a listing of `count` files.
    """
    if not 0 <= count <= MAX_FILES:
        raise UserInputError("The selection belongs to no list of files.")
    size = (count + 7) // 8
    try:
        # One byte more than right is read, so that a bomb is seen without being unpacked.
        with gzip.GzipFile(fileobj=io.BytesIO(buffer)) as stream:
            bits = stream.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserInputError("The selection that the view sent cannot be read.") from error
    if len(bits) != size:
        raise UserInputError("The selection belongs to another list of files.")
    return [
        index
        for position, byte in enumerate(bits)
        if byte
        for index in range(position * 8, min(position * 8 + 8, count))
        if byte >> (index & 7) & 1
    ]


_NO_FRAME = (struct.error, AttributeError, TypeError, ValueError, OverflowError)
_NO_JSON = (msgspec.MsgspecError, RecursionError)


def encode_frame(header: dict[str, Any], buffers: Sequence[bytes] = ()) -> bytes:
    """A message with its buffers as one body: header length (uint32), header (JSON), buffers."""
    sizes = [len(buffer) for buffer in buffers]
    text = msgspec.json.encode({**header, "buffers": sizes})
    return b"".join((struct.pack("<I", len(text)), text, *buffers))


def decode_frame(body: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Inverse of `encode_frame`.

    Raises:
        UserInputError: Not such a frame.
    """
    try:
        (length,) = struct.unpack_from("<I", body)
        header = msgspec.json.decode(body[4 : 4 + length])
        sizes = [int(size) for size in header.pop("buffers", [])]
    except (*_NO_FRAME, *_NO_JSON) as error:
        raise UserInputError("The request is no message of a view.") from error
    if min(sizes, default=0) < 0 or 4 + length + sum(sizes) != len(body):
        raise UserInputError("The request's buffers do not have the sizes that it says.")
    buffers, start = [], 4 + length
    for size in sizes:
        buffers.append(body[start : start + size])
        start += size
    return header, buffers
