"""The command line against a service that answers by script: words, questions, exit codes."""

from __future__ import annotations

import contextlib
import io
import json
import stat
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from scripted import ScriptedServer, ok, refusal

from inductiva_widgets import backend as backends
from inductiva_widgets.api import config as configs
from inductiva_widgets.api.models import TaskRecord, decode
from inductiva_widgets.cli import console, program
from inductiva_widgets.cli.fetching import split_names
from inductiva_widgets.cli.summary import money, summary
from inductiva_widgets.errors import UserInputError, WaitTimeoutError
from inductiva_widgets.formats import parse_time
from inductiva_widgets.tasks.rows import row

CANARY = "canary-key.0123456789"
ID = "i4ir3kvv62odsfrhko4y8w2an"
OTHER = "jxwt0rm8s8xspdfcegtgkkana"
NOW = parse_time("2025-06-16T18:30:00Z")
QUESTION = "Are you sure you want to proceed (y/[N])? "

DONE = {
    "task_id": ID,
    "status": "success",
    "status_alias": "Success",
    "simulator": "splishsplash",
    "is_terminated": True,
    "input_submit_time": "2025-06-16T18:16:36+00:00",
    "start_time": "2025-06-16T18:17:17+00:00",
    "computation_start_time": "2025-06-16T18:17:24+00:00",
    "metrics": {
        "computation_seconds": 191.8,
        "output_zipped_size_bytes": 268000,
        "output_size_bytes": 410000,
        "output_total_files": 44,
    },
    "executer": {"host_type": "GCP", "vm_type": "c2-standard-4", "n_mpi_hosts": 1},
    "estimated_computation_cost": 0.012,
    "orchestration_fee": {"amount": 0.01, "charged": True},
    "status_history": [
        {
            "status": "pending-input",
            "alias": "Waiting for Input",
            "timestamp": "2025-06-16T18:16:34+00:00",
            "end_timestamp": "2025-06-16T18:16:36+00:00",
        },
        {
            "status": "computation-started",
            "alias": "In Progress",
            "timestamp": "2025-06-16T18:17:24+00:00",
            "end_timestamp": "2025-06-16T18:20:36+00:00",
            "operations": [
                {
                    "name": "exec_command",
                    "start_timestamp": "2025-06-16T18:17:24+00:00",
                    "end_timestamp": "2025-06-16T18:20:35.8+00:00",
                    "attributes": {"command": "./SPHSimulator config.json"},
                }
            ],
        },
        {
            "status": "success",
            "alias": "Success",
            "timestamp": "2025-06-16T18:20:38+00:00",
            "end_timestamp": None,
        },
    ],
}
ALIVE = {"task_id": OTHER, "id": OTHER, "status": "computation-started", "is_terminated": False}

# What the official client prints, word by word.
SUMMARY = """\
Task status: Success

Timeline:
	Waiting for Input         at 16/06, 18:16:34      2.0 s
	In Progress               at 16/06, 18:17:24      192.0 s
		└> 191.8 s         ./SPHSimulator config.json
	Success                   at 16/06, 18:20:38      

Data:
	Size of zipped output:    268.00 KB
	Size of unzipped output:  410.00 KB
	Number of output files:   44

Total estimated cost (US$): 0.022 US$
	Estimated computation cost (US$): 0.012 US$
	Task orchestration fee (US$): 0.010 US$"""  # noqa: W291 - as it stands there


def record(**changes):
    return decode(json.dumps({**DONE, **changes}).encode(), TaskRecord)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("INDUCTIVA_WIDGETS_DATA_DIR", str(tmp_path / "engine"))
    monkeypatch.setattr(backends, "_default", None)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield tmp_path / "home"
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def server(monkeypatch):
    with contextlib.closing(ScriptedServer()) as started:
        started.answers = {
            f"GET /tasks/{ID}": ok(DONE),
            f"GET /tasks/{ID}/status": ok({**DONE, "id": ID}),
            f"GET /tasks/{OTHER}": ok(ALIVE),
            f"GET /tasks/{OTHER}/status": ok(ALIVE),
            f"POST /tasks/{OTHER}/kill": ok({**ALIVE, "status": "pending-kill"}),
            "GET /tasks": ok({"total_size": 1, "tasks": [DONE]}),
            "GET /users/info": ok({"name": "Ada", "email": "ada@example.org"}),
        }
        started.route = lambda asked: started.answers.get(
            f"{asked.method} {asked.path.partition('?')[0]}", refusal(404, "There is none.")
        )
        monkeypatch.setenv("INDUCTIVA_API_URL", started.url)
        monkeypatch.setenv("INDUCTIVA_API_KEY", CANARY)
        yield started


