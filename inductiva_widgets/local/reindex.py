"""Tasks whose database was lost, recovered from their files.

Inputs and outputs are in the storage under the id of their task, and what a killed engine was
running is in the work folder, with the token by which its processes are known. How a task ended
was in the database only: those that are found again say that it is not known.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from inductiva_widgets.local.store import ID_ALPHABET, ID_LENGTH

if TYPE_CHECKING:
    from pathlib import Path

    from inductiva_widgets.local.settings import EngineSettings
    from inductiva_widgets.local.store import Store

__all__ = ["reindex"]

logger = logging.getLogger(__name__)

LOST = (
    "The task database was lost. This task was found again by its files; how it ended is not known."
)
_ID = re.compile(f"[{ID_ALPHABET}]{{{ID_LENGTH}}}")


def reindex(store: Store, settings: EngineSettings) -> None:
    """Adds a task for each folder that looks like one's, oldest first; once for a database."""
    if store.database.row("SELECT value FROM settings WHERE name = 'indexed'") is not None:
        return
    found: dict[str, Path] = {}
    for name in ("input.zip", "output.zip"):
        for archive in settings.storage_path.rglob(name):
            task_id = archive.parent.name
            if _ID.fullmatch(task_id) and store.status(task_id) is None:
                found.setdefault(task_id, archive)
    for task_id, archive in sorted(found.items(), key=lambda item: _changed_s(item[1])):
        home = settings.work_path / task_id
        folder = archive.parent.relative_to(settings.storage_path).as_posix()
        store.adopt(
            task_id,
            storage_dir=folder,
            time=_stamp(archive),
            # Its processes are ended and its outputs packed as after any kill of the engine.
            run_token=_token(home) if home.is_dir() else None,
            error_detail=LOST,
        )
    if found:
        logger.warning("%d tasks were found again by their files", len(found))
    store.database.setting("indexed", store.now())


def _token(home: Path) -> str:
    try:
        return (home / "token").read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return ""


def _changed_s(path: Path) -> float:
    return path.stat().st_mtime


def _stamp(path: Path) -> str:
    return datetime.fromtimestamp(_changed_s(path), timezone.utc).isoformat(timespec="microseconds")
