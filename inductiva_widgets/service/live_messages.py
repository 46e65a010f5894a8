"""Messages about a task that runs: its log as it grows, its files, the load of its machine.

Mirrors the live part of `js/src/protocol.ts`, as `protocol.py` does for the rest.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from inductiva_widgets.service.protocol import ServiceError  # noqa: TC001 - msgspec reads annotations

__all__ = [
    "FollowState",
    "LiveFiles",
    "LiveTop",
    "LogChunk",
    "LogNews",
    "NewestFile",
    "ProgressNews",
    "SimulatedTime",
    "TopProcess",
]


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


class LogNews(msgspec.Struct, frozen=True, kw_only=True):
    """What was written lately, in the order in which it came. `feed` names what `line` counts in.

    `error` says why the logs are unavailable.
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


class ProgressNews(msgspec.Struct, frozen=True, kw_only=True):
    """What the log tells of the progress by now; `None`: nothing."""

    kind: Literal["progress"] = "progress"
    task_id: str
    progress: SimulatedTime | None


class NewestFile(msgspec.Struct, frozen=True):
    """The file written last, and how long ago at `as_of`."""

    name: str
    seconds_ago: float


class LiveFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Files that a running task has by now.

    `sizes` is `None` where they are not told. `left_out` more files than are named. Nothing
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
    """What `top` says of a running task's machine: the leading processes, and the whole."""

    task_id: str
    load: list[float]
    cpu_percent: float | None
    memory_bytes: int | None
    memory_used_bytes: int | None
    processes: list[TopProcess]
    left_out: int
    as_of: str
