"""The official client, unmodified, looks at tasks that run on the local engine."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
from pathlib import Path

import pytest
from raw_engine import launch
from waiting import wait_until

HERE = Path(__file__).resolve().parent
STEPS = """
import pathlib, sys, time
pathlib.Path("vtk").mkdir()
pathlib.Path("vtk/a.vtk").write_text("a")
pathlib.Path("empty.txt").touch()
pathlib.Path("data.bin").write_bytes(bytes(100))
print("first")
print("ready", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.02)
print("one more")
print("last words", file=sys.stderr)
"""

pytestmark = [
    pytest.mark.timeout(600),  # the first run installs the official client
    pytest.mark.skipif(importlib.util.find_spec("aiortc") is None, reason="aiortc is missing"),
]


@pytest.fixture(scope="module", autouse=True)
def _has_address():
    from aioice.ice import get_host_addresses

    if not get_host_addresses(use_ipv4=True, use_ipv6=True):
        pytest.skip("no network but loopback, which WebRTC does not offer")


@pytest.fixture(scope="module")
def live_engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live") / "data"
    with contextlib.closing(launch(folder, "--port", "0", "--kill-grace", "0.5")) as started:
        yield started


@pytest.fixture(scope="module")
def official_here(official, live_engine, tmp_path_factory):
    home = tmp_path_factory.mktemp("official-live")
    return dataclasses.replace(official, url=live_engine.url, key=live_engine.key, home=home)


def started(engine, gate):
    task_id = engine.submit(f"python steps.py {gate}", files={"steps.py": STEPS})
    engine.reach(task_id, "computation-started")
    log = engine.data_dir / "work" / task_id / "stdout.txt"
    wait_until(lambda: log.exists() and log.read_bytes().endswith(b"ready\n"))
    return task_id


@pytest.fixture(scope="module")
def found(official_here, live_engine, tmp_path_factory):
    """What it said, in one process."""
    gate = tmp_path_factory.mktemp("gate") / "open"
    task_id = started(live_engine, gate)
    try:
        done = official_here.python(
            HERE / "live_steps.py",
            task_id,
            gate,
            INDUCTIVA_DISABLE_IMPORT_INFO="true",
            INDUCTIVA_DISABLE_ANSI="true",
        )
    finally:
        gate.touch()
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_list_files(found):
    tree, code = found["list_files"]

    assert code == 0
    assert tree.startswith("stdout.txt\nstderr.txt\n")
    assert "vtk/\n└── vtk/a.vtk\n" in tree


def test_top(found):
    text, code = found["top"]

    assert code == 0
    assert "PID" in text


def test_last_modified_file(found):
    text, code = found["last_modified_file"]

    assert code == 0
    assert "Most Recent File: /workdir/" in text
    assert "Time Since Last Modification: 0:0" in text


def test_tail_files(found):
    assert found["tail"] == "┌ (last 2 lines from stdout.txt)\n│first\n│ready\n└\n"
    assert found["empty"].startswith("┌ (last 0 lines from empty.txt)\n")
    assert found["unknown"] == "File not found: nope.txt"
    assert found["binary"] == "File is not a text file: data.bin"


def test_tail_files_follows_to_the_end(found):
    lines = found["followed"].replace("│", "").split("\n")

    printed = ["first", "ready", "one more"]
    assert [line for line in lines if line in printed] == printed
    assert "last words" in lines  # somewhere: each file has a connection of its own
    assert lines.count(" -------") == 2  # of both files: everything came


def test_inductiva_logs(official_here, live_engine, tmp_path):
    """The command follows both logs, and ends with the task."""
    gate = tmp_path / "open"
    task_id = started(live_engine, gate)
    program = official_here.start("logs", task_id, INDUCTIVA_DISABLE_ANSI="true")
    try:
        said = ""
        while "ready" not in said:
            line = program.stdout.readline()
            assert line, program.stderr.read()
            said += line
        gate.touch()
        rest, trouble = program.communicate(timeout=60)
    finally:
        gate.touch()
        program.kill()
        program.communicate()

    assert "one more" in rest, trouble
    assert "last words" in said + rest
    assert program.returncode == 0