class Typed(io.StringIO):
    """What somebody at a terminal types."""

    def isatty(self):
        return True


class Said:
    def __init__(self, code, captured):
        self.code, self.out, self.err = code, captured.out, captured.err

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(capsys, monkeypatch):
    def run(*words, typed=None, piped=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(piped) if typed is None else Typed(typed))
        with pytest.raises(SystemExit) as ended:
            program.main([*words])
        said = Said(ended.value.code, capsys.readouterr())
        assert CANARY not in said.out + said.err
        return said

    return run


# -- the words of the contract -------------------------------------------------------------------


def test_a_row_of_the_list_is_that_of_the_contract():
    assert row(record(), NOW) == (
        ID,
        "splishsplash",
        "Success",
        "16/06, 18:16:36",
        "16/06, 18:17:17",
        "0:03:12",
        "GCP c2-standard-4",
    )


def test_what_is_not_known_is_not_available():
    bare = decode(b'{"task_id": "abc", "status": "submitted"}', TaskRecord)

    assert row(bare, NOW) == ("abc", "n/a", "In Queue", "n/a", "n/a", "n/a", "n/a")


def test_a_time_that_still_grows_has_a_star():
    running = record(metrics={}, is_terminated=False, status="computation-started")

    assert row(running, NOW)[5] == "*0:12:36"


@pytest.mark.parametrize(
    ("machine", "shown"),
    [
        (
            {"host_type": "GCP", "vm_type": "c2-standard-4", "n_mpi_hosts": 3},
            "GCP c2-standard-4 x3",
        ),
        ({"host_type": "LOCAL", "vm_type": "n/a", "vm_name": "desk"}, "LOCAL desk"),
        ({"host_type": None, "vm_type": None}, "n/a"),
    ],
)
def test_the_resource_is_told_with_its_hosts(machine, shown):
    assert row(record(executer=machine), NOW)[6] == shown


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "yesterday", 5])
def test_odd_times_harm_no_row(stamp):
    cells = row(record(start_time=stamp), NOW)

    assert cells[:4] == row(record(), NOW)[:4]


def test_the_summary_is_that_of_the_contract():
    assert summary(record(), NOW) == SUMMARY


def test_the_summary_of_a_running_task_says_what_is_not_known_yet():
    history = [{**DONE["status_history"][1], "end_timestamp": None}]
    history[0]["operations"] = [{**history[0]["operations"][0], "end_timestamp": None}]
    text = summary(
        record(
            is_terminated=False,
            status_history=history,
            metrics={},
            orchestration_fee=None,
            estimated_computation_cost=None,
        ),
        NOW,
    )

    assert "\tIn Progress               at 16/06, 18:17:24      (ongoing)" in text
    assert "\t\t└> 756.0 s         ./SPHSimulator config.json" in text
    assert text.count("N/A until task ends") == 3
    assert text.endswith("Estimated computation cost (US$): N/A")


def test_the_cause_of_a_failure_stands_below_the_status():
    text = summary(record(error_detail="no space left"), NOW)

    assert text.splitlines()[2] == "\tStatus detail: no space left"


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (12.345, "12.35"), (0.1, "0.10"), (0.022, "0.022"), (0.00012345, "0.00012")],
)
def test_money_has_two_digits_that_say_something(amount, text):
    assert money(amount) == text


def test_a_status_that_is_new_is_shown_as_sent():
    told = record(status="brand-new", status_alias=None)

    assert row(told, NOW)[2] == "brand-new"
    assert summary(told, NOW).startswith("Task status: brand-new\n")


@pytest.mark.fault(84)
def test_a_long_name_is_cut_in_the_list_and_whole_in_the_record():
    assert row(record(simulator="x" * 10_000), NOW)[1] == "x" * 39 + "…"


@pytest.mark.fault(74)
def test_an_end_before_its_start_takes_no_time():
    change = {**DONE["status_history"][0], "end_timestamp": "2024-01-01T00:00:00Z"}

    assert " 0.0 s" in summary(record(status_history=[change]), NOW)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


