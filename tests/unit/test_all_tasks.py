"""The kept list of all tasks: pages that move, totals that lie, old tasks that still run."""

from __future__ import annotations

import gzip

import msgspec
import pytest

from inductiva_widgets.api.clock import ServerClock
from inductiva_widgets.api.models import TaskPage, TaskRecord
from inductiva_widgets.errors import NotFoundError
from inductiva_widgets.service import all_tasks
from inductiva_widgets.service.all_tasks import AllTasks


class FakeClient:
    """A service with `records`, newest first, that counts what it is asked."""

    def __init__(self, count):
        self.clock = ServerClock()
        self.records = [record(i) for i in reversed(range(count))]
        self.total = None
        self.pages_asked = self.tasks_asked = 0

    def tasks(self, *, page=1, per_page=10, **_):
        self.pages_asked += 1
        start = (page - 1) * per_page
        total = len(self.records) if self.total is None else self.total
        return TaskPage(total_size=total, tasks=self.records[start : start + per_page])

    def task(self, task_id):
        self.tasks_asked += 1
        for known in self.records:
            if known.task_id == task_id:
                return known
        raise NotFoundError("No such task.")


class FakeBackend:
    id, name = "0" * 12, "a service"

    def __init__(self, count):
        self.client = FakeClient(count)


def record(number, status="success"):
    return TaskRecord(
        task_id=f"task{number:06d}",
        status=status,
        simulator="OpenFOAM",
        is_terminated=status == "success",
        create_time="2026-11-21T12:00:00Z",
    )


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def listed(tasks, **params):
    meta, (frame,) = tasks.pack(params)
    return meta, msgspec.json.decode(gzip.decompress(frame))["task_id"]


@pytest.mark.fault(75)
def test_all_pages_are_read_once(clock):
    backend = FakeBackend(1203)
    tasks = AllTasks(backend, clock)

    meta, ids = listed(tasks)
    asked = backend.client.pages_asked
    listed(tasks)

    assert ids == [known.task_id for known in backend.client.records]
    assert (meta["count"], meta["total"]) == (1203, 1203)
    assert asked <= 5  # three pages, a short one's end, and the newest once more
    assert backend.client.pages_asked == asked


@pytest.mark.fault(75)
def test_more_new_tasks_than_a_page_mean_reading_anew(clock):
    backend = FakeBackend(700)
    tasks = AllTasks(backend, clock)
    listed(tasks)

    backend.client.records[:0] = [record(i) for i in reversed(range(700, 1500))]
    clock.now += 100
    _, ids = listed(tasks)

    assert ids == [known.task_id for known in backend.client.records]


def test_a_deleted_task_is_gone_after_the_next_look(clock):
    backend = FakeBackend(600)
    tasks = AllTasks(backend, clock)
    listed(tasks)

    del backend.client.records[3]
    clock.now += 100
    meta, ids = listed(tasks)

    assert len(ids) == meta["total"] == 599


@pytest.mark.fault(76)
def test_a_total_that_lies_does_not_read_all_pages_each_time(clock):
    backend = FakeBackend(1203)
    backend.client.total = 2000
    tasks = AllTasks(backend, clock)
    meta, _ = listed(tasks)
    asked = backend.client.pages_asked

    for _ in range(5):
        clock.now += 11
        listed(tasks)

    assert (meta["count"], meta["total"]) == (1203, 2000)
    assert backend.client.pages_asked == asked + 5


def test_an_older_task_that_ends_is_noticed(clock):
    backend = FakeBackend(800)
    backend.client.records[700] = record(99, status="submitted")
    tasks = AllTasks(backend, clock)
    listed(tasks)
    assert not tasks.is_ended("task000099")

    backend.client.records[700] = record(99)
    listed(tasks, refresh=True)

    assert tasks.is_ended("task000099")
    assert backend.client.tasks_asked == 1


def test_the_newest_50_000_are_kept_and_the_total_is_told(clock, monkeypatch):
    monkeypatch.setattr(all_tasks, "MOST_KEPT", 1000)
    tasks = AllTasks(FakeBackend(1203), clock)

    meta, ids = listed(tasks)

    assert (meta["count"], meta["total"]) == (len(ids), 1203) == (1000, 1203)


def test_unchanged_tasks_are_packed_once(clock):
    backend = FakeBackend(600)
    tasks = AllTasks(backend, clock)

    _, (first,) = tasks.pack({})
    _, (again,) = tasks.pack({"refresh": True})

    assert again is first


def test_a_reading_that_fails_leaves_what_was_known(clock, monkeypatch):
    backend = FakeBackend(600)
    tasks = AllTasks(backend, clock)
    listed(tasks)

    def gone(**_):
        raise NotFoundError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(backend.client, "tasks", gone)
        with pytest.raises(NotFoundError):
            listed(tasks, refresh=True)
    _, ids = listed(tasks)

    assert len(ids) == 600
