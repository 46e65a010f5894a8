"""Commands are really run, and what the engine says of them is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from raw_engine import command
from waiting import wait_until

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")


def statuses(task):
    return [entry["status"] for entry in task["status_history"]]


def operations(task, name):
    return [
        operation
        for entry in task["status_history"]
        for operation in entry["operations"]
        if operation["name"] == name
    ]


def test_a_task_goes_from_submission_to_success(engine):
    task = engine.run("python run.py", files={"run.py": "open('out.txt', 'w').write('42')"})

    assert statuses(task) == [
        "pending-input",
        "submitted",
        "started",
        "computation-started",
        "computation-ended",
        "success",
    ]
    assert task["status_alias"] == "Success"
    assert engine.output(task["task_id"], "out.txt") == "42"


def test_a_submission_is_answered_as_the_contract_says(engine):
    reply = engine.call("POST", "/tasks/submit", json=engine.body("true", time_to_live_seconds=60))

    assert reply.status_code == 202
    answer = reply.json()
    assert re.fullmatch("[a-z0-9]{25}", answer.pop("id"))
    assert answer == {
        "status": "pending-input",
        "position_in_queue": None,
        "is_terminated": False,
        "storage_region": "local",
        "time_to_live_seconds": 60,
        "orchestration_fee": None,
    }


def test_a_finished_task_has_strict_types_and_both_end_stamps(engine):
    task = engine.run("python -c 'print(1)'")

    for name in ("create", "input_submit", "start", "computation_start", "computation_end", "end"):
        assert TIMESTAMP.fullmatch(task[f"{name}_time"]), name
    for name, value in task["metrics"].items():
        wanted = int if name.endswith("_bytes") or name == "output_total_files" else float
        assert type(value) is wanted, name
    assert {"total_seconds", "queue_time_seconds", "computation_seconds"} <= set(task["metrics"])
    assert "output_compression_seconds" not in task["metrics"]
    assert task["executer"]["host_type"] == "LOCAL"
    assert task["executer"]["vm_type"] == "n/a"
    assert task["executer"]["vm_name"]
    assert task["machine_group_name"] == "local"
    assert task["is_terminated"] is True
    assert task["status_history"][-1]["end_timestamp"] is None
    for entry in task["status_history"][:-1]:
        assert TIMESTAMP.fullmatch(entry["end_timestamp"])
        assert all(operation["end_timestamp"] for operation in entry["operations"])


def test_each_command_is_an_operation_with_exit_code_and_time(engine):
    task = engine.run("python -c 'print(1)'", "python -c 'print(2)'")

    first, second = operations(task, "exec_command")
    assert first["status"] == second["status"] == "OK"
    assert first["attributes"]["command"] == "python -c 'print(1)'"
    assert second["attributes"]["exit_code"] == 0
    assert isinstance(second["attributes"]["execution_time_s"], float)
    assert operations(task, "download_container")[0]["attributes"]["image_uri"].startswith("docker")
    assert not operations(task, "compress_output")


def test_the_first_failing_command_stops_the_rest(engine):
    task = engine.run("python -c 'raise SystemExit(3)'", "touch never.txt")

    assert task["status"] == "failed"
    assert task["error_detail"].endswith("ended with exit code 3.")
    (operation,) = operations(task, "exec_command")
    assert (operation["status"], operation["attributes"]["exit_code"]) == ("FAILED", 3)
    assert "artifacts/never.txt" not in engine.archive(task["task_id"]).namelist()


def test_a_crash_is_told_as_such(engine):
    code = "import os\nos.kill(os.getpid(), 11)"
    task = engine.run("python crash.py", files={"crash.py": code})

    assert task["status"] == "failed"
    assert "killed by signal 11 (SIGSEGV)" in task["error_detail"]
    assert "killed by signal 11" in engine.output(task["task_id"], "stderr.txt")
    assert operations(task, "exec_command")[0]["attributes"]["exit_code"] == 139


@pytest.mark.fault(122)
@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("no-such-program --flag", 127, "command not found"),
        ("./data.txt", 126, "permission denied"),
    ],
)
def test_a_command_that_cannot_start_fails_with_a_sentence(engine, text, code, words):
    task = engine.run(text, files={"data.txt": "no program"})

    assert task["status"] == "failed"
    assert words in task["error_detail"]
    assert words in engine.output(task["task_id"], "stderr.txt")
    assert operations(task, "exec_command")[0]["attributes"]["exit_code"] == code


def test_the_time_limit_ends_the_task(engine):
    task = engine.run("sleep 60", time_to_live_seconds=0.3)

    assert task["status"] == "ttl-exceeded"
    assert "0.3 s" in task["error_detail"]
    assert task["metrics"]["computation_seconds"] < 10
    assert "artifacts/stdout.txt" in engine.archive(task["task_id"]).namelist()


@pytest.mark.fault(123)
def test_environment_is_that_of_the_command_and_holds_no_secret(start_engine):
    engine = start_engine(INDUCTIVA_API_KEY="canary-key", JPY_API_TOKEN="canary-token")
    code = "import json, os\nprint(json.dumps(dict(os.environ)))"

    task_id = engine.submit(
        command("python env.py", env={"OMP_NUM_THREADS": "3", "COLOUR": "blue"}),
        files={"env.py": code},
    )
    engine.finish(task_id)

    text = engine.output(task_id)
    seen = json.loads(text.splitlines()[4])
    assert (seen["COLOUR"], seen["OMP_NUM_THREADS"]) == ("blue", "3")
    assert "canary" not in text
    assert engine.key not in text


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are not listed here")
@pytest.mark.fault(123)
def test_a_command_has_its_folder_and_three_descriptors(engine):
    code = "import os\nprint(os.getcwd(), sorted(os.listdir('/proc/self/fd'), key=int)[:4])"
    task_id = engine.submit("python look.py", files={"look.py": code})
    folder = engine.work_folder(task_id)
    engine.finish(task_id)

    # The fourth is the one that lists them.
    assert f"{folder} ['0', '1', '2', '3']\n" in engine.output(task_id)


def test_the_key_of_the_engines_environment_is_accepted_too(start_engine):
    engine = start_engine(INDUCTIVA_API_KEY="my.own-key_1")

    engine.key = "my.own-key_1"

    assert engine.get("/users/info")["username"] == "local"


def test_prompts_are_fed_to_standard_input(engine):
    task = engine.run(
        command("python ask.py", prompts=["first", "second"]),
        files={"ask.py": "print(input() + '/' + input())"},
    )

    assert "first/second\n" in engine.output(task["task_id"])


def test_standard_input_is_empty_without_prompts(engine):
    task = engine.run(
        "python ask.py", files={"ask.py": "import sys\nprint(repr(sys.stdin.read()))"}
    )

    assert "''\n" in engine.output(task["task_id"])


def test_mpi_without_mpirun_fails_with_a_sentence(start_engine, tmp_path):
    engine = start_engine(PATH=str(tmp_path / "no-tools"))  # whatever this machine has

    task = engine.run(command("true", mpi_config={"version": "4.1.6", "options": {"np": 2}}))

    assert task["status"] == "failed"
    assert "mpirun was not found" in task["error_detail"]


def test_mpi_commands_are_run_by_mpirun_with_their_options(start_engine, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "mpirun").write_text('#!/bin/sh\necho "mpirun $@"\n')
    (tools / "mpirun").chmod(0o755)
    engine = start_engine(PATH=f"{tools}:/usr/bin:/bin")
    options = {"np": 2, "use_hwthread_cpus": True, "quiet": False}

    task_id = engine.submit(command("solver -in a", mpi_config={"options": options}))
    engine.finish(task_id)

    assert "mpirun -np 2 --use-hwthread-cpus solver -in a\n" in engine.output(task_id)


def test_each_log_has_a_block_per_command(engine):
    task = engine.run(command("printf abc", env={"A": "1"}), "echo 'd e'")

    assert engine.output(task["task_id"]) == (
        "# COMMAND: ['printf', 'abc']\n# Working directory: sim_dir\n# Env: {'A': '1'}\n\n"
        "abc\n -------\n"
        "# COMMAND: ['echo', 'd e']\n# Working directory: sim_dir\n# Env: {}\n\n"
        "d e\n -------\n"
    )
    assert engine.output(task["task_id"], "stderr.txt").count(" -------\n") == 2


@pytest.mark.fault(122)
def test_arguments_are_passed_verbatim_and_no_shell_reads_them(engine):
    task = engine.run(
        "python show.py '*' 'a b' \"it's\" `id` %PATH%",
        files={"show.py": "import sys\nprint(sys.argv[1:])"},
    )

    expected = ["*", "a b", "it's", "`id`", "%PATH%"]
    assert f"{expected}\n" in engine.output(task["task_id"])


@pytest.mark.fault(120)
def test_a_background_child_that_holds_the_output_does_not_delay_the_end(engine):
    code = "import subprocess\nsubprocess.Popen(['sleep', '60'])\nprint('done')"

    task = engine.run("python leave.py", files={"leave.py": code})

    assert task["status"] == "success"
    assert task["metrics"]["computation_seconds"] < 10


@pytest.mark.fault(117)
def test_a_task_is_ended_before_the_disk_is_full(start_engine):
    engine = start_engine("--disk-reserve", str(10**18), "--kill-grace", "0.5")

    task = engine.run("sleep 60")

    assert task["status"] == "executer-failed"
    assert task["error_detail"] == "The disk is full."


@pytest.mark.parametrize("content", [b"no zip at all", b""])
def test_inputs_that_are_no_archive_end_the_task_with_a_reason(engine, content):
    task_id = engine.create("true")
    engine.put(f"{task_id}/input.zip", content)
    engine.call("POST", f"/tasks/{task_id}/input_uploaded")

    task = engine.finish(task_id)

    assert task["status"] == "executer-failed"
    assert "cannot be unpacked" in task["executer"]["error_detail"]


@pytest.mark.fault(121)
def test_positions_in_the_queue_are_true(start_engine):
    engine = start_engine("--slots", "1", "--kill-grace", "0.5")
    running = engine.submit("sleep 60")
    engine.reach(running, "computation-started")

    waiting = [engine.submit("true") for _ in range(3)]

    assert [engine.status(one)["position_in_queue"] for one in waiting] == [
        {"tasks_ahead": 0},
        {"tasks_ahead": 1},
        {"tasks_ahead": 2},
    ]
    assert engine.status(running)["position_in_queue"] is None
    engine.call("POST", f"/tasks/{waiting[0]}/kill")
    assert engine.status(waiting[2])["position_in_queue"] == {"tasks_ahead": 1}
    engine.call("POST", f"/tasks/{running}/kill")
    ended = [engine.finish(one) for one in waiting[1:]]
    assert ended[0]["start_time"] < ended[1]["start_time"]


def test_slots_bound_what_runs_at_once(engine):
    tasks = [engine.submit("sleep 0.4") for _ in range(4)]

    spans = [
        (task["computation_start_time"], task["computation_end_time"])
        for task in map(engine.finish, tasks)
    ]

    for begin, _ in spans:
        assert sum(other[0] <= begin < other[1] for other in spans) <= 2


def test_uploading_inputs_twice_or_telling_it_twice_is_harmless(engine):
    task_id = engine.submit("true")

    assert engine.call("POST", f"/tasks/{task_id}/input_uploaded").status_code == 200
    assert engine.finish(task_id)["status"] == "success"
    assert engine.call("POST", f"/tasks/{task_id}/input_uploaded").status_code == 200
    assert engine.status(task_id)["status"] == "success"


def test_inputs_must_be_there_before_the_task_is_queued(engine):
    task_id = engine.create("true")

    reply = engine.call("POST", f"/tasks/{task_id}/input_uploaded")

    assert reply.status_code == 400
    assert "not been uploaded" in reply.json()["detail"]
    assert engine.status(task_id)["status"] == "pending-input"


@pytest.mark.fault(122)
@pytest.mark.parametrize("mark", list("|><&;?~$"))
def test_marks_of_the_shell_are_refused_in_commands(engine, mark):
    reply = engine.call("POST", "/tasks/submit", json=engine.body(f"echo a {mark} b"))

    assert reply.status_code == 422
    (fault,) = reply.json()["detail"]
    assert fault["loc"] == ["body", "extra_params", "commands", 0, "cmd"]
    assert mark in fault["msg"]


@pytest.mark.parametrize(
    "change",
    [
        {"simulator": None},
        {"resource_pool": 5},
        {"container_image": ""},
        {"time_to_live_seconds": -1},
        {"time_to_live_seconds": 10**400},
        {"time_to_live_seconds": True},
        {"stream_zip": "yes"},
        {"compress_with": "RAR"},
        {"input_resources": "one"},
        {"extra_params": {"commands": []}},
        {"extra_params": {"commands": [{"cmd": "a", "prompts": [1]}]}},
        {"extra_params": {"commands": [{"cmd": "a", "env": {"A=B": "c"}}]}},
        {"extra_params": {"commands": [{"cmd": "'unclosed"}]}},
        {"extra_params": {"commands": [{"cmd": "   "}]}},
    ],
)
def test_bad_submissions_are_told_by_place(engine, change):
    reply = engine.call("POST", "/tasks/submit", json={**engine.body("true"), **change})

    assert reply.status_code == 422
    assert all(set(fault) == {"loc", "msg", "type"} for fault in reply.json()["detail"])


def test_an_unknown_machine_group_is_a_bad_request(engine):
    body = {**engine.body("true"), "resource_pool": "elsewhere"}

    assert engine.call("POST", "/tasks/submit", json=body).status_code == 400


def test_the_list_filters_sorts_and_pages(start_engine):
    engine = start_engine()
    first = engine.run("true", project="alpha")["task_id"]
    second = engine.run("false", project="beta")["task_id"]
    third = engine.create("true", project="alpha", simulator_name_alias="splish")

    def listed(**query):
        reply = engine.get("/tasks", **query)
        return reply["total_size"], [task["task_id"] for task in reply["tasks"]]

    assert listed() == (3, [third, second, first])
    assert listed(per_page=2, page=2) == (3, [first])
    assert listed(page=9) == (3, [])
    assert listed(status="failed") == (1, [second])
    assert listed(project="alpha") == (2, [third, first])
    assert listed(project="unknown") == (0, [])
    assert listed(active="true") == (1, [third])
    assert listed(active="false") == (2, [second, first])
    assert listed(task_id_filter=second[3:9]) == (1, [second])
    assert listed(sort="create_time:asc") == (3, [first, second, third])
    assert listed(sort=["project:desc", "create_time:asc"]) == (3, [second, first, third])
    newest = engine.get("/tasks")["tasks"][0]
    assert "status_history" not in newest
    assert (newest["simulator"], newest["executer"], newest["metrics"]) == ("splish", None, {})


@pytest.mark.parametrize(
    "query",
    ["page=0", "per_page=501", "per_page=x", "status=done", "sort=id", "sort=seq:asc", "active=1"],
)
def test_bad_list_queries_are_told_by_place(engine, query):
    reply = engine.call("GET", f"/tasks?{query}")

    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["query", query.split("=")[0]]


def test_metadata_is_replaced_merged_and_checked(engine):
    path = f"/tasks/{engine.create('true')}/metadata"

    assert engine.get(path) == {}
    assert engine.call("PUT", path, json={"a": "1", "b": "2"}).json() == {}
    assert engine.call("PATCH", path, json={"b": "3"}).status_code == 200
    assert engine.get(path) == {"a": "1", "b": "3"}
    assert engine.call("PUT", path, json={"c": "4"}).status_code == 200
    assert engine.get(path) == {"c": "4"}
    for bad in ({"a": ""}, {"": "b"}, {"a": 1}, ["a"]):
        assert engine.call("PUT", path, json=bad).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/status"),
        ("POST", "/kill"),
        ("POST", "/input_uploaded"),
        ("GET", "/metadata"),
        ("PUT", "/metadata"),
        ("PATCH", "/metadata"),
    ],
)
def test_an_unknown_task_is_a_404_everywhere(engine, method, path):
    reply = engine.call(method, f"/tasks/nosuchtask{path}", json={"a": "b"})

    assert reply.status_code == 404
    assert "nosuchtask" in reply.json()["detail"]


def test_start_up_calls_are_answered(engine):
    assert engine.get("/version-check", client_version="0.18.12")["is_valid"] is True
    assert engine.get("/users/info")["tier"] == "local"
    assert {"max_price_hour", "max_vcpus", "max_instances"} <= set(engine.get("/users/quotas"))
    assert engine.get("/users/fees")["task_orchestration_fee"]["amount"] == 0.0
    assert engine.get("/users/costs", start_year="2026", start_month="3")["costs"][0]["month"]
    assert "production" in engine.get("/simulators/available-images")


def test_there_is_one_started_local_group(engine):
    group = engine.get("/compute/group/local")

    assert engine.get("/compute/groups") == [group]
    assert type(group["total_ram_gb"]) is type(group["disk_size_gb"]) is int
    assert (group["provider_id"], group["started"], group["status"]) == ("LOCAL", True, "started")
    assert engine.call("GET", "/compute/group/other").status_code == 404
    assert engine.call("POST", "/compute/group", json={}).status_code == 400
    start = engine.call("POST", f"/compute/group/start?machine_group_id={group['id']}")
    assert (start.status_code, start.json()) == (200, {})
    task_id = engine.create("true", resource_pool=group["id"])
    assert engine.get(f"/tasks/{task_id}")["machine_group_id"] == group["id"]


def test_projects_keep_tasks_together(engine):
    task_id = engine.create("true")
    engine.call("POST", "/projects", json={"name": "waves/2", "project_type": "project"})

    added = engine.call("POST", f"/projects/waves%2F2/task/{task_id}/add")

    assert added.status_code == 200
    assert engine.get("/projects/waves%2F2")["num_tasks"] == 1
    assert engine.get("/projects/waves%2F2")["task_status_overview"] == {"pending-input": 1}
    assert engine.get(f"/tasks/{task_id}")["project"] == "waves/2"
    assert "waves/2" in [project["name"] for project in engine.get("/projects")]
    engine.call("PUT", "/projects/waves%2F2/metadata", json={"a": "b"})
    assert engine.get("/projects/waves%2F2/metadata") == {"a": "b"}
    assert engine.call("DELETE", "/projects?project_name=waves/2").status_code == 200
    assert engine.get(f"/tasks/{task_id}")["project"] == "default"
    assert engine.call("GET", "/projects/waves%2F2").status_code == 404


def test_system_metrics_have_the_runners_header_and_a_row(engine):
    task_id = engine.submit("sleep 0.3")
    wait_until(lambda: engine.status(task_id)["is_terminated"])

    lines = engine.output(task_id, "system_metrics.csv").splitlines()

    assert lines[0] == "time,command,cpu-usage,memory,disk-input,disk-output"
    assert lines[1].split(",")[1] == "sleep 0.3"


@pytest.mark.parametrize("resource", ["shared/data.txt", "/shared/", "shared"])
def test_stored_files_are_added_to_the_inputs_and_not_repeated(engine, resource):
    engine.put("shared/data.txt", b"stored")

    task = engine.run("cat data.txt", input_resources=[resource])

    assert "stored\n" in engine.output(task["task_id"])
    assert "artifacts/data.txt" not in engine.archive(task["task_id"]).namelist()


def test_outputs_of_another_task_are_added_unpacked(engine):
    first = engine.run("python run.py", files={"run.py": "open('mesh.txt', 'w').write('mesh')"})

    task = engine.run("cat mesh.txt", input_resources=[first["storage_output_path"]])

    assert "mesh\n" in engine.output(task["task_id"])


def test_a_missing_resource_is_named(engine):
    task = engine.run("true", input_resources=["nowhere/data.txt"])

    assert task["status"] == "executer-failed"
    assert "nowhere/data.txt" in task["error_detail"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"\\ud800"'])
def test_values_that_could_not_be_sent_back_are_refused(engine, value):
    body = json.dumps(engine.body("true")).replace('"sim_dir": "sim_dir"', f'"a": {value}')

    reply = engine.call("POST", "/tasks/submit", data=body.encode())

    assert reply.status_code == 422
    assert engine.call("GET", "/tasks").status_code == 200


def test_the_mailbox_carries_offer_and_answer(engine):
    task_id = engine.create("true")
    path = f"/tasks/{task_id}"
    offer = {"sender_id": "me", "receiver_id": task_id, "type": "offer", "sdp": "v=0"}
    for sender in ("me", task_id):
        assert engine.call("POST", f"{path}/register", json={"sender_id": sender}).json() == {}

    assert engine.call("POST", f"{path}/offer", json=offer).json() == {}

    assert engine.get(f"{path}/message", client=task_id, block_s=0) == offer
    empty = engine.call("GET", f"{path}/message?client=me&block_s=0")
    assert (empty.status_code, empty.content) == (204, b"")
    assert engine.call("POST", f"{path}/offer", json={"type": "offer"}).status_code == 422
    assert engine.call("GET", f"{path}/message?client=me&block_s=61").status_code == 422
    assert engine.call("POST", "/tasks/none/register", json={"sender_id": "a"}).status_code == 404


def test_nobody_waits_for_an_answer_when_no_machine_listens(engine):
    path = f"/tasks/{engine.create('true')}"
    engine.call("POST", f"{path}/register", json={"sender_id": "me"})

    assert engine.call("GET", f"{path}/message?client=me").status_code == 204
