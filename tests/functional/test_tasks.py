"""The words of the official pages against the real local engine."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import re
import signal
import threading
import time

import pandas as pd
import pytest
from raw_engine import launch
from scripted import RESET, ScriptedServer, ok, refusal
from support import backend_at

from inductiva_widgets import backend as backends
from inductiva_widgets import tasks
from inductiva_widgets.api.models import TaskRecord
from inductiva_widgets.errors import (
    ApiError,
    AuthenticationError,
    DestinationError,
    InductivaWidgetsError,
    NotFoundError,
    OutputsNotReadyError,
    ServerError,
    ServiceConnectionError,
    TaskFailedError,
    UserInputError,
    WaitTimeoutError,
)
from inductiva_widgets.service.dispatch import Service
from inductiva_widgets.task.files import inputs_of, outputs_missing, outputs_of
from inductiva_widgets.tasks import KillOutcome, Task, TaskList

WRITE = """
import pathlib
pathlib.Path("vtk").mkdir()
for number in range(3):
    pathlib.Path(f"vtk/part_{number}.vtk").write_text("x" * 1000)
pathlib.Path("important_file1.txt").write_text("one")
pathlib.Path("important_file2.txt").write_text("two")
print("done")
"""
FAIL = "import sys; print('step 1'); print('no convergence', file=sys.stderr); sys.exit(3)"


@pytest.fixture(scope="module")
def done_id(engine):
    return engine.run("python run.py", files={"run.py": WRITE}, simulator_name_alias="splish")[
        "task_id"
    ]


@pytest.fixture(scope="module")
def failed_id(engine):
    return engine.run("python run.py", files={"run.py": FAIL})["task_id"]


@pytest.fixture
def backend(engine, tmp_path):
    with contextlib.closing(
        backend_at(engine.url, engine.key, tmp_path / "out", is_local=True)
    ) as made:
        yield made


@pytest.fixture
def done(done_id, backend):
    return Task(done_id, backend=backend)


@pytest.fixture
def failed(failed_id, backend):
    return Task(failed_id, backend=backend)


@pytest.fixture
def running(engine, backend):
    """A task that runs until somebody kills it."""
    task = Task(engine.submit("sleep 60"), backend=backend)
    engine.reach(task.id, "computation-started")
    yield task
    engine.call("POST", f"/tasks/{task.id}/kill")
    engine.finish(task.id)


@pytest.fixture
def scripted():
    with contextlib.closing(ScriptedServer()) as started:
        yield started


@pytest.fixture
def elsewhere(scripted, tmp_path):
    with contextlib.closing(
        backend_at(scripted.url, "key", tmp_path / "out", is_local=False)
    ) as made:
        yield made


# -- what a task says ----------------------------------------------------------------------------


def test_the_methods_of_the_first_document(done):
    assert done.get_status() == "success"
    assert isinstance(done.get_machine_type(), str)
    hours, minutes, seconds = done.get_computation_time().split(":")
    assert (hours, minutes) == ("00", "00")
    assert len(seconds) == 2

    output_files_info = done.get_output_files_info()

    lines = str(output_files_info).splitlines()
    assert lines[0].startswith("Archive size: ")
    assert lines[1:3] == ["Contents:", "  Size         Compressed   Name"]
    assert any(line.endswith("vtk/part_0.vtk") for line in lines)
    assert any(line.startswith("  1.00 KB") for line in lines)


def test_the_machine_type_of_the_local_engine_is_this_machines_name(done):
    assert done.get_machine_type() == done.info.executer.vm_name


def test_the_methods_of_the_second_document(done):
    outputs_info = done.get_output_files_info()
    assert outputs_info.size > 0
    assert "stdout.txt" in {info.name for info in outputs_info.contents}

    output_dir = done.download_outputs(filenames=["important_file1.txt", "important_file2.txt"])

    assert sorted(path.name for path in output_dir.iterdir()) == [
        "important_file1.txt",
        "important_file2.txt",
    ]
    assert (output_dir / "important_file1.txt").read_text() == "one"

    output_dir = done.download_outputs(uncompress=False)

    assert (output_dir / "output.zip").stat().st_size == outputs_info.size


def test_the_output_of_a_finished_task_is_read_in_place(done):
    output = done.get_output()

    assert "done\n" in output["stdout.txt"].text()
    assert "vtk/part_2.vtk" in output


def test_times_are_text_and_timedelta(done, waiting):
    assert dt.timedelta(0) < done.computation_time < dt.timedelta(minutes=1)
    assert done.get_total_time().startswith("00:00:")
    assert waiting.computation_time is None
    assert waiting.get_computation_time() is None
    assert waiting.get_total_time() == "00:00:00"


def test_questions_about_the_state_are_answered_by_the_service(done, failed, running, waiting):
    assert [task.is_terminal() for task in (done, failed, running, waiting)] == [
        True,
        True,
        False,
        False,
    ]
    assert [task.is_failed() for task in (done, failed, running)] == [False, True, False]
    assert [task.is_running() for task in (done, running, waiting)] == [False, True, False]
    assert running.get_position_in_queue() is None
    assert done.get_simulator_name() == "splish"
    assert waiting.get_machine_type() is None


def test_an_ended_task_is_asked_for_once(done, engine):
    done.get_status()
    asked = []
    done.backend.client.task = asked.append

    done.get_status(), done.get_machine_type(), done.get_computation_time(), done.is_failed()

    assert asked == []


def test_the_whole_answer_is_there_as_it_was_sent(done):
    sent = done.to_dict()

    assert sent["status_history"][-1]["status"] == "success"
    assert sent["task_id"] == done.id == done.task_id


def test_a_repr_asks_nobody(done_id, backend, scripted, elsewhere):
    task = Task("abc", backend=elsewhere)
    known = Task(done_id, backend=backend)
    known.refresh()

    assert repr(task) == "<Task abc>"
    assert repr(known) == f"<Task {done_id}: success>"
    assert repr(TaskList([task, Task("def")])) == "TaskList of 2: abc, def"
    assert repr(TaskList([Task(f"t{n}") for n in range(25)])).endswith(", t19, … and 5 more")
    assert repr(TaskList()) == "<no tasks>"
    lines = repr(TaskList([known, task])).splitlines()
    assert [line.split()[0] for line in lines] == ["ID", done_id, "abc"]
    assert lines[1].split()[2] == "Success"
    assert repr(outputs_of(task)) == "<output.zip: not listed yet>"
    assert scripted.asked == []


def test_a_list_shows_what_was_said_when_it_was_listed_until_more_is_known(backend, done_id):
    found = tasks.get(last_n=None, backend=backend)
    place = [task.id for task in found].index(done_id)
    assert " Success " in repr(found[place : place + 1])

    newer = TaskRecord(task_id=done_id, status="failed", is_terminated=True)
    listed = TaskList(
        [Task(done_id, backend=backend)],
        listed={done_id: newer},
        as_of=backend.client.clock.now() + dt.timedelta(days=1),
    )
    assert " failed" in repr(listed).lower()


def test_what_is_known_of_a_task_prints_as_a_table(done):
    lines = dict(line.split(maxsplit=1) for line in str(done.info).splitlines())

    assert lines["task_id"] == done.id
    assert lines["status"] == "success"
    assert float(lines["metrics.computation_seconds"]) >= 0
    assert "status_history" not in lines


def test_the_archives_say_what_they_hold(done):
    done.get_output_info()

    assert re.fullmatch(r"<output\.zip: \d+ files?, .* K?B>", repr(outputs_of(done)))
    assert repr(inputs_of(done)) == "<input.zip: not listed yet>"


def test_outputs_of_a_task_that_is_known_to_have_ended_are_given_without_a_word(done, capsys):
    done.get_status()
    capsys.readouterr()

    assert done.get_output()

    assert capsys.readouterr().out == ""


def test_tasks_with_the_same_id_and_backend_are_equal(done, failed):
    assert done == Task(done.id, backend=done.backend)
    assert done != failed
    assert done != done.id
    assert len({done, Task(done.id, backend=done.backend)}) == 1


def test_metadata_is_added_and_replaced(waiting):
    waiting.set_metadata({"mesh": "fine"})
    waiting.set_metadata({"Re": "1000"})
    assert waiting.get_metadata() == {"mesh": "fine", "Re": "1000"}

    waiting.set_metadata({"only": "this"}, replace=True)
    assert waiting.get_metadata() == {"only": "this"}


@pytest.mark.parametrize("metadata", [{"": "a"}, {"a": ""}, {"a": 5}, {5: "a"}, {"a": None}])
def test_metadata_that_is_no_text_is_refused_before_any_request(elsewhere, scripted, metadata):
    with pytest.raises(UserInputError):
        Task("abc", backend=elsewhere).set_metadata(metadata)

    assert scripted.asked == []


def test_the_timeline_tells_phases_and_commands(done):
    frame = done.timeline()

    assert frame["phase"].iloc[0] == "waiting"
    commands = frame[frame["command"].notna()]
    assert list(commands["command"]) == ["python run.py"]
    assert list(commands["exit_code"]) == [0]
    assert (frame["duration"] >= pd.Timedelta(0)).all()


# -- outputs -------------------------------------------------------------------------------------


def test_everything_is_downloaded_below_the_output_root(done, tmp_path):
    folder = done.download_outputs()

    assert folder == tmp_path / "out" / done.id / "outputs"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"stdout.txt", "stderr.txt", "important_file1.txt", "vtk/part_1.vtk"} <= found


def test_an_explicit_folder_is_used_as_it_is(done, tmp_path):
    folder = done.download_outputs(["vtk/*.vtk"], tmp_path / "here")

    assert folder == tmp_path / "here"
    assert len(list((folder / "vtk").iterdir())) == 3


def test_one_name_may_be_given_as_a_text(done, tmp_path):
    folder = done.download_outputs("stdout.txt", tmp_path / "here")

    assert [path.name for path in folder.iterdir()] == ["stdout.txt"]


@pytest.mark.fault(96)
@pytest.mark.parametrize("folder", ["", "  "])
def test_an_empty_folder_name_is_refused(done, folder):
    with pytest.raises(UserInputError):
        done.download_outputs(output_dir=folder)


def test_a_download_may_run_beside(done, tmp_path):
    download = done.start_download(output_dir=tmp_path / "here")

    assert download.result(timeout=20) == tmp_path / "here"
    assert download.done


def test_names_that_are_not_there_are_told_and_the_others_delivered(done, tmp_path):
    with pytest.raises(NotFoundError) as caught:
        done.download_outputs(["stdout.txt", "stdin.txt"], tmp_path / "here")

    assert caught.value.missing == ("stdin.txt",)
    assert "done\n" in (tmp_path / "here" / "stdout.txt").read_text()


def test_a_folder_that_cannot_be_written_is_named(done, tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(DestinationError) as caught:
        done.download_outputs(output_dir=tmp_path / "file" / "sub")

    assert str(tmp_path / "file") in str(caught.value)
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize(
    "ask",
    [
        lambda task: task.get_output_info(),
        lambda task: task.download_outputs(),
        lambda task: task.download_outputs(["stdout.txt"]),
        lambda task: task.download_outputs(uncompress=False),
    ],
)
def test_outputs_of_a_running_task_are_not_ready(running, ask, tmp_path):
    with pytest.raises(OutputsNotReadyError) as caught:
        ask(running)

    assert "In Progress" in str(caught.value)
    assert "wait" in caught.value.hint
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_task_that_ended_without_outputs_says_so(waiting):
    waiting.kill()

    with pytest.raises(OutputsNotReadyError, match="without output files"):
        waiting.get_output_info()


# -- waiting -------------------------------------------------------------------------------------


def test_wait_gives_the_final_status(engine, backend, capsys):
    task = Task(engine.submit("python -c 'print(1)'"), backend=backend)

    assert task.wait(timeout=30) == "success"
    assert "Success" in capsys.readouterr().out


def test_a_wait_does_not_return_before_its_last_line_is_printed(done, monkeypatch, capsys):
    """The end wakes the waiting thread and the printing one; here the printing one never comes."""
    watch, listeners = done.backend.watcher.watch, []

    def only_the_first(task_id, listener, **how):
        listeners.append(listener)
        return watch(task_id, listener if len(listeners) == 1 else lambda _: None, **how)

    monkeypatch.setattr(done.backend.watcher, "watch", only_the_first)

    assert done.wait(timeout=30) == "success"
    assert len(listeners) == 2
    assert capsys.readouterr().out.endswith("  Success\n")


def test_what_a_wait_prints_is_harmless_to_a_terminal(elsewhere, scripted, capsys):
    scripted.say(ok({"task_id": "abc", "id": "abc", "status": "new", "is_terminated": True,
                     "status_alias": "\x1b]0;gotcha\x07"}))  # fmt: skip

    assert Task("abc", backend=elsewhere).wait() == "new"
    with pytest.raises(OutputsNotReadyError) as caught:
        raise outputs_missing(Task("abc", backend=elsewhere))

    assert "\x1b" not in capsys.readouterr().out + str(caught.value)


def test_wait_for_an_ended_task_returns_at_once(done):
    assert done.wait() == "success"
    assert done.wait(timeout=0.0) == "success"


def test_wait_ends_at_its_time_limit_and_the_task_goes_on(running):
    with pytest.raises(WaitTimeoutError, match="goes on") as caught:
        running.wait(timeout=0.05)

    assert isinstance(caught.value, TimeoutError)
    assert running.get_status() == "computation-started"


def test_a_failure_is_a_status_unless_it_is_asked_to_raise(failed):
    assert failed.wait() == "failed"

    with pytest.raises(TaskFailedError) as caught:
        failed.wait(raise_on_failure=True)

    assert caught.value.status == "failed"
    assert caught.value.log_tail.splitlines()[-1] == "no convergence"
    assert "exit code 3" in str(caught.value)


def test_a_success_raises_nothing(done):
    assert done.wait(raise_on_failure=True) == "success"


def test_waiting_for_an_unknown_task_raises_not_found(backend):
    with pytest.raises(NotFoundError):
        Task("nosuchtask", backend=backend).wait(timeout=10)


def test_waiting_with_a_wrong_key_raises(engine, tmp_path, done_id):
    with (
        contextlib.closing(backend_at(engine.url, "wrong", tmp_path, is_local=True)) as stranger,
        pytest.raises(AuthenticationError) as caught,
    ):
        Task(done_id, backend=stranger).wait(timeout=10)

    assert "INDUCTIVA_API_KEY" in caught.value.hint


def test_wait_async_leaves_the_event_loop_free(engine, backend):
    task = Task(engine.submit("python -c 'print(1)'"), backend=backend)
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.01)

    async def both():
        ticking = asyncio.ensure_future(tick())
        try:
            return await task.wait_async(timeout=30)
        finally:
            ticking.cancel()

    assert asyncio.run(both()) == "success"
    assert len(ticks) > 3


def test_wait_async_has_a_time_limit_and_raises_on_failure(running, failed):
    with pytest.raises(WaitTimeoutError):
        asyncio.run(running.wait_async(timeout=0.01))
    with pytest.raises(TaskFailedError):
        asyncio.run(failed.wait_async(raise_on_failure=True))


@contextlib.contextmanager
def interrupted_once_seen(task):
    """Ctrl-C as soon as the task's first state has come, so inside `wait`."""
    main = threading.get_ident()

    def interrupt(seen):
        subscription.close()
        signal.pthread_kill(main, signal.SIGINT)

    original = task.backend.watcher.watch
    subscription = None

    def watch(task_id, callback, **options):
        nonlocal subscription
        made = original(task_id, callback, **options)
        if subscription is None:
            subscription = made
            threading.Timer(0.2, interrupt, [None]).start()
        return made

    task.backend.watcher.watch = watch
    yield


