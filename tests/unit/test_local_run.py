"""What a run does when the machine fails it."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import threading
import zipfile
from pathlib import Path

import pytest

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.local import archives, log_ring, processes
from inductiva_widgets.local.disk import Reserve
from inductiva_widgets.local.run import TaskRun
from inductiva_widgets.local.runner import Runner
from inductiva_widgets.local.settings import EngineSettings
from inductiva_widgets.local.storage import Storage
from inductiva_widgets.local.store import NewTask, Store


@pytest.fixture
def settings(tmp_path):
    return EngineSettings(data_dir=tmp_path, slots=1, kill_grace_s=0.2)


@pytest.fixture
def store(settings):
    with contextlib.closing(Store(settings.database_path)) as opened:
        yield opened


@pytest.fixture
def run(store, settings):
    """A claimed task that writes one file, not yet run."""
    return claimed(store, settings, "touch result.txt")


def claimed(store, settings, text):
    storage = Storage(settings.storage_path, store.database, link_key=b"k", link_ttl_s=60)
    command = {"cmd": text, "prompts": [], "mpi_config": None, "env": {}}
    request = {"commands": [command], "time_to_live_seconds": None, "input_resources": []}
    record = store.create(NewTask("simulator", "default", "docker://image", "", request))
    inputs = io.BytesIO()
    with zipfile.ZipFile(inputs, "w") as archive:
        archive.writestr("sim_dir/", "")
    path = storage.local_path(record.input_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(inputs.getvalue())
    store.enqueue(record.task_id)
    return TaskRun(store.claim_next(), store, storage, settings)


def refuse(*_args, **_options):
    raise OSError(28, "No space left on device")


@pytest.mark.fault(117)
def test_outputs_that_cannot_be_packed_are_kept_and_told(run, store, settings, monkeypatch):
    monkeypatch.setattr(archives, "pack", refuse)

    run.execute()

    record = store.require(run.task_id)
    kept = settings.rescue_path / run.task_id
    assert record.status == "executer-failed"
    assert record.error_detail == (
        f"The outputs could not be packed: The disk is full. They are kept in {kept}."
    )
    assert (kept / "run" / "sim_dir" / "result.txt").exists()


@pytest.mark.fault(117)
def test_outputs_that_can_be_neither_packed_nor_moved_stay(run, store, settings, monkeypatch):
    monkeypatch.setattr(archives, "pack", refuse)
    with monkeypatch.context() as no_room:
        no_room.setattr(Path, "rename", refuse)
        run.execute()
    home = settings.work_path / run.task_id
    assert store.require(run.task_id).error_detail.endswith(f"They are kept in {home}.")
    storage = Storage(settings.storage_path, store.database, link_key=b"k", link_ttl_s=60)

    runner = Runner(store, storage, settings, Reserve(settings.reserve_path, 1000))
    runner.start()
    runner.stop()

    assert not home.exists()
    kept = settings.rescue_path / run.task_id
    assert (kept / "run" / "sim_dir" / "result.txt").exists()


@pytest.mark.fault(112, 117)
def test_a_crash_after_outputs_were_kept_does_not_become_a_success(
    run, store, settings, monkeypatch
):
    def crash(*_):
        raise SystemExit

    monkeypatch.setattr(archives, "pack", refuse)
    with monkeypatch.context() as crashing:
        crashing.setattr(TaskRun, "_settle", crash)
        with pytest.raises(SystemExit):
            run.execute()
    record = store.require(run.task_id)
    assert record.outcome["status"] == "success"  # of the commands
    storage = Storage(settings.storage_path, store.database, link_key=b"k", link_ttl_s=60)

    TaskRun(record, store, storage, settings).recover()

    record = store.require(run.task_id)
    assert record.status == "executer-failed"
    assert record.error_detail.endswith(f"kept in {settings.rescue_path / run.task_id}.")


@pytest.mark.fault(117)
def test_a_full_disk_while_unpacking_fails_the_task_with_that_reason(run, store, monkeypatch):
    monkeypatch.setattr(archives, "unpack", refuse)

    run.execute()

    assert store.require(run.task_id).error_detail == "The disk is full."


@pytest.mark.fault(117)
def test_an_end_that_there_is_no_room_to_note_is_noted_later(run, store, monkeypatch):
    move, tries = store.move, []

    def move_at_last(task_id, to, **options):
        if to == "success" and len(tries) < 3:
            tries.append(to)
            raise sqlite3.OperationalError("database or disk is full")
        return move(task_id, to, **options)

    monkeypatch.setattr(store, "move", move_at_last)
    monkeypatch.setattr("inductiva_widgets.local.run.RETRY_S", 0)

    run.execute()

    assert len(tries) == 3
    assert store.require(run.task_id).status == "success"


def test_an_error_of_the_engine_ends_the_task_and_not_the_slot(run, store, monkeypatch):
    def broken(*_args, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr(processes, "spawn", broken)

    run.execute()

    record = store.require(run.task_id)
    assert record.status == "executer-failed"
    assert "error of the local engine" in record.error_detail


@pytest.mark.fault(119)
def test_a_kill_that_comes_while_outputs_are_packed_wins(run, store, monkeypatch):
    pack = archives.pack

    def pack_slowly(*args):
        store.request_kill(run.task_id)
        return pack(*args)

    monkeypatch.setattr(archives, "pack", pack_slowly)

    run.execute()

    assert store.require(run.task_id).status == "killed"
    assert store.require(run.task_id).metrics["output_total_files"] >= 3


@pytest.mark.fault(117)
def test_a_queue_that_could_not_be_read_is_asked_again(tmp_path, store, settings, monkeypatch):
    claim, asked, answered = store.claim_next, [], threading.Event()

    def claim_at_last():
        asked.append(1)
        if len(asked) < 3:
            raise sqlite3.OperationalError("database or disk is full")
        answered.set()
        return claim()

    monkeypatch.setattr(store, "claim_next", claim_at_last)
    monkeypatch.setattr("inductiva_widgets.local.runner.RETRY_S", 0.01)
    storage = Storage(settings.storage_path, store.database, link_key=b"k", link_ttl_s=60)
    runner = Runner(store, storage, settings, Reserve(tmp_path / "reserve", 1000))

    runner.start()
    try:
        assert answered.wait(20)
    finally:
        runner.stop()


def test_the_engine_is_never_part_of_a_tree(monkeypatch):
    monkeypatch.setenv(processes.TOKEN_VARIABLE, "token")
    me = processes.identify(processes.os.getpid())

    assert processes.tree([me], "token") == []


def test_at_least_one_slot_is_needed(tmp_path):
    with pytest.raises(UserInputError, match="0 slots"):
        EngineSettings(data_dir=tmp_path, slots=0)


@pytest.mark.fault(120)
def test_a_task_that_prints_too_much_is_ended_where_files_can_have_no_holes(
    store, tmp_path, monkeypatch
):
    limit = 1_000_000
    settings = EngineSettings(tmp_path, slots=1, kill_grace_s=0.2, log_limit_bytes=limit)
    monkeypatch.setattr(log_ring, "_punch", lambda *_: False)
    run = claimed(store, settings, "yes")

    run.execute()

    record = store.require(run.task_id)
    assert record.status == "executer-failed"
    assert record.error_detail == f"The task printed more than {limit} bytes."
    with zipfile.ZipFile(settings.storage_path / record.output_path) as outputs:
        log = outputs.read("artifacts/stdout.txt").decode()
        said = outputs.read("artifacts/stderr.txt").decode()
    told = f"What came after the first {limit} bytes of this log was not kept.\n -------\n"
    assert log.endswith(told)
    assert limit < len(log) < limit + 200
    assert f"The task printed more than {limit} bytes.\n -------\n" in said
