"""The machine's end of WebRTC: answers offers and serves the channels of clients.

Used only where aiortc is installed, which is imported with the first offer. One thread with an
event loop of its own serves all tasks, so that the engine's own answers never wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import NotFoundError, UserInputError
from inductiva_widgets.local.live_files import FileTail, LiveFolder, load_of_machine
from inductiva_widgets.local.live_routes import newest_file

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Future

    from inductiva_widgets.local.engine import Engine

__all__ = ["Peers"]

logger = logging.getLogger(__name__)

LABEL = "file_transfer"
LOOK_S = 0.25  # between two looks at a followed file
STATE_S = 1.0  # between two looks at the state of the task
MESSAGE_BYTES = 192 * 1024  # below the 256 KiB that clients take
PIECE_LETTERS = MESSAGE_BYTES // 12 - 4  # JSON writes a letter beyond ASCII as up to 12
REQUEST_BYTES = 64 * 1024
LARGEST_TAIL_BYTES = 1 << 20  # all of what one message could hold, and some more
BUFFERED_BYTES = 1 << 19
MOST_PEERS = 64
MOST_CHANNELS = 32
MOST_LINES = 10**7
ANSWER_LIMIT_S = 10.0
FLUSH_LIMIT_S = 30.0
GREETING_LIMIT_S = 10.0
CLOSE_LIMIT_S = 5.0

JsonObject = dict[str, Any]


class Peers:
    """All connections of clients to tasks of this engine. `close()` ends them and the thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_possible = importlib.util.find_spec("aiortc") is not None
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._open: set[_Peer] = set()  # touched on the loop only

    def serves(self, task_id: str) -> bool:
        """Whether an offer to this task will be answered."""
        return self._is_possible and self._is_running(task_id)

    def answer(self, task_id: str, sdp: str) -> Future[str]:
        """The answer to an offer; any error means that there is none."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._run, args=(self._loop,), name="inductiva-live", daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(self._answer(task_id, sdp), self._loop)

    def close(self) -> None:
        """Closes every connection and ends the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close_all(), loop)
        self._thread.join(2 * CLOSE_LIMIT_S)

    # -- on the loop ---------------------------------------------------------------------------

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    async def _close_all(self) -> None:
        closing = [asyncio.ensure_future(peer.close()) for peer in self._open]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_LIMIT_S)
        asyncio.get_running_loop().stop()

    async def _answer(self, task_id: str, sdp: str) -> str:
        if len(self._open) >= MOST_PEERS:
            raise UserInputError(f"There are {MOST_PEERS} connections already.")
        peer = _Peer(self, task_id)
        self._open.add(peer)
        try:
            return await asyncio.wait_for(peer.answer(sdp), ANSWER_LIMIT_S)
        except BaseException:
            await peer.close()
            raise

    def _is_running(self, task_id: str) -> bool:
        status = self._engine.store.status(task_id)
        return status is not None and status[0] == "computation-started"

    def _folder(self, task_id: str) -> LiveFolder:
        return LiveFolder(self._engine.settings.work_path / task_id)

    def _forget(self, peer: _Peer) -> None:
        self._open.discard(peer)


