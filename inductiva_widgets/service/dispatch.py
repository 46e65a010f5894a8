"""Service: the methods that views call and the topics that they listen to, for one backend.

Hosts carry the messages: they run `call` on worker threads (it waits for the network) and answer
every call, errors included. One service per backend, so that all views see the same downloads.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.service import tasks
from inductiva_widgets.service.events import EventHub
from inductiva_widgets.service.outputs import OutputCommands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.service.events import Listener

__all__ = ["Service", "service_of"]

WORKERS = 4

Reply = tuple[dict[str, Any], list[bytes]]


class Service:
    """What views may ask of one backend. Safe to call from any thread.

    Args:
        backend: Where the tasks run.
        target_root: Folder below which views download; the backend's output folder if not given.

    Attributes:
        workers: Threads on which hosts run `call`, a few for all views.
    """

    def __init__(self, backend: Backend, target_root: Path | None = None) -> None:
        self.backend = backend
        self.hub = EventHub(backend)
        self.outputs = OutputCommands(backend, self.hub, target_root)
        self.workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="inductiva-service")

    def call(self, method: object, params: dict[str, Any], buffers: Sequence[bytes] = ()) -> Reply:
        """Runs a method; its result and binary buffers.

        Raises:
            UserInputError: No such method, or parameters that it does not take.
            InductivaWidgetsError: Whatever the method ran into.
        """
        if method == "outputs.list":
            return self.outputs.list_files(params)
        if method == "outputs.download":
            return self.outputs.start(params, buffers), []
        if method == "outputs.cancel":
            return self.outputs.cancel(params), []
        if method == "outputs.select":
            return {}, []  # only a kernel has somebody to tell: its host listens in
        plain = _TASK_METHODS.get(method) if isinstance(method, str) else None
        if plain is None:
            raise UserInputError(f"There is no method {str(method)[:40]!r}.")
        return plain(self.backend, params), []

    def subscribe(self, topic: str, send: Callable[[dict[str, Any]], None]) -> Listener:
        """Listens to a topic; running downloads of the task are told at once."""
        listener = self.hub.subscribe(topic, send)
        self.outputs.tell_running(listener)
        return listener

    def close(self) -> None:
        """Cancels downloads, ends all subscriptions and the worker threads."""
        self.outputs.close()
        self.hub.close()
        self.workers.shutdown(wait=False, cancel_futures=True)


_TASK_METHODS: dict[str, Callable[[Backend, dict[str, Any]], dict[str, Any]]] = {
    "task.get": tasks.get_task,
    "task.kill": tasks.kill_task,
    "tasks.list": tasks.list_tasks,
}

# Backends are few, one per `connect()`, and their services live as long as the process.
_services: dict[Backend, Service] = {}
_lock = threading.Lock()


def service_of(backend: Backend) -> Service:
    """The service of a backend, made at first use."""
    with _lock:
        service = _services.get(backend)
        if service is None:
            service = _services[backend] = Service(backend)
        return service
