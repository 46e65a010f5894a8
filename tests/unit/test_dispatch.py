"""The table of methods: what is not in it is refused, and one service serves a backend."""

from __future__ import annotations

import contextlib
import threading
from types import SimpleNamespace

import pytest

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.service import dispatch
from inductiva_widgets.service.dispatch import Service, service_of


class FakeBackend:
    """As much of a backend as nothing asks for anything."""

    id, name, is_local = "0" * 12, "test", True
    watcher = SimpleNamespace(latest=lambda _: None)


@pytest.fixture
def service():
    with contextlib.closing(Service(FakeBackend())) as made:
        yield made


@pytest.fixture
def services(monkeypatch):
    """The table of services, empty for this test."""
    table = {}
    monkeypatch.setattr(dispatch, "_services", table)
    yield table
    for made in table.values():
        made.close()


@pytest.mark.parametrize(
    "method", ["", "task.gett", "TASK.GET", "close", "__init__", None, 0, [], {}, "x" * 10_000]
)
def test_unknown_methods_are_refused_in_few_words(service, method):
    with pytest.raises(UserInputError, match="no method") as caught:
        service.call(method, {})

    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    "method", ["task.get", "task.kill", "outputs.list", "outputs.download", "tasks.list"]
)
@pytest.mark.parametrize("params", [{"task_id": None}, {"task_id": "a/../b", "last_n": "many"}])
def test_wrong_parameters_are_refused_before_anything_is_asked(service, method, params):
    with pytest.raises(UserInputError):
        service.call(method, {"last_n": 0, **params})


def test_a_selection_without_a_kernel_is_no_error(service):
    assert service.call("outputs.select", {"task_id": "t"}, [b"whatever"]) == ({}, [])


def test_many_threads_get_one_service(services):
    backend, barrier, got = FakeBackend(), threading.Barrier(8), []

    def ask():
        barrier.wait()
        got.append(service_of(backend))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(got)) == 1
    assert [*services.values()] == [got[0]]


def test_each_backend_has_a_service_of_its_own(services):
    assert service_of(FakeBackend()) is not service_of(FakeBackend())


def test_close_may_be_called_twice_and_ends_the_workers(service):
    service.workers.submit(int).result(10)

    service.close()
    service.close()

    with pytest.raises(RuntimeError):
        service.workers.submit(int)