FIELDS = sorted(DONE) + [
    f"{place}.{inner}"
    for place in ("metrics", "executer", "orchestration_fee")
    for inner in DONE[place]
]


@given(name=st.sampled_from(FIELDS), value=VALUES)
@example(name="metrics.output_size_bytes", value=10**400)
@example(name="metrics.output_size_bytes", value=-1)
@example(name="metrics.computation_seconds", value=1e308)
@example(name="executer.n_mpi_hosts", value=10**400)
@example(name="estimated_computation_cost", value=1e308)
@example(name="estimated_computation_cost", value=-0.01)
def test_whatever_a_field_holds_there_is_a_row_and_a_summary(name, value):
    place, _, inner = name.partition(".")
    told = record(**{place: {**DONE[place], inner: value} if inner else value})

    cells, text = row(told, NOW), summary(told, NOW)

    assert len(cells) == 7
    assert all(cell and cell.isprintable() for cell in cells)
    assert all(part.isprintable() for line in text.splitlines() for part in line.split("\t"))


HOSTILE = "a\x1b[2Jb\r\n\x00\u202ec\x9b31m"


@pytest.mark.fault(104)
def test_hostile_names_are_harmless_everywhere(run, server):
    bad = {**DONE, "simulator": HOSTILE, "status_alias": HOSTILE, "error_detail": HOSTILE}
    bad["status_history"] = [{**DONE["status_history"][1], "alias": HOSTILE}]
    server.answers["GET /tasks"] = ok({"tasks": [bad]})
    server.answers[f"GET /tasks/{ID}"] = ok(bad)

    for words in (["list"], ["info", ID], ["list", "--json"], ["info", ID, "--json"]):
        said = run("tasks", *words)

        assert said.code == 0
        assert not set(said.out) & set("\x1b\r\x00\u202e\x9b")
    assert len(run("tasks", "list").out.splitlines()) == 2


# -- list, info ----------------------------------------------------------------------------------


def test_the_list_is_plain_in_a_pipe(run, server):
    said = run("tasks", "list")

    header, first = said.out.splitlines()
    assert header.split("   ")[0].strip() == "ID"
    assert [cell for cell in header.replace("   ", "\t").split("\t") if cell.strip()]
    for column in ("ID", "SIMULATOR", "STATUS", "SUBMITTED", "STARTED", "COMPUTATION TIME"):
        assert first[header.index(column) - 1] == " "
    assert first.startswith(f" {ID}   splishsplash   Success   16/06, 18:16:36   ")
    assert "\x1b" not in said.out
    assert (said.code, said.err) == (0, "")


def test_an_empty_list_says_so_and_is_empty_json(run, server):
    server.answers["GET /tasks"] = ok({"tasks": []})

    assert run("tasks", "list").out == "No tasks found.\n"
    assert run("tasks", "list", "--json").json == []


def test_options_of_the_list_reach_the_service(run, server):
    run("tasks", "list", "-n", "3", "-s", "success", "-p", "study")

    assert server.paths() == ["GET /tasks?page=1&per_page=3&status=success&project=study"]


@pytest.mark.fault(92)
def test_a_status_that_is_not_known_here_needs_a_flag(run, server):
    refused = run("tasks", "list", "--status", "brand-new")
    assert refused.code == 2
    assert "computation-started" in refused.err
    assert server.asked == []

    assert run("tasks", "list", "--status", "brand-new", "--unknown-status").code == 0
    assert server.paths() == ["GET /tasks?page=1&per_page=10&status=brand-new"]


@pytest.mark.fault(88)
def test_an_unknown_id_harms_no_other_row(run, server):
    said = run("tasks", "list", "--id", ID, "--id", "unknown", "--id", OTHER)

    assert said.code == 1
    assert [line.split()[0] for line in said.out.splitlines()] == ["ID", ID, OTHER]
    assert "task unknown" in said.err


def test_json_has_the_names_of_the_contract(run, server):
    (told,) = run("tasks", "list", "--json").json

    assert told["task_id"] == ID
    assert told["metrics"]["computation_seconds"] == 191.8
    assert run("tasks", "info", ID, "--json").json == DONE


@pytest.mark.fault(91)
@pytest.mark.parametrize("count", ["0", "-1", "1.5", "five", "nan", ""])
def test_a_bad_count_is_wrong_usage_and_no_request_leaves(run, server, count):
    assert run("tasks", "list", "-n", count).code == 2
    assert server.asked == []


