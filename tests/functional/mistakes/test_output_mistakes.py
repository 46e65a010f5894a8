"""Mistakes with outputs: names, folders, disks."""

from __future__ import annotations

import contextlib
import os
import sys

import pytest
from mistake_table import OUTPUTS, mistake
from surroundings import WRITE

import inductiva_widgets as iw
from inductiva_widgets import errors
from inductiva_widgets.outputs.folder import OutputFolder


@pytest.mark.fault(93)
@mistake(
    OUTPUTS,
    "A name or pattern has a typing mistake",
    "Not in the archive: {name}.",
    "Close to it: {names}.",
)
def test_pattern_with_a_typing_mistake(refused, done):
    with refused(errors.NotFoundError, name="result.csv", names="results.csv"):
        done.download_outputs(["result.csv"])

    assert (done.download_outputs(["results.csv"]) / "results.csv").is_file()


@pytest.mark.fault(93)
@mistake(
    OUTPUTS,
    "There is nothing like the name or pattern",
    "Not in the archive: {name}.",
    "The list of its files shows which names there are.",
)
def test_pattern_of_nothing(refused, done):
    with refused(errors.NotFoundError, name="*.hdf5"):
        done.download_outputs(["*.hdf5"])

    names = [file.name for file in done.get_output_info().contents]
    assert (done.download_outputs(["vtk/*.vtk"]) / "vtk" / "a.vtk").is_file()
    assert "vtk/a.vtk" in [name.removeprefix("artifacts/") for name in names]


@pytest.mark.fault(95)
@mistake(
    OUTPUTS,
    "A file is named by a whole path, of Windows or not",
    "{name} is an absolute path.",
    "Outputs are named relative to the archive.",
)
def test_path_of_windows(refused, done):
    with refused(errors.UserInputError, name=r"C:\case\vtk\a.vtk"):
        done.download_outputs([r"C:\case\vtk\a.vtk"])

    assert (done.download_outputs([r"vtk\a.vtk"]) / "vtk" / "a.vtk").is_file()


@pytest.mark.fault(95)
@mistake(
    OUTPUTS,
    "A name goes up by `..`",
    "{name} leads out of the outputs.",
    "Name files inside them; output_dir= says where they go.",
)
def test_name_that_leads_out(refused, done, tmp_path):
    with refused(errors.UserInputError, name="../results.csv"):
        done.download_outputs(["../results.csv"])

    assert done.download_outputs(["results.csv"], tmp_path / "up") == tmp_path / "up"
    assert (tmp_path / "up" / "results.csv").is_file()


@mistake(
    OUTPUTS,
    "The list of names is empty",
    "No file names given.",
    "Leave `filenames` out to download everything.",
)
def test_no_names(refused, done):
    with refused(errors.UserInputError):
        done.download_outputs([])

    assert (done.download_outputs() / "vtk" / "b.vtk").is_file()


@mistake(
    OUTPUTS,
    "The task has not ended yet",
    "Task {id} is {status}: its outputs come when it ends.",
    "Wait for it with task.wait().",
)
def test_outputs_not_ready(refused, engine, backend):
    from inductiva_widgets.formats import short_id

    wait = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)\n"
    task = iw.Task(engine.submit("python run.py", files={"run.py": wait + WRITE}))
    engine.reach(task.id, "computation-started")
    with refused(errors.OutputsNotReadyError, id=short_id(task.id), status="In Progress"):
        task.download_outputs()

    (engine.work_folder(task.id) / "go").touch()
    assert task.wait(timeout=30) == "success"
    assert (task.download_outputs() / "results.csv").is_file()


