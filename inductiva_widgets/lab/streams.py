"""Event streams of pages: the topics that each page follows, and its queue of events.

Events come from the poller's and the downloads' threads and leave on the server's event loop.
A page that reads too slowly loses its stream; it connects again and asks for snapshots.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import InductivaWidgetsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from inductiva_widgets.service.events import Listener

    class Topics(Protocol):
        """Who has topics to listen to."""

        def subscribe(self, topic: str, send: Callable[[dict[str, Any]], None]) -> Listener: ...


__all__ = ["PageStream", "Pages"]

QUEUE_LIMIT = 1000  # some 200 s of downloads at 5 events a second
FEW = 8  # messages that wait: bulky ones then had better wait where they are
MAX_TOPICS = 200


class PageStream:
    """The events of one page. Made and read on the event loop; fed from any thread.

    Attributes:
        least_pause_s: How seldom the page wants looks at the tasks, at the most often.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(QUEUE_LIMIT)
        self._following = threading.Lock()
        self._lock = threading.Lock()
        self._wanted: set[str] = set()
        self._listeners: dict[str, Listener] = {}
        self._closed = False
        self.least_pause_s = 0.0

    def want(self, topics: Sequence[str]) -> None:
        """Replaces the set of topics, from the next `follow` on."""
        with self._lock:
            self._wanted = set() if self._closed else set(topics[:MAX_TOPICS])

    def follow(self, source: Topics) -> None:
        """Listens to the topics that are wanted now. Called on a worker thread.

        Raises:
            InductivaWidgetsError: One of them is not available; the others are subscribed to.
        """
        refused = None
        with self._following:  # requests that overtake one another end with the newest wish
            with self._lock:
                wanted = set(self._wanted)
                gone = [self._listeners.pop(topic) for topic in {*self._listeners} - wanted]
            for listener in gone:
                listener.close()
            for topic in sorted(wanted - {*self._listeners}):
                try:
                    listener = source.subscribe(topic, self._feed)
                except InductivaWidgetsError as error:
                    refused = error
                    continue
                listener.is_behind = self._is_behind
                with self._lock:
                    is_wanted = topic in self._wanted
                    if is_wanted:
                        self._listeners[topic] = listener
                if not is_wanted:
                    listener.close()
        if refused is not None:
            raise refused

    async def next(self, timeout_s: float) -> dict[str, Any] | None:
        """The next message; a ping when there is none for a while; `None` at the end."""
        try:
            return await asyncio.wait_for(self._queue.get(), timeout_s)
        except (asyncio.TimeoutError, TimeoutError):
            return {"kind": "ping"}

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message of no topic. Called on the event loop."""
        self._put(message)

    def close(self) -> None:
        """Ends all listening, and the reading of `next`. Called on the event loop."""
        with self._lock:
            self._closed = True
            self._wanted = set()
            listeners = list(self._listeners.values())
            self._listeners.clear()
        for listener in listeners:
            listener.close()
        self._end()

    def _is_behind(self) -> bool:
        return self._queue.qsize() > FEW

    def _feed(self, message: dict[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self._put, message)

    def _put(self, message: dict[str, Any]) -> None:
        if self._closed:
            return  # it came while the stream ended
        if self._queue.full():
            self.close()
        else:
            self._queue.put_nowait(message)

    def _end(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)


class Pages:
    """The open streams by page id. Used on the event loop only."""

    def __init__(self) -> None:
        self._streams: dict[str, PageStream] = {}

    def open(self, page: str) -> PageStream:
        """A new stream for a page; an older one of the same page ends."""
        old = self._streams.pop(page, None)
        if old is not None:
            old.close()
        stream = self._streams[page] = PageStream(asyncio.get_running_loop())
        return stream

    def get(self, page: str) -> PageStream | None:
        """The stream of a page, if it is open."""
        return self._streams.get(page)

    def all(self) -> list[PageStream]:
        """The open streams."""
        return list(self._streams.values())

    def least_pause_s(self) -> float:
        """The longest of the pauses that pages ask for, in s."""
        return max((stream.least_pause_s for stream in self._streams.values()), default=0.0)

    def close(self, page: str, stream: PageStream) -> None:
        """Ends a stream."""
        if self._streams.get(page) is stream:
            del self._streams[page]
        stream.close()
