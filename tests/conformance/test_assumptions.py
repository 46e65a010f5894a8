"""What is only assumed of the service: ours must live with every answer that it may give.

The official client, from which requests and replies are known, leaves these points open. The engine
gives one answer, a relay in front of it the others. A row an assumption, a test an answer.
"""

from __future__ import annotations

import contextlib
import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from raw_engine import launch
from relay import query, route
from support import backend_at

from inductiva_widgets import tasks
from inductiva_widgets.ending import KillOutcome
from inductiva_widgets.errors import (
    ApiError,
    AuthenticationError,
    InductivaWidgetsError,
    NotFoundError,
)
from inductiva_widgets.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from raw_engine import RawEngine
    from relay import Asked, Relay, Reply

    from inductiva_widgets.backend import Backend

WRITE = """
import pathlib, random
pathlib.Path("vtk").mkdir()
pathlib.Path("vtk/part.vtk").write_text("x" * 1000)
pathlib.Path("result.txt").write_text("42")
pathlib.Path("empty.txt").touch()
pathlib.Path("noise.bin").write_bytes(random.Random(1).randbytes(200_000))
"""
FILES = {"empty.txt": 0, "noise.bin": 200_000, "result.txt": 2, "vtk/part.vtk": 1000}
OTHERS = 6  # tasks besides the one that is looked at
CREDITS = "executer-terminated-credits-exhausted"


@dataclass
class Answer:
    """One way a service may answer."""

    after: Callable[[Asked, Reply], None] = lambda *_: None
    before: Callable[[Asked], str | None] = lambda _: None


@dataclass
class World:
    """Ours behind a relay that gives one answer."""

    engine: RawEngine
    relay: Relay
    backend: Backend
    done: str
    folder: Any

    @property
    def task(self) -> Task:
        """The finished task, of which nothing is known yet."""
        return Task(self.done, backend=self.backend)

    def asked_with(self, name: str) -> list[str]:
        return [one.path for one in self.relay.asked if name in query(one)]


@dataclass
class Assumption:
    place: str
    words: str
    answers: dict[str, Callable[[], Answer]]
    survives: Callable[[World], None] = field(repr=False)


# -- answers ----------------------------------------------------------------------------------


def says(path: str, status: int, value: Any, *, instead_of: int, method: str = "") -> Answer:
    """Another status where the engine gives `instead_of`."""

    def after(asked: Asked, reply: Reply) -> None:
        fits = re.fullmatch(path, route(asked)) and method in ("", asked.method)
        if fits and reply.status == instead_of:
            reply.say(status, value(asked) if callable(value) else value)

    return Answer(after)


def edits(path: str, change: Callable[[Any], Any]) -> Answer:
    """Another content of a good JSON reply."""

    def after(asked: Asked, reply: Reply) -> None:
        if re.fullmatch(path, route(asked)) and reply.status == 200:
            reply.edit(change)

    return Answer(after)


def heads(change: Callable[[dict[str, str]], None]) -> Answer:
    """Other headers behind signed links."""

    def before(asked: Asked) -> None:
        if route(asked).startswith("/signed/"):
            asked.headers.pop("If-Match", None)  # the engine knows its own tag only

    def after(asked: Asked, reply: Reply) -> None:
        if route(asked).startswith("/signed/"):
            change(reply.headers)

    return Answer(after, before)


def each_task(change: Callable[[dict[str, Any]], Any]) -> Answer:
    """Another content of every task object, alone or in a list."""

    def after(asked: Asked, reply: Reply) -> None:
        if reply.status != 200 or asked.method != "GET":
            return
        if route(asked) == "/tasks":
            reply.edit(lambda page: [change(task) for task in page["tasks"]] and None)
        elif re.fullmatch(r"/tasks/[a-z0-9]{25}", route(asked)):
            reply.edit(change)

    return Answer(after)


def credits_exhausted(alias: str | None) -> Answer:
    def change(task: dict[str, Any]) -> None:
        task.update(status=CREDITS, status_alias=alias, is_terminated=True)
        for entry in task.get("status_history", [])[-1:]:
            entry.update(status=CREDITS, alias=alias)

    return each_task(change)


def operations_under(place: Callable[[list[Any]], Any]) -> Answer:
    def change(task: dict[str, Any]) -> None:
        history = task.get("status_history", [])
        found = [operation for entry in history for operation in entry["operations"]]
        for entry in history:
            entry["operations"] = []
        if history and place(history) is not None:
            place(history)["operations"] = found

    return each_task(change)


