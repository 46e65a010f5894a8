"""Records of the service: tasks, machines, metrics, history, as tolerant types.

Every field may be missing, null or of a wrong type: then that field is `None` and the rest of
the record stands. Unknown statuses pass through as text. Names and codes are those
that the official client 0.18.12 reads.
"""

from __future__ import annotations

import enum
import functools
import threading
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

import msgspec

from inductiva_widgets.errors import BadPayloadError
from inductiva_widgets.formats import parse_time, safe_text, text_table

if TYPE_CHECKING:
    import datetime as dt

__all__ = [
    "STATUSES",
    "Group",
    "Machine",
    "MachineGroup",
    "Metrics",
    "Operation",
    "Record",
    "StatusChange",
    "StatusInfo",
    "StatusReply",
    "Submission",
    "TaskPage",
    "TaskRecord",
    "decode",
    "decode_any",
    "decode_list",
    "machine_name",
    "status_info",
]


class Group(str, enum.Enum):
    """What a status means to people: one icon and one colour each."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    LIMIT = "limit"
    LOST = "lost"
    UNKNOWN = "unknown"


class StatusInfo(msgspec.Struct, frozen=True):
    """What is known about a status code beforehand."""

    alias: str
    group: Group
    killable: bool = False


# All codes that the official client knows, in the usual order of a task's life.
STATUSES: dict[str, StatusInfo] = {
    "pending-input": StatusInfo("Waiting for Input", Group.WAITING, killable=True),
    "submitted": StatusInfo("In Queue", Group.WAITING, killable=True),
    "started": StatusInfo("Preparing to Compute", Group.RUNNING, killable=True),
    "computation-started": StatusInfo("In Progress", Group.RUNNING, killable=True),
    "computation-ended": StatusInfo("Finalizing", Group.RUNNING, killable=True),
    "pending-kill": StatusInfo("Pending Kill", Group.STOPPING),
    "success": StatusInfo("Success", Group.DONE),
    "failed": StatusInfo("Failed", Group.FAILED),
    "killed": StatusInfo("Killed", Group.STOPPED),
    "ttl-exceeded": StatusInfo("Task Timed Out", Group.LIMIT),
    "executer-failed": StatusInfo("Runtime Error", Group.FAILED),
    "executer-terminated": StatusInfo("Task Runner Terminated", Group.LOST),
    "executer-terminated-by-user": StatusInfo("Machine Terminated by User", Group.STOPPED),
    "executer-terminated-ttl-exceeded": StatusInfo("Machine Time Limit Reached", Group.LIMIT),
    "executer-terminated-credits-exhausted": StatusInfo("Credits Exhausted", Group.LIMIT),
    "spot-instance-preempted": StatusInfo("Spot Reclaimed", Group.LOST),
    "zombie": StatusInfo("Machine Terminated in Queue", Group.LOST),
}
UNKNOWN_STATUS = StatusInfo("", Group.UNKNOWN)


# `gc=False`: what JSON holds never refers back to itself, and thousands of records would be
# looked at again and again.
class Record(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """Base of all records: keyword-only, immutable, unknown fields ignored."""


class Metrics(Record, frozen=True):
    """Measured times in seconds and sizes in bytes; a metric appears once known."""

    total_seconds: float | None = None
    queue_time_seconds: float | None = None
    computation_seconds: float | None = None
    container_image_download_seconds: float | None = None
    container_image_size_bytes: int | None = None
    input_upload_seconds: float | None = None
    input_download_seconds: float | None = None
    input_decompression_seconds: float | None = None
    output_compression_seconds: float | None = None
    output_upload_seconds: float | None = None
    input_zipped_size_bytes: int | None = None
    input_size_bytes: int | None = None
    output_zipped_size_bytes: int | None = None
    output_size_bytes: int | None = None
    output_total_files: int | None = None


class Machine(Record, frozen=True):
    """The machine that picked the task up (`executer` on the wire); memory in bytes."""

    uuid: str | None = None
    cpu_count_logical: int | None = None
    cpu_count_physical: int | None = None
    memory: int | None = None
    n_mpi_hosts: int | None = None
    vm_type: str | None = None
    vm_name: str | None = None
    host_type: str | None = None
    error_detail: str | None = None

    @property
    def type_name(self) -> str | None:
        """`c2-standard-4`: the last part of the type, or the name of one's own machine."""
        return machine_name(self.vm_type, self.vm_name)


class Fee(Record, frozen=True):
    """Orchestration fee; `currency` as sent."""

    amount: float | None = None
    charged: bool | None = None
    currency: str | None = None


