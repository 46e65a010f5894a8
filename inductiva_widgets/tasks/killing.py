"""Killing many tasks: some at a time, each with its own outcome."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inductiva_widgets.ending import (
    ONLY_SENDS,
    KillOutcome,
    Waiting,
    all_followed,
    check_timeout,
    outcome,
)
from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.task.host import host
from inductiva_widgets.tasks.by_task import ByTask, why_not
from inductiva_widgets.tasks.chosen import chosen_tasks
from inductiva_widgets.tasks.spread import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.task import Task

    Result = KillOutcome | InductivaWidgetsError

__all__ = ["KillReport", "TaskKill", "kill", "kill_each"]

AT_ONCE = 8
CONFIRM_STEP_S = 0.5  # longest pause between two looks for confirmations


@dataclass(frozen=True, slots=True)
class TaskKill:
    """The outcome of one task. True in a condition only when it is known to be killed.

    Attributes:
        task_id: The task.
        outcome: `killed`, `pending` or `already-ended`; `None` when the kill failed.
        error: Why it failed, as a sentence that begins with the kind of error; else empty.
    """

    task_id: str
    outcome: KillOutcome | None
    error: str = ""

    def __bool__(self) -> bool:
        return bool(self.outcome)


class KillReport(ByTask[TaskKill]):
    """The outcome of each task, by its id. `print()` sums it up and names what failed."""

    @property
    def killed(self) -> list[str]:
        """Ids of the tasks that the service says to be killed."""
        return [task_id for task_id, one in self.items() if one]

    @property
    def pending(self) -> list[str]:
        """Ids of those whose end was requested but not confirmed yet."""
        return [i for i, one in self.items() if one.outcome is KillOutcome.PENDING]

    @property
    def failed(self) -> list[str]:
        """Ids of those that could not be killed; they can be given to `kill` again."""
        return [task_id for task_id, one in self.items() if one.error]

    def __str__(self) -> str:
        if not self:
            return "No tasks to kill"
        counts = Counter(one.outcome for one in self.values())
        parts = [f"{counts[KillOutcome.KILLED]} of {len(self)} killed"]
        words = {
            KillOutcome.PENDING: "asked to end, not confirmed yet",
            KillOutcome.ALREADY_ENDED: "already finished",
            None: "failed",
        }
        parts += [f"{counts[one]} {word}" for one, word in words.items() if counts[one]]
        lines = [f"  {task_id}  {self[task_id].error}" for task_id in self.failed]
        return "\n".join(["; ".join(parts), *lines])


def kill(
    tasks: object, wait_timeout: float | None = 2.0, *, backend: Backend | None = None
) -> KillReport:
    """Ends tasks (cancels them), 8 at a time. One that fails does not stop the others.

    Nothing is sent for tasks that have ended.

    Args:
        tasks: Tasks or ids, or a frame, series or index of the history.
        wait_timeout: Seconds to wait for the confirmations of all of them; `None` only sends the
            requests.
        backend: Of tasks given by id; the default backend when not given.

    Returns:
        The outcome of each: `print()` says "4 of 5 killed; 1 already finished".

    Raises:
        UserInputError: An argument is invalid; nothing was sent.
    """
    check_timeout("wait_timeout", wait_timeout, none=ONLY_SENDS)
    chosen = chosen_tasks(tasks, backend)
    done: dict[str, Result] = {}
    try:
        done = kill_each(chosen, wait_timeout, done.__setitem__)
    except KeyboardInterrupt:
        host().say(f"Stopped: {len(done)} of {len(chosen)} kill requests are answered.")
        raise
    return KillReport({task.id: _result(task.id, done[task.id]) for task in chosen})


def kill_each(
    tasks: Sequence[Task],
    wait_timeout: float | None,
    report: Callable[[str, Result], object] = lambda _task_id, _result: None,
    *,
    is_ended: Callable[[str], bool] = lambda _: False,
    looks_first: bool = True,
) -> dict[str, Result]:
    """Kills tasks, each once: all requests first, then one wait for all confirmations.

    Args:
        tasks: In the order in which they are begun.
        wait_timeout: Seconds for all confirmations; `None` waits for none.
        report: Takes each result as it comes, one at a time, on any thread; pending ones only
            after the wait.
        is_ended: Whether a task is known to have ended, apart from what its watcher knows.
        looks_first: Whether to ask for the status before; `False` for who just did.

    Returns:
        Outcome or error by task id, in the order given.
    """
    done: dict[str, Result] = {}
    lock = threading.Lock()

    def act(task: Task) -> None:
        result = _killed(task, is_ended, looks_first=looks_first)
        with lock:
            done[task.id] = result
            if wait_timeout is None or result is not KillOutcome.PENDING:
                report(task.id, result)

    spread(tasks, act, at_once=min(AT_ONCE, len(tasks)), look=_nothing, stop=_nothing)
    if wait_timeout is not None:
        pending = [task for task in tasks if done[task.id] is KillOutcome.PENDING]
        for task_id, result in _confirmed(pending, wait_timeout).items():
            done[task_id] = result
            report(task_id, result)
    return {task.id: done[task.id] for task in tasks}


def _killed(task: Task, is_ended: Callable[[str], bool], *, looks_first: bool) -> Result:
    try:
        seen = task.backend.watcher.latest(task.id)
        if (seen and seen.is_final) or is_ended(task.id):
            return KillOutcome.ALREADY_ENDED
        if looks_first and task.backend.client.status(task.id).is_terminated:
            return KillOutcome.ALREADY_ENDED
        return task.kill(wait_timeout=None)
    except InductivaWidgetsError as error:
        return error


def _confirmed(tasks: Sequence[Task], wait_s: float) -> dict[str, KillOutcome]:
    """What the service says of them soon enough; else they stay pending."""
    until = time.monotonic() + wait_s
    found: dict[str, KillOutcome] = {}
    waits = {
        task.id: Waiting(task.backend.watcher, task.id, CONFIRM_STEP_S, is_brief=True)
        for task in tasks
    }
    with all_followed([*waits.values()]):
        for task_id, waiting in waits.items():
            found[task_id] = KillOutcome.PENDING
            with contextlib.suppress(InductivaWidgetsError):  # its outcome stays unknown
                if waiting.ended(until - time.monotonic()):
                    seen = waiting.seen
                    found[task_id] = outcome(seen.record.status if seen and seen.record else "")
    return found


def _result(task_id: str, result: Result) -> TaskKill:
    if isinstance(result, KillOutcome):
        return TaskKill(task_id, result)
    return TaskKill(task_id, None, why_not(result))


def _nothing() -> None:
    """Nothing to show, and nothing that could be stopped: a request is sent or not."""
