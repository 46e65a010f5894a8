"""Hosts that say nothing: told to stop, a download ends within two seconds, whatever it awaits."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from archive_server import ArchiveServer, Source, zipped
from scripted import SILENCE, ScriptedServer, ok

from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.errors import DownloadCancelledError
from inductiva_widgets.outputs.engine import Outputs

STOPS_WITHIN_S = 2.0
# What is stopped would wait for longer than the test does.
WITHIN_S = 20.0
LONG_S = 3 * WITHIN_S
# Large directories come by several connections: here this one does.
PROGRAM = """
from inductiva_widgets.cli import main
from inductiva_widgets.outputs import remote
remote.WIDE_BYTES = 1
main()
"""
ID = "i4ir3kvv62odsfrhko4y8w2an"


class MuteHost:
    """Listens, and never answers; with a full queue it does not even take connections."""

    def __init__(self, *, full: bool, scheme: str) -> None:
        self.scheme = scheme
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.callers: list[socket.socket] = []
        while full and self._calls():
            pass

    def _calls(self) -> bool:
        caller = socket.socket()
        caller.settimeout(0.2)
        self.callers.append(caller)
        try:
            caller.connect(self.listener.getsockname())
        except TimeoutError:
            return False
        return True

    def url(self) -> str:
        return (
            f"{self.scheme}://127.0.0.1:{self.listener.getsockname()[1]}/output.zip?X-Signature=x"
        )

    def renew(self, old_url: str) -> str:
        return old_url

    def close(self) -> None:
        """Whoever still waits is turned away."""
        for caller in self.callers:
            caller.close()
        self.listener.close()


class FallsSilent:
    """Answers the first requests, and then takes them without a word."""

    def __init__(self, server: ArchiveServer, answers: int) -> None:
        self.server, self.answers = server, answers
        self.reached = threading.Event()

    def __call__(self, number: int, handler, span) -> bool:
        if number <= self.answers:
            return False
        self.reached.set()
        self.server.release.wait(LONG_S)
        handler.close_connection = True
        return True


MANY = zipped({f"small/{number:05}.txt": b"%d" % number for number in range(2500)})
LARGE = zipped({"a.bin": bytes(range(256)) * 40_000}, stored=True)
MUTE = {
    "connection": (True, "http"),
    "secure connection": (True, "https"),
    "handshake": (False, "https"),
    "answer": (False, "http"),
}
FALLING_SILENT = {
    "directory": (MANY, True),
    "members": (LARGE, True),
    "whole archive": (LARGE, False),
}


@pytest.mark.fault(5)
def test_whatever_it_waits_for_a_stop_ends_it(tmp_path):
    """All at once: each waits as long as it may."""
    with contextlib.ExitStack() as ends:
        timeouts = Timeouts(connect_s=LONG_S, read_s=LONG_S)
        transport = ends.enter_context(contextlib.closing(LinkTransport(timeouts=timeouts)))
        downloads = {}
        for case, (full, scheme) in MUTE.items():
            host = ends.enter_context(contextlib.closing(MuteHost(full=full, scheme=scheme)))
            downloads[case] = Outputs(transport, host).start_download(tmp_path / case)
        for case, (body, ranges_work) in FALLING_SILENT.items():
            server = ends.enter_context(contextlib.closing(ArchiveServer(body)))
            server.ranges_work = ranges_work
            server.faults.append(FallsSilent(server, 1))
            downloads[case] = Outputs(transport, Source(server)).start_download(tmp_path / case)
            assert server.faults[0].reached.wait(WITHIN_S), case
        assert not any(download.done for download in downloads.values())

        since = time.monotonic()
        assert all(download.cancel() for download in downloads.values())
        for download in downloads.values():
            with pytest.raises(DownloadCancelledError):
                download.result(WITHIN_S)

        assert time.monotonic() - since < STOPS_WITHIN_S

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.fault(5, 66)
@pytest.mark.parametrize("silent", ["service", "directory"])
def test_ctrl_c_ends_the_command_line_and_its_process(tmp_path, silent):
    with (
        contextlib.closing(ArchiveServer(MANY)) as storage,
        contextlib.closing(ScriptedServer()) as api,
    ):
        falls_silent = FallsSilent(storage, 1)
        storage.faults.append(falls_silent)
        asked = threading.Event()

        def answer(request):
            if not request.path.startswith("/storage/signed-urls"):
                return ok({"task_id": ID, "status": "success", "is_terminated": True})
            asked.set()
            return SILENCE if silent == "service" else ok([storage.url])

        api.route = answer
        words = ["-c", PROGRAM, "tasks", "download", ID, "--to", str(tmp_path)]
        settings = {"INDUCTIVA_API_URL": api.url, "INDUCTIVA_API_KEY": "a-key"}
        home = {"HOME": str(tmp_path), "PYTHONPATH": ":".join(filter(None, sys.path))}
        with subprocess.Popen(
            [sys.executable, *words], env={**settings, **home}, stderr=subprocess.PIPE
        ) as child:
            assert (asked if silent == "service" else falls_silent.reached).wait(WITHIN_S)
            since = time.monotonic()
            child.send_signal(signal.SIGINT)
            said = child.communicate(timeout=WITHIN_S)[1].decode()

            assert time.monotonic() - since < STOPS_WITHIN_S + 0.5, said
            assert child.returncode == 130, said
            assert "Traceback" not in said
