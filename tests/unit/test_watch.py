"""The poller: what it asks, how often, and what it tells whom."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import threading
from pathlib import Path

import pytest
from waiting import wait_until

from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.credentials import Credentials
from inductiva_widgets.api.models import (
    QueuePosition,
    StatusReply,
    TaskPage,
    TaskRecord,
)
from inductiva_widgets.errors import (
    AuthenticationError,
    BadPayloadError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    ServiceConnectionError,
)
from inductiva_widgets.watch import Watcher

FIRST = dt.datetime(2025, 6, 16, 18, 0, tzinfo=dt.timezone.utc)


class Clock:
    def __init__(self, time):
        self._time = time

    def now(self):
        return FIRST + dt.timedelta(seconds=self._time.now_s)


class Time:
    now_s = 0.0

    def __call__(self):
        return self.now_s


class FakeService:
    """Tasks by id; notes each question. `faults` maps a question or its kind to an error."""

    def __init__(self, time):
        self.clock = Clock(time)
        self.tasks_by_id: dict[str, tuple[str, bool]] = {}
        self.ahead: dict[str, int] = {}
        self.asked: list[str] = []
        self.faults: dict[str, Exception] = {}
        self.listed: list[str] | None = None
        self.lock = threading.Lock()
        self.other_keys: list[ApiKey] = []
        settings = Config("https://service.test", ApiKey("first"), "a test", Path())
        self.credentials = Credentials(
            settings, lambda config: [dataclasses.replace(config, key=k) for k in self.other_keys]
        )

    def has(self, *ids, status="started", ended=False):
        self.tasks_by_id.update(dict.fromkeys(ids, (status, ended)))

    def status(self, task_id, *, retry=True):
        status, ended = self._answer("status", task_id)
        ahead = self.ahead.get(task_id)
        place = None if ahead is None else QueuePosition(tasks_ahead=ahead)
        return StatusReply(id=task_id, status=status, is_terminated=ended, position_in_queue=place)

    def task(self, task_id, *, retry=True):
        status, ended = self._answer("task", task_id)
        return TaskRecord(task_id=task_id, status=status, is_terminated=ended)

    def tasks(self, *, page, per_page, retry=True):
        self._note("page", "page" if page == 1 else f"page {page}")
        listed = list(self.tasks_by_id) if self.listed is None else self.listed
        records = [
            TaskRecord(
                task_id=i, status=self.tasks_by_id[i][0], is_terminated=self.tasks_by_id[i][1]
            )
            for i in listed[(page - 1) * per_page : page * per_page]
        ]
        return TaskPage(total_size=len(listed), tasks=records)

    def _answer(self, kind, task_id):
        self._note(kind, f"{kind} {task_id}")
        if task_id not in self.tasks_by_id:
            raise NotFoundError(f"no task {task_id}")
        return self.tasks_by_id[task_id]

    def _note(self, kind, question):
        with self.lock:
            self.asked.append(question)
        fault = self.faults.get(question) or self.faults.get(kind) or self.faults.get("all")
        if fault:
            raise fault

    def questions(self):
        asked, self.asked = self.asked, []
        return asked


class StillWatcher(Watcher):
    """Without its thread: tests make the rounds."""

    def _start(self):
        pass


@pytest.fixture
def time_():
    return Time()


@pytest.fixture
def service(time_):
    return FakeService(time_)


@pytest.fixture
def watcher(service, time_):
    return StillWatcher(service, monotonic=time_, jitter=lambda: 0.0)


class Told(list):
    """A callback that keeps what it is told."""

    def __call__(self, seen):
        self.append(seen)

    @property
    def statuses(self):
        return [seen.record.status for seen in self if seen.record]


def advance(watcher, time_, rounds):
    """Makes rounds as the thread would; their pauses."""
    pauses = []
    for _ in range(rounds):
        pauses.append(watcher.poll_once())
        time_.now_s += pauses[-1]
    return pauses


# -- what it asks --------------------------------------------------------------------------------


def test_rounds_come_no_sooner_than_the_least_pause(watcher, service):
    service.has("a")
    watcher.watch("a", Told(), limit_s=1.0)
    watcher.least_pause_s = 30.0

    assert watcher.poll_once() == 30.0


def test_one_task_costs_one_small_question_a_round_after_the_first(watcher, service):
    service.has("a")
    watcher.watch("a", Told())

    watcher.poll_once()
    assert service.questions() == ["status a", "task a"]

    watcher.poll_once()
    assert service.questions() == ["status a"]


def test_the_whole_task_is_asked_for_only_when_its_status_changed(watcher, service):
    service.has("a")
    told = Told()
    watcher.watch("a", told)
    watcher.poll_once()
    service.questions()

    service.has("a", status="computation-started")
    watcher.poll_once()
    assert service.questions() == ["status a", "task a"]
    assert told.statuses == ["started", "computation-started"]

    watcher.poll_once()
    assert service.questions() == ["status a"]


@pytest.mark.parametrize(
    ("count", "quiet_round"), [(1, {"status": 1}), (2, {"status": 2}), (3, {"page": 1})]
)
def test_from_three_tasks_on_one_page_answers_for_all(watcher, service, count, quiet_round):
    ids = [f"t{n}" for n in range(count)]
    service.has(*ids)
    for task_id in ids:
        watcher.watch(task_id, Told())
    watcher.poll_once()
    service.questions()

    watcher.poll_once()

    kinds = collections.Counter(question.split()[0] for question in service.questions())
    assert kinds == quiet_round


def test_fifty_tasks_cost_one_question_a_round(watcher, service):
    ids = [f"t{n:02}" for n in range(50)]
    service.has(*ids)
    told = {task_id: Told() for task_id in ids}
    for task_id in ids:
        watcher.watch(task_id, told[task_id])
    watcher.poll_once()
    assert len(service.questions()) == 51  # the page, and each whole task once

    service.has("t07", status="success", ended=True)
    watcher.poll_once()

    assert service.questions() == ["page", "task t07"]
    assert told["t07"].statuses[-1] == "success"


def test_fifty_watchers_of_one_task_cost_no_more_than_one(watcher, service):
    service.has("a")
    told = [Told() for _ in range(50)]
    for one in told:
        watcher.watch("a", one)

    watcher.poll_once()

    assert service.questions() == ["status a", "task a"]
    assert all(one.statuses == ["started"] for one in told)


def test_the_place_in_the_queue_is_told_and_its_change_is_news(watcher, service, time_):
    service.has("a", status="submitted")
    service.ahead["a"] = 2
    told = Told()
    watcher.watch("a", told)
    watcher.poll_once()
    assert [seen.tasks_ahead for seen in told] == [2]
    assert advance(watcher, time_, 2) == [2.0, 5.0]

    service.ahead["a"] = 1
    assert watcher.poll_once() == 1.0
    assert told[-1].tasks_ahead == 1


def test_with_a_page_only_queued_and_older_tasks_are_asked_for_singly(watcher, service):
    service.has("q", status="submitted")
    service.has("r", "old", "z")
    service.listed = ["q", "r", "z"]
    service.ahead["q"] = 4
    told = Told()
    watcher.watch("q", told)
    for task_id in ("r", "old", "z"):
        watcher.watch(task_id, Told())
    watcher.poll_once()
    service.questions()

    watcher.poll_once()

    assert sorted(service.questions()) == ["page", "status old", "status q"]
    assert told[-1].tasks_ahead == 4


def test_who_waits_for_the_end_only_is_content_with_rows_of_the_list(watcher, service):
    ids = [f"t{n:02}" for n in range(50)]
    service.has(*ids)
    service.has("t03", status="submitted")
    told = {task_id: Told() for task_id in ids}
    for task_id in ids:
        watcher.watch(task_id, told[task_id], is_brief=True)

    watcher.poll_once()
    assert service.questions() == ["page"]

    service.has("t07", status="success", ended=True)
    watcher.poll_once()
    assert service.questions() == ["page"]
    assert told["t07"].statuses == ["started", "success"]
    assert told["t07"][-1].is_final


@pytest.mark.parametrize("ended", [False, True])
def test_a_view_of_a_task_that_somebody_waits_for_gets_it_whole(watcher, service, ended):
    service.has("a", "b", "c")
    service.has("a", status="success", ended=ended)
    for task_id in "abc":
        watcher.watch(task_id, Told(), is_brief=True)
    watcher.poll_once()
    service.questions()
    view = Told()

    watcher.watch("a", view)
    watcher.poll_once()

    assert "task a" in service.questions()
    assert [seen.is_brief for seen in view] == [True, False]
    assert watcher._is_settled(watcher._subscriptions["a"][1]) is ended


@pytest.mark.parametrize(
    ("listed", "pages"), [(2, ["page"]), (600, ["page", "page 2"]), (5000, ["page"])]
)
def test_further_pages_are_read_while_they_hold_what_is_watched(watcher, service, listed, pages):
    ids = [f"t{n:04}" for n in range(600)]
    service.has(*ids)
    others = [f"other{n}" for n in range(listed)]
    service.has(*others)
    service.listed = ids if listed == 600 else others
    for task_id in ids[-3:] if listed != 600 else ids:
        watcher.watch(task_id, Told(), is_brief=True)

    watcher.poll_once()

    asked = service.questions()
    assert [question for question in asked if question.startswith("page")] == pages
    assert len(asked) == len(pages) + (0 if listed == 600 else 6)


def test_thousands_of_tasks_are_looked_at_by_two_pages_a_second(watcher, service, time_):
    ids = [f"t{n:04}" for n in range(5000)]
    service.has(*ids)
    for task_id in ids:
        watcher.watch(task_id, Told(), limit_s=2.0, is_brief=True)

    pauses = advance(watcher, time_, 3)

    assert len(service.questions()) == 30
    assert pauses == [4.5] * 3


def test_ended_tasks_are_not_asked_for(watcher, service):
    service.has("a", status="success", ended=True)
    told = Told()
    watcher.watch("a", told)
    watcher.poll_once()
    service.questions()

    watcher.poll_once()

    assert service.questions() == []
    assert told[-1].is_final


# -- when ----------------------------------------------------------------------------------------


def test_pauses_grow_and_start_again_after_a_change(watcher, service, time_):
    service.has("a")
    watcher.watch("a", Told())

    assert advance(watcher, time_, 6) == [1.0, 2.0, 5.0, 10.0, 10.0, 10.0]

    service.has("a", status="computation-started")
    assert advance(watcher, time_, 3) == [1.0, 2.0, 5.0]


def test_an_impatient_watcher_shortens_the_pauses(watcher, service, time_):
    service.has("a")
    watcher.watch("a", Told())
    impatient = watcher.watch("a", Told(), limit_s=2.0)
    assert advance(watcher, time_, 5) == [1.0, 2.0, 2.0, 2.0, 2.0]

    impatient.close()
    assert advance(watcher, time_, 1) == [10.0]


def test_the_limit_of_a_backend_holds_for_all(service, time_):
    near = StillWatcher(service, limit_s=1.0, monotonic=time_)
    service.has("a")
    near.watch("a", Told())

    assert advance(near, time_, 4) == [1.0] * 4


@pytest.mark.fault(102)
def test_a_hidden_task_is_asked_for_once_a_minute(watcher, service, time_):
    service.has("a")
    watcher.watch("a", Told()).show(visible=False)

    while time_.now_s < 600:
        time_.now_s += watcher.poll_once()

    rounds = [question for question in service.questions() if question == "status a"]
    assert 5 <= len(rounds) <= 10


def test_a_task_hidden_in_one_view_and_seen_in_another_is_seen(watcher, service, time_):
    service.has("a")
    watcher.watch("a", Told()).show(visible=False)
    watcher.watch("a", Told())

    assert advance(watcher, time_, 4) == [1.0, 2.0, 5.0, 10.0]


@pytest.mark.fault(102)
def test_shown_again_it_is_asked_for_at_once(watcher, service, time_):
    service.has("a")
    subscription = watcher.watch("a", Told())
    subscription.show(visible=False)
    watcher.poll_once()
    time_.now_s += 5
    service.questions()
    assert watcher.poll_once() == 60.0
    assert service.questions() == []

    watcher._woken = False
    subscription.show(visible=True)

    assert watcher._woken
    assert watcher.poll_once() <= 2.0
    assert service.questions() == ["status a"]


@pytest.mark.fault(31, 102)
def test_after_a_sleep_of_the_machine_there_is_one_round(watcher, service, time_):
    service.has("a")
    watcher.watch("a", Told())
    watcher.poll_once()
    service.questions()

    time_.now_s += 3600
    watcher.poll_once()

    assert service.questions() == ["status a"]


# -- when it goes wrong --------------------------------------------------------------------------


@pytest.mark.fault(10)
def test_an_outage_keeps_the_last_state_and_says_since_when_why_and_when_next(
    watcher, service, time_
):
    service.has("a")
    told = Told()
    watcher.watch("a", told)
    watcher.poll_once()
    time_.now_s = 10.0

    service.faults["all"] = ServiceConnectionError("gone")
    assert advance(watcher, time_, 5) == [1.0, 2.0, 5.0, 10.0, 10.0]

    seen = told[-1]
    assert seen.record.status == "started"
    assert seen.as_of == FIRST
    assert seen.stale.since == FIRST
    assert seen.stale.error is service.faults["all"]
    assert seen.stale.retry_in_s == 10.0

    service.faults.clear()
    assert watcher.poll_once() in (1.0, 2.0, 5.0, 10.0)
    assert told[-1].stale is None
    assert told[-1].as_of == FIRST + dt.timedelta(seconds=time_.now_s)


def test_an_outage_from_the_start_is_told_too(watcher, service):
    service.faults["all"] = ServerError("broken", status_code=500)
    told = Told()
    watcher.watch("a", told)

    watcher.poll_once()

    assert told[-1].record is None
    assert told[-1].stale.error.status_code == 500


@pytest.mark.fault(10)
def test_the_pauses_of_an_outage_are_jittered(service, time_):
    shaky = StillWatcher(service, monotonic=time_, jitter=lambda: 1.0)
    service.faults["all"] = ServiceConnectionError("gone")
    shaky.watch("a", Told())

    assert advance(shaky, time_, 4) == [1.25, 2.5, 6.25, 12.5]


@pytest.mark.fault(85)
def test_a_refused_key_stops_the_polling_until_somebody_wakes_it(watcher, service, time_):
    service.has("a")
    told = Told()
    watcher.watch("a", told)
    service.faults["all"] = AuthenticationError("no", status_code=401)
    watcher.poll_once()
    service.questions()

    advance(watcher, time_, 5)
    assert service.questions() == []
    assert len(told) == 1
    assert told[-1].stale.retry_in_s is None

    service.faults.clear()
    watcher.wake()
    watcher.poll_once()
    assert told.statuses == ["started"]
    assert told[-1].stale is None


@pytest.mark.fault(85)
def test_another_key_is_noticed_by_itself_and_not_asked_for(watcher, service, time_):
    service.has("a", "b")
    service.faults["status b"] = AuthenticationError("not yours", status_code=403)
    told = {"a": Told(), "b": Told()}
    for task_id, one in told.items():
        watcher.watch(task_id, one)
    watcher.poll_once()
    service.faults["all"] = AuthenticationError("no", status_code=401)
    advance(watcher, time_, 2)
    service.questions()
    assert advance(watcher, time_, 3) == [5.0, 5.0, 5.0]

    service.faults.clear()
    service.other_keys.append(ApiKey("second"))
    advance(watcher, time_, 1)

    assert {"status a", "status b"} <= {*service.questions()}  # of "b" the new key may know
    assert [one[-1].stale for one in told.values()] == [None, None]


@pytest.mark.fault(85)
def test_a_key_that_another_thread_took_meanwhile_is_used(watcher, service, time_):
    service.has("a")
    told = Told()
    watcher.watch("a", told)
    service.faults["all"] = AuthenticationError("no", status_code=401)
    advance(watcher, time_, 2)

    service.faults.clear()
    service.other_keys.append(ApiKey("second"))
    assert service.credentials.renew(ApiKey("first"))
    advance(watcher, time_, 1)

    assert told[-1].stale is None


def test_a_key_refused_in_the_middle_of_a_round_is_told_to_all(watcher, service):
    service.has("a", "b")
    told = {"a": Told(), "b": Told()}
    for task_id, one in told.items():
        watcher.watch(task_id, one)
    original = service.task

    def refused_while_somebody_refreshes(task_id, *, retry=True):
        if task_id == "a":
            return original(task_id)
        watcher.refresh("a")  # asked later than the rest of this round
        raise AuthenticationError("revoked", status_code=401)

    service.task = refused_while_somebody_refreshes
    watcher.poll_once()

    assert [one[-1].stale.error.status_code for one in told.values()] == [401, 401]


@pytest.mark.fault(86)
def test_a_refusal_for_one_task_does_not_stop_the_others(watcher, service):
    service.has("a", "b")
    forbidden, fine = Told(), Told()
    watcher.watch("a", forbidden)
    watcher.watch("b", fine)
    service.faults["status a"] = AuthenticationError("not yours", status_code=403)

    watcher.poll_once()

    assert fine.statuses == ["started"]
    assert forbidden[-1].stale.error.status_code == 403
    assert forbidden[-1].stale.retry_in_s is None
    service.questions()
    watcher.poll_once()
    assert not [question for question in service.questions() if "a" in str(question).split()]


def test_a_refusal_for_one_task_leaves_another_that_failed_in_the_same_round(watcher, service):
    service.has("a", "b")
    watcher.watch("a", Told())
    unlucky = Told()
    watcher.watch("b", unlucky)
    service.faults["status a"] = AuthenticationError("not yours", status_code=403)
    service.faults["status b"] = ServerError("for a moment", status_code=503)

    watcher.poll_once()

    assert isinstance(unlucky[-1].stale.error, ServerError)
    del service.faults["status b"]
    watcher.poll_once()
    assert unlucky[-1].stale is None


@pytest.mark.fault(80)
def test_a_task_that_vanished_is_told_once_and_not_asked_for_again(watcher, service):
    service.has("a", "b")
    gone, fine = Told(), Told()
    watcher.watch("a", gone)
    watcher.watch("b", fine)
    watcher.poll_once()
    service.questions()

    del service.tasks_by_id["a"]
    watcher.poll_once()
    service.has("b", status="computation-started")
    service.questions()
    watcher.poll_once()

    assert service.questions() == ["status b", "task b"]
    assert isinstance(gone[-1].stale.error, NotFoundError)
    assert gone[-1].record.status == "started"
    assert fine.statuses[-1] == "computation-started"


@pytest.mark.parametrize("fault", [BadPayloadError("odd"), ServerError("broken", status_code=500)])
@pytest.mark.parametrize("ids", [("a", "b"), ("a", "b", "c", "d")])
def test_one_task_that_cannot_be_read_does_not_hide_the_others(watcher, service, fault, ids):
    service.has(*ids)
    service.faults["task a"] = fault
    told = {task_id: Told() for task_id in ids}
    for task_id in ids:
        watcher.watch(task_id, told[task_id])

    pause = watcher.poll_once()

    assert told["a"][-1].stale.error is fault
    assert told["a"][-1].stale.retry_in_s == pause
    for task_id in ids[1:]:
        assert told[task_id].statuses == ["started"]
        assert told[task_id][-1].stale is None


def test_an_hour_of_outage_is_over_a_quarter_minute_after_its_end(service, time_):
    shaky = StillWatcher(service, monotonic=time_, jitter=lambda: 1.0)
    service.has("a")
    told = Told()
    shaky.watch("a", told)
    shaky.poll_once()
    service.faults["all"] = ServerError("busy", status_code=503)
    while time_.now_s < 3600:
        time_.now_s += shaky.poll_once()
    assert told[-1].stale.since == FIRST
    asked = len(service.questions())

    service.faults.clear()
    service.has("a", status="success", ended=True)
    over_s = 3600.0
    shaky.poll_once()

    assert told[-1].is_final
    assert told[-1].stale is None
    assert time_.now_s - over_s <= 15
    assert 3600 / 12.5 <= asked <= 3600 / 10


@pytest.mark.fault(7)
@pytest.mark.parametrize("wait_s", [17.0, 1e9, 1e11])
def test_the_service_is_not_asked_earlier_than_it_said(watcher, service, time_, wait_s):
    service.has("a")
    told = Told()
    subscription = watcher.watch("a", told)
    service.faults["all"] = RateLimitedError("slow down", retry_after_s=wait_s)
    assert watcher.poll_once() == wait_s
    assert told[-1].stale.retry_in_s == wait_s
    service.faults.clear()
    service.questions()

    for _ in range(100):  # whatever wakes it
        subscription.show(visible=False)
        subscription.show(visible=True)
        watcher.watch("b", Told())
        time_.now_s += wait_s / 200
        assert watcher.poll_once() > 0
    assert service.questions() == []

    time_.now_s = wait_s
    watcher.poll_once()
    assert told.statuses == ["started"]


@pytest.mark.fault(7)
def test_a_rate_limit_without_a_time_means_the_usual_pauses(watcher, service, time_):
    service.faults["all"] = RateLimitedError("slow down")
    watcher.watch("a", Told())

    assert advance(watcher, time_, 3) == [1.0, 2.0, 5.0]


def test_a_fault_of_our_own_does_not_end_the_polling(watcher, service, caplog):
    service.has("a")
    service.faults["all"] = ZeroDivisionError("a bug")
    told = Told()
    watcher.watch("a", told)

    assert watcher.poll_once() == 1.0
    assert told[-1].stale.error.message == "ZeroDivisionError"
    assert "fault of this package" in caplog.text

    service.faults.clear()
    watcher.poll_once()
    assert told.statuses == ["started"]


# -- whom it tells -------------------------------------------------------------------------------


def test_a_new_watcher_is_told_the_last_known_state_at_once(watcher, service):
    service.has("a")
    watcher.watch("a", Told())
    watcher.poll_once()
    late = Told()

    watcher.watch("a", late)

    assert late.statuses == ["started"]


def test_a_callback_that_raises_is_switched_off_and_the_others_go_on(watcher, service, caplog):
    service.has("a")
    calls, fine = [], Told()

    def broken(seen):
        calls.append(seen)
        raise ValueError("broken view")

    watcher.watch("a", broken)
    watcher.watch("a", fine)
    watcher.poll_once()
    watcher.poll_once()

    assert len(calls) == 1
    assert len(fine) == 2
    assert "switched off" in caplog.text


def test_a_closed_subscription_hears_nothing_more(watcher, service):
    service.has("a")
    told = Told()
    subscription = watcher.watch("a", told)
    subscription.close()
    subscription.close()

    watcher.poll_once()

    assert told == []
    assert service.questions() == []


@pytest.mark.fault(82)
def test_an_overtaken_answer_is_dropped(watcher, service):
    service.has("a")
    told = Told()
    watcher.watch("a", told)
    slow, original = service.task, service.status

    def status_while_somebody_refreshes(task_id, *, retry=True):
        reply = original(task_id)
        service.has("a", status="success", ended=True)
        watcher.refresh("a")  # asked later, answered earlier
        service.has("a", status="started")
        return reply

    service.status = status_while_somebody_refreshes
    service.task = slow
    watcher.poll_once()

    assert watcher.latest("a").record.status == "success"
    assert told.statuses == ["success"]


@pytest.mark.fault(82)
@pytest.mark.parametrize("ended", [True, False])
def test_a_failure_overtaken_by_an_answer_makes_nothing_old(watcher, service, ended):
    service.has("a")
    told = Told()
    watcher.watch("a", told)
    watcher.poll_once()

    def lost_while_somebody_refreshes(task_id, *, retry=True):
        service.has("a", status="killed", ended=ended)
        watcher.refresh("a")  # asked later, answered earlier; may be the last word on this task
        raise ServiceConnectionError("lost")

    service.status = lost_while_somebody_refreshes
    watcher.poll_once()

    assert watcher.latest("a").stale is None
    assert told[-1].record.status == "killed"
    assert told[-1].stale is None


def test_a_denial_overtaken_by_an_answer_does_not_end_the_watching(watcher, service):
    service.has("a")
    told = Told()
    watcher.watch("a", told)
    original = service.status

    def unknown_until_somebody_refreshes(task_id, *, retry=True):
        service.status = original
        watcher.refresh("a")
        raise NotFoundError("not there yet")

    service.status = unknown_until_somebody_refreshes
    watcher.poll_once()
    service.has("a", status="success", ended=True)
    watcher.poll_once()

    assert told.statuses[-1] == "success"


def test_a_clock_that_is_set_back_drops_no_answer(watcher, service, time_):
    time_.now_s = 7200.0
    service.has("a")
    told = Told()
    watcher.watch("a", told)
    watcher.poll_once()

    time_.now_s = 0.0
    service.has("a", status="success", ended=True)
    watcher.poll_once()

    assert told.statuses == ["started", "success"]


def test_what_is_published_while_a_watcher_is_told_reaches_it_last(watcher, service):
    service.has("a")
    statuses, calls = [], []

    def slow_view(seen):
        calls.append(seen)
        if len(calls) == 1:
            service.has("a", status="success", ended=True)
            watcher.refresh("a")
        statuses.append(seen.record.status)

    watcher.watch("a", slow_view)
    watcher.poll_once()

    assert statuses[-1] == "success"


def test_refresh_asks_now_and_tells_the_watchers(watcher, service):
    service.has("a", status="submitted")
    service.ahead["a"] = 3
    told = Told()
    watcher.watch("a", told)

    seen = watcher.refresh("a")

    assert service.questions() == ["task a", "status a"]
    assert seen is watcher.latest("a") is told[-1]
    assert seen.tasks_ahead == 3


def test_refresh_of_an_unknown_task_raises_and_tells_nobody(watcher):
    told = Told()
    watcher.watch("a", told)

    with pytest.raises(NotFoundError):
        watcher.refresh("a")

    assert told == []


# -- the thread ----------------------------------------------------------------------------------


def pollers():
    return [thread for thread in threading.enumerate() if thread.name == "inductiva-watch"]


@pytest.fixture
def live(service):
    made = Watcher(service)
    yield made
    made.close()


@pytest.mark.fault(101)
def test_the_first_watcher_starts_one_thread_and_the_last_ends_it(live, service):
    service.has("a", "b", "c")
    assert pollers() == []
    told = [Told(), Told(), Told()]
    subscriptions = [live.watch(task_id, one) for task_id, one in zip("abc", told, strict=True)]
    wait_until(lambda: all(told))
    assert len(pollers()) == 1

    for subscription in subscriptions:
        subscription.close()

    wait_until(lambda: not pollers())


def test_the_thread_ends_when_every_watched_task_has_ended(live, service):
    service.has("a", status="success", ended=True)
    told = Told()
    live.watch("a", told)

    wait_until(lambda: told and not pollers())


def test_watchers_that_come_together_cost_one_look(live, service):
    service.has("a", "b", "c")
    told = Told()

    with live.together():
        for task_id in "abc":
            live.watch(task_id, told, is_brief=True)
        assert pollers() == []
    wait_until(lambda: len(told) == 3)

    assert service.questions() == ["page"]


def test_closing_one_of_two_does_not_make_a_round_come_early(live, service):
    service.has("a", "b")
    told = Told()
    live.watch("a", told)
    other = live.watch("b", told)
    wait_until(lambda: len(told) >= 2)
    service.questions()

    other.close()
    wait_until(lambda: live._thread is not None)

    assert service.questions() == []


@pytest.mark.fault(81)
def test_a_task_that_runs_again_is_watched_again(live, service):
    service.has("a", status="spot-instance-preempted", ended=True)
    told = Told()
    live.watch("a", told)
    wait_until(lambda: told and not pollers())

    service.has("a", status="submitted")
    live.refresh("a")

    assert len(pollers()) == 1
    assert told.statuses[-1] == "submitted"


def test_close_ends_the_thread_and_may_be_called_twice(live, service):
    service.has("a")
    live.watch("a", Told())

    live.close()
    live.close()

    assert pollers() == []


def test_many_threads_may_watch_show_refresh_and_close(service):
    ids = [f"t{n}" for n in range(8)]
    service.has(*ids)
    watcher = Watcher(service)
    failures = []
    kept = {task_id: Told() for task_id in ids}
    keeping = [watcher.watch(task_id, told) for task_id, told in kept.items()]

    def worker(number):
        try:
            for turn in range(40):
                task_id = ids[(number + turn) % len(ids)]
                subscription = watcher.watch(task_id, Told())
                subscription.show(visible=turn % 2 == 0)
                service.has(task_id, status=f"s{number}-{turn}")
                watcher.refresh(task_id)
                subscription.show(visible=True)
                subscription.close()
        except Exception as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    threads = [threading.Thread(target=worker, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    watcher.wake()
    wait_until(lambda: all(kept[i][-1].record.status == service.tasks_by_id[i][0] for i in ids))
    wait_until(lambda: all(kept[i][-1] is watcher.latest(i) for i in ids))
    for subscription in keeping:
        subscription.close()
    wait_until(lambda: not pollers())
    assert failures == []
    assert not watcher._subscriptions