def test_ctrl_c_stops_the_waiting_only_and_says_so(running, capsys):
    with interrupted_once_seen(running), pytest.raises(KeyboardInterrupt):
        running.wait(timeout=20)

    assert "goes on" in capsys.readouterr().out
    assert running.get_status() == "computation-started"


def test_ctrl_c_inside_sync_context_kills_the_task(running, engine, capsys):
    with (
        interrupted_once_seen(running),
        pytest.raises(KeyboardInterrupt),
        running.sync_context(),
    ):
        running.wait(timeout=20)

    said = capsys.readouterr().out
    assert "Killing task" in said
    assert "goes on" not in said
    assert engine.finish(running.id)["status"] == "killed"


def test_a_second_ctrl_c_does_not_stop_the_killing(running, engine, monkeypatch):
    send, entered = running.backend.client.kill, threading.Event()

    def interrupted_while_sending(task_id):
        entered.set()
        os.kill(os.getpid(), signal.SIGINT)  # the impatient user, in the middle of the request
        return send(task_id)

    monkeypatch.setattr(running.backend.client, "kill", interrupted_while_sending)
    with pytest.raises(KeyboardInterrupt), running.sync_context():
        raise KeyboardInterrupt

    assert entered.is_set()
    assert engine.finish(running.id)["status"] == "killed"


