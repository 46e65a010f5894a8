"""Watching tasks: one poller thread per backend for any number of watchers.

One or two tasks are polled by the small status call, three or more by pages of the list,
plus the status of tasks in the queue (only it gives their place) and of tasks older than the pages.
The whole task is fetched only when its status changed, and not at all for watchers who only wait
for its end. Rounds come after 1, 2, 5, 10 s, and after 1 s again when something changed; tasks that
nobody sees are polled once a minute. A refused key stops the polling until there is another one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import random
import threading
import time
from typing import TYPE_CHECKING

from inductiva_widgets.errors import (
    ApiError,
    AuthenticationError,
    BadPayloadError,
    InductivaWidgetsError,
    NotFoundError,
    RateLimitedError,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator

    from inductiva_widgets.api.client import Client
    from inductiva_widgets.api.models import TaskRecord

__all__ = ["KEY_LOOK_S", "STEPS_S", "Observation", "Stale", "Subscription", "Watcher"]

log = logging.getLogger(__name__)

STEPS_S = (1.0, 2.0, 5.0, 10.0)
HIDDEN_S = 60.0
KEY_LOOK_S = 5.0  # between checks for a new key after a refusal; they send no request
PAGE_FROM = 3  # from this many tasks on, one list page is cheaper than status calls
PAGE_SIZE = 100
PAGES_PER_S = 2.0  # thousands of tasks are looked at less often, not at greater cost
LARGE_PAGE = 500  # the largest that the service gives; for more tasks than half a small one


@dataclasses.dataclass(frozen=True, slots=True)
class Stale:
    """Why the last answer is old: since when, by which error, and when the next try comes.

    `retry_in_s` is `None` when polling has stopped, e.g. because the key was refused.
    """

    since: dt.datetime
    error: InductivaWidgetsError
    retry_in_s: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """The last answer about a task. `as_of` is the service's clock; immutable, so freely shared.

    `is_brief`: the record is a row of the list, which has no history.
    """

    task_id: str
    record: TaskRecord | None
    tasks_ahead: int | None
    as_of: dt.datetime
    stale: Stale | None = None
    is_brief: bool = False

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self.record is not None and self.record.is_terminated


class Subscription:
    """One watcher of one task. `close()` may be called twice, from any thread."""

    def __init__(
        self,
        watcher: Watcher,
        task_id: str,
        callback: Callable[[Observation], None],
        limit_s: float,
        *,
        is_brief: bool = False,
    ) -> None:
        self._watcher = watcher
        self.task_id = task_id
        self.callback = callback
        self.limit_s = limit_s
        self.is_brief = is_brief
        self.visible = True
        self.is_closed = False

    def show(self, *, visible: bool) -> None:
        """Sets whether anybody sees the task; when shown again it is polled at once."""
        was, self.visible = self.visible, visible
        if visible and not was:
            self._watcher.wake()

    def close(self) -> None:
        """Ends the watching; the last one ends the thread."""
        self._watcher._forget(self)  # noqa: SLF001 - the two are one mechanism


class Watcher:
    """Polls the tasks that somebody watches and notifies the watchers of changes.

    Attributes:
        least_pause_s: Rounds come no sooner one after another, unless somebody wakes it.

    Callbacks run on the poller's thread, one after another, and should return at once. One that
    raises is switched off and logged. All state is guarded by one lock that is never held while
    the network or a callback is waited for.
    """

    def __init__(
        self,
        client: Client,
        *,
        limit_s: float = STEPS_S[-1],
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self.least_pause_s = 0.0
        self._limit_s = limit_s
        self._monotonic = monotonic
        self._jitter = jitter
        self._changed = threading.Condition()
        self._subscriptions: dict[str, list[Subscription]] = {}  # by task
        self._latest: dict[str, Observation] = {}
        self._numbers = itertools.count()  # of questions, in the order in which they were asked
        self._answered: dict[str, int] = {}
        self._asked = -1  # number of the poller's last question
        self._pages = 0  # of the list, read in the last round
        self._not_before = float("-inf")
        self._asked_at: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self._holds = 0  # how many callers are still adding watchers
        self._woken = False
        self._quiet_rounds = 0
        self._failures = 0
        # The key was refused: nothing is requested until `wake` is called or there is another key.
        self._refused = False
        self._key = 0  # number of the key that the last round used
        self._denied: set[str] = set()  # tasks not to ask for until somebody requests them again

    # -- for watchers -----------------------------------------------------------------------

    def watch(
        self,
        task_id: str,
        callback: Callable[[Observation], None],
        *,
        limit_s: float = STEPS_S[-1],
        is_brief: bool = False,
    ) -> Subscription:
        """Calls `callback` with each new observation, first with the last known one.

        Args:
            task_id: The task.
            callback: Called on the poller's thread (the first time on the caller's).
            limit_s: Longest pause between two looks that this watcher accepts.
            is_brief: Whether the watcher only waits for the end: a row of the list is enough for
                it, without history and place in the queue.
        """
        subscription = Subscription(self, task_id, callback, limit_s, is_brief=is_brief)
        with self._changed:
            self._subscriptions.setdefault(task_id, []).append(subscription)
            self._denied.discard(task_id)
        self._notify(subscription)
        self.wake()
        return subscription

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Watchers that come inside cost one look for all, not one each."""
        with self._changed:
            self._holds += 1
        try:
            yield
        finally:
            with self._changed:
                self._holds -= 1
            self.wake()

    def latest(self, task_id: str) -> Observation | None:
        """The last answer about a task, without asking."""
        with self._changed:
            return self._latest.get(task_id)

    def refresh(self, task_id: str, *, retry: bool = True) -> Observation:
        """Asks for the whole task now, on the caller's thread, and notifies its watchers.

        Raises:
            InductivaWidgetsError: The service did not answer, or said no.
        """
        number = next(self._numbers)
        record = self._client.task(task_id, retry=retry)
        ahead = self._place(task_id, record.status, retry=retry)
        seen = Observation(task_id, record, ahead, self._client.clock.now())
        with self._changed:
            self._refused = False
            self._denied.discard(task_id)
        self._publish(seen, number)
        with self._changed:
            self._start()  # an ended task may have been submitted again
        return seen

    def wake(self) -> None:
        """Makes the next round come at once, and starts the thread when there is work."""
        with self._changed:
            self._woken = not self._holds  # else whoever adds watchers wakes it at the end
            self._quiet_rounds = 0
            self._refused = False
            self._start()
            self._changed.notify_all()

    def _start(self) -> None:
        """Starts the thread when there is work for one (lock held)."""
        if self._thread is None and not self._holds and self._work():
            name = "inductiva-watch"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Forgets all watchers and waits for the thread to end."""
        with self._changed:
            self._subscriptions.clear()
            thread = self._thread
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=5.0)

    # -- the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._work():
                    self._thread = None
                    return
                self._woken = False
            delay = self.poll_once()
            with self._changed:
                # Cut into minutes, because a Retry-After may be longer than a lock can wait.
                self._changed.wait_for(
                    lambda: self._woken or not self._work(), min(delay, HIDDEN_S)
                )

    def _work(self) -> bool:
        """Whether any watched task can still change (lock held)."""
        return any(not self._is_settled(s) for group in self._subscriptions.values() for s in group)

    def _is_settled(self, subscription: Subscription) -> bool:
        seen = self._latest.get(subscription.task_id)
        if seen is None:
            return False
        if subscription.task_id in self._denied:
            return True
        return seen.is_final and (subscription.is_brief or not seen.is_brief)

    def poll_once(self) -> float:
        """One round; returns the seconds until the next one. Called by the thread (and tests)."""
        early_s = self._not_before - self._monotonic()
        if early_s > 0:  # woken up, but the service asked for more patience
            return early_s
        if self._refused and not self._has_new_key():
            return KEY_LOOK_S
        self._key = self._client.credentials.changes
        due, limit_s = self._due()
        if not due:
            return min(limit_s, HIDDEN_S)
        try:
            changed, failed = self._look(due)
        except InductivaWidgetsError as error:
            return self._failed(due, error)
        except Exception as error:  # the thread must outlive whatever an answer does to it
            log.exception("polling failed by a fault of this package")
            return self._failed(due, InductivaWidgetsError(type(error).__name__))
        self._failures = 0
        self._quiet_rounds = 0 if changed else self._quiet_rounds + 1
        step = STEPS_S[min(self._quiet_rounds, len(STEPS_S) - 1)]
        least_s = max(self.least_pause_s, (self._pages - 1) / PAGES_PER_S)
        pause = max(min(step, limit_s, self._limit_s), least_s)
        for task_id, reason in failed.items():
            self._publish_stale(task_id, reason, pause)
        return pause

    def _has_new_key(self) -> bool:
        """Looks for another key; what the old one was not allowed to see is polled again."""
        if not self._client.credentials.is_new(self._key):
            return False
        with self._changed:
            self._refused = False
            self._denied.clear()
            self._quiet_rounds = 0
        return True

    def _due(self) -> tuple[dict[str, bool], float]:
        """Tasks to ask for now, with whether a row is enough; the shortest pause that is wanted."""
        now = self._monotonic()
        with self._changed:
            groups = self._subscriptions.values()
            active = [s for group in groups for s in group if not self._is_settled(s)]
            whole = {s.task_id for s in active if not s.is_brief}
            seen = {s.task_id for s in active if s.visible}
            idle = {
                s.task_id
                for s in active
                if s.task_id not in seen
                and now - self._asked_at.get(s.task_id, -HIDDEN_S) >= HIDDEN_S
            }
            limit_s = min((s.limit_s for s in active if s.visible), default=HIDDEN_S)
            due = {task_id: task_id not in whole for task_id in sorted(seen | idle)}
            self._asked_at.update(dict.fromkeys(due, now))
        return due, limit_s

    def _ask(self) -> int:
        self._asked = next(self._numbers)
        return self._asked

    def _look(self, due: dict[str, bool]) -> tuple[bool, dict[str, InductivaWidgetsError]]:
        """Asks for all due tasks; whether anything changed, and which tasks could not be read.

        Raises:
            InductivaWidgetsError: What concerns all tasks alike.
        """
        number = self._ask()
        self._pages = 0
        listed = self._listed(set(due)) if len(due) >= PAGE_FROM else {}
        changed = False
        failed: dict[str, InductivaWidgetsError] = {}
        for task_id, is_brief in due.items():
            try:
                changed |= self._look_at(task_id, listed.get(task_id), number, is_brief=is_brief)
            except (NotFoundError, AuthenticationError) as error:
                if error.status_code == 401:
                    raise  # the key itself
                # Unknown or not allowed: this task only, until somebody asks for it again.
                if self._publish_stale(task_id, error, None):
                    with self._changed:
                        self._denied.add(task_id)
            except (ApiError, BadPayloadError) as error:
                if isinstance(error, RateLimitedError):
                    raise
                failed[task_id] = error  # one bad task must not hide the others
        if failed and len(failed) == len(due):
            raise next(iter(failed.values()))
        return changed, failed

    def _listed(self, missing: set[str]) -> dict[str, TaskRecord]:
        """Rows of these tasks on the first pages, as many as are cheaper than status calls."""
        size = PAGE_SIZE if len(missing) <= PAGE_SIZE // 2 else LARGE_PAGE
        found: dict[str, TaskRecord] = {}
        for number in itertools.count(1):
            page = self._client.tasks(page=number, per_page=size, retry=False)
            self._pages = number
            here = {row.task_id: row for row in page.tasks if row.task_id in missing}
            found.update(here)
            missing = missing - here.keys()
            if len(missing) < PAGE_FROM or not here or len(page.tasks) < size:
                break
        return found

    def _look_at(
        self, task_id: str, listed: TaskRecord | None, number: int, *, is_brief: bool
    ) -> bool:
        known = self.latest(task_id)
        before = known.record if known else None
        if listed is not None:
            status, final = listed.status, listed.is_terminated
            ahead = None if is_brief else self._place(task_id, status)
        else:
            number = self._ask()
            reply = self._client.status(task_id, retry=False)
            status, final = reply.status, reply.is_terminated
            ahead = reply.position_in_queue.tasks_ahead if reply.position_in_queue else None
        fresh = before is None or (before.status, before.is_terminated) != (status, final)
        has_whole = not fresh and known is not None and not known.is_brief
        record, is_row = before, False
        if not has_whole and is_brief and listed is not None:
            record, is_row = listed, True
        elif not has_whole:
            record = self._client.task(task_id, retry=False)
        moved = fresh or known is None or known.tasks_ahead != ahead
        now = self._client.clock.now()
        self._publish(Observation(task_id, record, ahead, now, is_brief=is_row), number)
        return moved

    def _place(self, task_id: str, status: str, *, retry: bool = False) -> int | None:
        if status != "submitted":
            return None
        place = self._client.status(task_id, retry=retry).position_in_queue
        return place.tasks_ahead if place else None

    def _failed(self, due: Iterable[str], error: InductivaWidgetsError) -> float:
        """Marks the state of the tasks as old; returns the pause before the next round."""
        self._failures += 1
        self._refused = isinstance(error, AuthenticationError)
        wait_s = error.retry_after_s if isinstance(error, RateLimitedError) else None
        step = STEPS_S[min(self._failures - 1, len(STEPS_S) - 1)]
        pause = wait_s if wait_s is not None else step * (1 + 0.25 * self._jitter())
        if wait_s is not None:
            self._not_before = self._monotonic() + wait_s
        retry_in = None if self._refused else pause
        if self._refused:
            self._ask()  # a refused key concerns all, also those answered earlier in this round
        for task_id in due:
            self._publish_stale(task_id, error, retry_in)
        log.debug("polling failed, next try in %.1f s: %s", pause, type(error).__name__)
        return KEY_LOOK_S if self._refused else pause

    def _publish_stale(
        self, task_id: str, error: InductivaWidgetsError, retry_in_s: float | None
    ) -> bool:
        """Publishes why there is no newer state, unless a later request has been answered."""
        now = self._client.clock.now()
        with self._changed:
            if self._asked < self._answered.get(task_id, -1):
                return False
            known = self._latest.get(task_id)
            if known is not None and known.is_final:
                return True  # an end does not grow old
            if known is None:
                seen = Observation(task_id, None, None, now, Stale(now, error, retry_in_s))
            else:
                since = known.stale.since if known.stale else known.as_of
                seen = dataclasses.replace(known, stale=Stale(since, error, retry_in_s))
            self._latest[task_id] = seen
        self._notify_all(task_id)
        return True

    def _publish(self, seen: Observation, number: int) -> None:
        with self._changed:
            # Answers may overtake one another; the question asked last is answered by the newest
            # state. Clocks do not decide this: they are set, also the service's.
            if number < self._answered.get(seen.task_id, -1):
                return
            self._answered[seen.task_id] = number
            self._latest[seen.task_id] = seen
        self._notify_all(seen.task_id)

    def _notify_all(self, task_id: str) -> None:
        with self._changed:
            watchers = list(self._subscriptions.get(task_id, ()))
        for subscription in watchers:
            self._notify(subscription)

    def _notify(self, subscription: Subscription) -> None:
        """Passes the latest observation on, and again if it changed meanwhile."""
        passed: Observation | None = None
        while not subscription.is_closed:
            seen = self.latest(subscription.task_id)
            if seen is None or seen is passed:
                return
            passed = seen
            try:
                subscription.callback(seen)
            except Exception:
                # A broken callback must not end the polling for all others.
                log.exception("a watcher of task %s raised and is switched off", seen.task_id)
                subscription.close()

    def _forget(self, subscription: Subscription) -> None:
        subscription.is_closed = True
        with self._changed:
            group = self._subscriptions.get(subscription.task_id, [])
            with contextlib.suppress(ValueError):
                group.remove(subscription)
            if not group:
                self._subscriptions.pop(subscription.task_id, None)
            self._changed.notify_all()
