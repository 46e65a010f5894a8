"""Each method of the client: the request that it sends and the answer that it reads."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import RESET, Answer, ScriptedServer, ok, refusal

from inductiva_widgets.api.client import Client, check_task_id, quiet_kill
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.errors import (
    ApiError,
    BadPayloadError,
    NotFoundError,
    ServerError,
    SubmissionUnknownError,
    UserInputError,
)

STATUS = {"id": "abc", "status": "submitted", "is_terminated": False}


@pytest.fixture
def server():
    with contextlib.closing(ScriptedServer()) as started:
        yield started


@pytest.fixture
def client(server):
    settings = Config(
        url=server.url, key=ApiKey("key"), key_source="a test", output_dir=Path("out")
    )
    with contextlib.closing(Client(settings)) as made:
        yield made


BAD_IDS = [
    "",
    " ",
    "a/b",
    "../a",
    "..",
    "a?b",
    "a#b",
    "a\nb",
    "abc\n",
    "a\0",
    "a b",
    "%2e%2e",
    "---",
    "é",
    "a" * 10_000,
    None,
    5,
    b"abc",
    ["abc"],
]


@pytest.mark.parametrize("task_id", BAD_IDS)
def test_a_bad_id_is_refused_and_no_request_leaves(client, server, task_id):
    calls = [
        client.task,
        client.task_dict,
        client.status,
        client.kill,
        client.metadata,
        client.input_uploaded,
        lambda bad: client.set_metadata(bad, {"a": "b"}),
    ]
    for call in calls:
        with pytest.raises(UserInputError) as caught:
            call(task_id)
        assert len(str(caught.value)) < 300

    assert server.asked == []


@pytest.mark.parametrize(
    "task_id", ["i4ir3kvv62odsfrhko4y8w2an", "1691150776862178362", " abc ", "A-b_c"]
)
def test_a_good_id_is_taken_without_outer_blanks(task_id):
    assert check_task_id(task_id) == task_id.strip()


@given(st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_id_that_is_taken_cannot_change_the_path(text):
    try:
        task_id = check_task_id(text)
    except UserInputError:
        return
    assert not set(task_id) & set("/.?#%\\ \n\r\t\0")
    assert task_id.isascii()


@pytest.mark.parametrize(
    ("call", "reply", "wanted"),
    [
        (lambda c: c.task("abc"), {"task_id": "abc", "status": "s"}, "GET /tasks/abc"),
        (lambda c: c.task_dict("abc"), {"x": 1}, "GET /tasks/abc"),
        (lambda c: c.status("abc"), STATUS, "GET /tasks/abc/status"),
        (lambda c: c.kill("abc"), STATUS, "POST /tasks/abc/kill"),
        (lambda c: c.metadata("abc"), {"a": "b"}, "GET /tasks/abc/metadata"),
        (lambda c: c.set_metadata("abc", {"a": "b"}), {}, "PATCH /tasks/abc/metadata"),
        (
            lambda c: c.set_metadata("abc", {"a": "b"}, replace=True),
            {},
            "PUT /tasks/abc/metadata",
        ),
        (lambda c: c.tasks(), {"tasks": []}, "GET /tasks?page=1&per_page=10"),
        (
            lambda c: c.tasks(page=2, per_page=500, status="failed", project="a b&c"),
            {"tasks": []},
            "GET /tasks?page=2&per_page=500&status=failed&project=a+b%26c",
        ),
        (lambda c: c.input_uploaded("abc"), {}, "POST /tasks/abc/input_uploaded"),
        (lambda c: c.machine_group("a/b"), {"id": "g"}, "GET /compute/group/a%2Fb"),
        (
            lambda c: c.start_machine_group("g1"),
            {},
            "POST /compute/group/start?machine_group_id=g1",
        ),
        (lambda c: c.submit({"simulator": "x"}), STATUS, "POST /tasks/submit"),
        (lambda c: c.user(), {"name": "me"}, "GET /users/info"),
        (lambda c: c.remove("abc/", region=None), {}, "DELETE /storage/?path=abc%2F"),
        (lambda c: c.remove("/abc/", region="r"), {}, "DELETE /storage/?path=abc%2F&region=r"),
    ],
)
def test_each_method_sends_its_request_of_the_contract(client, server, call, reply, wanted):
    server.say(ok(reply))

    call(client)

    assert server.paths() == [wanted]


def test_a_kill_has_no_body(client, server):
    server.say(ok(STATUS))

    client.kill("abc")

    assert server.asked[0].headers["Content-Length"] == "0"
    assert "Content-Type" not in server.asked[0].headers


def test_json_is_sent_as_such(client, server):
    client.set_metadata("abc", {"grün": "ja"})

    assert server.asked[0].json == {"grün": "ja"}
    assert server.asked[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.kill("abc"),
        lambda c: c.submit({}),
        lambda c: c.set_metadata("abc", {}),
        lambda c: c.remove("abc/", region=None),
        lambda c: c.input_uploaded("abc"),
    ],
)
@pytest.mark.parametrize("answer", [refusal(503, "later", **{"Retry-After": "1"}), RESET])
def test_what_changes_something_is_sent_once(client, server, call, answer):
    server.say(answer)

    with pytest.raises(Exception):  # noqa: B017, PT011 - which one is for test_http
        call(client)

    assert len(server.asked) == 1


def test_a_link_is_asked_for_one_file_in_its_region(client, server):
    server.say(ok(["https://storage.test/a?sig=1"]))

    link = client.signed_url("/abc/output.zip", operation="download", region="europe-west1")

    assert link == "https://storage.test/a?sig=1"
    assert server.paths() == [
        "GET /storage/signed-urls?operation=download&paths=abc%2Foutput.zip&region=europe-west1"
    ]


@pytest.mark.parametrize("reply", [[], [None], [5]])
def test_a_missing_file_has_no_link(client, server, reply):
    server.say(ok(reply))

    with pytest.raises(NotFoundError):
        client.signed_url("abc/output.zip", operation="download", region=None)


@pytest.mark.parametrize("reply", [{}, "https://storage.test/a", None])
def test_a_link_reply_that_is_no_list_is_a_bad_payload(client, server, reply):
    server.say(ok(reply))

    with pytest.raises(BadPayloadError):
        client.signed_url("abc/output.zip", operation="download", region=None)


@pytest.mark.parametrize("call", [lambda c: c.task("abc"), lambda c: c.status("abc")])
@pytest.mark.parametrize(
    "reply", [{}, {"task_id": "abc", "id": "abc"}, {"status": "failed"}, {"task_id": "", "id": ""}]
)
def test_a_task_without_id_or_status_is_a_bad_payload(client, server, call, reply):
    server.say(ok(reply))

    with pytest.raises(BadPayloadError):
        call(client)


def test_a_login_page_is_a_bad_payload_that_says_so(client, server):
    server.say(Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}))

    with pytest.raises(BadPayloadError, match="web page") as caught:
        client.tasks()

    assert "INDUCTIVA_API_URL" in caught.value.hint


@pytest.mark.parametrize(("reply", "wanted"), [([], {}), (None, {}), ({"a": 5}, {"a": "5"})])
def test_odd_metadata_is_made_texts(client, server, reply, wanted):
    server.say(ok(reply))

    assert client.metadata("abc") == wanted


def test_a_project_is_made_only_when_it_is_not_there(client, server):
    server.say(ok({"name": "mine"}))
    client.ensure_project("mine")
    assert server.paths() == ["GET /projects/mine"]

    server.asked.clear()
    server.say(refusal(404, "no such project"), ok({}))
    client.ensure_project("a b")
    assert server.paths() == ["GET /projects/a%20b", "POST /projects"]
    assert server.asked[1].json == {"name": "a b", "project_type": "project"}


def test_an_upload_goes_to_the_link_without_the_key(client, server):
    client.upload(server.url + "/put?sig=1", io.BytesIO(b"zip"))

    assert server.paths() == ["PUT /put?sig=1"]
    assert "X-API-Key" not in server.asked[0].headers


def test_the_clock_follows_the_answers(client, server):
    server.say(ok({"tasks": []}))

    client.tasks()

    assert abs(client.clock.offset_s) <= 1.0


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (ValueError, ok({})),
        (ValueError, refusal(409, "it has ended")),
        (KeyboardInterrupt, refusal(500, "and the kill fails too")),
    ],
)
def test_a_quiet_kill_kills_and_lets_the_first_error_through(client, server, kind, answer):
    server.say(answer)

    with pytest.raises(kind), quiet_kill(client, "abc"):
        raise kind

    assert server.paths() == ["POST /tasks/abc/kill"]


@pytest.mark.fault(11)
def test_a_task_that_could_not_be_killed_either_is_named(client, server):
    server.say(refusal(500, "and the kill fails too"))

    with pytest.raises(SubmissionUnknownError, match="abc") as caught, quiet_kill(client, "abc"):
        raise ServerError("broken")

    assert caught.value.task_id == "abc"
    assert server.paths() == ["POST /tasks/abc/kill"]


def test_a_quiet_kill_does_nothing_when_all_is_well(client, server):
    with quiet_kill(client, "abc"):
        pass

    assert server.asked == []


@pytest.mark.parametrize(
    ("status", "kind"), [(400, ApiError), (404, NotFoundError), (500, ServerError)]
)
def test_a_refused_kill_says_why(client, server, status, kind):
    server.say(refusal(status, "The task has already ended."))

    with pytest.raises(kind, match="no task abc" if status == 404 else "already ended"):
        client.kill("abc")