def storage_path(change: Callable[[dict[str, Any]], Any]) -> Answer:
    def before(asked: Asked) -> str | None:
        # The files shall stay for the other tests.
        return "/storage/?path=nothing/" if asked.method == "DELETE" else None

    def after(asked: Asked, reply: Reply) -> None:
        inner.after(asked, reply)
        if asked.method == "DELETE":
            reply.say(200, {})

    inner = each_task(change)
    return Answer(after, before)


def default_page(size: int) -> Answer:
    def before(asked: Asked) -> str | None:
        if route(asked) != "/tasks" or "per_page" in query(asked):
            return None
        mark = "&" if "?" in asked.path else "?"
        return f"{asked.path}{mark}per_page={size}"

    return Answer(before=before)


def without(name: str) -> Answer:
    """A service that does not know a parameter."""

    def before(asked: Asked) -> str:
        return re.sub(rf"(?<=[?&]){name}=[^&]*&?", "", asked.path).rstrip("?&")

    return Answer(before=before)


def expired(status: int, uses: int) -> Answer:
    """The first link is over after some uses; each link is told by a number in its query."""
    links: list[str] = []
    used: list[str] = []

    def numbered(urls: list[str]) -> list[str]:
        links.extend(urls)
        return [f"{url}?link={len(links)}" for url in urls]

    def after(asked: Asked, reply: Reply) -> None:
        if route(asked) == "/storage/signed-urls":
            reply.edit(numbered)
        elif query(asked).get("link") == ["1"]:
            used.append(asked.path)
            if len(used) > uses:
                reply.say(status, {"detail": "expired"})

    return Answer(after)


def ended_status(asked: Asked) -> dict[str, Any]:
    task_id = route(asked).split("/")[2]
    return {"id": task_id, "status": "success", "position_in_queue": None, "is_terminated": True}


def validation(_: Asked) -> dict[str, Any]:
    return {"detail": [{"loc": ["path"], "msg": "not now", "type": "value_error"}]}


KILL = r"/tasks/[a-z0-9]+/kill"
REFUSED = {"detail": "The task has already ended."}


# -- what must hold ---------------------------------------------------------------------------


def a_refusal_is_understood(world: World) -> None:
    assert world.task.kill() is KillOutcome.ALREADY_ENDED
    with pytest.raises(ApiError):
        tasks.submit(
            ["python -V"], machine_group="no-such", container_image="x", backend=world.backend
        )


def a_wrong_key_is_an_authentication_error(world: World) -> None:
    with contextlib.closing(
        backend_at(world.relay.url, "wrong", world.folder, is_local=True)
    ) as stranger:
        task = Task(world.done, backend=stranger)
        with pytest.raises(AuthenticationError):
            task.get_status()
        with pytest.raises(AuthenticationError):
            task.wait(timeout=5)  # no loop: a refused key will not mend itself
        with pytest.raises(AuthenticationError):
            tasks.list(backend=stranger)


def the_end_is_a_failure(world: World) -> None:
    task = world.task

    assert task.get_status() == CREDITS
    assert task.is_failed()
    assert task.is_terminal()
    assert task.wait(timeout=5) == CREDITS
    assert task.info.alias in ("Credits Exhausted", "Out of Credits")
    frame = tasks.list(last_n=None, backend=world.backend)
    assert set(frame["status"]) == {CREDITS}
    assert len(frame) == OTHERS + 1


def the_commands_are_told(world: World) -> None:
    task = world.task
    commands = task.timeline()["command"].dropna()

    sent = [
        operation["attributes"]
        for entry in task.to_dict()["status_history"]
        for operation in entry["operations"]
    ]
    assert list(commands) == [one["command"] for one in sent if "command" in one]
    assert task.get_computation_time() == "00:00:00"


def the_outputs_are_found(world: World) -> None:
    task = world.task

    assert outputs_of(task) == FILES
    assert sizes(task.download_outputs(output_dir=world.folder)) == FILES
    task.remove_remote_files()
    (removal,) = world.relay.of("DELETE", "/storage/")
    assert query(removal)["path"] == [f"{world.done}/"]


def every_task_is_listed(world: World) -> None:
    assert len(tasks.get(last_n=None, backend=world.backend)) == OTHERS + 1
    assert len(tasks.list(last_n=None, backend=world.backend)) == OTHERS + 1
    assert len(tasks.get(last_n=2, backend=world.backend)) == 2
    assert all("per_page" in query(one) for one in world.relay.of("GET", "/tasks"))


