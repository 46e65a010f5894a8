"""Frames of tasks: the same columns and dtypes always, and one odd value harms no other."""

from __future__ import annotations

import csv
import datetime as dt
import pickle

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_models import FIELDS, TASK, json_values

from inductiva_widgets import history
from inductiva_widgets.api.models import STATUSES, TaskRecord, decode
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.history.frames import chunk_of, join, task_frame
from inductiva_widgets.history.metrics import metrics_frame
from inductiva_widgets.history.timeline import timeline_frame
from inductiva_widgets.phases import KINDS

NOW = dt.datetime(2025, 6, 16, 18, 30, tzinfo=dt.timezone.utc)
DTYPES = {
    "simulator": "category",
    "status": "category",
    "is_final": "boolean",
    "machine_type": "category",
    "computation_time": "timedelta64[us]",
    "elapsed": "timedelta64[us]",
    "queue_time": "timedelta64[us]",
    "total_time": "timedelta64[us]",
    "created_at": "datetime64[us, UTC]",
    "submitted_at": "datetime64[us, UTC]",
    "started_at": "datetime64[us, UTC]",
    "computation_started_at": "datetime64[us, UTC]",
    "computation_ended_at": "datetime64[us, UTC]",
    "ended_at": "datetime64[us, UTC]",
    "output_files": "Int64",
    "output_size_bytes": "Int64",
    "output_packed_bytes": "Int64",
    "cost": "Float64",
    "currency": "string",
    "project": "category",
    "machine_provider": "category",
    "machine_hosts": "Int64",
    "machine_group": "category",
    "container_image": "string",
    "retries": "Int64",
    "error_detail": "string",
}
TIMELINE_DTYPES = {
    "task_id": "string",
    "phase": "category",
    "start": "datetime64[us, UTC]",
    "end": "datetime64[us, UTC]",
    "duration": "timedelta64[us]",
    "command": "string",
    "exit_code": "Int64",
}


def record(**changes):
    return decode(msgspec.json.encode({**TASK, **changes}), TaskRecord)


def frame(*records, **query):
    return task_frame(records, NOW, query)


def dtypes(df):
    return {name: str(kind) for name, kind in df.dtypes.items()}


RUNNING = {
    "status": "computation-started",
    "is_terminated": False,
    "metrics": {},
    "computation_end_time": None,
    "end_time": None,
    "executer": None,
    "estimated_computation_cost": None,
}


def test_a_finished_task_is_a_row_of_its_values():
    row = frame(record()).loc[TASK["task_id"]]

    assert row["status"] == "success"
    assert row["computation_time"] == pd.Timedelta(seconds=192)
    assert row["queue_time"] == pd.Timedelta(seconds=41)
    assert row["created_at"] == pd.Timestamp("2025-06-16T18:16:34Z")
    assert row["output_files"] == 44
    assert row["output_size_bytes"] == 410000
    assert row["machine_type"] == "c2-standard-4"
    assert row["machine_provider"] == "GCP"
    assert (row["cost"], row["currency"]) == (0.0123, "USD")
    assert pd.isna(row["elapsed"])
    assert pd.isna(row["error_detail"])


def test_a_running_task_has_elapsed_and_no_computation_time():
    row = frame(record(**RUNNING)).iloc[0]

    assert row["elapsed"] == pd.Timedelta(seconds=756)
    for name in ("computation_time", "total_time", "ended_at", "cost", "currency", "machine_type"):
        assert pd.isna(row[name]), name
    assert row["is_final"] == False  # noqa: E712 - a pandas boolean


@pytest.mark.parametrize(
    "records",
    [
        [],
        [record()],
        [record(**RUNNING)],
        [TaskRecord(task_id="a", status="submitted")],
        [TaskRecord()],
        [record(), record(**RUNNING), TaskRecord(task_id="b", status="new-one")],
    ],
)
def test_columns_and_dtypes_are_always_the_same(records):
    df = frame(*records)

    assert dtypes(df) == DTYPES
    assert df.index.name == "task_id"
    assert str(df.index.dtype) == "string"
    assert len(df) == len(records)
    assert dtypes(timeline_frame(records, NOW)) == TIMELINE_DTYPES


