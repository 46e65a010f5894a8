"""Live files by the service's own way: WebRTC data channels, by aiortc."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import BadPayloadError, LiveUnavailableError, NotFoundError
from inductiva_widgets.formats import short_id
from inductiva_widgets.live.delivered import Delivered
from inductiva_widgets.live.relays import relays
from inductiva_widgets.live.replies import (
    files_of_machine,
    last_modified,
    lines_of,
    message_of,
    text_of,
)
from inductiva_widgets.live.ways import LostError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from inductiva_widgets.api.client import Client
    from inductiva_widgets.live.ended import EndedFile
    from inductiva_widgets.live.loop import LiveLoop
    from inductiva_widgets.live.records import LastModified, LiveFiles

__all__ = ["WebRtc"]

LABEL = "file_transfer"
REPLY_LIMIT_S = 15.0
CONNECT_LIMIT_S = 10.0  # from the answer to an open channel: packets that can pass need far less
GATHER_LIMIT_S = 8.0
ANSWER_LIMIT_S = 20.0
BLOCK_S = 4  # of one look into the mailbox: below every limit for an answer of the service
CLOSE_LIMIT_S = 3.0
IDLE_S = 60.0  # an unused connection is kept this long
RELAYS_LIFE_S = 60.0
LAST_STREAM = 65534
LARGEST_SDP = 64 * 1024
MOST_CANDIDATES = 64
RESUME_LINES = (1_000, 10_000, 100_000)  # how far back a lost place is looked for
SETTLE_S, LONG_SETTLE_S = 0.3, 2.0  # the first reply may come in several messages

Request = dict[str, Any]


class WebRtc:
    """One connection per task, kept open and shared; one channel per request.

    Args:
        client: For the mailbox in which a connection is agreed on.
        loop: Where everything here runs.
        is_local: Whether machines are this one, which needs no help to be found.

    Raises:
        LiveUnavailableError: aiortc is not installed.
    """

    name = "webrtc"

    def __init__(self, client: Client, loop: LiveLoop, *, is_local: bool) -> None:
        self._client = client
        self._loop = loop
        self._is_local = is_local
        self._peers: dict[str, _Peer] = {}
        self._relays: tuple[float, list[str]] = (float("-inf"), [])
        self._relays_lock = asyncio.Lock()

    async def files(self, task_id: str) -> LiveFiles:
        """The output folder: names only."""
        message = await self._ask(task_id, {"type": "ls", "follow": False, "args": {}})
        return files_of_machine(message, self._client.clock.now())

    async def top(self, task_id: str) -> str:
        """The load of the machine."""
        return text_of(await self._ask(task_id, {"type": "top", "follow": False, "args": {}}))

    async def last_modified(self, task_id: str) -> LastModified:
        """The file that was written last."""
        request = {"type": "last_modified_file", "follow": False, "args": {}}
        return last_modified(await self._ask(task_id, request), task_id)

    async def tail(self, task_id: str, filename: str, lines: int) -> list[str]:
        """The last lines of a file."""
        request = tail_request(filename, lines, follow=False, wait=False)
        return lines_of(await self._ask(task_id, request, filename))[-lines:] if lines else []

    def reader(self, task_id: str, filename: str, lines: int, *, wait: bool) -> WebRtcReader:
        """For following a file."""
        return WebRtcReader(self, (task_id, filename), lines, wait=wait)

    async def close(self) -> None:
        """Closes every connection."""
        peers, self._peers = list(self._peers.values()), {}
        if peers:
            await asyncio.wait([asyncio.ensure_future(p.close()) for p in peers], timeout=10.0)

    async def channel(self, task_id: str, request: Request) -> Channel:
        """A channel on which the request was sent.

        Raises:
            LiveUnavailableError: The machine cannot be reached.
        """
        self._peers = {i: peer for i, peer in self._peers.items() if not peer.is_closed}
        if task_id not in self._peers:
            relays = await self._known_relays()
            if task_id not in self._peers:  # another request may have made it meanwhile
                self._peers[task_id] = _Peer(self._handshake, task_id, relays=relays)
        return await self._peers[task_id].channel(request)

    async def _ask(self, task_id: str, request: Request, filename: str = "") -> object:
        """The only reply to a request; asked once more when the connection had died meanwhile."""
        for attempt in (1, 2):
            channel = await self.channel(task_id, request)
            try:
                return message_of(await channel.next(REPLY_LIMIT_S), filename)
            except LostError:
                if attempt == 2:
                    break
            finally:
                channel.close()
        raise no_answer(task_id)

    async def _known_relays(self) -> list[str]:
        if self._is_local:
            return []
        async with self._relays_lock:
            known_s, found = self._relays
            if time.monotonic() - known_s > RELAYS_LIFE_S:
                found = await relays()
                self._relays = (time.monotonic(), found)
            return found

    async def _handshake(self, task_id: str, sdp: str) -> str:
        """The machine's answer to an offer, through the mailbox."""
        me = str(uuid.uuid4())
        offer = {"sender_id": me, "receiver_id": task_id, "type": "offer", "sdp": sdp}
        await self._loop.blocking(self._client.live_register, task_id, me)
        await self._loop.blocking(self._client.live_offer, task_id, offer)
        end_s = time.monotonic() + ANSWER_LIMIT_S
        while time.monotonic() < end_s:
            asked_s = time.monotonic()
            found = await self._loop.blocking(self._client.live_message, task_id, me, BLOCK_S)
            if found is not None:
                return _answer_of(found)
            if time.monotonic() - asked_s < BLOCK_S / 2:
                break  # the service knows that nobody is there to answer
        raise no_answer(task_id)


