"""Starting and stopping an engine: one per data folder, in the background or in front."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from inductiva_widgets.errors import LocalEngineError
from inductiva_widgets.local.finding import EngineInfo, find
from inductiva_widgets.local.folder import (
    busy_error,
    make_private_folder,
    read_note,
    read_or_make_key,
)
from inductiva_widgets.local.locks import FileLock
from inductiva_widgets.local.settings import EngineSettings, default_slots
from inductiva_widgets.local.settings import data_dir as engine_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EngineInfo", "find", "read_or_make_key", "serve", "start", "stop"]

logger = logging.getLogger(__name__)

START_POLL_S = 0.03
BUSY_EXIT_CODE = 3
SAME_START_S = 2.0  # start times count from a boot time in whole seconds
LOG_NAME = "engine.log"
LOG_TAIL_CHARACTERS = 1000
_SECRET_NAME = re.compile(
    r"^(JPY_|JUPYTER|INDUCTIVA_API_KEY)|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY",
    re.IGNORECASE,
)
# Popen objects of engines started here: dropping one while its process lives would leave a zombie.
_started: dict[int, subprocess.Popen[bytes]] = {}


def start(
    data_dir: Path | str | None = None, *, slots: int | None = None, timeout_s: float = 20.0
) -> EngineInfo:
    """The running engine of a data folder; if there is none, one is started in the background.

    It outlives this process (`stop` ends it), and several callers at once get the same one. A
    damaged task database that it had to set aside is reported by a `RuntimeWarning`.

    Args:
        data_dir: Its folder; see `data_dir`.
        slots: Tasks that may run at once; only for an engine that is started now.
        timeout_s: How long to wait for it.

    Raises:
        LocalEngineError: It does not answer in time, or ends at once; the message says why.
    """
    root = engine_folder(data_dir)
    found = find(root)
    if found is not None:
        return found
    deadline_s = time.monotonic() + timeout_s
    make_private_folder(root)
    with FileLock(root / "start.lock").held(timeout_s) as had:
        found = find(root)
        if found is not None:
            return found
        if not had:
            raise LocalEngineError(
                f"Another program has been starting the local engine in {root} for too long.",
                hint=f"Look at {LOG_NAME} there.",
            )
        started = _launch(root, slots, deadline_s)
    warning = str((read_note(root) or {}).get("warning", ""))
    if warning:
        warnings.warn(warning, RuntimeWarning, stacklevel=2)
    return started


def stop(data_dir: Path | str | None = None, *, timeout_s: float = 10.0) -> bool:
    """Stops the engine of a data folder; running tasks end with it, queued ones stay queued.

    Args:
        data_dir: The folder; see `data_dir`.
        timeout_s: How long it may take before it is ended by force, and once more after that.

    Returns:
        Whether there was one.

    Raises:
        LocalEngineError: It could not be ended.
    """
    _collect()
    noted = read_note(engine_folder(data_dir))
    process = None if noted is None else _noted_process(noted)
    if process is None:
        return False
    try:
        process.terminate()
        if not _gone(process, timeout_s):
            process.kill()  # the next engine puts the states right
            if not _gone(process, timeout_s):
                raise LocalEngineError(f"The local engine (process {process.pid}) does not end.")
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied as error:
        raise LocalEngineError(
            f"The local engine (process {process.pid}) belongs to another user."
        ) from error
    return True


def serve(  # noqa: PLR0913 - the options of the command line
    *,
    port: int | None = None,
    data_dir: Path | str | None = None,
    slots: int | None = None,
    json_line: bool = False,
    parent_pid: int | None = None,
    link_ttl_s: float = 900.0,
) -> int:
    """Runs an engine in the foreground until a signal ends it; returns the exit code.

    Args:
        port: Where to listen on loopback; `None`: the default port, or a free one if that is
            taken. 0: a free one.
        data_dir: The data folder.
        slots: Tasks that may run at once.
        json_line: Print a JSON object instead of a sentence when ready.
        parent_pid: A process with which the engine ends.
        link_ttl_s: Life of a signed URL.

    Raises:
        EngineBusyError: Another engine owns the folder.
        LocalEngineError: The port is taken, or the folder cannot be used.
        UserInputError: Less than one slot.
    """
    from inductiva_widgets.local.service import run

    settings = EngineSettings(
        data_dir=engine_folder(data_dir),
        slots=default_slots() if slots is None else slots,
        link_ttl_s=link_ttl_s,
    )
    return run(settings, port=port, json_line=json_line, parent_pid=parent_pid)


# -- details -----------------------------------------------------------------------------------


def _noted_process(noted: Mapping[str, Any]) -> psutil.Process | None:
    """The process of a note, unless its number now belongs to another."""
    try:
        process = psutil.Process(int(noted["pid"]))
        same = abs(process.create_time() - float(noted["pid_create_time"])) < SAME_START_S
    except psutil.Error:
        return None
    return process if same and process.status() != psutil.STATUS_ZOMBIE else None


def _launch(root: Path, slots: int | None, deadline_s: float) -> EngineInfo:
    """Starts an engine and waits until it answers."""
    process = _spawn(root, slots)
    while time.monotonic() < deadline_s:
        ended = process.poll() is not None
        found = find(root)
        if found is not None:
            return found
        # An engine that owns the folder but is slow to answer is waited for.
        if ended and process.returncode != BUSY_EXIT_CODE:
            break
        time.sleep(START_POLL_S)
    process.kill()
    process.wait()
    _collect()
    if process.returncode == BUSY_EXIT_CODE:
        raise busy_error(root)
    log_path = root / LOG_NAME
    said = log_path.read_text(encoding="utf-8", errors="replace").strip()[-LOG_TAIL_CHARACTERS:]
    raise LocalEngineError(
        f"The local engine did not start. It said: {said or 'nothing'}",
        hint=f"The whole text is in {log_path}.",
    )


def _spawn(root: Path, slots: int | None) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "inductiva_widgets.local",
        "--port",
        "0",
        "--data-dir",
        str(root),
    ]
    if slots is not None:
        command += ["--slots", str(slots)]
    descriptor = os.open(root / LOG_NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            cwd=root,
            env=_daemon_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _started[process.pid] = process
    return process


def _daemon_environment() -> dict[str, str]:
    """This environment without secrets, in which this very package is found again."""
    kept = {name: text for name, text in os.environ.items() if not _SECRET_NAME.search(name)}
    package_parent = str(Path(__file__).resolve().parents[2])
    paths = [package_parent, *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
    kept["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    return kept


@atexit.register
def _collect() -> None:
    """Forgets the engines started here that have ended, whoever ended them."""
    for child in list(_started.values()):
        if child.poll() is not None:
            _started.pop(child.pid, None)


def _gone(process: psutil.Process, timeout_s: float) -> bool:
    """Whether the process ends in time; one that we started is also collected."""
    child = _started.get(process.pid)
    if child is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout_s)
        _collect()
        return child.returncode is not None
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        threading.Event().wait(START_POLL_S)
    return False
