"""Guards around every test: no socket beyond loopback, nothing left behind."""

from __future__ import annotations

import gc
import ipaddress
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path

import hypothesis
import psutil
import pytest
import reliability

SETTLE_S = 5.0  # how long threads, processes and descriptors may take to go away
SECRETS = ("INDUCTIVA_API_KEY", "INDUCTIVA_API_URL", "INDUCTIVA_OUTPUT_DIR")

# How long one example takes says more about the machine than about the code.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_addoption(parser):
    group = parser.getgroup("reliability")
    group.addoption("--reliability", type=Path, help="page whose table of faults is renewed")
    group.addoption("--vitest", type=Path, help="JSON report of the tests of the views, for it")


def pytest_configure(config):
    if page := config.getoption("--reliability"):
        recorder = reliability.Recorder(page, config.getoption("--vitest"))
        config.pluginmanager.register(recorder)
    _hear_signals()


def _hear_signals():
    """Tests send signals to this process and its children, whatever a shell had it ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _is_loopback(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a unix socket
    host = str(address[0])
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def _loopback_only():
    """Refuses every connection that would leave this machine, also by name."""
    patch = pytest.MonkeyPatch()
    connect, connect_ex, resolve = (
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.getaddrinfo,
    )

    def guard(function):
        def guarded(self, address, *args):
            if not _is_loopback(address):
                pytest.fail(f"a test tried to reach {address!r}")
            return function(self, address, *args)

        return guarded

    def guarded_resolve(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not _is_loopback((name, 0)):
            raise socket.gaierror(socket.EAI_NONAME, "no names are resolved in tests")
        return resolve(host, *args, **kwargs)

    patch.setattr(socket.socket, "connect", guard(connect))
    patch.setattr(socket.socket, "connect_ex", guard(connect_ex))
    patch.setattr(socket, "getaddrinfo", guarded_resolve)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def _private_home(tmp_path_factory):
    """No test reads or writes the user's own key, engine or settings."""
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    for name in (*SECRETS, "INDUCTIVA_WIDGETS_DATA_DIR", "INDUCTIVA_WIDGETS_LOCAL"):
        patch.delenv(name, raising=False)
    patch.setenv("HOME", str(home))
    patch.setenv("XDG_DATA_HOME", str(home / "data"))
    temporary = home / "tmp"
    temporary.mkdir()
    patch.setenv("TMPDIR", str(temporary))
    patch.setattr(tempfile, "tempdir", str(temporary))
    yield home
    patch.undo()


def _state() -> dict[str, set[object]]:
    process = psutil.Process()
    return {
        "threads": {t for t in threading.enumerate() if t.is_alive()},
        "processes": {p.pid for p in process.children(recursive=True)},
        "descriptors": _descriptors(),
        "temporary files": set(Path(tempfile.gettempdir()).iterdir()),
    }


def _descriptors() -> set[object]:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return set()
    found = set()
    for entry in folder.iterdir():
        try:
            found.add((entry.name, str(entry.readlink())))
        except OSError:
            continue  # the one that lists the folder
    return found


@pytest.fixture(autouse=True)
def _nothing_left(_private_home, request):
    """Threads, processes, descriptors and temporary files that a test made are gone after it.

    What fixtures of a wider scope hold was there before, and may stay.
    """
    if request.node.get_closest_marker("browser"):
        yield  # a browser comes and goes by itself: its fixture looks after it as a whole
        return
    before = _state()
    yield
    end = time.monotonic() + SETTLE_S
    while (left := _left(before)) and time.monotonic() < end:
        gc.collect()
        time.sleep(0.02)
    assert not left, f"left behind: {left}"


def _left(before: dict[str, set[object]]) -> dict[str, list[object]]:
    now = _state()
    return {
        kind: sorted(map(str, now[kind] - before[kind])) for kind in now if now[kind] - before[kind]
    }