class Operation(Record, frozen=True):
    """One step inside a status, e.g. one command."""

    name: str | None = None
    alias: str | None = None
    start_timestamp: str | None = None
    end_timestamp: str | None = None
    status: str | None = None
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)


class StatusChange(Record, frozen=True):
    """One entry of the status history; `end_timestamp` is null for the last."""

    status: str | None = None
    alias: str | None = None
    description: str | None = None
    timestamp: str | None = None
    end_timestamp: str | None = None
    machine_id: str | None = None
    operations: list[Operation] = msgspec.field(default_factory=list)


class TaskRecord(Record, frozen=True):
    """A task as the service describes it; `status_history` only when asked for one task."""

    task_id: str = ""
    status: str = ""
    status_alias: str | None = None
    simulator: str | None = None
    project: str | None = None
    is_terminated: bool = False
    num_retries: int | None = None
    metrics: Metrics = msgspec.field(default_factory=Metrics)
    duration_seconds: float | None = None
    storage_path: str | None = None
    storage_input_path: str | None = None
    storage_output_path: str | None = None
    storage_region: str | None = None
    container_image: str | None = None
    create_time: str | None = None
    input_submit_time: str | None = None
    start_time: str | None = None
    computation_start_time: str | None = None
    computation_end_time: str | None = None
    end_time: str | None = None
    estimated_computation_cost: float | None = None
    executer: Machine | None = None
    machine_group_name: str | None = None
    machine_group_id: str | None = None
    error_detail: str | None = None
    input_resources: list[str] = msgspec.field(default_factory=list)
    stream_zip: bool | None = None
    compress_with: str | None = None
    task_metadata: dict[str, str] = msgspec.field(default_factory=dict)
    extra_params: dict[str, Any] = msgspec.field(default_factory=dict)
    resubmit_on_preemption: bool | None = None
    orchestration_fee: Fee | None = None
    status_history: list[StatusChange] = msgspec.field(default_factory=list)
    machine_operations: list[dict[str, Any]] = msgspec.field(default_factory=list)
    steps: list[dict[str, Any]] = msgspec.field(default_factory=list)

    @property
    def alias(self) -> str:
        """The status for people: the service's word, else ours, else the code itself."""
        return self.status_alias or status_info(self.status).alias or self.status

    @property
    def machine_type(self) -> str | None:
        """`c2-standard-4`, or `None` until a machine picked the task up."""
        return self.executer.type_name if self.executer else None

    @property
    def reason(self) -> str | None:
        """Why it ended badly, as the service puts it; some ends are explained by the machine."""
        return self.error_detail or (self.executer.error_detail if self.executer else None)

    @property
    def input_place(self) -> tuple[str, str | None]:
        """Path and region of the input archive in the storage."""
        return self.storage_input_path or f"{self.task_id}/input.zip", self.storage_region

    @property
    def output_place(self) -> tuple[str, str | None]:
        """Path and region of the output archive in the storage."""
        return self.storage_output_path or f"{self.task_id}/output.zip", self.storage_region

    def __str__(self) -> str:
        """What is known, a line for each field; the history and the like are in their fields."""
        parts = {"": self, "metrics.": self.metrics, "executer.": self.executer}
        first, *others = [
            (prefix + name, safe_text(value))
            for prefix, part in parts.items()
            for name in (part.__struct_fields__ if part else ())
            if (value := getattr(part, name)) not in (None, "")
            and isinstance(value, str | int | float)
        ]
        return text_table(first, others, indent="")

    def time(self, field: str) -> dt.datetime | None:
        """A time field as an aware UTC datetime, `None` when absent or unreadable."""
        return parse_time(getattr(self, field))

    def computation_seconds(self, now: dt.datetime) -> float | None:
        """Measured computation time, or that so far; `None` when it never started.

        `now` is the service's clock.
        """
        if self.metrics.computation_seconds is not None:
            return self.metrics.computation_seconds
        started = self.time("computation_start_time")
        if started is None or self.is_terminated:
            return None
        until = self.time("computation_end_time") or now
        return max(0.0, (until - started).total_seconds())

    def total_seconds(self, now: dt.datetime) -> float | None:
        """Measured total time, or the age so far; rule as for the computation."""
        if self.metrics.total_seconds is not None:
            return self.metrics.total_seconds
        created = self.time("create_time")
        if created is None or self.is_terminated:
            return None
        return max(0.0, (now - created).total_seconds())


class QueuePosition(Record, frozen=True):
    """Tasks before this one; 0 is next."""

    tasks_ahead: int | None = None


class StatusReply(Record, frozen=True):
    """The small status answer."""

    id: str = ""
    status: str = ""
    position_in_queue: QueuePosition | None = None
    is_terminated: bool = False


