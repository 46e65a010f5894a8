"""Commands about one task beyond its summary: phases, facts, and why it ended badly."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.causes import cause_of
from inductiva_widgets.ending import explained, last_words
from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.formats import iso, safe_text
from inductiva_widgets.phases import phases
from inductiva_widgets.service.protocol import (
    LogEnd,
    MachineFacts,
    Money,
    Phase,
    TaskDetails,
    TaskFailure,
)
from inductiva_widgets.task import Task
from inductiva_widgets.task.files import outputs_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from inductiva_widgets.api.models import MachineGroup, TaskRecord
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.watch import Observation

__all__ = ["DetailCommands"]

# Commands of a running task come and go without a change of its status, so the whole task is
# requested once in a while; at an engine on this machine that costs a millisecond.
REFRESH_S, LOCAL_REFRESH_S = 15.0, 2.0
GROUPS_KEPT_S = 600.0  # prices and machine types of groups hardly change
MOST_KEPT = 500  # groups, and tasks asked for
LONGEST_NOTE = 500
WISHED = ("killed", "machine-ended")  # requested by a user: the log has nothing to explain


class DetailCommands:
    """What views show of one task when they show it alone, shared by all views of a backend.

    Args:
        backend: Where the tasks run.
        monotonic: Seconds of a clock that is never set.
    """

    def __init__(self, backend: Backend, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._backend = backend
        self._monotonic = monotonic
        self._refresh_s = LOCAL_REFRESH_S if backend.is_local else REFRESH_S
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}
        self._groups: dict[str, tuple[float, MachineGroup | None, float | None]] = {}

    def details(self, params: dict[str, Any]) -> dict[str, Any]:
        """Phases and facts of a task, as `of`; `refresh` may ask the service."""
        task_id = check_task_id(params.get("task_id"))
        message: dict[str, Any] = msgspec.to_builtins(
            self.of(task_id, refresh=bool(params.get("refresh")))
        )
        return message

    def of(self, task_id: str, *, refresh: bool = False) -> TaskDetails:
        """Phases and facts of a task, from what is known.

        With `refresh` the service is asked for the task, unless it was a moment ago: any
        number of views makes no more requests than one.

        Raises:
            InductivaWidgetsError: Nothing is known, and the service does not answer.
        """
        record = self._record(task_id, refresh=refresh)
        group, price = self._group(record)
        machine_type = record.machine_type or (group.machine_type if group else None)
        clock = self._backend.client.clock
        return TaskDetails(
            task_id=task_id,
            phases=[
                Phase(
                    kind=phase.kind,
                    label=phase.label,
                    start=iso(phase.start) or "",
                    end=iso(phase.end),
                    seconds=phase.seconds,
                    command=phase.command and safe_text(phase.command, LONGEST_NOTE),
                    exit_code=phase.exit_code,
                    state=phase.state,
                )
                for phase in phases(record, clock.now())
            ],
            commands=_commands(record),
            cause=cause_of(record),
            cost_per_hour=None if price is None else Money(price, "USD"),
            machine_type=machine_type and safe_text(machine_type, 100),
            usual_seconds=self._backend.client.run_times.usual(record.simulator, machine_type),
            machine=_machine(record),
            container_image=record.container_image and safe_text(record.container_image),
            region=record.storage_region and safe_text(record.storage_region, 100),
            retries=record.num_retries,
            resubmits_on_preemption=record.resubmit_on_preemption,
            input_files=[safe_text(name) for name in record.input_resources[:100]],
            input_size_bytes=record.metrics.input_size_bytes,
            input_packed_bytes=record.metrics.input_zipped_size_bytes,
            fee=_fee(record),
            metadata={
                safe_text(key, 100): safe_text(value, LONGEST_NOTE)
                for key, value in record.task_metadata.items()
            },
            refresh_in_s=self._refresh_s if _has_several_commands(record) else None,
        )

    def failure(self, params: dict[str, Any]) -> dict[str, Any]:
        """Why a task ended badly, with the end of its log, read by ranges of its archive.

        Raises:
            InductivaWidgetsError: Nothing is known of the task, and the service does not answer.
        """
        task = Task(check_task_id(params.get("task_id")), backend=self._backend)
        record = self._record(task.id, refresh=False)
        cause, words = cause_of(record), None
        if cause is not None and cause.kind not in WISHED:
            words = last_words(outputs_of(task))
            cause = explained(record, words)
        tail = LogEnd(words.file, words.lines, words.total) if words else None
        message: dict[str, Any] = msgspec.to_builtins(TaskFailure(cause, tail))
        return message

    def _record(self, task_id: str, *, refresh: bool) -> TaskRecord:
        """The task with its history."""
        seen = self._backend.watcher.latest(task_id)
        if seen is None or seen.record is None or (refresh and self._may_ask(seen)):
            with self._lock:
                self._asked[task_id] = self._monotonic()
                if len(self._asked) > MOST_KEPT:
                    del self._asked[next(iter(self._asked))]
            seen = self._backend.watcher.refresh(task_id, retry=False)
        if seen.record is None:  # an answer without error always has one
            raise AssertionError
        return seen.record

    def _may_ask(self, seen: Observation) -> bool:
        with self._lock:
            asked = self._asked.get(seen.task_id, float("-inf"))
        # A view asks after just this time: a shade less, so that it is not sent home.
        return not seen.is_final and self._monotonic() - asked >= 0.9 * self._refresh_s

    def _group(self, record: TaskRecord) -> tuple[MachineGroup | None, float | None]:
        """The group of a task that has not ended, and US dollars for an hour of its machines."""
        name = record.machine_group_name
        if name is None or record.is_terminated or self._backend.is_local:
            return None, None
        with self._lock:
            known = self._groups.get(name)
        if known is None or self._monotonic() - known[0] > GROUPS_KEPT_S:
            known = (self._monotonic(), *self._ask_for_group(name))
            with self._lock:
                self._groups[name] = known
                if len(self._groups) > MOST_KEPT:
                    del self._groups[next(iter(self._groups))]
        _, group, price = known
        if group is None or price is None:
            return group, None
        # A task pays for its own machines, not for those of the whole group.
        hosts = (record.executer.n_mpi_hosts if record.executer else None) or 1
        return group, price * hosts / (group.max_vms or group.num_vms or 1)

    def _ask_for_group(self, name: str) -> tuple[MachineGroup | None, float | None]:
        client = self._backend.client
        try:
            group = client.machine_group(name)
        except InductivaWidgetsError:
            return None, None  # an extra: the task is shown without it
        return group, client.price_per_hour(group) or None


def _commands(record: TaskRecord) -> list[str]:
    """The command lines of the submission, in order."""
    given = record.extra_params.get("commands")
    if not isinstance(given, list):
        return []
    lines = [item.get("cmd") for item in given[:1000] if isinstance(item, dict)]
    return [safe_text(line, LONGEST_NOTE) for line in lines if isinstance(line, str)]


def _has_several_commands(record: TaskRecord) -> bool:
    return record.status == "computation-started" and len(_commands(record)) != 1


def _machine(record: TaskRecord) -> MachineFacts | None:
    machine = record.executer
    if machine is None:
        return None
    return MachineFacts(
        provider=machine.host_type and safe_text(machine.host_type, 100),
        type=machine.type_name and safe_text(machine.type_name, 100),
        name=machine.vm_name and safe_text(machine.vm_name, 100),
        hosts=machine.n_mpi_hosts,
        cpus=machine.cpu_count_logical,
        cores=machine.cpu_count_physical,
        memory_bytes=machine.memory,
    )


def _fee(record: TaskRecord) -> Money | None:
    fee = record.orchestration_fee
    if fee is None or fee.amount is None or not fee.charged or not fee.currency:
        return None
    return Money(fee.amount, safe_text(fee.currency, 10))