def tail_request(filename: str, lines: int, *, follow: bool, wait: bool) -> Request:
    """A request for the last lines of a file."""
    args = {"filename": filename, "lines": lines, "wait": wait}
    return {"type": "tail", "follow": follow, "args": args}


def no_answer(task_id: str) -> LiveUnavailableError:
    """Nobody is there."""
    return LiveUnavailableError(
        f"The machine of task {short_id(task_id)} does not answer.",
        hint="It may be starting or ending; try again in a moment.",
        cause="no-answer",
    )


def _answer_of(message: object) -> str:
    if isinstance(message, dict) and message.get("type") == "answer":
        sdp = message.get("sdp")
        if (
            isinstance(sdp, str)
            and len(sdp) <= LARGEST_SDP
            and sdp.count("a=candidate:") <= MOST_CANDIDATES
        ):
            return sdp
    raise BadPayloadError("The task's machine sent an answer that cannot be read.")


class Channel:
    """One request's channel: raw messages in order, and its end."""

    def __init__(self, channel: Any, on_end: Callable[[Channel], None]) -> None:  # noqa: ANN401
        self._channel = channel
        self._messages: asyncio.Queue[object | None] = asyncio.Queue()
        self._on_end = on_end
        self.opened = asyncio.Event()
        if channel.readyState == "open":
            self.opened.set()
        channel.on("open", self.opened.set)
        channel.on("message", self._messages.put_nowait)
        channel.on("close", self.end)

    @property
    def stream(self) -> int:
        """Number of its stream; only once it is open."""
        return int(self._channel.id)

    def send(self, request: Request) -> None:
        """Sends the request; only once it is open."""
        self._channel.send(json.dumps(request))

    async def next(self, timeout_s: float | None) -> object:
        """The next message.

        Raises:
            LostError: The channel is closed, or nothing came in time.
        """
        try:
            found = await asyncio.wait_for(self._messages.get(), timeout_s)
        except asyncio.TimeoutError:
            raise LostError from None
        if found is None:
            self._messages.put_nowait(None)
            raise LostError
        return found

    def end(self) -> None:
        """Wakes whoever waits: nothing more comes."""
        self._messages.put_nowait(None)

    def close(self) -> None:
        """Closes the channel; the connection stays."""
        self.end()
        with contextlib.suppress(Exception):  # it may be closed, or its connection gone
            self._channel.close()
        self._on_end(self)


