"""Failed runs on the real engine: their cause, and the end of their log, without a download."""

from __future__ import annotations

import itertools

import pytest

from inductiva_widgets.outputs.remote import RemoteArchive

DIVERGING = """
u, dt = 1.0, 3.0
for step in range(4000):
    u = u - dt * u * u * u
    if step % 500 == 0:
        print(f"step {step} residual {u}")
    if u != u:
        print(f"step {step} residual {u}")
        raise SystemExit("no convergence")
"""
CRASH = "import os, signal\nprint('step 1', flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)\n"
LIBRARY = "import ctypes\nctypes.CDLL('libnosuchsolver.so.3')\n"
INPUT = "import json\njson.load(open('case.json'))\n"
RUNS = {
    "diverged": ({"run.py": DIVERGING}, "python run.py", {}),
    "library": ({"run.py": LIBRARY}, "python run.py", {}),
    "input": ({"run.py": INPUT, "case.json": '{"h": }'}, "python run.py", {}),
    "crash": ({"run.py": CRASH}, "python run.py", {}),
    "not-found": ({}, "nosuchsolver case.json", {}),
    "time-limit": ({}, "sleep 60", {"time_to_live_seconds": 0.2}),
}
SENTENCES = {
    "diverged": "python run.py diverged: its values are no longer numbers (NaN).",
    "library": "python run.py could not run: the library libnosuchsolver.so.3 is missing.",
    "input": "python run.py could not read its input.",
    "crash": "python run.py crashed (segmentation fault).",
    "not-found": "The command nosuchsolver was not found (exit code 127).",
    "time-limit": "The task reached its time limit and was stopped.",
}
LAST_LINES = {
    "diverged": "no convergence",
    "library": "OSError: libnosuchsolver.so.3: cannot open shared object file",
    "input": "json.decoder.JSONDecodeError",
    "crash": "killed by signal 11 (SIGSEGV)",
    "not-found": "command not found",
}


@pytest.fixture(scope="module")
def failed(engine):
    """Every failing run, by its kind; they run beside one another."""
    started = {
        kind: engine.submit(command, files=files, **more)
        for kind, (files, command, more) in RUNS.items()
    }
    return {kind: engine.finish(task_id)["task_id"] for kind, task_id in started.items()}


def call(service, method, task_id, **more):
    result, buffers = service.call(method, {"task_id": task_id, **more})
    assert buffers == []
    return result


@pytest.mark.parametrize("kind", RUNS)
def test_the_cause_and_the_last_lines_of_a_failed_run(service, failed, kind):
    told = call(service, "task.failure", failed[kind])

    assert told["cause"]["kind"] == kind
    assert told["cause"]["sentence"] == SENTENCES[kind]
    assert told["cause"]["step"]
    if kind in LAST_LINES:
        assert told["tail"]["file"] == "stderr.txt"
        assert told["tail"]["lines"][-1].startswith(LAST_LINES[kind])
        assert len(told["tail"]["lines"]) <= 10
        assert told["tail"]["total"] >= len(told["tail"]["lines"])


def test_the_frames_of_the_machine_are_no_lines_of_the_log(service, failed):
    lines = call(service, "task.failure", failed["crash"])["tail"]["lines"]

    assert lines == ["killed by signal 11 (SIGSEGV)"]


def test_a_stderr_without_words_gives_way_to_stdout(engine, service):
    record = engine.run("python run.py", files={"run.py": "print('so long')\nraise SystemExit(7)"})

    told = call(service, "task.failure", record["task_id"])

    assert told["tail"] == {"file": "stdout.txt", "lines": ["so long"], "total": 1}
    assert told["cause"]["sentence"] == "python run.py ended with exit code 7."


def test_a_long_log_is_read_from_its_end_by_ranges(engine, service, monkeypatch):
    script = (
        "import random, sys\nrandom.seed(1)\n"
        "open('big.bin', 'wb').write(random.randbytes(3_000_000))\n"
        "for i in range(5000): print('line', i, file=sys.stderr)\nsys.exit(3)\n"
    )
    record = engine.run("python run.py", files={"run.py": script})
    read = itertools.count()
    read_bytes = [0]
    stream = RemoteArchive.stream

    def counted(self, need, *more):
        next(read)
        for piece in stream(self, need, *more):
            read_bytes[0] += len(piece)
            yield piece

    monkeypatch.setattr(RemoteArchive, "stream", counted)

    told = call(service, "task.failure", record["task_id"])

    assert told["tail"]["lines"] == [f"line {i}" for i in range(4990, 5000)]
    assert told["tail"]["total"] is None
    assert next(read) > 0
    assert read_bytes[0] < record["metrics"]["output_zipped_size_bytes"] / 10


def test_a_run_that_went_well_has_no_cause_and_no_tail_is_read(engine, service):
    record = engine.run("echo done")

    told = call(service, "task.failure", record["task_id"])

    assert told == {"cause": None, "tail": None}


def test_details_tell_phases_commands_and_facts(engine, service):
    record = engine.run(
        "python -c pass", "false", "echo never", files={"a.txt": "a"}, project="compared"
    )

    told = call(service, "task.details", record["task_id"])

    commands = [phase for phase in told["phases"] if phase["kind"] == "command"]
    assert [(c["command"], c["exit_code"], c["state"]) for c in commands] == [
        ("python -c pass", 0, "done"),
        ("false", 1, "failed"),
    ]
    assert told["commands"] == ["python -c pass", "false", "echo never"]
    assert told["cause"]["sentence"] == "false ended with exit code 1."
    assert told["container_image"] == "docker://inductiva/kutu:test"
    assert told["machine"]["cpus"] >= 1
    assert told["cost_per_hour"] is None
    assert told["refresh_in_s"] is None
    starts = [phase["start"] for phase in told["phases"]]
    assert starts == sorted(starts)


def test_details_follow_the_commands_of_a_running_task(engine, service):
    task_id = engine.submit("python -c pass", "sleep 60")
    try:
        engine.reach(task_id, "computation-started")
        told = call(service, "task.details", task_id, refresh=True)
        assert told["refresh_in_s"] is not None
        assert told["phases"][-1]["state"] == "running"
        assert told["phases"][-1]["end"] is None
    finally:
        engine.call("POST", f"/tasks/{task_id}/kill")
        engine.finish(task_id)


def test_usual_times_come_from_lists_that_somebody_asked_for(engine, service):
    records = [engine.run("python -c pass") for _ in range(3)]
    task_id = records[0]["task_id"]
    assert call(service, "task.details", task_id)["usual_seconds"] is None

    service.call("tasks.list", {"last_n": 10})

    assert call(service, "task.details", task_id)["usual_seconds"] > 0
