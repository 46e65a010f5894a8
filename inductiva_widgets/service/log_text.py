"""The text of one log, scanned once: its lines, the commands that wrote it, its error lines. Pure.

Kept packed, in chunks of whole lines, so that any range of it is at hand in little memory.
"""

from __future__ import annotations

import re
import zlib
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["LogText", "Part"]

CHUNK_BYTES = 512 * 1024
# Views read by blocks: short enough to be there at once, long enough for few requests.
BLOCK_BYTES, BLOCK_LINES = 48 * 1024, 1000
LONG_LINE_BYTES = 256 * 1024  # has a block of its own: nobody needs all of it
MOST_PARTS = 1000
MOST_ERRORS = 200
MOST_HITS = 100_000

# What the machines write around the output of each command.
_HEAD = b"# COMMAND: "
_FRAME = (b"# Working directory:", b"# Env:")
_FOOT = b" -------"

# A line that holds one of these tells of an error …
_ERROR_WORDS = (
    b"*** Error in",
    b"FOAM FATAL",
    b"Foam::error::printStack",
    b"::sigHandler",
    b"Traceback (most recent call last)",
    b"egmentation fault",
    b"core dumped",
    b"exited on signal",
    b"error while loading shared libraries",
    b"command not found",
    b"No such file or directory",
    b"ermission denied",
    b"No space left on device",
    b"bad_alloc",
    b"terminate called",
    b"ut of memory",
    b"MPI_ABORT was invoked",
)
# … and one that begins like `ERROR:`, `Fatal error:`, `ERROR 200:`, `KeyError:`.
_ERROR_START = re.compile(
    rb"^[ \t*>\[\]-]{0,12}"
    rb"(?:[A-Z][\w.]{0,40}(?:Error|Exception)"
    rb"|ERROR|FATAL|Fatal(?: [Ee]rror)?|fatal error|Error|error)"
    rb"\b(?: \d+)?[ \t]{0,2}[:!\]]",
    re.MULTILINE,
)


@dataclass(slots=True)
class Part:
    """What one command wrote, without the frame around it; all of it when nothing is framed.

    Attributes:
        command: The words of the frame; empty without one.
        line: Number of its first line, counted from 0 in the whole file.
        blocks: Flat list: offset, bytes, lines of the first block, of the second, and so on.
    """

    command: str
    line: int
    blocks: list[int] = field(default_factory=list)
    lines: int = 0
    _open: list[int] = field(default_factory=list)

    def add(self, start: int, size: int) -> None:
        """Takes in the next line."""
        self.lines += 1
        now = self._open
        if now and (size > LONG_LINE_BYTES or now[1] >= BLOCK_BYTES or now[2] >= BLOCK_LINES):
            self.close()
            now = self._open
        if now:
            now[1] += size
            now[2] += 1
        else:
            now[:] = (start, size, 1)
        if size > LONG_LINE_BYTES:
            self.close()

    def close(self) -> None:
        """Ends the block under way."""
        self.blocks += self._open
        self._open.clear()