def test_what_is_not_known_is_missing_and_never_zero_or_text():
    row = frame(TaskRecord(task_id="a", status="submitted")).iloc[0]

    known = {"status", "is_final"}
    assert {name for name in row.index if not pd.isna(row[name])} == known


def test_statuses_are_ordered_and_unknown_ones_come_last():
    df = frame(record(), record(status="zz-new"), record(status="aa-new"), record(status=None))

    status = df["status"]
    assert status.cat.ordered
    assert list(status.cat.categories) == [*STATUSES, "aa-new", "zz-new"]
    assert list(status[:3]) == ["success", "zz-new", "aa-new"]
    assert pd.isna(status.iloc[3])
    assert list(status.dropna().sort_values()) == ["success", "aa-new", "zz-new"]


@pytest.mark.parametrize(
    "stamp", ["soon", "today", "now", "", "2025-13-45T00:00:00Z", "24:00", "2025-06-16T25:00:00Z"]
)
def test_an_unreadable_stamp_is_missing_only_there(stamp):
    df = frame(record(), record(create_time=stamp), record())

    assert list(df["created_at"].isna()) == [False, True, False]
    assert df["started_at"].notna().all()


@pytest.mark.fault(73)
@pytest.mark.parametrize(
    "stamp",
    [
        "2025-06-16T18:16:34Z",
        "2025-06-16T18:16:34",
        "2025-06-16T20:16:34+02:00",
        "2025-06-16T18:16:34.000000000Z",
    ],
)
def test_stamps_of_any_form_are_utc(stamp):
    df = frame(record(create_time=stamp), record())

    assert df["created_at"].iloc[0] == df["created_at"].iloc[1]


@pytest.mark.fault(73)
@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-10:00"])
def test_far_times_harm_no_neighbour(stamp):
    df = frame(record(create_time=stamp), record())

    assert dtypes(df) == DTYPES
    assert df["created_at"].iloc[1] == pd.Timestamp("2025-06-16T18:16:34Z")


def test_numbers_beyond_any_column_are_missing_only_there():
    huge = {"output_size_bytes": 10**30, "output_total_files": -(10**30), "total_seconds": 1e300}
    df = frame(record(metrics=huge, num_retries=2**64), record())

    for name in ("output_size_bytes", "output_files", "total_time", "retries"):
        assert list(df[name].isna()) == [True, False], name


@pytest.mark.fault(72)
@given(odd=st.lists(st.dictionaries(st.sampled_from(FIELDS), json_values), max_size=4))
def test_any_odd_answer_gives_frames_with_the_same_dtypes(odd):
    records = [record(**changes) for changes in odd]

    df = frame(*records, record())

    assert dtypes(df) == DTYPES
    assert df["computation_time"].iloc[-1] == pd.Timedelta(seconds=192)
    assert dtypes(timeline_frame(records, NOW)) == TIMELINE_DTYPES


def test_the_frame_says_when_and_what_was_asked():
    df = frame(record(), last_n=3, status=None)

    assert df.attrs == {
        "as_of": "2025-06-16T18:30:00.000Z",
        "query": {"last_n": 3, "status": None},
    }


def test_rows_keep_their_order():
    ids = ["c", "a", "b"]

    assert list(frame(*[TaskRecord(task_id=i, status="success") for i in ids]).index) == ids


# -- the timeline --------------------------------------------------------------------------------


