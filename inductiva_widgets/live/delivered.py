"""What was delivered of a file, so that reading can continue at the next line. Pure."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["Delivered"]

REMEMBERED_LINES = 100
BATCH_LINES = 2000


class Delivered:
    """The last lines that were delivered, and how many there were, as far as that is known.

    The service's machines give lines counted from the end, never their offset in the file:
    after a lost connection the place is found by what was delivered last. Where the same
    hundred lines occur several times, the number of lines decides, or else the last place.
    """

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=REMEMBERED_LINES)
        self._count = 0
        self._is_from_start = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was delivered yet."""
        return not self._last

    def begin(self, lines: Sequence[str], asked: int) -> None:
        """Notes the first lines; fewer than asked for are all that the file held."""
        self._is_from_start = len(lines) < asked
        self.add(lines)

    def add(self, lines: Sequence[str]) -> None:
        """Notes further lines."""
        self._last.extend(lines)
        self._count += len(lines)

    def rest_of_tail(self, lines: Sequence[str], *, is_whole: bool) -> list[str] | None:
        """What of a file's last lines comes after those delivered; `None` if that is not in them.

        Args:
            lines: The last lines of the file.
            is_whole: Whether they are all of it.
        """
        place = self._place(lines, is_whole=is_whole)
        if place is not None:
            return list(lines[place:])
        return list(lines) if is_whole else None  # another file has the name now

    def rest_of_file(self, read: Callable[[], Iterable[str]]) -> Iterator[list[str]]:
        """The same of a whole file, which is read twice, in batches."""
        place = self._place(read(), is_whole=True) or 0
        rest = itertools.islice(read(), place, None)
        while batch := list(itertools.islice(rest, BATCH_LINES)):
            yield batch

    def _place(self, lines: Iterable[str], *, is_whole: bool) -> int | None:
        """Number of the first line that was not delivered."""
        wanted = list(self._last)
        if not wanted:
            return 0 if is_whole else None
        recent: deque[str] = deque(maxlen=len(wanted))
        found = None
        for number, line in enumerate(lines, 1):
            recent.append(line)
            if line == wanted[-1] and list(recent) == wanted:
                found = number
                if is_whole and self._is_from_start and number == self._count:
                    break
        return found