def test_any_error_inside_sync_context_kills_the_task(running, engine):
    with pytest.raises(ZeroDivisionError), running.sync_context():
        _ = 1 / 0

    assert engine.finish(running.id)["status"] == "killed"


def test_sync_context_lets_a_good_end_be(done):
    with done.sync_context() as task:
        assert task.wait() == "success"


def test_a_kill_that_fails_does_not_hide_the_interrupt(elsewhere, scripted, capsys):
    scripted.say(refusal(403, "not yours"))

    with pytest.raises(KeyboardInterrupt), Task("abc", backend=elsewhere).sync_context():
        raise KeyboardInterrupt

    assert "could not be killed" in capsys.readouterr().out


# -- killing -------------------------------------------------------------------------------------


def test_a_kill_outcome_is_true_only_for_killed():
    assert [bool(outcome) for outcome in KillOutcome] == [True, False, False]
    assert KillOutcome.KILLED == "killed"
    assert str(KillOutcome.PENDING) == f"{KillOutcome.PENDING}" == "pending"


def test_a_waiting_task_is_killed_at_once(waiting):
    assert waiting.kill() is KillOutcome.KILLED
    assert waiting.get_status() == "killed"


def test_a_running_task_is_killed_within_the_time_given(running):
    assert running.kill(wait_timeout=20) is KillOutcome.KILLED
    assert running.get_status() == "killed"