def test_the_timeline_has_a_row_for_each_phase_and_command():
    df = timeline_frame([record()], NOW)

    assert list(df["phase"]) == ["waiting", "queue", "preparing", "command", "packing"]
    assert df["phase"].cat.ordered
    assert list(df["phase"].cat.categories) == list(KINDS)
    assert df["duration"].iloc[1] == pd.Timedelta(seconds=41)
    assert list(df["command"].dropna()) == ["./SPHSimulator config.json"]
    assert df["exit_code"].iloc[3] == 0
    assert df["exit_code"].isna().sum() == 4
    assert (df["task_id"] == TASK["task_id"]).all()


def test_the_present_phase_counts_until_now():
    changes = [{**TASK["status_history"][0], "end_timestamp": None, "operations": []}]
    df = timeline_frame([record(**RUNNING, status_history=changes)], NOW)

    assert df["phase"].iloc[-1] == "computing"
    assert df["duration"].iloc[-1] == pd.Timedelta(seconds=756)
    assert pd.isna(df["end"].iloc[-1])


@pytest.mark.parametrize("code", ["1", None, True, 1.5, [], 10**30])
def test_an_odd_exit_code_is_missing(code):
    operation = {"name": "exec_command", "attributes": {"command": ["a"], "exit_code": code}}
    changes = [{**TASK["status_history"][0], "operations": [operation]}]

    df = timeline_frame([record(status_history=changes)], NOW)

    (command,) = df[df["phase"] == "command"].itertuples()
    assert command.command == "a"
    assert pd.isna(command.exit_code)


# -- in files ------------------------------------------------------------------------------------

ODD_TEXTS = ["=1+1", "+1", "-1", "@sum", "'quoted", "''", "a,b", 'a"b', "two\nlines", "é…", "NA"]


def odd_frame():
    records = [
        record(task_id=f"t{number}", project=text, error_detail=text, machine_group_name=text)
        for number, text in enumerate(ODD_TEXTS)
    ]
    running = record(**RUNNING, task_id="running")
    new = TaskRecord(task_id="new", status="brand-new")
    notes = record(task_id="noted", task_metadata={"spacing": "0.1", "=cmd": "=cmd|' /C calc'!A0"})
    chunks = [chunk_of([*records, running, new, notes], metadata=True)]
    return join(chunks, NOW, {"last_n": 5})


def same(left, right):
    pd.testing.assert_frame_equal(left, right)
    assert dtypes(left) == dtypes(right)
    return True


def test_a_csv_gives_back_the_same_frame(tmp_path):
    df = odd_frame()

    history.to_csv(df, tmp_path / "tasks.csv")

    assert same(history.read_csv(tmp_path / "tasks.csv"), df)


def test_no_cell_of_a_csv_is_a_formula(tmp_path):
    history.to_csv(odd_frame(), tmp_path / "tasks.csv")

    with (tmp_path / "tasks.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=1+1" in cells
    assert "'=cmd|' /C calc'!A0" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)))
def test_a_csv_gives_back_any_text(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("csv") / "tasks.csv"
    df = frame(*[record(task_id=f"t{i}", error_detail=text) for i, text in enumerate(texts)])

    history.to_csv(df, path)

    assert list(history.read_csv(path)["error_detail"]) == texts


def test_a_nul_in_a_csv_is_its_picture(tmp_path):
    history.to_csv(frame(record(error_detail="a\0b")), tmp_path / "tasks.csv")

    assert b"\0" not in (tmp_path / "tasks.csv").read_bytes()
    assert list(history.read_csv(tmp_path / "tasks.csv")["error_detail"]) == ["a␀b"]


def test_an_empty_frame_survives_a_csv(tmp_path):
    history.to_csv(frame(), tmp_path / "none.csv")

    assert same(history.read_csv(tmp_path / "none.csv"), frame())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,b\n1,2\n", "is no task history"),
        (b"", "is no table"),
        (b"\xff\xfe\x00\x01", "is no table"),
        (b"a,b\n1,2,3,4\n1\n1,2,3,4,5,6\n", "is no table"),
    ],
)
def test_a_csv_of_something_else_is_refused(tmp_path, content, says):
    (tmp_path / "other.csv").write_bytes(content)

    with pytest.raises(UserInputError, match=says):
        history.read_csv(tmp_path / "other.csv")


