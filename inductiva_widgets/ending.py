"""The end of a task: waiting for it, killing it, and the last lines of its log."""

from __future__ import annotations

import contextlib
import enum
import math
import numbers
import threading
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from inductiva_widgets.causes import LONGEST_LINE, cause_of
from inductiva_widgets.errors import (
    ApiError,
    AuthenticationError,
    BadPayloadError,
    InductivaWidgetsError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    ServiceConnectionError,
    TaskFailedError,
    UserInputError,
)
from inductiva_widgets.formats import safe_text, short_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import Self

    from inductiva_widgets.api.client import Client
    from inductiva_widgets.api.models import StatusReply, TaskRecord
    from inductiva_widgets.causes import Cause
    from inductiva_widgets.outputs.engine import Outputs
    from inductiva_widgets.watch import Observation, Subscription, Watcher

__all__ = [
    "ONLY_SENDS",
    "KillOutcome",
    "LastWords",
    "StatusLines",
    "Waiting",
    "all_followed",
    "check_timeout",
    "explained",
    "failure",
    "last_words",
    "outcome",
    "send_kill",
]

ONLY_SENDS = "sends the request and does not wait"  # what no `wait_timeout` means to a kill
WAIT_LIMIT_S = 2.0  # longest pause between two looks while somebody waits
KILL_ATTEMPTS = 3
LOG_TAIL_LINES, LOG_END_BYTES = 10, 16_000
LOG_LIMIT_BYTES = 50 * 1000 * 1000  # a packed log is unpacked from its start to reach its end


class KillOutcome(str, enum.Enum):
    """How a kill ended. True in a condition only when the task is known to be killed."""

    KILLED = "killed"
    PENDING = "pending"
    ALREADY_ENDED = "already-ended"

    def __bool__(self) -> bool:
        return self is KillOutcome.KILLED

    def __str__(self) -> str:
        return self.value


def outcome(status: str, *, ended_before: bool = False) -> KillOutcome:
    """How a kill ended, by the terminal status that followed."""
    if status == "killed" and not ended_before:
        return KillOutcome.KILLED
    return KillOutcome.ALREADY_ENDED


def send_kill(client: Client, task_id: str) -> StatusReply | None:
    """Sends the request; after a failure it looks first whether the task still runs.

    `None`: the service refused because the task had already ended.
    """
    for attempt in range(KILL_ATTEMPTS):
        try:
            return client.kill(task_id)
        except (ServerError, ServiceConnectionError, BadPayloadError):
            # Whether the request arrived is not known, so the status decides.
            status = client.status(task_id)
            if status.is_terminated or status.status == "pending-kill":
                return status
            if attempt == KILL_ATTEMPTS - 1:
                raise
        except (AuthenticationError, NotFoundError, RateLimitedError):
            raise
        except ApiError:
            if client.status(task_id).is_terminated:
                return None
            raise
    raise AssertionError  # the loop returns or raises


def check_timeout(name: str, seconds: object, *, none: str = "sets no limit") -> None:
    """Refuses what is not a number of seconds; infinity means no limit, `None` what `none` says.

    Raises:
        UserInputError: It is not a number, or negative.
    """
    is_number = isinstance(seconds, numbers.Real) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and not math.isnan(seconds) and seconds >= 0):  # type: ignore[arg-type, operator] # a number by then
        raise UserInputError(
            f"{name} is {safe_text(repr(seconds), 60)}, but must be seconds, at least 0.",
            hint=f"{name}=None {none}.",
        )