def test_a_kill_that_does_not_wait_is_pending(running, engine):
    assert running.kill(wait_timeout=None) is KillOutcome.PENDING

    assert engine.finish(running.id)["status"] == "killed"
    assert running.kill(wait_timeout=10) is KillOutcome.ALREADY_ENDED


def test_an_ended_task_is_not_killed(done, failed):
    assert done.kill() is KillOutcome.ALREADY_ENDED
    done.refresh()
    assert done.kill() is KillOutcome.ALREADY_ENDED
    assert not failed.kill()
    assert done.get_status() == "success"


@pytest.mark.fault(88)
def test_killing_an_unknown_task_raises(backend):
    with pytest.raises(NotFoundError):
        Task("nosuchtask", backend=backend).kill()


def status(code, *, ended=False):
    return ok({"id": "abc", "task_id": "abc", "status": code, "is_terminated": ended})


@pytest.mark.fault(11)
@pytest.mark.parametrize("fault", [refusal(500, "broken"), RESET, ok([])])
def test_after_a_failed_kill_the_status_is_read_before_a_second_attempt(elsewhere, scripted, fault):
    scripted.say(fault, status("started"), status("pending-kill"), status("killed", ended=True))

    outcome = Task("abc", backend=elsewhere).kill(wait_timeout=5)

    assert outcome is KillOutcome.KILLED
    assert scripted.paths()[:3] == [
        "POST /tasks/abc/kill",
        "GET /tasks/abc/status",
        "POST /tasks/abc/kill",
    ]