class _Peer:
    """One client's connection to one task; ends with the task."""

    def __init__(self, peers: Peers, task_id: str) -> None:
        import aiortc

        logging.getLogger("aioice").setLevel(logging.WARNING)  # it logs every packet it tries
        self._peers = peers
        self._task_id = task_id
        self._folder = peers._folder(task_id)  # noqa: SLF001 - one mechanism
        self._description = aiortc.RTCSessionDescription
        # This machine is reached directly: no outside server is asked for addresses.
        self._connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        self._connection.on("datachannel", self._on_channel)
        self._connection.on("connectionstatechange", self._on_state)
        self._serving: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._was_asked = asyncio.Event()
        self._is_closed = False

    async def answer(self, sdp: str) -> str:
        await self._connection.setRemoteDescription(self._description(sdp=sdp, type="offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        self._watch = asyncio.ensure_future(self._watch_task())
        return str(self._connection.localDescription.sdp)

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._peers._forget(self)  # noqa: SLF001
        if self._watch is not None and self._watch is not asyncio.current_task():
            self._watch.cancel()
        for task in self._serving:
            task.cancel()
        with contextlib.suppress(Exception):  # a connection that cannot be closed is gone as well
            await asyncio.wait_for(self._connection.close(), CLOSE_LIMIT_S)

    @property
    def _is_running(self) -> bool:
        return self._peers._is_running(self._task_id)  # noqa: SLF001

    def _on_state(self) -> None:
        if self._connection.connectionState in ("failed", "closed"):
            _keep(self._serving, self.close())

    async def _watch_task(self) -> None:
        while self._is_running:  # noqa: ASYNC110 - the store has no event to wait for
            await asyncio.sleep(STATE_S)
        # A client that was about to connect still gets its answer, or it would wait for ever.
        if not self._was_asked.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._was_asked.wait(), GREETING_LIMIT_S)
        serving = [task for task in self._serving if not task.done()]
        if serving:
            await asyncio.wait(serving, timeout=FLUSH_LIMIT_S)
        await self.close()

    def _on_channel(self, channel: Any) -> None:  # noqa: ANN401 - aiortc has no types here
        if channel.label != LABEL or len(self._serving) >= MOST_CHANNELS:
            channel.close()
            return
        asked = False

        def on_message(message: object) -> None:
            nonlocal asked
            if not asked:  # one request per channel
                asked = True
                self._was_asked.set()
                _keep(self._serving, self._serve(channel, message))

        channel.on("message", on_message)

    async def _serve(self, channel: Any, message: object) -> None:  # noqa: ANN401
        try:
            kind, follow, args = _request(message)
            if kind == "tail":
                await self._tail(channel, args, follow=follow)
            else:
                reply = await asyncio.to_thread(self._look, kind)
                await self._send(channel, *reply)
        except (NotFoundError, UserInputError) as error:
            await self._send(channel, "error", str(error))
        except ConnectionError:  # the client has gone
            return
        except Exception:
            logger.exception("A request for live files failed")
            await self._send(channel, "error", "The local engine failed; see its log.")

    def _look(self, kind: str) -> tuple[str, object]:
        if kind == "ls":
            return "success", _nested(self._folder)
        if kind == "top":
            return "success", load_of_machine()[:MESSAGE_BYTES]
        if kind == "last_modified_file":
            found = newest_file(self._folder, self._task_id)
            return ("success", found) if found else ("error", "There is no file yet.")
        return "invalid", f"Unknown request: {kind[:100]}"

    async def _tail(self, channel: Any, args: JsonObject, *, follow: bool) -> None:  # noqa: ANN401
        name, lines = args.get("filename"), args.get("lines", 10)
        if not isinstance(name, str) or type(lines) is not int or not 0 <= lines <= MOST_LINES:
            await self._send(channel, "invalid", "tail needs a filename, and a number of lines.")
            return
        while args.get("wait") and self._is_running and channel.readyState == "open":
            with contextlib.suppress(NotFoundError):
                self._folder.path(name)
                break
            await asyncio.sleep(LOOK_S)
        most_bytes = None if follow else LARGEST_TAIL_BYTES
        tail = FileTail(self._folder, name, lines, most_bytes=most_bytes)
        with contextlib.closing(tail):
            if follow:
                await self._follow(channel, tail)
            else:
                found: list[str] = []
                while more := tail.look(is_last=True):
                    found = _fitting(found + more)
                await self._send(channel, "success", found)

    async def _follow(self, channel: Any, tail: FileTail) -> None:  # noqa: ANN401
        """Sends what comes until the client has enough, or the task has ended."""
        is_first = True
        next_look_s = 0.0
        loop = asyncio.get_running_loop()
        is_running = True
        while channel.readyState == "open":
            if loop.time() >= next_look_s:  # before the file: what it holds after the end is all
                is_running, next_look_s = self._is_running, loop.time() + STATE_S
            lines = tail.look(is_last=not is_running)
            if lines or is_first:
                is_first = False
                for batch in _batches(lines):
                    await self._send(channel, "success", batch)
            elif not is_running:
                break
            else:
                await asyncio.sleep(LOOK_S)
        await _flushed(channel, 0)
        channel.close()

    async def _send(self, channel: Any, status: str, message: object) -> None:  # noqa: ANN401
        """Sends a reply when there is room for it.

        Raises:
            ConnectionError: Nobody takes it.
        """
        if not await _flushed(channel, BUFFERED_BYTES) or channel.readyState != "open":
            raise ConnectionError
        channel.send(json.dumps({"status": status, "message": message}))


def _keep(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def _flushed(channel: Any, limit_bytes: int) -> bool:  # noqa: ANN401
    """Whether no more than this waits to be sent, within a time limit."""
    end_s = asyncio.get_running_loop().time() + FLUSH_LIMIT_S
    while channel.readyState == "open" and channel.bufferedAmount > limit_bytes:
        if asyncio.get_running_loop().time() > end_s:
            return False
        await asyncio.sleep(0.005)
    return True


def _request(message: object) -> tuple[str, bool, JsonObject]:
    try:
        if not isinstance(message, str) or len(message) > REQUEST_BYTES:
            return "", False, {}
        found = json.loads(message)
    except (ValueError, RecursionError):
        return "", False, {}
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        return "", False, {}
    args = found.get("args")
    return found["type"], found.get("follow") is True, args if isinstance(args, dict) else {}


def _size(line: str) -> int:
    return len(json.dumps(line)) + len(", ")


def _batches(lines: list[str]) -> list[list[str]]:
    """The lines in messages that are small enough; one empty message for none."""
    batches: list[list[str]] = [[]]
    size = 0
    for line in lines:
        for part in _parts(line):
            size += _size(part)
            if size > MESSAGE_BYTES and batches[-1]:
                batches.append([])
                size = _size(part)
            batches[-1].append(part)
    return batches


def _parts(line: str) -> list[str]:
    """A line that no message could hold, in pieces."""
    if _size(line) <= MESSAGE_BYTES:
        return [line]
    return [line[start : start + PIECE_LETTERS] for start in range(0, len(line), PIECE_LETTERS)]


def _fitting(lines: list[str]) -> list[str]:
    """The last of the lines, as many as one message holds."""
    return _batches(list(reversed([part for line in lines for part in _parts(line)])))[0][::-1]


def _nested(folder: LiveFolder) -> list[object]:
    """The tree of `list_files`; what one message cannot hold is counted only."""
    root: list[object] = []
    folders: dict[str, list[object]] = {"": root}
    size = left = 0
    for entry in folder.entries():
        parent, _, name = entry.name.rpartition("/")
        size += _size(name) + 8
        if size > MESSAGE_BYTES or parent not in folders:
            left += 1
        elif entry.is_folder:
            below: list[object] = []
            folders[entry.name] = below
            folders[parent].append({name: below})
        else:
            folders[parent].append(name)
    if left:
        root.append(f"… and {left} more")
    return root
