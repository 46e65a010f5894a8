"""What a run does when the machine fails it."""

from __future__ import annotations

import contextlib
import io
import zipfile

import pytest

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.local import archives, processes
from inductiva_widgets.local.run import TaskRun
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
    storage = Storage(settings.storage_path, store.database, link_key=b"k", link_ttl_s=60)
    command = {"cmd": "touch result.txt", "prompts": [], "mpi_config": None, "env": {}}
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


def test_outputs_that_cannot_be_packed_are_kept_and_told(run, store, settings, monkeypatch):
    monkeypatch.setattr(archives, "pack", refuse)

    run.execute()

    record = store.require(run.task_id)
    kept = settings.rescue_path / run.task_id
    assert record.status == "executer-failed"
    assert record.error_detail == (
        f"The outputs could not be packed: No space left on device. They are kept in {kept}."
    )
    assert (kept / "run" / "sim_dir" / "result.txt").exists()


def test_a_full_disk_while_unpacking_fails_the_task_with_that_reason(run, store, monkeypatch):
    monkeypatch.setattr(archives, "unpack", refuse)

    run.execute()

    assert store.require(run.task_id).error_detail == "No space left on device."


def test_an_error_of_the_engine_ends_the_task_and_not_the_slot(run, store, monkeypatch):
    def broken(*_args, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr(processes, "spawn", broken)

    run.execute()

    record = store.require(run.task_id)
    assert record.status == "executer-failed"
    assert "error of the local engine" in record.error_detail


def test_a_kill_that_comes_while_outputs_are_packed_wins(run, store, monkeypatch):
    pack = archives.pack

    def pack_slowly(*args):
        store.request_kill(run.task_id)
        return pack(*args)

    monkeypatch.setattr(archives, "pack", pack_slowly)

    run.execute()

    assert store.require(run.task_id).status == "killed"
    assert store.require(run.task_id).metrics["output_total_files"] >= 3


def test_the_engine_is_never_part_of_a_tree(monkeypatch):
    monkeypatch.setenv(processes.TOKEN_VARIABLE, "token")
    me = processes.identify(processes.os.getpid())

    assert processes.tree([me], "token") == []


def test_at_least_one_slot_is_needed(tmp_path):
    with pytest.raises(UserInputError, match="0 slots"):
        EngineSettings(data_dir=tmp_path, slots=0)
