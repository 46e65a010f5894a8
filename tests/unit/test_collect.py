"""One small file out of each of many archives: requests, bytes, faults, what is kept."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import random
import signal
import threading
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from archive_server import zipped
from study_server import StudyServer

from inductiva_widgets import tasks
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.backend import Backend
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.outputs.archive import TAIL_BYTES
from inductiva_widgets.outputs.pick import FIRST_END_BYTES
from inductiva_widgets.tasks import Task, TaskList, collecting

NOISE = random.Random(5).randbytes(300_000)
HEADER = "time,force\n"


def csv(number):
    return (HEADER + "".join(f"{i},{i * number}\n" for i in range(3))).encode()


@functools.cache
def archive(number):
    return zipped({"stdout.txt": b"said", "forces.csv": csv(number), "state.bin": NOISE})


@pytest.fixture
def study():
    with contextlib.closing(
        StudyServer({f"task{number}": archive(number) for number in range(20)})
    ) as server:
        yield server


@pytest.fixture
def backend(study, tmp_path):
    config = Config(
        url=study.url, key=ApiKey("k"), key_source="a test", output_dir=tmp_path, is_local=False
    )
    made = Backend(config, timeouts=Timeouts(connect_s=2.0, read_s=5.0))
    yield made
    made.close()


@pytest.fixture
def collect(backend):
    def collect(which, filename="forces.csv", **options):
        return tasks.collect(which, filename, backend=backend, **options)

    return collect


def test_one_frame_holds_the_file_of_every_task(study, collect):
    ids = list(study.archives)

    frame = collect(ids)

    assert frame.index.names == ["task_id", None]
    assert list(frame.columns) == ["time", "force"]
    assert list(frame.index.get_level_values("task_id").unique()) == ids
    assert list(frame.loc["task7", "force"]) == [0, 7, 14]
    assert frame.attrs == {"filename": "forces.csv", "errors": {}}


@pytest.fixture
def one_by_one(monkeypatch):
    """Only the first archive is read without knowing what its like needed."""
    monkeypatch.setattr(collecting, "AT_ONCE", 1)


@pytest.mark.usefixtures("one_by_one")
def test_each_archive_costs_three_round_trips_and_little_more_than_the_file(study, collect):
    body = study.archives["task0"]
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        packed = opened.getinfo("artifacts/forces.csv").compress_size
        directory = len(body) - opened.start_dir

    collect(list(study.archives))

    assert all(len(study.of(task_id)) == 3 for task_id in study.archives)
    assert [one.kind for one in study.of("task3")] == ["sign", "bytes", "bytes"]
    assert study.sent < FIRST_END_BYTES + len(study.archives) * (1.1 * (packed + directory) + 200)


def test_connections_are_few_and_used_again(study, collect):
    collect(list(study.archives))

    assert len(study.connections) <= 2 * collecting.AT_ONCE < len(study.asked)


@pytest.mark.usefixtures("one_by_one")
def test_a_file_beside_the_directory_comes_with_it(study, collect):
    for task_id in study.archives:
        study.archives[task_id] = zipped({"state.bin": NOISE, "forces.csv": NOISE[:40_000]})

    def reader(file):
        return {"size": len(file.read())}

    frame = collect(list(study.archives), reader=reader)

    assert set(frame["size"]) == {40_000}
    assert [len(study.of(task_id)) for task_id in study.archives] == [3] + 19 * [2]
    assert study.sent < 1.1 * 20 * 40_500 + FIRST_END_BYTES


def test_a_small_archive_comes_whole_at_once(study, collect):
    study.archives["task0"] = zipped({"forces.csv": csv(0)})

    assert len(collect(["task0"])) == 3
    assert [one.kind for one in study.of("task0")] == ["sign", "bytes"]


def test_a_long_directory_and_a_long_comment_are_found(study, collect):
    many = {f"vtk/part_{number}.vtk": b"" for number in range(3000)}
    study.archives["task0"] = zipped({**many, "forces.csv": csv(2)})
    buffer = io.BytesIO(archive(3))
    with zipfile.ZipFile(buffer, "a") as opened:
        opened.comment = b"c" * 60_000
    study.archives["task1"] = buffer.getvalue()

    frame = collect(["task0", "task1"])

    assert list(frame["force"]) == [0, 2, 4, 0, 3, 6]
    assert study.sent < len(study.archives["task0"]) + 2 * TAIL_BYTES


@pytest.mark.parametrize("name", ["artifacts/forces.csv", "./forces.csv", "for*.csv", "**/f*s.csv"])
def test_the_name_may_have_the_prefix_or_be_a_pattern(collect, name):
    assert list(collect(["task2"], name)["force"]) == [0, 2, 4]


def test_a_pattern_that_fits_several_files_or_none_names_them(study, collect, capsys):
    study.archives["task1"] = zipped({"forces_1.csv": csv(1), "forces_2.csv": csv(1)})

    frame = collect(["task0", "task1", "task2"], "force*.csv")
    other = collect(["task0"], "force.csv")

    assert list(frame.index.get_level_values("task_id").unique()) == ["task0", "task2"]
    assert frame.attrs["errors"] == {
        "task1": "UserInputError: force*.csv fits 2 files: forces_1.csv, forces_2.csv. "
        "Name one of them."
    }
    assert other.empty
    assert other.attrs["errors"] == {
        "task0": "NotFoundError: Not in the archive: force.csv. Close to it: forces.csv."
    }
    assert "1 of 3 tasks could not give 'force*.csv':" in capsys.readouterr().out


def test_a_bad_task_is_told_and_harms_no_other(study, collect):
    damaged = bytearray(study.archives["task1"])
    at = damaged.index(b"forces.csv") + len("forces.csv")
    damaged[at + 5] ^= 0xFF
    study.archives["task1"] = bytes(damaged)
    study.running.add("task2")
    study.archives["task3"] = b"<html>no archive</html>"
    study.archives["task4"] = zipped({"forces.csv": b""})

    frame = collect(["task0", "task1", "task2", "task3", "task4", "unknown", "task5"])

    assert list(frame.index.get_level_values("task_id").unique()) == ["task0", "task5"]
    errors = frame.attrs["errors"]
    assert {task_id: text.partition(":")[0] for task_id, text in errors.items()} == {
        "task1": "CorruptMemberError",
        "task2": "OutputsNotReadyError",
        "task3": "BadArchiveError",
        "task4": "EmptyDataError",
        "unknown": "NotFoundError",
    }
    assert "its outputs come when it ends" in errors["task2"]
    assert "forces.csv cannot be read: No columns" in errors["task4"]


def test_what_was_spoilt_on_the_way_is_fetched_again(study, collect):
    spoilt = []

    def spoil(asked, handler):
        if asked.kind != "bytes" or asked.range.startswith("bytes=-") or spoilt:
            return False
        spoilt.append(asked)
        start, end = (int(part) for part in asked.range.removeprefix("bytes=").split("-"))
        body = bytearray(study.archives["task0"][start : end + 1])
        body[-20] ^= 1
        said = {"Content-Range": f"bytes {start}-{end}/{len(study.archives['task0'])}"}
        study.send(handler, 206, bytes(body), said)
        return True

    study.faults["task0"] = spoil

    frame = collect(["task0"])

    assert len(spoilt) == 1
    assert list(frame["force"]) == [0, 0, 0]
    assert frame.attrs["errors"] == {}


@pytest.mark.fault(14)
def test_an_expired_link_is_renewed_and_a_failing_storage_tried_again(study, collect):
    refused = {"task0": [403], "task1": [500, 503], "task2": [403, 403, 403]}

    def refuse(asked, handler):
        if asked.kind != "bytes" or not refused[asked.task_id]:
            return False
        study.send(handler, refused[asked.task_id].pop(0), b"", {"Retry-After": "0"})
        return True

    study.faults = dict.fromkeys(refused, refuse)

    frame = collect(list(refused))

    assert list(frame.index.get_level_values("task_id").unique()) == ["task0", "task1"]
    assert frame.attrs["errors"]["task2"].startswith("LinkExpiredError: ")
    assert "sig-5ecret" not in json.dumps(frame.attrs)


def test_outputs_at_another_place_are_found_there(study, collect):
    study.places["task3"] = "folder/task3/output.zip"

    assert list(collect(["task3"])["force"]) == [0, 3, 6]
    assert [one.kind for one in study.of("task3")] == ["sign", "task", "sign", "bytes", "bytes"]


# -- what is kept --------------------------------------------------------------------------------


def test_a_second_call_fetches_only_what_is_missing(study, collect, tmp_path):
    whole = study.archives.pop("task5")
    first = collect([f"task{number}" for number in range(10)])
    assert list(first.attrs["errors"]) == ["task5"]
    study.archives["task5"] = whole
    study.asked.clear()

    second = collect([f"task{number}" for number in range(10)])

    assert {one.task_id for one in study.asked} == {"task5"}
    assert list(second.loc["task5", "force"]) == [0, 5, 10]
    assert second.drop("task5").equals(first)
    assert len(list((tmp_path / ".collected").iterdir())) == 10


def test_another_reader_fetches_nothing(study, collect, tmp_path):
    def broken(file):
        raise ZeroDivisionError(file.read())

    failed = collect(["task1", "task2"], reader=broken, cache=tmp_path / "here")
    study.asked.clear()

    frame = collect(["task1", "task2"], cache=tmp_path / "here")

    assert failed.empty
    assert failed.attrs["errors"]["task1"].startswith("ZeroDivisionError: forces.csv cannot")
    assert study.asked == []
    assert len(frame) == 6


def test_a_kept_file_that_was_cut_or_changed_is_fetched_again(study, collect, tmp_path):
    collect(["task1", "task2"], cache=tmp_path / "here")
    one, two = sorted((tmp_path / "here").iterdir())
    one.write_bytes(one.read_bytes()[:-1])
    two.unlink()
    two.symlink_to(one)

    frame = collect(["task1", "task2"], cache=tmp_path / "here")
    study.asked.clear()
    collect(["task1"], cache=tmp_path / "here")

    assert list(frame["force"]) == [0, 1, 2, 0, 2, 4]
    assert study.asked == []


def test_a_folder_that_cannot_be_written_keeps_nothing_and_harms_nothing(study, collect, tmp_path):
    (tmp_path / "file").write_text("")

    assert len(collect(["task1"], cache=tmp_path / "file")) == 3
    assert len(collect(["task1"], cache=False)) == 3
    assert not (tmp_path / ".collected").exists()


def test_after_ctrl_c_the_same_call_goes_on(study, collect, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(collecting, "AT_ONCE", 8)
    slow = {f"task{number}" for number in range(16, 20)}
    entered = threading.Barrier(len(slow))

    def hang(asked, handler):
        if asked.kind == "bytes" and asked.task_id in slow and not study.release.is_set():
            if entered.wait(10) == 0:
                signal.raise_signal(signal.SIGINT)
            study.release.wait(10)
        return False

    study.faults = dict.fromkeys(slow, hang)
    with pytest.raises(KeyboardInterrupt):
        collect(list(study.archives))
    assert "the same call goes on" in capsys.readouterr().out
    study.release.set()
    study.asked.clear()
    kept = {path.name.partition("-")[0] for path in (tmp_path / ".collected").iterdir()}

    frame = collect(list(study.archives))

    assert len(kept - slow) >= 4  # those whose threads went on to the slow ones
    assert {one.task_id for one in study.asked} == set(study.archives) - kept
    assert len(frame) == 3 * len(study.archives)
    assert frame.attrs["errors"] == {}


# -- arguments -----------------------------------------------------------------------------------


def test_tasks_may_be_given_in_many_ways(study, backend, collect):
    history = pd.DataFrame(
        {"cost": [0.5, 1.5]}, index=pd.Index(["task1", "task2"], name="task_id", dtype="string")
    )
    again = history.reset_index()
    ways = [
        history,
        again,
        history["cost"],
        history.index,
        again["task_id"],
        collect(["task1", "task2"]),
        TaskList([Task("task1", backend=backend), Task("task2", backend=backend)]),
        ("task1", Task("task2", backend=backend), "task1"),
    ]

    for way in ways:
        assert list(collect(way)["force"]) == [0, 1, 2, 0, 2, 4]
    assert list(collect("task2")["force"]) == [0, 2, 4]
    assert {one.kind for one in study.asked} == {"sign", "bytes"}


def test_columns_of_the_history_are_joined(collect):
    history = pd.DataFrame(
        {
            "cost": [0.5, 1.5, 2.5],
            "force": ["weak", "strong", "none"],
            "metadata.h": ["1", "2", "3"],
        },
        index=pd.Index(["task1", "task2", "nothing"], name="task_id"),
    )

    frame = collect(history, join=["metadata.h", "force"])

    assert list(frame.columns) == ["time", "force", "metadata.h", "force_task"]
    assert list(frame.loc["task2", "metadata.h"]) == ["2", "2", "2"]
    assert list(frame.groupby("force_task")["force"].max()) == [4, 2]
    assert list(collect(history, join="cost")["cost"].unique()) == [0.5, 1.5]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (pd.DataFrame({"a": [1]}, index=pd.Index(["x"], name="case")), {("task1", "x"): 1}),
        (pd.Series([5, 6], name="a"), {("task1", 0): 5, ("task1", 1): 6}),
        ({"a": 3}, {("task1", 0): 3}),
    ],
)
def test_a_reader_may_give_a_frame_a_series_or_a_dict(collect, result, expected):
    frame = collect(["task1"], reader=lambda _: result)

    assert frame["a"].to_dict() == expected
    assert frame.index.names[1] == getattr(getattr(result, "index", None), "name", None)


def test_a_reader_that_gives_something_else_is_told(collect):
    frame = collect(["task1"], reader=lambda file: file.read())

    assert "the reader gave bytes, not a DataFrame" in frame.attrs["errors"]["task1"]


@pytest.mark.parametrize("nothing", [[], TaskList(), pd.DataFrame(columns=["task_id"])])
def test_no_tasks_give_an_empty_frame(study, collect, nothing):
    frame = collect(nothing)

    assert frame.empty
    assert frame.index.names == ["task_id", None]
    assert frame.attrs == {"filename": "forces.csv", "errors": {}}
    assert study.asked == []


@pytest.mark.parametrize(
    ("arguments", "options", "about"),
    [
        ((["task1"], "../x"), {}, "leads out"),
        ((["task1"], ""), {}, "no file name"),
        (([5], "forces.csv"), {}, "not as int"),
        ((7, "forces.csv"), {}, "not as int"),
        ((["../x"], "forces.csv"), {}, "no task id"),
        ((["task1"], "forces.csv"), {"join": "cost"}, "only from a frame"),
        ((["task1"], "forces.csv"), {"cache": " "}, "cache folder is empty"),
        ((pd.DataFrame({"a": [1]}), "forces.csv"), {}, "no index or column"),
        (
            (pd.DataFrame({"cost": [1]}, index=pd.Index(["a"], name="task_id")), "forces.csv"),
            {"join": "costs"},
            "Close to it: cost",
        ),
        (
            (
                pd.DataFrame({"cost": [1, 2]}, index=pd.Index(["a", "a"], name="task_id")),
                "forces.csv",
            ),
            {"join": "cost"},
            "one row a task",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_request(
    study, collect, arguments, options, about
):
    with pytest.raises(UserInputError, match=about):
        collect(*arguments, **options)

    assert study.asked == []


def test_a_file_too_large_for_memory_is_refused(collect, monkeypatch):
    monkeypatch.setattr("inductiva_widgets.outputs.pick.LARGEST_FILE_BYTES", 10)

    frame = collect(["task1"])

    assert frame.attrs["errors"]["task1"].startswith("ArchiveTooLargeError: forces.csv has ")


def test_contents_wait_for_a_slow_reader_only_in_bounds(study, collect, monkeypatch):
    monkeypatch.setattr(collecting, "UNREAD", 2)
    ahead = []

    def reader(file):
        ahead.append(len([one for one in study.asked if one.kind == "sign"]) - len(ahead))
        return pd.read_csv(file)

    assert len(collect(list(study.archives), reader=reader)) == 3 * len(study.archives)
    assert max(ahead) <= 2


def test_nothing_is_written_but_what_is_kept(collect, tmp_path):
    collect(["task1"], cache=False)

    assert list(Path(tmp_path).iterdir()) == []