class Waiting:
    """Follows one task until it has ended.

    Args:
        watcher: That of the task's backend.
        task_id: The task.
        limit_s: Longest pause between two looks.
        is_brief: Whether a row of the list is enough, without history.
        on_end: Called when the task has ended or nobody can wait for it, at least once, on the
            poller's thread or that of `__enter__`.

    Attributes:
        watcher: That of the task's backend.
        seen: The last observation.
        error: Why nobody can wait for the task: the key is refused, or it is unknown.
    """

    def __init__(
        self,
        watcher: Watcher,
        task_id: str,
        limit_s: float = WAIT_LIMIT_S,
        *,
        is_brief: bool = False,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        self.watcher = watcher
        self._task_id = task_id
        self._limit_s = limit_s
        self._is_brief = is_brief
        self._on_end = on_end
        self._done = threading.Event()
        self._subscription: Subscription | None = None
        self._is_closed = False
        self.seen: Observation | None = None
        self.error: InductivaWidgetsError | None = None

    def __enter__(self) -> Self:
        self._before = self.watcher.latest(self._task_id)
        self._subscription = self.watcher.watch(
            self._task_id, self._observe, limit_s=self._limit_s, is_brief=self._is_brief
        )
        if self._is_closed:  # by the observation that `watch` passed at once
            self._subscription.close()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the following; may be called twice, from any thread, also from `on_end`."""
        self._is_closed = True
        if self._subscription is not None:
            self._subscription.close()

    def _observe(self, seen: Observation) -> None:
        # An outage is waited out; a refused key or an unknown task will not mend itself. What was
        # refused before this wait began is asked for again.
        self.seen = seen
        is_new = seen is not self._before
        refusals = (AuthenticationError, NotFoundError)
        if is_new and seen.stale and isinstance(seen.stale.error, refusals):
            self.error = seen.stale.error
        elif not seen.is_final:
            return
        self._done.set()
        self._on_end()

    def ended(self, timeout_s: float) -> bool:
        """Whether the task has ended, waiting for it at most `timeout_s`."""
        done = self._done.wait(min(max(0.0, timeout_s), threading.TIMEOUT_MAX))
        if self.error is not None:
            raise self.error
        return done


class StatusLines:
    """Prints each new status of a task once; a callback for its watcher.

    Args:
        say: Prints a line.
        name: Added to each line, to distinguish several tasks.
    """

    def __init__(self, say: Callable[[str], object], name: str = "") -> None:
        self._say = say
        self._name = f"{name}  " if name else ""
        self._last = ""
        self._lock = threading.Lock()  # a wait does not return in the middle of a line

    def __call__(self, seen: Observation) -> None:
        """Prints the status, if it is another one."""
        with self._lock:
            if seen.record is not None and seen.record.status != self._last:
                self._last = seen.record.status
                alias = safe_text(seen.record.alias, 60)
                self._say(f"{seen.as_of.astimezone():%H:%M:%S}  {self._name}{alias}")


@contextlib.contextmanager
def all_followed(waitings: Sequence[Waiting]) -> Iterator[None]:
    """Follows several tasks; each watcher looks once for all of them, not once for each."""
    with contextlib.ExitStack() as stack:
        with contextlib.ExitStack() as adding:
            for watcher in {waiting.watcher for waiting in waitings}:
                adding.enter_context(watcher.together())
            for waiting in waitings:
                stack.enter_context(waiting)
        yield


class LastWords(NamedTuple):
    """The end of a task's log.

    Attributes:
        file: `stderr.txt`, or `stdout.txt` when that holds nothing.
        lines: Its last lines, without the frames that the machines put around each command.
        total: Number of lines in the whole file; `None` when only its end was read.
        text: More of the end of both logs, for whoever looks for a cause.
    """

    file: str
    lines: list[str]
    total: int | None
    text: str


def last_words(outputs: Outputs) -> LastWords | None:
    """The end of the logs, read by ranges of the archive; `None` when there are none to read."""
    found: LastWords | None = None
    texts: list[str] = []
    with contextlib.suppress(InductivaWidgetsError):  # the failure itself is the news
        files = outputs.files()
        for name in ("stderr.txt", "stdout.txt"):
            if name not in files or not 0 < files[name].size <= LOG_LIMIT_BYTES:
                continue
            file = files[name]
            lines = _own_lines(file.tail(LOG_END_BYTES).decode(errors="replace"))
            if not lines:
                continue
            texts.append("\n".join(lines))
            total = len(lines) if file.size <= LOG_END_BYTES else None
            if found is None:
                found = LastWords(name, lines[-LOG_TAIL_LINES:], total, "")
    return found and found._replace(text="\n".join(texts))


def explained(record: TaskRecord, words: LastWords | None) -> Cause | None:
    """Why a task ended badly, by its log as well; the lines shown beside it are not repeated."""
    cause = cause_of(record, words.text if words else "")
    shown = [safe_text(line.strip(), LONGEST_LINE) for line in words.lines] if words else []
    if cause is not None and cause.detail in shown:
        return msgspec.structs.replace(cause, detail="")
    return cause


def failure(task_id: str, record: TaskRecord, outputs: Outputs) -> TaskFailedError:
    """The bad end of a task as an error: why, what to do, and the last lines of its log."""
    words = last_words(outputs)
    cause = explained(record, words)
    reason = f"{cause.sentence} {cause.detail}".rstrip() if cause else "It does not say why."
    return TaskFailedError(
        f"Task {short_id(task_id)} ended as {safe_text(record.alias, 80)}: {reason}",
        hint=cause.step if cause else "",
        status=record.status,
        log_tail="\n".join(words.lines) if words else "",
    )


def _own_lines(text: str) -> list[str]:
    """What the commands themselves wrote: the machines frame each one's output."""
    return [
        safe_text(line.rpartition("\r")[2].rstrip())
        for line in text.split("\n")
        if line.strip(" -\r") and not line.startswith(_FRAMES)
    ]


_FRAMES = ("# COMMAND:", "# Working directory:", "# Env:")
