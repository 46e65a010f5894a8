"""Waiting for many tasks: for all, or for one after another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from inductiva_widgets.ending import check_timeout, failure
from inductiva_widgets.errors import TaskFailedError, WaitTimeoutError
from inductiva_widgets.formats import short_id
from inductiva_widgets.task.files import outputs_of
from inductiva_widgets.task.host import host
from inductiva_widgets.tasks.chosen import chosen_tasks, named_tasks
from inductiva_widgets.tasks.endings import Endings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.task import Task

__all__ = ["as_completed", "wait_all"]

LOOK_S = 0.1  # how long a waiting cell may leave a click unanswered
NAMED = 3  # ids in a sentence


def wait_all(
    tasks: object,
    timeout: float | None = None,
    *,
    raise_on_failure: bool = False,
    backend: Backend | None = None,
) -> list[str]:
    """Waits until all tasks have ended; returns their statuses, in the order given.

    One poller follows all of them; a notebook shows one line for all meanwhile. Outages of the
    service are waited out. Ctrl-C stops the waiting only.

    Args:
        tasks: Tasks or ids, or a frame, series or index of the history.
        timeout: Seconds; `None` waits for ever.
        raise_on_failure: Whether an end other than success raises, once all have ended.
        backend: Of tasks given by id; the default backend when not given.

    Raises:
        WaitTimeoutError: Not all ended in time (a `TimeoutError`); they continue.
        TaskFailedError: One ended badly, with `raise_on_failure`; it is about the first of them.
        NotFoundError: One is unknown; the others have ended by then.
        AuthenticationError: The key is refused, or for one task, when the others have ended.
        UserInputError: An argument is invalid; nothing was sent.
    """
    check_timeout("timeout", timeout)
    named = named_tasks(tasks, backend)
    chosen = list({task.id: task for task in named}.values())
    if not chosen:
        return []
    end = _end(timeout)
    with Endings(chosen) as endings, host().waiting_for_many(endings.standing) as look:
        while endings.left:
            _next(endings, end, timeout, look)
        _raise_refused(endings)
        statuses = {task.id: endings.status(task.id) for task in chosen}
    bad = [task for task in chosen if statuses[task.id] != "success"]
    if bad and raise_on_failure:
        raise _failure(bad, len(chosen))
    return [statuses[task.id] for task in named]


def as_completed(
    tasks: object, timeout: float | None = None, *, backend: Backend | None = None
) -> Iterator[Task]:
    """Yields tasks as they end, each once; those that have ended already come first.

    One poller follows all of them. Outages of the service are waited out. Ctrl-C stops the waiting
    only.

    Args:
        tasks: Tasks or ids, or a frame, series or index of the history.
        timeout: Seconds from this call; `None` waits for ever.
        backend: Of tasks given by id; the default backend when not given.

    Raises:
        WaitTimeoutError: Not all ended in time (a `TimeoutError`); they continue.
        NotFoundError: One is unknown; raised after all others were given.
        AuthenticationError: The key is refused, or for one task, after all others were given.
        UserInputError: An argument is invalid; nothing was sent.
    """
    check_timeout("timeout", timeout)
    return _as_completed(chosen_tasks(tasks, backend), _end(timeout), timeout)


def _as_completed(tasks: list[Task], end: float, timeout: float | None) -> Iterator[Task]:
    with Endings(tasks) as endings:
        while endings.left:
            # Only while it waits: a loop may be left in the middle and never be finished.
            with host().comm_pump() as pump:
                task = _next(endings, end, timeout, pump)
            if task.id not in endings.errors:
                yield task
        _raise_refused(endings)


def _end(timeout: float | None) -> float:
    return float("inf") if timeout is None else time.monotonic() + timeout


def _next(endings: Endings, end: float, timeout: float | None, look: Callable[[], None]) -> Task:
    """The next that has ended or has an error.

    Raises:
        WaitTimeoutError: None in time.
    """
    try:
        while (task := endings.next(min(LOOK_S, end - time.monotonic()))) is None:
            look()
            if time.monotonic() >= end:
                total = endings.standing().total
                some = f"{endings.left} of {total} tasks"
                raise WaitTimeoutError(
                    f"{some} did not end within {timeout:g} s; they go on.",
                    hint="Wait again, or kill them with iw.tasks.kill(tasks).",
                )
    except KeyboardInterrupt:
        total = endings.standing().total
        host().say(f"Stopped waiting; {endings.left} of {total} tasks go on.")
        raise
    look()
    return task


def _raise_refused(endings: Endings) -> None:
    for error in endings.errors.values():
        raise error


def _failure(bad: list[Task], total: int) -> TaskFailedError:
    """The bad end of the first, and which others there are."""
    first = bad[0]
    why = failure(first.id, first.info, outputs_of(first))
    if len(bad) == 1:
        return why
    ids = ", ".join(short_id(task.id) for task in bad[1 : NAMED + 1])
    more = ", …" if len(bad) > NAMED + 1 else ""
    return TaskFailedError(
        f"{len(bad)} of {total} tasks did not end in success (also {ids}{more}). {why.message}",
        hint=why.hint,
        status=why.status,
        log_tail=why.log_tail,
    )