@pytest.mark.fault(88)
def test_what_to_do_next_is_told_as_it_is_done_from_a_shell(run, server):
    unknown = run("tasks", "info", "abc")
    assert "`inductiva-widgets tasks list --all` shows the tasks of the account." in unknown.err

    ended = run("tasks", "top", ID)
    assert "`inductiva-widgets tasks files ID`" in ended.err

    early = run("tasks", "files", OTHER)
    assert "Wait for it with `inductiva-widgets tasks wait ID`." in early.err
    for said in (unknown, ended, early):
        assert said.code == 1
        assert "()" not in said.err


@pytest.mark.parametrize("python", console.STEPS)
def test_the_steps_told_for_a_shell_are_those_that_errors_name(python):
    package = Path(console.__file__).parents[1]
    texts = (path.read_text("utf-8") for path in package.rglob("*.py") if "cli" not in path.parts)

    assert any(python in text.replace('"\n            "', "") for text in texts)


BAD_IDS = ["", " ", "a/b", "../x", "a?b", "a#b", "a\nb", "é", "x" * 200]


@pytest.mark.fault(87)
@pytest.mark.parametrize("command", ["info", "files", "download", "wait", "kill", "resubmit"])
@pytest.mark.parametrize("task_id", BAD_IDS)
def test_a_bad_id_is_wrong_usage_and_no_request_leaves(run, server, command, task_id):
    said = run("tasks", command, task_id)

    assert said.code == 2
    assert len(said.err.splitlines()) == 1
    assert server.asked == []


PLACE = ["--machine-group", "g", "--container-image", "i"]


@pytest.mark.parametrize(
    "words",
    [
        ["nothing"],
        ["tasks", "nothing"],
        ["tasks", "list", "--nothing"],
        ["tasks", "info"],
        ["tasks", "kill"],
        ["tasks", "kill", ID, "--all"],
        ["tasks", "kill", "--all", "--status", "submitted"],
        ["tasks", "kill", ID, "-w", "0"],
        ["tasks", "list", "--id", ID, "--all"],
        ["tasks", "wait", ID, "--timeout", "-1"],
        ["tasks", "download", ID, "--overwrite", "maybe"],
        ["tasks", "download", ID, OTHER, "--to", "x"],
        ["tasks", "download", ID, "--dir", " "],
        ["tasks", "download", ID, "--to", ""],
        ["tasks", "download", ID, "/etc/passwd"],
        ["tasks", "download", ID, "../x"],
        ["tasks", "download", ID, "a.txt", "--zip"],
        ["tasks", "resubmit", ID, "--time-to-live", "soon"],
        [
            *[
                "tasks",
                "submit",
                "true",
                "--machine-group",
                "g",
                "--container-image",
                "i",
                "--time-to-live",
                "0",
            ]
        ],
        [
            *[
                "tasks",
                "submit",
                "true",
                "--machine-group",
                "g",
                "--container-image",
                "i",
                "--input-dir",
            ],
            "",
        ],
    ],
)
def test_wrong_usage_ends_with_2_and_no_request(run, server, words):
    said = run(*words)

    assert said.code == 2
    assert said.err
    assert server.asked == []


def test_errors_are_one_line_without_the_key(run, server):
    server.answers["GET /tasks"] = refusal(401, f"bad key {CANARY} \x1b[31m<b>")

    said = run("tasks", "list")

    assert said.code == 1
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("Error: The service refused the API key (401)")
    assert "\x1b" not in line


def test_without_key_and_engine_nothing_is_started_and_both_ways_are_told(run, home):
    said = run("tasks", "list")

    assert said.code == 1
    assert "auth login" in said.err
    assert "serve" in said.err
    assert not (home.parent / "engine").exists()


