"""The members that a download delivers, as columns: 100,000 take less than 5 MB."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Literal

from inductiva_widgets.outputs.extract import MemberFile
from inductiva_widgets.outputs.names import disk_parts
from inductiva_widgets.outputs.ranges import ByteRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from inductiva_widgets.errors import DownloadError
    from inductiva_widgets.outputs.archive import Member
    from inductiva_widgets.outputs.folder import OutputFolder
    from inductiva_widgets.outputs.listing import Listing

__all__ = ["Jobs", "State"]

State = Literal["waiting", "verified", "corrupt", "failed"]
_STATES: tuple[State, ...] = ("waiting", "verified", "corrupt", "failed")
_CODES = {state: code for code, state in enumerate(_STATES)}


class Jobs:
    """Which members, where they lie, and their outcomes; numbered in order of offset.

    Rows are added before the first byte comes. Later each job belongs to one thread at a time.

    Attributes:
        places: Their places on the board.
        rows: Their rows in the listing.
        starts: Where their extents begin in the archive.
        ends: Where these end.
        errors: Why those that are corrupt or failed are so.
    """

    def __init__(self, folder: OutputFolder, listing: Listing, *, replace: bool) -> None:
        self._folder = folder
        self._listing = listing
        self._replace = replace
        self._states = bytearray()
        self._other_names: dict[int, tuple[str, ...]] = {}
        self.places = array("L")
        self.rows = array("L")
        self.starts = array("Q")
        self.ends = array("Q")
        self.errors: dict[int, DownloadError] = {}

    def add(self, places: Iterable[int], rows: Iterable[int]) -> None:
        """Adds members whose extents are known."""
        self.places.extend(places)
        self.rows.extend(rows)

    def rename(self, row: int, parts: tuple[str, ...]) -> None:
        """Says that a row's file gets another name."""
        self._other_names[row] = parts

    def close(self) -> None:
        """No more are added: brings them into the order of the archive."""
        members, directory = self._listing.members, self._listing.directory
        offsets = [directory.offsets[members[row]] for row in self.rows]
        order = sorted(range(len(offsets)), key=offsets.__getitem__)
        if order != list(range(len(order))):
            self.places = array("L", map(self.places.__getitem__, order))
            self.rows = array("L", map(self.rows.__getitem__, order))
        ends = self._listing.ends
        self.starts = array("Q", map(offsets.__getitem__, order))
        self.ends = array("Q", [ends[members[row]] or 0 for row in self.rows])
        self._states = bytearray(len(self.rows))

    def __len__(self) -> int:
        return len(self.rows)

    def state(self, job: int) -> State:
        """Its state so far."""
        return _STATES[self._states[job]]

    def is_waiting(self, job: int) -> bool:
        """Whether it is still to be delivered."""
        return not self._states[job]

    def settle(self, job: int, state: State, error: DownloadError | None = None) -> None:
        """Notes its outcome."""
        self._states[job] = _CODES[state]
        if error is not None:
            self.errors[job] = error
        elif self.errors:
            self.errors.pop(job, None)

    def having(self, *states: State) -> Iterator[int]:
        """Those in one of some states."""
        wanted = {_CODES[state] for state in states}
        return (job for job, state in enumerate(self._states) if state in wanted)

    def count(self, state: State) -> int:
        """How many are in a state."""
        return self._states.count(_CODES[state])

    def extents(self) -> tuple[array[int], array[int]]:
        """Starts and ends of those waiting."""
        if not any(self._states):
            return self.starts, self.ends
        waiting = list(self.having("waiting"))
        starts, ends = self.starts.__getitem__, self.ends.__getitem__
        return array("Q", map(starts, waiting)), array("Q", map(ends, waiting))

    def waiting_bytes(self) -> int:
        """Unpacked size of those waiting."""
        rows: Iterable[int] = self.rows
        if any(self._states):
            rows = (self.rows[job] for job in self.having("waiting"))
        return sum(map(self._listing.sizes.__getitem__, rows))

    def empty(self) -> list[int]:
        """Those that have no content: no byte of them is needed."""
        sizes = self._listing.sizes
        without = [job for job, row in enumerate(self.rows) if not sizes[row]]
        return [job for job in without if self.member(job).crc == 0]

    def spans(self) -> list[ByteRange]:
        """Where those waiting lie, neighbours as one."""
        starts, ends = self.extents()
        breaks = [job for job in range(1, len(starts)) if starts[job] != ends[job - 1]]
        firsts = [0, *breaks] if starts else []
        lasts = [*breaks, len(starts)] if starts else []
        return [
            ByteRange(starts[first], ends[last - 1])
            for first, last in zip(firsts, lasts, strict=True)
        ]

    def name(self, job: int) -> str:
        """Name in the listing."""
        return self._listing.names[self.rows[job]]

    def parts(self, job: int) -> tuple[str, ...]:
        """Folders and name below the target folder."""
        row = self.rows[job]
        return self._other_names.get(row) or disk_parts(self._listing.names[row])

    def member(self, job: int) -> Member:
        """Its entry in the directory."""
        return self._listing.directory.member(self._listing.members[self.rows[job]])

    def file(self, job: int) -> MemberFile:
        """What unpacks it; nothing is made on disk before it is fed."""
        return MemberFile(self._folder, self.member(job), self.parts(job), self._replace)
