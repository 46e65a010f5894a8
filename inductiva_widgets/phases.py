"""Phases of a task's life: one after another, without gap or overlap, from its first to its end.

A task is in one status until the next begins, so the phases' lengths add up to its total time,
however its stamps overlap. Commands cut the computation into pieces. The strip of the views, the
timeline frame and the charts all show what this module says.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
from typing import TYPE_CHECKING, Literal

import msgspec

from inductiva_widgets.api.models import status_info
from inductiva_widgets.formats import parse_time, safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inductiva_widgets.api.models import Operation, StatusChange, TaskRecord

__all__ = ["KINDS", "Phase", "phases"]

Kind = Literal[
    "waiting",
    "queue",
    "preparing",
    "command",
    "computing",
    "packing",
    "stopping",
    "lost",
    "other",
]
State = Literal["done", "running", "failed"]

# Kind → the word for people, in the usual order of a task's life. A command's word is itself;
# `computing` is the computation where no command runs, `lost` the time until a reclaimed machine's
# task is in the queue again, `other` a status that this package does not know.
KINDS: dict[Kind, str] = {
    "waiting": "Input",
    "queue": "Queue",
    "preparing": "Prepare",
    "command": "Command",
    "computing": "Compute",
    "packing": "Pack",
    "stopping": "Stop",
    "lost": "Lost",
    "other": "Other",
}
_KIND_OF_STATUS: dict[str, Kind] = {
    "pending-input": "waiting",
    "submitted": "queue",
    "started": "preparing",
    "computation-started": "computing",
    "computation-ended": "packing",
    "pending-kill": "stopping",
    "spot-instance-preempted": "lost",
    "executer-terminated": "lost",
}
# The stamps of a task itself: all there is in a list, and what fills an incomplete history.
_FIELDS = (
    ("create_time", "pending-input"),
    ("input_submit_time", "submitted"),
    ("start_time", "started"),
    ("computation_start_time", "computation-started"),
    ("computation_end_time", "computation-ended"),
)
_LONGEST_S = 1e9  # 30 years: beyond, a time it took is no time
_GAPS_S = 0.5  # times between commands are left out as long as they stay under this together

_time = functools.lru_cache(maxsize=1024)(parse_time)  # one phase's end is the next one's start


class Phase(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One phase; a phase that has not begun yet is not listed.

    Attributes:
        kind: What happens, one of `KINDS`.
        label: The word for people: `Queue`, or the command without its program's folder.
        start: When it began, aware UTC.
        end: When it ended; `None` while it lasts.
        seconds: How long it took, or has taken until now; never negative.
        command: The command line, of a command only.
        exit_code: Of a command that ended, if known.
        state: `running` for the phase that lasts, `failed` for a command that did.
    """

    kind: Kind
    label: str
    start: dt.datetime
    end: dt.datetime | None
    seconds: float
    command: str | None = None
    exit_code: int | None = None
    state: State = "done"


class _Mark(msgspec.Struct, frozen=True, gc=False):
    """The moment that a status began."""

    at: dt.datetime
    status: str
    alias: str | None = None
    operations: list[Operation] = []


def phases(record: TaskRecord, now: dt.datetime) -> list[Phase]:
    """The phases of a task, oldest first; together as long as its life so far, within a second.

    Args:
        record: With its history; without one (as in lists) the task's own stamps give the phases,
            but no commands.
        now: The service's clock, for the phase that lasts.
    """
    marks = _completed(record, list(_recorded(record.status_history)))
    ended = _time(record.end_time) if record.is_terminated else None
    marks = _in_order(marks, _time(record.create_time), ended)
    if not marks:
        return []
    if record.is_terminated:
        ended = max(ended or marks[-1].at, marks[-1].at)
        # The last status is the end itself, unless it is all that is known of a time that passed.
        if marks[-1].status == record.status and (len(marks) > 1 or marks[-1].at == ended):
            marks = _without_end(marks)
    if not marks:
        return []
    ends = [*(mark.at for mark in marks[1:]), ended]
    gaps = sum(len(_commands(mark)) + 1 for mark in marks if _commands(mark))
    return [
        phase
        for mark, end in zip(marks, ends, strict=True)
        for phase in _of_status(mark, end, max(now, mark.at))
        if not (gaps and _is_gap(phase, _GAPS_S / gaps))
    ]


def _is_gap(phase: Phase, limit_s: float) -> bool:
    return phase.kind == "computing" and phase.end is not None and phase.seconds < limit_s