class LogText:
    """A log as far as it was read.

    Args:
        pieces: The log from its first byte on, in any pieces.
        limit_bytes: Where to stop reading.

    Attributes:
        size: Bytes read.
        lines: Lines read; an unfinished last one counts.
        parts: By command, in order.
        errors: Numbers of the first lines that tell of an error, in order.
    """

    def __init__(self, pieces: Iterable[bytes], limit_bytes: int) -> None:
        self.size = 0
        self.lines = 0
        self.parts: list[Part] = []
        self.errors: list[int] = []
        self._chunks: list[bytes] = []
        self._starts = array("q")
        self._first_lines = array("q")
        # Lines of the frame that the next line may continue; `None` inside of an output.
        self._frame: int | None = None
        self._part = Part("", 0)
        for chunk in _whole_lines(pieces, limit_bytes):
            self._take(chunk)
        self._end_part()

    @property
    def packed_bytes(self) -> int:
        """Memory that it takes."""
        return sum(map(len, self._chunks))

    def read(self, offset: int, length: int) -> bytes:
        """A range of the text, as much of it as there is."""
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        first = bisect_right(self._starts, offset) - 1
        last = bisect_right(self._starts, end - 1)
        text = b"".join(map(zlib.decompress, self._chunks[first:last]))
        begin = offset - self._starts[first]
        return text[begin : begin + end - offset]

    def search(self, query: str) -> list[int]:
        """Numbers of the lines that hold the query, in order; letters match in both cases."""
        pattern = re.compile(re.escape(query.encode("utf-8", "replace")), re.IGNORECASE)
        found: list[int] = []
        for chunk, line in zip(self._chunks, self._first_lines, strict=True):
            for number in _lines_of(pattern, zlib.decompress(chunk), line):
                if not found or found[-1] != number:
                    found.append(number)
                if len(found) == MOST_HITS:
                    return found
        return found

    def _take(self, chunk: bytes) -> None:
        self._chunks.append(zlib.compress(chunk, 1))
        self._starts.append(self.size)
        self._first_lines.append(self.lines)
        if len(self.errors) < MOST_ERRORS:
            self.errors += _error_lines(chunk, self.lines)[: MOST_ERRORS - len(self.errors)]
        position = self.size
        for line in chunk.split(b"\n"):
            size = min(len(line) + 1, self.size + len(chunk) - position)
            if size:
                self._take_line(line, position, size)
            position += size
        self.size += len(chunk)

    def _take_line(self, line: bytes, start: int, size: int) -> None:
        number = self.lines
        self.lines += 1
        if line.startswith(_HEAD) and len(self.parts) < MOST_PARTS:
            self._end_part()
            self._part = Part(_command(line), number + 1)
            self._frame = 0
            return
        if self._frame is not None:
            is_frame = self._frame < len(_FRAME) and line.startswith(_FRAME)
            if is_frame or not line.strip():
                self._frame = None if not is_frame else self._frame + 1
                self._part.line = number + 1
                return
            self._frame = None
        if self._part.command and line.rstrip() == _FOOT:
            self._end_part()
            self._part = Part("", number + 1)
            return
        self._part.add(start, size)

    def _end_part(self) -> None:
        part = self._part
        part.close()
        if part.command or part.lines:
            self.parts.append(part)
        self._part = Part("", self.lines)


def _command(head: bytes) -> str:
    """The words in a frame's head: `['mpirun', '-np', '4']` without its marks."""
    text = head[len(_HEAD) :][:2000].decode("utf-8", "replace").strip()
    if not (text.startswith("[") and text.endswith("]")):
        return text or "?"
    words = re.findall(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", text)
    return " ".join(one or other for one, other in words) or text


def _whole_lines(pieces: Iterable[bytes], limit_bytes: int) -> Iterator[bytes]:
    """Chunks that end with a line, unless that is very long."""
    held, size, left = [], 0, limit_bytes
    for given in pieces:
        piece = given[:left]
        left -= len(piece)
        held.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES and b"\n" in piece:
            text = b"".join(held)
            end = text.rindex(b"\n") + 1
            yield text[:end]
            held, size = [text[end:]], len(text) - end
        if not left:
            break
    if size:
        yield b"".join(held)


def _lines_of(pattern: re.Pattern[bytes], chunk: bytes, line: int) -> Iterator[int]:
    position = 0
    for match in pattern.finditer(chunk):
        line += chunk.count(b"\n", position, match.start())
        position = match.start()
        yield line


def _error_lines(chunk: bytes, line: int) -> list[int]:
    places = {match.end() for match in _ERROR_START.finditer(chunk)}
    for word in _ERROR_WORDS:
        at = chunk.find(word)
        while at >= 0 and len(places) < 10 * MOST_ERRORS:
            places.add(at)
            at = chunk.find(word, at + 1)
    numbers: list[int] = []
    position = 0
    for place in sorted(places):
        line += chunk.count(b"\n", position, place)
        position = place
        if not numbers or numbers[-1] != line:
            numbers.append(line)
    return numbers
