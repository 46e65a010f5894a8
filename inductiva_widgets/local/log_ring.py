"""Logs that keep their beginning and their newest end, however much a task prints.

A command writes straight to its log file, so nothing is between the two that could drop bytes.
What a log has too much is taken out of its middle instead: the file gets a hole there, which takes
no room on the disk, while every byte that is left keeps its place. The hole is all there is to
know, so that a log can be read and packed after any crash.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

__all__ = [
    "Gap",
    "Piece",
    "find_gap",
    "head_bytes",
    "left_out_bytes",
    "left_out_text",
    "read_kept",
    "stored_blocks",
    "turn",
]

BLOCK_BYTES = 64 * 1024  # a multiple of what file systems can make holes of
COPY_BYTES = 1 << 20
KEEP_SIZE, PUNCH_HOLE = 0x01, 0x02  # of `fallocate` (Linux)
_LEFT_OUT = re.compile(r"\[(\d{1,18}) bytes of this log were left out here\.\]")


@dataclass(frozen=True, slots=True)
class Gap:
    """What was taken out of a log: offsets of its first byte, and of the first one after it."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a log.

    Attributes:
        start: Offset of the first byte.
        data: The bytes.
        left_out: How many bytes before `start` were asked for and are no longer kept.
    """

    start: int
    data: bytes
    left_out: int = 0


def left_out_text(count: int) -> str:
    """The line that stands for what was left out."""
    return f"[{count} bytes of this log were left out here.]"


def left_out_bytes(line: str) -> int | None:
    """The number that such a line tells; `None` for every other line."""
    found = _LEFT_OUT.fullmatch(line)
    return None if found is None else int(found[1])


def head_bytes(limit_bytes: int) -> int:
    """How much of the beginning is kept for good; the end gets as much, or a block more."""
    return max(limit_bytes // 2 // BLOCK_BYTES, 1) * BLOCK_BYTES


def turn(path: Path, limit_bytes: int) -> bool:
    """Takes out of the middle of a log what it has too much.

    Returns:
        Whether the log is within its limit; not if this file system can make no holes.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:  # the task itself removed it
        return True
    head = head_bytes(limit_bytes)
    end = (size - head) // BLOCK_BYTES * BLOCK_BYTES
    if size <= limit_bytes or end <= head:
        return True
    with path.open("rb+", buffering=0) as log:
        return _punch(log.fileno(), head, end - head) and find_gap(log) == Gap(head, end)


def find_gap(log: BinaryIO) -> Gap | None:
    """What was taken out of a log, as its file system knows it."""
    if not hasattr(os, "SEEK_HOLE"):
        return None
    descriptor = log.fileno()
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        begin = os.lseek(descriptor, 0, os.SEEK_HOLE)
        end = os.lseek(descriptor, begin, os.SEEK_DATA)
    except OSError:  # no hole but the end of the file
        return None
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)
    is_ours = 0 < begin < end and begin % BLOCK_BYTES == end % BLOCK_BYTES == 0
    return Gap(begin, end) if is_ours else None


def read_kept(log: BinaryIO, position: int, count: int) -> Piece:
    """Bytes from a position on; if they are not kept, those that come after the gap."""
    start = position
    while True:
        log.seek(start)
        data = log.read(count)
        gap = find_gap(log)  # only now: it may have grown while we read
        if gap is None or start >= gap.end:
            return Piece(start, data, start - position)
        if start < gap.begin:
            return Piece(start, data[: gap.begin - start])
        start = gap.end


def stored_blocks(path: Path) -> Iterator[bytes]:
    """A log as it is stored: one line stands where bytes were taken out."""
    with path.open("rb") as log:
        gap = find_gap(log)
        if gap is not None:
            yield from _blocks(log, gap.begin)
            yield f"\n{left_out_text(gap.end - gap.begin)}\n".encode()
            log.seek(gap.end)
        yield from _blocks(log)


def _blocks(log: BinaryIO, limit: int | None = None) -> Iterator[bytes]:
    while block := log.read(COPY_BYTES if limit is None else min(COPY_BYTES, limit)):
        yield block
        limit = None if limit is None else limit - len(block)


def _punch(descriptor: int, begin: int, count: int) -> bool:
    allocate = _fallocate()
    if allocate is None:
        return False
    return allocate(descriptor, PUNCH_HOLE | KEEP_SIZE, begin, count) == 0


@functools.cache
def _fallocate() -> Callable[[int, int, int, int], int] | None:
    """The system's own call: Python offers only the one that makes files longer."""
    library = ctypes.CDLL(None) if os.name == "posix" else None
    call = getattr(library, "fallocate64", None) or getattr(library, "fallocate", None)
    if call is None:
        return None
    call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    call.restype = ctypes.c_int
    found: Callable[[int, int, int, int], int] = call
    return found