@pytest.mark.fault(58)
@mistake(
    OUTPUTS,
    "The disk has too little room",
    "{size} are needed in {folder}, {free} are free.",
    "Make room, choose fewer files, or another folder.",
)
def test_disk_too_small(refused, done, tmp_path, monkeypatch):
    small = tmp_path / "small"
    monkeypatch.setattr(
        OutputFolder, "free_bytes", lambda self: 2 if str(self.path) == str(small) else 1 << 30
    )
    size = sum(file.size for file in done.get_output_info().contents if "vtk" in file.name)
    with refused(errors.DiskFullError, size=f"{size} B", folder=small, free="2 B"):
        done.download_outputs(["vtk"], small)

    assert (done.download_outputs(["vtk"], tmp_path / "large") / "vtk" / "a.vtk").is_file()


@contextlib.contextmanager
def other_user():
    """Root may write anywhere; nobody may not."""
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


@pytest.mark.fault(59)
@mistake(
    OUTPUTS,
    "The folder is read-only",
    "{folder} cannot be written: {reason}.",
    "Choose another folder.",
)
@pytest.mark.skipif(sys.platform == "win32", reason="permission bits are Unix")
def test_read_only_folder(refused, done, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    done.get_output_info()
    values = {"folder": closed / "out", "reason": "Permission denied"}
    with refused(errors.DestinationError, **values), other_user():
        done.download_outputs(["results.csv"], closed / "out")

    assert (done.download_outputs(["results.csv"], tmp_path / "open") / "results.csv").is_file()


@pytest.mark.fault(59)
@mistake(
    OUTPUTS,
    "The folder is a file",
    "{folder} cannot be written: it is a file, not a folder.",
    "Choose another folder.",
)
def test_folder_that_is_a_file(refused, done, tmp_path):
    (tmp_path / "file").write_text("mine")
    with refused(errors.DestinationError, folder=tmp_path / "file"):
        done.download_outputs(["results.csv"], tmp_path / "file")

    assert (tmp_path / "file").read_text() == "mine"
    assert (done.download_outputs(["results.csv"], tmp_path / "open") / "results.csv").is_file()


@pytest.mark.fault(60)
@mistake(
    OUTPUTS,
    "Files of the same names are there, with another content",
    "A file in {folder} exists with another content: {name}.",
    'Nothing was fetched. Choose overwrite="skip", "replace" or "rename".',
)
def test_file_in_the_way(refused, done, tmp_path):
    (tmp_path / "results.csv").write_text("mine")
    with refused(errors.FileConflictError, folder=tmp_path, name="results.csv"):
        done.download_outputs(["results.csv"], tmp_path)

    assert (tmp_path / "results.csv").read_text() == "mine"
    done.download_outputs(["results.csv"], tmp_path, overwrite="rename")
    assert (tmp_path / "results.csv").read_text() == "mine"
    done.download_outputs(["results.csv"], tmp_path, overwrite="replace")
    assert (tmp_path / "results.csv").read_text() == "content of results.csv"


@mistake(
    OUTPUTS,
    "`overwrite` has another value",
    "overwrite is {value}.",
    'Choose "error", "skip", "replace" or "rename".',
)
def test_unknown_way_to_overwrite(refused, done):
    with refused(errors.UserInputError, value="yes"):
        done.download_outputs(["results.csv"], overwrite="yes")

    assert (done.download_outputs(["results.csv"], overwrite="replace") / "results.csv").is_file()


@mistake(
    OUTPUTS,
    "Some files are wanted, and the archive as it is",
    "The archive can be kept packed only as a whole.",
    "Leave out the file names, or `uncompress=False`.",
)
def test_packed_files(refused, done):
    with refused(errors.UserInputError):
        done.download_outputs(["results.csv"], uncompress=False)

    assert (done.download_outputs(uncompress=False) / "output.zip").is_file()


@pytest.mark.fault(96)
@mistake(
    OUTPUTS,
    "The folder is an empty text",
    "The output folder is empty.",
    "Leave it out, or name it.",
)
def test_empty_folder(refused, done):
    with refused(errors.UserInputError):
        done.download_outputs(["results.csv"], "")

    assert (done.download_outputs(["results.csv"]) / "results.csv").is_file()