@pytest.mark.fault(11)
def test_a_kill_that_arrived_in_spite_of_an_error_is_not_repeated(elsewhere, scripted):
    scripted.say(RESET, status("killed", ended=True))

    assert Task("abc", backend=elsewhere).kill() is KillOutcome.KILLED
    assert scripted.paths().count("POST /tasks/abc/kill") == 1


@pytest.mark.fault(11)
def test_a_kill_that_keeps_failing_raises_after_three_attempts(elsewhere, scripted):
    fault, alive = refusal(500, "broken"), status("started")
    scripted.say(fault, alive, fault, alive, fault, alive)

    with pytest.raises(ServerError):
        Task("abc", backend=elsewhere).kill()

    assert scripted.paths().count("POST /tasks/abc/kill") == 3


@pytest.mark.parametrize(("code", "kind"), [(403, AuthenticationError), (400, ApiError)])
def test_a_refused_kill_raises_at_once(elsewhere, scripted, code, kind):
    scripted.say(refusal(code, "no"), status("started"))

    with pytest.raises(kind):
        Task("abc", backend=elsewhere).kill()

    assert scripted.paths().count("POST /tasks/abc/kill") == 1


@pytest.mark.fault(11)
def test_a_kill_without_confirmation_is_never_called_done(elsewhere, scripted):
    scripted.say(status("pending-kill"))

    assert Task("abc", backend=elsewhere).kill(wait_timeout=0.05) is KillOutcome.PENDING


