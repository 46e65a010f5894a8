"""A running task as views see it: its log followed, its files, its machine; on the real engine."""

from __future__ import annotations

import threading

import msgspec
import pytest
from waiting import wait_until

from inductiva_widgets.errors import LiveUnavailableError, UserInputError

# Writes a line for each file that the test puts beside it, and ends with `end`.
SOLVE = """
import pathlib, sys, time
print("Starting time loop", flush=True)
print("warning: coarse mesh", file=sys.stderr, flush=True)
pathlib.Path("vtk").mkdir()
pathlib.Path("vtk/first.vtk").write_text("x" * 1000)
for step in range(1, 2000):
    print(f"Time = {step / 2000}", flush=True)
    if pathlib.Path("end").exists():
        break
    time.sleep(0.05)
for line in range(3000):
    print(f"rest {line}")
"""
CONTROL = "stopAt endTime;\nendTime 1;\n"


@pytest.fixture
def running(engine):
    """A task that writes until it is told to end."""
    files = {"solve.py": SOLVE, "case/system/controlDict": CONTROL}
    task_id = engine.submit("python solve.py", files=files)
    engine.reach(task_id, "computation-started")
    yield task_id
    engine.call("POST", f"/tasks/{task_id}/kill")
    wait_until(lambda: engine.get(f"/tasks/{task_id}/status")["is_terminated"])


class Heard:
    """What a view was told: the lines of each log by their numbers, states, progress."""

    def __init__(self):
        self.lock = threading.Lock()
        self.lines = {"stdout.txt": {}, "stderr.txt": {}}
        self.states = []
        self.progress = []

    def __call__(self, message):
        event = message["event"]
        with self.lock:
            if event["kind"] == "progress":
                self.progress.append(event["progress"])
                return
            self.states.append(event["state"])
            for chunk in event["chunks"]:
                for number, line in enumerate(chunk["text"].split("\n"), chunk["line"]):
                    self.lines[chunk["name"]][number] = line

    def all(self, name="stdout.txt"):
        with self.lock:
            return [self.lines[name][number] for number in sorted(self.lines[name])]


def end(engine, task_id):
    (engine.work_folder(task_id) / "end").touch()


def threads(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_a_log_is_followed_to_its_end_with_both_streams_and_the_progress(service, engine, running):
    heard = Heard()
    logs = service.subscribe(f"logs/{running}", heard)
    progress = service.subscribe(f"progress/{running}", heard)
    wait_until(lambda: len(heard.all()) > 5 and heard.all("stderr.txt"))
    wait_until(lambda: any(told and told["end"] == 1.0 for told in heard.progress))
    end(engine, running)
    wait_until(lambda: heard.states[-1] == "ended")
    logs.close()
    progress.close()

    lines = heard.all()
    assert lines.index("Time = 0.0005") < lines.index("Time = 0.001")
    assert sum(line.startswith("rest ") for line in lines) == 3000
    assert "rest 2999" in lines[-5:]  # the machine may frame what a command wrote
    assert "warning: coarse mesh" in heard.all("stderr.txt")
    assert sorted(heard.lines["stdout.txt"]) == list(range(len(lines)))  # none was left out
    assert "following" in heard.states
    told = [each["value"] for each in heard.progress if each]
    assert told == sorted(told)
    assert {each["unit"] for each in heard.progress if each} == {"s"}


def test_a_late_listener_catches_up_and_the_last_one_ends_the_following(service, running):
    first, late = Heard(), Heard()
    one = service.subscribe(f"logs/{running}", first)
    wait_until(lambda: len(first.all()) > 5)
    other = service.subscribe(f"logs/{running}", late)
    wait_until(lambda: len(late.all()) > 5)

    assert late.all()[:5] == first.all()[:5]
    one.close()
    count = len(late.all())
    wait_until(lambda: len(late.all()) > count)
    other.close()
    wait_until(lambda: not threads("inductiva-live-logs"))


def test_files_by_now_and_the_newest_one(service, running):
    wait_until(lambda: "vtk/first.vtk" in _files(service, running)["files"])
    told = _files(service, running)

    assert {"stdout.txt", "stderr.txt", "solve.py"} <= {*told["files"]}
    if told["sizes"] is not None:
        assert told["sizes"][told["files"].index("vtk/first.vtk")] == 1000
    assert told["newest"]["name"] in told["files"]
    assert 0 <= told["newest"]["seconds_ago"] < 60
    assert told["quiet_after_s"] >= 180


def _files(service, task_id):
    return service.call("live.files", {"task_id": task_id})[0]


def test_the_machine_now(service, running):
    told, _ = service.call("live.top", {"task_id": running})

    assert told["processes"] == sorted(told["processes"], key=lambda row: -row["cpu"])
    assert len(told["processes"]) <= 12
    assert msgspec.json.encode(told)


def test_samples_of_the_machine_so_far(service, running):
    wait_until(lambda: service.call("machine.metrics", {"task_id": running})[0]["rows"] > 0)
    told, _ = service.call("machine.metrics", {"task_id": running})

    assert "cpu" in [column["kind"] for column in told["columns"]]


def test_a_task_that_does_not_run_says_so_in_one_sentence(service, engine):
    task_id = engine.run("python --version")["task_id"]

    with pytest.raises(LiveUnavailableError) as refused:
        service.call("live.files", {"task_id": task_id})
    assert refused.value.cause == "not-running"
    with pytest.raises(LiveUnavailableError):
        service.call("live.top", {"task_id": task_id})


def test_a_topic_without_a_task_is_refused(service):
    for topic in ("logs/../x", "logs/", "progress/#a", "logs/a b"):
        with pytest.raises(UserInputError):
            service.subscribe(topic, print)
