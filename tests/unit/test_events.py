"""Events: revisions, the start and end of watching, and listeners that fail."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from waiting import wait_until

from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.credentials import Credentials
from inductiva_widgets.api.models import TaskPage, TaskRecord
from inductiva_widgets.errors import AuthenticationError, ServerError, UserInputError
from inductiva_widgets.service.events import EventHub
from inductiva_widgets.service.tasks import TaskListFeed
from inductiva_widgets.watch import Observation

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
TOPIC = "task/t1"


def observation(status="submitted", task_id="t1"):
    return Observation(task_id, TaskRecord(task_id=task_id, status=status), None, NOW)


class FakeWatcher:
    """Watches by hand: `see` is what the poller would do."""

    least_pause_s = 0.0

    def __init__(self):
        self.known = {}
        self.open = []
        self.started = 0

    def watch(self, task_id, callback):
        self.started += 1
        subscription = SimpleNamespace(task_id=task_id, callback=callback)
        subscription.close = lambda: self.open.remove(subscription)
        self.open.append(subscription)
        if task_id in self.known:
            callback(self.known[task_id])
        return subscription

    def latest(self, task_id):
        return self.known.get(task_id)

    def see(self, seen):
        self.known[seen.task_id] = seen
        for subscription in list(self.open):
            if subscription.task_id == seen.task_id:
                subscription.callback(seen)


class FakeClient:
    """Answers the list from a script; the last answer stays."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.clock = SimpleNamespace(now=lambda: NOW)
        self.credentials = Credentials(Config("", ApiKey("key"), "a test", Path()))

    def tasks(self, **_):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def backend():
    page = TaskPage(tasks=[TaskRecord(task_id="t1", status="success")], total_size=1)
    return SimpleNamespace(
        id="0" * 12, name="test", is_local=False, client=FakeClient(page), watcher=FakeWatcher()
    )


@pytest.fixture
def hub(backend):
    with contextlib.closing(EventHub(backend)) as made:
        yield made


def test_each_listener_counts_its_own_events_from_one(hub, backend):
    first, second = [], []
    hub.subscribe(TOPIC, first.append)
    backend.watcher.see(observation())
    backend.watcher.see(observation("computation-started"))
    hub.subscribe(TOPIC, second.append)
    backend.watcher.see(observation("success"))

    assert [m["revision"] for m in first] == [1, 2, 3]
    assert [m["revision"] for m in second] == [1, 2]
    assert {m["topic"] for m in first} == {TOPIC}
    statuses = [m["event"]["task"]["status"] for m in second]
    assert statuses == ["computation-started", "success"]


