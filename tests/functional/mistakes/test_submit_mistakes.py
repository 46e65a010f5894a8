"""Mistakes at submitting a task."""

from __future__ import annotations

from pathlib import Path

import pytest
from mistake_table import SUBMITTING, mistake
from scripted import RESET, ok
from surroundings import connected

import inductiva_widgets as iw
from inductiva_widgets import errors


def inputs(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in {"run.py": "print('done')", **files}.items():
        (folder / name).write_text(text)
    return folder


@mistake(
    SUBMITTING,
    "The input folder is not there",
    "The input folder {folder} does not exist.",
    "Name it from here ({here}), or by its whole path.",
)
def test_missing_input_folder(refused, backend, tmp_path):
    with refused(errors.UserInputError, folder="'dam_braek'", here=Path.cwd()):
        iw.tasks.submit(["python run.py"], "dam_braek")

    task = iw.tasks.submit(["python run.py"], inputs(tmp_path / "dam_break"))
    assert task.wait(timeout=30) == "success"


@mistake(
    SUBMITTING,
    "The input folder has an `output.zip`, as of a download",
    "The input folder holds a file named output.zip, which results are stored under.",
    "Move or rename it.",
)
def test_output_among_inputs(refused, backend, tmp_path):
    folder = inputs(tmp_path / "case", **{"output.zip": "old"})
    with refused(errors.UserInputError):
        iw.tasks.submit(["python run.py"], folder)

    (folder / "output.zip").rename(folder / "before.zip")
    assert iw.tasks.submit(["python run.py"], folder).wait(timeout=30) == "success"


@pytest.mark.fault(122)
@mistake(
    SUBMITTING,
    "A command is written for a shell",
    "The command {command} holds {characters}, which no shell will interpret.",
    "Put such a line into a script among the inputs and run the script.",
)
def test_command_for_a_shell(refused, backend, tmp_path):
    line = "python run.py > log.txt"
    folder = inputs(tmp_path / "case", **{"all.sh": line})
    with refused(errors.UserInputError, command=repr(line), characters=">"):
        iw.tasks.submit([line], folder)

    task = iw.tasks.submit(["sh all.sh"], folder)
    assert task.wait(timeout=30) == "success"
    assert task.get_output()["log.txt"].text() == "done\n"


@mistake(
    SUBMITTING,
    "The commands are one text, or none",
    "A task needs a list of at least one command.",
    'For example commands=["python run.py"].',
)
def test_command_without_a_list(refused, backend, tmp_path):
    folder = inputs(tmp_path / "case")
    with refused(errors.UserInputError):
        iw.tasks.submit("python run.py", folder)

    assert iw.tasks.submit(["python run.py"], folder).wait(timeout=30) == "success"


@pytest.mark.fault(122)
@mistake(
    SUBMITTING,
    "The program is not there where the task runs",
    "Task {id} ended as {status}: The command {command} was not found (exit code 127).",
    "{step}",
)
def test_missing_program(refused, backend, tmp_path):
    from inductiva_widgets.causes import cause_of
    from inductiva_widgets.formats import short_id

    folder = inputs(tmp_path / "case")
    task = iw.tasks.submit(["nosuchsolver run.py"], folder)
    task.wait(timeout=30)
    values = {"id": short_id(task.id), "status": "Failed", "command": "nosuchsolver"}
    with refused(errors.TaskFailedError, **values, step=cause_of(task.info, "").step):
        task.wait(raise_on_failure=True)

    assert task.resubmit(commands=["python run.py"]).wait(timeout=30) == "success"


@mistake(
    SUBMITTING,
    "The machine group is not there",
    "There is no machine group {name}.",
    "Name one that there is with machine_group=; the local engine has 'local'.",
)
def test_unknown_group(refused, backend, tmp_path):
    folder = inputs(tmp_path / "case")
    with refused(errors.NotFoundError, name="'my-group'"):
        iw.tasks.submit(["python run.py"], folder, machine_group="my-group")

    task = iw.tasks.submit(["python run.py"], folder, machine_group="local")
    assert task.wait(timeout=30) == "success"


@mistake(
    SUBMITTING,
    "The service is not told where a task shall run",
    "On the service a task needs machine_group and container_image.",
    "Give both; only the local engine, connect(local=True), can do without.",
)
def test_submission_without_a_group(refused, engine, tmp_path):
    folder = inputs(tmp_path / "case")
    place = {"machine_group": "local", "container_image": "docker://inductiva/kutu:x"}
    with connected(key=engine.key, url=engine.url):
        with refused(errors.UserInputError):
            iw.tasks.submit(["python run.py"], folder)

        task = iw.tasks.submit(["python run.py"], folder, **place)
        assert task.wait(timeout=30) == "success"


@mistake(
    SUBMITTING,
    "The time limit is 0 or negative",
    "time_to_live_s is {value}, but must be more than 0 seconds.",
    "time_to_live_s=None sets no limit.",
)
def test_no_time_to_live(refused, backend, tmp_path):
    folder = inputs(tmp_path / "case")
    with refused(errors.UserInputError, value=0):
        iw.tasks.submit(["python run.py"], folder, time_to_live_s=0)

    task = iw.tasks.submit(["python run.py"], folder, time_to_live_s=None)
    assert task.wait(timeout=30) == "success"


@mistake(
    SUBMITTING,
    "Notes of a task are no texts",
    "Metadata keys and values are non-empty texts.",
    'For example metadata={{"mesh": "coarse"}}.',
)
def test_odd_notes(refused, done):
    with refused(errors.UserInputError):
        done.set_metadata({"mesh": 0.1})

    done.set_metadata({"mesh": "0.1"})
    assert done.get_metadata()["mesh"] == "0.1"


@pytest.mark.fault(11)
@mistake(
    SUBMITTING,
    "The connection broke while a task was submitted",
    "Whether the task was made is not known: {reason}",
    "Look for it before you submit again: inductiva_widgets.tasks.list(last_n=5). One that waits "
    "for its inputs can be killed.",
)
def test_submission_of_unknown_fate(refused, service, asking, engine, backend):
    group = {"id": "g", "name": "local", "started": True}
    service.route = lambda asked: ok(group) if "/compute/" in asked.path else RESET
    host = service.url.removeprefix("http://")
    with refused(errors.SubmissionUnknownError, reason=f"No connection to {host}."):
        iw.tasks.submit(
            ["true"], machine_group="local", container_image="docker://x", backend=asking
        )
    half = engine.create("true")  # what such a service may have made

    row = iw.tasks.list(last_n=5).loc[half]
    assert row["status"] == "pending-input"
    assert iw.Task(half).kill(wait_timeout=20)
