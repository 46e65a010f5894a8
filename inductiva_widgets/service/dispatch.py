"""Service: the methods that views call and the topics that they listen to, for one backend.

Hosts carry the messages: they run `call` on worker threads (it waits for the network) and answer
every call, errors included. One service per backend, so that all views see the same downloads.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.service import tasks
from inductiva_widgets.service.all_tasks import AllTasks
from inductiva_widgets.service.bulk import BulkCommands
from inductiva_widgets.service.chosen_tasks import ChosenTasks
from inductiva_widgets.service.compare import CompareCommands
from inductiva_widgets.service.details import DetailCommands
from inductiva_widgets.service.events import EventHub
from inductiva_widgets.service.live import LiveCommands
from inductiva_widgets.service.live_logs import LiveLogs
from inductiva_widgets.service.logs import LogCommands
from inductiva_widgets.service.machine import MachineCommands
from inductiva_widgets.service.outputs import OutputCommands
from inductiva_widgets.service.targets import Targets
from inductiva_widgets.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.service.events import Listener

__all__ = ["Service", "service_of"]

WORKERS = 4
CHANGING = ("task.kill", "tasks.kill", "tasks.submit")  # the tasks of the service

Reply = tuple[dict[str, Any], list[bytes]]


class Service:
    """What views may ask of one backend. Safe to call from any thread.

    Args:
        backend: Where the tasks run.
        target_root: Folder below which views download; the backend's output folder if not given.
        readonly: Whether there are no methods that change what the service has.

    Attributes:
        workers: Threads on which hosts run `call`, a few for all views; none while none calls.
    """

    def __init__(
        self, backend: Backend, target_root: Path | None = None, *, readonly: bool = False
    ) -> None:
        targets = Targets(target_root)
        self.backend = backend
        self.all_tasks = AllTasks(backend)
        self.chosen_tasks = ChosenTasks(backend, self.all_tasks)
        self.hub = EventHub(backend, on_page=self.all_tasks.accept)
        self.outputs = OutputCommands(backend, self.hub, targets)
        self.bulk = BulkCommands(backend, self.hub, targets, self.all_tasks.is_ended)
        details = DetailCommands(backend)
        logs = LogCommands(backend)
        live = LiveCommands(backend)
        self.workers = Workers(WORKERS, "inductiva-service")
        self.live_logs = LiveLogs(backend, self.workers.submit, self.hub.deliver)
        self._packed: dict[str, Callable[[dict[str, Any]], Reply]] = {
            "outputs.list": self.outputs.list_files,
            "outputs.preview": self.outputs.preview,
            "tasks.all": partial(_of_all_or_chosen, self.all_tasks.pack, self.chosen_tasks.pack),
            "logs.read": logs.read,
            "logs.search": logs.search,
            "machine.metrics": MachineCommands(backend).metrics,
        }
        self._plain: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "task.get": partial(tasks.get_task, backend),
            "task.details": details.details,
            "task.failure": details.failure,
            "logs.open": logs.open,
            "live.files": live.files,
            "live.top": live.top,
            "task.kill": partial(self._kill, partial(tasks.kill_task, backend)),
            "tasks.list": partial(
                _of_all_or_chosen,
                partial(tasks.list_tasks, backend),
                self.chosen_tasks.list_tasks,
            ),
            "tasks.compare": CompareCommands(backend, details).compare,
            "tasks.kill": partial(self._kill, self.bulk.kill),
            "tasks.download": self.bulk.download,
            "batch.cancel": self.bulk.cancel,
            "outputs.cancel": self.outputs.cancel,
            "outputs.pause": self.outputs.pause,
            "outputs.state": self.outputs.state,
            "outputs.check": self.outputs.check,
            # Only a kernel has a use for these: its host reads them.
            "outputs.select": lambda _: {},
            "tasks.select": lambda _: {},
        }
        if readonly:
            for method in CHANGING:
                self._plain.pop(method, None)

    def call(self, method: object, params: dict[str, Any], buffers: Sequence[bytes] = ()) -> Reply:
        """Runs a method; its result and binary buffers.

        Raises:
            UserInputError: No such method, or parameters that it does not take.
            InductivaWidgetsError: Whatever the method ran into.
        """
        if method == "outputs.download":
            return self.outputs.start(params, buffers), []
        packed = self._packed.get(method) if isinstance(method, str) else None
        if packed is not None:
            return packed(params)
        plain = self._plain.get(method) if isinstance(method, str) else None
        if plain is None:
            raise UserInputError(f"There is no method {str(method)[:40]!r}.")
        return plain(params), []

    def subscribe(self, topic: str, send: Callable[[dict[str, Any]], None]) -> Listener:
        """Listens to a topic; the state of its downloads, or of its batch, is sent at once."""
        if self.live_logs.has(topic):
            return self.live_logs.subscribe(topic, send)
        listener = self.hub.subscribe(topic, send)
        self.outputs.send_running(listener)
        self.bulk.send_state(listener)
        return listener

    def set_least_pause(self, pause_s: float) -> None:
        """The least pause between two looks at the tasks, in s; a shorter one begins at once."""
        watcher = self.backend.watcher
        is_shorter = pause_s < watcher.least_pause_s
        watcher.least_pause_s = pause_s
        if is_shorter:
            watcher.wake()
            self.hub.look_again()

    def _kill(
        self, kill: Callable[[dict[str, Any]], dict[str, Any]], params: dict[str, Any]
    ) -> dict[str, Any]:
        result = kill(params)
        self.hub.look_again()  # followers of the list need not wait for its next turn
        return result

    def close(self) -> None:
        """Cancels downloads, ends all subscriptions and the worker threads."""
        self.outputs.close()
        self.bulk.close()
        self.live_logs.close()
        self.hub.close()
        self.workers.shutdown(wait=False, cancel_futures=True)


def _of_all_or_chosen(
    of_all: Callable[[dict[str, Any]], Any],
    of_chosen: Callable[[dict[str, Any]], Any],
    params: dict[str, Any],
) -> Any:  # noqa: ANN401 - what the two give
    """Answers for all tasks, or for those whose ids are given."""
    return (of_all if params.get("ids") is None else of_chosen)(params)


# Backends are few, one per `connect()`, and their services live as long as the process.
_services: dict[Backend, Service] = {}
_lock = threading.Lock()


def service_of(backend: Backend) -> Service:
    """The service of a backend, created at first use."""
    with _lock:
        service = _services.get(backend)
        if service is None:
            service = _services[backend] = Service(backend)
        return service
