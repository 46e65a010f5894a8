"""Messages between a view and the service behind it, whatever carries them.

Mirrors `js/src/protocol.ts`; both sides read the golden files in `tests/golden/protocol/`.
Times are ISO 8601 UTC strings, sizes bytes, durations seconds; `None` is unknown.
"""

from __future__ import annotations

import gzip
import io
import re
import struct
import zlib
from array import array
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from inductiva_widgets.api.models import TaskRecord, status_info
from inductiva_widgets.causes import Cause  # noqa: TC001 - msgspec reads annotations
from inductiva_widgets.errors import InductivaWidgetsError, UserInputError
from inductiva_widgets.formats import iso, safe_text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.watch import Observation

__all__ = [
    "TASK_COLUMNS",
    "BackendName",
    "BatchFailure",
    "BatchProgress",
    "BatchState",
    "ComparedInputs",
    "DownloadProgress",
    "FileListing",
    "FilePreview",
    "InputDifference",
    "LocalFiles",
    "LogEnd",
    "LogFile",
    "LogPart",
    "LogRange",
    "LogsFound",
    "LogsOpened",
    "MachineColumn",
    "MachineFacts",
    "MachineMetrics",
    "Money",
    "PhaseMessage",
    "PreviewKind",
    "ServiceError",
    "Stale",
    "TaskCollection",
    "TaskDetails",
    "TaskFailure",
    "TaskKill",
    "TaskSummary",
    "decode_frame",
    "encode_frame",
    "pack_listing",
    "pack_tasks",
    "selected_indices",
    "service_error",
    "task_summary",
]

MAX_FILES = 10_000_000  # more than any view can hold: bounds what a selection may unpack to
NEWLINE_MARK = "\u2424"  # stands for a newline inside a file name, which separates names
# What a page would not show, or let turn the letters around it: control characters, marks of
# direction, and those without width but the joiners that some writings and pictures need.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


class ServiceError(msgspec.Struct, frozen=True):
    """A failed call, or the reason why a task's state is old; `type` is a class of `errors.py`."""

    type: str
    message: str
    hint: str = ""
    retryable: bool = False


class BackendName(msgspec.Struct, frozen=True):
    """Which service a task runs on, for people and to tell backends apart."""

    id: str
    name: str


class Stale(msgspec.Struct, frozen=True):
    """Why and since when a state is not fresh; `retry_in_s` is `None` when polling stopped."""

    since: str
    error: ServiceError
    retry_in_s: float | None


class Cost(msgspec.Struct, frozen=True):
    """Money in a currency that the service named."""

    amount: float
    currency: str
    is_final: bool


class TaskSummary(msgspec.Struct, frozen=True, kw_only=True):
    """All that the views show of a task; small, because a saved notebook keeps it."""

    task_id: str
    backend: BackendName
    simulator: str | None = None
    project: str | None = None
    status: str = ""
    status_alias: str = ""
    is_terminal: bool = False
    is_killable: bool = False
    tasks_ahead: int | None = None
    machine_type: str | None = None
    machine_group: str | None = None
    created_at: str | None = None
    submitted_at: str | None = None
    started_at: str | None = None
    computation_started_at: str | None = None
    computation_ended_at: str | None = None
    ended_at: str | None = None
    computation_seconds: float | None = None
    cost: Cost | None = None
    error_detail: str | None = None
    output_files: int | None = None
    output_size_bytes: int | None = None
    output_packed_bytes: int | None = None
    as_of: str
    server_now: str
    stale: Stale | None = None


class Money(msgspec.Struct, frozen=True):
    """An amount in a currency that the service named."""

    amount: float
    currency: str


class PhaseMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One phase of a task's life, as `phases.Phase`, with stamps as text."""

    kind: str
    label: str
    start: str
    end: str | None
    seconds: float
    command: str | None
    exit_code: int | None
    state: Literal["done", "running", "failed"]


class MachineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The machine that works on a task."""

    provider: str | None
    type: str | None
    name: str | None
    hosts: int | None
    cpus: int | None
    cores: int | None
    memory_bytes: int | None


class TaskDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What the views show of a task beyond its summary; no saved notebook keeps it.

    `commands` are those of the submission; what has no phase has not begun. `refresh_in_s` is when
    a view may ask anew although the status is the same; `None`: it need not.
    """

    task_id: str
    phases: list[PhaseMessage]
    commands: list[str]
    cause: Cause | None
    cost_per_hour: Money | None
    machine_type: str | None
    usual_seconds: float | None
    machine: MachineFacts | None
    container_image: str | None
    region: str | None
    retries: int | None
    resubmits_on_preemption: bool | None
    input_files: list[str]
    input_size_bytes: int | None
    input_packed_bytes: int | None
    fee: Money | None
    metadata: dict[str, str]
    refresh_in_s: float | None


class LogEnd(msgspec.Struct, frozen=True):
    """Last lines of a log; `total` is `None` when only its end was read."""

    file: str
    lines: list[str]
    total: int | None


class TaskFailure(msgspec.Struct, frozen=True):
    """Why a task ended badly, with the end of its log."""

    cause: Cause | None
    tail: LogEnd | None


class LogPart(msgspec.Struct, frozen=True, kw_only=True):
    """What one command wrote to a log; `line` counts from 0 in the whole file.

    `blocks` is a flat list: offset, bytes and lines of the first block of its text, of the second
    and so on. Without `command` it is text that no command is known of.
    """

    command: str | None
    seconds: float | None
    exit_code: int | None
    state: Literal["done", "running", "failed"] | None
    line: int
    lines: int
    blocks: list[int]


class LogFile(msgspec.Struct, frozen=True, kw_only=True):
    """A log. Only its first `read` bytes can be read here; `errors` are numbers of lines."""

    name: str
    size: int
    read: int
    lines: int
    parts: list[LogPart]
    errors: list[int]


class LogsOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The logs of a task; `revision` names them when they are read."""

    task_id: str
    revision: str
    logs: list[LogFile]


class LogRange(msgspec.Struct, frozen=True):
    """Description of a range of a log: what came of it, and how much can be read in all."""

    offset: int
    length: int
    size: int


class LogsFound(msgspec.Struct, frozen=True):
    """Number of lines that a search found."""

    count: int


class MachineColumn(msgspec.Struct, frozen=True):
    """A column of measures; `kind` says which chart it is for, `None`: none that is known."""

    name: str
    kind: Literal["cpu", "memory", "disk-read", "disk-written", "received", "sent"] | None


class MachineMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """Description of packed measures: `rows` of time and of each column, `start` the time 0."""

    task_id: str
    start: str | None
    rows: int
    columns: list[MachineColumn]


class FileListing(msgspec.Struct, frozen=True, kw_only=True):
    """Description of a packed listing; `revision` names it in selections and downloads."""

    task_id: str
    revision: str
    count: int
    names_bytes: int
    size_bytes: int
    archive_bytes: int
    target: str


class DownloadProgress(msgspec.Struct, frozen=True, kw_only=True):
    """State of a download. `changed` is a flat list: index, state, index, state and so on.

    `percents` is one too, of the files that have come in part; `is_archive`: it is kept whole.
    """

    download_id: str
    task_id: str
    revision: str
    state: Literal["running", "done", "failed", "cancelled"]
    files: int
    files_done: int
    bytes: int
    bytes_done: int
    bytes_per_s: float | None
    seconds_left: float | None
    target: str
    error: ServiceError | None = None
    changed: list[int] = []
    reasons: dict[str, str] = {}
    paused: bool = False
    is_archive: bool = False
    percents: list[int] = []


class LocalFiles(msgspec.Struct, frozen=True):
    """What the folder `target` has of a listing. `changed` is as in `DownloadProgress`."""

    target: str
    changed: list[int]


PreviewKind = Literal["text", "csv", "json", "image", "vtk", "binary"]


class FilePreview(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an output file that begins at `offset`; `limit` is the most that is ever sent."""

    revision: str
    index: int
    kind: PreviewKind
    media_type: str
    size: int
    offset: int
    limit: int


class TaskCollection(msgspec.Struct, frozen=True, kw_only=True):
    """Description of a packed frame of tasks: `count` of the `total` that there are."""

    count: int
    total: int
    backend: BackendName
    as_of: str
    server_now: str


class TaskKill(msgspec.Struct, frozen=True):
    """How the kill of one task among several ended; `error` with `failed` only."""

    task_id: str
    outcome: Literal["killed", "pending", "already-ended", "failed"]
    error: ServiceError | None = None


