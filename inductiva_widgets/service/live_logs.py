"""Logs of running tasks, followed: one feed per task for all listeners.

Topic `logs/<id>` carries lines as they come, `progress/<id>` the simulated time in them.
Views of one page add a mark of their own (`logs/<id>#<mark>`): each then gets what came before it.
The first listener starts the following, the last one ends it.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.live import LiveEnd, LiveState
from inductiva_widgets.log_progress import LogProgress
from inductiva_widgets.service.events import Listener
from inductiva_widgets.service.logs import LOGS
from inductiva_widgets.service.protocol import (
    FollowState,
    LogChunk,
    LogEvent,
    ProgressEvent,
    SimulatedTime,
)
from inductiva_widgets.service.summaries import service_error
from inductiva_widgets.task import Task
from inductiva_widgets.task.files import inputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.live import Following
    from inductiva_widgets.log_progress import Pattern, Progress

__all__ = ["LiveLogs"]

log = logging.getLogger(__name__)

LOG_TOPIC = "logs/"
PROGRESS_TOPIC = "progress/"
STDOUT = LOGS[0]

FIRST_LINES = 1000  # of what a log held before
PAUSE_S = 0.22  # between two deliveries
PROGRESS_PAUSE_S = 1.0
BATCH_LETTERS = 1 << 18  # of one delivery: 1 MB a second, more than a user reads
KEPT_LETTERS = 1 << 20  # of one task, for those who come late or read slowly
PIECE_LETTERS = 1 << 16
LONGEST_LINE = 20_000
FIRST_LOOK_LETTERS = 1 << 18  # of stdout, for the progress: where it begins may be far above
LOOK_LETTERS = 1 << 15  # some ms of work a delivery, however fast a log grows
LONGEST_INPUT_BYTES = 1 << 18

_STATES: dict[LiveState, FollowState] = {
    LiveState.CONNECTING: "connecting",
    LiveState.LOST: "lost",
}


class _Piece(NamedTuple):
    """Lines that came together; `place` counts pieces of all logs of a feed."""

    place: int
    name: str
    line: int
    lines: int
    text: str


class LiveLogs:
    """Feeds of one backend's tasks.

    One thread (`inductiva-live-logs`) delivers for all of them while there is anything to follow.

    Args:
        backend: Where the tasks run.
        run: Runs work that waits for the network, such as a look into inputs.
        deliver: Sends an event to a listener, and lets one go that cannot take it.
    """

    def __init__(
        self,
        backend: Backend,
        run: Callable[..., object],
        deliver: Callable[[Listener, dict[str, Any]], None],
    ) -> None:
        self._backend = backend
        self._run_elsewhere = run
        self._send = deliver
        self._lock = threading.Lock()
        self._feeds: dict[str, _Feed] = {}
        self._wake = threading.Event()
        self._is_running = False

    @staticmethod
    def has(topic: str) -> bool:
        """Whether a topic is one of a running task's logs."""
        return topic.startswith((LOG_TOPIC, PROGRESS_TOPIC))

    def subscribe(self, topic: str, send: Callable[[dict[str, Any]], None]) -> Listener:
        """Listens to a topic; recent lines are sent at once.

        Raises:
            UserInputError: No such task can be.
        """
        task_id = check_task_id(_task_of(topic))
        listener = Listener(self, topic, send)
        with self._lock:
            feed = self._feeds.get(task_id)
            if feed is None:
                feed = self._feeds[task_id] = _Feed(self._backend, task_id, self._wake.set)
            feed.add(listener, is_of_text=topic.startswith(LOG_TOPIC))
            if not self._is_running:
                self._is_running = True
                threading.Thread(
                    target=self._deliver, name="inductiva-live-logs", daemon=True
                ).start()
        feed.follow()
        return listener

    def remove(self, listener: Listener) -> None:
        """Ends a subscription; the last one of a task ends its following."""
        task_id = _task_of(listener.topic)
        with self._lock:
            feed = self._feeds.get(task_id)
            if feed is None or feed.remove(listener):
                return
            del self._feeds[task_id]
        feed.close()
        self._wake.set()

    def close(self) -> None:
        """Ends all following."""
        with self._lock:
            feeds = list(self._feeds.values())
            self._feeds.clear()
        for feed in feeds:
            feed.close()
        self._wake.set()

    def _deliver(self) -> None:
        """Sends news at once when there was a pause, else after one."""
        pause = threading.Event()
        while True:
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                feeds = list(self._feeds.values())
                if not feeds:
                    self._is_running = False
                    return
            for feed in feeds:
                try:
                    self._deliver_feed(feed)
                except Exception:  # the thread must outlive whatever a log or a pattern does to it
                    log.exception("delivering a followed log failed by a fault of this package")
            pause.wait(PAUSE_S)

    def _deliver_feed(self, feed: _Feed) -> None:
        news, is_rest = feed.news()
        for listener, message in news:
            self._send(listener, msgspec.to_builtins(message))
        if is_rest:
            self._wake.set()
        pattern = feed.take_question()
        if pattern is not None:
            self._run_elsewhere(partial(feed.learn_end, pattern))