def a_project_without_tasks_is_no_crash(world: World) -> None:
    try:
        found = tasks.get(project="nowhere", backend=world.backend)
    except NotFoundError:
        return
    assert found == []


def lists_do_not_depend_on(name: str) -> Callable[[World], None]:
    def survives(world: World) -> None:
        every_task_is_listed(world)
        assert world.task.wait(timeout=5) == "success"
        assert world.asked_with(name) == []

    return survives


def a_finished_task_is_not_killed(world: World) -> None:
    found = world.task.kill()

    assert found is KillOutcome.ALREADY_ENDED
    assert not found
    assert world.relay.of("POST", f"/tasks/{world.done}/kill")  # nothing was known, so it was sent


def a_link_is_asked_for_anew(world: World) -> None:
    the_outputs_come(world)
    links = [query(one)["link"] for one in world.relay.asked if "link" in query(one)]
    assert links[0] == ["1"]
    assert links[-1] == ["2"]


def a_missing_link_means_no_outputs(world: World) -> None:
    with pytest.raises(InductivaWidgetsError, match="without output files"):
        world.task.get_output_info()


def the_outputs_come(world: World) -> None:
    task = world.task

    assert outputs_of(task) == FILES
    some = task.download_outputs(["result.txt", "empty.txt"], world.folder / "some")
    assert sizes(some) == {"result.txt": 2, "empty.txt": 0}
    assert sizes(task.download_outputs(output_dir=world.folder / "all")) == FILES


def outputs_come_without_asking_for(path: str) -> Callable[[World], None]:
    def survives(world: World) -> None:
        the_outputs_come(world)
        assert world.relay.of("GET", path) == []

    return survives


def outputs_of(task: Task) -> dict[str, int]:
    return ours_only({file.name: file.size for file in task.get_output_info().files})


def sizes(folder: Any) -> dict[str, int]:
    return ours_only(
        {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in folder.rglob("*")
            if path.is_file()
        }
    )


def ours_only(files: dict[str, int]) -> dict[str, int]:
    engine = ("stdout.txt", "stderr.txt", "system_metrics.csv")
    return {name: size for name, size in files.items() if name not in engine}


def weak(headers: dict[str, str]) -> None:
    headers["etag"] = 'W/"1"'


def hashed(headers: dict[str, str]) -> None:
    headers["etag"] = '"fe8f5dbc0b8c5a5c1e4ae2ac3f3f2d11"'
    headers["x-goog-hash"] = "crc32c=AAAAAA==,md5=/o9dvAuMWlweSuKsPz8tEQ=="


def bare(headers: dict[str, str]) -> None:
    for name in [name for name in headers if name.lower() in ("etag", "last-modified")]:
        del headers[name]


def unchanged() -> Answer:
    return Answer()


def without_slashes(listing: dict[str, Any]) -> None:
    for entry in listing["contents"]:
        entry["name"] = entry["name"].rstrip("/")


