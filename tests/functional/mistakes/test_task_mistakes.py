"""Mistakes with ids, lists and ends of tasks."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from mistake_table import TASKS, mistake
from surroundings import connected

import inductiva_widgets as iw
from inductiva_widgets import errors


def official_task(task_id, host, key):
    """What a task of the official client is, as far as it matters."""
    configuration = SimpleNamespace(host=host, api_key={"APIKeyHeader": key})
    api = SimpleNamespace(api_client=SimpleNamespace(configuration=configuration))
    made = type("Task", (), {"__module__": "inductiva.tasks.task"})()
    made.id, made._api = task_id, api
    return made


@pytest.mark.fault(87)
@mistake(
    TASKS,
    "The id is a name, a path or an address",
    "{text} is no task id.",
    "An id is letters and digits, such as 'i4ir3kvv62odsfrhko4y8w2an'.",
)
def test_no_id(refused, done_id, backend):
    with refused(errors.UserInputError, text="'dam break'"):
        iw.Task("dam break")

    assert iw.Task(done_id).get_status() == "success"


@pytest.mark.fault(88)
@mistake(
    TASKS,
    "The id has a typing mistake, or the task is of another account",
    "This account has no task {id}.",
    "Check the id: inductiva_widgets.tasks.list() gives the tasks of the account.",
)
def test_unknown_id(refused, done_id, backend):
    with refused(errors.NotFoundError, id=done_id[:-1]):
        iw.Task(done_id[:-1]).get_status()

    found = next(
        task_id for task_id in iw.tasks.list(last_n=None).index if task_id.startswith(done_id[:-1])
    )
    assert iw.Task(found).get_status() == "success"


@pytest.mark.fault(92)
@mistake(
    TASKS,
    "The list is asked for a status that there is not",
    "{text} is no task status. Did you mean {meant}?",
    "Known are: {statuses}.",
)
def test_unknown_status(refused, done_id, backend):
    from inductiva_widgets.api.models import STATUSES

    known = ", ".join(STATUSES)
    values = {"text": "'succeeded'", "meant": "'success'", "statuses": known}
    with refused(errors.UserInputError, **values):
        iw.tasks.list(status="succeeded")

    assert done_id in iw.tasks.list(last_n=None, status="success").index


@pytest.mark.fault(91)
@mistake(
    TASKS,
    "last_n is 0, negative or no number",
    "last_n is {value}, but must be a number of at least 1.",
    "last_n=10 gives the ten newest, last_n=None all.",
)
def test_last_n_of_none(refused, done_id, backend):
    with refused(errors.UserInputError, value=0):
        iw.tasks.list(last_n=0)

    assert done_id in iw.tasks.list(last_n=None).index


@pytest.mark.fault(73)
@mistake(
    TASKS,
    "A date is written in another way",
    "{name} is {value}, which is no date or time.",
    "Write '2025-06-16', '2025-06-16 18:30' (UTC), a datetime, or a timedelta: so long ago.",
)
def test_odd_date(refused, done_id, backend):
    with refused(errors.UserInputError, name="since", value="'16/06/2025'"):
        iw.tasks.list(since="16/06/2025")

    assert done_id in iw.tasks.list(last_n=None, since="2025-06-16").index


@mistake(
    TASKS,
    "A time limit is a text or negative",
    "{name} is {value}, but must be seconds, at least 0.",
    "{name}=None sets no limit.",
)
def test_odd_time_limit(refused, done):
    with refused(errors.UserInputError, name="timeout", value="'10 s'"):
        done.wait(timeout="10 s")

    assert done.wait(timeout=None) == "success"


@mistake(
    TASKS,
    "The `wait_timeout` of a kill is a text or negative",
    "wait_timeout is {value}, but must be seconds, at least 0.",
    "wait_timeout=None sends the request and does not wait.",
)
def test_odd_time_limit_of_a_kill(refused, running):
    with refused(errors.UserInputError, value=-1):
        running.kill(wait_timeout=-1)
    assert running.is_running()

    assert running.kill(wait_timeout=None) in ("killed", "pending")
    assert running.wait(timeout=20) == "killed"


@mistake(
    TASKS,
    "The task did not end in the time given",
    "Task {id} did not end within {seconds} s; it goes on.",
    "Wait again, or kill it with task.kill().",
)
def test_waited_too_short(refused, running):
    from inductiva_widgets.formats import short_id

    with refused(errors.WaitTimeoutError, id=short_id(running.id), seconds="0.1"):
        running.wait(timeout=0.1)

    assert running.kill(wait_timeout=20)
    assert running.wait(timeout=20) == "killed"


@pytest.mark.fault(97)
@mistake(
    TASKS,
    "A script calls `tasks kill` with nobody at the terminal",
    "Nobody is here to be asked, so no task was killed.",
    "Add --yes to agree.",
)
def test_kill_without_a_terminal(request, run, engine, running, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_KEY", engine.key)
    row = request.function.row

    said = run("tasks", "kill", running.id)

    assert f"{row.says} {row.hint}" in said.err
    assert said.code == 2
    assert running.refresh() is not None
    assert not running.info.is_terminated
    assert run("tasks", "kill", running.id, "--yes", "--wait-timeout", "20").code == 0
    assert running.wait(timeout=20) == "killed"


@pytest.mark.fault(119)
@mistake(
    TASKS,
    "A task is killed that has ended (no error)",
    "Task {id} had already ended as {status}: nothing to kill.",
    "Nothing; its outputs are there.",
)
def test_kill_of_an_ended_task(request, run, engine, done, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_KEY", engine.key)

    said = run("tasks", "kill", done.id, "--yes")

    assert said.code == 0
    assert request.function.row.says.format(id=done.id, status="Success") in said.out
    assert not done.kill()
    assert len(done.get_output_info().contents) >= 3


@mistake(
    TASKS,
    "A frame without ids is used where tasks are wanted",
    "The frame has no index or column `task_id`.",
    "Take one that iw.tasks.list() made.",
)
def test_frame_without_ids(refused, done_id, backend):
    frame = iw.tasks.list(last_n=None)
    with refused(errors.UserInputError):
        iw.tasks.download(frame.reset_index(drop=True)[["status"]])

    report = iw.tasks.download(frame.loc[[done_id]], filenames=["results.csv"])
    assert done_id in report


@mistake(
    TASKS,
    "A frame is given to a view of one task",
    "A TaskMonitor shows a task id or a Task, not {kind}.",
    'For example TaskMonitor("i4ir3kvv62odsfrhko4y8w2an").',
)
def test_monitor_of_a_frame(refused, done_id, backend):
    with refused(errors.UserInputError, kind="DataFrame"):
        iw.TaskMonitor(iw.tasks.list())

    monitor = iw.TaskMonitor(done_id)
    assert monitor.task_id == done_id
    monitor.close()


@mistake(
    TASKS,
    "A task of the official client is shown, which is on another service",
    "This task belongs to another service than {name}.",
    "Connect to its service first: inductiva_widgets.connect(url=…).",
)
def test_official_task_of_another_service(refused, service, done_id, engine):
    task = official_task(done_id, engine.url, engine.key)
    with (
        connected(key=engine.key, url=service.url) as backend,
        refused(errors.UserInputError, name=backend.name),
    ):
        iw.TaskMonitor(task)

    with connected(key=engine.key, url=engine.url):
        iw.TaskMonitor(task).close()


@mistake(
    TASKS,
    "A task of the official client is shown, which has another key",
    "This task was made with another API key than the one used for {name}.",
    "Connect with its key first: inductiva_widgets.connect(key=…).",
)
def test_official_task_of_another_account(refused, done_id, engine):
    task = official_task(done_id, engine.url, engine.key)
    with (
        connected(key="another", url=engine.url) as backend,
        refused(errors.UserInputError, name=backend.name),
    ):
        iw.TaskMonitor(task)

    with connected(key=engine.key, url=engine.url):
        iw.TaskMonitor(task).close()


@mistake(
    TASKS,
    "A task of the official client is given to `iw.tasks`",
    "A task of the official client is not taken here.",
    "Give its id: inductiva_widgets.Task(task.id).",
)
def test_official_task_among_tasks(refused, done_id, engine, backend):
    task = official_task(done_id, engine.url, engine.key)
    with refused(errors.UserInputError):
        iw.tasks.download([task], filenames=["results.csv"])

    assert done_id in iw.tasks.download([iw.Task(task.id)], filenames=["results.csv"])


@mistake(
    TASKS,
    "Files of a running task are wanted, and WebRTC is not installed",
    "Live files of a running task need WebRTC, which is not installed.",
    "pip install 'inductiva_widgets[live]'",
)
def test_live_files_without_their_library(refused, running, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_WIDGETS_LIVE", "webrtc")
    with monkeypatch.context() as without, refused(errors.LiveUnavailableError):
        without.setitem(sys.modules, "aiortc", None)
        running.list_files()

    pytest.importorskip("aiortc", reason="what the hint installs")
    assert running.list_files() is not None
