"""States change once, in order, and as one piece; links are good for what they say."""

from __future__ import annotations

import contextlib
import threading

import pytest

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.local.run import mpi_arguments
from inductiva_widgets.local.statuses import KILLABLE, STATUSES, TERMINAL
from inductiva_widgets.local.storage import LinkRefusedError, Storage
from inductiva_widgets.local.store import NewTask, Store

NEW = NewTask("simulator", "default", "docker://image", "", {"commands": []})


@pytest.fixture
def store(tmp_path):
    with contextlib.closing(Store(tmp_path / "engine.db")) as opened:
        yield opened


def queued(store):
    task_id = store.create(NEW).task_id
    assert store.enqueue(task_id)
    return task_id


def test_the_vocabulary_is_complete():
    assert len(STATUSES) == 17
    assert len(TERMINAL) == 11
    assert not TERMINAL & KILLABLE


def test_tasks_are_claimed_in_the_order_in_which_they_were_queued(store):
    first, second = store.create(NEW).task_id, store.create(NEW).task_id
    store.enqueue(second)
    store.enqueue(first)

    assert [store.claim_next().task_id, store.claim_next().task_id] == [second, first]
    assert store.claim_next() is None


def test_a_task_given_back_keeps_its_place(store):
    first, second = queued(store), queued(store)
    store.claim_next()

    store.requeue(first)

    assert store.status(first) == ("submitted", 0)
    assert store.status(second) == ("submitted", 1)
    assert store.require(first).start_time is None


def test_of_many_that_end_a_task_exactly_one_wins(store):
    task_id = queued(store)
    store.claim_next()
    won = []

    def end(status):
        if store.move(task_id, status, only_from=KILLABLE):
            won.append(status)

    threads = [threading.Thread(target=end, args=(one,)) for one in ("failed", "killed") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    record, history = store.detail(task_id)
    assert record.status == history[-1][0]["status"] == won[0]
    assert [entry["end_timestamp"] is None for entry, _ in history] == [False, False, False, True]


def test_a_transaction_that_fails_changes_nothing(store):
    task_id = queued(store)

    def fail_halfway():
        with store.database.transaction():
            store.move(task_id, "killed", only_from=KILLABLE)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()

    assert store.status(task_id) == ("submitted", 0)


def test_metadata_written_by_many_at_once_is_all_kept(store):
    task_id = queued(store)
    threads = [
        threading.Thread(target=store.merge_metadata, args=(task_id, {str(number): "x"}))
        for number in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(store.require(task_id).metadata) == 8


@pytest.fixture
def bucket(tmp_path, store):
    now = [1000.0]
    storage = Storage(
        tmp_path / "files",
        store.database,
        link_key=b"key",
        link_ttl_s=60,
        clock=lambda: now[0],
    )
    return storage, now


def test_a_link_is_good_until_its_time(bucket):
    storage, now = bucket
    token = storage.sign("download", "/a b/ü.txt")

    now[0] += 60
    assert storage.verify(token, "download") == "a b/ü.txt"
    now[0] += 1
    with pytest.raises(LinkRefusedError, match="expired"):
        storage.verify(token, "download")


def test_a_link_of_another_engine_is_refused(bucket, store, tmp_path):
    storage, _ = bucket
    other = Storage(tmp_path / "files", store.database, link_key=b"other", link_ttl_s=60)

    with pytest.raises(LinkRefusedError, match="signature"):
        storage.verify(other.sign("download", "a"), "download")


@pytest.mark.parametrize("path", ["..", "a/../b", "a//b", "./a", "a\\b", "a\0b", "c:/a", "x.part"])
def test_paths_that_no_storage_has_are_refused(bucket, path):
    with pytest.raises(UserInputError):
        bucket[0].normalise(path)


def test_a_checksum_is_made_anew_when_the_file_has_changed(bucket, tmp_path):
    storage, _ = bucket
    (tmp_path / "files" / "a").write_text("one")
    first = storage.sha256("a")

    (tmp_path / "files" / "a").write_text("other")

    assert storage.sha256("a") != first


def test_mpi_options_become_arguments():
    config = {"options": {"np": 4, "use_hwthread_cpus": True, "quiet": False, "host": "a:2"}}

    assert mpi_arguments(config) == ["-np", "4", "--use-hwthread-cpus", "--host", "a:2"]
