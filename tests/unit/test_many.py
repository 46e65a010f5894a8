"""Many tasks: waited for, told of and killed together, over a service that answers by script."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import threading
import time
import warnings

import pandas as pd
import pytest
from scripted import ScriptedServer, ok, refusal
from waiting import wait_until

from inductiva_widgets import tasks
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.backend import Backend
from inductiva_widgets.ending import KillOutcome
from inductiva_widgets.errors import (
    AuthenticationError,
    NotFoundError,
    TaskFailedError,
    UserInputError,
    WaitTimeoutError,
)
from inductiva_widgets.tasks import Task
from inductiva_widgets.tasks.endings import Standing


class Service(ScriptedServer):
    """Tasks by id, each with a status. `on_ask` is told each question before its answer is made."""

    def __init__(self):
        super().__init__()
        self.states: dict[str, str] = {}
        self.refused: dict[str, int] = {}
        self.route = self.answer
        self.on_ask = lambda _: None

    def has(self, *ids, status="computation-started"):
        self.states.update(dict.fromkeys(ids, status))

    def record(self, task_id):
        status = self.states[task_id]
        ended = status in ("success", "failed", "killed")
        return {"id": task_id, "task_id": task_id, "status": status, "is_terminated": ended}

    def answer(self, asked):
        self.on_ask(asked)
        path = asked.path.split("?")[0]
        if path == "/tasks":
            rows = [self.record(i) for i in self.states if i not in self.refused]
            return ok({"total_size": len(rows), "tasks": rows})
        found = re.fullmatch(r"/tasks/(\w+)(/\w+)?", path)
        if found is None:
            return refusal(404, "nothing here")
        task_id, act = found.groups()
        if task_id in self.refused or "all" in self.refused:
            return refusal(self.refused.get(task_id) or self.refused["all"], "refused")
        if task_id not in self.states:
            return refusal(404, "no such task")
        if act == "/kill":
            self.states[task_id] = "killed"
        return ok(self.record(task_id))

    def asked_for(self, method, pattern):
        return [p for p in self.paths() if re.fullmatch(f"{method} {pattern}", p)]


@pytest.fixture
def service():
    with contextlib.closing(Service()) as started:
        yield started


@pytest.fixture
def backend(service, tmp_path):
    config = Config(
        url=service.url, key=ApiKey("k"), key_source="a test", output_dir=tmp_path, is_local=True
    )
    with contextlib.closing(Backend(config, timeouts=Timeouts(connect_s=2.0, read_s=5.0))) as made:
        yield made


@pytest.fixture
def of(backend):
    """Tasks with these ids."""
    return lambda *ids: [Task(task_id, backend=backend) for task_id in ids]


# -- as_completed --------------------------------------------------------------------------------


def test_tasks_come_in_the_order_of_their_ends(service, of):
    service.has("a", "b", "c")
    service.has("d", status="failed")
    order = []
    for task in tasks.as_completed(of("a", "b", "c", "d")):
        order.append(task.id)
        service.states[{"d": "b", "b": "c", "c": "a"}.get(task.id, "d")] = "success"
        task.backend.watcher.wake()

    assert order == ["d", "b", "c", "a"]


def test_a_task_named_twice_comes_once_and_ended_ones_without_waiting(service, of):
    service.has("a", "b", status="success")

    found = list(tasks.as_completed([*of("a", "b"), *of("a")], timeout=5))

    assert sorted(task.id for task in found) == ["a", "b"]
    again = list(tasks.as_completed(found, timeout=0))
    assert {task.id for task in again} == {"a", "b"}


def test_the_time_limit_raises_what_did_not_end_and_gives_what_did(service, of):
    service.has("a", "b")
    service.has("c", status="success")
    given = tasks.as_completed(of("a", "b", "c"), timeout=0.3)

    assert next(given).id == "c"
    with pytest.raises(TimeoutError, match=r"2 of 3 tasks did not end within 0\.3 s") as caught:
        next(given)

    assert isinstance(caught.value, WaitTimeoutError)


def test_an_unknown_task_is_raised_after_the_others_were_given(service, of):
    service.has("a", status="success")
    given = tasks.as_completed(of("nosuch", "a"), timeout=5)

    assert next(given).id == "a"
    with pytest.raises(NotFoundError):
        next(given)


def test_a_loop_left_in_the_middle_ends_the_watching(service, of):
    service.has("a", status="success")
    service.has("b")

    seen = []
    for task in tasks.as_completed(of("a", "b")):
        seen.append(task.id)
        break

    assert seen == ["a"]
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "inductiva-watch"])


# -- wait_all ------------------------------------------------------------------------------------


def test_statuses_come_in_the_order_given_and_as_often(service, of):
    service.has("a", "c", status="success")
    service.has("b", status="failed")

    assert tasks.wait_all(of("b", "a", "b", "c"), timeout=5) == [
        "failed",
        "success",
        "failed",
        "success",
    ]


def test_fifty_tasks_are_asked_for_by_one_page_a_round(service, of):
    ids = [f"t{number:02}" for number in range(50)]
    service.has(*ids)
    rounds = []

    def end_in_the_second_round(asked):
        rounds.append(asked.path)
        if len(rounds) == 2:
            service.has(*ids, status="success")

    service.on_ask = end_in_the_second_round

    assert tasks.wait_all(of(*ids), timeout=20) == ["success"] * 50
    assert service.paths() == ["GET /tasks?page=1&per_page=100"] * 2


def test_a_terminal_is_told_how_far_they_are(service, of, capsys):
    service.has("a", status="success")
    service.has("b", status="failed")
    service.has("c", status="killed")

    tasks.wait_all(of("a", "b", "c"), timeout=5)

    assert capsys.readouterr().out.splitlines()[-1] == "3 of 3 done, 1 failed, 1 killed"


def test_the_time_limit_of_all_names_how_many_go_on(service, of):
    service.has("a", status="success")
    service.has("b")

    with pytest.raises(TimeoutError, match="1 of 2 tasks did not end") as caught:
        tasks.wait_all(of("a", "b"), timeout=1)

    assert isinstance(caught.value, WaitTimeoutError)
    assert "kill" in caught.value.hint


def test_failures_are_raised_when_all_have_ended(service, of):
    service.has("a", "b", status="failed")
    service.has("c", status="success")

    with pytest.raises(TaskFailedError, match="2 of 3 tasks did not end in success") as caught:
        tasks.wait_all(of("a", "b", "c"), timeout=5, raise_on_failure=True)

    assert caught.value.status == "failed"
    assert "does not say why" in caught.value.message


def test_an_unknown_task_among_all_is_raised_when_the_others_have_ended(service, of, capsys):
    service.has("a", status="success")

    with pytest.raises(NotFoundError):
        tasks.wait_all(of("nosuch", "a"), timeout=5)

    assert "1 of 2 done, 1 cannot be asked for" in capsys.readouterr().out


def test_a_refused_key_is_raised_at_once(service, of):
    service.has("a", "b")
    service.refused["all"] = 401

    with pytest.raises(AuthenticationError):
        tasks.wait_all(of("a", "b"), timeout=5)


def test_ctrl_c_stops_the_waiting_and_says_how_many_go_on(service, of, capsys):
    service.has("a", status="success")
    service.has("b", "c")
    main, sent = threading.get_ident(), []

    def interrupt(_):
        if not sent:
            sent.append(1)
            threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()

    service.on_ask = interrupt

    with pytest.raises(KeyboardInterrupt):
        tasks.wait_all(of("a", "b", "c"), timeout=10)

    assert re.search(r"Stopped waiting; [23] of 3 tasks go on\.", capsys.readouterr().out)
    assert service.asked_for("POST", ".*") == []


def test_an_outage_is_waited_out(service, of):
    service.has("a", "b", "c")

    def busy_once(_):
        service.route = service.answer
        service.has("a", "b", "c", status="success")
        return refusal(503, "busy")

    service.route = busy_once

    assert tasks.wait_all(of("a", "b", "c"), timeout=20) == ["success"] * 3
    assert len(service.asked) == 2


def test_wait_all_of_an_outage_says_so():
    now = Standing(3, 1, 0, 0, 0, {"In Progress": 2}, "no answer from the service at the moment")

    assert str(now) == "1 of 3 done · 2 In Progress · no answer from the service at the moment"


@pytest.mark.fault(85)
def test_a_key_revoked_in_the_middle_ends_the_wait_with_one_message(service, of):
    service.has("a", "b")
    asked = []

    def revoke(_):
        asked.append(1)
        if len(asked) == 4:
            service.refused["all"] = 401

    service.on_ask = revoke

    with pytest.raises(AuthenticationError):
        tasks.wait_all(of("a", "b"), timeout=20)
    assert len(asked) < 12


def test_a_task_that_is_not_ours_ends_the_wait_for_it_alone(service, of):
    service.has("a", "b", "c", "d", status="success")
    service.refused["b"] = 403
    given = tasks.as_completed(of("a", "b", "c", "d"), timeout=10)

    assert sorted(next(given).id for _ in range(3)) == ["a", "c", "d"]
    with pytest.raises(AuthenticationError) as caught:
        next(given)

    assert caught.value.status_code == 403


@pytest.mark.fault(71)
def test_a_status_newer_than_this_package_is_waited_through(service, of, capsys):
    service.has("a", status="reticulating-splines")
    rounds = []

    def end_later(_):
        rounds.append(1)
        if len(rounds) == 4:
            service.has("a", status="success")

    service.on_ask = end_later

    assert tasks.wait_all(of("a"), timeout=20) == ["success"]
    assert "eticulating" in capsys.readouterr().out


def test_a_wait_that_is_cancelled_leaves_nothing_behind(service, of):
    service.has("a")
    (task,) = of("a")

    async def give_up():
        waiting = asyncio.ensure_future(task.wait_async())
        await asyncio.to_thread(wait_until, lambda: service.asked)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        return waiting.cancelled()

    assert asyncio.run(give_up())
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "inductiva-watch"])


def test_several_tasks_may_be_awaited_at_once(service, of):
    service.has("a", "b", status="success")

    async def both():
        return await asyncio.gather(*(task.wait_async(10) for task in of("a", "b")))

    assert asyncio.run(both()) == ["success", "success"]


# -- what may be given ---------------------------------------------------------------------------

BAD = [None, 5, b"abc", [1], [None], [["a"]], ["a", ""], "", "a/b", ["../x"], {"a b": 1}]


@pytest.mark.parametrize("act", [tasks.wait_all, tasks.as_completed, tasks.kill])
@pytest.mark.parametrize("given", BAD)
def test_what_names_no_tasks_is_refused_before_any_request(service, backend, act, given):
    with pytest.raises(UserInputError):
        act(given, backend=backend)

    assert service.asked == []


@pytest.mark.parametrize("act", [tasks.wait_all, tasks.as_completed, tasks.kill])
@pytest.mark.parametrize("seconds", ["5", -1, float("nan"), True, [1]])
def test_a_time_limit_that_is_none_is_refused(service, backend, act, seconds):
    with pytest.raises(UserInputError, match="seconds"):
        act(["a"], seconds, backend=backend)

    assert service.asked == []


@pytest.mark.parametrize("method", ["wait", "kill"])
def test_a_task_takes_seconds_only_too(service, of, method):
    (task,) = of("a")

    with pytest.raises(UserInputError, match="seconds"):
        getattr(task, method)("soon")
    with pytest.raises(UserInputError, match="seconds"):
        asyncio.run(task.wait_async(-1))
    assert service.asked == []


@pytest.mark.parametrize(
    "given",
    [
        "a",
        ("a",),
        {"a"},
        (one for one in ["a", "a"]),
        pd.DataFrame(index=pd.Index(["a"], name="task_id")),
        pd.DataFrame({"task_id": ["a", "a"]}),
        pd.Index(["a"]),
        pd.Series(["a"]),
    ],
    ids=["text", "tuple", "set", "generator", "index", "column", "Index", "Series"],
)
def test_ids_frames_and_generators_name_tasks(service, backend, given):
    service.has("a", status="success")

    assert set(tasks.wait_all(given, 5, backend=backend)) == {"success"}


def test_no_tasks_are_no_trouble(service, capsys):
    assert tasks.wait_all([]) == []
    assert list(tasks.as_completed([])) == []
    assert dict(tasks.kill([])) == {}
    assert str(tasks.kill([])) == "No tasks to kill"
    assert service.asked == []
    assert capsys.readouterr().out == ""


# -- on_done -------------------------------------------------------------------------------------


class Called:
    """A callback that keeps what it is given, and where."""

    def __init__(self):
        self.tasks, self.threads = [], []

    def __call__(self, task):
        self.tasks.append(task)
        self.threads.append(threading.current_thread())


def test_a_callback_comes_once_on_a_thread_of_its_own(service, of):
    service.has("a")
    (task,) = of("a")
    called = Called()
    handle = task.on_done(called)
    wait_until(lambda: service.asked)
    assert called.tasks == []

    service.has("a", status="success")
    wait_until(lambda: called.tasks)
    task.backend.watcher.refresh("a")

    assert called.tasks == [task]
    assert called.threads[0].name == "inductiva-on-done"
    assert handle.cancel() is False


def test_a_callback_of_an_ended_task_comes_at_once(service, of):
    service.has("a", status="success")
    (task,) = of("a")
    task.refresh()
    called = Called()

    task.on_done(called)

    wait_until(lambda: called.tasks)
    assert service.asked_for("GET", "/tasks/a/status") == []


def test_a_callback_that_was_cancelled_does_not_come(service, of):
    service.has("a")
    (task,) = of("a")
    called, other = Called(), Called()
    handle = task.on_done(called)
    task.on_done(other)

    assert handle.cancel() is True
    assert handle.cancel() is False
    service.has("a", status="success")
    wait_until(lambda: other.tasks)

    assert called.tasks == []
    assert "over" in repr(handle)


def test_a_callback_that_raises_is_named_once_and_disturbs_nobody(service, of):
    service.has("a")
    (task,) = of("a")
    other = Called()

    def write_report(task):
        raise ZeroDivisionError("no rows")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        task.on_done(write_report)
        task.on_done(other)
        service.has("a", status="success")
        wait_until(lambda: other.tasks and caught)

    (warning,) = caught
    assert "write_report" in str(warning.message)
    assert "ZeroDivisionError: no rows" in str(warning.message)


def test_a_callback_of_an_unknown_task_is_told_not_to_come(of):
    (task,) = of("nosuch")
    called = Called()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        task.on_done(called)
        wait_until(lambda: caught)

    assert "will not be called" in str(caught[0].message)
    assert called.tasks == []


@pytest.mark.parametrize("callback", [None, "print", 5])
def test_what_cannot_be_called_is_refused(service, of, callback):
    (task,) = of("a")

    with pytest.raises(UserInputError, match="function"):
        task.on_done(callback)

    assert service.asked == []


# -- kill ----------------------------------------------------------------------------------------


def test_each_killed_task_has_its_own_outcome(service, of):
    service.has("a", "b", "c", "d")
    service.has("e", status="success")
    chosen = of("a", "b", "c", "d", "e")
    chosen[-1].refresh()
    service.asked.clear()

    report = tasks.kill(chosen)

    assert str(report) == "4 of 5 killed; 1 already finished"
    assert report.killed == ["a", "b", "c", "d"]
    assert report["e"].outcome is KillOutcome.ALREADY_ENDED
    assert sorted(service.asked_for("POST", ".*")) == [f"POST /tasks/{i}/kill" for i in "abcd"]
    assert service.asked_for("GET", "/tasks/e.*") == []


def test_nothing_is_sent_for_a_task_that_has_ended_in_the_meantime(service, of):
    service.has("a", status="success")

    report = tasks.kill(of("a"))

    assert report["a"].outcome is KillOutcome.ALREADY_ENDED
    assert not report["a"]
    assert service.asked_for("POST", ".*") == []


def test_bad_tasks_do_not_stop_the_others(service, of):
    service.has("a", "b", "mine")
    service.refused["b"] = 403

    report = tasks.kill(of("nosuch", "b", "a"))

    assert report.killed == ["a"]
    assert report.failed == ["nosuch", "b"]
    head, *lines = str(report).splitlines()
    assert head == "1 of 3 killed; 2 failed"
    assert [line.split()[:2] for line in lines] == [
        ["nosuch", "NotFoundError:"],
        ["b", "AuthenticationError:"],
    ]


def test_requests_alone_are_pending(service, of):
    service.has("a", "b")

    report = tasks.kill(of("a", "b"), wait_timeout=None)

    assert report.killed + report.pending == ["a", "b"]
    assert len(service.asked_for("POST", ".*")) == 2


def test_no_more_than_eight_requests_are_under_way(service, of):
    ids = [f"t{number:02}" for number in range(24)]
    service.has(*ids)
    lock, now, most = threading.Lock(), [0], [0]
    original = service.route

    def count(asked):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)
        answer = original(asked)
        with lock:
            now[0] -= 1
        return answer

    service.route = count
    tasks.kill(of(*ids), wait_timeout=None)

    assert 2 <= most[0] <= 8
    assert {service.states[task_id] for task_id in ids} == {"killed"}


def test_a_kill_that_is_interrupted_says_how_far_it_came(service, of, capsys):
    ids = [f"t{number:02}" for number in range(40)]
    service.has(*ids)
    main, sent = threading.get_ident(), []

    def interrupt(asked):
        if asked.method == "POST" and not sent:
            sent.append(1)
            signal.pthread_kill(main, signal.SIGINT)
        time.sleep(0.01)

    service.on_ask = interrupt

    with pytest.raises(KeyboardInterrupt):
        tasks.kill(of(*ids))

    assert re.search(r"Stopped: \d+ of 40 kill requests are answered", capsys.readouterr().out)
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "inductiva-tasks"])
    assert len(service.asked_for("POST", ".*")) < 40
