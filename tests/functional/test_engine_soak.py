"""Many crashes, kills and tasks at once: a few here, as many as wanted by `make soak-engine`.

`python tests/functional/test_engine_soak.py crashes 100`, `… kills 100` and `… tasks 1000` print
what came of it; `… crashes 100 7` goes by the schedule of seed 7.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import requests
from raw_engine import REPOSITORY, RawEngine, command, gone, launch
from test_engine_kill import STUBBORN_TREE, running_tree
from waiting import wait_until

from inductiva_widgets.local.statuses import TERMINAL

CRASHES, KILLS, TASKS = 3, 2, 30
GRACE_S = 0.5
MOST_READY_S = 5.0
MOST_GONE_S = GRACE_S + 2.0
PATIENCE_S = 120.0
MARK = "SOAK"  # a variable in the environment of every command, by which a test knows its own

LEAVE_CHILD = """
import subprocess, time
subprocess.Popen(["sleep", "30"], start_new_session=True)
open("part.txt", "w").write("so far")
time.sleep(30)
"""
PRINT = "open('big.bin', 'wb').write(b'x' * 3_000_000)\nprint('y' * 500_000)"


@dataclass
class Tally:
    """What came of many tries: the seconds that each took, and what was wrong."""

    name: str
    most_s: float
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    tasks: int = 0

    def __str__(self) -> str:
        ranked = sorted(self.seconds)
        return (
            f"{len(ranked)} {self.name}, {self.tasks} tasks, {len(self.wrong)} wrong; seconds: "
            f"median {ranked[len(ranked) // 2]:.2f}, worst {ranked[-1]:.2f}, "
            f"{sum(one > self.most_s for one in ranked)} above {self.most_s:g}"
        )


# -- crashes -------------------------------------------------------------------------------------


class Client(threading.Thread):
    """Submits and kills until its engine is gone; remembers what was acknowledged."""

    def __init__(self, engine: RawEngine, generator: random.Random, mark: str) -> None:
        super().__init__(name="client")
        self._engine = engine
        self._generator = generator
        self._mark = mark
        self.made: list[str] = []
        self.queued: list[str] = []
        self.killed: list[str] = []

    def run(self) -> None:
        with contextlib.suppress(requests.RequestException, AssertionError):
            while True:
                self._act()

    def _act(self) -> None:
        what = self._generator.choice(("true", "leave", "print", "kill", "wait"))
        if what == "kill" and self.queued:
            task_id = self._generator.choice(self.queued)
            if self._engine.call("POST", f"/tasks/{task_id}/kill").status_code == 200:
                self.killed.append(task_id)
        if what in ("kill", "wait"):
            return
        text = "true" if what == "true" else "python run.py"
        task_id = self._engine.create(command(text, env={MARK: self._mark}))
        self.made.append(task_id)
        code = LEAVE_CHILD if what == "leave" else PRINT
        self._engine.upload_inputs(task_id, {"run.py": code})
        self.queued.append(task_id)


def crash(count: int, folder: Path, seed: int) -> Tally:
    """Kills the engine of one folder again and again, at any moment of its life."""
    generator = random.Random(seed)
    tally = Tally("kills of the engine", MOST_READY_S)
    made: set[str] = set()
    queued: set[str] = set()
    for number in range(count):
        if number % 3 == 2:
            die_while_starting(folder, generator.random())
        engine = ready(folder, tally)
        check_restart(engine, made, str(folder), tally)
        client = Client(engine, random.Random(generator.random()), str(folder))
        client.start()
        time.sleep(generator.choice((0.05, 0.3, 1.2)) * generator.random())
        os.kill(engine.pid, signal.SIGKILL)
        engine.process.communicate(timeout=10)
        client.join()
        made.update(client.made)
        queued.update(client.queued)
        tally.tasks = len(made)
    with contextlib.closing(ready(folder, tally)) as engine:
        check_restart(engine, made, str(folder), tally)
        check_end(engine, queued, tally)
    return tally


def ready(folder: Path, tally: Tally) -> RawEngine:
    """A new engine of the folder; how long it takes to answer is noted."""
    begun_s = time.monotonic()
    engine = launch(folder, "--port", "0", "--slots", "3", "--kill-grace", str(GRACE_S))
    engine.get("/tasks")
    tally.seconds.append(time.monotonic() - begun_s)
    return engine


def die_while_starting(folder: Path, delay_s: float) -> None:
    """An engine that is killed while it opens its folder and sorts out what is left there."""
    with subprocess.Popen(
        [sys.executable, "-m", "inductiva_widgets.local", "--port", "0", "--data-dir", folder],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as starting:
        time.sleep(delay_s)
        starting.kill()


def check_restart(engine: RawEngine, made: set[str], mark: str, tally: Tally) -> None:
    """Nothing acknowledged is missing, the database is whole, and no old process goes on."""
    with contextlib.closing(sqlite3.connect(engine.data_dir / "engine.db")) as database:
        (said,) = database.execute("PRAGMA integrity_check").fetchone()
        there = {row[0] for row in database.execute("SELECT task_id FROM tasks")}
    if said != "ok":
        tally.wrong.append(f"integrity: {said}")
    if lost := made - there:
        tally.wrong.append(f"lost: {lost}")
    born = psutil.Process(engine.pid).create_time()
    orphans = [one for one in marked(mark) if one.create_time() < born]
    try:
        wait_until(lambda: all(map(gone, orphans)), PATIENCE_S)
    except AssertionError:
        tally.wrong.append(f"orphans: {orphans}")


def marked(mark: str) -> list[psutil.Process]:
    """Processes of commands that were given the mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found


