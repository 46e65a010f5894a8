"""What can be set on an engine, and where its folder is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from inductiva_widgets.errors import UserInputError

__all__ = ["DATA_DIR_VARIABLE", "EngineSettings", "data_dir", "default_data_dir", "default_slots"]

DATA_DIR_VARIABLE = "INDUCTIVA_WIDGETS_DATA_DIR"

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


def data_dir(explicit: Path | str | None = None) -> Path:
    """Folder of the engine: the argument, else the environment, else the platform's own place.

    The folder is not made here.

    Args:
        explicit: The folder; else that of `INDUCTIVA_WIDGETS_DATA_DIR`.
    """
    chosen = explicit or os.environ.get(DATA_DIR_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else default_data_dir()


def default_data_dir() -> Path:
    """Folder of the engine when nothing is said: the platform's own place."""
    import platformdirs

    return Path(platformdirs.user_data_dir("inductiva_widgets", appauthor=False)) / "engine"


def default_slots() -> int:
    """Number of tasks that run at once when nothing is said: one per logical processor.

    A submitted command is a single-threaded program more often than not, and the ones that are
    not would be held up no less by waiting in the queue than by sharing the processors.
    """
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Options of one engine; the defaults are those of `inductiva-widgets serve`.

    Attributes:
        data_dir: Folder that holds everything the engine keeps.
        slots: Tasks that may run at once.
        link_ttl_s: Life of a signed URL.
        kill_grace_s: Time between TERM and KILL when processes are ended.
        stop_grace_s: The same when the engine itself is asked to stop.
        json_limit_bytes: Largest JSON body.
        upload_limit_bytes: Largest uploaded file.
        unpacked_limit_bytes: Largest sum of unpacked inputs of one task.
        log_limit_bytes: Largest `stdout.txt` or `stderr.txt`; of a longer one the first and the
            last half of this are kept.
        disk_reserve_bytes: Free room below which a task is ended, so that states can be written.
        metrics_interval_s: Shortest time between two rows of `system_metrics.csv`.
    """

    data_dir: Path
    slots: int = field(default_factory=default_slots)
    link_ttl_s: float = 900.0
    kill_grace_s: float = 5.0
    stop_grace_s: float = 2.0
    json_limit_bytes: int = MIB
    upload_limit_bytes: int = 2 * GIB
    unpacked_limit_bytes: int = 16 * GIB
    log_limit_bytes: int = GIB
    disk_reserve_bytes: int = 64 * MIB
    metrics_interval_s: float = 1.0

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise UserInputError(f"{self.slots} slots cannot run anything; at least 1 is needed.")

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "engine.db"

    @property
    def reserve_path(self) -> Path:
        """Room for states when there is no other."""
        return self.data_dir / "reserve"

    @property
    def storage_path(self) -> Path:
        """The user's bucket: inputs and outputs under the paths of the service."""
        return self.data_dir / "storage"

    @property
    def work_path(self) -> Path:
        """Folders in which tasks run."""
        return self.data_dir / "work"

    @property
    def rescue_path(self) -> Path:
        """Folders of runs whose outputs could not be packed."""
        return self.data_dir / "rescued"
