"""Live files of the local engine without WebRTC: plain requests for what a file gained."""

from __future__ import annotations

import asyncio
import itertools
from http import HTTPStatus
from typing import TYPE_CHECKING

from inductiva_widgets.errors import (
    ApiError,
    AuthenticationError,
    NotFoundError,
    ServiceConnectionError,
)
from inductiva_widgets.live.delivered import BATCH_LINES
from inductiva_widgets.live.replies import (
    files_of_engine,
    last_modified,
    no_file,
    no_text,
    part,
)
from inductiva_widgets.live.ways import LostError
from inductiva_widgets.local.log_ring import left_out_bytes, left_out_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from inductiva_widgets.api.client import Client
    from inductiva_widgets.live.ended import EndedFile
    from inductiva_widgets.live.loop import LiveLoop
    from inductiva_widgets.live.records import LastModified, LiveFiles
    from inductiva_widgets.live.replies import Part

__all__ = ["Ranges"]

PAUSES_S = (
    0.1,
    0.2,
    0.4,
    0.8,
)  # between two looks that find nothing; 0.1 again when something came
LONGEST_LINE = 1 << 20


class Ranges:
    """Asks the engine; holds no connection of its own."""

    name = "ranges"

    def __init__(self, client: Client, loop: LiveLoop) -> None:
        self._client = client
        self._loop = loop

    async def files(self, task_id: str) -> LiveFiles:
        """The output folder."""
        found = await self._loop.blocking(self._client.live_json, task_id, "files")
        return files_of_engine(found)

    async def top(self, task_id: str) -> str:
        """The load of the machine."""
        body = await self._loop.blocking(self._client.live_bytes, task_id, "top")
        return body.decode("utf-8", "replace")

    async def last_modified(self, task_id: str) -> LastModified:
        """The file that was written last."""
        found = await self._loop.blocking(self._client.live_json, task_id, "last-modified-file")
        return last_modified(found, task_id)

    async def tail(self, task_id: str, filename: str, lines: int) -> list[str]:
        """The last lines of a file."""
        reader = self.reader(task_id, filename, lines, wait=False)
        found: list[str] = []
        while not reader.is_at_end:
            found += await reader.look()
        return found + reader.unfinished()

    def reader(self, task_id: str, filename: str, lines: int, *, wait: bool) -> RangesReader:
        """For following a file."""
        return RangesReader(self._client, self._loop, (task_id, filename), lines, wait=wait)

    async def close(self) -> None:
        """Nothing is open."""


class RangesReader:
    """Knows the place of the next byte, so that nothing is lost or read twice."""

    def __init__(
        self, client: Client, loop: LiveLoop, file: tuple[str, str], lines: int, *, wait: bool
    ) -> None:
        self._client = client
        self._loop = loop
        self._task_id, self._filename = file
        self._lines = lines
        self._wait = wait
        self._mark: str | None = None  # of the file that is read; `None` before the first look
        self._start = 0  # of the line that is not finished
        self._unfinished = b""
        self._head: int | None = None  # what a log keeps of its beginning
        self._stopped = asyncio.Event()
        self.is_at_end = False

    async def batches(self) -> AsyncGenerator[list[str], None]:
        """New lines until it is stopped."""
        quiet = 0
        while not self._stopped.is_set():
            try:
                lines = await self.look()
            except NotFoundError:
                if self._mark is None and not self._wait:
                    raise
                lines = []  # it may come, or come back
            except (ServiceConnectionError, LostError) as error:
                raise LostError from error
            if lines:
                quiet = 0
                yield lines
            elif self.is_at_end or self._mark is None:
                await self._pause(PAUSES_S[min(quiet, len(PAUSES_S) - 1)])
                quiet += 1

    def stop(self) -> None:
        """Ends `batches`."""
        self._stopped.set()

    def rest(self, file: EndedFile) -> Iterator[list[str]]:
        """What comes after the last finished line."""
        batch: list[str] = []
        if self._mark is None:
            batch = file.last_lines(self._lines)
        else:
            start, batch = self._place_in_outputs(file)
            for line in file.lines(start):
                batch.append(line)
                if len(batch) == BATCH_LINES:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def _place_in_outputs(self, file: EndedFile) -> tuple[int, list[str]]:
        """Where the next line is in the stored file, and what to say before it.

        A stored log has one line in place of what the engine took out of its middle.
        """
        place = self._start
        if self._head is not None and place > self._head:
            _, notice = (*itertools.islice(file.lines(self._head), 2), "", "")[:2]
            left_out = left_out_bytes(notice)
            if left_out is not None:
                after = self._head + len(f"\n{notice}\n")
                ahead = place - (self._head + left_out)
                if ahead >= 0:
                    return after + ahead, []
                ahead += len(self._unfinished)  # its beginning is not in the outputs any more
                missed = [left_out_text(-ahead)] if ahead < 0 else []
                return after + max(ahead, 0), [*self.unfinished(), *missed]
        return (place if file.size >= place else 0), []

    async def look(self) -> list[str]:
        """One request; finished lines of what it brought."""
        query: dict[str, str | int] = {"name": self._filename}
        if self._mark is None:
            query["lines"] = self._lines
        else:
            query["start"] = self._start + len(self._unfinished)
        body = await self._loop.blocking(self._ask, query)
        found = part(body)
        if self._mark is None:
            self._start = found.start - found.left_out
        elif found.mark != self._mark or found.size < found.start:
            # Replaced or cut: what is there now is new.
            self._start, self._unfinished, self._mark = 0, b"", found.mark
            return []
        self._mark, self._head = found.mark, found.head
        self.is_at_end = found.start + len(found.data) >= found.size
        missed = self._miss(found) if found.left_out else []
        *lines, rest = (self._unfinished + found.data).split(b"\n")
        self._start += len(self._unfinished) + len(found.data) - len(rest)
        self._unfinished = rest
        if len(rest) > LONGEST_LINE:
            self._start += len(rest)
            lines, self._unfinished = [*lines, rest], b""
        return missed + [line.decode("utf-8", "replace") for line in lines]

    def _miss(self, found: Part) -> list[str]:
        """Goes on after what the log does not have any more, and says so."""
        lines = [*self.unfinished(), left_out_text(found.left_out)]
        self._start, self._unfinished = found.start, b""
        return lines

    def unfinished(self) -> list[str]:
        """The line that has no end yet."""
        return [self._unfinished.decode("utf-8", "replace")] if self._unfinished else []

    def _ask(self, query: dict[str, str | int]) -> bytes:
        try:
            return self._client.live_bytes(self._task_id, "file", query)
        except NotFoundError:
            raise no_file(self._filename) from None
        except AuthenticationError:
            raise
        except ApiError as error:
            if error.status_code == HTTPStatus.BAD_REQUEST:
                raise no_text(self._filename) from None
            if error.status_code == HTTPStatus.CONFLICT:
                raise LostError from None  # not running, or not any more
            raise

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except asyncio.TimeoutError:
            return
