"""Events: the listeners of each topic, with increasing revision numbers.

Topic `task/<id>` carries `task` and `download` events, topic `tasks` the newest tasks, topic
`batch/<id>` a download of several tasks. The first listener of a task or of the list starts its
watching, the last one ends it.
"""

from __future__ import annotations

import itertools
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.service.summaries import task_summary
from inductiva_widgets.service.tasks import TaskListFeed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from inductiva_widgets.api.models import TaskPage
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.watch import Observation, Subscription

    Watching = Subscription | TaskListFeed

    class Publisher(Protocol):
        """Who has listeners."""

        def remove(self, listener: Listener) -> None: ...


__all__ = ["EventHub", "Listener"]

log = logging.getLogger(__name__)

TASK_TOPIC = "task/"
BATCH_TOPIC = "batch/"
LIST_TOPIC = "tasks"


class Listener:
    """One subscription. `send` gets whole messages; `close()` may be called twice.

    Attributes:
        is_behind: Whether much of what was sent has not been taken yet; who has it to say sets it.
    """

    def __init__(self, hub: Publisher, topic: str, send: Callable[[dict[str, Any]], None]) -> None:
        self._hub = hub
        self.topic = topic
        self.is_behind: Callable[[], bool] = lambda: False
        self._send = send
        self._revisions = itertools.count(1)
        self._lock = threading.Lock()
        self._closed = False

    def deliver(self, event: dict[str, Any]) -> None:
        """Sends an event with the next revision; order holds also between threads."""
        with self._lock:
            if self._closed:
                return
            self._send(
                {
                    "kind": "event",
                    "topic": self.topic,
                    "revision": next(self._revisions),
                    "event": event,
                }
            )

    def close(self) -> None:
        """Ends the subscription; an event that is being sent meanwhile still arrives."""
        self._closed = True
        self._hub.remove(self)


class EventHub:
    """Fans events out to listeners. One lock guards the table; it is not held while sending."""

    def __init__(
        self, backend: Backend, on_page: Callable[[TaskPage], None] = lambda _: None
    ) -> None:
        self._backend = backend
        self._on_page = on_page  # takes each page of the newest tasks
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Listener]] = {}
        self._watched: dict[str, Watching] = {}

    def subscribe(self, topic: str, send: Callable[[dict[str, Any]], None]) -> Listener:
        """Listens to a topic.

        Raises:
            UserInputError: No such topic.
        """
        if topic != LIST_TOPIC and not topic.startswith((TASK_TOPIC, BATCH_TOPIC)):
            raise UserInputError(f"There is no topic {topic[:40]!r}.")
        if topic.startswith(TASK_TOPIC):
            topic = TASK_TOPIC + check_task_id(topic.removeprefix(TASK_TOPIC))
        listener = Listener(self, topic, send)
        with self._lock:
            group = self._listeners.setdefault(topic, [])
            group.append(listener)
            is_first = len(group) == 1
        if topic.startswith(BATCH_TOPIC):
            return listener  # its download continues with or without listeners
        if is_first:
            self._watch(topic)
        else:
            self._catch_up(listener)
        return listener

    def remove(self, listener: Listener) -> None:
        """Ends a subscription; the last one of a task ends its watching."""
        with self._lock:
            group = self._listeners.get(listener.topic, [])
            if listener in group:
                group.remove(listener)
            if group:
                return
            self._listeners.pop(listener.topic, None)
            watched = self._watched.pop(listener.topic, None)
        if watched is not None:
            watched.close()

    def look_again(self) -> None:
        """Looks at the newest tasks at once, if they have a listener."""
        with self._lock:
            feed = self._watched.get(LIST_TOPIC)
        if isinstance(feed, TaskListFeed):
            feed.wake()

    def publish(self, topic: str, event: dict[str, Any]) -> None:
        """Sends an event to all listeners of a topic; one that fails loses its subscription."""
        with self._lock:
            group = list(self._listeners.get(topic, ()))
        for listener in group:
            self.deliver(listener, event)

    def deliver(self, listener: Listener, event: dict[str, Any]) -> None:
        """Sends an event to one listener; if that fails it loses its subscription."""
        try:
            listener.deliver(event)
        except Exception:
            # A closed comm or a dropped page must not silence the others.
            log.debug("listener of %s failed and is removed", listener.topic, exc_info=True)
            listener.close()

    def close(self) -> None:
        """Ends all subscriptions."""
        with self._lock:
            watched = list(self._watched.values())
            self._watched.clear()
            self._listeners.clear()
        for subscription in watched:
            subscription.close()

    def _watch(self, topic: str) -> None:
        watched: Watching
        if topic == LIST_TOPIC:
            watched = TaskListFeed(self._backend, partial(self.publish, topic), self._on_page)
        else:
            task_id = topic.removeprefix(TASK_TOPIC)
            watched = self._backend.watcher.watch(task_id, self._observe)
        with self._lock:
            old: Watching | None = watched
            if topic in self._listeners:  # else all have left in the meantime
                old, self._watched[topic] = self._watched.get(topic), watched
        if old is not None:
            old.close()

    def _catch_up(self, listener: Listener) -> None:
        """Sends a late listener what it has missed, again until that is the latest.

        News may come between the look and the delivery, and be delivered first.
        """
        sent = None
        while (latest := self._latest(listener.topic)) is not None and latest is not sent:
            sent = latest
            event = latest if isinstance(latest, dict) else self._task_event(latest)
            self.deliver(listener, event)

    def _latest(self, topic: str) -> dict[str, Any] | Observation | None:
        """The latest state: the event of the list, or what the watcher saw of the task."""
        if topic == LIST_TOPIC:
            with self._lock:
                feed = self._watched.get(topic)
            return feed.latest if isinstance(feed, TaskListFeed) else None
        return self._backend.watcher.latest(topic.removeprefix(TASK_TOPIC))

    def _observe(self, seen: Observation) -> None:
        self.publish(TASK_TOPIC + seen.task_id, self._task_event(seen))

    def _task_event(self, seen: Observation) -> dict[str, Any]:
        summary = task_summary(self._backend, seen)
        return {"kind": "task", "task": msgspec.to_builtins(summary)}
