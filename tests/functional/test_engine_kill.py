"""Kill ends the whole tree, ends it once, and ends nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from raw_engine import gone
from waiting import wait_until

GRACE_S = 0.5  # of the shared engine
STUBBORN_TREE = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
level = int(sys.argv[1])
if level:
    argv = [sys.executable, __file__, str(level - 1)]
    subprocess.Popen(argv, start_new_session=level == 1)
with open(f"pid{level}.txt", "w") as file:
    file.write(str(os.getpid()))
os.rename(f"pid{level}.txt", f"pid{level}")
time.sleep(120)
"""


def kill(engine, task_id):
    return engine.call("POST", f"/tasks/{task_id}/kill")


def running_tree(engine, files, *names):
    """A running task, and the processes that wrote their numbers into these files."""
    task_id = engine.submit("python tree.py 2", files=files)
    paths = [engine.work_folder(task_id) / name for name in names]
    # Written, not only opened: a program may be caught in between.
    wait_until(lambda: all(path.exists() and path.read_text() for path in paths))
    return task_id, [psutil.Process(int(path.read_text())) for path in paths]


@pytest.mark.fault(119)
def test_a_task_waiting_for_inputs_is_killed_at_once(engine):
    task_id = engine.create("true")

    reply = kill(engine, task_id)

    assert reply.status_code == 200
    assert reply.json() == {
        "id": task_id,
        "status": "killed",
        "position_in_queue": None,
        "is_terminated": True,
    }
    task = engine.get(f"/tasks/{task_id}")
    assert [entry["status"] for entry in task["status_history"]] == ["pending-input", "killed"]
    assert task["end_time"]
    assert task["executer"] is None


def test_inputs_of_a_killed_task_do_not_queue_it(engine):
    task_id = engine.create("true")
    kill(engine, task_id)
    engine.put(f"{task_id}/input.zip", b"")

    assert engine.call("POST", f"/tasks/{task_id}/input_uploaded").status_code == 400
    assert engine.status(task_id)["status"] == "killed"


@pytest.mark.fault(119)
def test_a_queued_task_is_killed_at_once_and_never_runs(start_engine):
    engine = start_engine("--slots", "1", "--kill-grace", "0.5")
    running = engine.submit("sleep 60")
    engine.reach(running, "computation-started")
    queued = engine.submit("true")

    assert kill(engine, queued).json()["status"] == "killed"

    kill(engine, running)
    engine.finish(running)
    assert engine.get(f"/tasks/{queued}")["start_time"] is None


def test_a_running_task_passes_through_pending_kill_and_keeps_its_outputs(engine):
    code = "import time\nopen('part.txt', 'w').write('so far')\ntime.sleep(120)"
    task_id = engine.submit("python run.py", files={"run.py": code})
    wait_until((engine.work_folder(task_id) / "part.txt").exists)

    reply = kill(engine, task_id)

    assert reply.json()["status"] in ("pending-kill", "killed")
    task = engine.finish(task_id)
    statuses = [entry["status"] for entry in task["status_history"]]
    assert statuses[-2:] == ["pending-kill", "killed"]
    assert task["computation_end_time"]
    assert engine.output(task_id, "part.txt") == "so far"


@pytest.mark.fault(118)
def test_a_tree_that_ignores_term_and_left_its_session_is_gone_after_the_grace(engine):
    task_id, tree = running_tree(engine, {"tree.py": STUBBORN_TREE}, "pid2", "pid1", "pid0")

    started_s = time.monotonic()
    kill(engine, task_id)
    task = engine.finish(task_id)

    assert task["status"] == "killed"
    assert time.monotonic() - started_s < GRACE_S + 2
    assert all(map(gone, tree))


@pytest.mark.fault(118)
def test_an_orphaned_grandchild_in_its_own_session_is_found(engine):
    end = "while level and not os.path.exists('pid0'): time.sleep(0.01)\nif not level: "
    code = STUBBORN_TREE.replace("time.sleep(120)", end + "time.sleep(120)")
    task_id, (orphan,) = running_tree(
        engine, {"tree.py": code.replace("=level == 1", "=True")}, "pid0"
    )

    engine.finish(task_id)

    assert gone(orphan)


@pytest.mark.fault(118)
def test_a_stopped_process_is_killed_as_well(engine):
    code = "import os, signal\nopen('pid', 'w').write(str(os.getpid()))\nos.kill(os.getpid(), 19)"
    task_id, (stopped,) = running_tree(engine, {"tree.py": code}, "pid")
    wait_until(lambda: stopped.status() == psutil.STATUS_STOPPED)

    kill(engine, task_id)

    assert engine.finish(task_id)["status"] == "killed"
    assert gone(stopped)


def test_term_gives_a_program_the_time_to_clean_up(engine):
    code = (
        "import signal, time\n"
        "def end(*_):\n    open('clean.txt', 'w').write('yes')\n    raise SystemExit\n"
        "signal.signal(signal.SIGTERM, end)\nopen('ready', 'w').close()\ntime.sleep(120)"
    )
    task_id = engine.submit("python run.py", files={"run.py": code})
    wait_until((engine.work_folder(task_id) / "ready").exists)

    kill(engine, task_id)
    engine.finish(task_id)

    assert engine.output(task_id, "clean.txt") == "yes"


def test_nothing_else_is_signalled(engine):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"]) as bystander:
        task_id = engine.submit("sleep 120")
        other = engine.submit("sleep 1")
        engine.reach(task_id, "computation-started")

        kill(engine, task_id)
        engine.finish(task_id)

        assert bystander.poll() is None
        assert engine.process.poll() is None
        assert engine.finish(other)["status"] == "success"
        bystander.kill()


@pytest.mark.fault(119)
def test_a_second_kill_is_harmless_and_a_late_one_refused(engine):
    task_id = engine.submit("python tree.py 0", files={"tree.py": STUBBORN_TREE})
    wait_until((engine.work_folder(task_id) / "pid0").exists)

    replies = [kill(engine, task_id) for _ in range(3)]

    assert {reply.status_code for reply in replies} == {200}
    task = engine.finish(task_id)
    assert [entry["status"] for entry in task["status_history"]].count("killed") == 1
    late = kill(engine, task_id)
    assert late.status_code == 400
    assert "killed" in late.json()["detail"]


@pytest.mark.fault(119)
@pytest.mark.parametrize("delay_s", [0, 0.005, 0.01, 0.02, 0.04, 0.08])
def test_a_kill_at_any_moment_leaves_one_terminal_state(engine, delay_s):
    task_id = engine.submit("true")
    time.sleep(delay_s)

    code = kill(engine, task_id).status_code
    task = engine.finish(task_id)

    statuses = [entry["status"] for entry in task["status_history"]]
    assert task["status"] == ("killed" if code == 200 else "success")
    assert sum(status in ("killed", "success") for status in statuses) == 1


def test_a_task_that_asks_to_kill_its_engine_group_only_hits_itself(engine):
    task = engine.run("python group.py", files={"group.py": "import os\nos.killpg(0, 15)"})

    assert "killed by signal 15" in task["error_detail"]
    assert os.getpgid(engine.pid) != 0
    assert engine.process.poll() is None
    assert signal.Signals(15).name in task["error_detail"]