def _recorded(history: list[StatusChange]) -> Iterator[_Mark]:
    """Marks of the history; a status without readable stamp begins where the one before ended."""
    before: dt.datetime | None = None
    for change, following in itertools.zip_longest(history, history[1:]):
        at = _time(change.timestamp) or before
        before = _time(change.end_timestamp)
        if at is not None:
            yield _Mark(at, change.status or "", change.alias, change.operations)
        # What follows the computation is packing, also where the history skips it.
        then = _time(following.timestamp) if following else None
        skipped = before is not None and (then is None or before < then)
        if before and skipped and change.status == "computation-started":
            yield _Mark(before, "computation-ended")


def _completed(record: TaskRecord, marks: list[_Mark]) -> list[_Mark]:
    """The marks, after those that only the task's own stamps know."""
    stamps = ((_time(getattr(record, field)), status) for field, status in _FIELDS)
    own = [_Mark(at, status) for at, status in stamps if at is not None]
    return [mark for mark in own if not marks or mark.at < marks[0].at] + marks


def _in_order(
    marks: list[_Mark], created: dt.datetime | None, ended: dt.datetime | None
) -> list[_Mark]:
    """The marks with times that never step back, all between the task's first and its end."""
    found: list[_Mark] = []
    earliest = created
    for mark in marks:
        at = mark.at if earliest is None else max(mark.at, earliest)
        at = at if ended is None else min(at, ended)
        earliest = at
        found.append(msgspec.structs.replace(mark, at=at))
    return found


def _without_end(marks: list[_Mark]) -> list[_Mark]:
    """The marks before the last one; commands listed under the end go where they began."""
    *before, end = marks
    for operation in _commands(end):
        start = _time(operation.start_timestamp)
        at = next((i for i in reversed(range(len(before))) if start and before[i].at <= start), -1)
        if before:
            operations = [*before[at].operations, operation]
            before[at] = msgspec.structs.replace(before[at], operations=operations)
    return before


def _of_status(mark: _Mark, until: dt.datetime | None, now: dt.datetime) -> Iterator[Phase]:
    """The phases inside one status."""
    kind = _KIND_OF_STATUS.get(mark.status, "other")
    label = KINDS[kind]
    if kind in ("other", "lost"):
        label = safe_text(mark.alias or status_info(mark.status).alias or mark.status or label, 80)
    cursor, limit = mark.at, until or now
    for operation in _commands(mark):
        start = min(max(_time(operation.start_timestamp) or cursor, cursor), limit)
        end = _command_end(operation, start, until)
        if start > cursor:
            yield _phase(kind, label, cursor, start, now)
        yield _command(operation, start, end, now)
        cursor = end or limit
        if end is None:
            return
    if until is None or cursor < until:
        yield _phase(kind, label, cursor, until, now)


def _commands(mark: _Mark) -> list[Operation]:
    return [item for item in mark.operations if item.attributes.get("command")]


def _command_end(
    operation: Operation, start: dt.datetime, until: dt.datetime | None
) -> dt.datetime | None:
    """When a command ended: its own stamp, else by the time it took, else with its status."""
    end = _time(operation.end_timestamp)
    took = operation.attributes.get("execution_time_s")
    if end is None and isinstance(took, (int, float)) and 0 <= took < _LONGEST_S:
        end = start + dt.timedelta(seconds=took)
    if end is None:
        return until
    return max(start, min(end, until) if until else end)


def _command(
    operation: Operation, start: dt.datetime, end: dt.datetime | None, now: dt.datetime
) -> Phase:
    given, code = operation.attributes["command"], operation.attributes.get("exit_code")
    command = " ".join(map(str, given)) if isinstance(given, list) else str(given)
    program, blank, arguments = command.partition(" ")
    exit_code = code if type(code) is int else None
    failed = operation.status == "FAILED" or exit_code not in (None, 0)
    return Phase(
        kind="command",
        label=safe_text(program.rpartition("/")[2] + blank + arguments, 80),
        start=start,
        end=end,
        seconds=max(0.0, ((end or now) - start).total_seconds()),
        command=command,
        exit_code=exit_code,
        state="failed" if failed else "done" if end else "running",
    )


def _phase(
    kind: Kind, label: str, start: dt.datetime, end: dt.datetime | None, now: dt.datetime
) -> Phase:
    seconds = max(0.0, ((end or now) - start).total_seconds())
    return Phase(
        kind=kind,
        label=label,
        start=start,
        end=end,
        seconds=seconds,
        state="done" if end else "running",
    )
