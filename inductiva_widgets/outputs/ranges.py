"""Which bytes of an archive to ask for. Pure: offsets in, requests out.

A member's *extent* runs from its local header to the next member's, so that header, data and data
descriptor come in one request. Extents that are close are fetched together; long ones are cut into
chunks that do not care where members begin, so that all connections stay busy.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["ByteRange", "extent_ends", "merge", "plan", "split"]

KB, MB = 1000, 1000 * 1000

# Fetching such a gap is cheaper than one more round trip on a common line (20 ms, 100 Mbit/s).
GAP_BYTES = 256 * KB
CHUNK_BYTES = 8 * MB
SMALLEST_CHUNK_BYTES = 1 * MB  # smaller ones spend their time in round trips


@dataclass(frozen=True, slots=True, order=True)
class ByteRange:
    """Bytes `[start, end)`, `end` exclusive. HTTP counts ends inclusive (RFC 9110 § 14.1.2)."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def header(self) -> str:
        """Value of the `Range` header."""
        return f"bytes={self.start}-{self.end - 1}"


def extent_ends(
    offsets: Sequence[int], least_sizes: Sequence[int], most_sizes: Sequence[int], limit: int
) -> list[int | None]:
    """End of each member's extent; `None` where members overlap or reach beyond `limit`.

    Args:
        offsets: Places of the local headers, any order.
        least_sizes: Bytes that each member occupies at least.
        most_sizes: Bytes that it can occupy at most: what lies beyond is nobody's and not fetched.
        limit: Offset of the directory, which ends the last extent.
    """
    ends: list[int | None] = [None] * len(offsets)
    order = sorted(range(len(offsets)), key=offsets.__getitem__)
    reached = 0  # end of the least bytes of all members so far
    previous = -1
    for place, index in enumerate(order):
        offset = offsets[index]
        following = offsets[order[place + 1]] if place + 1 < len(order) else limit
        least = offset + least_sizes[index]
        if offset < reached:
            if previous >= 0:
                ends[previous] = None  # both are refused: nobody knows which one is a lie
        elif least <= min(following, limit):
            ends[index] = min(following, limit, offset + most_sizes[index])
        if least > reached:
            reached, previous = least, index
    return ends


def merge(
    extents: Iterable[ByteRange], *, gap_bytes: int = GAP_BYTES, overfetch: float = 1.0
) -> list[ByteRange]:
    """Extents in order, neighbours joined when at most `gap_bytes` lie between them.

    The smallest gaps are closed first, and no more than `overfetch` times the useful bytes in all:
    speed must not be bought with traffic. Extents must not overlap.
    """
    ordered = sorted(extent for extent in extents if len(extent))
    budget = int(overfetch * sum(map(len, ordered)))
    gaps = sorted(
        (after.start - before.end, i)
        for i, (before, after) in enumerate(itertools.pairwise(ordered))
    )
    joined: set[int] = set()
    for gap, index in gaps:
        if gap > gap_bytes or gap > budget:
            break
        budget -= gap
        joined.add(index)
    merged: list[ByteRange] = []
    for index, extent in enumerate(ordered):
        if index - 1 in joined:
            merged[-1] = ByteRange(merged[-1].start, extent.end)
        else:
            merged.append(extent)
    return merged


def split(
    spans: Iterable[ByteRange], *, workers: int, chunk_bytes: int = CHUNK_BYTES
) -> list[ByteRange]:
    """Cuts spans into requests: enough for all workers, none longer than `chunk_bytes`."""
    spans = list(spans)
    share = -(-sum(map(len, spans)) // max(1, workers))
    size = min(chunk_bytes, max(SMALLEST_CHUNK_BYTES, share))
    return [
        ByteRange(start, min(start + size, span.end))
        for span in spans
        for start in range(span.start, span.end, size)
    ]


def plan(
    extents: Iterable[ByteRange],
    *,
    workers: int = 8,
    gap_bytes: int = GAP_BYTES,
    overfetch: float = 1.0,
    chunk_bytes: int = CHUNK_BYTES,
) -> list[ByteRange]:
    """Requests that bring all extents, in order of offset, none overlapping another."""
    spans = merge(extents, gap_bytes=gap_bytes, overfetch=overfetch)
    return split(spans, workers=workers, chunk_bytes=chunk_bytes)
