"""The official client, unmodified, against the local engine: each call once, each looked at.

One process of it runs `official_steps.py`; a test a step looks at its part of the report.
"""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.timeout(600)  # the first run installs the official client

VERSION = "0.18.12"
HEAD = (
    "ID",
    "SIMULATOR",
    "STATUS",
    "SUBMITTED",
    "STARTED",
    "COMPUTATION TIME",
    "RESOURCE TYPE",
)
OUTPUTS = {
    "empty.txt": 0,
    "result.txt": 2,
    "vtk/part_0.vtk": 1000,
    "vtk/part_1.vtk": 1000,
    "vtk/part_2.vtk": 1000,
}
LOGS = {"stdout.txt", "stderr.txt"}
ENGINE_FILES = {*LOGS, "system_metrics.csv"}


@pytest.fixture(scope="module")
def ids(official_run):
    return official_run["ids"]


# -- start ------------------------------------------------------------------------------------


def test_it_is_the_version_whose_contract_is_spoken(official_run):
    assert official_run["imported_with_banner"] == VERSION


def test_the_import_prints_its_banner(official_run):
    banner = official_run.printed("imported_with_banner")

    assert "Username: local" in banner
    assert "Plan: local" in banner
    assert "Credits: 0 US$" in banner
    assert "Estimated Costs (current month)" in banner
    assert "Global User quotas" in banner
    assert "Instance User quotas" in banner


def test_the_import_without_banner_prints_nothing(official):
    code = "import inductiva; print(inductiva.__version__)"

    done = official.python("-c", code, INDUCTIVA_DISABLE_IMPORT_INFO="true")

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [VERSION]


def test_no_step_failed(official_run):
    assert {name: step["error"] for name, step in official_run.steps.items() if step["error"]} == {}


def test_it_asked_for_no_route_that_the_engine_lacks(official_run, recorded):
    lacking = [
        (asked.method, asked.path)
        for asked, reply in recorded.refused
        if reply.status == 405 or reply.body == b'{"detail":"Not Found"}'
    ]

    assert recorded.refused  # it asks for what is not there, too
    assert lacking == []


# -- submitting -------------------------------------------------------------------------------


def test_a_machine_group_is_found_by_name(official_run):
    group = official_run["group"]

    assert group["name"] == "local"
    assert group["started"] is True
    assert official_run["machine_groups"] == ["local"]


@pytest.mark.parametrize(
    "step", ["submit_custom_image", "submit_splishsplash", "submit_command_with_mpi"]
)
def test_a_run_is_submitted(official_run, step):
    assert re.fullmatch(r"[a-z0-9]{25}", official_run[step])
    assert "Local input directory successfully uploaded." in official_run.printed(step)


def test_a_simulator_takes_its_image_from_the_catalogue(official_run):
    assert official_run["simulators"]["production"]["splishsplash"] == ["2.13.0"]
    info = official_run["looks"]["failed"]["info"]
    assert info["container_image"] == "docker://inductiva/kutu:splishsplash_v2.13.0"
    assert info["simulator"] == "splishsplash"


# -- waiting and ending -----------------------------------------------------------------------


def test_it_waits_for_a_status(official_run):
    assert official_run["wait_for_status"] == "computation-started"


def test_its_getters_follow_a_running_task(official_run):
    seen = official_run["getters_while_running"]

    assert seen["is_running"] is True
    assert seen["is_terminal"] is False
    assert 0 <= seen["computation"] <= seen["total"]
    assert "In Progress" in seen["summary"]
    assert "(ongoing)" in seen["summary"]
    assert "N/A until task ends" in seen["summary"]


def test_outputs_of_a_running_task_are_not_found(official_run):
    assert official_run["no_outputs_yet"] == {
        "info": ["NotFoundException", 404],
        "download": ["ApiException", 404],
    }


def test_it_sees_the_place_in_the_queue(official_run):
    assert official_run["position_in_queue"] == [0, 1]


def test_it_waits_for_success(official_run):
    assert official_run["wait_done"] == "success"
    said = official_run.printed("wait_done")
    assert "The simulation is running." in said
    assert "Downloading stdout and stderr files" in said
    assert "Partial download completed" in said


def test_it_waits_for_a_failure_and_shows_the_logs(official_run):
    assert official_run["wait_failed"] == "failed"
    said = official_run.printed("wait_failed")
    assert "lines from stdout.txt" in said
    assert "No such file or directory" in said


def test_it_kills_a_queued_task(official_run):
    assert official_run["kill_queued"] is True
    assert "Successfully killed task" in official_run.printed("kill_queued")
    assert official_run["looks"]["queued"]["get_status"] == "killed"


