"""The messages: held against the golden files, and against the types of the views."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from inductiva_widgets import errors
from inductiva_widgets.ending import KillOutcome
from inductiva_widgets.outputs.progress import State
from inductiva_widgets.phases import Kind
from inductiva_widgets.service import protocol
from inductiva_widgets.service.outputs import FILE_STATES, LOCAL_STATES
from inductiva_widgets.service.protocol import (
    TASK_COLUMNS,
    AwayNotice,
    BatchEvent,
    BatchProgress,
    DownloadEvent,
    DownloadProgress,
    EndedNotice,
    FileListing,
    FilePreview,
    KillResult,
    LiveFiles,
    LiveTop,
    LocalFiles,
    LogEvent,
    LogRange,
    LogsFound,
    LogsOpened,
    MachineMetrics,
    NewestTasks,
    NoticeClaim,
    ProgressEvent,
    ServiceError,
    StateEvent,
    TaskCollection,
    TaskComparison,
    TaskDetails,
    TaskDownloads,
    TaskFailure,
    TaskKills,
    TasksEvent,
    TaskSummary,
    ViewCode,
    WatchedTask,
)

GOLDEN = sorted((Path(__file__).parents[1] / "golden" / "protocol").glob("*.json"))


RESULTS = {
    "task.get": TaskSummary,
    "task.details": TaskDetails,
    "task.failure": TaskFailure,
    "task.kill": KillResult,
    "outputs.list": FileListing,
    "outputs.download": DownloadProgress,
    "outputs.cancel": dict,
    "batch.cancel": dict,
    "view.code": ViewCode,
    "view.parts": dict,
    "outputs.select": dict,
    "outputs.pause": dict,
    "outputs.state": TaskDownloads,
    "outputs.check": LocalFiles,
    "outputs.preview": FilePreview,
    "logs.open": LogsOpened,
    "logs.read": LogRange,
    "logs.search": LogsFound,
    "live.files": LiveFiles,
    "live.top": LiveTop,
    "machine.metrics": MachineMetrics,
    "tasks.list": NewestTasks,
    "tasks.all": TaskCollection,
    "tasks.kill": TaskKills,
    "tasks.download": BatchProgress,
    "tasks.compare": TaskComparison,
    "tasks.select": dict,
    "tasks.watch": WatchedTask,
    "notices.seen": NoticeClaim,
}
EVENTS = {
    "task": StateEvent,
    "download": DownloadEvent,
    "tasks": TasksEvent,
    "batch": BatchEvent,
    "log": LogEvent,
    "progress": ProgressEvent,
    "away": AwayNotice,
    "ended": EndedNotice,
}


def transcript(path):
    return json.loads(path.read_text())["messages"]


def same_after_decoding(value, kind):
    """Unknown fields vanish on the way, missing ones appear: both make a difference."""
    return msgspec.to_builtins(msgspec.convert(value, kind, strict=True)) == value


# -- golden files ------------------------------------------------------------------------------


def test_there_are_golden_files_for_every_method():
    called = {
        entry["message"]["method"]
        for path in GOLDEN
        for entry in transcript(path)
        if entry["message"]["kind"] == "call"
    }

    # What has no answer to show is left to the tests of the hosts.
    assert set(RESULTS) - {"outputs.cancel", "batch.cancel"} <= called <= set(RESULTS)


def test_there_are_golden_files_for_every_event():
    told = {
        entry["message"]["event"]["kind"]
        for path in GOLDEN
        for entry in transcript(path)
        if entry["message"]["kind"] == "event"
    }

    assert told == set(EVENTS)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_messages_have_exactly_our_fields(path):
    methods = {}
    for entry in transcript(path):
        message = entry["message"]
        kind = message["kind"]
        if kind == "call":
            methods[message["id"]] = message["method"]
        elif kind == "result":
            assert same_after_decoding(message["result"], RESULTS[methods[message["id"]]])
        elif kind == "error":
            assert same_after_decoding(message["error"], ServiceError)
            assert hasattr(errors, message["error"]["type"])
        elif kind == "event":
            event = message["event"]
            assert same_after_decoding(event, EVENTS[event["kind"]])
        else:
            assert kind in ("ack", "subscribe", "unsubscribe")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_events_count_up_by_one(path):
    revisions = {}
    for entry in transcript(path):
        message = entry["message"]
        if message["kind"] == "event":
            revisions.setdefault(message["topic"], []).append(message["revision"])

    for counted in revisions.values():
        assert counted == [*range(counted[0], counted[0] + len(counted))]


def test_the_golden_tasks_have_the_columns_that_we_pack():
    _, entry = transcript(GOLDEN[0].parent / "tasks-all.json")
    columns = json.loads(gzip.decompress(base64.b64decode(entry["buffers"][0])))

    assert list(columns) == [*TASK_COLUMNS, "metadata"]
    assert {len(column) for column in columns.values()} == {entry["message"]["result"]["count"]}


# -- both sides --------------------------------------------------------------------------------

SCRIPT = (Path(__file__).parents[2] / "js" / "src" / "protocol.ts").read_text("utf-8")
INTERFACE = re.compile(
    r"^export interface (\w+)(?: extends (\w+))? \{\n(.*?)^\}", re.MULTILINE | re.DOTALL
)
MEMBER = re.compile(r"^  (\w+): (.*?);$", re.MULTILINE | re.DOTALL)


def members_of_the_script():
    """Of each interface of protocol.ts its members, and whether each may be `null`."""
    members = {}
    for name, parent, body in INTERFACE.findall(SCRIPT):
        own = {member: kind.endswith("| null") for member, kind in MEMBER.findall(body)}
        members[name] = {**members.get(parent, {}), **own}
    del members["Methods"]
    return members


def fields_of_our_structs():
    """Of each message of protocol.py its fields, and whether each may be `None`."""
    structs = [kind for kind in vars(protocol).values() if is_struct(kind)]
    return {
        kind.__name__: {
            field.encode_name: type(None) in get_args(field.type)
            for field in msgspec.structs.fields(kind)
        }
        for kind in structs
    }


def is_struct(kind):
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def test_both_sides_have_the_same_messages_with_the_same_fields():
    assert fields_of_our_structs() == members_of_the_script()


def test_both_sides_have_the_same_results_and_events():
    methods = SCRIPT.split("export interface Methods {")[1].split("\n}")[0]
    results = re.findall(r'"([\w.]+)": \{.*?result: (\w+)', methods, re.DOTALL)
    kinds = {
        kind: name
        for name, _, body in INTERFACE.findall(SCRIPT)
        for kind in re.findall(r'^  kind: "(\w+)";', body, re.MULTILINE)
    }

    assert dict(results) == {
        method: "Record" if kind is dict else kind.__name__ for method, kind in RESULTS.items()
    }
    assert kinds == {kind: event.__name__ for kind, event in EVENTS.items()}


def test_both_sides_have_the_same_columns():
    listed = SCRIPT.split("export const TASK_COLUMNS = [")[1].split("]")[0]

    assert tuple(re.findall(r'"(\w+)"', listed)) == TASK_COLUMNS


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BatchState", protocol.BatchState),
        ("DownloadState", State),
        ("FollowState", protocol.FollowState),
        ("KillOutcome", KillOutcome),
        ("PhaseKind", Kind),
        ("PreviewKind", protocol.PreviewKind),
    ],
)
def test_both_sides_have_the_same_words(name, words):
    told = SCRIPT.split(f"export type {name} =")[1].split(";")[0]

    assert re.findall(r'"([^"]+)"', told) == [*map(str, get_args(words) or words)]


def test_both_sides_have_the_same_states_of_files():
    told = SCRIPT.split("export enum FileState {")[1].split("}")[0]

    numbers = {name.lower(): int(number) for name, number in re.findall(r"(\w+) = (\d)", told)}
    assert FILE_STATES.items() <= numbers.items()
    assert [*numbers.values()] == [0, *FILE_STATES.values(), *LOCAL_STATES.values()]
