"""The data folder's private files: the key, and the note with the engine's address."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from inductiva_widgets.errors import EngineBusyError, LocalEngineError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["busy_error", "make_private_folder", "read_note", "read_or_make_key", "write_private"]


def make_private_folder(root: Path) -> None:
    """Makes the data folder, for this user alone.

    Raises:
        LocalEngineError: It cannot be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        root.chmod(0o700)
    except OSError as error:
        raise LocalEngineError(
            f"The data folder {root} cannot be used: {error.strerror}.",
            hint="Set INDUCTIVA_WIDGETS_DATA_DIR to another folder.",
        ) from error


def read_or_make_key(root: Path) -> str:
    """The API key of the folder; a random one is made the first time."""
    path = root / "api_key"
    with contextlib.suppress(FileNotFoundError):
        key = path.read_text(encoding="utf-8").strip()
        if key:
            path.chmod(0o600)
            return key
    key = secrets.token_urlsafe(32)
    write_private(path, key)
    return key


def write_private(path: Path, text: str) -> None:
    """Writes a file that only this user can read, in one step."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def busy_error(root: Path) -> EngineBusyError:
    """What to say when another engine holds the folder."""
    noted = read_note(root) or {"pid": 0, "url": ""}
    pid, url = int(noted["pid"]), str(noted["url"])
    where = f" (process {pid}, {url})" if pid else ""
    return EngineBusyError(
        f"Another local engine{where} owns the folder {root}.",
        hint="Use that one, stop it, or choose another folder.",
        pid=pid,
        url=url,
    )


def read_note(root: Path) -> dict[str, Any] | None:
    """The engine's note of itself: `url`, `pid`, `pid_create_time`; `None` when unusable."""
    try:
        noted = json.loads((root / "server.json").read_text(encoding="utf-8"))
        address = urlsplit(noted["url"])
        usable = address.hostname == "127.0.0.1" and address.port and int(noted["pid"]) > 0
        float(noted["pid_create_time"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return noted if usable else None
