"""The ends of many tasks: followed together, reported one by one."""

from __future__ import annotations

import contextlib
import queue
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from inductiva_widgets.ending import Waiting, all_followed
from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from inductiva_widgets.errors import InductivaWidgetsError
    from inductiva_widgets.task import Task

__all__ = ["Endings", "Standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far many tasks are.

    Attributes:
        total: Number of tasks.
        succeeded: Ended in success.
        failed: Ended otherwise, but not killed.
        killed: Were killed.
        lost: Nobody can wait for them: unknown, or not allowed.
        others: How many of the rest are in which state, in words.
        problem: Why what is known is old; empty when it is not.
    """

    total: int
    succeeded: int
    failed: int
    killed: int
    lost: int
    others: dict[str, int]
    problem: str = ""

    @property
    def done(self) -> int:
        """How many have ended, in any way."""
        return self.succeeded + self.failed + self.killed

    def __str__(self) -> str:
        parts = [f"{self.done} of {self.total} done"]
        ends = {"failed": self.failed, "killed": self.killed, "cannot be asked for": self.lost}
        parts += [f"{count} {word}" for word, count in ends.items() if count]
        text = ", ".join(parts)
        if self.others:
            text += " · " + ", ".join(f"{count} {word}" for word, count in self.others.items())
        return f"{text} · {self.problem}" if self.problem else text


class Endings:
    """Follows tasks until each has ended, on the one poller of their backend.

    Args:
        tasks: Each once.

    Attributes:
        errors: Why nobody can wait for some, by task id.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._ended: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._open = {task.id: task for task in tasks}
        self._stack = contextlib.ExitStack()
        self._waitings = {
            task.id: Waiting(
                task.backend.watcher, task.id, is_brief=True, on_end=partial(self._ended.put, task)
            )
            for task in tasks
        }
        self.errors: dict[str, InductivaWidgetsError] = {}

    def __enter__(self) -> Self:
        self._stack.enter_context(all_followed([*self._waitings.values()]))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def left(self) -> int:
        """How many `next` has not returned yet."""
        return len(self._open)

    def next(self, timeout_s: float) -> Task | None:
        """The next that has ended or has an error now; `None` if there was none in time."""
        try:
            task = self._ended.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        if self._open.pop(task.id, None) is None:
            return None  # returned before: two threads may have seen the end
        waiting = self._waitings[task.id]
        waiting.close()
        if waiting.error is not None:
            self.errors[task.id] = waiting.error
        return task

    def status(self, task_id: str) -> str:
        """The status seen last; empty when none was."""
        seen = self._waitings[task_id].seen
        return seen.record.status if seen and seen.record else ""

    def standing(self) -> Standing:
        """How far they are, without asking anybody."""
        ends: Counter[str] = Counter()
        others: Counter[str] = Counter()
        problem = ""
        for waiting in self._waitings.values():
            seen, record = waiting.seen, waiting.seen.record if waiting.seen else None
            if waiting.error is not None:
                ends["lost"] += 1
            elif record is not None and record.is_terminated:
                ends[record.status if record.status in ("success", "killed") else "failed"] += 1
            else:
                others[safe_text(record.alias, 40) if record else "not asked yet"] += 1
                if seen is not None and seen.stale is not None:
                    problem = "no answer from the service at the moment"
        return Standing(
            len(self._waitings),
            ends["success"],
            ends["failed"],
            ends["killed"],
            ends["lost"],
            dict(others.most_common()),
            problem,
        )