class _Peer:
    """A connection to the machine of one task."""

    def __init__(self, handshake: Any, task_id: str, *, relays: list[str]) -> None:  # noqa: ANN401
        aiortc = import_aiortc()
        self._description = aiortc.RTCSessionDescription
        servers = [aiortc.RTCIceServer(urls=url) for url in relays]
        self._connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=servers))
        self._connection.on("connectionstatechange", self._on_state)
        self._handshake = handshake
        self._task_id = task_id
        self._lock = asyncio.Lock()
        self._is_connected = False
        # By itself, aiortc takes the stream of a channel just closed: 1.15 (Python 3.10) too soon.
        self._streams: Iterator[int] = iter(())
        self._channels: set[Channel] = set()
        self._idle: asyncio.TimerHandle | None = None
        self._closing: asyncio.Future[None] | None = None

    @property
    def is_closed(self) -> bool:
        """Whether a new connection is needed."""
        return self._closing is not None

    async def channel(self, request: Request) -> Channel:
        if self._idle is not None:
            self._idle.cancel()
        async with self._lock:
            if self.is_closed:
                raise no_answer(self._task_id)
            stream = next(self._streams, None)
            made = Channel(self._connection.createDataChannel(LABEL, id=stream), self._forget)
            self._channels.add(made)
            try:
                if not self._is_connected:
                    await self._connect(made)
                await asyncio.wait_for(made.opened.wait(), CONNECT_LIMIT_S)
                made.send(request)
            except BaseException as error:
                if self._is_connected and isinstance(error, asyncio.CancelledError):
                    made.close()  # the others on this connection continue
                    raise
                await asyncio.shield(self.close())
                if isinstance(error, asyncio.TimeoutError):
                    raise self._blocked() from None
                raise
        return made

    async def close(self) -> None:
        """Closes the connection and ends its channels."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _connect(self, first: Channel) -> None:
        offer = await self._connection.createOffer()
        await asyncio.wait_for(self._connection.setLocalDescription(offer), GATHER_LIMIT_S)
        sdp = await self._handshake(self._task_id, str(self._connection.localDescription.sdp))
        try:
            answer = self._description(sdp=sdp, type="answer")
            await self._connection.setRemoteDescription(answer)
        except (ValueError, AssertionError, LookupError, TypeError, AttributeError) as error:
            raise BadPayloadError("The task's machine sent an answer that fits nothing.") from error
        await asyncio.wait_for(first.opened.wait(), CONNECT_LIMIT_S)
        self._streams = iter(range(first.stream + 2, LAST_STREAM + 1, 2))
        self._is_connected = True

    def _blocked(self) -> LiveUnavailableError:
        return LiveUnavailableError(
            f"The machine of task {short_id(self._task_id)} answered, but no data comes through.",
            hint="A firewall may block UDP; the task itself is not affected.",
            cause="blocked-udp",
        )

    def _on_state(self) -> None:
        if self._connection.connectionState in ("failed", "closed") and self._closing is None:
            self._closing = asyncio.ensure_future(self._close())

    def _forget(self, channel: Channel) -> None:
        self._channels.discard(channel)
        if not self._channels and self._closing is None:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(IDLE_S, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if not self._channels and self._closing is None:
            self._closing = asyncio.ensure_future(self._close())

    async def _close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        for channel in list(self._channels):
            channel.end()
        with contextlib.suppress(Exception):  # a connection that cannot be closed is gone as well
            await asyncio.wait_for(self._connection.close(), CLOSE_LIMIT_S)


class WebRtcReader:
    """Finds the place by what was delivered last, because machines do not give offsets."""

    def __init__(self, way: WebRtc, file: tuple[str, str], lines: int, *, wait: bool) -> None:
        self._way = way
        self._task_id, self._filename = file
        self._lines = lines
        self._wait = wait
        self._delivered = Delivered()
        self._has_begun = False
        self._channel: Channel | None = None
        self._is_stopped = False

    async def batches(self) -> AsyncGenerator[list[str], None]:
        """New lines until the channel ends."""
        if self._is_stopped:
            return
        try:
            if self._has_begun:
                yield await self._resumed()
            else:
                await self._open(self._lines)
                first = await self._next(None if self._wait else REPLY_LIMIT_S)
                self._has_begun = True
                self._delivered.begin(first, self._lines)
                yield first
            while True:
                lines = await self._next(None)
                self._delivered.add(lines)
                yield lines
        finally:
            if self._channel is not None:
                self._channel.close()

    def stop(self) -> None:
        """Ends `batches`."""
        self._is_stopped = True
        if self._channel is not None:
            self._channel.end()

    def rest(self, file: EndedFile) -> Iterator[list[str]]:
        """What comes after the lines that were delivered."""
        if self._delivered.is_empty:
            lines = file.last_lines(self._lines) if not self._has_begun else list(file.lines())
            if lines:
                yield lines
            return
        yield from self._delivered.rest_of_file(file.lines)

    async def _resumed(self) -> list[str]:
        """Goes on after a lost connection, at the line where it was lost."""
        for count in RESUME_LINES:
            await self._open(count)
            seen: list[str] = []
            with contextlib.suppress(LostError):
                seen += await self._next(REPLY_LIMIT_S)
                while len(seen) < count:
                    is_found = self._delivered.rest_of_tail(seen, is_whole=False) is not None
                    seen += await self._next(SETTLE_S if is_found else LONG_SETTLE_S)
            if not seen and not self._delivered.is_empty:
                raise LostError
            rest = self._delivered.rest_of_tail(seen, is_whole=len(seen) < count)
            if rest is not None or count == RESUME_LINES[-1]:
                found = seen if rest is None else rest
                self._delivered.add(found)
                return found
            if self._channel is not None:
                self._channel.close()
        raise AssertionError  # the last count returns

    async def _open(self, lines: int) -> None:
        request = tail_request(self._filename, lines, follow=True, wait=self._wait)
        self._channel = await self._way.channel(self._task_id, request)

    async def _next(self, timeout_s: float | None) -> list[str]:
        if self._channel is None:
            raise LostError
        try:
            return lines_of(message_of(await self._channel.next(timeout_s), self._filename))
        except NotFoundError:
            if self._has_begun:  # gone for the moment
                raise LostError from None
            raise


def import_aiortc() -> Any:  # noqa: ANN401 - a library that may not be there
    """The library.

    Raises:
        LiveUnavailableError: It is not installed.
    """
    try:
        import aiortc
    except ImportError as error:
        raise LiveUnavailableError(
            "Live files of a running task need WebRTC, which is not installed.",
            hint="pip install 'inductiva_widgets[live]'",
            cause="no-aiortc",
        ) from error
    logging.getLogger("aioice").setLevel(logging.WARNING)  # it logs every packet it tries
    return aiortc