def test_it_kills_a_running_task(official_run):
    assert official_run["kill_running"] is True
    assert official_run["looks"]["killed"]["get_status"] == "killed"


def test_it_cannot_kill_a_finished_task(official_run):
    assert official_run["kill_finished"] is False
    assert official_run["kill_without_waiting"] is None
    assert "already in a terminal state" in official_run.printed("kill_finished")


# -- looking ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "ran"),
    [
        ("done", "success", True),
        ("failed", "failed", True),
        ("killed", "killed", True),
        ("queued", "killed", False),
    ],
)
def test_every_getter_of_an_ended_task_answers(official_run, ids, kind, status, ran):
    seen = official_run["looks"][kind]

    assert seen["id"] == ids[kind]
    assert seen["get_status"] == status
    assert seen["is_running"] is False
    assert seen["is_failed"] is (status != "success")
    assert seen["is_terminal"] is seen["get_info.is_terminal"] is True
    assert seen["get_position_in_queue"] is None
    assert seen["get_simulator_name"] in ("arbitrary_commands", "splishsplash")
    assert seen["get_storage_path"].endswith(f"{ids[kind]}/")
    assert seen["get_metadata"] == {}
    assert seen["get_info"] == seen["info"]
    assert seen["get_total_time"] > 0
    if ran:
        assert seen["get_machine_type"].startswith("LOCAL-")
        assert 0 <= seen["get_computation_time"] <= seen["get_total_time"]
    else:
        assert seen["get_machine_type"] is None
        assert seen["get_computation_time"] is None


def test_the_strict_models_of_the_list_hold_what_the_single_task_says(official_run, ids):
    """Fields of the list go through checked models: a wrong type would have raised there."""
    later = {"status_history", "machine_operations", "steps", "duration_seconds"}
    for kind in ids:
        listed = official_run["models_of_the_list"][ids[kind]]
        single = official_run["looks"][kind]["info"]
        for name in single.keys() - later:
            assert without_nulls(listed[name]) == without_nulls(single[name]), name


def without_nulls(value):
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if item is not None}
    return value


def test_it_lists_the_newest_first(official_run, ids):
    lists = official_run["lists"]
    all_ids = [ids["killed"], ids["queued"], ids["failed"], ids["done"]]

    assert lists["get"] == all_ids[:2]
    assert lists["get_default"] == all_ids
    assert lists["get_tasks"] == all_ids
    assert lists["get_tasks_all"] == all_ids
    assert lists["get_all"] == all_ids


def test_it_filters_lists(official_run, ids):
    lists = official_run["lists"]

    assert lists["get_status"] == [ids["killed"], ids["queued"]]
    assert lists["get_project"] == [ids["done"]]
    assert lists["get_no_project"] == []


def test_it_makes_a_table_of_a_list(official_run):
    table = official_run["lists"]["to_dict"]

    assert [name.upper() for name in table] == list(HEAD)
    assert table["Status"] == ["Killed", "Killed", "Failed", "Success"]
    assert table["Simulator"][2] == "splishsplash"
    assert table["Started"][1] is table["Resource Type"][1] is None
    assert re.fullmatch(r"0:00:0\d", table["Computation Time"][3])
    assert table["Resource Type"][3].startswith("LOCAL ")


def test_it_prints_the_summary(official_run):
    summary = official_run.printed("print_summary")

    for text in (
        "Task status: Success",
        "Waiting for Input",
        "In Queue",
        "Preparing to Compute",
        "In Progress",
        "Finalizing",
        "python run.py",
        "Size of zipped output:    1.",
        "Number of output files:   8",
    ):
        assert text in summary


def test_an_unknown_task_is_not_found(official_run):
    assert official_run["unknown_task"] == {
        "get_status": ["NotFoundException", 404],
        "get_info": ["KeyError", None],  # it looks at no status code there
        "kill": ["NotFoundException", 404],
    }


# -- outputs ----------------------------------------------------------------------------------


def test_it_lists_the_outputs(official_run):
    info = official_run["get_output_info"]
    files = {file["name"]: file for file in info["files"]}

    assert set(files) == {"empty.txt", "result.txt", "vtk/", *ENGINE_FILES}
    assert files["result.txt"]["size"] == 2
    assert files["empty.txt"]["size"] == 0
    assert info["n_files"] == len(files)
    packed = sum(file["compressed_size"] for file in info["files"])
    assert info["total_compressed_size_bytes"] == packed < info["total_size_bytes"]


def test_it_prints_the_outputs(official_run):
    lines = official_run.printed("get_output_info").splitlines()

    assert lines[0].startswith("Total size: ")
    assert lines[1].startswith("Total compressed size: ")
    assert lines[2] == "Number of files: 6"
    assert lines[4].split() == ["Size", "Compressed", "Name"]
    assert "  2 B          4 B          result.txt" in "\n".join(lines)


