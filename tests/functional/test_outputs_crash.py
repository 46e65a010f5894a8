"""A process that ends at the worst moments of a download, and what the next one makes of it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from archive_server import ArchiveServer, Source, zipped
from scripted import ScriptedServer, ok

from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.outputs.engine import Outputs

ID = "i4ir3kvv62odsfrhko4y8w2an"
FILES = {
    **{f"small/{number}.txt": b"%d\n" % number * 40 for number in range(20)},
    "large.bin": random.Random(8).randbytes(3_000_000),
}
CHILD = """
import os, sys
from pathlib import Path
from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.outputs.engine import Outputs
from inductiva_widgets.outputs import folder, journal, temporary

class Source:
    def url(self):
        return sys.argv[1]
    def renew(self, old_url):
        return old_url

def dies(*args, **kwargs):
    os._exit(9)

{place} = dies
Outputs(LinkTransport(), Source()).start_download(Path(sys.argv[2])).result(30)
"""
PLACES = {
    "the journal is made": "journal.Journal._write_pin",
    "a file has its name": "journal.Journal.settle",
    "a temporary file is flushed": "temporary.TemporaryFile.publish",
    "remains are tidied up": "folder.OpenFolder.unlink",
    "the journal goes away": "folder.OpenFolder.remove_folder",
}


def found(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.parts)
    }


@pytest.fixture
def server():
    with contextlib.closing(ArchiveServer(zipped(FILES))) as made:
        yield made


@pytest.mark.fault(65)
@pytest.mark.parametrize("moment", PLACES)
def test_a_process_that_dies_when(server, tmp_path, moment):
    target = tmp_path / "out"
    code = CHILD.format(place=PLACES[moment])
    words = [sys.executable, "-c", code, server.url, str(target)]
    environment = {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}

    died = subprocess.run(words, env=environment, check=False, timeout=60)

    assert died.returncode == 9
    assert found(target).items() <= FILES.items()
    with contextlib.closing(LinkTransport()) as transport:
        Outputs(transport, Source(server)).start_download(target).result(30)
    assert found(target) == FILES
    assert list(target.rglob(".*")) == []


@pytest.mark.fault(66)
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_says_how_to_go_on_and_a_second_one_changes_nothing(server, tmp_path, times):
    silent = threading.Event()

    def falls_silent(number, handler, span):
        if number < 2:
            return False
        silent.set()
        server.release.wait(30)
        handler.close_connection = True
        return True

    server.faults.append(falls_silent)
    with contextlib.closing(ScriptedServer()) as api:
        api.route = lambda asked: ok(
            [server.url]
            if asked.path.startswith("/storage")
            else {"task_id": ID, "status": "success", "is_terminated": True}
        )
        environment = {
            "INDUCTIVA_API_URL": api.url,
            "INDUCTIVA_API_KEY": "a-key",
            "HOME": str(tmp_path),
            "PYTHONPATH": ":".join(filter(None, sys.path)),
        }
        program = "from inductiva_widgets.cli import main; main()"
        words = ["tasks", "download", ID, "--to", str(tmp_path / "out")]
        with subprocess.Popen(
            [sys.executable, "-c", program, *words], env=environment, stderr=subprocess.PIPE
        ) as child:
            try:
                assert silent.wait(30)
                for _ in range(times):
                    child.send_signal(signal.SIGINT)
                said = child.communicate(timeout=30)[1].decode()
            finally:
                child.kill()

    assert child.returncode == 130, said
    assert "Traceback" not in said
    assert found(tmp_path / "out").items() <= FILES.items()
    if times == 1:
        assert "the same command goes on" in said