def test_ctrl_c_ends_with_130(run, server, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(backends.Backend, "__init__", interrupt)

    said = run("tasks", "list")

    assert said.code == 130
    assert said.err.splitlines()[-1] == "Interrupted."


# -- kill ----------------------------------------------------------------------------------------


def test_the_dialogue_of_kill_is_that_of_the_users_document(run, server):
    said = run("tasks", "kill", OTHER, typed="y\n")

    assert said.out == (
        "You are about to kill the following tasks:\n"
        f"  - {OTHER}\n"
        f"{QUESTION}"
        f"Successfully sent kill request for task {OTHER}.\n"
    )
    assert (said.code, said.err) == (0, "")


@pytest.mark.fault(97)
@pytest.mark.parametrize("answer", ["y\n", "Y\n", "yes\n", " y \n", "YE\n"])
def test_yes_is_yes(run, server, answer):
    assert run("tasks", "kill", OTHER, typed=answer).code == 0
    assert f"POST /tasks/{OTHER}/kill" in server.paths()


@pytest.mark.fault(97)
@pytest.mark.parametrize("answer", ["\n", "", "n\n", "N\n", "no\n", "yy\n", "kill\n", "\x00\n"])
def test_all_else_is_no(run, server, answer):
    said = run("tasks", "kill", OTHER, typed=answer)

    assert said.code == 1
    assert said.out.endswith("No task was killed.\n")
    assert not [path for path in server.paths() if path.startswith("POST")]


@pytest.mark.fault(97)
def test_kill_is_refused_when_nobody_can_be_asked(run, server):
    said = run("tasks", "kill", OTHER, piped="y\n")

    assert said.code == 2
    assert "--yes" in said.err
    assert not [path for path in server.paths() if path.startswith("POST")]


def test_kill_with_yes_asks_nobody(run, server):
    said = run("tasks", "kill", "-y", OTHER)

    assert said.out == f"Successfully sent kill request for task {OTHER}.\n"


@pytest.mark.fault(97)
def test_each_task_has_one_true_outcome(run, server):
    third = "n0zcac8rmw7xydbis3m407kb4"
    server.answers[f"GET /tasks/{third}"] = ok({**ALIVE, "task_id": third})
    server.answers[f"POST /tasks/{third}/kill"] = refusal(403, "not yours")

    said = run("tasks", "kill", ID, OTHER, "unknown", third, OTHER, typed="y\n")

    assert said.code == 1
    assert said.out.splitlines()[:3] == [
        "You are about to kill the following tasks:",
        f"  - {OTHER}",
        f"  - {third}",
    ]
    assert f"Task {ID} had already ended as Success: nothing to kill." in said.out
    assert f"Successfully sent kill request for task {OTHER}." in said.out
    assert f"task {third}: The service refused" in said.err
    assert "task unknown: This account has no task unknown." in said.err
    posts = [path for path in server.paths() if path.startswith("POST")]
    assert sorted(posts) == [f"POST /tasks/{OTHER}/kill", f"POST /tasks/{third}/kill"]


def test_outcomes_as_json(run, server):
    said = run("tasks", "kill", "--json", ID, OTHER, "unknown", typed="y\n")

    assert [(one["task_id"], one["outcome"]) for one in said.json] == [
        (ID, "already-ended"),
        (OTHER, "pending"),
        ("unknown", "failed"),
    ]
    assert "no task" in said.json[2]["detail"]
    assert QUESTION in said.err
    assert said.code == 1


@pytest.mark.fault(97)
def test_an_ended_task_is_no_failure_and_nobody_is_asked(run, server):
    said = run("tasks", "kill", ID)

    assert said.code == 0
    assert "already ended" in said.out
    assert QUESTION not in said.out


@pytest.mark.fault(97)
def test_more_than_twenty_tasks_are_counted(run, server):
    many = [{**ALIVE, "task_id": f"task{n}"} for n in range(30)]
    server.answers["GET /tasks"] = ok({"tasks": many})

    said = run("tasks", "kill", "--all", typed="n\n")

    assert said.out.splitlines()[0] == "You are about to kill 30 tasks."
    assert "  - " not in said.out
    assert said.code == 1


def test_all_means_every_state_from_which_one_can_be_killed(run, server):
    server.answers["GET /tasks"] = ok({"tasks": []})

    said = run("tasks", "kill", "--all", "-y")

    assert said.out == "There are no tasks to kill.\n"
    assert said.code == 0
    *by_state, newest = server.paths()
    assert [path.rpartition("status=")[2] for path in by_state] == [
        "pending-input",
        "submitted",
        "started",
        "computation-started",
        "computation-ended",
    ]
    assert "status=" not in newest


def test_all_means_also_a_state_that_is_new_to_this_package(run, server):
    new = {"task_id": OTHER, "status": "hibernating", "is_terminated": False}
    server.answers["GET /tasks"] = ok({"total_size": 1, "tasks": [new]})

    said = run("tasks", "kill", "--all", "-y")

    assert OTHER in said.out + said.err
    assert "no tasks to kill" not in said.out


def test_status_chooses_the_tasks_to_kill(run, server):
    server.answers["GET /tasks"] = ok({"tasks": [ALIVE]})

    said = run("tasks", "kill", "--status", "computation-started", "-y")

    assert said.out == f"Successfully sent kill request for task {OTHER}.\n"
    assert server.paths()[0].endswith("status=computation-started")


def test_a_kill_that_is_waited_for_says_what_came_of_it(run, server):
    killed = {**ALIVE, "status": "killed", "is_terminated": True}
    server.answers[f"POST /tasks/{OTHER}/kill"] = ok({**ALIVE, "status": "pending-kill"})
    unconfirmed = run("tasks", "kill", "-y", "-w", "0.05", OTHER)
    assert unconfirmed.out == f"Sent kill request for task {OTHER}; it has not ended yet.\n"
    assert unconfirmed.code == 1

    server.answers[f"POST /tasks/{OTHER}/kill"] = ok(killed)
    confirmed = run("tasks", "kill", "-y", "-w", "5", OTHER)
    assert confirmed.out == f"Successfully killed task {OTHER}.\n"
    assert confirmed.code == 0


def test_after_ctrl_c_at_the_question_nothing_is_killed(run, server, monkeypatch):
    class Interrupted(Typed):
        def readline(self, *_):
            raise KeyboardInterrupt

    monkeypatch.setattr(f"{__name__}.Typed", Interrupted)

    assert run("tasks", "kill", OTHER, typed="").code == 130
    assert not [path for path in server.paths() if path.startswith("POST")]


# -- download, wait ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "names", "ids", "files"),
    [
        ([ID], [], [ID], None),
        ([ID, OTHER], [], [ID, OTHER], None),
        ([ID, ID], [], [ID], None),
        ([ID, "stdout.txt"], [], [ID], ["stdout.txt"]),
        ([ID, OTHER, "vtk/", "a*"], [], [ID, OTHER], ["vtk/", "a*"]),
        ([ID, "vtk", OTHER], [], [ID], ["vtk", OTHER]),
        (["abc", "def"], [], ["abc"], ["def"]),
        (["1691150776862178362", "1691149904961476240"], [], None, None),
        (["abc", "def"], ["x.txt"], ["abc", "def"], ["x.txt"]),
    ],
)
def test_words_are_ids_as_long_as_they_look_like_ids(words, names, ids, files):
    assert split_names(words, names) == (ids or words, files)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../b", "C:\\x", "a\0b"])
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(UserInputError):
        split_names([ID, name], [])