@pytest.mark.fault(11)
def test_a_kill_that_succeeded_is_told_though_the_state_cannot_be_read(elsewhere, scripted):
    scripted.say(status("killed", ended=True), refusal(400, "broken"))

    assert Task("abc", backend=elsewhere).kill() is KillOutcome.KILLED


@pytest.mark.fault(11)
def test_a_view_hears_that_a_kill_succeeded_though_the_state_cannot_be_read(elsewhere, scripted):
    scripted.say(status("started"), status("killed", ended=True), refusal(400, "broken"))
    elsewhere.watcher.refresh("abc")

    with contextlib.closing(Service(elsewhere)) as service:
        result, _ = service.call("task.kill", {"task_id": "abc"})

    assert result["outcome"] == "killed"
    assert result["task"]["status"] == "started"


@pytest.mark.parametrize("ever", [float("inf"), 1e300])
def test_the_confirmation_of_a_kill_may_be_waited_for_without_limit(elsewhere, scripted, ever):
    scripted.say(status("pending-kill"), status("pending-kill"), status("killed", ended=True))

    assert Task("abc", backend=elsewhere).kill(wait_timeout=ever) is KillOutcome.KILLED
    scripted.say(status("started"), status("pending-kill"), status("killed", ended=True))
    report = tasks.kill(["xyz"], wait_timeout=ever, backend=elsewhere)
    assert report["xyz"].outcome is KillOutcome.KILLED


# -- lists ---------------------------------------------------------------------------------------


def test_the_newest_tasks_come_first(done, failed, waiting, backend):
    found = tasks.get(last_n=1, backend=backend)

    assert isinstance(found, TaskList)
    assert [task.id for task in found] == [waiting.id]
    assert found[0].backend is backend


def test_tasks_are_filtered_by_status_and_project(done, failed, backend):
    succeeded = tasks.get(last_n=100, status="success", backend=backend)
    assert done in succeeded
    assert failed not in succeeded
    assert tasks.get(project="no-such-project", backend=backend) == []


def test_the_list_is_a_frame(done, failed, backend):
    frame = tasks.list(100, status="success", backend=backend)

    assert frame.index.name == "task_id"
    assert (frame["status"] == "success").all()
    row = frame.loc[done.id]
    assert row["simulator"] == "splish"
    assert row["output_files"] >= 5
    assert row["computation_time"] > pd.Timedelta(0)
    assert frame.attrs["query"]["status"] == "success"
    assert frame["created_at"].is_monotonic_decreasing


def test_all_tasks_are_asked_for_page_by_page(backend, done, failed, monkeypatch):
    monkeypatch.setattr(tasks.listing, "MAX_PAGE", 1)

    found = [task.id for task in tasks.get(last_n=None, backend=backend)]

    assert {done.id, failed.id} <= set(found)
    assert len(found) == len(set(found))
    assert tasks.list(last_n=2, backend=backend).shape[0] == 2


