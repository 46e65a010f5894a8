"""The interface of every way to the machine of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from inductiva_widgets.live.ended import EndedFile
    from inductiva_widgets.live.records import LastModified, LiveFiles

__all__ = ["LostError", "Reader", "Way"]


class LostError(Exception):
    """The connection was lost, or the machine has nothing more to say; the task may continue."""


class Reader(Protocol):
    """Reads one growing file, from where it stopped before. Knows what it has delivered."""

    def batches(self) -> AsyncGenerator[list[str], None]:
        """New lines; ends when the machine or `stop` ends it.

        Raises:
            LostError: The connection was lost; call again to continue.
        """

    def stop(self) -> None:
        """Ends `batches`; on the loop."""

    def rest(self, file: EndedFile) -> Iterator[list[str]]:
        """What of the file in the archive was not delivered yet; waits for the network."""


class Way(Protocol):
    """Reaches machines; all on the live loop."""

    name: str

    async def files(self, task_id: str) -> LiveFiles:
        """The output folder."""

    async def top(self, task_id: str) -> str:
        """The load of the machine."""

    async def last_modified(self, task_id: str) -> LastModified:
        """The file that was written last."""

    async def tail(self, task_id: str, filename: str, lines: int) -> list[str]:
        """The last lines of a file."""

    def reader(self, task_id: str, filename: str, lines: int, *, wait: bool) -> Reader:
        """For following a file, from its last lines on."""

    async def close(self) -> None:
        """Closes every connection."""
