"""The command line about tasks that run, as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from waiting import wait_until

STEPS = """
import pathlib, time
print("\\x1b[2Jready", flush=True)
while not pathlib.Path("gate").exists():
    time.sleep(0.02)
print("one more")
"""


@pytest.fixture
def running(engine):
    task_id = engine.submit("python steps.py", files={"steps.py": STEPS})
    engine.reach(task_id, "computation-started")
    folder = engine.work_folder(task_id)
    log = folder.parent.parent / "stdout.txt"
    wait_until(lambda: log.exists() and log.read_bytes().endswith(b"ready\n"))
    yield task_id, folder / "gate"
    if folder.exists():
        (folder / "gate").touch()
    engine.finish(task_id)


@pytest.fixture
def start(engine, tmp_path):
    def start(*words):
        return subprocess.Popen(
            [sys.executable, "-c", "from inductiva_widgets.cli import main; main()", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={
                **os.environ,
                "INDUCTIVA_API_URL": engine.url,
                "INDUCTIVA_API_KEY": engine.key,
                "INDUCTIVA_WIDGETS_DATA_DIR": str(engine.data_dir),
                "INDUCTIVA_WIDGETS_LOCAL": "1",
            },
        )

    return start


@pytest.fixture
def run(start):
    def run(*words):
        program = start(*words)
        said, trouble = program.communicate(timeout=60)
        return program.returncode, said, trouble

    return run


def test_looks_at_a_running_task(run, running):
    task_id, _ = running

    assert run("tasks", "tail", task_id, "stdout.txt", "-l", "1") == (0, "\\u001b[2Jready\n", "")
    code, said, _ = run("tasks", "files", task_id, "--live", "--json")
    assert code == 0
    assert "stdout.txt" in [file["name"] for file in json.loads(said)["files"]]
    assert "stdout.txt" in run("tasks", "list-files", task_id)[1]
    assert "PID" in run("tasks", "top", task_id)[1]
    assert "Most Recent File" in run("tasks", "last-modified-file", task_id)[1]
    code, said, trouble = run("tasks", "tail", task_id, "nope.txt")
    assert (code, said) == (1, "")
    assert "has no file 'nope.txt'" in trouble


def test_logs_follow_to_the_end(start, run, running, engine):
    task_id, gate = running
    program = start("logs", task_id, "--stdout", "--json")
    said = [program.stdout.readline()]
    while "ready" not in said[-1]:
        assert said[-1], program.stderr.read()
        said.append(program.stdout.readline())

    gate.touch()
    rest, trouble = program.communicate(timeout=60)

    assert program.returncode == 0
    lines = [json.loads(line) for line in (*said, *rest.splitlines())]
    assert lines[-2:] == [
        {"file": "stdout.txt", "line": "one more"},
        {"file": "stdout.txt", "line": " -------"},
    ]
    assert trouble == "The task has ended (success): no more lines come.\n"
    engine.finish(task_id)
    code, _, trouble = run("tasks", "list-files", task_id)
    assert code == 1
    assert "has ended (Success)" in trouble