@pytest.mark.fault(91)
@pytest.mark.parametrize("last_n", [0, -1, 1.0, "5", True, [], float("nan")])
@pytest.mark.parametrize("ask", [tasks.get, tasks.list])
def test_a_bad_count_is_refused_before_any_request(elsewhere, scripted, ask, last_n):
    with pytest.raises(UserInputError, match="last_n"):
        ask(last_n=last_n, backend=elsewhere)

    assert scripted.asked == []


@pytest.mark.fault(92)
@pytest.mark.parametrize("code", ["done", "SUCCESS", "", 5, ["success"], "x" * 1000])
def test_a_bad_status_is_refused_with_the_known_ones(elsewhere, scripted, code):
    with pytest.raises(UserInputError) as caught:
        tasks.get(status=code, backend=elsewhere)

    assert "computation-started" in caught.value.hint
    assert len(str(caught.value)) < 800
    assert scripted.asked == []


@pytest.mark.fault(92)
@pytest.mark.parametrize("ask", [tasks.get, tasks.list])
def test_a_status_newer_than_this_package_needs_a_flag(elsewhere, scripted, ask):
    scripted.say(page())

    ask(status="brand-new", unknown_status=True, backend=elsewhere)

    assert scripted.paths() == ["GET /tasks?page=1&per_page=10&status=brand-new"]
    for code in ("", 5, ["success"]):
        with pytest.raises(UserInputError):
            ask(status=code, unknown_status=True, backend=elsewhere)


def page(*ids, total=10**6):
    listed = [{"task_id": task_id, "status": "success"} for task_id in ids]
    return ok({"total_size": total, "tasks": listed})


@pytest.mark.fault(75)
def test_a_task_listed_on_two_pages_is_there_once(elsewhere, scripted, monkeypatch):
    monkeypatch.setattr(tasks.listing, "MAX_PAGE", 2)
    scripted.say(page("d", "c"), page("c", "b"), page("a"))

    assert [task.id for task in tasks.get(last_n=None, backend=elsewhere)] == ["d", "c", "b", "a"]


@pytest.mark.fault(76)
def test_a_page_that_repeats_for_ever_ends_the_listing(elsewhere, scripted, monkeypatch):
    monkeypatch.setattr(tasks.listing, "MAX_PAGE", 2)
    scripted.say(page("b", "a"))

    assert len(tasks.get(last_n=None, backend=elsewhere)) == 2
    assert len(scripted.asked) == 2


@pytest.mark.fault(76)
def test_a_list_without_end_is_given_up(elsewhere, scripted, monkeypatch):
    monkeypatch.setattr(tasks.listing, "MAX_PAGE", 1)
    monkeypatch.setattr(tasks.listing, "PAGE_LIMIT", 5)
    scripted.route = lambda _: page(f"t{len(scripted.asked)}")

    with pytest.raises(InductivaWidgetsError, match="without end"):
        tasks.get(last_n=None, backend=elsewhere)

    assert len(scripted.asked) == 5


@pytest.mark.fault(77)
def test_no_page_is_larger_than_the_service_allows(elsewhere, scripted):
    scripted.say(page())

    tasks.get(last_n=10**9, backend=elsewhere)

    assert scripted.paths() == ["GET /tasks?page=1&per_page=500"]


# -- submitting ----------------------------------------------------------------------------------


def test_a_submitted_task_runs_with_its_inputs(backend, tmp_path):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "run.py").write_text("print(open('data.txt').read())")
    (inputs / "data.txt").write_text("42")

    task = tasks.submit(
        ["python run.py"],
        inputs,
        simulator="mine",
        project="study",
        metadata={"case": "a"},
        backend=backend,
    )

    assert task.wait(timeout=30) == "success"
    assert "42\n" in task.get_output()["stdout.txt"].text()
    assert task.get_metadata() == {"case": "a"}
    assert (task.info.simulator, task.info.project) == ("mine", "study")
    assert tasks.get(project="study", backend=backend) == [task]