class TaskPage(Record, frozen=True):
    """One page of the listing; `total_size` counts all pages."""

    total_size: int = 0
    tasks: list[TaskRecord] = msgspec.field(default_factory=list)


class Submission(Record, frozen=True):
    """Answer to a submitted task."""

    id: str = ""
    status: str = ""
    is_terminated: bool = False
    position_in_queue: QueuePosition | None = None
    storage_region: str | None = None


class CostRange(Record, frozen=True):
    """US dollars per hour of a whole group."""

    min: float | None = None
    max: float | None = None


class Price(Record, frozen=True):
    """US dollars per hour of one machine."""

    preemptible_price: float | None = None
    on_demand_price: float | None = None


class MachineGroup(Record, frozen=True):
    """A group of machines that tasks are sent to."""

    id: str = ""
    name: str = ""
    machine_type: str | None = None
    provider_id: str | None = None
    zone: str | None = None
    spot: bool | None = None
    num_vms: int | None = None
    max_vms: int | None = None
    cost_per_hour: CostRange | None = None
    started: bool = False
    status: str | None = None


R = TypeVar("R", bound=Record)


def status_info(code: str) -> StatusInfo:
    """What is known of a status code; a new code is `UNKNOWN_STATUS`, not an error."""
    return STATUSES.get(code, UNKNOWN_STATUS)


def machine_name(vm_type: str | None, vm_name: str | None) -> str | None:
    """`c2-standard-4`: the last part of the type, or the name of one's own machine."""
    kind = "" if vm_type in (None, "n/a") else vm_type.rstrip("/")
    return kind.rpartition("/")[2] or vm_name


_preparing = threading.Lock()


@functools.cache
def _decoder(kind: type[R]) -> msgspec.json.Decoder[R]:
    """Prepared by one thread at a time: msgspec shows others a type that is only half known."""
    with _preparing:
        return msgspec.json.Decoder(kind)


def decode(body: bytes, kind: type[R], lost: list[str] | None = None) -> R:
    """A record out of JSON: the fast strict way, and field by field when that fails.

    Args:
        body: The JSON.
        kind: What it should be.
        lost: Takes the names of the fields that could not be read, one for each time.

    Raises:
        BadPayloadError: Not JSON, or not an object.
    """
    decoder: msgspec.json.Decoder[R] = _decoder(kind)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        pass
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _unreadable(body) from None
    # The strict way stops at the first wrong field, so what follows may still be no JSON.
    value = decode_any(body)
    if not isinstance(value, dict):
        raise _unreadable(body)
    return _tolerant(value, kind, [] if lost is None else lost)


def decode_list(body: bytes) -> list[Any]:
    """A JSON list as it is.

    Raises:
        BadPayloadError: Not JSON, or not a list.
    """
    value = decode_any(body)
    if not isinstance(value, list):
        raise _unreadable(body)
    return value


def decode_any(body: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Any JSON value.

    Raises:
        BadPayloadError: Not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _unreadable(body) from None


def _tolerant(raw: dict[str, Any], kind: type[R], lost: list[str]) -> R:
    good: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name in raw:
            kept = _field(raw[field.encode_name], field.type, lost)
            if kept is not msgspec.UNSET:
                good[field.name] = kept
            else:
                lost.append(field.name)
    return kind(**good)


def _field(value: object, kind: Any, lost: list[str]) -> Any:  # noqa: ANN401 - a type expression
    """The value as `kind`; lists lose their bad items only; UNSET when nothing can be kept."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        pass
    record = _record_type(kind)
    if record is None:
        return msgspec.UNSET
    if get_origin(kind) is list:
        if not isinstance(value, list):
            return msgspec.UNSET
        entries = [entry for entry in value if isinstance(entry, dict)]
        lost.extend(["entry"] * (len(value) - len(entries)))
        return [_tolerant(entry, record, lost) for entry in entries]
    return _tolerant(value, record, lost) if isinstance(value, dict) else msgspec.UNSET


def _record_type(kind: Any) -> type[Record] | None:  # noqa: ANN401 - a type expression
    for candidate in (kind, *get_args(kind)):
        if isinstance(candidate, type) and issubclass(candidate, Record):
            return candidate
    return None


def _unreadable(body: bytes) -> BadPayloadError:
    start = body[:1].decode("latin-1", "replace")
    what = "a web page" if start == "<" else "something that is not the expected JSON"
    return BadPayloadError(
        f"The service answered with {what}.",
        hint="Check INDUCTIVA_API_URL, and whether a login page or proxy stands in between.",
    )
