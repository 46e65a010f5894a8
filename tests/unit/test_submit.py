"""Submissions: the bodies sent, what is refused before anything is sent, the packed inputs."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
from scripted import RESET, Answer, ScriptedServer, ok, refusal

from inductiva_widgets import tasks
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.backend import Backend
from inductiva_widgets.errors import (
    InductivaWidgetsError,
    NotFoundError,
    SubmissionUnknownError,
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
    told = tasks.submit(
        ["a"], project="p", metadata={"k": "v"}, dry_run=True, backend=remote, **PLACE
    )
    tasks.submit(["a"], project="p", metadata={"k": "v"}, backend=remote, **PLACE)

    assert told.body == sent(server)
    assert server.paths()[:2] == ["GET /compute/group/mine"] * 2
    assert {
        path.split()[0] for path in server.paths()[: server.paths().index("GET /projects/p")]
    } == {"GET"}


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
        {"cmd": "python run.py"},
        [{"cmd": "a", "env": "PATH=x"}],
        [{"cmd": "a", "env": ["PATH=x"]}],
        [{"cmd": "a", "prompts": "yes"}],
        [{"cmd": "a", "prompts": 1}],
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
        {"time_to_live_s": float("inf")},
        {"time_to_live_s": "60"},
        {"time_to_live_s": True},
        {"metadata": ["k"]},
        {"simulator": 5},
        {"project": 5},
        {"machine_group": 5},
        {"input_dir": ""},
        {"input_dir": " "},
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

    with pytest.raises(NotFoundError, match="group 'mine'"):
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

    with pytest.raises(SubmissionUnknownError, match="broken"):
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


# -- what would be sent --------------------------------------------------------------------------


def rehearse(backend, commands=("a",), **given):
    return tasks.submit(list(commands), dry_run=True, backend=backend, **{**PLACE, **given})


def test_the_price_of_a_group_is_told(remote, server):
    group = {"id": "g1", "name": "mine", "machine_type": "c2-standard-4", "started": False}
    price = {"min": 0.2, "max": 0.55}
    server.answers["GET /compute/group/mine"] = ok({**group, "cost_per_hour": price})

    told = rehearse(remote)

    assert told.price_per_hour == 0.55
    assert told.machine == "c2-standard-4 (group mine), which would be started"
    assert "0.55 US$ an hour at most" in str(told)


@pytest.mark.parametrize(("spot", "price"), [(False, 1.2), (True, 0.3)])
def test_a_price_that_the_group_does_not_tell_is_asked_for(remote, server, spot, price):
    group = {"id": "g1", "name": "mine", "machine_type": "c2", "zone": "z-1", "max_vms": 3}
    server.answers["GET /compute/group/mine"] = ok({**group, "spot": spot})
    server.answers["GET /compute/price"] = ok({"on_demand_price": 0.4, "preemptible_price": 0.1})

    assert rehearse(remote).price_per_hour == pytest.approx(price)
    assert server.paths()[-1] == "GET /compute/price?machine_type=c2&zone=z-1"


@pytest.mark.parametrize(
    "answer",
    [refusal(500, "broken"), ok([]), ok({}), ok({"on_demand_price": "much"}), RESET],
)
def test_a_price_that_is_not_told_is_none(remote, server, answer):
    group = {"id": "g1", "name": "mine", "machine_type": "c2", "zone": "z-1"}
    server.answers["GET /compute/group/mine"] = ok({**group, "cost_per_hour": {"max": None}})
    server.answers["GET /compute/price"] = answer

    told = rehearse(remote)

    assert told.price_per_hour is None
    assert "unknown" in str(told)


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (sys.executable + " run.py", "interpreter"),
        ("/home/me/venv/bin/python3.11 run.py", "interpreter"),
        ("C:\\Python\\python.exe run.py", "interpreter"),
        ("python D:\\data\\run.py", "a path"),
        ("python /home/me/run.py", "a path"),
        ("python run.py --mesh=/Users/me/a.msh", "a path"),
        ("ls /var", "a path"),
        ("python '/root/a b.py'", "a path"),
        ("python ../run.py", "lead out"),
        ({"cmd": "a", "env": {"DATA": "/home/me/data"}}, "a path"),
        ({"cmd": "a", "env": {"PATHS": "/usr/bin:/home/me/bin"}}, "a path"),
        ("python 'unfinished /home/me/x", "a path"),
    ],
)
def test_what_would_not_run_remotely_is_warned_of(remote, command, word):
    (warning,) = rehearse(remote, [command]).warnings

    assert word in warning


@pytest.mark.parametrize(
    "command",
    [
        "python run.py",
        "./solver --out=results/a..b.txt",
        "mpirun -np 4 simpleFoam -case case",
        "/opt/openfoam/bin/simpleFoam",
        "/bin/ls /tmp/x",
        "fetch https://example.org/x",
        {"cmd": "a", "env": {"OMP_NUM_THREADS": "4", "PATH": "/usr/bin:/bin"}},
    ],
)
def test_what_runs_anywhere_is_not_warned_of(remote, command):
    assert rehearse(remote, [command]).warnings == []


def test_a_dry_run_shows_itself_harmlessly_and_as_plain_values(remote, tmp_path):
    told = rehearse(remote, ["python a.py"], simulator="x\x1b[2J", input_dir=tmp_path)

    assert str(told) == repr(told)
    assert "\x1b" not in str(told)
    assert str(tmp_path) in told.inputs
    assert json.dumps(told.to_dict())


def test_a_dry_run_on_the_local_engine_says_what_the_service_needs(local):
    told = tasks.submit(["a"], dry_run=True, backend=local)

    assert any("machine_group" in warning for warning in told.warnings)


# -- again ---------------------------------------------------------------------------------------

BEFORE = {
    "task_id": "old",
    "status": "failed",
    "is_terminated": True,
    "simulator": "splishsplash",
    "project": "default",
    "container_image": "docker://inductiva/kutu:x",
    "machine_group_name": "mine",
    "storage_input_path": "old/input.zip",
    "storage_region": "r1",
    "input_resources": ["a/b.txt"],
    "resubmit_on_preemption": True,
    "task_metadata": {"case": "a"},
    "extra_params": {
        "sim_dir": "sim_dir",
        "n_vcpus": 4,
        "commands": [
            {"cmd": "run", "prompts": ["y"], "mpi_config": None, "env": {"N": "4"}, "x": 1}
        ],
    },
}


def input_archive():
    with io.BytesIO() as buffer:
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("sim_dir/data.txt", "42")
        return buffer.getvalue()


@pytest.fixture
def before(remote, server):
    body = input_archive()
    stored = Answer(200, body, {"ETag": '"one"'})
    server.answers["GET /tasks/old"] = ok(BEFORE)
    server.answers["GET /stored"] = stored
    server.answers["PUT /put"] = Answer()
    links = {"download": server.url + "/stored?sig=2", "upload": server.url + "/put?sig=1"}
    known = server.route

    def route(asked):
        if asked.path.startswith("/storage/signed-urls"):
            operation = "download" if "operation=download" in asked.path else "upload"
            return server.answers.get(f"link {operation}", ok([links[operation]]))
        return known(asked)

    server.route = route
    return tasks.Task("old", backend=remote)


def uploaded(server):
    (put,) = [one for one in server.asked if one.method == "PUT"]
    return put.body


def test_a_task_sent_again_has_the_same_inputs_commands_image_and_group(before, server):
    again = before.resubmit()

    assert again.id == "abc"
    assert again.backend is before.backend
    assert uploaded(server) == input_archive()
    body = sent(server)
    assert body["resource_pool"] == "g1"
    assert body["simulator_name_alias"] == "splishsplash"
    assert body["container_image"] == "docker://inductiva/kutu:x"
    assert (body["project"], body["resubmit_on_preemption"]) == (None, True)
    assert body["input_resources"] == ["a/b.txt"]
    assert body["extra_params"] == {
        "sim_dir": "sim_dir",
        "container_image": "docker://inductiva/kutu:x",
        "n_vcpus": 4,
        "commands": [{"cmd": "run", "prompts": ["y"], "mpi_config": None, "env": {"N": "4"}}],
    }
    assert server.asked[-1].json == {"case": "a"}


def test_the_inputs_are_fetched_before_anything_is_made(before, server):
    before.resubmit()

    paths = [path.partition("?")[0] for path in server.paths()]
    assert paths.index("GET /stored") < paths.index("POST /tasks/submit")
    assert all("X-API-Key" not in one.headers for one in server.asked if "/stored" in one.path)


def test_changes_replace_what_they_name(before, server, tmp_path):
    (tmp_path / "new.txt").write_text("new")
    server.answers["GET /compute/group/other"] = ok({"id": "g2", "started": True})

    before.resubmit(
        commands=["other"], machine_group="other", input_dir=tmp_path, metadata={}, simulator="s"
    )

    assert names(io.BytesIO(uploaded(server))) == ["sim_dir/", "sim_dir/new.txt"]
    body = sent(server)
    assert body["resource_pool"] == "g2"
    assert [one["cmd"] for one in body["extra_params"]["commands"]] == ["other"]
    assert body["simulator_name_alias"] == "s"
    assert not [path for path in server.paths() if "metadata" in path or "/stored" in path]


@pytest.mark.parametrize("gone", ["link download", "GET /stored"])
def test_inputs_that_are_gone_are_told_and_nothing_is_made(before, server, gone):
    server.answers[gone] = refusal(404, "no such file")

    with pytest.raises(NotFoundError, match="inputs of task old") as caught:
        before.resubmit()

    assert "input_dir" in caught.value.hint
    assert not [path for path in server.paths() if path.startswith(("POST", "PUT"))]


def test_inputs_that_are_no_archive_are_not_sent_on(before, server):
    server.answers["GET /stored"] = Answer(200, b"<html>" * 1000)

    with pytest.raises(InductivaWidgetsError):
        before.resubmit()

    assert not [path for path in server.paths() if path.startswith(("POST", "PUT"))]


def test_a_group_that_is_gone_is_told(before, server):
    server.answers["GET /compute/group/mine"] = refusal(404, "There is no group mine.")

    with pytest.raises(NotFoundError) as caught:
        before.resubmit()

    assert "machine_group" in caught.value.hint


def test_commands_of_a_success_are_those_that_ran(before, server):
    steps = [
        {"name": "exec_command", "attributes": {"command": "one"}},
        {"name": "upload_output", "attributes": {}},
        {"name": "exec_command", "attributes": {"command": "two"}},
    ]
    history = [{"status": "computation-started", "operations": steps}]
    told = {**BEFORE, "extra_params": {}, "status_history": history}
    server.answers["GET /tasks/old"] = ok({**told, "status": "success"})

    before.resubmit()
    assert [one["cmd"] for one in sent(server)["extra_params"]["commands"]] == ["one", "two"]

    server.answers["GET /tasks/old"] = ok(told)
    with pytest.raises(UserInputError, match="which commands"):
        before.resubmit()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"command": ["a"]}, "did you mean 'commands'"),
        ({"zzz": 1}, "known are"),
        ({"extra": 1}, "'extra'"),
    ],
)
def test_an_unknown_change_is_a_type_error_and_no_request_leaves(before, server, changes, word):
    with pytest.raises(TypeError, match=word):
        before.resubmit(**changes)

    assert server.asked == []


@pytest.mark.parametrize("changes", [{"input_dir": "/no/such"}, {"commands": ["a | b"]}])
def test_a_change_that_cannot_work_makes_nothing(before, server, changes):
    with pytest.raises(UserInputError):
        before.resubmit(**changes)

    assert not [path for path in server.paths() if path.startswith(("POST", "PUT"))]


def test_a_dry_run_of_sending_again_fetches_no_inputs(before, server):
    told = before.resubmit(dry_run=True)

    assert told.inputs == "those of task old"
    assert not [path for path in server.paths() if "signed-urls" in path]
