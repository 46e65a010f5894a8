"""The files of a running task: found by name, listed, read from the end, followed."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import psutil

from inductiva_widgets.errors import NotFoundError, UserInputError
from inductiva_widgets.local.log_ring import Piece, find_gap, left_out_text, read_kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

__all__ = [
    "Entry",
    "FileTail",
    "LiveFolder",
    "is_log",
    "last_lines_start",
    "load_of_machine",
    "read_part",
]

BLOCK_BYTES = 1 << 16
LOOK_BYTES = 1 << 17  # of one look: what it finds fits into one message
SAMPLE_BYTES = 8192
MOST_ENTRIES = 50_000
TOP_LIMIT_S = 10.0
SAMPLES = ("system_metrics.csv", "output_update.csv")  # by the engine, whatever the task does
LOGS = ("stdout.txt", "stderr.txt")
ENGINE_FILES = (*LOGS, *SAMPLES)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder: path relative to the outputs, bytes, time of the last change (epoch s)."""

    name: str
    size: int
    modified_s: float
    is_folder: bool


class LiveFolder:
    """What a running task has written so far, under the names that its outputs will have.

    Args:
        home: Folder of the run: logs, and below it the folder in which the commands work.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = home / "run" / "sim_dir"

    def exists(self) -> bool:
        """Whether there is anything to look at."""
        return self._folder.is_dir()

    def path(self, name: str) -> Path:
        """Where a regular file of the task is.

        Raises:
            NotFoundError: There is none of this name, or the name leads out of the folder.
        """
        parts = PurePosixPath(name.replace("\\", "/").removeprefix("./")).parts
        if parts and "\0" not in name and ".." not in parts and not name.startswith("/"):
            inside = len(parts) == 1 and parts[0] in ENGINE_FILES
            root = self._home if inside else self._folder
            found = root.joinpath(*parts)
            try:
                # A link may lead anywhere on this machine: what counts is where it ends.
                inner = found.resolve(strict=True).is_relative_to(root.resolve())
                if inner and stat.S_ISREG(found.stat().st_mode):
                    return found
            except (OSError, RuntimeError):  # gone meanwhile, or a circle of links
                pass
        raise NotFoundError(f"File not found: {name[:1000]}")

    def open_text(self, name: str) -> BinaryIO:
        """The file, opened for reading; the caller closes it.

        Raises:
            NotFoundError: As `path`.
            UserInputError: It is not text.
        """
        file = self.path(name).open("rb")
        sample = file.read(SAMPLE_BYTES)
        file.seek(max(0, os.fstat(file.fileno()).st_size - SAMPLE_BYTES))
        if b"\0" in sample or b"\0" in file.read(SAMPLE_BYTES):
            file.close()
            raise UserInputError(f"File is not a text file: {name[:1000]}")
        return file

    def entries(self) -> list[Entry]:
        """Files and folders by name, each folder before what it holds; links are left out."""
        found = list(_walk(self._folder, ""))
        own = [_entry(self._home / name, name) for name in ENGINE_FILES]
        names = {entry.name for entry in own if entry}
        found = [entry for entry in found if entry.name not in names]
        return [entry for entry in own if entry] + found

    def newest(self) -> Entry | None:
        """The file that the task wrote last."""
        files = [
            entry for entry in self.entries() if not entry.is_folder and entry.name not in SAMPLES
        ]
        return max(files, key=lambda entry: entry.modified_s, default=None)


def _walk(folder: Path, prefix: str) -> Iterator[Entry]:
    waiting = [(folder, prefix)]
    count = 0
    while waiting and count < MOST_ENTRIES:
        place, below = waiting.pop()
        try:
            paths = sorted(place.iterdir(), key=lambda path: path.name)
        except OSError:  # removed meanwhile
            continue
        inner = []
        for path in paths:
            entry = _entry(path, below + path.name)
            if entry is not None:
                count += 1
                yield entry
                if entry.is_folder:
                    inner.append((path, entry.name + "/"))
        waiting += reversed(inner)


def _entry(path: Path, name: str) -> Entry | None:
    try:
        state = path.lstat()
    except OSError:
        return None
    is_folder = stat.S_ISDIR(state.st_mode)
    if not is_folder and not stat.S_ISREG(state.st_mode):
        return None
    return Entry(name, 0 if is_folder else state.st_size, state.st_mtime, is_folder)


def is_log(name: str) -> bool:
    """Whether a file is one of those to which the engine lets commands print."""
    return name.removeprefix("./") in LOGS


def last_lines_start(file: BinaryIO, lines: int, *, ring: bool = False) -> int:
    """Offset at which the last lines of a file begin; one without an end counts as a line.

    Args:
        file: A file, opened for reading.
        lines: How many.
        ring: Whether it may have lost its middle. That is where the lines begin if there are
            fewer after it.
    """
    gap = find_gap(file) if ring else None
    floor, start = (0, 0) if gap is None else (gap.end, gap.begin)
    end = position = file.seek(0, os.SEEK_END)
    if lines <= 0:
        return end
    missing = lines
    while position > floor:
        size = min(BLOCK_BYTES, position - floor)
        position -= size
        file.seek(position)
        block = file.read(size)
        stop = len(block) - 1 if position + size == end and block.endswith(b"\n") else len(block)
        while (found := block.rfind(b"\n", 0, stop)) >= 0:
            missing -= 1
            if missing == 0:
                return position + found + 1
            stop = found
    return start


def read_part(file: BinaryIO, position: int, count: int, *, ring: bool) -> Piece:
    """Bytes of a file; of one that may have lost its middle, those that are kept."""
    if ring:
        return read_kept(file, position, count)
    file.seek(position)
    return Piece(position, file.read(count))


class FileTail:
    """Reads what a text file gains, also after it was cut or replaced by another of its name.

    Args:
        folder: Of the task.
        name: Of the file.
        lines: How many to begin with.
        most_bytes: As many of them as are in the last bytes; `None` for no limit.

    Raises:
        NotFoundError: As `LiveFolder.open_text`, like the next.
        UserInputError: It is not text.
    """

    def __init__(
        self, folder: LiveFolder, name: str, lines: int, *, most_bytes: int | None = None
    ) -> None:
        self._folder = folder
        self._name = name
        self._is_log = is_log(name)
        self._file = folder.open_text(name)
        self._position = last_lines_start(self._file, lines, ring=self._is_log)
        size = os.fstat(self._file.fileno()).st_size
        if most_bytes is not None and size - self._position > most_bytes:
            self._file.seek(size - most_bytes)
            self._file.readline()
            self._position = self._file.tell()
        self._rest = b""

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def look(self, *, is_last: bool = False) -> list[str]:
        """New lines, as many as fit into one look; an unfinished one waits for its end.

        Args:
            is_last: Whether an unfinished line is returned as well.
        """
        state = os.fstat(self._file.fileno())
        if state.st_size < self._position:  # cut: what is there now is new
            self._position, self._rest = 0, b""
        elif state.st_size == self._position:
            self._follow_name(state)
        piece = read_part(self._file, self._position, LOOK_BYTES, ring=self._is_log)
        data = piece.data
        self._position = piece.start + len(data)
        if piece.left_out:
            self._rest += f"\n{left_out_text(piece.left_out)}\n".encode()
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._rest and ((is_last and not data) or len(self._rest) >= LOOK_BYTES):
            lines.append(self._rest)
            self._rest = b""
        return [line.decode("utf-8", "replace") for line in lines]

    def _follow_name(self, state: os.stat_result) -> None:
        """Goes over to the file that has the name now."""
        try:
            present = self._folder.path(self._name)
            if os.path.samestat(present.stat(), state):
                return
            file = self._folder.open_text(self._name)
        except (NotFoundError, UserInputError, OSError):
            return  # it may come back
        self._file.close()
        self._file, self._position, self._rest = file, 0, b""


def load_of_machine() -> str:
    """What `top -b -H -n 1` prints, or the same facts where there is no such program."""
    try:
        done = subprocess.run(
            ["top", "-b", "-H", "-n", "1"],  # noqa: S607 - wherever the system has it
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TOP_LIMIT_S,
            check=False,
            env={**os.environ, "COLUMNS": "160", "LC_ALL": "C"},
        )
        if done.returncode == 0 and done.stdout:
            return done.stdout
    except (OSError, subprocess.TimeoutExpired):
        pass
    return _load_by_psutil()


def _load_by_psutil() -> str:
    memory = psutil.virtual_memory()
    loads = ", ".join(f"{load:.2f}" for load in psutil.getloadavg())
    head = [
        f"top - load average: {loads}",
        f"MiB Mem : {memory.total / 2**20:.1f} total, {memory.available / 2**20:.1f} available",
        "",
        f"{'PID':>7} {'RES MiB':>9} {'TIME s':>9} COMMAND",
    ]
    rows = []
    for process in psutil.process_iter(["pid", "name", "memory_info", "cpu_times"]):
        about = process.info
        if about["memory_info"] and about["cpu_times"]:
            used_s = about["cpu_times"].user + about["cpu_times"].system
            rows.append((used_s, about["pid"], about["memory_info"].rss / 2**20, about["name"]))
    rows.sort(reverse=True)
    return "\n".join(
        [*head, *(f"{pid:>7} {size:>9.1f} {used:>9.1f} {name}" for used, pid, size, name in rows)]
    )