def _task_of(topic: str) -> str:
    return topic.partition("/")[2].partition("#")[0]


class _Feed:
    """The logs of one task as they grow, and who reads how far. Its lock is not held in calls."""

    def __init__(self, backend: Backend, task_id: str, wake: Callable[[], None]) -> None:
        self._backend = backend
        self._task_id = task_id
        self._wake = wake
        self._name = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._places = itertools.count()
        self._pieces: deque[_Piece] = deque()
        self._letters = 0
        self._ends: dict[str, int] = dict.fromkeys(LOGS, 0)
        self._following: dict[str, Following | None] = {}
        self._over: dict[str, InductivaWidgetsError | None] = {}
        self._live_state = LiveState.CONNECTING
        self._is_closed = False
        self._texts: dict[Listener, tuple[int, str]] = {}  # the next place, the state sent last
        self._progresses: dict[Listener, object] = {}  # what was sent last
        self._progress = LogProgress()
        self._unread = ""
        self._look_letters = FIRST_LOOK_LETTERS
        self._progress_told_s = -PROGRESS_PAUSE_S
        self._asked: Pattern | None = None

    # -- listeners --------------------------------------------------------------------------

    def add(self, listener: Listener, *, is_of_text: bool) -> None:
        """Takes a listener; the next delivery brings it what there is.

        Who comes when nothing can be followed wants that it is tried again.
        """
        with self._lock:
            left = self._restart() if self._state() == "unavailable" else []
            if is_of_text:
                self._texts[listener] = (0, "")
            else:
                self._progresses[listener] = self
        for following in left:
            following.close()
        self._wake()

    def _restart(self) -> list[Following]:
        """Forgets all; returns what is still followed of the other log (lock held)."""
        left = [each for each in self._following.values() if each is not None]
        self._name = secrets.token_hex(4)
        self._pieces.clear()
        self._letters = 0
        self._ends = dict.fromkeys(LOGS, 0)
        self._following, self._over = {}, {}
        self._live_state = LiveState.CONNECTING
        return left

    def remove(self, listener: Listener) -> bool:
        """Lets a listener go; whether there are others."""
        with self._lock:
            self._texts.pop(listener, None)
            self._progresses.pop(listener, None)
            return bool(self._texts or self._progresses)

    # -- what comes in ----------------------------------------------------------------------

    def follow(self) -> None:
        """Starts to follow what the listeners want and is not followed yet."""
        for name in LOGS:
            with self._lock:
                is_wanted = bool(self._texts) or name == STDOUT
                if not is_wanted or name in self._following or self._is_closed:
                    continue
                self._following[name] = None
                feed = self._name
            self._follow(feed, name)

    def _follow(self, feed: str, name: str) -> None:
        try:
            following = self._backend.live.follow(
                self._task_id,
                name,
                lines=FIRST_LINES,
                wait=True,
                on_lines=partial(self._take, feed, name),
                on_end=partial(self._end, feed, name),
                on_state=partial(self._change, feed, name),
            )
        except InductivaWidgetsError as error:
            self._end(feed, name, LiveEnd("failed", error=error))
            return
        with self._lock:
            is_over = self._is_closed or feed != self._name
            if not is_over:
                self._following[name] = following
        if is_over:
            following.close()

    def close(self) -> None:
        """Ends the following."""
        with self._lock:
            self._is_closed = True
            following = [each for each in self._following.values() if each is not None]
        for each in following:
            each.close()

    def _take(self, feed: str, name: str, lines: Sequence[str]) -> None:
        """New lines. Called on the thread of the connections, as the next two."""
        with self._lock:
            if feed != self._name or not lines:
                return  # the following was restarted since
            for text, count in _texts(lines):
                if name == STDOUT:
                    self._unread = f"{self._unread}{text}\n"[-self._look_letters :]
                place = next(self._places)
                self._pieces.append(_Piece(place, name, self._ends[name], count, text))
                self._ends[name] += count
                self._letters += len(text)
            while self._letters > KEPT_LETTERS:
                self._letters -= len(self._pieces.popleft().text)
        self._wake()

    def _change(self, feed: str, name: str, state: LiveState) -> None:
        with self._lock:
            if feed == self._name and name == STDOUT:
                self._live_state = state
        self._wake()

    def _end(self, feed: str, name: str, end: LiveEnd) -> None:
        with self._lock:
            if feed == self._name and end.reason != "closed":
                self._over[name] = end.error
        self._wake()

    # -- what goes out ----------------------------------------------------------------------

    def news(self) -> tuple[list[tuple[Listener, msgspec.Struct]], bool]:
        """What to send to whom, and whether something is left for the next time."""
        now_s = time.monotonic()
        with self._lock:
            ready = [listener for listener in self._texts if not listener.is_behind()]
            news: list[tuple[Listener, msgspec.Struct]] = []
            for listener in ready:
                message = self._text_news(*self._texts[listener])
                self._texts[listener] = (self._next_place(), self._state())
                if message is not None:
                    news.append((listener, message))
            progress = self._read_progress(now_s)
            new = [each for each, last in self._progresses.items() if last != progress]
            is_early = now_s - self._progress_told_s < PROGRESS_PAUSE_S
            if new and not is_early:
                self._progress_told_s = now_s
                self._progresses.update(dict.fromkeys(new, progress))
                event = ProgressEvent(task_id=self._task_id, progress=progress)
                news.extend((listener, event) for listener in new)
            return news, len(ready) < len(self._texts) or (bool(new) and is_early)

    def _read_progress(self, now_s: float) -> SimulatedTime | None:
        if self._unread:
            self._progress.feed(self._unread, now_s)
            self._unread, self._look_letters = "", LOOK_LETTERS
        return _simulated_time(self._progress.current)

    def _text_news(self, place: int, sent_state: str) -> LogEvent | None:
        """What a listener has not read yet: the newest of it, as much as one delivery may hold."""
        taken: list[_Piece] = []
        letters = 0
        for piece in reversed(self._pieces):
            letters += len(piece.text)
            if piece.place < place or (taken and letters > BATCH_LETTERS):
                break
            taken.append(piece)
        state = self._state()
        if not taken and state == sent_state:
            return None
        error = self._over.get(STDOUT) if state == "unavailable" else None
        return LogEvent(
            task_id=self._task_id,
            feed=self._name,
            state=state,
            error=None if error is None else service_error(error),
            chunks=_chunks(reversed(taken)),
        )

    def _state(self) -> FollowState:
        if self._over.get(STDOUT) is not None:
            return "unavailable"
        if self._following and {*self._following} <= {*self._over}:
            return "ended"
        return _STATES.get(self._live_state, "following")

    def _next_place(self) -> int:
        return self._pieces[-1].place + 1 if self._pieces else 0

    # -- the end of the simulated time ------------------------------------------------------

    def take_question(self) -> Pattern | None:
        """The pattern whose end the inputs may hold, once."""
        with self._lock:
            pattern = self._progress.pattern
            is_asked = pattern is None or pattern is self._asked or self._progress.end is not None
            if is_asked or pattern is None or pattern.end_in_inputs is None:
                return None
            self._asked = pattern
            return pattern

    def learn_end(self, pattern: Pattern) -> None:
        """Looks for the end in the inputs; without a clear answer there is none."""
        try:
            end = _end_in_inputs(Task(self._task_id, backend=self._backend), pattern)
        except InductivaWidgetsError:
            return
        with self._lock:
            self._progress.end = end
        self._wake()