def test_revisions_rise_by_one_however_many_threads_publish(hub):
    got = []
    hub.subscribe(TOPIC, got.append)
    barrier = threading.Barrier(8)

    def publish():
        barrier.wait()
        for _ in range(200):
            hub.publish(TOPIC, {"kind": "task"})

    threads = [threading.Thread(target=publish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [m["revision"] for m in got] == [*range(1, 1601)]


def test_the_first_listener_starts_the_watching_and_the_last_ends_it(hub, backend):
    one = hub.subscribe(TOPIC, lambda _: None)
    two = hub.subscribe(TOPIC, lambda _: None)
    assert (backend.watcher.started, len(backend.watcher.open)) == (1, 1)

    one.close()
    one.close()
    assert len(backend.watcher.open) == 1

    two.close()
    assert backend.watcher.open == []

    hub.subscribe(TOPIC, lambda _: None)
    assert backend.watcher.started == 2


def test_a_first_listener_that_fails_at_once_leaves_no_watching(hub, backend):
    backend.watcher.known["t1"] = observation()

    hub.subscribe(TOPIC, _fail)

    assert backend.watcher.open == []


def test_a_failing_listener_is_removed_and_the_others_go_on(hub, backend):
    got, failures = [], []

    def fail(message):
        failures.append(message)
        raise RuntimeError

    hub.subscribe(TOPIC, fail)
    hub.subscribe(TOPIC, got.append)
    backend.watcher.see(observation())
    backend.watcher.see(observation("success"))

    assert len(failures) == 1
    assert [m["revision"] for m in got] == [1, 2]


def test_a_late_listener_that_fails_is_removed_too(hub, backend):
    hub.subscribe(TOPIC, lambda _: None).close()
    backend.watcher.known["t1"] = observation()
    keeper = hub.subscribe(TOPIC, lambda _: None)

    hub.subscribe(TOPIC, _fail)
    keeper.close()

    assert backend.watcher.open == []


def test_nothing_arrives_after_close(hub, backend):
    got = []
    listener = hub.subscribe(TOPIC, got.append)
    hub.subscribe(TOPIC, lambda _: listener.close())  # closes while the event is fanned out
    before = hub.subscribe(TOPIC, got.append)
    before.close()
    backend.watcher.see(observation())
    backend.watcher.see(observation("success"))

    assert len(got) == 1


def test_a_listener_may_close_itself_from_its_own_event(hub, backend):
    listeners = []
    listeners.append(hub.subscribe(TOPIC, lambda _: listeners[0].close()))

    backend.watcher.see(observation())

    assert backend.watcher.open == []


@pytest.mark.parametrize("topic", ["", "task", "task/", "task/../x", "task/a b", "users", "tasks/"])
def test_unknown_topics_are_refused(hub, topic):
    with pytest.raises(UserInputError):
        hub.subscribe(topic, lambda _: None)


def test_subscribing_and_closing_from_many_threads_ends_with_no_watching(hub, backend):
    barrier = threading.Barrier(6)

    def churn():
        barrier.wait()
        for _ in range(200):
            hub.subscribe(TOPIC, lambda _: None).close()

    threads = [threading.Thread(target=churn) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert backend.watcher.open == []


def test_closing_the_hub_ends_everything(hub, backend):
    hub.subscribe(TOPIC, lambda _: None)
    hub.subscribe("task/t2", lambda _: None)

    hub.close()

    assert backend.watcher.open == []


# -- the list ----------------------------------------------------------------------------------


def page(*statuses, total=None):
    tasks = [TaskRecord(task_id=f"t{i}", status=s) for i, s in enumerate(statuses)]
    return TaskPage(tasks=tasks, total_size=len(tasks) if total is None else total)


def followed(backend, rounds, *answers):
    """Events of a feed after so many looks, without its thread."""
    backend.client.answers = list(answers)
    told = []
    feed = TaskListFeed.__new__(TaskListFeed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskListFeed, "_run", lambda self: None)
        feed.__init__(backend, told.append)
    pauses = [feed._look() for _ in range(rounds)]
    return told, pauses


def test_the_list_is_told_at_once_and_then_only_when_it_changed(backend):
    told, pauses = followed(backend, 6, *[page("submitted")] * 4, page("success"), page("success"))

    assert [[t["status"] for t in e["tasks"]] for e in told] == [["submitted"], ["success"]]
    assert pauses == [1, 2, 5, 10, 1, 2]


def test_a_least_pause_holds_for_the_list_too(backend):
    backend.watcher.least_pause_s = 4.0

    _, pauses = followed(backend, 4, *[page("submitted")] * 4)

    assert pauses == [4, 4, 5, 10]


def test_an_outage_is_told_once_as_stale_and_its_end_too(backend):
    down = ServerError("down")

    told, _ = followed(backend, 4, page("submitted"), down, down, page("submitted"))

    assert [e["tasks"][0]["stale"] and e["tasks"][0]["stale"]["error"]["type"] for e in told] == [
        None,
        "ServerError",
        None,
    ]


@pytest.mark.fault(85)
def test_a_refused_key_is_not_asked_with_again(backend):
    refused = AuthenticationError("no", status_code=401)

    told, pauses = followed(backend, 4, page("submitted"), refused, page("success"))

    assert pauses == [1, 5, 5, 5]
    assert [event["tasks"][0]["stale"] is not None for event in told] == [False, True]


@pytest.mark.fault(85)
def test_the_list_goes_on_by_itself_with_another_key(backend):
    keys = [ApiKey("second")]
    credentials = Credentials(
        backend.client.credentials.config,
        lambda config: [dataclasses.replace(config, key=key) for key in keys],
    )
    backend.client.credentials = credentials
    refused = AuthenticationError("no", status_code=401)

    told, pauses = followed(backend, 3, page("submitted"), refused, page("success"))

    assert pauses == [1, 5, 1]
    assert told[-1]["tasks"][0]["status"] == "success"
    assert told[-1]["tasks"][0]["stale"] is None


def test_a_fault_of_our_own_does_not_end_the_following(backend, caplog):
    looks, broken = [], threading.Event()

    def take(page):
        looks.append(page)
        if len(looks) == 1:
            broken.set()
            raise ZeroDivisionError

    feed = TaskListFeed(backend, lambda _: None, take)
    assert broken.wait(10)
    wait_until(lambda: feed.wake() or len(looks) > 1)
    feed.close()

    assert "fault of this package" in caplog.text


def test_the_list_topic_serves_late_listeners_and_ends_with_the_last(hub):
    told = threading.Event()
    first, late = [], []

    def take(message):
        first.append(message)
        told.set()

    one = hub.subscribe("tasks", take)
    assert told.wait(10)
    two = hub.subscribe("tasks", late.append)

    assert late[0]["revision"] == 1
    assert late[0]["event"] == first[0]["event"]
    assert late[0]["event"]["total"] == 1
    (thread,) = [t for t in threading.enumerate() if t.name == "inductiva-task-list"]
    one.close()
    assert thread.is_alive()
    two.close()
    thread.join(10)
    assert not thread.is_alive()


def _fail(_):
    raise RuntimeError


def test_the_order_between_two_listeners_is_the_same(hub):
    numbers = itertools.count()
    one, two = [], []
    hub.subscribe(TOPIC, lambda m: one.append(m["event"]["n"]))
    hub.subscribe(TOPIC, lambda m: two.append(m["event"]["n"]))

    for _ in range(5):
        hub.publish(TOPIC, {"kind": "x", "n": next(numbers)})

    assert one == two == [0, 1, 2, 3, 4]


def test_news_that_overtake_a_late_listener_are_what_it_hears_last(hub, backend):
    hub.subscribe(TOPIC, lambda _: None)
    backend.watcher.see(observation())
    heard = []
    original = backend.watcher.latest

    def latest_while_it_changes(task_id):
        seen = original(task_id)
        backend.watcher.latest = original
        backend.watcher.see(observation("success"))  # delivered before what was just read
        return seen

    backend.watcher.latest = latest_while_it_changes
    hub.subscribe(TOPIC, heard.append)

    assert [message["event"]["task"]["status"] for message in heard][-1] == "success"
    assert [message["revision"] for message in heard] == [1, 2, 3]
