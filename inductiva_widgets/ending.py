"""The end of a task: waiting for it, asking for it, and the last words of the simulation."""

from __future__ import annotations

import contextlib
import enum
import threading
from typing import TYPE_CHECKING

from inductiva_widgets.errors import (
    ApiError,
    AuthenticationError,
    BadPayloadError,
    InductivaWidgetsError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    ServiceConnectionError,
)
from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from typing_extensions import Self

    from inductiva_widgets.api.client import Client
    from inductiva_widgets.api.models import StatusReply
    from inductiva_widgets.outputs.engine import Outputs
    from inductiva_widgets.watch import Observation, Watcher

__all__ = ["KillOutcome", "Waiting", "log_tail", "outcome", "send_kill"]

WAIT_LIMIT_S = 2.0  # longest pause between two looks while somebody waits
KILL_ATTEMPTS = 3
LOG_TAIL_LINES, LOG_TAIL_BYTES = 10, 4000
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


class Waiting:
    """Follows one task until it has ended."""

    def __init__(self, watcher: Watcher, task_id: str, limit_s: float = WAIT_LIMIT_S) -> None:
        self._watcher = watcher
        self._task_id = task_id
        self._limit_s = limit_s
        self._done = threading.Event()
        self._error: InductivaWidgetsError | None = None

    def __enter__(self) -> Self:
        self._before = self._watcher.latest(self._task_id)
        self._subscription = self._watcher.watch(
            self._task_id, self._observe, limit_s=self._limit_s
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._subscription.close()

    def _observe(self, seen: Observation) -> None:
        # An outage is waited out; a refused key or an unknown task will not mend itself. What was
        # refused before this wait began is asked for again.
        is_new = seen is not self._before
        refusals = (AuthenticationError, NotFoundError)
        if is_new and seen.stale and isinstance(seen.stale.error, refusals):
            self._error = seen.stale.error
            self._done.set()
        elif seen.is_final:
            self._done.set()

    def ended(self, timeout_s: float) -> bool:
        """Whether the task has ended, waiting for it at most `timeout_s`."""
        done = self._done.wait(max(0.0, timeout_s))
        if self._error is not None:
            raise self._error
        return done


def log_tail(outputs: Outputs) -> str:
    """Last lines of stderr, or of stdout when that is empty; empty when neither is there."""
    with contextlib.suppress(InductivaWidgetsError):  # the failure itself is the news
        files = outputs.files()
        for name in ("stderr.txt", "stdout.txt"):
            if name in files and 0 < files[name].size <= LOG_LIMIT_BYTES:
                text = files[name].tail(LOG_TAIL_BYTES).decode(errors="replace")
                # The machines frame each command's output with a line of dashes.
                lines = [safe_text(line) for line in text.splitlines() if line.strip(" -")]
                return "\n".join(lines[-LOG_TAIL_LINES:])
    return ""
