"""One engine, from the bound socket to the last closed file."""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import os
import re
import signal
import socket
import sqlite3
import sys
import threading
import uuid
from typing import TYPE_CHECKING

import psutil
import uvicorn

from inductiva_widgets.errors import LocalEngineError
from inductiva_widgets.local.app import build_app
from inductiva_widgets.local.connections import MAX_EVENT_BYTES, PatientProtocol
from inductiva_widgets.local.disk import Reserve, is_disk_full
from inductiva_widgets.local.engine import Engine
from inductiva_widgets.local.finding import find
from inductiva_widgets.local.folder import (
    busy_error,
    make_private_folder,
    read_or_make_key,
    write_private,
)
from inductiva_widgets.local.locks import FileLock
from inductiva_widgets.local.reindex import reindex
from inductiva_widgets.local.runner import Runner
from inductiva_widgets.local.storage import Storage
from inductiva_widgets.local.store import Store
from inductiva_widgets.local.views import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inductiva_widgets.local.settings import EngineSettings

__all__ = ["DEFAULT_PORT", "run"]

logger = logging.getLogger(__name__)

DEFAULT_PORT = 7117
BACKLOG = 256
PARENT_POLL_S = 1.0
CONNECTION_STOP_S = 2
_KEY = re.compile(r"[A-Za-z0-9._-]+")


def run(
    settings: EngineSettings,
    *,
    port: int | None = None,
    json_line: bool = False,
    parent_pid: int | None = None,
) -> int:
    """Runs an engine until it is asked to stop, and returns the exit code (see `server.serve`)."""
    root = settings.data_dir
    make_private_folder(root)
    lock = FileLock(root / "engine.lock")
    # The second look is for a lock file that somebody removed to "mend" a folder that is in use.
    if not lock.acquire() or find(root) is not None:
        lock.release()
        raise busy_error(root)
    try:
        with contextlib.closing(_listen(port)) as listener:
            _run_locked(settings, listener, json_line=json_line, parent_pid=parent_pid)
    except (OSError, sqlite3.Error) as error:
        if not is_disk_full(error):
            raise
        raise LocalEngineError(
            f"There is no room on the disk for the local engine in {root}.",
            hint="Make some, or set INDUCTIVA_WIDGETS_DATA_DIR to another folder.",
        ) from error
    finally:
        lock.release()
    return 0


def _run_locked(
    settings: EngineSettings, listener: socket.socket, *, json_line: bool, parent_pid: int | None
) -> None:
    root = settings.data_dir
    key = read_or_make_key(root)
    keys = [key]
    given = os.environ.get("INDUCTIVA_API_KEY", "").strip()
    if _KEY.fullmatch(given):
        keys.append(given)
    elif given:
        logger.warning("INDUCTIVA_API_KEY holds characters that no key has; it is not accepted")
    port = int(listener.getsockname()[1])
    reserve = Reserve(settings.reserve_path)
    with contextlib.closing(Store(settings.database_path, reserve=reserve)) as store:
        damage = store.database.damage
        reindex(store, settings)
        engine = _build_engine(settings, store, key)
        app = build_app(engine, port=port, keys=keys, proof_key=key)

        def announce() -> None:
            note = _note(f"http://127.0.0.1:{port}", root)
            note["warning"] = "" if damage is None else str(damage)
            write_private(root / "server.json", json.dumps(note))
            shown = {name: note[name] for name in ("url", "key_file", "pid", "data_dir")}
            text = (
                json.dumps(shown) if json_line else f"Local engine ready at {note['url']} ({root})"
            )
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

        server = _Server(_uvicorn_config(app), announce)
        try:
            with _ends(server, parent_pid):
                server.run(sockets=[listener])
        finally:
            (root / "server.json").unlink(missing_ok=True)


def _build_engine(settings: EngineSettings, store: Store, key: str) -> Engine:
    database = store.database
    created = database.setting("created", store.now())
    machine = Machine.here(
        database.setting("machine_id", str(uuid.uuid4())),
        database.setting("group_id", str(uuid.uuid4())),
    )
    storage = Storage(
        settings.storage_path,
        database,
        # Derived, so that links outlive a restart and the key never signs what strangers see.
        link_key=hmac.digest(key.encode(), b"signed-urls", "sha256"),
        link_ttl_s=settings.link_ttl_s,
    )
    runner = Runner(store, storage, settings, Reserve(settings.reserve_path))
    return Engine(settings, store, storage, runner, machine, created)


def _note(url: str, root: Path) -> dict[str, object]:
    process = psutil.Process()
    return {
        "url": url,
        "key_file": str(root / "api_key"),
        "pid": process.pid,
        "data_dir": str(root),
        "pid_create_time": process.create_time(),
        "started": process.create_time(),
    }


def _listen(port: int | None) -> socket.socket:
    """A listening socket on loopback; a taken default port is replaced by a free one."""
    wanted = DEFAULT_PORT if port is None else port
    try:
        return _bind(wanted)
    except (OSError, OverflowError) as error:
        if wanted != DEFAULT_PORT:
            raise LocalEngineError(
                f"Port {wanted} cannot be used: {error}.",
                hint="Choose another port, or 0 for a free one.",
            ) from error
    return _bind(0)


def _bind(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only on sockets that say they are TCP; without it every reply of two
    # packets waits for the client's delayed acknowledgement, 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere this option would let two programs share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _uvicorn_config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # any ASGI application
        http=PatientProtocol,
        h11_max_incomplete_event_size=MAX_EVENT_BYTES,
        ws="none",
        loop="asyncio",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,  # signed URLs are secrets, and an access log is full of them
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=CONNECTION_STOP_S,
    )


class _Server(uvicorn.Server):
    """Uvicorn that announces when it is ready and leaves signals to its owner.

    Its own way re-raises the signal after the end, which would skip our clean-up.
    """

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        with contextlib.suppress(SystemExit):  # its code would be taken for a folder that is busy
            await super().startup(sockets)
        if not self.started:
            raise LocalEngineError("The local engine could not start; its log says why.")
        self._announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def _ends(server: uvicorn.Server, parent_pid: int | None) -> Iterator[None]:
    """Everything that ends the server: signals, and the death of the parent."""

    def ask(*_signal: object) -> None:
        server.should_exit = True

    before: dict[int, object] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, ask) for number in _signals()}
    done = threading.Event()
    watcher = None
    if parent_pid is not None:
        watcher = threading.Thread(
            target=_watch_parent, args=(parent_pid, done, ask), name="parent-watch", daemon=True
        )
        watcher.start()
    try:
        yield
    finally:
        done.set()
        if watcher is not None:
            watcher.join()
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as it was


def _signals() -> list[signal.Signals]:
    """Those that ask for an end; a closed terminal is one, unless `nohup` says otherwise."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [one for one in numbers if signal.getsignal(one) is not signal.SIG_IGN]


def _watch_parent(pid: int, done: threading.Event, ask: Callable[[], None]) -> None:
    try:
        parent = psutil.Process(pid)
        while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
            if done.wait(PARENT_POLL_S):
                return
    except psutil.Error:
        logger.debug("The parent process has gone")
    ask()
