"""Frames of tasks: the same columns and dtypes always, and one odd value harms no other."""

from __future__ import annotations

import datetime as dt

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_models import FIELDS, TASK, json_values

from inductiva_widgets.api.models import STATUSES, TaskRecord, decode
from inductiva_widgets.history import task_frame, timeline_frame

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
    "phase": "string",
    "started_at": "datetime64[us, UTC]",
    "ended_at": "datetime64[us, UTC]",
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

HISTORY = [
    {
        "status": "submitted",
        "alias": "In Queue",
        "description": "",
        "timestamp": "2025-06-16T18:16:36Z",
        "end_timestamp": "2025-06-16T18:17:17Z",
        "operations": [],
    },
    TASK["status_history"][0],
    {
        "status": "success",
        "alias": "Success",
        "description": "",
        "timestamp": "2025-06-16T18:20:38Z",
        "end_timestamp": None,
        "operations": [],
    },
]


def test_the_timeline_has_a_row_for_each_phase_and_command():
    df = timeline_frame([record(status_history=HISTORY)], NOW)

    assert list(df["phase"]) == ["In Queue", "In Progress", "exec_command"]
    assert df["duration"].iloc[0] == pd.Timedelta(seconds=41)
    assert list(df["command"].dropna()) == ["./SPHSimulator config.json"]
    assert df["exit_code"].iloc[2] == 0
    assert df["exit_code"].isna().sum() == 2


def test_the_present_phase_counts_until_now():
    history = [{**HISTORY[1], "end_timestamp": None}]
    df = timeline_frame([record(**RUNNING, status_history=history)], NOW)

    assert df["duration"].iloc[0] == pd.Timedelta(seconds=756)
    assert pd.isna(df["ended_at"].iloc[0])


def test_a_phase_that_ends_before_it_begins_lasts_no_time():
    history = [{**HISTORY[0], "end_timestamp": "2025-06-16T18:00:00Z"}, HISTORY[2]]

    df = timeline_frame([record(status_history=history)], NOW)

    assert df["duration"].iloc[0] == pd.Timedelta(0)


@pytest.mark.parametrize("code", ["1", None, True, 1.5, [], 10**30])
def test_an_odd_exit_code_is_missing(code):
    operation = {"name": "exec_command", "attributes": {"command": ["a"], "exit_code": code}}
    history = [{**HISTORY[1], "operations": [operation]}, HISTORY[2]]

    df = timeline_frame([record(status_history=history)], NOW)

    assert df["command"].iloc[1] == "['a']"
    assert pd.isna(df["exit_code"].iloc[1])
