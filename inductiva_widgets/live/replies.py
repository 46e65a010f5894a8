"""Replies of a machine, validated: it runs foreign programs, so nothing is trusted."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from inductiva_widgets.errors import (
    BadPayloadError,
    InductivaWidgetsError,
    NotFoundError,
    UserInputError,
)
from inductiva_widgets.formats import safe_text
from inductiva_widgets.live.records import LastModified, LiveFile, LiveFiles, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Part",
    "files_of_engine",
    "files_of_machine",
    "last_modified",
    "lines_of",
    "message_of",
    "no_file",
    "no_text",
    "part",
    "text_of",
]

LARGEST_MESSAGE = 1 << 20  # machines send 256 KB at most
MOST_FILES = 200_000
DEEPEST = 64


def message_of(raw: object, filename: str = "") -> object:
    """What a reply says.

    Args:
        raw: One message of the data channel.
        filename: The file that was requested.

    Raises:
        NotFoundError: The machine has no such file.
        UserInputError: It is not text.
        BadPayloadError: The reply cannot be read, or the machine did not understand.
    """
    if isinstance(raw, str | bytes) and len(raw) <= LARGEST_MESSAGE:
        try:
            reply = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            reply = None
        if isinstance(reply, dict) and reply.get("status") == "success":
            return reply.get("message")
        if isinstance(reply, dict) and reply.get("status") in ("error", "invalid"):
            raise _refusal(str(reply.get("message")), filename)
    raise _unreadable()


def _refusal(text: str, filename: str) -> InductivaWidgetsError:
    if text.startswith("File not found"):
        return no_file(filename)
    if text.startswith("File is not a text file"):
        return no_text(filename)
    return BadPayloadError(f"The task's machine refused: {safe_text(text)}")


def no_file(filename: str) -> NotFoundError:
    """There is no such file."""
    return NotFoundError(
        f"The task has no file {safe_text(filename)!r} (yet).",
        hint="See which there are with task.list_files().",
        missing=(filename,),
    )


def no_text(filename: str) -> UserInputError:
    """The file cannot be shown as lines."""
    return UserInputError(
        f"{safe_text(filename)} is not a text file.", hint="Download it when the task has ended."
    )


def _unreadable() -> BadPayloadError:
    return BadPayloadError("The task's machine sent something that cannot be read.")


def lines_of(message: object) -> list[str]:
    """Lines of a `tail` reply, none of which holds a line break."""
    if not isinstance(message, list) or not all(isinstance(line, str) for line in message):
        raise _unreadable()
    lines: list[str] = message
    if any("\n" in line for line in lines):
        return [part for line in lines for part in line.removesuffix("\n").split("\n")]
    return lines


def text_of(message: object) -> str:
    """A reply that is one text."""
    if not isinstance(message, str):
        raise _unreadable()
    return message


def last_modified(message: object, task_id: str) -> LastModified:
    """The reply to `last_modified_file`."""
    if not isinstance(message, dict) or not isinstance(message.get("most_recent_file"), str):
        raise _unreadable()
    age = message.get("time_since_last_mod")
    if not isinstance(age, int | float) or not math.isfinite(age):
        raise _unreadable()
    path: str = message["most_recent_file"]
    return LastModified(
        name_of(path, task_id),
        _moment(message.get("most_recent_timestamp")),
        _moment(message.get("now_timestamp")),
        max(0.0, float(age)),
        path,
    )


def files_of_machine(message: object, as_of: dt.datetime) -> LiveFiles:
    """The reply to `ls`: names only."""
    return LiveFiles(tuple(_walk(message, "", 0)), as_of)


def _walk(items: object, prefix: str, depth: int) -> Iterator[LiveFile]:
    if not isinstance(items, list) or depth > DEEPEST or len(items) > MOST_FILES:
        raise _unreadable()
    for item in items:
        if isinstance(item, str):
            yield LiveFile(prefix + item)
        elif isinstance(item, dict):
            for name, below in item.items():
                yield LiveFile(f"{prefix}{name}/")
                yield from _walk(below, f"{prefix}{name}/", depth + 1)
        else:
            raise _unreadable()


def files_of_engine(message: object) -> LiveFiles:
    """The reply of the local engine to a plain request: with sizes and times."""
    if not isinstance(message, dict) or not isinstance(message.get("files"), list):
        raise _unreadable()
    return LiveFiles(tuple(map(_file, message["files"])), _moment(message.get("now")))


def _file(item: object) -> LiveFile:
    if not isinstance(item, dict):
        raise _unreadable()
    name, size = item.get("name"), item.get("size")
    if not isinstance(name, str) or type(size) is not int:
        raise _unreadable()
    return LiveFile(name, size, _moment(item.get("modified")))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file, as the local engine sends it.

    Attributes:
        mark: Identifies the file among others that have had its name.
        size: Of the whole file, in bytes.
        start: Offset of the first byte.
        data: The bytes.
        head: How many bytes of its beginning a log keeps permanently; `None` for other files.
        left_out: How many of the requested bytes the log no longer has.
    """

    mark: str
    size: int
    start: int
    data: bytes
    head: int | None
    left_out: int


def part(body: bytes) -> Part:
    """A part of a file: a line of JSON, then the bytes."""
    head, _, data = body.partition(b"\n")
    try:
        about = msgspec.json.decode(head)
    except (msgspec.DecodeError, UnicodeError):
        about = None
    if not isinstance(about, dict):
        raise _unreadable()
    mark, kept = about.get("file"), about.get("head")
    numbers = [about.get("size"), about.get("start"), about.get("left_out", 0)]
    if not isinstance(mark, str) or any(type(one) is not int for one in numbers):
        raise _unreadable()
    if kept is not None and type(kept) is not int:
        raise _unreadable()
    size, start, left_out = numbers
    return Part(mark, size, start, data, kept, left_out)


def _moment(seconds: object) -> dt.datetime:
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        try:
            return dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
        except (OverflowError, OSError, ValueError):
            pass
    raise _unreadable()
