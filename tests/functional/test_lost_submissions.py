"""Submissions whose answers are lost on the way: one task, or an error that says so; never two."""

from __future__ import annotations

import contextlib
import uuid

import pytest
import requests
from scripted import RESET, SILENCE, Answer, ScriptedServer, ok, refusal

import inductiva_widgets as iw
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.backend import Backend
from inductiva_widgets.errors import (
    InductivaWidgetsError,
    ServiceConnectionError,
    SubmissionUnknownError,
)

SUBMIT, UPLOADED, KILL, NOTES = "/tasks/submit", "/input_uploaded", "/kill", "/metadata"
LOST = {
    "reset": RESET,
    "silence": SILENCE,
    "bad gateway": refusal(502, "bad gateway"),
    "cut short": Answer(200, b'{"id": "', announced=400),
    "a login page": Answer(200, b"<html>"),
}
PLACE = {"machine_group": "local", "container_image": "docker://inductiva/kutu:x"}


class Between(ScriptedServer):
    """Stands before the engine: passes requests on, and loses the answers to some."""

    def __init__(self, engine):
        super().__init__()
        self.engine = engine
        self.lost = {}
        self.route = self.pass_on

    def pass_on(self, asked):
        headers = {k: v for k, v in asked.headers.items() if k in ("X-API-Key", "Content-Type")}
        address = self.engine.url + asked.path
        reply = requests.request(
            asked.method, address, data=asked.body, headers=headers, timeout=10
        )
        path = asked.path.partition("?")[0]
        lost = next((answer for end, answer in self.lost.items() if path.endswith(end)), None)
        return lost or Answer(reply.status_code, reply.content)

    def count(self, end):
        return sum(path.partition("?")[0].endswith(end) for path in self.paths())


@pytest.fixture
def between(engine):
    with contextlib.closing(Between(engine)) as started:
        yield started


@pytest.fixture
def backend(between, engine, tmp_path):
    settings = Config(between.url, ApiKey(engine.key), "a test", tmp_path)
    made = Backend(settings, timeouts=Timeouts(connect_s=5, read_s=1))
    with contextlib.closing(made):
        yield made


def made_in(engine, project):
    """Tasks of a project, as the engine has them."""
    return engine.get("/tasks", page=1, per_page=100, project=project)["tasks"]


@pytest.fixture
def project(engine):
    name = f"lost-{uuid.uuid4().hex}"
    reply = engine.call("POST", "/projects", json={"name": name, "project_type": "project"})
    assert reply.ok
    yield name
    for task in made_in(engine, name):
        engine.call("POST", f"/tasks/{task['task_id']}/kill")
        engine.finish(task["task_id"])


@pytest.mark.fault(11)
@pytest.mark.parametrize("way", LOST)
def test_one_task_is_made_and_the_error_tells_how_to_look(between, backend, engine, project, way):
    between.lost[SUBMIT] = LOST[way]

    with pytest.raises(SubmissionUnknownError) as caught:
        iw.tasks.submit(["true"], project=project, backend=backend, **PLACE)

    assert between.count(SUBMIT) == 1
    assert (caught.value.task_id, caught.value.retryable) == ("", False)
    assert "not known" in caught.value.message
    assert "iw.tasks.list" in caught.value.hint.replace("inductiva_widgets", "iw")
    (found,) = iw.tasks.list(last_n=5, project=project, backend=backend).index
    assert iw.Task(found, backend=backend).get_status() == "pending-input"
    assert iw.Task(found, backend=backend).kill(wait_timeout=20)


@pytest.mark.fault(11)
@pytest.mark.parametrize("lost", [(UPLOADED, "reset"), (UPLOADED, "silence"), (NOTES, "reset")])
def test_a_task_that_was_made_is_ended_when_a_later_answer_is_lost(
    between, backend, engine, project, lost
):
    step, way = lost
    between.lost[step] = LOST[way]

    with pytest.raises(InductivaWidgetsError):
        iw.tasks.submit(
            ["sleep 60"], project=project, metadata={"a": "b"}, backend=backend, **PLACE
        )

    (task,) = made_in(engine, project)
    assert between.count(SUBMIT) == 1
    assert engine.finish(task["task_id"])["status"] == "killed"


@pytest.mark.fault(11)
@pytest.mark.parametrize("way", ["reset", "silence", "bad gateway"])
def test_a_task_that_may_go_on_is_named(between, backend, engine, project, way):
    between.lost = {UPLOADED: LOST[way], KILL: LOST[way]}

    with pytest.raises(SubmissionUnknownError) as caught:
        iw.tasks.submit(["sleep 60"], project=project, backend=backend, **PLACE)

    (task,) = made_in(engine, project)
    assert caught.value.task_id == task["task_id"]
    assert task["task_id"] in caught.value.message
    between.lost = {}
    iw.Task(caught.value.task_id, backend=backend).kill(wait_timeout=20)
    assert engine.finish(task["task_id"])["status"] == "killed"


@pytest.mark.fault(11)
def test_what_never_left_is_no_unknown_fate(backend, monkeypatch):
    """Nobody listens: a submission may be tried again."""
    group = ok({"id": "g", "name": "local", "started": True})
    with contextlib.closing(ScriptedServer()) as server:
        server.say(group)
        settings = Config(server.url, ApiKey("key"), "a test", backend.config.output_dir)
        gone = Backend(settings)
        seen = gone.client.machine_group("local")
    monkeypatch.setattr(gone.client, "machine_group", lambda _: seen)

    with contextlib.closing(gone), pytest.raises(ServiceConnectionError) as caught:
        iw.tasks.submit(["true"], backend=gone, **PLACE)

    assert caught.value.retryable
    assert not caught.value.may_have_arrived