def test_a_csv_that_somebody_edited_is_read_or_refused(tmp_path):
    history.to_csv(frame(record()), tmp_path / "tasks.csv")
    text = (tmp_path / "tasks.csv").read_text()
    size = frame(record())["output_size_bytes"].iloc[0]
    assert text.count("True") == text.count(f",{size},") == 1

    (tmp_path / "shouted.csv").write_text(text.replace("True", "TRUE"))
    (tmp_path / "odd.csv").write_text(text.replace(f",{size},", ",many,"))

    assert same(history.read_csv(tmp_path / "shouted.csv"), frame(record()))
    with pytest.raises(UserInputError, match="'output_size_bytes' cannot be read"):
        history.read_csv(tmp_path / "odd.csv")


@pytest.mark.parametrize("other", ["text", None, timeline_frame([record()], NOW)])
def test_only_frames_of_tasks_are_written_as_csv(tmp_path, other):
    with pytest.raises(UserInputError, match="frames of tasks"):
        history.to_csv(other, tmp_path / "tasks.csv")


def test_a_pickle_gives_back_the_same_frame():
    df = odd_frame()

    assert same(pickle.loads(pickle.dumps(df)), df)


def test_parquet_gives_back_the_same_frame(tmp_path):
    pytest.importorskip("pyarrow", reason="the optional library for Parquet")
    df = odd_frame()

    history.to_parquet(df, tmp_path / "tasks.parquet")

    read = history.read_parquet(tmp_path / "tasks.parquet")
    assert same(read, df)
    assert read.attrs["query"] == {"last_n": 5}


# -- what the machine did ------------------------------------------------------------------------


def test_metrics_are_typed_columns_over_time():
    df = metrics_frame(
        b"time,command,cpu-usage,memory,disk-input,disk-output\n"
        b"2025-06-16T18:17:25+00:00,./a,50.5,1.25,0,10\n"
        b"2025-06-16T18:17:55+00:00,./a,--,1.30,0,20\n"
        b"2025-06-16T18:18:"
    )

    assert df.index.name == "time"
    assert str(df.index.dtype) == "datetime64[us, UTC]"
    assert list(df.columns) == ["command", "cpu-usage", "memory", "disk-input", "disk-output"]
    assert list(df["disk-output"]) == [10, 20]
    assert df["cpu-usage"].iloc[0] == 50.5
    assert pd.isna(df["cpu-usage"].iloc[1])
    assert str(df["memory"].dtype) == "Float64"
    assert str(df["command"].dtype) == "string"


@pytest.mark.parametrize("content", [b"", b"\n", b"time,cpu-usage\n", b"\xff\xfe\x00"])
def test_metrics_of_nothing_are_an_empty_frame(content):
    assert len(metrics_frame(content)) == 0


def test_odd_metrics_are_read_as_far_as_they_go():
    df = metrics_frame(
        b'\xef\xbb\xbf#"Progress (%)";"Step";"Step";"Time Remaining"\n'
        b"10.0%;50;1;--\n"
        b"20.0%;100;2;0:00;surplus\n"
    )

    assert list(df.columns) == ["Progress (%)", "Step", "Step (3)", "Time Remaining"]
    assert df["Progress (%)"].iloc[0] == 10
    assert df["Step"].iloc[0] == 50


def test_metrics_with_seconds_are_in_the_order_of_time():
    df = metrics_frame(b"timestamp\tcpu\n1750097875\t2\n1750097845.5\t1\nsoon\t3\n")

    assert list(df["cpu"]) == [1, 2]
    assert df.index[0] == pd.Timestamp(1750097845.5, unit="s", tz="UTC")
