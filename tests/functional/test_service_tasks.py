"""All tasks at once, and acts on many of them: the service's methods on the real engine."""

from __future__ import annotations

import contextlib
import gzip
import queue

import msgspec
import pytest
from support import backend_at

from inductiva_widgets import errors
from inductiva_widgets.api.config import normalise_url
from inductiva_widgets.service import bulk
from inductiva_widgets.service.dispatch import Service
from inductiva_widgets.service.protocol import TASK_COLUMNS, TaskSummary
from inductiva_widgets.tasks import downloading

MAKE = "import os\nos.mkdir('vtk')\nopen('vtk/a.vtk', 'w').write('x' * 9000)\n"
UNKNOWN = "nosuchtasknosuchtasknosuch"


@pytest.fixture
def backend(engine, tmp_path):
    url = normalise_url(engine.url)
    with contextlib.closing(backend_at(url, engine.key, tmp_path / "out", is_local=True)) as made:
        yield made


@pytest.fixture
def service(backend):
    with contextlib.closing(Service(backend)) as made:
        yield made


@pytest.fixture(scope="module")
def finished(engine):
    """Tasks that have ended with one file each."""
    files = {"make.py": MAKE}
    return [engine.run("python make.py", files=files)["task_id"] for _ in range(2)]


@pytest.fixture
def running(engine):
    ids = [engine.submit("sleep 60") for _ in range(2)]
    for task_id in ids:
        engine.reach(task_id, "computation-started")
    yield ids
    for task_id in ids:
        engine.call("POST", f"/tasks/{task_id}/kill")
        engine.finish(task_id)


@pytest.fixture
def requests_made(backend, monkeypatch):
    """What was asked of the service, as `(method, arguments)`."""
    made = []
    for name in ("task", "tasks", "status", "kill"):
        original = getattr(backend.client, name)

        def noted(*args, _name=name, _original=original, **kwargs):
            made.append((_name, args, kwargs))
            return _original(*args, **kwargs)

        monkeypatch.setattr(backend.client, name, noted)
    return made


def listed(service, **params):
    meta, (frame,) = service.call("tasks.all", params)
    columns = msgspec.json.decode(gzip.decompress(frame))
    assert {len(column) for column in columns.values()} <= {meta["count"]}
    return meta, columns


def batch_until_end(service, batch_id):
    messages = queue.Queue()
    service.subscribe(f"batch/{batch_id}", messages.put)
    seen = []
    while not seen or seen[-1]["state"] == "running":
        seen.append(messages.get(timeout=20)["event"]["batch"])
    return seen


def outcomes(service, task_ids):
    result, _ = service.call("tasks.kill", {"task_ids": task_ids})
    return {one["task_id"]: one["outcome"] for one in result["outcomes"]}


# -- all tasks ---------------------------------------------------------------------------------


def test_all_tasks_come_in_columns_with_the_values_of_their_summaries(service, engine, finished):
    engine.call("PATCH", f"/tasks/{finished[0]}/metadata", json={"case": "dam"})

    meta, columns = listed(service, refresh=True)

    row = columns["task_id"].index(finished[0])
    summary, _ = service.call("task.get", {"task_id": finished[0]})
    assert set(columns) == {*TASK_COLUMNS, "metadata"}
    assert {name: columns[name][row] for name in TASK_COLUMNS} == {
        name: summary[name] for name in TASK_COLUMNS
    }
    assert columns["metadata"][row] == {"case": "dam"}
    assert columns["metadata"][columns["task_id"].index(finished[1])] is None
    assert meta["count"] == meta["total"] == len(columns["task_id"])
    assert meta["backend"] == summary["backend"]


def test_columns_are_fields_of_the_summary():
    assert set(TASK_COLUMNS) <= set(TaskSummary.__struct_fields__)


def test_asked_again_at_once_nothing_is_sent(service, finished, requests_made):
    _, first = listed(service)
    asked = len(requests_made)

    _, again = listed(service)

    assert asked > 0
    assert again == first
    assert len(requests_made) == asked


def test_a_refresh_reads_the_newest_page_only(service, engine, finished, requests_made):
    listed(service)
    requests_made.clear()
    newest = engine.run("true")["task_id"]

    _, columns = listed(service, refresh=True)

    assert columns["task_id"][0] == newest
    assert [name for name, _, _ in requests_made] == ["tasks"]


def test_what_followers_of_the_list_hear_is_taken_in(service, engine, finished, requests_made):
    listed(service)
    requests_made.clear()
    heard = queue.Queue()
    service.subscribe("tasks", heard.put)
    newest = engine.run("true")["task_id"]
    while not any(
        task["task_id"] == newest and task["is_terminal"]
        for task in heard.get(timeout=20)["event"]["tasks"]
    ):
        pass
    _, columns = listed(service)

    assert columns["task_id"][0] == newest
    assert columns["is_terminal"][0] is True
    assert {(name, kwargs["per_page"]) for name, _, kwargs in requests_made} == {("tasks", 100)}