def test_waiting_for_ended_tasks_gives_their_ends(run, server):
    assert run("tasks", "wait", ID).code == 0

    failed = {**DONE, "status": "failed", "status_alias": "Failed", "error_detail": "exit code 3"}
    server.answers[f"GET /tasks/{OTHER}"] = ok({**failed, "task_id": OTHER})
    server.answers[f"GET /tasks/{OTHER}/status"] = ok({**failed, "id": OTHER})
    said = run("tasks", "wait", ID, OTHER, "unknown", "--json")

    assert said.code == 1
    assert [(end["task_id"], end["status"]) for end in said.json] == [
        (ID, "success"),
        (OTHER, "failed"),
        ("unknown", None),
    ]
    assert f"task {OTHER}: It ended as Failed. exit code 3" in said.err


def test_a_wait_ends_at_its_time_limit(run, server):
    said = run("tasks", "wait", OTHER, "--timeout", "0.05")

    assert said.code == 1
    assert "it goes on" in said.err


# -- the key -------------------------------------------------------------------------------------


@pytest.fixture
def key_file(server, monkeypatch):
    monkeypatch.delenv("INDUCTIVA_API_KEY")
    return configs.key_file()


def test_a_key_is_read_without_echo_checked_and_kept_privately(run, key_file, server, monkeypatch):
    asked = []
    monkeypatch.setattr("getpass.getpass", lambda text: asked.append(text) or f" {CANARY}\n")

    said = run("auth", "login", typed="")

    assert said.code == 0
    assert "as Ada" in said.out
    assert asked == ["API key (not shown): "]
    assert server.paths() == ["GET /users/info"]
    assert server.asked[0].headers["X-API-Key"] == CANARY
    assert key_file.read_bytes() == CANARY.encode()
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700
    assert [path.name for path in key_file.parent.iterdir()] == ["api_key"]


