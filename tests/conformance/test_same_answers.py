"""The official client and ours about the same tasks on the same engine, field by field."""

from __future__ import annotations

import datetime as dt
import io
import operator
import re
import zipfile

import msgspec
import pandas as pd
import pytest
from mapping import FIELDS, METHODS, clock, state_table
from relay import route

from inductiva_widgets import tasks
from inductiva_widgets.api.models import TaskRecord
from inductiva_widgets.ending import KillOutcome
from inductiva_widgets.errors import InductivaWidgetsError, NotFoundError
from inductiva_widgets.outputs.files import OutputInfo
from inductiva_widgets.task import Task

pytestmark = pytest.mark.timeout(600)  # the first run installs the official client

KINDS = ("done", "failed", "killed", "queued")
CHANGED_LATER = ("task_metadata", "project")  # by their own run, after its looks: see below
COMPARED = [
    one
    for one in METHODS
    if one.value
    and one.theirs.startswith("Task.")
    and one.theirs not in ("Task.get_metadata", "Task.get_info.to_dict")
]
IMAGE = "docker://inductiva/kutu:test"


@pytest.fixture(scope="module")
def ids(official_run):
    return official_run["ids"]


@pytest.fixture
def ours(backend, ids):
    return {kind: Task(ids[kind], backend=backend) for kind in KINDS}


def ours_of(name, task):
    """What ours answers for `Task.a.b`, called where it is a method."""
    found = operator.attrgetter(name.removeprefix("Task."))(task)
    return found() if callable(found) else found


def theirs_of(name, seen):
    key = name.removeprefix("Task.").removesuffix(" (seconds)").replace("get_info.to_dict", "info")
    return seen[key]


# -- the table --------------------------------------------------------------------------------


def test_every_call_of_theirs_is_in_the_table(official_run):
    names = official_run["public_names"]
    listed = {one.theirs for one in METHODS}

    for owner in ("Task", "tasks", "TaskOutputInfo"):
        assert {f"{owner}.{name}" for name in names[owner]} <= listed


HOMES = {"Task": Task, "tasks": tasks, "OutputInfo": OutputInfo, "TaskOutputInfo": OutputInfo}


def test_what_is_not_here_by_the_table_has_no_namesake_here():
    for one in METHODS:
        if one.ours is None:
            home, _, name = one.theirs.partition(".")
            assert not hasattr(HOMES[home], name), one.theirs
    assert not [one.name for one in FIELDS if one.ours is None and hasattr(TaskRecord, one.name)]


def test_every_call_of_ours_in_the_table_exists():
    for one in METHODS:
        if one.ours and one.ours != "Task.info.storage_path":
            home, _, name = one.ours.partition(".")
            assert hasattr(HOMES[home], name), one.ours


def test_every_call_is_the_same_or_says_how_it_differs():
    for one in METHODS:
        assert one.differs or (one.ours and one.value), one.theirs


def test_the_table_can_be_shown():
    shown = state_table()

    assert all(f"| `{one.theirs}` |" in shown for one in METHODS)
    assert all(f"| `{one.name}` |" in shown for one in FIELDS)


# -- one task ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_gives_the_same_answer(official_run, ours, kind):
    seen = official_run["looks"][kind]
    for one in COMPARED:
        expected = one.value(theirs_of(one.theirs, seen))
        found = ours_of(one.ours, ours[kind])
        assert found == expected, one.theirs
        assert type(found) is type(expected), one.theirs


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_holds_the_same(official_run, ours, kind):
    sent = official_run["looks"][kind]["info"]
    record = msgspec.to_builtins(ours[kind].refresh())
    exact = ours[kind].to_dict()
    for field in FIELDS:
        if field.name not in CHANGED_LATER:
            assert subset(record[field.ours], sent[field.name]), field.name
            assert exact[field.name] == sent[field.name], field.name


