"""The command line as a program of its own: pipes, terminals, signals, a real engine."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from waiting import wait_until

PROGRAM = [sys.executable, "-c", "from inductiva_widgets.cli import main; main()"]
WRITE = """
import pathlib, sys
pathlib.Path("vtk").mkdir()
for number in range(3):
    pathlib.Path(f"vtk/part_{number}.vtk").write_text("x" * 1000)
pathlib.Path("esc\\x1b[2J.txt").write_text("named badly")
print("said", *sys.argv[1:], open("data.txt").read())
"""
DEADLINE_S = 30


@pytest.fixture(scope="module")
def done_id(engine):
    files = {"run.py": WRITE, "data.txt": "42"}
    return engine.run("python run.py", files=files, simulator_name_alias="splish")["task_id"]


@pytest.fixture
def environment(engine, tmp_path):
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "INDUCTIVA_API_URL": engine.url,
        "INDUCTIVA_API_KEY": engine.key,
        "INDUCTIVA_OUTPUT_DIR": str(tmp_path / "out"),
    }


@pytest.fixture
def run(environment, tmp_path):
    def run(*words, piped="", **more):
        return subprocess.run(
            [*PROGRAM, *words],
            input=piped,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
            env={**environment, **more},
            cwd=tmp_path,
        )

    return run


class Terminal:
    """A program in a terminal of its own: what the screen got, and a keyboard."""

    def __init__(self, command, environment, cwd, columns):
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "COLUMNS": str(columns)},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - the controlling terminal, for Ctrl-C
        )
        os.close(slave)
        self.screen = ""

    def until(self, text):
        end = time.monotonic() + DEADLINE_S
        while text not in self.screen:
            assert self._read(end), f"{text!r} never came: {self.screen!r}"

    def type(self, text):
        os.write(self._master, text.encode())

    def end(self):
        end = time.monotonic() + DEADLINE_S
        while self._read(end):
            pass
        return self.process.wait(DEADLINE_S)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    @property
    def text(self):
        return self.screen.replace("\r\n", "\n")

    def _read(self, end):
        ready, _, _ = select.select([self._master], [], [], max(0, end - time.monotonic()))
        try:
            piece = os.read(self._master, 65536) if ready else b""
        except OSError:  # the program has ended
            piece = b""
        self.screen += piece.decode(errors="replace")
        return piece


def _take_terminal():
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(environment, tmp_path):
    with contextlib.ExitStack() as stack:

        def start(*words, columns=200, **more):
            opened = Terminal([*PROGRAM, *words], {**environment, **more}, tmp_path, columns)
            stack.callback(opened.close)
            return opened

        yield start


# -- looking -------------------------------------------------------------------------------------


def test_the_list_in_a_pipe_is_a_plain_table(run, done_id):
    said = run("tasks", "list", "--id", done_id)

    header, line = said.stdout.splitlines()
    assert re.fullmatch(
        r" ID {26}SIMULATOR +STATUS +SUBMITTED +STARTED +COMPUTATION TIME   RESOURCE TYPE", header
    )
    assert re.fullmatch(
        rf" {done_id}   splish +Success   \d\d/\d\d, [\d:]{{8}}   \d\d/\d\d, [\d:]{{8}}"
        r"   0:00:0\d +LOCAL \S+",
        line,
    )
    assert (said.returncode, said.stderr) == (0, "")


def test_the_list_in_a_terminal_has_a_bold_header_and_green_success(terminal, done_id):
    screen = terminal("tasks", "list", "--id", done_id)

    assert screen.end() == 0
    assert "\x1b[1mID" in screen.screen
    assert "\x1b[32mSuccess\x1b[0m" in screen.screen


@pytest.mark.fault(99)
@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_escape_leaves_where_none_is_wanted(terminal, done_id, setting):
    for words in (["list"], ["info", done_id], ["files", done_id], ["download", done_id]):
        screen = terminal("tasks", *words, **setting)
        assert screen.end() == 0
        assert "\x1b" not in screen.screen


@pytest.mark.fault(99)
def test_a_narrow_terminal_gets_a_block_a_task(terminal, done_id):
    screen = terminal("tasks", "list", "--id", done_id, columns=30, NO_COLOR="1")

    assert screen.end() == 0
    lines = screen.text.splitlines()
    assert lines[:3] == [done_id, "  SIMULATOR: splish", "  STATUS: Success"]
    assert len(lines) == 7


def test_info_tells_phases_and_commands_also_in_ascii(run, done_id):
    for encoding in ("utf-8", "ascii"):
        said = run("tasks", "info", done_id, PYTHONIOENCODING=encoding)

        assert said.returncode == 0
        assert said.stdout.startswith("Task status: Success\n\nTimeline:\n\tWaiting for Input")
        assert "python run.py\n" in said.stdout
        assert said.stderr == ""


@pytest.mark.fault(40)
def test_files_are_listed_and_hostile_names_are_harmless(run, done_id):
    said = run("tasks", "files", done_id)

    assert said.stdout.startswith("Archive size: ")
    assert "  1.00 KB " in said.stdout
    assert "esc\\u001b[2J.txt" in said.stdout
    assert "\x1b" not in said.stdout
    listed = json.loads(run("tasks", "files", done_id, "--json").stdout)
    assert "esc\x1b[2J.txt" in {one["name"] for one in listed["contents"]}


def test_looking_loads_no_notebook_library_and_no_pandas(environment, done_id, tmp_path):
    code = (
        "import sys\nfrom inductiva_widgets.cli import main\n"
        "try:\n    main(['tasks', 'list', '-n', '1'])\n"
        "finally:\n    print(sorted({'pandas', 'anywidget', 'ipywidgets', 'tqdm', 'starlette'}"
        " & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
        env=environment,
        cwd=tmp_path,
    )

    assert said.stdout.splitlines()[-1] == "[]"


@pytest.mark.fault(99)
def test_a_reader_that_leaves_early_gets_no_trace(environment, engine, done_id, tmp_path):
    command = f"tasks info {done_id} --json"
    said = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"$0" -c "$1" {command} | true', *PROGRAM[::2]],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env=environment,
        cwd=tmp_path,
    )

    assert "Traceback" not in said.stderr
    assert "BrokenPipe" not in said.stderr
    assert said.returncode in (0, 1)


@pytest.mark.fault(99)
def test_a_closed_stdout_is_no_trace(environment, done_id, tmp_path):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nowhere:
        said = subprocess.run(
            [*PROGRAM, "tasks", "list", "--json"],
            stdout=nowhere,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE_S,
            check=False,
            env=environment,
            cwd=tmp_path,
        )

    assert (said.returncode, said.stderr) == (1, "")


# -- downloading ---------------------------------------------------------------------------------


def test_files_are_chosen_by_name_folder_and_glob(run, done_id, tmp_path):
    said = run("tasks", "download", done_id, "stdout.txt", "vtk/part_[01]*", "--dir", "~/there")

    folder = tmp_path / "there" / done_id / "outputs"
    assert said.returncode == 0
    assert said.stdout.startswith("Downloaded 3 files (")
    assert str(folder) in said.stdout
    assert said.stderr == f"Downloading to {folder}\n"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {"stdout.txt", "vtk/part_0.vtk", "vtk/part_1.vtk"}


def test_everything_goes_below_the_output_root_or_straight_to_a_folder(run, done_id, tmp_path):
    assert run("tasks", "download", done_id).returncode == 0
    assert (tmp_path / "out" / done_id / "outputs" / "esc\x1b[2J.txt").read_text() == "named badly"

    assert run("tasks", "download", done_id, "--to", "flat", "--zip").returncode == 0
    assert [path.name for path in (tmp_path / "flat").iterdir()] == ["output.zip"]


@pytest.mark.fault(93)
def test_missing_names_are_told_and_the_others_delivered(run, done_id, tmp_path):
    said = run("tasks", "download", done_id, "stdout.txt", "stdxut.txt", "--to", "x", "--json")

    (told,) = json.loads(said.stdout)
    assert said.returncode == 1
    assert told["missing"] == ["stdxut.txt"]
    assert told["files"] == 1
    assert "stdout.txt" in told["error"]
    assert (tmp_path / "x" / "stdout.txt").is_file()
    assert f"Error: task {done_id}: " in said.stderr


def test_one_bad_task_harms_no_other(run, done_id, running, tmp_path):
    said = run("tasks", "download", running, "unknown", done_id, "-f", "stdout.txt")

    assert said.returncode == 1
    assert f"task {running}: " in said.stderr
    assert "its outputs come when it ends" in said.stderr
    assert "task unknown: " in said.stderr
    assert f"of task {done_id} to " in said.stdout


def test_several_tasks_are_downloaded_at_the_same_time(run, engine, tmp_path):
    files = {"a.txt": "one", "b.txt": "two"}
    ids = [engine.run("true", files=files)["task_id"] for _ in range(3)]

    said = run("tasks", "download", *ids, "-f", "a.txt", "--dir", "all", "--inputs", "--json")

    told = json.loads(said.stdout)
    assert said.returncode == 0
    assert [(one["task_id"], one["files"], one["error"]) for one in told] == [
        (task_id, 1, None) for task_id in ids
    ]
    for one in told:
        assert Path(one["path"]) == tmp_path / "all" / one["task_id"] / "inputs"
        assert Path(one["path"], "a.txt").read_text() == "one"


def test_existing_files_are_replaced_only_when_asked(run, done_id, tmp_path):
    words = ["tasks", "download", done_id, "stdout.txt", "--to", "x"]
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "stdout.txt").write_text("mine")

    assert run(*words).returncode == 1
    assert (tmp_path / "x" / "stdout.txt").read_text() == "mine"
    assert run(*words, "--overwrite", "replace").returncode == 0
    assert (tmp_path / "x" / "stdout.txt").read_text() != "mine"


def test_a_dry_run_lists_what_would_come_and_writes_nothing(run, done_id, tmp_path):
    done = run("tasks", "download", done_id, "vtk/*_1.vtk", "none.txt", "--dry-run")
    told = run("tasks", "download", done_id, "vtk/", "--dry-run", "--json")

    assert done.returncode == 1
    assert "1 of 1 files" in done.stdout
    assert "fetch    vtk/part_1.vtk" in done.stdout
    assert "Not in the archive: none.txt." in done.stdout
    assert "Not everything asked for would be delivered" in done.stderr
    assert told.returncode == 0
    (plan,) = json.loads(told.stdout)
    assert [file["name"] for file in plan["files"]] == [f"vtk/part_{i}.vtk" for i in range(3)]
    assert plan["bytes"] == 3000
    assert not (tmp_path / "out").exists()


def test_inputs_are_downloaded_by_the_same_command(run, done_id, tmp_path):
    done = run("tasks", "download", done_id, "data.txt", "--inputs")

    assert done.returncode == 0, done.stderr
    folder = tmp_path / "out" / done_id / "inputs"
    assert [path.name for path in folder.iterdir()] == ["data.txt"]
    assert (folder / "data.txt").read_text() == "42"


def test_folders_are_checked_against_the_archives(run, done_id, tmp_path):
    assert run("tasks", "download", done_id, "--to", "here").returncode == 0

    right = run("tasks", "check", done_id, "--to", "here")
    (tmp_path / "here" / "vtk" / "part_1.vtk").write_text("changed")
    wrong = run("tasks", "check", done_id, "--to", "here")
    told = run("tasks", "check", done_id, "0" * 25, "--json")

    assert (right.returncode, wrong.returncode, told.returncode) == (0, 1, 1)
    assert "0 missing, 0 different, 0 extra" in right.stdout
    assert "different  vtk/part_1.vtk" in wrong.stdout
    first, second = json.loads(told.stdout)
    assert "vtk/part_2.vtk" in first["missing"]
    assert "no task" in second["error"]
    assert run("tasks", "check", done_id, "b" * 25, "--to", "here").returncode == 2


def test_a_terminal_gets_a_progress_bar(terminal, done_id):
    screen = terminal("tasks", "download", done_id, "--to", "x")

    assert screen.end() == 0
    assert "100%" in screen.screen


def test_several_tasks_share_one_bar_that_no_line_breaks(terminal, engine, done_id):
    other = engine.run("true")["task_id"]

    screen = terminal("tasks", "download", done_id, other, "-f", "stdout.txt")

    assert screen.end() == 0
    assert "2 tasks: 100%" in screen.screen
    for task_id in (done_id, other):
        line = rf"(^|[\r\n])Downloaded 1 file \(.*\) of task {task_id} to "
        assert re.search(line, screen.screen)


# -- waiting and killing -------------------------------------------------------------------------


def test_waiting_prints_each_status_and_ends_with_the_worst(run, engine):
    good, bad = engine.submit("true"), engine.submit("false")

    said = run("tasks", "wait", good, bad)

    assert said.returncode == 1
    assert re.search(rf"^\d\d:\d\d:\d\d  {good}  Success$", said.stdout, re.MULTILINE)
    assert f"task {bad}: It ended as Failed." in said.stderr
    assert run("tasks", "wait", good).returncode == 0


def test_ctrl_c_stops_the_waiting_and_the_task_goes_on(terminal, engine, running):
    screen = terminal("tasks", "wait", running)
    screen.until("In Progress")
    screen.type("\x03")

    assert screen.end() == 130
    assert "the tasks go on" in screen.screen
    assert "Traceback" not in screen.screen
    assert engine.status(running)["status"] == "computation-started"


def test_sigint_in_a_pipe_is_130_without_a_trace(environment, running, tmp_path):
    process = subprocess.Popen(
        [*PROGRAM, "tasks", "wait", running],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert "In Progress" in process.stdout.readline()
    process.send_signal(signal.SIGINT)

    _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_the_users_dialogue_in_a_real_terminal(terminal, engine, running):
    screen = terminal("tasks", "kill", running)
    screen.until("(y/[N])? ")
    assert engine.status(running)["status"] == "computation-started"
    screen.type("y\n")

    assert screen.end() == 0
    assert screen.text == (
        "You are about to kill the following tasks:\n"
        f"  - {running}\n"
        "Are you sure you want to proceed (y/[N])? y\n"
        f"Successfully sent kill request for task {running}.\n"
    )
    assert engine.finish(running)["status"] == "killed"


@pytest.mark.fault(97)
@pytest.mark.parametrize(("keys", "code"), [("\n", 1), ("\x04", 1), ("\x03", 130)])
def test_return_end_of_input_and_ctrl_c_kill_nothing(terminal, engine, running, keys, code):
    screen = terminal("tasks", "kill", running)
    screen.until("(y/[N])? ")
    screen.type(keys)

    assert screen.end() == code
    assert engine.status(running)["status"] == "computation-started"


def test_in_a_pipe_kill_needs_yes_and_waits_for_the_truth(run, engine, running, done_id):
    assert run("tasks", "kill", running, piped="y\n").returncode == 2
    assert engine.status(running)["status"] == "computation-started"

    said = run("tasks", "kill", running, done_id, "-y", "-w", "20")

    assert said.returncode == 0
    assert said.stdout.splitlines() == [
        f"Task {done_id} had already ended as Success: nothing to kill.",
        f"Successfully killed task {running}.",
    ]


# -- sent, and sent again ------------------------------------------------------------------------


def test_a_task_is_submitted_and_its_dry_run_sends_nothing(run, engine, tmp_path):
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "run.py").write_text("import sys; print('ran', *sys.argv[1:])")
    place = ("--machine-group", "local", "--container-image", "docker://inductiva/kutu:test")
    what = ("tasks", "submit", "python run.py a", "python run.py b", "--input-dir", str(folder))

    nowhere = run(*what)
    assert nowhere.returncode == 2
    assert "needs --machine-group and --container-image" in nowhere.stderr

    what = (*what, *place)
    told = run(*what, "--dry-run")
    assert "Nothing was sent." in told.stdout
    assert str(folder) in told.stdout

    said = run(*what, "--simulator", "mine", "--json")
    made = json.loads(said.stdout)["task_id"]
    assert engine.finish(made)["simulator"] == "mine"
    assert "ran a" in engine.output(made)
    assert "ran b" in engine.output(made)
    assert run("tasks", "submit", "python run.py | tee", *place).returncode == 2


def test_a_task_is_submitted_again_with_the_changes_named(run, engine, done_id):
    said = run("tasks", "resubmit", done_id, "--json")
    again = json.loads(said.stdout)["task_id"]
    engine.finish(again)
    assert "said 42" in engine.output(again)

    said = run("tasks", "resubmit", done_id, "--command", "python run.py twice", "--json")
    changed = json.loads(said.stdout)["task_id"]
    assert engine.finish(changed)["simulator"] == "splish"
    assert "said twice 42" in engine.output(changed)


def test_a_dry_run_tells_and_sends_nothing(run, engine, done_id):
    before = engine.get("/tasks")["total_size"]

    said = run(
        "tasks", "resubmit", done_id, "--dry-run", "--command", "/opt/x/venv/bin/python a.py"
    )

    assert said.returncode == 0
    assert "Nothing was sent." in said.stdout
    assert "Warning: `/opt/x/venv/bin/python a.py` names an interpreter" in said.stdout
    told = json.loads(run("tasks", "resubmit", done_id, "--dry-run", "--json").stdout)
    assert told["body"]["extra_params"]["commands"][0]["cmd"] == "python run.py"
    assert engine.get("/tasks")["total_size"] == before


# -- the key, the engine -------------------------------------------------------------------------


def test_a_key_typed_in_a_terminal_is_not_shown(terminal, environment, engine, tmp_path):
    del environment["INDUCTIVA_API_KEY"]
    screen = terminal("auth", "login")
    screen.until("API key (not shown): ")
    screen.type(f"{engine.key}\n")

    assert screen.end() == 0
    assert engine.key not in screen.screen
    path = tmp_path / ".inductiva" / "api_key"
    assert path.read_text() == engine.key
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_key_file_is_used_by_the_next_command(run, environment, engine, done_id):
    del environment["INDUCTIVA_API_KEY"]
    assert run("auth", "login", piped=engine.key + "\n").returncode == 0

    said = run("auth", "status", "--json")

    assert json.loads(said.stdout)["error"] is None
    assert engine.key not in said.stdout
    assert run("tasks", "info", done_id).returncode == 0


def test_serve_and_its_tasks_need_no_key(environment, tmp_path):
    del environment["INDUCTIVA_API_KEY"], environment["INDUCTIVA_API_URL"]
    environment["INDUCTIVA_WIDGETS_DATA_DIR"] = str(tmp_path / "data")
    with subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        url = json.loads(process.stdout.readline())["url"]

        def ask(*words):
            return subprocess.run(
                [*PROGRAM, *words],
                capture_output=True,
                text=True,
                check=False,
                timeout=DEADLINE_S,
                env=environment,
            )

        try:
            assert url.startswith("http://127.0.0.1:")
            assert ask("tasks", "list").stdout == "No tasks found.\n"
            assert "local engine" in ask("auth", "status").stdout
            assert json.loads(ask("serve", "--stop", "--json").stdout) == {"stopped": True}
            wait_until(lambda: process.poll() is not None)
        finally:
            process.kill()
    assert ask("serve", "--stop").stdout == "No local engine was running.\n"


def test_the_demo_runs_jupyterlab_on_an_engine_that_ends_with_it(environment, tmp_path):
    del environment["INDUCTIVA_API_KEY"], environment["INDUCTIVA_API_URL"]
    environment["INDUCTIVA_WIDGETS_DATA_DIR"] = str(tmp_path / "data")
    environment["PYTHONPATH"] = str(tmp_path / "fake")
    (tmp_path / "fake" / "jupyterlab").mkdir(parents=True)
    (tmp_path / "fake" / "jupyterlab" / "__init__.py").touch()
    (tmp_path / "fake" / "jupyterlab" / "__main__.py").write_text(
        "import os, sys\n"
        "from inductiva_widgets import local\n"
        "print(sys.argv[1:], os.environ['INDUCTIVA_WIDGETS_LOCAL'], local.find() is not None)\n"
        "sys.exit(1)\n"
    )

    said = subprocess.run(
        [*PROGRAM, "demo", "--no-browser"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env=environment,
        cwd=tmp_path,
    )

    notebook = tmp_path / "inductiva_demo" / "demo.ipynb"
    first, second = said.stdout.splitlines()
    assert first == f"The notebook is {notebook}"
    assert second == f"{[str(notebook), '--no-browser']} 1 True"
    assert said.returncode == 1
    assert not _answers(environment)


def _answers(environment):
    code = "from inductiva_widgets import local; print(local.find())"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return said.stdout.strip() != "None"


def test_the_demos_simulation_runs(run, engine, environment, tmp_path):
    assert run("demo", "d", "--no-lab").returncode == 0
    script = (tmp_path / "d" / "inputs" / "plucked.py").read_text()

    task = engine.run(
        "python plucked.py", files={"plucked.py": script.replace("sleep(1)", "sleep(0)")}
    )

    assert task["status"] == "success"
    assert "period 30 of 30" in engine.output(task["task_id"])
    heights = engine.output(task["task_id"], "string/period_29.csv").splitlines()
    assert max(abs(float(line.split(",")[1])) for line in heights[1:]) <= 0.5