def _end_in_inputs(task: Task, pattern: Pattern) -> float | None:
    files = inputs_of(task).files()
    names = [name for name in files if pattern.is_end_in(name)]
    if len(names) != 1 or pattern.end_in_inputs is None:
        return None
    content = files[names[0]].head(LONGEST_INPUT_BYTES)
    return pattern.end_in_inputs[1](content.decode("utf-8", "replace"))


def _texts(lines: Sequence[str]) -> Iterable[tuple[str, int]]:
    """Lines joined to texts of a bearable length, with their numbers of lines."""
    held: list[str] = []
    letters = 0
    for whole in lines:
        line = whole
        if len(line) > LONGEST_LINE:
            line = f"{line[:LONGEST_LINE]} … {len(line) - LONGEST_LINE:,} more letters"
        if held and letters + len(line) > PIECE_LETTERS:
            yield "\n".join(held), len(held)
            held, letters = [], 0
        held.append(line)
        letters += len(line) + 1
    yield "\n".join(held), len(held)


def _chunks(pieces: Iterable[_Piece]) -> list[LogChunk]:
    """Pieces as chunks; those that follow one another in one log become one."""
    chunks: list[LogChunk] = []
    end = -1
    for piece in pieces:
        last = chunks[-1] if chunks else None
        if last is not None and last.name == piece.name and end == piece.line:
            chunks[-1] = LogChunk(last.name, last.line, f"{last.text}\n{piece.text}")
        else:
            chunks.append(LogChunk(piece.name, piece.line, piece.text))
        end = piece.line + piece.lines
    return chunks


def _simulated_time(progress: Progress | None) -> SimulatedTime | None:
    if progress is None:
        return None
    return SimulatedTime(progress.value, progress.end, progress.unit, progress.seconds_left)
