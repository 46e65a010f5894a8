"""Files of tasks on the real engine: checked, rehearsed, collected; inputs fetched back."""

from __future__ import annotations

import contextlib
import zipfile

import pandas as pd
import pytest
from support import backend_at

from inductiva_widgets import tasks
from inductiva_widgets.errors import NotFoundError, OutputsNotReadyError, UserInputError
from inductiva_widgets.task.files import outputs_of
from inductiva_widgets.tasks import Task

RUN = """
import pathlib, sys
height = float(pathlib.Path("height.txt").read_text())
rows = "".join(f"{step / 10},{height - 4.9 * (step / 10) ** 2}\\n" for step in range(4))
pathlib.Path("fall.csv").write_text("time_s,height_m\\n" + rows)
"""
HEIGHTS = [2.0, 3.5, 5.0]


@pytest.fixture(scope="module")
def done_ids(engine):
    return [
        engine.run(
            "python run.py",
            files={"run.py": RUN, "height.txt": str(height), "mesh/a.msh": "m"},
        )["task_id"]
        for height in HEIGHTS
    ]


@pytest.fixture
def backend(engine, tmp_path):
    with contextlib.closing(
        backend_at(engine.url, engine.key, tmp_path / "out", is_local=True)
    ) as made:
        yield made


@pytest.fixture
def done(done_ids, backend):
    return Task(done_ids[0], backend=backend)


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


# -- inputs --------------------------------------------------------------------------------------


def test_inputs_come_back_as_they_were_given(done, tmp_path):
    folder = done.download_inputs()

    assert folder == tmp_path / "out" / done.id / "inputs"
    assert files_below(folder) == ["height.txt", "mesh/a.msh", "run.py"]
    assert (folder / "run.py").read_text() == RUN


def test_some_inputs_come_to_a_folder_that_is_named(done, tmp_path):
    folder = done.download_inputs(["mesh/", "*.txt"], tmp_path / "here")

    assert files_below(tmp_path / "here") == ["height.txt", "mesh/a.msh"]
    with pytest.raises(NotFoundError, match=r"Close to it: run\.py"):
        done.download_inputs("ran.py", folder)


def test_the_input_archive_is_kept_whole(done):
    folder = done.download_inputs(uncompress=False)

    with zipfile.ZipFile(folder / "input.zip") as archive:
        assert "sim_dir/run.py" in archive.namelist()


def test_inputs_are_rehearsed(done, tmp_path):
    plan = done.download_inputs(dry_run=True)

    assert sorted(plan.names) == ["height.txt", "mesh/a.msh", "run.py"]
    assert not (tmp_path / "out").exists()


def test_a_task_without_inputs_says_so(waiting, backend):
    with pytest.raises(NotFoundError, match="are not stored, or not any more"):
        waiting.download_inputs()
    with pytest.raises(NotFoundError, match="no task"):
        Task("0" * 25, backend=backend).download_inputs()


# -- outputs -------------------------------------------------------------------------------------


def test_outputs_are_rehearsed_then_fetched_then_there(done, tmp_path):
    plan = done.download_outputs(["fall.csv"], dry_run=True)
    assert (plan.names, plan.bytes) == (
        ["fall.csv"],
        len((outputs_of(done).files()["fall.csv"]).bytes()),
    )
    assert not (tmp_path / "out").exists()

    done.download_outputs(["fall.csv"])

    (again,) = done.download_outputs(["fall.csv"], dry_run=True).files
    assert (again.action, again.reason) == ("skip", "already there")


def test_a_folder_is_checked_against_the_archive(done, tmp_path):
    assert not done.check().is_complete
    folder = done.download_outputs()
    assert done.check().is_complete
    assert done.check(folder) == done.check()
    (folder / "fall.csv").write_text("changed")
    (folder / "stderr.txt").unlink()
    (folder / "mine.txt").write_text("")

    report = done.check()

    assert str(report).splitlines()[1:] == [
        "  missing    stderr.txt",
        "  different  fall.csv",
        "  extra      mine.txt",
    ]
    assert repr(report) == str(report)


def test_what_needs_outputs_says_that_there_are_none_yet(waiting):
    for act in (waiting.check, lambda: waiting.download_outputs(dry_run=True)):
        with pytest.raises(OutputsNotReadyError):
            act()


# -- many tasks ----------------------------------------------------------------------------------


def test_runs_of_a_study_become_one_frame(done_ids, backend):
    for task_id, height in zip(done_ids, HEIGHTS, strict=True):
        Task(task_id, backend=backend).set_metadata({"height": str(height)})
    history = tasks.list(last_n=None, metadata=True, backend=backend).loc[done_ids]

    frame = tasks.collect(history, "fall.csv", join=["metadata.height", "status"], backend=backend)

    assert frame.attrs["errors"] == {}
    assert list(frame.index.get_level_values("task_id").unique()) == done_ids
    start = frame[frame["time_s"] == 0].droplevel(1)
    assert list(start["height_m"]) == HEIGHTS
    assert list(start["metadata.height"].astype(float)) == HEIGHTS
    assert set(frame["status"]) == {"success"}


def test_one_bad_task_of_many_is_told(done_ids, waiting, backend):
    ids = [*done_ids, waiting.id]

    frame = tasks.collect(ids, "fall.csv", backend=backend)
    report = tasks.download(ids, ["fall.csv"], backend=backend)

    assert list(frame.attrs["errors"]) == [waiting.id] == report.failed
    assert frame.attrs["errors"][waiting.id].startswith("OutputsNotReadyError: ")
    assert report[waiting.id].error == frame.attrs["errors"][waiting.id]
    assert all(
        pd.read_csv(report[task_id].path / "fall.csv").equals(frame.loc[task_id])
        for task_id in done_ids
    )


def test_a_download_is_started_at_a_rate(done):
    with pytest.raises(UserInputError, match="rate limit"):
        done.start_download(bytes_per_s=0)

    download = done.start_download(["fall.csv"], bytes_per_s=1e6)

    assert files_below(download.result(20)) == ["fall.csv"]
