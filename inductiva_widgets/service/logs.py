"""Commands about the logs of a task: which there are, ranges of their text, a search in them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva_widgets.api.client import check_task_id
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.formats import safe_text
from inductiva_widgets.phases import phases
from inductiva_widgets.service.log_text import LogText
from inductiva_widgets.service.packing import pack_numbers
from inductiva_widgets.service.protocol import LogFile, LogPart, LogRange, LogsFound, LogsOpened
from inductiva_widgets.task import Task
from inductiva_widgets.task.files import existing_outputs, outputs_missing, outputs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.outputs.files import OutputFile
    from inductiva_widgets.phases import Phase

__all__ = ["LOGS", "LogCommands"]

LOGS = ("stdout.txt", "stderr.txt")
# A packed log is unpacked from its start: of a longer one only as much as would be kept.
LONGEST_LOG_BYTES = 1000 * 1000 * 1000
# What is kept of a long log: how a run ended is asked more often than how it began.
HEAD_BYTES, TAIL_BYTES = 16 * 1000 * 1000, 48 * 1000 * 1000
LONGEST_READ_BYTES = 1 << 20
KEPT_BYTES = 48 * 1000 * 1000  # of packed text, for all tasks
LONGEST_QUERY = 200
PIECE_BYTES = 1 << 18

Reply = tuple[dict[str, Any], list[bytes]]
Place = tuple[str, str, str]  # task, revision of its outputs, name


class LogCommands:
    """Logs of one backend's tasks, read by ranges of their archives, shared by all views.

    What was read stays, packed, until others take its place: scrolling and searching ask for
    nothing.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._texts: OrderedDict[Place, LogText] = OrderedDict()
        self._tasks: OrderedDict[str, Task] = OrderedDict()

    def open(self, params: dict[str, Any]) -> dict[str, Any]:
        """Which logs there are, with their commands and error lines.

        Raises:
            OutputsNotReadyError: The task has not ended, or left no outputs.
        """
        task = self._task(params)
        record = task.info
        if not record.is_terminated:
            record = task.refresh()
        if not record.is_terminated:
            raise outputs_missing(task)
        files = self._files(task, refresh=bool(params.get("refresh")))
        ran = [
            phase
            for phase in phases(record, self._backend.client.clock.now())
            if phase.kind == "command"
        ]
        revision = outputs_of(task).directory().revision
        logs = [
            _log_file(file, self._text((task.id, revision, file.name), file), ran) for file in files
        ]
        opened: dict[str, Any] = msgspec.to_builtins(
            LogsOpened(task_id=task.id, revision=revision, logs=logs)
        )
        return opened

    def read(self, params: dict[str, Any]) -> Reply:
        """A range of a log's text, at most 1 MB.

        Raises:
            UserInputError: No such range, or the outputs have changed.
        """
        text = self._asked_for(params)
        offset, length = params.get("offset"), params.get("length")
        if type(offset) is not int or type(length) is not int or offset < 0 or length < 0:
            raise UserInputError("The range of the log is none.")
        content = text.read(offset, min(length, LONGEST_READ_BYTES))
        return msgspec.to_builtins(LogRange(offset, len(content), text.size)), [content]

    def search(self, params: dict[str, Any]) -> Reply:
        """Numbers of the lines that hold a text, at most 100,000, as packed float64.

        Raises:
            UserInputError: Nothing to search for, or the outputs have changed.
        """
        query = params.get("query")
        if not isinstance(query, str) or not 0 < len(query) <= LONGEST_QUERY:
            raise UserInputError(f"Search for 1 to {LONGEST_QUERY} characters.")
        lines = self._asked_for(params).search(query)
        return msgspec.to_builtins(LogsFound(len(lines))), [pack_numbers(lines)]

    def _asked_for(self, params: dict[str, Any]) -> LogText:
        task, name, revision = self._task(params), params.get("name"), params.get("revision")
        if name not in LOGS:
            raise UserInputError(f"There is no log {safe_text(str(name), 40)!r}.")
        found = {file.name: file for file in self._files(task)}
        if name not in found or revision != outputs_of(task).directory().revision:
            raise UserInputError(
                "The outputs have changed since the log was opened.", hint="Open the log again."
            )
        return self._text((task.id, str(revision), name), found[name])

    def _files(self, task: Task, *, refresh: bool = False) -> list[OutputFile]:
        with existing_outputs(task) as outputs:
            if refresh:
                outputs.directory(refresh=True)
            files = outputs.files()
        return [files[name] for name in LOGS if name in files]

    def _text(self, place: Place, file: OutputFile) -> LogText:
        known = self._known(place)
        if known is not None:
            return known
        with self._reading:  # views that open at once read a log once
            known = self._known(place)
            if known is not None:
                return known
            kept = HEAD_BYTES + TAIL_BYTES
            limit = file.size if file.size <= LONGEST_LOG_BYTES else kept
            text = LogText(_pieces(file), limit, HEAD_BYTES, TAIL_BYTES)
            with self._lock:
                self._texts[place] = text
                while len(self._texts) > 1 and self._held() > KEPT_BYTES:
                    self._texts.popitem(last=False)
        return text

    def _known(self, place: Place) -> LogText | None:
        with self._lock:
            if place in self._texts:
                self._texts.move_to_end(place)
            return self._texts.get(place)

    def _held(self) -> int:
        return sum(text.packed_bytes for text in self._texts.values())

    def _task(self, params: dict[str, Any]) -> Task:
        task_id = check_task_id(params.get("task_id"))
        with self._lock:
            task = self._tasks.pop(task_id, None) or Task(task_id, backend=self._backend)
            self._tasks[task_id] = task
            if len(self._tasks) > 50:
                self._tasks.popitem(last=False)
        return task


def _pieces(file: OutputFile) -> Iterator[bytes]:
    if file.size == 0:
        return
    with file.open() as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece


def _log_file(file: OutputFile, text: LogText, ran: Sequence[Phase]) -> LogFile:
    framed = [part for part in text.parts if part.command]
    owners = dict(
        zip(map(id, framed), _owners([part.command for part in framed], ran), strict=True)
    )
    # Without frames it is still clear who wrote, if only one command ran.
    if not framed and len(ran) == 1 and len(text.parts) == 1:
        owners[id(text.parts[0])] = ran[0]
    parts = []
    for part in text.parts:
        owner = owners.get(id(part))
        command = part.command or (owner.command if owner else None)
        parts.append(
            LogPart(
                command=command and safe_text(command, 500),
                seconds=owner.seconds if owner else None,
                exit_code=owner.exit_code if owner else None,
                state=owner.state if owner else None,
                line=part.line,
                lines=part.lines,
                blocks=part.blocks,
            )
        )
    return LogFile(
        name=file.name,
        size=file.size,
        read=text.kept,
        lines=text.lines,
        parts=parts,
        errors=text.errors,
    )


def _owners(commands: Sequence[str], ran: Sequence[Phase]) -> list[Phase | None]:
    """The phase of each framed command: by place when all are there, else by its words."""
    if len(commands) == len(ran):
        return list(ran)
    left = list(ran)
    owners: list[Phase | None] = []
    for command in commands:
        owner = next((phase for phase in left if phase.command == command), None)
        if owner is not None:
            left.remove(owner)
        owners.append(owner)
    return owners