def test_a_key_may_come_through_a_pipe(run, key_file):
    said = run("auth", "login", "--json", piped=f"{CANARY}\nmore\n")

    assert said.code == 0
    assert said.json["account"]["name"] == "Ada"
    assert key_file.read_text() == CANARY


@pytest.mark.parametrize("text", ["", "\n", f"'{CANARY}'\n", f"{CANARY} x\n", f"{CANARY}é\n"])
def test_a_key_that_is_none_is_refused_before_any_request(run, key_file, server, text):
    said = run("auth", "login", piped=text)

    assert said.code == 1
    assert server.asked == []
    assert not key_file.exists()


def test_a_key_that_the_service_refuses_is_not_kept(run, key_file, server):
    key_file.parent.mkdir()
    key_file.write_text("the-old-one")
    server.answers["GET /users/info"] = refusal(401, "unknown key")

    said = run("auth", "login", "--yes", piped=CANARY)

    assert said.code == 1
    assert "unknown key" in said.err
    assert key_file.read_text() == "the-old-one"


def test_another_key_is_replaced_only_when_that_is_agreed_to(run, key_file, monkeypatch):
    key_file.parent.mkdir(mode=0o755)
    key_file.write_text("the-old-one\n")
    monkeypatch.setattr("getpass.getpass", lambda _: CANARY)

    refused = run("auth", "login", typed="\n")
    assert refused.code == 1
    assert "official client" in refused.out
    assert key_file.read_text() == "the-old-one\n"

    assert run("auth", "login", piped=CANARY).code == 2
    assert key_file.read_text() == "the-old-one\n"

    assert run("auth", "login", typed="y\n").code == 0
    assert key_file.read_text() == CANARY
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700


def test_the_same_key_again_makes_the_file_private_without_a_question(run, key_file):
    key_file.parent.mkdir(mode=0o755)
    key_file.write_text(CANARY + "\n")
    key_file.chmod(0o644)

    assert run("auth", "login", piped=CANARY).code == 0
    assert key_file.read_text() == CANARY
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


def test_a_key_file_that_cannot_be_written_is_told_and_nothing_is_left(run, key_file):
    key_file.mkdir(parents=True)

    said = run("auth", "login", "--yes", piped=CANARY)

    assert said.code == 1
    assert "cannot be written" in said.err
    assert [path.name for path in key_file.parent.iterdir()] == ["api_key"]


def test_logout_asks_and_removes_the_file(run, key_file):
    assert run("auth", "logout").out == "No key was kept.\n"
    key_file.parent.mkdir()
    key_file.write_text(CANARY)

    assert run("auth", "logout").code == 2
    assert run("auth", "logout", typed="\n").code == 1
    assert key_file.exists()

    assert run("auth", "logout", typed="y\n").code == 0
    assert not key_file.exists()


def test_a_variable_that_comes_before_the_file_is_told(run, server):
    assert "comes before the file" in run("auth", "login", piped=CANARY).err
    assert "still holds a key" in run("auth", "logout", "--yes").err


def test_status_says_where_all_comes_from_and_never_the_key(run, server):
    said = run("auth", "status")

    assert said.code == 0
    assert server.url in said.out
    assert "the variable INDUCTIVA_API_KEY" in said.out
    assert "the variable INDUCTIVA_API_URL" in said.out
    assert "as Ada" in said.out


def test_status_of_the_local_engine_does_not_speak_of_the_service(run, server, monkeypatch):
    monkeypatch.delenv("INDUCTIVA_API_KEY")
    monkeypatch.delenv("INDUCTIVA_API_URL")
    none = run("auth", "status")
    assert none.code == 0
    assert "No local engine runs now; `inductiva-widgets serve` runs one.\n" in none.out

    engine = configs.Config(server.url, configs.ApiKey(CANARY), "a test", Path(), is_local=True)
    monkeypatch.setattr(backends, "find", lambda: backends.Backend(engine))
    said = run("auth", "status")

    assert said.code == 0
    assert f"It runs at {server.url} and takes its own key as Ada.\n" in said.out
    assert "The service" not in said.out


def test_status_fails_when_the_service_refuses_the_key(run, server):
    server.answers["GET /users/info"] = refusal(401, "unknown key")

    said = run("auth", "status", "--json")

    assert said.code == 1
    assert "unknown key" in said.json["error"]
    assert said.json["account"] is None