def test_it_downloads_all_outputs(official_run):
    files = official_run["download_all_outputs"]["files"]

    assert files.keys() == {*OUTPUTS, *ENGINE_FILES}
    assert {name: files[name] for name in OUTPUTS} == OUTPUTS


def test_it_downloads_to_the_usual_place(official_run, ids):
    found = official_run["download_to_the_usual_place"]

    assert found["folder"] == f"inductiva_output/{ids['failed']}/outputs"
    assert found["files"].keys() >= LOGS


def test_it_downloads_chosen_outputs_by_ranges(official_run, recorded):
    found = official_run["download_some_outputs"]

    names = ("result.txt", "vtk/part_1.vtk", "empty.txt")
    assert found["files"] == {name: OUTPUTS[name] for name in names}
    assert "no-such-file.txt not found" in official_run.printed("download_some_outputs")
    ranged = [one for one in recorded.asked if "Range" in one.headers]
    assert ranged
    assert any(one.method == "HEAD" for one in recorded.asked)


def test_it_downloads_the_archive_itself(official_run):
    (name,) = official_run["download_the_archive"]
    assert name == "output.zip"


def test_it_downloads_inputs(official_run, ids):
    found = official_run["download_all_inputs"]

    assert found["folder"] == f"inductiva_output/{ids['done']}/inputs"
    assert found["files"]["sim_dir/notes.txt"] == len("one\ntwo\n")  # line ends were made LF
    assert list(official_run["download_some_inputs"]) == ["run.py"]


def test_it_hands_out_links(official_run):
    assert all("/signed/" in url for url in official_run["urls"])


def test_it_removes_remote_files(official_run):
    found = official_run["remove_remote_files"]

    assert found["first"] is True
    assert found["again"] is False
    assert "no remote files" in official_run.printed("remove_remote_files")
    assert found["info"] == ["NotFoundException", 404]


# -- metadata, storage, projects, account -----------------------------------------------------


def test_it_keeps_metadata(official_run):
    assert official_run["metadata"] == [{}, {"study": "one", "grüße": "ü"}, {"study": "two"}]


def test_it_lists_the_storage(official_run, ids):
    found = official_run["storage_listing"]
    folders = {f"{ids[kind]}/" for kind in ("done", "failed", "killed")}

    assert {one["name"] for one in found["root"]} == {*folders, "parent/"}
    sizes = [one["size"] for one in found["by_size"]]
    assert sizes == sorted(sizes)
    assert len(found["two"]) == 2
    assert {one["name"] for one in found["task"]} == {"input.zip", "output.zip"}
    assert f"{ids['done']}/output.zip" in {one["name"] for one in found["all"]}
    assert "Current region(s): local" in official_run.printed("storage_listing")


def test_it_tells_size_and_cost_of_the_storage(official_run):
    assert official_run["storage_size"] == 0.0  # in whole thousandths of a GB
    assert "Cost: 0 US$/month" in official_run.printed("storage_size")


def test_it_stores_copies_fetches_and_removes_files(official_run):
    found = official_run["storage_files"]

    assert found["listed"] == ["copy.txt", "mine.txt"]
    # Signed addresses of the engine hold no path, which it would name what it fetches by.
    assert list(found["fetched"].values()) == [4]
    assert found["left"] == ["mine.txt"]


def test_the_engine_fetches_a_file_for_it(official_run):
    found = official_run["storage_from_url"]

    assert [one["name"] for one in found["found"]] == ["again.zip"]
    assert found["found"][0]["size"] > 0
    assert found["refused"] == ["BadRequestException", 400]


def test_it_reads_an_archive_from_outside(official_run):
    found = official_run["zip_contents"]

    assert [file["name"] for file in found["root"]["files"]] == ["artifacts/"]
    files = {file["name"]: file for file in found["all"]["files"]}
    assert files.keys() == {*OUTPUTS, *ENGINE_FILES}
    member = files["vtk/part_1.vtk"]
    assert found["range"] == {
        "range_start": member["range_start"],
        "range_end": member["range_start"] + member["compressed_size"] - 1,
    }


def test_it_keeps_tasks_in_projects(official_run, ids):
    found = official_run["projects"]

    assert found["names"] == ["default", "conformance", "by-hand"]
    assert found["num_tasks"] == 1
    assert found["by_status"] == {"failed": 1}
    assert found["cost"] == 0
    assert found["tasks"] == found["downloaded"] == [ids["failed"]]
    assert "Project 'by-hand' created at" in found["text"]
    assert found["after"] == ["default", "conformance"]
    assert found["moved_to"] == "default"


