"""Lines of a file of a running task, read one after another."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
import weakref
from collections import deque
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Self

    from inductiva_widgets.live.following import Following, LiveEnd

__all__ = ["LiveLines"]

HELD_LETTERS = 4_000_000  # of lines that wait in memory for a slow reader; more go to a file
WAIT_S = 0.2  # so that Ctrl-C is heard


class Spool:
    """Lines that wait for their reader: some in memory, all beyond in a temporary file.

    A machine cannot be made to wait, so a reader that is slower than the log needs room for it.
    """

    def __init__(self) -> None:
        self._ready: deque[str] = deque()
        self._letters = 0
        self._file: IO[bytes] | None = None
        self._waiting = 0  # lines in the file
        self._read_at = 0

    def put(self, lines: Iterable[str]) -> None:
        """Adds lines at the end."""
        for line in lines:
            if self._waiting or self._letters > HELD_LETTERS:
                self._write(line)
            else:
                self._ready.append(line)
                self._letters += len(line) + 50  # what an object costs by itself

    def take(self) -> str | None:
        """The first line; `None` when there is none."""
        if not self._ready and self._waiting:
            self._reload()
        if not self._ready:
            return None
        line = self._ready.popleft()
        self._letters -= len(line) + 50
        return line

    def held(self) -> list[str]:
        """The lines that wait in memory, which stay there, and how many more there are."""
        more = [f"… and {self._waiting} more lines"] if self._waiting else []
        return [*self._ready, *more]

    def close(self) -> None:
        """Forgets everything."""
        self._ready.clear()
        self._letters = self._waiting = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: str) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
            self._read_at = 0
        self._file.seek(0, 2)
        self._file.write(line.encode("utf-8", "surrogatepass") + b"\n")
        self._waiting += 1

    def _reload(self) -> None:
        if self._file is None:  # never: lines wait in it
            return
        self._file.seek(self._read_at)
        while self._waiting and self._letters <= HELD_LETTERS // 2:
            line = self._file.readline()[:-1].decode("utf-8", "surrogatepass")
            self._ready.append(line)
            self._letters += len(line) + 50
            self._waiting -= 1
        self._read_at = self._file.tell()
        if not self._waiting:
            self._file.close()
            self._file = None


class LiveLines:
    """Text lines without their ends: an iterator, an async iterator and a context manager.

    A reader may be as slow as it likes: no line is lost, and memory stays bounded. The iteration
    ends when the task has ended and the rest was delivered (or, without `follow`, after the last
    lines), and then `end` says why. `str()` and `repr()` are the lines that are here and were not
    read yet; while more may come, `repr()` says so instead. Iterating raises what made following
    impossible: `LiveUnavailableError`, `NotFoundError` (no such file), `UserInputError` (no text
    file) or an error of the service.
    """

    def __init__(self, lines: Sequence[str] = (), end: LiveEnd | None = None) -> None:
        self._changed = threading.Condition()
        self._spool = Spool()
        self._spool.put(lines)
        self._end = end
        self._following: Following | None = None
        self._wakers: list[Callable[[], object]] = []

    @property
    def end(self) -> LiveEnd | None:
        """Why no more lines come; `None` while they may."""
        return self._end

    def close(self) -> None:
        """Stops following and forgets lines that were not read; from any thread, also twice."""
        if self._following is not None:
            self._following.close()
        with self._changed:
            self._spool.close()
        from inductiva_widgets.live.following import LiveEnd

        self.finish(LiveEnd("closed"))

    def __str__(self) -> str:
        from inductiva_widgets.live.printing import harmless

        with self._changed:
            return "\n".join(map(harmless, self._spool.held()))

    def __repr__(self) -> str:
        return str(self) if self._following is None else "<LiveLines: iterate to follow the file>"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        with self._changed:
            while (line := self._spool.take()) is None:
                if self._end is not None:
                    self._raise_end()
                    raise StopIteration
                self._changed.wait(WAIT_S)
        return line

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        loop = asyncio.get_running_loop()
        while True:
            woken = asyncio.Event()

            def wake(event: asyncio.Event = woken) -> None:
                with contextlib.suppress(RuntimeError):  # the reader's loop has ended
                    loop.call_soon_threadsafe(event.set)

            with self._changed:
                line = self._spool.take()
                if line is not None:
                    return line
                if self._end is not None:
                    self._raise_end()
                    raise StopAsyncIteration
                self._wakers.append(wake)
            await woken.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._following is not None and self._end is None:
            self._following.close()

    # -- for `Live` ----------------------------------------------------------------------------

    def feeders(self) -> tuple[Callable[[Sequence[str]], None], Callable[[LiveEnd], None]]:
        """Callbacks for lines and for the end, which do not keep a forgotten reader alive."""
        mine = weakref.ref(self)

        def on_lines(lines: Sequence[str]) -> None:
            reader = mine()
            if reader is not None:
                reader.put(lines)

        def on_end(end: LiveEnd) -> None:
            reader = mine()
            if reader is not None:
                reader.finish(end)

        return on_lines, on_end

    def fed_by(self, following: Following) -> None:
        """Ties it to what feeds it."""
        self._following = following

    def put(self, lines: Sequence[str]) -> None:
        """Adds lines; on the live thread."""
        with self._changed:
            if self._end is None:
                self._spool.put(lines)
            self._wake()

    def finish(self, end: LiveEnd) -> None:
        """Notes the end."""
        with self._changed:
            self._end = self._end or end
            self._wake()

    # -- inside --------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._changed.notify_all()
        wakers, self._wakers = self._wakers, []
        for wake in wakers:
            wake()

    def _raise_end(self) -> None:
        if self._end is not None and self._end.error is not None:
            raise self._end.error