class InputDifference(msgspec.Struct, frozen=True):
    """An input file whose content differs between two tasks; a size is `None` where it is not."""

    name: str
    sizes: list[int | None]


class ComparedInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs of two tasks, compared by name, size and CRC-32; `error` when they cannot be read."""

    same: int = 0
    differences: list[InputDifference] = []
    left_out: int = 0
    error: ServiceError | None = None


class BatchFailure(msgspec.Struct, frozen=True):
    """A task of a batch whose files were not all delivered."""

    task_id: str
    error: ServiceError


BatchState = Literal["planned", "running", "done", "failed", "cancelled"]


class BatchProgress(msgspec.Struct, frozen=True, kw_only=True):
    """State of a download of several tasks. Bytes are packed, of the tasks begun so far."""

    batch_id: str
    state: BatchState
    tasks: int
    tasks_done: int
    files_done: int
    bytes: int
    bytes_done: int
    bytes_per_s: float | None
    target: str
    failures: list[BatchFailure] = []


def service_error(error: BaseException) -> ServiceError:
    """What a view may know of an error: ours in full, others by their class only."""
    if isinstance(error, InductivaWidgetsError):
        return ServiceError(
            type(error).__name__, safe_text(error.message, 600), error.hint, error.retryable
        )
    return ServiceError(
        "InternalError",
        f"Something unexpected happened ({type(error).__name__}).",
        "Details are in the log of the kernel or of the Jupyter server.",
    )


def task_summary(backend: Backend, seen: Observation) -> TaskSummary:
    """What the views show of an observation."""
    now = backend.client.clock.now()
    name = BackendName(backend.id, backend.name)
    stale = None
    if seen.stale is not None:
        error = service_error(seen.stale.error)
        stale = Stale(iso(seen.stale.since) or "", error, seen.stale.retry_in_s)
    # Nothing known yet: a summary of nothing but the error.
    record = seen.record or TaskRecord(task_id=seen.task_id)
    return record_summary(name, record, (seen.as_of, now), seen.tasks_ahead, stale)


def record_summary(
    backend: BackendName,
    record: TaskRecord,
    clocks: tuple[dt.datetime, dt.datetime],
    tasks_ahead: int | None = None,
    stale: Stale | None = None,
) -> TaskSummary:
    """What the views show of a record; `clocks` is when it was said, and the service's now.

    Its words come from elsewhere: what cannot be seen in them is written as an escape.
    """

    def stamp(field: str) -> str | None:
        return iso(record.time(field))

    known = status_info(record.status)
    # Some ends are explained by the machine only (`executer.error_detail`).
    detail = record.error_detail or (record.executer.error_detail if record.executer else None)
    cost = record.estimated_computation_cost
    return TaskSummary(
        task_id=record.task_id,
        backend=backend,
        simulator=record.simulator and safe_text(record.simulator),
        project=record.project and safe_text(record.project),
        status=record.status,
        status_alias=safe_text(record.alias),
        is_terminal=record.is_terminated,
        is_killable=known.killable and not record.is_terminated,
        tasks_ahead=tasks_ahead,
        machine_type=record.machine_type and safe_text(record.machine_type),
        machine_group=record.machine_group_name and safe_text(record.machine_group_name),
        created_at=stamp("create_time"),
        submitted_at=stamp("input_submit_time"),
        started_at=stamp("start_time"),
        computation_started_at=stamp("computation_start_time"),
        computation_ended_at=stamp("computation_end_time"),
        ended_at=stamp("end_time"),
        computation_seconds=record.metrics.computation_seconds,
        # The service gives all amounts in US dollars.
        cost=None if cost is None else Cost(cost, "USD", record.is_terminated),
        error_detail=detail and safe_text(detail, 600),
        output_files=record.metrics.output_total_files,
        output_size_bytes=record.metrics.output_size_bytes,
        output_packed_bytes=record.metrics.output_zipped_size_bytes,
        as_of=iso(clocks[0]) or "",
        server_now=iso(clocks[1]) or "",
        stale=stale,
    )


# What a list shows of a task, searches in and groups by.
TASK_COLUMNS = (
    "task_id",
    "simulator",
    "project",
    "status",
    "status_alias",
    "is_terminal",
    "is_killable",
    "machine_type",
    "created_at",
    "submitted_at",
    "computation_started_at",
    "computation_ended_at",
    "ended_at",
    "computation_seconds",
    "cost",
    "output_files",
    "output_packed_bytes",
)


def pack_tasks(tasks: Iterable[tuple[TaskSummary, dict[str, str]]]) -> bytes:
    """Tasks and their notes as gzip of a JSON object: a list for each of `TASK_COLUMNS`.

    The values are those of `TaskSummary`; the notes are the column `metadata`.
    """
    rows = list(tasks)
    columns: dict[str, list[Any]] = {
        name: [getattr(summary, name) for summary, _ in rows] for name in TASK_COLUMNS
    }
    columns["metadata"] = [notes or None for _, notes in rows]
    return gzip.compress(msgspec.json.encode(columns), compresslevel=1, mtime=0)


def pack_listing(
    names: Sequence[str], sizes: Iterable[float], packed_sizes: Iterable[float]
) -> tuple[int, bytes]:
    """The bulk of a listing as gzip: `(bytes of the names, packed frame)`.

    Layout: UTF-8 names joined by newlines, zero padded to 8 bytes; then sizes and packed sizes as
    little-endian float64. 100,000 names take 1.1 MB this way (`benchmarks/RESULTS.md`).
    """
    # One look at all of them: nearly always there is nothing to be made visible.
    seen = names if "".join(names).isprintable() else map(_seen_name, names)
    text = "\n".join(seen)
    # Lone surrogates cannot travel as UTF-8.
    encoded = text.encode("utf-8", "replace")
    columns = array("d", sizes), array("d", packed_sizes)
    if struct.pack("=d", 1.0) != struct.pack("<d", 1.0):
        for column in columns:
            column.byteswap()
    padding = bytes(-len(encoded) % 8)
    raw = b"".join((encoded, padding, columns[0].tobytes(), columns[1].tobytes()))
    return len(encoded), gzip.compress(raw, compresslevel=1, mtime=0)


def _seen_name(name: str) -> str:
    """A name as views show it: a visible sign for each letter that cannot be seen."""
    return name if name.isprintable() else _UNSEEN.sub(_sign, name)


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] == "\n":
        return NEWLINE_MARK
    # Unicode has pictures of the first of them; all else is what no letter stands for.
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def selected_indices(buffer: bytes, count: int) -> list[int]:
    """Positions of the set bits, bit i of byte i >> 3, lowest first.

    Raises:
        UserInputError: The bit set does not belong to a listing of `count` files.
    """
    if not 0 <= count <= MAX_FILES:
        raise UserInputError("The selection belongs to no list of files.")
    size = (count + 7) // 8
    try:
        # One byte more than right is asked for, so that a bomb is seen without being unpacked.
        with gzip.GzipFile(fileobj=io.BytesIO(buffer)) as stream:
            bits = stream.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserInputError("The selection that the view sent cannot be read.") from error
    if len(bits) != size:
        raise UserInputError("The selection belongs to another list of files.")
    return [
        index
        for position, byte in enumerate(bits)
        if byte
        for index in range(position * 8, min(position * 8 + 8, count))
        if byte >> (index & 7) & 1
    ]


_NO_FRAME = (struct.error, AttributeError, TypeError, ValueError, OverflowError)
_NO_JSON = (msgspec.MsgspecError, RecursionError)


def encode_frame(header: dict[str, Any], buffers: Sequence[bytes] = ()) -> bytes:
    """A message with its buffers as one body: header length (uint32), header (JSON), buffers."""
    sizes = [len(buffer) for buffer in buffers]
    text = msgspec.json.encode({**header, "buffers": sizes})
    return b"".join((struct.pack("<I", len(text)), text, *buffers))


def decode_frame(body: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Inverse of `encode_frame`.

    Raises:
        UserInputError: Not such a frame.
    """
    try:
        (length,) = struct.unpack_from("<I", body)
        header = msgspec.json.decode(body[4 : 4 + length])
        sizes = [int(size) for size in header.pop("buffers", [])]
    except (*_NO_FRAME, *_NO_JSON) as error:
        raise UserInputError("The request is no message of a view.") from error
    if min(sizes, default=0) < 0 or 4 + length + sum(sizes) != len(body):
        raise UserInputError("The request's buffers do not have the sizes that it says.")
    buffers, start = [], 4 + length
    for size in sizes:
        buffers.append(body[start : start + size])
        start += size
    return header, buffers