def test_it_knows_the_account(official_run):
    account = official_run["account"]

    assert account["info"]["username"] == "local"
    assert set(account["quotas"]) == {"max_price_hour", "max_vcpus", "max_instances"}
    assert account["costs"][0]["total"] == 0
    assert account["fees"]["task_orchestration_fee"]["active"] is False


def test_the_engine_prices_its_own_machine_only(official_run):
    assert official_run["estimated_price"] == [["NotFoundException", 404], 0.0]


# -- command line -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def said(official, official_run, ids, conformance_engine):
    """What each command line said, all run beforehand."""
    running = conformance_engine.submit("sleep 60")
    waiting = conformance_engine.submit("sleep 60")
    conformance_engine.reach(running, "computation-started")
    lines = {
        "list": ("tasks", "list"),
        "list one": ("tasks", "list", "-i", ids["done"]),
        "list project": ("tasks", "list", "-p", "conformance"),
        "info": ("tasks", "info", ids["done"]),
        "kill": ("tasks", "kill", running, waiting, "--yes", "-w", "10"),
        "download": ("tasks", "download", ids["done"], "--filenames", "result.txt", "--dir", "cli"),
        "storage": ("storage", "list"),
        "projects": ("projects", "list"),
        "user": ("user", "info"),
        "quotas": ("quotas", "list"),
    }
    return dict(zip(lines, official.commands(*lines.values()), strict=True)) | {
        "ids": (running, waiting)
    }


def right(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def cells(line):
    return re.split(r" {3,}", line.strip())


def test_command_tasks_list(said, ids):
    lines = right(said["list"]).splitlines()
    rows = {cells(line)[0]: cells(line) for line in lines if line.strip()}

    assert tuple(rows["ID"]) == HEAD
    assert rows[ids["done"]][1:3] == ["arbitrary_commands", "Success"]
    assert rows[ids["failed"]][1:3] == ["splishsplash", "Failed"]
    assert re.fullmatch(r"\d\d/\d\d, \d\d:\d\d:\d\d", rows[ids["done"]][3])


def test_command_tasks_list_of_one_and_of_a_project(said, ids):
    assert ids["done"] in right(said["list one"])
    listed = right(said["list project"])
    assert ids["done"] in listed
    assert ids["failed"] not in listed


def test_command_tasks_info(said):
    text = right(said["info"])

    assert "Task status: Success" in text
    assert "Number of output files:   8" in text


def test_command_tasks_kill(said, conformance_engine):
    done = said["kill"]

    assert right(done) is not None
    for task_id in said["ids"]:
        assert f"Successfully killed task {task_id}" in done.stdout + done.stderr
        assert conformance_engine.finish(task_id)["status"] == "killed"


def test_command_tasks_kill_asks_first(official, ids, recorded):
    sent = len(recorded.of("POST", f"/tasks/{ids['done']}/kill"))

    done = official.command("tasks", "kill", ids["done"], said="n\n")

    assert "You are about to kill the following tasks" in done.stdout
    assert len(recorded.of("POST", f"/tasks/{ids['done']}/kill")) == sent


def test_command_tasks_download(said, ids, official):
    right(said["download"])

    assert (official.home / "cli" / ids["done"] / "outputs" / "result.txt").read_text() == "42"


def test_command_storage_list(said, ids):
    text = right(said["storage"])

    assert cells(text.strip().splitlines()[0])[:2] == ["NAME", "SIZE"]
    assert f"{ids['done']}/" in text
    assert "Total storage size used" in text


def test_command_projects_list(said):
    rows = [line.split() for line in right(said["projects"]).splitlines() if line.strip()]

    assert rows[0] == ["NAME", "NR_TASKS"]
    assert ["conformance", "1"] in rows


@pytest.mark.parametrize("name", ["user", "quotas"])
def test_command_user_info_and_quotas(said, name):
    text = right(said[name])

    assert "Username: local" in text
    assert "Maximum number of machines" in text


def test_command_auth_login_keeps_the_key(official, conformance_engine):
    key = conformance_engine.key
    file = official.home / ".inductiva" / "api_key"

    done = official.command("auth", "login", "--no-examples", said=f"{key}\n", INDUCTIVA_API_KEY="")

    assert "Welcome" in right(done)
    assert file.read_text() == key
    with_file = official.command("user", "info", INDUCTIVA_API_KEY="")
    assert "Username: local" in right(with_file)
    right(official.command("auth", "logout", INDUCTIVA_API_KEY=""))
    assert not file.exists()


def test_command_auth_login_refuses_a_wrong_key(official):
    done = official.command("auth", "login", said="wrong\n", INDUCTIVA_API_KEY="")

    assert done.returncode != 0
    assert not (official.home / ".inductiva" / "api_key").exists()
