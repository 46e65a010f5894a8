"""Submissions: the bodies sent, what is refused before anything is sent, the packed inputs."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from pathlib import Path

import pytest
from scripted import RESET, ScriptedServer, ok, refusal

from inductiva_widgets import tasks
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.backend import Backend
from inductiva_widgets.errors import (
    InductivaWidgetsError,
    NotFoundError,
    ServerError,
    UserInputError,
)
from inductiva_widgets.submit import pack_inputs

CREATED = {"id": "abc", "status": "pending-input", "is_terminated": False, "storage_region": "r1"}
PLACE = {"machine_group": "mine", "container_image": "docker://inductiva/kutu:x"}


@pytest.fixture
def server():
    with contextlib.closing(ScriptedServer()) as started:
        started.answers = {
            "GET /compute/group/mine": ok({"id": "g1", "name": "mine", "started": True}),
            "GET /compute/group/local": ok({"id": "g0", "name": "local", "started": True}),
            "POST /tasks/submit": ok(CREATED),
            "GET /storage/signed-urls": ok([started.url + "/put?sig=1"]),
        }
        started.route = lambda asked: started.answers.get(
            f"{asked.method} {asked.path.partition('?')[0]}"
        )
        yield started


def backend_of(server, *, is_local):
    settings = Config(
        url=server.url,
        key=ApiKey("key"),
        key_source="a test",
        output_dir=Path("out"),
        is_local=is_local,
    )
    return Backend(settings)


@pytest.fixture
def remote(server):
    with contextlib.closing(backend_of(server, is_local=False)) as made:
        yield made


@pytest.fixture
def local(server):
    with contextlib.closing(backend_of(server, is_local=True)) as made:
        yield made


def sent(server, path="/tasks/submit"):
    (asked,) = [one for one in server.asked if one.path == path]
    return asked.json


def names(archive):
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


# -- what is sent --------------------------------------------------------------------------------


def test_the_body_is_that_of_the_contract(remote, server):
    tasks.submit(
        ["python run.py", {"cmd": "post", "env": {"N": 4}, "prompts": ["y"]}],
        simulator="splishsplash",
        project="p",
        time_to_live_s=60,
        input_resources=["a/b.txt"],
        resubmit_on_preemption=True,
        backend=remote,
        **PLACE,
    )

    assert sent(server) == {
        "simulator": "arbitrary_commands",
        "simulator_name_alias": "splishsplash",
        "resource_pool": "g1",
        "container_image": "docker://inductiva/kutu:x",
        "storage_path_prefix": "",
        "project": "p",
        "time_to_live_seconds": 60,
        "resubmit_on_preemption": True,
        "input_resources": ["a/b.txt"],
        "stream_zip": True,
        "compress_with": "SEVEN_Z",
        "extra_params": {
            "sim_dir": "sim_dir",
            "container_image": "docker://inductiva/kutu:x",
            "commands": [
                {"cmd": "python run.py", "prompts": [], "mpi_config": None, "env": {}},
                {"cmd": "post", "prompts": ["y"], "mpi_config": None, "env": {"N": "4"}},
            ],
        },
    }


def test_the_sequence_is_that_of_the_contract(remote, server):
    task = tasks.submit(["a"], project="p", metadata={"k": "v"}, backend=remote, **PLACE)

    assert task.id == "abc"
    assert task.backend is remote
    assert server.paths() == [
        "GET /compute/group/mine",
        "GET /projects/p",
        "POST /tasks/submit",
        "GET /storage/signed-urls?operation=upload&paths=abc%2Finput.zip&region=r1",
        "PUT /put?sig=1",
        "POST /tasks/abc/input_uploaded",
        "PATCH /tasks/abc/metadata",
    ]


def test_a_group_that_is_not_started_is_started_first(remote, server):
    server.answers["GET /compute/group/mine"] = ok({"id": "g1", "started": False})

    tasks.submit(["a"], backend=remote, **PLACE)

    paths = server.paths()
    start = paths.index("POST /compute/group/start?machine_group_id=g1")
    assert start < paths.index("POST /tasks/submit")


def test_a_task_that_needs_no_inputs_gets_none(remote, server):
    server.answers["POST /tasks/submit"] = ok({**CREATED, "status": "submitted"})

    tasks.submit(["a"], backend=remote, **PLACE)

    assert not [path for path in server.paths() if path.startswith("PUT")]


def test_on_the_local_engine_group_and_image_have_defaults(local, server):
    tasks.submit(["a"], backend=local)

    assert sent(server)["resource_pool"] == "g0"
    assert sent(server)["container_image"].startswith("docker://")


def test_one_resource_may_be_given_as_a_text(remote, server):
    tasks.submit(["a"], input_resources="a/b.txt", backend=remote, **PLACE)

    assert sent(server)["input_resources"] == ["a/b.txt"]


def test_a_dry_run_gives_the_body_and_changes_nothing(remote, server):
    body = tasks.submit(
        ["a"], project="p", metadata={"k": "v"}, dry_run=True, backend=remote, **PLACE
    )

    assert body["resource_pool"] == "g1"
    assert server.paths() == ["GET /compute/group/mine"]


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "commands",
    [
        [],
        (),
        None,
        "python run.py",
        [""],
        ["  "],
        [None],
        [5],
        [["python", "run.py"]],
        [{}],
        [{"cmd": 5}],
        [{"cmd": "a", "shell": True}],
        *[[f"a {mark} b"] for mark in "|><&;?~$"],
        ["fine", "a; b"],
    ],
)
def test_commands_that_cannot_run_are_refused_before_any_request(remote, server, commands):
    with pytest.raises(UserInputError):
        tasks.submit(commands, backend=remote, **PLACE)

    assert server.asked == []


@pytest.mark.parametrize(
    "given",
    [
        {"time_to_live_s": 0},
        {"time_to_live_s": -1},
        {"time_to_live_s": float("nan")},
        {"metadata": {"k": ""}},
        {"metadata": {"": "v"}},
        {"metadata": {"k": 5}},
        {"input_dir": "/no/such/folder"},
        {"input_dir": __file__},
        {"machine_group": None},
        {"container_image": ""},
    ],
)
def test_what_cannot_work_is_refused_before_any_request(remote, server, given):
    with pytest.raises(UserInputError):
        tasks.submit(["a"], backend=remote, **{**PLACE, **given})

    assert server.asked == []


def test_an_unknown_group_is_told_and_nothing_is_made(remote, server):
    server.answers["GET /compute/group/mine"] = refusal(404, "There is no group mine.")

    with pytest.raises(NotFoundError, match="group mine"):
        tasks.submit(["a"], backend=remote, **PLACE)

    assert server.paths() == ["GET /compute/group/mine"]


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("GET /storage/signed-urls", refusal(403, "not yours")),
        ("GET /storage/signed-urls", ok([None])),
        ("PUT /put", refusal(403, "expired")),
        ("PUT /put", RESET),
        ("POST /tasks/abc/input_uploaded", refusal(500, "broken")),
        ("POST /tasks/abc/input_uploaded", RESET),
    ],
)
def test_a_task_whose_inputs_cannot_be_sent_is_killed(remote, server, step, fault):
    server.answers[step] = fault

    with pytest.raises(InductivaWidgetsError):
        tasks.submit(["a"], backend=remote, **PLACE)

    assert server.paths()[-1] == "POST /tasks/abc/kill"


def test_a_submission_that_fails_is_not_repeated(remote, server):
    server.answers["POST /tasks/submit"] = refusal(500, "broken")

    with pytest.raises(ServerError):
        tasks.submit(["a"], backend=remote, **PLACE)

    assert server.paths().count("POST /tasks/submit") == 1


# -- the inputs ----------------------------------------------------------------------------------


@pytest.fixture
def archive():
    with io.BytesIO() as buffer:
        yield buffer


def test_without_a_folder_the_archive_has_an_empty_one(archive):
    pack_inputs(None, archive)

    assert names(archive) == ["sim_dir/"]


def test_the_files_of_the_folder_are_packed_below_sim_dir(tmp_path, archive):
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\n")
    (tmp_path / "sub" / "empty").mkdir(parents=True)
    (tmp_path / "sub" / "grün.bin").write_bytes(b"\r\n")
    (tmp_path / ".hidden").write_text("h")

    pack_inputs(tmp_path, archive)

    assert sorted(names(archive)) == [
        "sim_dir/",
        "sim_dir/.hidden",
        "sim_dir/a.txt",
        "sim_dir/sub/",
        "sim_dir/sub/empty/",
        "sim_dir/sub/grün.bin",
    ]
    with zipfile.ZipFile(archive) as opened:
        assert opened.read("sim_dir/a.txt") == b"one\ntwo\n"
        assert opened.read("sim_dir/sub/grün.bin") == b"\r\n"


def test_a_file_older_than_zip_is_packed(tmp_path, archive):
    for name in ("old.bin", "old.txt"):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (0, 0))

    pack_inputs(tmp_path, archive)

    assert {"sim_dir/old.bin", "sim_dir/old.txt"} <= set(names(archive))


def test_a_file_named_like_the_results_is_refused(tmp_path, archive):
    (tmp_path / "output.zip").write_bytes(b"")

    with pytest.raises(UserInputError, match=r"output\.zip"):
        pack_inputs(tmp_path, archive)


def test_a_file_that_cannot_be_packed_is_named(tmp_path, archive):
    os.mkdir(tmp_path / "sub")  # noqa: PTH102 - beside the next line
    bad = os.fsencode(tmp_path / "sub") + b"/bad\xff.bin"
    with open(bad, "wb"):  # noqa: PTH123 - a name that is no text
        pass

    with pytest.raises(UserInputError, match="cannot be packed") as caught:
        pack_inputs(tmp_path, archive)

    assert str(caught.value).isprintable()
