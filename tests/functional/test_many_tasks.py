"""Many tasks on real engines: waited for in a kernel, through a restart, killed together."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from urllib.parse import urlsplit

import nbclient
import nbformat
import pytest
from support import backend_at

from inductiva_widgets import tasks
from inductiva_widgets.ending import KillOutcome
from inductiva_widgets.errors import TaskFailedError
from inductiva_widgets.tasks import Task

FAIL = "import sys; print('no convergence', file=sys.stderr); sys.exit(3)"


@pytest.fixture
def backend(engine, tmp_path):
    with contextlib.closing(
        backend_at(engine.url, engine.key, tmp_path / "out", is_local=True)
    ) as made:
        yield made


def test_a_failure_among_many_says_why_and_what_its_log_said_last(engine, backend):
    good = engine.submit("python -c 'print(1)'")
    bad = engine.submit("python run.py", files={"run.py": FAIL})

    with pytest.raises(TaskFailedError) as caught:
        tasks.wait_all([good, bad], 30, raise_on_failure=True, backend=backend)

    first, *rest = str(caught.value).splitlines()
    assert "python run.py ended with exit code 3" in first
    assert rest == ["The end of its log:", "    no convergence"]


def test_running_queued_and_ended_tasks_are_killed_together(engine, backend):
    ended = engine.run("python -c 'print(1)'")["task_id"]
    others = [engine.submit("sleep 60") for _ in range(4)]  # two slots: two of them wait

    report = tasks.kill([*others, ended, "nosuchtask"], 20, backend=backend)

    assert str(report).splitlines()[0] == "4 of 6 killed; 1 already finished; 1 failed"
    assert report[ended].outcome is KillOutcome.ALREADY_ENDED
    assert [engine.status(task_id)["status"] for task_id in others] == ["killed"] * 4


def test_a_wait_survives_a_restart_of_the_engine(start_engine, tmp_path):
    folder = tmp_path / "data"
    first = start_engine("--kill-grace", "0.2", folder=folder)
    task_id = first.submit("sleep 60")
    first.reach(task_id, "computation-started")
    ended = []

    def wait():
        ended.extend(tasks.wait_all([task_id], 60, backend=there))
        ended.append(time.monotonic())

    with contextlib.closing(
        backend_at(first.url, first.key, tmp_path / "out", is_local=True)
    ) as there:
        waiting = threading.Thread(target=wait)
        waiting.start()
        task = Task(task_id, backend=there)
        called = threading.Event()
        task.on_done(lambda _: called.set())
        first.close()
        again = start_engine("--port", str(urlsplit(first.url).port), folder=folder)
        back = time.monotonic()
        again.call("POST", f"/tasks/{task_id}/kill")
        waiting.join(30)

        assert ended[0] == again.status(task_id)["status"]
        assert ended[1] - back < 15
        assert called.wait(15)


def test_a_cell_shows_one_line_for_all_tasks(engine, tmp_path):
    ids = [engine.submit(f"python -c 'print({number})'") for number in range(3)]
    code = (
        "import inductiva_widgets as iw\n"
        f"backend = iw.connect(open({str(engine.key_file)!r}).read().strip(), {engine.url!r})\n"
        f"iw.tasks.wait_all({ids!r}, 60)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    client = nbclient.NotebookClient(
        notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}
    )

    asyncio.run(client.async_execute())

    outputs = notebook.cells[0].outputs
    (line,) = [output for output in outputs if output.output_type == "display_data"]
    assert line.data["text/plain"] == "3 of 3 done"
    assert "width:100.00%" in line.data["text/html"]
    (result,) = [output for output in outputs if output.output_type == "execute_result"]
    assert result.data["text/plain"] == "['success', 'success', 'success']"