def test_a_task_runs_again_with_its_own_inputs(backend, tmp_path):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "run.py").write_text("import sys; print(sys.argv[1:], open('data.txt').read())")
    (inputs / "data.txt").write_text("42")
    task = tasks.submit(["python run.py a"], inputs, project="study", backend=backend)
    task.wait(timeout=30)

    again = task.resubmit()
    other = task.resubmit(commands=["python run.py b"], metadata={"case": "b"})

    assert tasks.wait_all([again, other], timeout=30) == ["success", "success"]
    assert "['a'] 42" in again.get_output()["stdout.txt"].text()
    assert "['b'] 42" in other.get_output()["stdout.txt"].text()
    assert (again.info.project, other.get_metadata()) == ("study", {"case": "b"})


def test_a_task_whose_inputs_were_removed_cannot_run_again(backend, engine):
    task = Task(engine.run("python -c 'print(1)'")["task_id"], backend=backend)
    task.remove_remote_files()
    before = engine.get("/tasks")["total_size"]

    with pytest.raises(NotFoundError, match="not stored"):
        task.resubmit()

    assert engine.get("/tasks")["total_size"] == before


def test_a_dry_run_tells_what_the_engine_would_be_sent(backend):
    told = tasks.submit(["python run.py"], dry_run=True, backend=backend)

    assert told.machine == "a machine of your own (group local)"
    assert told.price_per_hour == 0.0
    assert tasks.get(project="no-such", backend=backend) == []


def test_removed_files_are_gone(backend, engine):
    task = Task(engine.run("python -c 'print(1)'")["task_id"], backend=backend)
    task.remove_remote_files()

    with pytest.raises(OutputsNotReadyError):
        task.get_output_info()


# -- ids, engines --------------------------------------------------------------------------------


@pytest.mark.fault(87)
@pytest.mark.parametrize(
    "task_id", ["", " ", "a/b", "../a", "a?b", "a\nb", "é", "a" * 200, None, 5]
)
def test_a_bad_id_is_refused_and_no_request_leaves(elsewhere, scripted, task_id):
    with pytest.raises(UserInputError):
        Task(task_id, backend=elsewhere)

    assert scripted.asked == []


@pytest.mark.fault(88)
@pytest.mark.parametrize(
    "ask",
    [
        Task.refresh,
        Task.get_status,
        Task.get_output_info,
        Task.download_outputs,
        Task.get_metadata,
        Task.timeline,
        Task.to_dict,
    ],
)
def test_an_unknown_id_is_not_found(backend, ask):
    with pytest.raises(NotFoundError, match="nosuchtask"):
        ask(Task("nosuchtask", backend=backend))


@pytest.mark.fault(12)
def test_an_engine_that_is_not_running_is_a_connection_error_with_a_hint(tmp_path, monkeypatch):
    started = launch(tmp_path / "data", "--port", "0")
    gone = backend_at(started.url, started.key, tmp_path, is_local=True)
    started.close()

    with contextlib.closing(gone), pytest.raises(ServiceConnectionError) as caught:
        gone.client.task("abc", retry=False)

    assert caught.value.hint
    assert started.key not in str(caught.value)


def test_connect_finds_the_engine_that_runs_and_says_nothing(engine, monkeypatch, capsys):
    monkeypatch.setattr(backends, "_default", None)

    with contextlib.closing(backends.connect(local=True, data_dir=engine.data_dir)) as found:
        assert found.is_local
        assert found.name == "local engine"
        assert Task("abc").backend is found
        assert found.client.user()

    assert capsys.readouterr().out == ""


def test_connect_without_a_key_uses_the_engine_and_says_so_in_one_line(engine, monkeypatch, capsys):
    monkeypatch.setattr(backends, "_default", None)

    with contextlib.closing(backends.connect(data_dir=engine.data_dir)):
        pass

    (line,) = capsys.readouterr().out.splitlines()
    assert engine.url in line
    assert engine.key not in line


def test_one_poller_serves_all_waits_and_none_is_left(done, running, backend):
    with pytest.raises(WaitTimeoutError):
        running.wait(timeout=0.05)

    end = time.monotonic() + 5
    while [t for t in threading.enumerate() if t.name == "inductiva-watch"]:
        assert time.monotonic() < end
        os.sched_yield()
