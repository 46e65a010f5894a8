"""Which bytes of an archive to ask for. Pure: offsets in, requests out.

A member's *extent* runs from its local header to the next member's, so that header, data and data
descriptor come in one request. Extents that are close are fetched together; long ones are cut into
chunks that do not care where members begin, so that all connections stay busy.
"""

from __future__ import annotations

import itertools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["ByteRange", "extent_ends", "merge", "plan", "split", "subtract"]

KB, MB = 1000, 1000 * 1000

# Fetching such a gap is cheaper than one more round trip on a common line (20 ms, 100 Mbit/s).
GAP_BYTES = 256 * KB
FREE_BYTES = 4 * MB  # of gaps: nobody minds them, and a hundred round trips are felt
CHUNK_BYTES = 8 * MB
SMALLEST_SHARE_BYTES = 256 * KB  # of a connection that is open already
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
    order: Sequence[int] = range(len(offsets))
    if any(map(operator.gt, offsets, itertools.islice(offsets, 1, None))):
        order = sorted(order, key=offsets.__getitem__)
    else:
        following = [*offsets[1:], limit]
        if all(map(operator.le, map(operator.add, offsets, least_sizes), following)):
            # As nearly always: nothing overlaps, so nothing has to be looked at one by one.
            return list(map(min, following, map(operator.add, offsets, most_sizes)))
    reached = 0  # end of the least bytes of all members so far
    previous = -1
    for place, index in enumerate(order):
        offset = offsets[index]
        end = min(limit, offsets[order[place + 1]]) if place + 1 < len(order) else limit
        least = offset + least_sizes[index]
        if offset < reached:
            if previous >= 0:
                ends[previous] = None  # both are refused: nobody knows which one is a lie
        elif least <= end:
            ends[index] = min(end, offset + most_sizes[index])
        if least > reached:
            reached, previous = least, index
    return ends


def merge(
    extents: Iterable[ByteRange],
    *,
    gap_bytes: int = GAP_BYTES,
    overfetch: float = 1.0,
    free_bytes: int = 0,
) -> list[ByteRange]:
    """Extents in order, neighbours joined when at most `gap_bytes` lie between them.

    The smallest gaps are closed first, and no more than `overfetch` times the useful bytes in all,
    or `free_bytes`: speed must not be bought with traffic. Extents must not overlap.
    """
    ordered = _in_order(extent for extent in extents if extent.end > extent.start)
    budget = max(free_bytes, int(overfetch * sum(map(len, ordered))))
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
    spans: Iterable[ByteRange],
    *,
    workers: int,
    chunk_bytes: int = CHUNK_BYTES,
    smallest_bytes: int = SMALLEST_CHUNK_BYTES,
) -> list[ByteRange]:
    """Cuts spans into requests: enough for all workers, none longer than `chunk_bytes`."""
    spans = list(spans)
    total = sum(map(len, spans))
    # Whole rounds: a last one with few chunks would leave most connections idle.
    rounds = max(1, -(-total // (max(1, workers) * chunk_bytes)))
    size = max(smallest_bytes, -(-total // (max(1, workers) * rounds)))
    size = min(size, chunk_bytes)
    chunks: list[ByteRange] = []
    for span in spans:
        count = max(1, -(-len(span) // size))
        cuts = [span.start + len(span) * cut // count for cut in range(count + 1)]
        chunks += itertools.starmap(ByteRange, itertools.pairwise(cuts))
    return chunks


def subtract(spans: Iterable[ByteRange], done: Iterable[ByteRange]) -> list[ByteRange]:
    """What of `spans` is not in `done`, in order. Neither may overlap within itself."""
    left: list[ByteRange] = []
    ordered = _in_order(done)
    if not ordered:
        return _in_order(spans)
    first = 0
    for span in _in_order(spans):
        start = span.start
        while first < len(ordered) and ordered[first].end <= start:
            first += 1
        place = first
        while place < len(ordered) and ordered[place].start < span.end:
            if ordered[place].start > start:
                left.append(ByteRange(start, ordered[place].start))
            start = max(start, ordered[place].end)
            place += 1
        if start < span.end:
            left.append(ByteRange(start, span.end))
    return left


def _in_order(spans: Iterable[ByteRange]) -> list[ByteRange]:
    return sorted(spans, key=operator.attrgetter("start"))


def plan(  # noqa: PLR0913 - figures, each with its default
    extents: Iterable[ByteRange],
    *,
    done: Sequence[ByteRange] = (),
    workers: int = 8,
    gap_bytes: int = GAP_BYTES,
    overfetch: float = 0.95,
    chunk_bytes: int = CHUNK_BYTES,
    smallest_bytes: int = 0,
    open_connections: int = 1,
) -> list[ByteRange]:
    """Requests that bring what is not `done` of all extents, in order, none overlapping another.

    What is worth no connection of its own is shared by those that are open.
    """
    missing = subtract(extents, done)
    spans = merge(missing, gap_bytes=gap_bytes, overfetch=overfetch, free_bytes=FREE_BYTES)
    spans = subtract(spans, done)
    smallest_bytes = max(SMALLEST_CHUNK_BYTES, smallest_bytes)
    if open_connections > 1:
        share = -(-sum(map(len, spans)) // open_connections)
        smallest_bytes = min(smallest_bytes, max(SMALLEST_SHARE_BYTES, share))
    return split(spans, workers=workers, chunk_bytes=chunk_bytes, smallest_bytes=smallest_bytes)