ROWS = [
    Assumption(
        "an error",
        "400: invalid request, e.g. unknown machine group, kill of a finished task",
        {
            "400": unchanged,
            "409": lambda: says(KILL, 409, REFUSED, instead_of=400),
            "422": lambda: says(KILL, 422, validation, instead_of=400),
            "400 for an unknown group": lambda: says(
                "/compute/group/.*", 400, {"detail": "No such group."}, instead_of=404
            ),
        },
        a_refusal_is_understood,
    ),
    Assumption(
        "an error",
        "401 or 403: which of the two",
        {
            "401": unchanged,
            "403": lambda: says(".*", 403, {"detail": "Forbidden"}, instead_of=401),
        },
        a_wrong_key_is_an_authentication_error,
    ),
    Assumption(
        "the statuses",
        "Credits Exhausted",
        {
            "this word": lambda: credits_exhausted("Credits Exhausted"),
            "another": lambda: credits_exhausted("Out of Credits"),
            "none": lambda: credits_exhausted(None),
        },
        the_end_is_a_failure,
    ),
    Assumption(
        "a task",
        "the nesting of operations under statuses",
        {
            "nested": unchanged,
            "all under the first": lambda: operations_under(lambda history: history[0]),
            "all under the last": lambda: operations_under(lambda history: history[-1]),
            "nowhere": lambda: operations_under(lambda _: None),
        },
        the_commands_are_told,
    ),
    Assumption(
        "a task",
        "storage_path: folder of the task in the user's bucket (first part: the bucket)",
        {
            "with the bucket": lambda: storage_path(lambda _: None),
            "without": lambda: storage_path(
                lambda task: task.update(storage_path=f"{task['task_id']}/")
            ),
            "null": lambda: storage_path(lambda task: task.update(storage_path=None)),
            "missing": lambda: storage_path(lambda task: task.pop("storage_path") and None),
        },
        the_outputs_are_found,
    ),
    Assumption(
        "GET /tasks",
        "per_page: default 10",
        {
            "10": unchanged,
            "1": lambda: default_page(1),
            "500": lambda: default_page(500),
        },
        every_task_is_listed,
    ),
    Assumption(
        "GET /tasks",
        "project: an unknown one gives an empty list",
        {
            "empty list": unchanged,
            "404": lambda: says("/tasks", 404, {"detail": "No such project."}, instead_of=200),
        },
        a_project_without_tasks_is_no_crash,
    ),
    Assumption(
        "GET /tasks",
        "active: only tasks not terminated",
        {"filters": unchanged, "ignored": lambda: without("active")},
        lists_do_not_depend_on("active"),
    ),
    Assumption(
        "GET /tasks",
        "task_id_filter: substring of the id",
        {"filters": unchanged, "ignored": lambda: without("task_id_filter")},
        lists_do_not_depend_on("task_id_filter"),
    ),
    Assumption(
        "POST /tasks/{id}/kill",
        "of a terminated task: a server should answer 400",
        {
            "400": unchanged,
            "409": lambda: says(KILL, 409, REFUSED, instead_of=400),
            "200": lambda: says(KILL, 200, ended_status, instead_of=400),
        },
        a_finished_task_is_not_killed,
    ),
    Assumption(
        "a signed URL",
        "expires (time not stated): ask anew on 400, 403, 410",
        {
            f"{code} after {uses} uses": functools.partial(expired, code, uses)
            for code in (400, 403, 410)
            for uses in (0, 1)
        },
        a_link_is_asked_for_anew,
    ),
    Assumption(
        "a signed URL",
        "ETag and x-goog-hash may be there",
        {
            "strong": unchanged,
            "weak": lambda: heads(weak),
            "with hash": lambda: heads(hashed),
            "neither": lambda: heads(bare),
        },
        the_outputs_come,
    ),
    Assumption(
        "GET /storage/zip-contents",
        "contents[].name: folders end with /",
        {
            "with slash": unchanged,
            "without": lambda: edits("/storage/zip-contents", without_slashes),
        },
        outputs_come_without_asking_for("/storage/zip-contents"),
    ),
    Assumption(
        "GET /storage/zip-file-range",
        "an empty stored file has no byte: end = start - 1",
        {
            "start - 1": unchanged,
            "start": lambda: edits(
                "/storage/zip-file-range", lambda one: one.update(range_end=one["range_start"])
            ),
            "404": lambda: says("/storage/zip-file-range", 404, REFUSED, instead_of=200),
        },
        outputs_come_without_asking_for("/storage/zip-file-range"),
    ),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assumptions") / "data"
    with contextlib.closing(
        launch(folder, "--port", "0", "--slots", "2", "--kill-grace", "0.5")
    ) as started:
        yield started


@pytest.fixture(scope="module")
def done(engine):
    """A finished task, not the newest of several."""
    task_id = engine.run("python run.py", files={"run.py": WRITE})["task_id"]
    others = [engine.create("python -V") for _ in range(OTHERS)]
    for other in others:
        assert engine.call("POST", f"/tasks/{other}/kill").status_code == 200
    return task_id


@pytest.fixture
def world(engine, done, relayed, tmp_path):
    def make(answer: Answer, **more: Any) -> World:
        relay, backend = relayed(engine=engine, before=answer.before, after=answer.after, **more)
        return World(engine, relay, backend, done, tmp_path / "downloads")

    return make


def test_every_assumption_is_tried_with_more_than_one_answer():
    assert len(ROWS) == 14
    assert all(len(row.answers) >= 2 for row in ROWS)


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        pytest.param(row, answer, id=f"{row.place}: {row.words[:30]} - {name}")
        for row in ROWS
        for name, answer in row.answers.items()
    ],
)
def test_ours_lives_with_either_answer(world, row, answer):
    row.survives(world(answer()))


@pytest.mark.parametrize("sent", [[None], []])
def test_a_link_that_is_null_means_that_there_is_no_file(world, sent):
    """The official client's type of the reply allows it."""
    a_missing_link_means_no_outputs(world(edits("/storage/signed-urls", lambda _: sent)))