@pytest.mark.fault(90)
def test_status_offers_to_mend_a_key_file_that_others_can_read(run, key_file):
    key_file.parent.mkdir()
    key_file.write_text(CANARY + "\n")
    key_file.chmod(0o644)

    said = run("auth", "status")

    assert said.code == 0
    assert f"chmod 600 {key_file}" in said.out


def test_status_of_settings_that_cannot_work_is_told_once(run, server, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_URL", "ftp://elsewhere")

    said = run("auth", "status")

    assert said.code == 1
    assert (said.out + said.err).count("http(s)") == 1


# -- the whole program ---------------------------------------------------------------------------


def commands(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(program.cli))


def test_the_commands_are_those_of_the_documentation():
    text = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
    for path, command in COMMANDS.items():
        assert f"`{' '.join(path)}" in text, path
        for option in (name for param in command.params for name in param.opts):
            assert not option.startswith("--") or f"`{option}" in text, (path, option)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_json_and_help(path):
    assert "--json" in {name for param in COMMANDS[path].params for name in param.opts}
    assert CliRunner().invoke(program.cli, [*path, "--help"]).exit_code == 0


def test_help_and_version_end_with_0(run):
    assert run("--help").code == 0
    assert run("--version").out.startswith("inductiva-widgets, version")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_their_completion(run, monkeypatch, shell):
    monkeypatch.setenv("_INDUCTIVA_WIDGETS_COMPLETE", f"{shell}_source")
    if shell == "bash":
        monkeypatch.setattr(
            "click.shell_completion.BashComplete._check_version", staticmethod(lambda: None)
        )

    assert "_INDUCTIVA_WIDGETS_COMPLETE" in run().out


def test_statuses_are_completed(run, monkeypatch):
    monkeypatch.setenv("_INDUCTIVA_WIDGETS_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", "inductiva-widgets tasks list --status succ")
    monkeypatch.setenv("COMP_CWORD", "4")

    assert "success" in run().out


@pytest.mark.parametrize(
    ("variables", "painted"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"INDUCTIVA_DISABLE_ANSI": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": ""}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(monkeypatch, variables, painted):
    for name, value in {"TERM": "xterm", "NO_COLOR": "", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", Typed())

    assert (console.paint("x", bold=True) != "x") is painted

    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert console.paint("x", bold=True) == "x"


def test_a_narrow_terminal_gets_blocks(monkeypatch):
    screen = Typed()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("NO_COLOR", "1")

    console.print_table(["ID", "STATUS"], [["x" * 25, "Success"]])

    assert screen.getvalue().splitlines() == ["x" * 25, "  STATUS: Success"]


@pytest.mark.parametrize("error", [None, UserInputError("no such file"), WaitTimeoutError("slow")])
def test_a_download_that_ends_between_two_looks_is_told_as_it_ended(monkeypatch, error):
    class Ending:
        done = False
        progress = SimpleNamespace(bytes=7, bytes_done=7)

        def result(self, timeout):
            if not self.done:
                self.done = True
                raise WaitTimeoutError("not in time")
            if error is not None:
                raise error

    bar = SimpleNamespace(n=0, total=None, update=lambda size: None)
    monkeypatch.setattr(console, "byte_bar", lambda label: contextlib.nullcontext(bar))
    with contextlib.nullcontext() if error is None else pytest.raises(type(error)) as caught:
        console.follow(Ending(), "a download")

    assert caught is None or caught.value is error
    assert bar.total == 7


def test_the_demo_writes_its_notebook_and_keeps_changes(run, tmp_path):
    said = run("demo", str(tmp_path / "d"), "--no-lab", "--json")
    notebook = tmp_path / "d" / "demo.ipynb"
    assert said.json["notebook"] == str(notebook)
    assert json.loads(notebook.read_text())["nbformat"] == 4
    notebook.write_text("changed")

    assert run("demo", str(tmp_path / "d"), "--no-lab").code == 0
    assert notebook.read_text() == "changed"


def test_a_demo_that_cannot_be_written_fails_in_one_line(run, tmp_path):
    (tmp_path / "d").write_text("")

    said = run("demo", str(tmp_path / "d" / "e"), "--no-lab")

    assert said.code == 1
    assert len(said.err.splitlines()) == 1


@pytest.mark.fault(99)
def test_no_terminal_at_all_is_no_error(monkeypatch):
    assert not console.is_terminal(None)
    closed = io.StringIO()
    closed.close()
    assert not console.is_terminal(closed)