# -- kill --------------------------------------------------------------------------------------


def test_each_task_of_a_kill_has_its_own_outcome(service, running, finished, requests_made):
    told = outcomes(service, [*running, finished[0], UNKNOWN])

    assert [told[task_id] for task_id in running] == ["killed", "killed"]
    assert told[finished[0]] == "already-ended"
    assert told[UNKNOWN] == "failed"
    killed = {args[0] for name, args, _ in requests_made if name == "kill"}
    assert killed == set(running), "nothing is sent for tasks that have ended or do not exist"


def test_a_failed_kill_says_why(service):
    result, _ = service.call("tasks.kill", {"task_ids": [UNKNOWN]})

    assert result["outcomes"][0]["error"]["type"] == "NotFoundError"


@pytest.mark.parametrize("task_ids", [None, [], "abc", ["a/b"], [7], ["x"] * 1001])
@pytest.mark.parametrize("method", ["tasks.kill", "tasks.download"])
def test_what_is_no_list_of_ids_is_refused(service, method, task_ids):
    with pytest.raises(errors.UserInputError):
        service.call(method, {"task_ids": task_ids})


# -- download ----------------------------------------------------------------------------------


def test_the_same_files_of_each_task_are_delivered(service, backend, finished):
    state, _ = service.call("tasks.download", {"task_ids": finished, "filenames": ["vtk/*.vtk"]})

    end = batch_until_end(service, state["batch_id"])[-1]

    assert (end["state"], end["tasks"], end["tasks_done"]) == ("done", 2, 2)
    assert (end["files_done"], end["failures"]) == (2, [])
    assert end["bytes_done"] == end["bytes"] > 0
    for task_id in finished:
        folder = backend.config.output_dir / task_id / "outputs"
        assert [path.name for path in folder.rglob("*") if path.is_file()] == ["a.vtk"]


def test_one_task_without_the_files_leaves_the_others_alone(service, engine, finished):
    bare = engine.run("true")["task_id"]
    ids = [bare, *finished, UNKNOWN]

    state, _ = service.call("tasks.download", {"task_ids": ids, "filenames": ["vtk/a.vtk"]})
    end = batch_until_end(service, state["batch_id"])[-1]

    assert (end["state"], end["tasks_done"]) == ("failed", 4)
    assert {failure["task_id"] for failure in end["failures"]} == {bare, UNKNOWN}
    assert end["files_done"] == 2


def test_a_running_task_has_nothing_to_download_yet(service, running):
    state, _ = service.call("tasks.download", {"task_ids": running[:1]})
    end = batch_until_end(service, state["batch_id"])[-1]

    assert end["failures"][0]["error"]["type"] == "OutputsNotReadyError"


def test_a_plan_says_where_to_and_fetches_nothing(service, backend, finished):
    state, _ = service.call("tasks.download", {"task_ids": finished, "plan": True})

    assert (state["state"], state["tasks"]) == ("planned", 2)
    assert state["target"] == str(backend.config.output_dir)
    assert not backend.config.output_dir.exists()


def test_views_of_a_server_are_told_its_folder_by_name_only(backend, finished, tmp_path):
    with contextlib.closing(Service(backend, tmp_path / "inductiva_output")) as service:
        state, _ = service.call("tasks.download", {"task_ids": finished[:1]})
        end = batch_until_end(service, state["batch_id"])[-1]

    assert end["state"] == "done"
    assert str(tmp_path) not in repr(end)
    assert (tmp_path / "inductiva_output" / finished[0] / "outputs" / "vtk" / "a.vtk").is_file()


def test_a_cancelled_batch_begins_no_further_task(service, finished, monkeypatch):
    begun = []
    monkeypatch.setattr(downloading, "AT_ONCE", 1)
    deliver = bulk._Batch._deliver

    def noted(batch, task):
        begun.append(task.id)
        batch.cancel()
        deliver(batch, task)

    monkeypatch.setattr(bulk._Batch, "_deliver", noted)
    state, _ = service.call("tasks.download", {"task_ids": finished})
    end = batch_until_end(service, state["batch_id"])[-1]

    assert (end["state"], end["tasks_done"], end["files_done"]) == ("cancelled", 0, 0)
    assert service.call("batch.cancel", {"batch_id": state["batch_id"]}) == ({}, [])


def test_a_page_that_comes_back_hears_how_a_batch_ended(service, finished):
    state, _ = service.call("tasks.download", {"task_ids": finished[:1]})
    batch_until_end(service, state["batch_id"])

    assert batch_until_end(service, state["batch_id"])[0]["state"] == "done"


@pytest.mark.parametrize("filenames", [[], "a", [3], {}])
def test_wrong_file_names_are_refused(service, finished, filenames):
    with pytest.raises(errors.UserInputError):
        service.call("tasks.download", {"task_ids": finished, "filenames": filenames})
