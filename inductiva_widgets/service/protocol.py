"""The messages between a view and the service behind it, whatever carries them: types only.

Mirrors `js/src/protocol.ts`; both sides read the golden files in `tests/golden/protocol/`.
Times are ISO 8601 UTC strings, sizes bytes, durations seconds; `None` is unknown.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from inductiva_widgets.causes import Cause  # noqa: TC001 - msgspec reads annotations
from inductiva_widgets.ending import KillOutcome  # noqa: TC001 - as above
from inductiva_widgets.phases import Kind as PhaseKind  # noqa: TC001 - as above

__all__ = [
    "TASK_COLUMNS",
    "AwayNotice",
    "BackendName",
    "BatchEvent",
    "BatchFailure",
    "BatchProgress",
    "BatchState",
    "ComparedInputs",
    "Cost",
    "DownloadEvent",
    "DownloadProgress",
    "EndedNotice",
    "FileListing",
    "FilePreview",
    "FollowState",
    "InputDifference",
    "KillResult",
    "LiveFiles",
    "LiveTop",
    "LocalFiles",
    "LogChunk",
    "LogEnd",
    "LogEvent",
    "LogFile",
    "LogPart",
    "LogRange",
    "LogsFound",
    "LogsOpened",
    "MachineColumn",
    "MachineFacts",
    "MachineMetrics",
    "Money",
    "NewestFile",
    "NewestTasks",
    "NoticeClaim",
    "Phase",
    "PreviewKind",
    "ProgressEvent",
    "ServiceError",
    "SimulatedTime",
    "Stale",
    "StateEvent",
    "TaskCollection",
    "TaskComparison",
    "TaskDetails",
    "TaskDownloads",
    "TaskFailure",
    "TaskKill",
    "TaskKills",
    "TaskSummary",
    "TasksEvent",
    "TopProcess",
    "ViewCode",
    "WatchedTask",
]


class ServiceError(msgspec.Struct, frozen=True):
    """A failed call, or the reason why a task's state is old; `type` is a class of `errors.py`."""

    type: str
    message: str
    hint: str = ""
    retryable: bool = False


class BackendName(msgspec.Struct, frozen=True):
    """Which service a task runs on, for people and to distinguish backends."""

    id: str
    name: str


class Stale(msgspec.Struct, frozen=True):
    """Why and since when a state is not fresh; `retry_in_s` is `None` when polling stopped."""

    since: str
    error: ServiceError
    retry_in_s: float | None


class Money(msgspec.Struct, frozen=True):
    """An amount in a currency that the service named."""

    amount: float
    currency: str


class Cost(Money, frozen=True):
    """What a task has cost so far, or in total."""

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


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """One phase of a task's life, as `phases.Phase`, with stamps as text."""

    kind: PhaseKind
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
    a view may ask again although the status is the same; `None`: it need not.
    """

    task_id: str
    phases: list[Phase]
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
    and so on; a block of negative bytes stands for as many that cannot be read here. Without
    `command` it is text that no command is known of.
    """

    command: str | None
    seconds: float | None
    exit_code: int | None
    state: Literal["done", "running", "failed"] | None
    line: int
    lines: int
    blocks: list[int]


class LogFile(msgspec.Struct, frozen=True, kw_only=True):
    """A log. Only `read` of its bytes can be read here; `errors` are numbers of lines."""

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
    """A column of measures; `kind` names the chart it is for, `None`: no known one."""

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


# `lost`: the connection is gone and is tried again. `unavailable`: the log cannot be followed.
FollowState = Literal["connecting", "following", "lost", "ended", "unavailable"]


class LogChunk(msgspec.Struct, frozen=True):
    """Whole lines of a log, joined by newlines.

    `line` is the number of the first one, from 0 since following began: what is missing between
    two chunks was more than could be sent.
    """

    name: str
    line: int
    text: str


class LogEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What was written lately, in the order in which it came. `feed` names what `line` counts in.

    `error` states why the logs are unavailable.
    """

    kind: Literal["log"] = "log"
    task_id: str
    feed: str
    state: FollowState
    error: ServiceError | None
    chunks: list[LogChunk]


class SimulatedTime(msgspec.Struct, frozen=True):
    """How far a simulation is in its own time; `None` is not known."""

    value: float
    end: float | None
    unit: str
    seconds_left: float | None


class ProgressEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The present progress as shown by the log; `None` without any."""

    kind: Literal["progress"] = "progress"
    task_id: str
    progress: SimulatedTime | None


class NewestFile(msgspec.Struct, frozen=True):
    """The file written last, and how long ago at `as_of`."""

    name: str
    seconds_ago: float


class LiveFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Files that a running task has now.

    `sizes` is `None` where they are unknown. `left_out` more files than are named. Nothing
    written for `quiet_after_s` is worth a word; `usual_s` is the usual time between two writes.
    """

    task_id: str
    files: list[str]
    sizes: list[int] | None
    left_out: int
    newest: NewestFile | None
    usual_s: float | None
    quiet_after_s: float
    as_of: str


class TopProcess(msgspec.Struct, frozen=True):
    """A process or thread of the machine; `cpu` in percent of one processor, `memory` of all."""

    pid: int
    user: str
    cpu: float
    memory: float
    time: str
    command: str


class LiveTop(msgspec.Struct, frozen=True, kw_only=True):
    """What `top` reports of a running task's machine: the leading processes, and the whole."""

    task_id: str
    load: list[float]
    cpu_percent: float | None
    memory_bytes: int | None
    memory_used_bytes: int | None
    processes: list[TopProcess]
    left_out: int
    as_of: str


class TaskCollection(msgspec.Struct, frozen=True, kw_only=True):
    """Description of a packed frame of tasks: `count` of the `total` that there are."""

    count: int
    total: int
    backend: BackendName
    as_of: str
    server_now: str


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


class KillResult(msgspec.Struct, frozen=True):
    """How the kill of a task ended, and its state after that."""

    outcome: KillOutcome
    task: TaskSummary


class NewestTasks(msgspec.Struct, frozen=True):
    """The newest tasks, newest first; `total` is how many there are."""

    tasks: list[TaskSummary]
    total: int


class TaskKill(msgspec.Struct, frozen=True):
    """How the kill of one task among several ended; `error` with `failed` only."""

    task_id: str
    outcome: Literal["killed", "pending", "already-ended", "failed"]
    error: ServiceError | None = None


class TaskKills(msgspec.Struct, frozen=True):
    """How the kills of several tasks ended."""

    outcomes: list[TaskKill]


class TaskComparison(msgspec.Struct, frozen=True):
    """Two tasks beside each other; lists have two members, in the order asked for."""

    tasks: list[TaskSummary]
    details: list[TaskDetails]
    inputs: ComparedInputs


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


class TaskDownloads(msgspec.Struct, frozen=True):
    """Downloads of a task."""

    downloads: list[DownloadProgress]


class ViewCode(msgspec.Struct, frozen=True):
    """The name of a bundle."""

    name: str


class WatchedTask(msgspec.Struct, frozen=True):
    """Whether a notice reports the end of a task."""

    on: bool


class NoticeClaim(msgspec.Struct, frozen=True):
    """Whether a page was the first to ask for a notice, and so shows it."""

    is_first: bool


class StateEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a task."""

    kind: Literal["task"] = "task"
    task: TaskSummary


class DownloadEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a download."""

    kind: Literal["download"] = "download"
    download: DownloadProgress


class TasksEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The newest tasks; `total` is how many there are."""

    kind: Literal["tasks"] = "tasks"
    tasks: list[TaskSummary]
    total: int


class BatchEvent(msgspec.Struct, frozen=True, kw_only=True):
    """How far a download of several tasks is."""

    kind: Literal["batch"] = "batch"
    batch: BatchProgress


class AwayNotice(msgspec.Struct, frozen=True, kw_only=True):
    """What ended since the user looked last."""

    kind: Literal["away"] = "away"
    notice_id: str
    since: str
    finished: list[TaskSummary]
    failed: list[TaskSummary]


class EndedNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A watched task has ended."""

    kind: Literal["ended"] = "ended"
    notice_id: str
    task: TaskSummary