def subset(kept, sent):
    """Whether a record kept everything that was sent; it may have empty fields besides."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        return all(subset(kept.get(name), item) for name, item in sent.items()) and all(
            kept[name] is None for name in kept.keys() - sent.keys()
        )
    if isinstance(sent, list) and isinstance(kept, list):
        return len(kept) == len(sent) and all(map(subset, kept, sent))
    return kept == sent


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_of_fields_is_complete(official_run, kind):
    assert set(official_run["looks"][kind]["info"]) == {field.name for field in FIELDS}


def test_metadata_and_project_are_those_they_left(official_run, ours):
    assert ours["done"].get_metadata() == official_run["metadata"][-1] == {"study": "two"}
    assert ours["done"].info.task_metadata == {"study": "two"}
    assert ours["done"].info.project == "conformance"
    assert ours["failed"].info.project == official_run["projects"]["moved_to"]


@pytest.mark.parametrize("kind", ["done", "failed", "killed"])
def test_the_machine_is_named_without_its_provider(official_run, ours, kind):
    executer = official_run["looks"][kind]["info"]["executer"]

    assert official_run["looks"][kind]["get_machine_type"] == "LOCAL-a"  # what it makes of `n/a`
    assert ours[kind].get_machine_type() == executer["vm_name"]


def test_a_task_that_never_ran_has_no_machine(official_run, ours):
    assert official_run["looks"]["queued"]["get_machine_type"] is None
    assert ours["queued"].get_machine_type() is None


def test_an_unknown_task_is_not_found_by_both(official_run, backend):
    assert official_run["unknown_task"]["get_status"] == ["NotFoundException", 404]
    with pytest.raises(NotFoundError):
        Task("0" * 25, backend=backend).get_status()


def test_a_finished_task_is_killed_by_neither(official_run, ours):
    assert official_run["kill_finished"] is False
    found = ours["done"].kill()
    assert found is KillOutcome.ALREADY_ENDED
    assert not found


def test_removed_files_are_missing_for_both(official_run, backend):
    removed = official_run["remove_remote_files"]

    assert removed["again"] is False
    with pytest.raises(NotFoundError):
        Task(removed["id"], backend=backend).remove_remote_files()


# -- lists ------------------------------------------------------------------------------------


def listed(official_run, name):
    return official_run["lists"][name]


def test_lists_hold_the_same_tasks(official_run, ids, backend):
    known = set(ids.values())

    def of_ours(**options):
        return [task.id for task in tasks.get(backend=backend, **options) if task.id in known]

    assert of_ours(last_n=None) == listed(official_run, "get_all")
    assert of_ours(last_n=None, status="killed")[-2:] == listed(official_run, "get_status")
    assert of_ours(project="conformance")[-1:] == listed(official_run, "get_project")
    assert of_ours(project="nowhere") == listed(official_run, "get_no_project") == []


def test_the_frame_holds_their_table(official_run, ids, backend):
    table = listed(official_run, "to_dict")
    frame = tasks.list(last_n=None, backend=backend).loc[table["ID"]]

    def stamps(name):
        return [None if text is None else dt.datetime.fromisoformat(text) for text in table[name]]

    def present(column):
        return [None if pd.isna(value) else value for value in frame[column]]

    assert list(frame["simulator"]) == table["Simulator"]
    assert present("submitted_at") == stamps("Submitted")
    assert present("started_at") == stamps("Started")
    kinds = [re.sub(r"^LOCAL ", "", text) if text else None for text in table["Resource Type"]]
    assert present("machine_type") == kinds
    for shown, value in zip(table["Computation Time"], present("computation_time"), strict=True):
        assert (shown is None) == (value is None)
        if shown:
            hours, minutes, seconds = map(int, shown.split(":"))
            rounded = dt.timedelta(hours=hours, minutes=minutes, seconds=seconds)
            assert abs(value - rounded) <= dt.timedelta(seconds=1)


# -- outputs ----------------------------------------------------------------------------------


def test_the_first_level_of_the_outputs_is_the_same(official_run, ours):
    theirs = official_run["get_output_info"]
    found = ours["done"].get_output_info()

    files = {file["name"]: file for file in theirs["files"] if not file["name"].endswith("/")}
    top = {file.name: file for file in found.files if "/" not in file.name}
    assert top.keys() == files.keys()
    for name, file in top.items():
        assert (file.size, file.compressed_size) == (
            files[name]["size"],
            files[name]["compressed_size"],
        )
    folders = {file["name"] for file in theirs["files"] if file["name"].endswith("/")}
    assert {
        file.name.partition("/")[0] + "/" for file in found.files if "/" in file.name
    } == folders
    assert found.total_size_bytes == theirs["total_size_bytes"]
    assert found.n_files == ours["done"].info.metrics.output_total_files


def test_all_outputs_are_the_same_bytes(official, official_run, ours):
    theirs = official.home / official_run["download_all_outputs"]["folder"]

    folder = ours["done"].download_outputs()

    assert contents(folder) == contents(theirs)


def test_chosen_outputs_are_the_same_bytes(official, official_run, ours, tmp_path):
    names = list(official_run["download_some_outputs"]["files"])

    folder = ours["done"].download_outputs(names, tmp_path / "some")

    assert contents(folder) == contents(official.home / "some")


def test_the_archive_is_the_same(official, official_run, ours, tmp_path):
    assert official_run["download_the_archive"]

    folder = ours["done"].download_outputs(output_dir=tmp_path / "zip", uncompress=False)

    theirs = official.home / "archive" / "output.zip"
    assert next(folder.glob("*.zip")).read_bytes() == theirs.read_bytes()


def test_no_outputs_for_either_before_the_end(official_run, ours):
    assert official_run["no_outputs_yet"]["info"] == ["NotFoundException", 404]
    with pytest.raises(InductivaWidgetsError):
        ours["queued"].get_output_info()


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# -- submitting -------------------------------------------------------------------------------


@pytest.fixture
def sent(relayed):
    """Submits by ours through a relay and gives what was sent: the requests, in order."""

    def send(*args, **options):
        relay, backend = relayed()
        task = tasks.submit(*args, backend=backend, machine_group="local", **options)
        task.kill(wait_timeout=10)
        return relay.asked

    return send


def submissions(requests):
    return [one.json for one in requests if one.method == "POST" and route(one) == "/tasks/submit"]


def archives(requests):
    found = []
    for one in requests:
        if one.method == "PUT" and one.body.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(one.body)) as archive:
                found.append({name: archive.read(name) for name in archive.namelist()})
    return found


def their_run(official_run, recorded, kind):
    """Number of a run of theirs, its body and its inputs."""
    assert official_run["ids"]
    number = ("done", "failed", "queued", "killed").index(kind)
    return submissions(recorded.asked)[number], archives(recorded.asked)[number]


def test_the_body_of_a_custom_image_is_theirs(official, official_run, recorded, sent):
    body, inputs = their_run(official_run, recorded, "done")

    requests = sent(
        ["python run.py"],
        official.home / "in-done",
        container_image=IMAGE,
        project="conformance",
        time_to_live_s=600,
    )

    assert submissions(requests) == [body]
    assert files_of(archives(requests)[0]) == files_of(inputs)


def test_the_body_of_a_simulator_is_theirs(official, official_run, recorded, sent):
    body, inputs = their_run(official_run, recorded, "failed")

    requests = sent(
        [
            "cp /SPlisHSPlasH_CPU/bin/SPHSimulator .",
            "./SPHSimulator config.json --no-gui --output-dir .",
            "rm SPHSimulator",
        ],
        official.home / "in-failed",
        simulator="splishsplash",
        container_image="docker://inductiva/kutu:splishsplash_v2.13.0",
    )

    assert submissions(requests) == [body]
    assert files_of(archives(requests)[0]) == files_of(inputs)


def test_the_body_of_a_command_with_mpi_and_prompts_is_theirs(
    official, official_run, recorded, sent
):
    body, _ = their_run(official_run, recorded, "queued")
    (command,) = body["extra_params"]["commands"]
    assert command["prompts"] == ["y", "n"]
    assert command["mpi_config"] is not None

    requests = sent([command], official.home / "in-queued", container_image=IMAGE)

    assert submissions(requests) == [{**body, "storage_path_prefix": ""}]  # ours has no such option


def test_the_requests_of_a_submission_come_in_their_order(
    official, official_run, recorded, sent, ids
):
    """Group, project, submit, address, upload, word of it."""
    requests = sent(
        ["python run.py"], official.home / "in-done", container_image=IMAGE, project="conformance"
    )

    def steps(found):
        shapes = [re.sub(r"/[a-z0-9]{25}/|/signed/.*", "/*/", route(one)) for one in found]
        return [f"{one.method} {shape}" for one, shape in zip(found, shapes, strict=True)]

    mine = steps(requests)
    theirs = steps(recorded.asked)
    begin = theirs.index("GET /compute/group/local")
    end = theirs.index("POST /tasks/*/input_uploaded")
    # A project that it made first is looked up by both.
    wanted = [one for one in theirs[begin : end + 1] if one != "POST /projects"]
    assert mine[: len(wanted)] == wanted


def files_of(archive):
    return {name: content for name, content in archive.items() if not name.endswith("/")}


def test_clock_shows_whole_seconds():
    assert clock(192.0) == "00:03:12"
    assert clock(None) is None
