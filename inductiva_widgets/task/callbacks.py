"""A user's function, called when a task has ended."""

from __future__ import annotations

import logging
import threading
import warnings
from typing import TYPE_CHECKING, Generic, TypeVar

from inductiva_widgets.ending import Waiting
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.formats import safe_text, short_id
from inductiva_widgets.task.facts import TaskFacts

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DoneCallback"]

log = logging.getLogger(__name__)

T = TypeVar("T", bound=TaskFacts)


class DoneCallback(Generic[T]):
    """One registration: follows the task on the poller, then calls once on its own thread.

    Args:
        task: The task.
        callback: Called with the task.

    Raises:
        UserInputError: `callback` cannot be called.
    """

    def __init__(self, task: T, callback: Callable[[T], object]) -> None:
        if not callable(callback):
            raise UserInputError(
                f"on_done takes a function, not {type(callback).__name__}.",
                hint="For example task.on_done(lambda task: print(task.get_status())).",
            )
        self._task = task
        self._callback = callback
        self._lock = threading.Lock()
        self._is_over = False  # called, or never to be
        self._waiting = Waiting(task.backend.watcher, task.id, is_brief=True, on_end=self._end)
        self._waiting.__enter__()

    def cancel(self) -> bool:
        """Takes the callback back; whether that was in time."""
        with self._lock:
            was_over, self._is_over = self._is_over, True
        self._waiting.close()
        return not was_over

    def __repr__(self) -> str:
        state = "over" if self._is_over else "waiting"
        return f"<on_done of {short_id(self._task.id)}: {_name(self._callback)}, {state}>"

    def _end(self) -> None:
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
        threading.Thread(target=self._run, name="inductiva-on-done", daemon=True).start()

    def _run(self) -> None:
        self._waiting.close()
        about = f"{_name(self._callback)}, on_done of task {short_id(self._task.id)},"
        if self._waiting.error is not None:
            warnings.warn(f"{about} will not be called: {self._waiting.error}", stacklevel=2)
            return
        try:
            self._callback(self._task)
        except Exception as error:  # not our code: whatever it raises is reported, and ends here
            log.exception("a callback raised")
            reason = f"{type(error).__name__}: {safe_text(error, 300)}"
            warnings.warn(f"{about} raised and is switched off: {reason}", stacklevel=2)


def _name(function: object) -> str:
    name = getattr(function, "__qualname__", None) or repr(function)
    return safe_text(name.rpartition("<locals>.")[2], 80)
