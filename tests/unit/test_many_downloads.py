"""Downloads of many tasks: bounded, each with its own outcome, Ctrl-C clean."""

from __future__ import annotations

import contextlib
import functools
import random
import re
import signal
import threading

import pandas as pd
import pytest
from archive_server import zipped
from study_server import StudyServer

from inductiva_widgets import tasks
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.backend import Backend
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.tasks import downloading

NOISE = random.Random(6).randbytes(50_000)


@functools.cache
def archive(number):
    return zipped({"result.csv": b"%d\n" % number, "state.bin": NOISE})


@pytest.fixture
def study():
    archives = {f"task{number}": archive(number) for number in range(12)}
    with contextlib.closing(StudyServer(archives)) as server:
        yield server


@pytest.fixture
def download(study, tmp_path):
    config = Config(
        url=study.url, key=ApiKey("k"), key_source="a test", output_dir=tmp_path, is_local=False
    )
    backend = Backend(config, timeouts=Timeouts(connect_s=2.0, read_s=5.0))
    yield lambda *arguments, **options: tasks.download(*arguments, backend=backend, **options)
    backend.close()


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_files_of_all_tasks_come_to_their_own_folders(study, download, tmp_path):
    ids = list(study.archives)

    report = download(ids, ["result.csv"])

    assert list(report) == ids
    assert report.is_complete
    for number, task_id in enumerate(ids):
        one = report[task_id]
        assert one.path == tmp_path / task_id / "outputs"
        assert names(one.path) == ["result.csv"]
        assert (one.path / "result.csv").read_text() == f"{number}\n"
        assert (one.files, one.error) == (1, "")


def test_a_folder_given_is_the_root_of_all(study, download, tmp_path):
    frame = pd.DataFrame(index=pd.Index(["task1", "task2"], name="task_id"))

    report = download(frame, output_dir=tmp_path / "here", uncompress=False)

    assert [one.path for one in report.values()] == [
        tmp_path / "here" / task_id / "outputs" for task_id in ("task1", "task2")
    ]
    assert names(tmp_path / "here") == ["output.zip", "output.zip"]


def test_a_bad_task_does_not_stop_the_others(study, download, tmp_path):
    study.running.add("task2")
    study.archives["task3"] = b"no archive"
    study.archives["task4"] = zipped({"other.csv": b""})
    (tmp_path / "task5" / "outputs").mkdir(parents=True)
    (tmp_path / "task5" / "outputs" / "result.csv").write_text("mine")

    report = download(["task1", "task2", "task3", "task4", "task5", "unknown"], ["result.csv"])

    assert report.failed == ["task2", "task3", "task4", "task5", "unknown"]
    assert [report[task_id].error.partition(":")[0] for task_id in report.failed] == [
        "OutputsNotReadyError",
        "BadArchiveError",
        "NotFoundError",
        "FileConflictError",
        "NotFoundError",
    ]
    assert report["task2"].path is None
    assert (tmp_path / "task5" / "outputs" / "result.csv").read_text() == "mine"
    lines = str(report).splitlines()
    assert lines[0] == "1 of 6 tasks complete"
    assert lines[1].split()[:3] == ["Task", "Files", "Size"]
    assert lines[3].startswith("  task2     0       0 B    OutputsNotReadyError: Task task2 is ")
    assert repr(report) == str(report)


def test_a_second_call_fetches_no_member(study, download):
    ids = list(study.archives)
    download(ids)
    study.sent = 0

    assert download(ids).is_complete
    assert study.sent <= sum(len(body) for body in study.archives.values())
    assert all(len(study.of(task_id, "bytes")) <= 4 for task_id in ids)


def test_few_tasks_are_fetched_at_once(study, download, monkeypatch):
    monkeypatch.setattr(downloading, "AT_ONCE", 3)
    lock, inside, most = threading.Lock(), set(), []

    def watch(asked, handler):
        with lock:
            if asked.kind == "sign":
                inside.add(asked.task_id)
                most.append(len(inside))
            elif (handler.headers.get("Range") or "").startswith("bytes=-"):
                inside.discard(asked.task_id)
        return False

    study.faults = dict.fromkeys(study.archives, watch)

    assert download(list(study.archives)).is_complete
    assert max(most) <= 3


def test_a_rehearsal_of_many_tasks_writes_nothing(study, download, tmp_path):
    study.running.add("task2")

    plans = download(["task0", "task1", "task2"], ["result.csv", "none.csv"], dry_run=True)

    assert plans.names == ["task0/result.csv", "task1/result.csv"]
    assert (plans.bytes, plans.packed_bytes) == (4, 8)
    assert plans.errors["task2"].startswith("OutputsNotReadyError")
    assert not plans.is_clear
    assert "1 not in the archive" in str(plans)
    assert list(tmp_path.iterdir()) == []
    assert download(["task0"], ["result.csv"], dry_run=True).is_clear


def test_ctrl_c_stops_all_and_the_same_call_goes_on(study, download, tmp_path, capsys):
    slow = {f"task{number}" for number in range(8, 12)}
    entered = threading.Barrier(len(slow))

    def hang(asked, handler):
        if asked.kind == "bytes" and asked.task_id in slow and not study.release.is_set():
            body = study.archives[asked.task_id]
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes 0-{len(body) - 1}/{len(body)}")
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.flush()
            if entered.wait(10) == 0:
                signal.raise_signal(signal.SIGINT)
            study.release.wait(10)
            handler.close_connection = True
            return True
        return False

    study.faults = dict.fromkeys(slow, hang)
    with pytest.raises(KeyboardInterrupt):
        download(list(study.archives))
    assert re.search(r"Stopped: [4-8] of 12 tasks are complete", capsys.readouterr().out)
    assert not list(tmp_path.rglob("*.part"))
    study.release.set()

    report = download(list(study.archives))

    assert report.is_complete
    assert all(names(one.path) == ["result.csv", "state.bin"] for one in report.values())


@pytest.mark.parametrize(
    ("which", "options"),
    [
        (["task1"], {"overwrite": "perhaps"}),
        (["task1"], {"filenames": ["/x"]}),
        (["task1"], {"filenames": ["x"], "uncompress": False}),
        (["task1"], {"output_dir": " "}),
        ([1], {}),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_request(study, download, which, options):
    with pytest.raises(UserInputError):
        download(which, **options)

    assert study.asked == []


def test_no_tasks_give_an_empty_report(study, download):
    assert len(download([])) == 0
    assert "(no tasks)" in str(download([]))
    assert str(download([], dry_run=True)).startswith("Nothing was fetched")
    assert study.asked == []
