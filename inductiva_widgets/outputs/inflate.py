"""From the bytes of one member's extent to its verified content. Pure.

Fed with pieces of any size, starting at the local header; gives unpacked pieces; says when the
member is complete and right: method known, declared size reached and not passed, CRC-32 matched,
DEFLATE stream ended exactly at its last packed byte.
"""

from __future__ import annotations

import contextlib
import zlib
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import CorruptMemberError, UnsupportedMemberError
from inductiva_widgets.formats import safe_text
from inductiva_widgets.outputs.archive import (
    DEFLATED,
    STORED,
    Member,
    local_header_bytes,
    method_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Decoder", "check_supported", "crc32"]

PIECE_BYTES = 1 << 20  # a megabyte of zeros packs into one kilobyte: output is bounded, not input

_zlib: Any = zlib
with contextlib.suppress(ImportError):
    # Twice as fast on text, four times on checksums; comes with the optional extra `fast`.
    from isal import isal_zlib as _zlib

crc32: Callable[[bytes, int], int] = _zlib.crc32
_new_inflater: Callable[[int], Any] = _zlib.decompressobj
_inflate_errors: tuple[type[Exception], ...] = (zlib.error, _zlib.error)


def check_supported(member: Member) -> None:
    """Refuses what cannot be unpacked here.

    Raises:
        UnsupportedMemberError: Encrypted, or packed by an unknown method.
    """
    if member.is_encrypted:
        raise UnsupportedMemberError(f"{safe_text(member.name)} is encrypted.")
    if member.method not in (STORED, DEFLATED):
        raise UnsupportedMemberError(
            f"{safe_text(member.name)} is packed by {method_name(member.method)}, "
            "which cannot be unpacked here."
        )


class Decoder:
    """Unpacks one member. Used by one thread at a time.

    Attributes:
        member: What is unpacked.
        written: Unpacked bytes given so far.
        complete: Whether all came and was right.
    """

    def __init__(self, member: Member) -> None:
        check_supported(member)
        self.member = member
        self.written = 0
        self.complete = False
        self._head: bytearray | None = bytearray()
        self._skip = 0  # rest of the local header's extra field
        self._left = member.packed_size
        self._crc = 0
        self._inflater = _new_inflater(-zlib.MAX_WBITS) if member.method == DEFLATED else None

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Unpacked pieces of at most 1 MB; what follows the member's data is ignored.

        Raises:
            CorruptMemberError: Header, size, checksum or stream do not fit the directory.
        """
        view = memoryview(data)
        if self._head is not None:
            view = self._take_header(view)
            if self._head is not None:
                return
        skipped = min(self._skip, len(view))
        self._skip -= skipped
        view = view[skipped : skipped + self._left]
        if self._skip or self.complete:
            return
        self._left -= len(view)
        for piece in self._unpack(view):
            self.written += len(piece)
            if self.written > self.member.size:
                raise self._corrupt(f"is longer than the {self.member.size} bytes declared")
            self._crc = crc32(piece, self._crc)
            yield piece
        if self._left == 0:
            self._verify()

    def _take_header(self, view: memoryview) -> memoryview:
        head = self._head
        if head is None:
            raise AssertionError
        head += view
        size = local_header_bytes(head, self.member)
        if size is None:
            return view[:0]
        self._head = None
        self._skip = max(0, size - len(head))
        return memoryview(bytes(head))[min(size, len(head)) :]

    def _unpack(self, view: memoryview) -> Iterator[bytes]:
        inflater = self._inflater
        if inflater is None:
            if view:
                yield bytes(view)
            return
        pending: bytes | memoryview = view
        while not inflater.eof:
            try:
                piece = inflater.decompress(pending, PIECE_BYTES)
            except _inflate_errors:
                raise self._corrupt("has a broken compressed stream") from None
            pending = inflater.unconsumed_tail
            if piece:
                yield piece
            # A full piece may have left output in the window although all input is taken.
            if not pending and len(piece) < PIECE_BYTES:
                break
        if inflater.eof and (pending or inflater.unused_data or self._left):
            raise self._corrupt("has a compressed stream that ends too early")

    def _verify(self) -> None:
        if self._inflater is not None and not self._inflater.eof:
            raise self._corrupt("has a compressed stream that does not end")
        if self.written != self.member.size:
            raise self._corrupt(f"has {self.written} bytes instead of {self.member.size}")
        if self._crc & 0xFFFFFFFF != self.member.crc:
            raise self._corrupt("does not match its CRC-32")
        self.complete = True

    def _corrupt(self, what: str) -> CorruptMemberError:
        return CorruptMemberError(
            f"{safe_text(self.member.name)} {what}.",
            hint="The archive itself may be damaged: run the task again to be sure.",
        )
