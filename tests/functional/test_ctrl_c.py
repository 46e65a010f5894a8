"""Ctrl-C in every phase of the work: real processes, which end within two seconds.

Each process is brought into its phase, then interrupted. The limit of the test is larger than the
two seconds, because it shares the machine with others; what it guards against are the waits of ten
seconds and more that every one of these phases has when nobody interrupts it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from scripted import SILENCE, ScriptedServer, ok
from waiting import wait_until

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from archive_server import ArchiveServer, zipped
from test_outputs_stop import FallsSilent, MuteHost

LIMIT_S = 6.0
ID = "i4ir3kvv62odsfrhko4y8w2an"
START = """
import sys
import inductiva_widgets as iw
iw.connect(key="key", url=sys.argv[1], output_dir=sys.argv[2])
task = iw.Task("i4ir3kvv62odsfrhko4y8w2an")
"""
MB = 1_000_000


class Child:
    """A process in some phase of its work."""

    def __init__(self, folder, url, code, *before):
        folder.mkdir()
        self.target = folder / "out"
        self.log = folder / "said"
        words = [sys.executable, "-c", START + code, url, str(self.target)]
        paths = ":".join(filter(None, sys.path))
        environment = {**os.environ, "PYTHONPATH": paths, "HOME": str(folder)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*before, *words], env=environment, stdout=log, stderr=log
            )

    def reached(self, condition):
        def look():
            assert self.process.poll() is None, self.log.read_text()
            return condition()

        wait_until(look, 60)

    def interrupt(self):
        """Seconds until it has ended."""
        since = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        return time.monotonic() - since

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)


@pytest.fixture
def service():
    """One task, whose state and storage each phase chooses."""
    with contextlib.closing(ScriptedServer()) as started:
        started.task = {"task_id": ID, "id": ID, "status": "success", "is_terminated": True}
        started.link = f"{started.url}/output.zip?X-Signature=x"
        started.silent = ()

        def answer(asked):
            if any(asked.path.startswith(path) for path in started.silent):
                return SILENCE
            if asked.path.startswith("/storage/signed-urls"):
                return ok([started.link])
            if asked.path.startswith("/compute"):
                return ok({"id": "g", "name": "local", "started": True})
            return ok(started.task)

        started.route = answer
        yield started


@pytest.fixture
def child(tmp_path, record_property):
    """Starts the process of a phase; told to, interrupts it and says how long it took."""
    with contextlib.ExitStack() as ends:

        def start(url, code, *before):
            made = Child(tmp_path / "child", url, code, *before)
            ends.callback(made.close)
            return made

        yield start


def check(child):
    took_s = child.interrupt()
    said = child.log.read_text()
    assert child.process.returncode in (130, -signal.SIGINT), said
    assert "KeyboardInterrupt" in said
    assert took_s < LIMIT_S, said
    sys.stdout.write(f"{took_s:.2f} s\n")


def asked(server, path, count=1):
    return lambda: sum(path in one.path for one in server.asked) >= count


@pytest.mark.fault(12)
@pytest.mark.skipif(
    not (sys.platform == "linux" and os.geteuid() == 0 and shutil.which("unshare")),
    reason="only root may give a process a resolver of its own",
)
def test_while_a_name_is_looked_up(child, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("127.0.0.77", 53))
        resolver.settimeout(60)
        (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.77\n")
        mount = f"mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && exec "
        before = ["unshare", "-m", "sh", "-c", mount + '"$0" "$@"']
        looking = child("https://api.service.test", "iw.tasks.get()", *before)

        assert b"service" in resolver.recv(1000)
        check(looking)


@pytest.mark.fault(5)
def test_while_it_connects(child):
    with contextlib.closing(MuteHost(full=True, scheme="http")) as host:
        url = host.url().removesuffix("/output.zip?X-Signature=x")
        connecting = child(url, "iw.tasks.get()")
        process = psutil.Process(connecting.process.pid)
        connecting.reached(
            lambda: any(one.status == "SYN_SENT" for one in process.net_connections())
        )

        check(connecting)


@pytest.mark.fault(5)
def test_while_it_lists(child, service):
    service.silent = ("/tasks",)
    listing = child(service.url, "iw.tasks.list(last_n=None)")
    listing.reached(asked(service, "/tasks"))

    check(listing)


@pytest.mark.fault(5)
def test_while_it_reads_the_other_pages(child, service):
    first = {
        "total_size": 5000,
        "tasks": [{**service.task, "task_id": f"t{i}"} for i in range(500)],
    }
    answer = service.route
    service.route = lambda asked: ok(first) if "page=1&" in asked.path else answer(asked)
    service.silent = ("/tasks",)
    listing = child(service.url, "iw.tasks.list(last_n=None)")
    listing.reached(asked(service, "/tasks?page=", 9))

    check(listing)


@pytest.mark.fault(5)
def test_while_it_asks_for_histories(child, service):
    service.silent = ("/tasks",)
    asking = child(service.url, "iw.tasks.timeline([f't{i}' for i in range(40)])")
    asking.reached(asked(service, "/tasks/t", 16))

    check(asking)


@pytest.mark.fault(5, 66)
def test_while_it_fetches_a_range(child, service):
    with contextlib.closing(
        ArchiveServer(zipped({"a.bin": bytes(9 * MB)}, stored=True))
    ) as storage:
        silence = FallsSilent(storage, 1)
        storage.faults.append(silence)
        service.link = storage.url
        fetching = child(service.url, "task.download_outputs()")
        fetching.reached(silence.reached.is_set)

        check(fetching)


@pytest.mark.fault(66)
def test_while_it_inflates(child, service):
    noise = bytes(i * i % 251 for i in range(2000))
    body = zipped({"large.bin": noise * (300 * MB // len(noise))})
    with contextlib.closing(ArchiveServer(body)) as storage:
        service.link = storage.url
        inflating = child(service.url, "task.download_outputs()")
        inflating.reached(
            lambda: any(part.stat().st_size > MB for part in inflating.target.rglob("*.part"))
        )

        check(inflating)


@pytest.mark.fault(66, 69)
def test_while_it_writes(child, service):
    body = zipped({f"small/{number:05}.txt": b"%d" % number for number in range(60_000)})
    with contextlib.closing(ArchiveServer(body)) as storage:
        service.link = storage.url
        writing = child(service.url, "task.download_outputs()")
        writing.reached(lambda: next(writing.target.rglob("small/*.txt"), None))

        check(writing)


def test_while_it_waits(child, service):
    service.task |= {"status": "computation-started", "is_terminated": False}
    waiting = child(service.url, "task.wait()")
    waiting.reached(asked(service, ID))

    check(waiting)
    assert "goes on" in (waiting.log.read_text())


@pytest.mark.fault(11)
def test_while_it_uploads_the_inputs(child, service):
    service.task |= {"status": "pending-input", "is_terminated": False}
    service.silent = ("/output.zip",)
    place = "machine_group='local', container_image='docker://x'"
    uploading = child(service.url, f"iw.tasks.submit(['true'], {place})")
    uploading.reached(asked(service, "/output.zip"))

    check(uploading)
    assert service.paths()[-1] == f"POST /tasks/{ID}/kill"  # no half-made task is left


@pytest.mark.fault(11)
def test_while_a_kill_is_confirmed(child, service):
    service.task |= {"status": "pending-kill", "is_terminated": False}
    killing = child(service.url, "task.kill(wait_timeout=60)")
    killing.reached(asked(service, f"/tasks/{ID}/kill"))
    killing.reached(asked(service, f"/tasks/{ID}", 3))

    check(killing)


@pytest.mark.fault(5)
def test_while_it_collects(child, service):
    service.silent = ("/output.zip",)
    collecting = child(
        service.url,
        "iw.tasks.collect([ID + str(i) for i in range(30)], 'a.csv')".replace("ID", repr(ID)),
    )
    collecting.reached(asked(service, "/output.zip", 5))

    check(collecting)
