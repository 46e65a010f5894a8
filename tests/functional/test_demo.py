"""`make demo`: one line with the address, everything ended by Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "demo.py"


@pytest.fixture
def start(tmp_path):
    """Starts the demo in a folder of its own; whatever is left of it afterwards is ended."""
    started = []

    def start_demo(**environment):
        process = subprocess.Popen(
            [sys.executable, SCRIPT],
            env={
                **os.environ,
                "NO_BROWSER": "1",
                "NODE_DISABLE_COMPILE_CACHE": "1",
                "DEMO_DIR": str(tmp_path),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_demo
    for process in started:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
        process.communicate()


def test_one_line_with_the_address_and_nothing_left_after_ctrl_c(start):
    demo = start()
    line = demo.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+/lab/tree/01_quickstart\.ipynb\?token=\w+", line)
    assert address, line + demo.stderr.read()
    with urllib.request.urlopen(address[0], timeout=10) as page:
        assert page.status == 200
    family = psutil.Process(demo.pid).children(recursive=True)
    assert len(family) >= 2

    demo.send_signal(signal.SIGINT)

    assert demo.wait(30) == 0
    assert demo.stdout.read() == ""
    assert demo.stderr.read() == ""
    _, left = psutil.wait_procs(family, timeout=10)
    assert not left


def test_a_taken_port_is_said(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        demo = start(PORT=str(taken.getsockname()[1]))
        _, message = demo.communicate(timeout=60)

    assert demo.returncode == 1
    assert "PORT" in message
