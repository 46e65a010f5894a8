"""Answers of a machine about the files of its task, as immutable records."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from inductiva_widgets.formats import safe_text

__all__ = ["LastModified", "LiveFile", "LiveFiles", "name_of"]

NAME_LIMIT = 4096


def name_of(path: str, task_id: str) -> str:
    """A file's name relative to the outputs, of the path that the task's machine has for it."""
    return path.removeprefix(f"/workdir/{task_id}/")


@dataclass(frozen=True, slots=True)
class LiveFile:
    """One file or folder of a running task.

    Attributes:
        name: Path relative to the outputs, with `/`; that of a folder ends with `/`.
        size: Bytes; `None` where the machine does not say (over WebRTC it never does).
        modified_at: When it was last written, by the machine's clock; `None` as above.
    """

    name: str
    size: int | None = None
    modified_at: dt.datetime | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.name.endswith("/")


@dataclass(frozen=True, slots=True)
class LiveFiles:
    """The output folder of a running task. `str()` draws it as a tree.

    Attributes:
        files: Files and folders, each folder before what it holds.
        as_of: When the machine looked, by the service's clock.
    """

    files: tuple[LiveFile, ...]
    as_of: dt.datetime

    def __len__(self) -> int:
        return len(self.files)

    def __str__(self) -> str:
        """The official client's tree: below a folder each name with its path."""
        by_folder: dict[str, list[LiveFile]] = {}
        for file in self.files:
            parent = file.name.rstrip("/").rpartition("/")[0]
            by_folder.setdefault(parent + "/" if parent else "", []).append(file)
        lines: list[str] = []

        def draw(folder: str, depth: int) -> None:
            below = by_folder.get(folder, [])
            for number, file in enumerate(below, 1):
                branch = "└── " if number == len(below) else "├── "
                prefix = "│   " * (depth - 1) + branch if depth else ""
                lines.append(prefix + safe_text(file.name, NAME_LIMIT))
                if file.is_folder:
                    draw(file.name, depth + 1)

        draw("", 0)
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class LastModified:
    """The file of a running task that was written last. `str()` says it for people.

    Attributes:
        name: Path relative to the outputs, as in `LiveFiles` and for `tail`; as the machine says
            it, when it is in another place.
        modified_at: When it was written, by the machine's clock.
        now: The machine's clock when it looked.
        age_s: Seconds since it was written.
        path: Path on the machine, as the machine says it.
    """

    name: str
    modified_at: dt.datetime
    now: dt.datetime
    age_s: float
    path: str

    def __str__(self) -> str:
        """The words of the official client, in local time."""
        form = "%Y-%m-%d %H:%M:%S"
        age = dt.timedelta(seconds=round(self.age_s))
        return (
            f"Most Recent File: {safe_text(self.path, NAME_LIMIT)}\n"
            f"Modification Time: {self.modified_at.astimezone():{form}}\n"
            f"Current Time on Machine: {self.now.astimezone():{form}}\n"
            f"\nTime Since Last Modification: {age}"
        )