def check_end(engine: RawEngine, queued: set[str], tally: Tally) -> None:
    """Every task that was queued comes to one end."""
    for task_id in sorted(queued):
        if engine.status(task_id)["status"] not in TERMINAL:
            engine.call("POST", f"/tasks/{task_id}/kill")
    for task_id in sorted(queued):
        wait_until(lambda one=task_id: engine.status(one)["is_terminated"], PATIENCE_S)
        history = engine.get(f"/tasks/{task_id}")["status_history"]
        ends = [entry["status"] for entry in history if entry["status"] in TERMINAL]
        if len(ends) != 1:
            tally.wrong.append(f"{task_id}: {ends}")
    try:
        wait_until(lambda: not left(engine), PATIENCE_S)
    except AssertionError:
        tally.wrong.append(f"left: {left(engine)}")


def left(engine: RawEngine) -> list[Path]:
    """Folders of runs and unfinished files."""
    return [
        *(engine.data_dir / "work").iterdir(),
        *(engine.data_dir / "storage").rglob(".*.part"),
    ]


@pytest.mark.fault(112, 113)
def test_an_engine_killed_at_any_moment_loses_nothing(tmp_path):
    tally = crash(CRASHES, tmp_path / "data", 3)

    assert not tally.wrong
    assert len(tally.seconds) == CRASHES + 1
    assert tally.tasks


# -- kills ---------------------------------------------------------------------------------------


def kill(count: int, folder: Path) -> Tally:
    """Kills tasks of three levels that ignore TERM, one of them in a session of its own."""
    tally = Tally("kills of trees", MOST_GONE_S, tasks=count)
    options = ("--port", "0", "--slots", "1", "--kill-grace", str(GRACE_S))
    with (
        contextlib.closing(launch(folder, *options)) as engine,
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(10**6)"]) as bystander,
    ):
        for number in range(count):
            task_id, tree = running_tree(engine, {"tree.py": STUBBORN_TREE}, "pid2", "pid1", "pid0")
            begun_s = time.monotonic()
            engine.call("POST", f"/tasks/{task_id}/kill")
            try:
                wait_until(lambda tree=tree: all(map(gone, tree)), PATIENCE_S)
            except AssertionError:
                tally.wrong.append(f"{number}: {[one for one in tree if not gone(one)]}")
            tally.seconds.append(time.monotonic() - begun_s)
            status = engine.finish(task_id)["status"]
            if status != "killed":
                tally.wrong.append(f"{number}: {status}")
        if bystander.poll() is not None or engine.process.poll() is not None:
            tally.wrong.append("another process was hit")
        bystander.kill()
    return tally


@pytest.mark.fault(118)
def test_a_kill_ends_every_tree(tmp_path):
    tally = kill(KILLS, tmp_path / "data")

    assert not tally.wrong
    assert len(tally.seconds) == KILLS


# -- many at once --------------------------------------------------------------------------------


def crowd(count: int, folder: Path) -> Tally:
    """Queues tasks that exit at once, and looks at what the engine keeps of them."""
    tally = Tally("crowd", PATIENCE_S + count, tasks=count)
    with contextlib.closing(launch(folder, "--port", "0", "--slots", "2")) as engine:
        process = psutil.Process(engine.pid)
        engine.run("true")
        before = wait_until(lambda: not process.children() and process.num_fds())
        begun_s = time.monotonic()
        task_ids = [engine.submit("true") for _ in range(count)]
        wait_until(lambda: engine.status(task_ids[-1])["is_terminated"], PATIENCE_S + count)
        tasks = [engine.finish(task_id) for task_id in task_ids]
        tally.seconds.append(time.monotonic() - begun_s)
        if bad := [task["task_id"] for task in tasks if task["status"] != "success"]:
            tally.wrong.append(f"no success: {bad}")
        starts = [task["start_time"] for task in tasks]
        if starts != sorted(starts):
            tally.wrong.append("the order of the queue was not kept")
        try:
            wait_until(lambda: not process.children() and process.num_fds() <= before)
        except AssertionError:
            left = process.children()
            tally.wrong.append(f"left: {left}, {process.num_fds()} descriptors for {before}")
    return tally


@pytest.mark.fault(121)
def test_many_tasks_that_exit_at_once_leave_nothing_behind(tmp_path):
    tally = crowd(TASKS, tmp_path / "data")

    assert not tally.wrong


if __name__ == "__main__":
    what, number = sys.argv[1], int(sys.argv[2])
    chosen = int(sys.argv[3]) if sys.argv[3:] else int(time.time())
    with tempfile.TemporaryDirectory() as base:
        data = Path(base) / "data"
        match what:
            case "crashes":
                result = crash(number, data, chosen)
            case "kills":
                result = kill(number, data)
            case _:
                result = crowd(number, data)
    sys.stdout.write(f"seed {chosen}, {result}\n")
    for line in result.wrong:
        sys.stdout.write(f"{line}\n")
    sys.exit(bool(result.wrong) or max(result.seconds) > result.most_s)
