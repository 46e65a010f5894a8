"""The text of one log, scanned once: its lines, the commands that wrote it, its error lines. Pure.

Kept packed, in chunks of whole lines, so that any range of it can be read with little memory. Of a
long log the middle is only counted, but for the chunk with its first error.
"""

from __future__ import annotations

import re
import zlib
from array import array
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["LogText", "Part"]

CHUNK_BYTES = 512 * 1024
# Views read by blocks: short enough to be there at once, long enough for few requests.
BLOCK_BYTES, BLOCK_LINES = 48 * 1024, 1000
LONG_LINE_BYTES = 256 * 1024  # has a block of its own: it is rarely needed whole
LONGEST_LINE_BYTES = 64 * 1000 * 1000  # it is held as a whole: reading ends with a longer one
MOST_PARTS = 1000
MOST_ERRORS = 200
MOST_HITS = 100_000

# What the machines write around the output of each command.
_HEAD = b"# COMMAND: "
_FRAME = (b"# Working directory:", b"# Env:")
_FOOT = b" -------"
_MARKS = re.compile(rb"^(?:# COMMAND: | -------[ \t\r\f\v]*$)", re.MULTILINE)

# A line that holds one of these reports an error …
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
# Looked for first: one of these is in every such line, and ten times quicker to rule out.
_ERROR_PARTS = (b"rror", b"RROR", b"xception", b"Fatal", b"FATAL")


@dataclass(slots=True)
class Part:
    """What one command wrote, without the frame around it; all of it when nothing is framed.

    Attributes:
        command: The words of the frame; empty without one.
        line: Number of its first line, counted from 0 in the whole file.
        blocks: Flat list: offset, bytes, lines of the first block, of the second, and so on. A
            block of negative bytes stands for as many that are not kept.
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

    def pass_over(self, start: int, size: int, lines: int) -> None:
        """Takes in lines that are not kept."""
        self.close()
        self.lines += lines
        if self.blocks and self.blocks[-2] < 0:
            self.blocks[-2] -= size
            self.blocks[-1] += lines
        else:
            self.blocks += (start, -size, lines)

    def close(self) -> None:
        """Ends the block under way."""
        self.blocks += self._open
        self._open.clear()


class LogText:
    """A log as far as it was read.

    Args:
        pieces: The log from its first byte on, in any pieces.
        limit_bytes: Where to stop reading.
        head_bytes: How much is kept of its beginning, roughly: of whole chunks.
        tail_bytes: How much is kept of its end, roughly. Held unpacked while it is read.

    Attributes:
        size: Bytes read.
        kept: Bytes of these that are kept.
        lines: Lines read; an unfinished last one counts.
        parts: By command, in order.
        errors: Numbers of lines that report an error, in order: of each stretch that is kept the
            first 200.
    """

    def __init__(
        self, pieces: Iterable[bytes], limit_bytes: int, head_bytes: int, tail_bytes: int
    ) -> None:
        self.size = 0
        self.kept = 0
        self.lines = 0
        self.parts: list[Part] = []
        self.errors: list[int] = []
        self._chunks: list[bytes] = []
        self._starts = array("q")
        self._first_lines = array("q")
        # Lines of the frame that the next line may continue; `None` inside of an output.
        self._frame: int | None = None
        self._part = Part("", 0)
        self._errors_left = MOST_ERRORS
        tail: deque[bytes] = deque()
        held = 0
        for chunk in _whole_lines(pieces, limit_bytes):
            tail.append(chunk)
            held += len(chunk)
            while tail and held - len(tail[0]) >= tail_bytes:
                held -= len(tail[0])
                if self.kept < head_bytes:
                    self._take(tail.popleft())
                else:
                    self._pass_over(tail.popleft())
        while tail:
            self._take(tail.popleft())
        self._end_part()

    @property
    def packed_bytes(self) -> int:
        """Memory that it takes."""
        return sum(map(len, self._chunks))

    def read(self, offset: int, length: int) -> bytes:
        """A range of the text, as much of it as is kept from its first byte on."""
        end = min(offset + length, self.size)
        pieces = []
        at = max(0, bisect_right(self._starts, offset) - 1)
        while offset < end and at < len(self._chunks) and self._starts[at] <= offset:
            start = self._starts[at]
            piece = zlib.decompress(self._chunks[at])[offset - start : end - start]
            pieces.append(piece)
            offset += len(piece)
            at += 1
        return b"".join(pieces)

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
        if self._errors_left:
            errors = _error_lines(chunk, self.lines)[: self._errors_left]
            self.errors += errors
            self._errors_left -= len(errors)
        self._take_lines(chunk, is_kept=True)
        self.kept += len(chunk)

    def _pass_over(self, chunk: bytes) -> None:
        """Counts a chunk; keeps it only if it holds the first error, which users want to read."""
        if not self.errors and _error_lines(chunk, self.lines):
            self._take(chunk)
            return
        self._errors_left = MOST_ERRORS
        # Two looks for plain bytes rule out most chunks at a tenth of the cost.
        is_marked = (_HEAD in chunk or _FOOT in chunk) and _MARKS.search(chunk)
        if is_marked or self._frame is not None:
            self._take_lines(chunk, is_kept=False)
            return
        lines = chunk.count(b"\n") + (not chunk.endswith(b"\n"))
        self._part.pass_over(self.size, len(chunk), lines)
        self.lines += lines
        self.size += len(chunk)

    def _take_lines(self, chunk: bytes, *, is_kept: bool) -> None:
        position = self.size
        for line in chunk.split(b"\n"):
            size = min(len(line) + 1, self.size + len(chunk) - position)
            if size:
                self._take_line(line, position, size, is_kept=is_kept)
            position += size
        self.size += len(chunk)

    def _take_line(self, line: bytes, start: int, size: int, *, is_kept: bool) -> None:
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
        if is_kept:
            self._part.add(start, size)
        else:
            self._part.pass_over(start, size, 1)

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
    """Chunks that end with a line, but for the last one."""
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
        if not left or size > LONGEST_LINE_BYTES:
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
    places = set()
    if any(part in chunk for part in _ERROR_PARTS):
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
