"""Odd answers and odd input by their numbers in the fault catalogue, library and command line."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import threading
import time
import zipfile

import pytest
from scripted import Answer, ScriptedServer, ok, refusal
from support import backend_at
from waiting import wait_until

from inductiva_widgets import backend as backends
from inductiva_widgets import tasks, watch
from inductiva_widgets.api import http
from inductiva_widgets.api.config import ApiKey, load, write_key
from inductiva_widgets.cli import program
from inductiva_widgets.errors import (
    ApiError,
    AuthenticationError,
    BadPayloadError,
    NotFoundError,
    UserInputError,
)
from inductiva_widgets.formats import counted
from inductiva_widgets.task.files import download_folder
from inductiva_widgets.tasks import Task
from inductiva_widgets.watch import KEY_LOOK_S

CANARY = "canary-key.0123456789"
ID = "i4ir3kvv62odsfrhko4y8w2an"
OTHER = "jxwt0rm8s8xspdfcegtgkkana"
DEADLINE_S = 10
UNSAFE = ("../outside.txt", "/etc/absolute.txt")
NAMES = ("stdout.txt", "vtk/a.vtk", "vtk/b.vtk")


def task_of(task_id, status="computation-started", **more):
    ended = status in ("success", "killed", "failed")
    return {"task_id": task_id, "id": task_id, "status": status, "is_terminated": ended, **more}


def packed(*names):
    """An output archive as machines make it: all below `artifacts/`."""
    packed_bytes = io.BytesIO()
    with zipfile.ZipFile(packed_bytes, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(f"artifacts/{name}", f"content of {name}")
    return packed_bytes.getvalue()


def part_of(body, asked):
    """What a storage answers: the bytes asked for."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.headers.get("Range", ""))
    if match is None:
        return Answer(200, body, {"ETag": '"v1"'})
    first, last = match.groups()
    start = int(first) if first else max(0, len(body) - int(last))
    end = min(len(body), int(last) + 1) if first and last else len(body)
    span = {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}", "ETag": '"v1"'}
    return Answer(206, body[start:end], span)


class Service(ScriptedServer):
    """Tasks by id in the order of the list, paged by offset, and one archive for all of them."""

    def __init__(self):
        super().__init__()
        self.tasks = {}
        self.archive = packed(*NAMES)
        self.answers = {}
        self.before = lambda asked: None  # called with each request before it is answered
        self.route = self.answer

    def has(self, task_id, status="computation-started", **more):
        others = {known: task for known, task in self.tasks.items() if known != task_id}
        self.tasks = {task_id: task_of(task_id, status, **more), **others}

    def answer(self, asked):
        self.before(asked)
        path, _, query = asked.path.partition("?")
        if path in self.answers:
            return self.answers[path]
        if path == "/tasks":
            wanted = dict(pair.split("=") for pair in query.split("&"))
            page, size = int(wanted["page"]), int(wanted["per_page"])
            listed = list(self.tasks.values())[(page - 1) * size : page * size]
            return ok({"total_size": len(self.tasks), "tasks": listed})
        if path == "/storage/signed-urls":
            return ok([f"{self.url}/bucket/output.zip?X-Signature=s"])
        if path == "/bucket/output.zip":
            return part_of(self.archive, asked)
        found = self.tasks.get(path.split("/")[2]) if path.startswith("/tasks/") else None
        return ok(found) if found else refusal(404, "There is none.")

    def about(self, task_id):
        return [path for path in self.paths() if task_id in path]


@pytest.fixture
def service():
    with contextlib.closing(Service()) as started:
        yield started


@pytest.fixture
def backend(service, tmp_path):
    with contextlib.closing(
        backend_at(service.url, CANARY, tmp_path / "out", is_local=False)
    ) as made:
        yield made


class Said:
    def __init__(self, code, captured):
        self.code, self.out, self.err = code, captured.out, captured.err

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(service, tmp_path, monkeypatch, capsys):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INDUCTIVA_WIDGETS_DATA_DIR", str(tmp_path / "engine"))
    monkeypatch.setenv("INDUCTIVA_API_URL", service.url)
    monkeypatch.setenv("INDUCTIVA_API_KEY", CANARY)
    monkeypatch.setattr(backends, "_default", None)

    def run(*words):
        monkeypatch.setattr("sys.stdin", io.StringIO())
        with pytest.raises(SystemExit) as ended:
            program.main([*words])
        said = Said(ended.value.code, capsys.readouterr())
        assert CANARY not in said.out + said.err
        return said

    return run


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# -- pages ---------------------------------------------------------------------------------------


@pytest.mark.fault(75)
def test_fault_75_a_task_on_two_pages_is_listed_once(service, run, monkeypatch):
    monkeypatch.setattr(tasks.listing, "MAX_PAGE", 2)
    for number in range(5):
        service.has(f"t{number}")

    def one_more_arrives(asked):
        if "?page=2&" in asked.path:
            service.has("late")

    service.before = one_more_arrives

    said = run("tasks", "list", "--all", "--json")

    assert said.code == 0
    assert [told["task_id"] for told in said.json] == ["late", "t4", "t3", "t2", "t1", "t0"]


@pytest.mark.fault(75)
def test_fault_75_a_task_that_leaves_takes_no_neighbour_with_it(service, backend, monkeypatch):
    monkeypatch.setattr(tasks.listing, "MAX_PAGE", 2)
    for name in "abcd":
        service.has(name)

    def one_leaves(asked):
        if "?page=2&" in asked.path:
            service.tasks.pop("d", None)

    service.before = one_leaves

    assert [task.id for task in tasks.get(last_n=None, backend=backend)] == ["c", "b", "a"]


@pytest.mark.fault(76)
def test_fault_76_a_list_that_ends_early_is_called_incomplete(
    service, backend, monkeypatch, caplog
):
    monkeypatch.setattr(tasks.listing, "MAX_PAGE", 2)
    pages = {"1": ["f", "e"], "3": ["b", "a"]}

    def page(asked):
        number = re.search(r"page=(\d+)", asked.path)[1]
        return ok({"total_size": 4, "tasks": [task_of(i) for i in pages.get(number, [])]})

    service.route = page

    assert [task.id for task in tasks.get(last_n=None, backend=backend)] == ["f", "e"]
    assert "incomplete: 2 are missing" in caplog.text


@pytest.mark.fault(96)
def test_fault_96_blanks_of_a_folder_name_are_kept_as_given(backend):
    assert download_folder(Task(ID, backend=backend), "out ").name == "out "


@pytest.mark.fault(76)
@pytest.mark.parametrize("total", [0, -1, None, "many", 2.5, 10**30])
def test_fault_76_a_total_that_lies_loses_no_task_and_ends(
    service, backend, run, monkeypatch, total
):
    monkeypatch.setattr(tasks.listing, "MAX_PAGE", 2)
    pages = {"1": ["d", "c"], "2": ["b", "a"]}

    def page(asked):
        number = re.search(r"page=(\d+)", asked.path)[1]
        return ok({"total_size": total, "tasks": [task_of(i) for i in pages.get(number, [])]})

    service.route = page

    assert [task.id for task in tasks.get(last_n=None, backend=backend)] == ["d", "c", "b", "a"]
    assert len(service.asked) == 3
    assert [told["task_id"] for told in run("tasks", "list", "-a", "--json").json] == [*"dcba"]


@pytest.mark.fault(76)
def test_fault_76_a_list_without_end_is_one_line(service, run, monkeypatch):
    monkeypatch.setattr(tasks.listing, "MAX_PAGE", 1)
    monkeypatch.setattr(tasks.listing, "PAGE_LIMIT", 4)
    service.route = lambda _: ok({"total_size": 9, "tasks": [task_of(f"t{len(service.asked)}")]})

    said = run("tasks", "list", "--all")

    assert (said.code, said.out) == (1, "")
    (line,) = said.err.splitlines()
    assert "without end" in line
    assert len(service.asked) == 4


@pytest.mark.fault(77)
def test_fault_77_many_tasks_come_in_pages_of_at_most_500(service, backend):
    service.tasks = {f"t{number}": task_of(f"t{number}") for number in range(1201)}

    assert len(tasks.get(last_n=None, backend=backend)) == 1201
    assert len(tasks.get(last_n=700, backend=backend)) == 700
    # After the first page, several at the same time.
    assert sorted(path.partition("?")[2] for path in service.paths()) == [
        f"page={number}&per_page=500" for number in (1, 1, 2, 2, 3)
    ]


@pytest.mark.fault(77)
def test_fault_77_a_page_beyond_the_limit_is_one_line_and_not_asked_for_again(
    service, backend, run, monkeypatch
):
    monkeypatch.setattr(http, "JSON_LIMIT_BYTES", 100_000)
    service.answers["/tasks"] = Answer(200, b'{"tasks": []' + b" " * 200_000 + b"}")

    with pytest.raises(BadPayloadError, match="larger than"):
        tasks.get(backend=backend)
    assert len(service.asked) == 1

    said = run("tasks", "list")
    assert (said.code, said.out) == (1, "")
    assert len(said.err.splitlines()) == 1


# -- states and times ----------------------------------------------------------------------------


@pytest.mark.fault(71)
def test_fault_71_a_state_that_is_new_is_told_and_waited_out(service, backend, run, capsys):
    service.has(OTHER)
    service.has(ID, "hibernating", status_alias="Fast asleep")
    task = Task(ID, backend=backend)

    assert [task.get_status(), task.is_terminal(), task.is_failed()] == [
        "hibernating",
        False,
        False,
    ]
    rows = run("tasks", "list").out.splitlines()
    assert "Fast asleep" in rows[1]
    assert rows[2].startswith(f" {OTHER}")

    def ends(asked):
        if len(service.about(ID)) > 4:
            service.has(ID, "success")

    service.before = ends
    assert task.wait(timeout=DEADLINE_S) == "success"
    assert "Fast asleep" in capsys.readouterr().out


@pytest.mark.fault(74)
@pytest.mark.parametrize("day", ["2025-03-30", "2025-10-26"])
def test_fault_74_no_duration_jumps_when_the_clocks_are_changed(
    service, backend, run, monkeypatch, day
):
    start, end = f"{day}T00:30:00+00:00", f"{day}T01:30:00+00:00"
    step = {"status": "computation-started", "timestamp": start, "end_timestamp": end}
    done = {"status": "success", "timestamp": end}
    times = {"computation_start_time": start, "computation_end_time": end}
    service.has(ID, "success", status_history=[step, done], **times)
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "Europe/Berlin")
            time.tzset()
            said = run("tasks", "info", ID)
            frame = Task(ID, backend=backend).timeline()
    finally:
        time.tzset()

    assert "3600.0 s" in said.out
    assert frame["duration"].iloc[0].total_seconds() == 3600


# -- one bad task --------------------------------------------------------------------------------


@pytest.mark.fault(79)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422])
def test_fault_79_what_a_refusal_says_is_harmless(service, backend, run, status):
    detail = (
        f"<script>x</script> \x1b[2J\u202e\x9b {CANARY} https://h/p?X-Signature=s3cret \r\n end"
    )
    service.answers[f"/tasks/{ID}"] = refusal(status, detail)

    with pytest.raises(ApiError) as caught:
        Task(ID, backend=backend).refresh()
    said = run("tasks", "info", ID)

    assert caught.value.status_code == status
    assert (said.code, said.out) == (1, "")
    assert len(said.err.splitlines()) == 1
    for text in (str(caught.value), repr(caught.value), said.err.rstrip("\n")):
        assert not set(text) & set("\x1b\u202e\x9b\r\n")
        assert CANARY not in text
        assert "s3cret" not in text


@pytest.mark.fault(80)
def test_fault_80_a_task_that_vanished_is_told_and_not_asked_for_again(service, backend, run):
    service.has(ID)
    service.has(OTHER)
    gone = tasks.get(backend=backend)[1]
    del service.tasks[ID]
    seen = []

    with pytest.raises(NotFoundError):
        gone.wait(timeout=DEADLINE_S)
    service.asked.clear()
    backend.watcher.watch(ID, seen.append)  # somebody wants to know anew: asked for once
    wait_until(lambda: service.about(ID))
    wait_until(lambda: len(seen) >= 2)
    service.asked.clear()
    told = []
    fine = backend.watcher.watch(OTHER, told.append, limit_s=0.05)
    wait_until(lambda: len(service.about(OTHER)) >= 4)
    fine.close()

    assert service.about(ID) == []
    assert isinstance(seen[-1].stale.error, NotFoundError)
    assert told[-1].stale is None
    said = run("tasks", "list", "--id", ID, "--id", OTHER)
    assert said.code == 1
    assert OTHER in said.out
    assert ID in said.err


@pytest.mark.fault(81)
def test_fault_81_an_ended_task_that_runs_again_is_taken_as_running(service, backend):
    before = [{"status": "success", "timestamp": "2025-06-16T18:20:38+00:00"}]
    again = [*before, {"status": "computation-started", "timestamp": "2025-06-16T19:00:00+00:00"}]
    service.has(ID, "success", status_history=before)
    task = Task(ID, backend=backend)
    assert task.wait(timeout=DEADLINE_S) == "success"

    service.has(ID, status_history=again)
    assert not task.refresh().is_terminated
    assert task.get_status() == "computation-started"
    assert [step.status for step in task.info.status_history] == ["success", "computation-started"]

    service.tasks[ID] = task_of(ID, "failed", status_history=again)
    assert task.wait(timeout=DEADLINE_S) == "failed"


@pytest.mark.fault(82)
def test_fault_82_the_answer_to_the_newest_question_wins(service, backend):
    arrived, late = threading.Event(), threading.Event()
    first = []

    def answer(asked):
        if not first:
            first.append(asked)
            arrived.set()
            late.wait(DEADLINE_S)
            return ok(task_of(ID))
        return ok(task_of(ID, "success"))

    service.route = answer
    task = Task(ID, backend=backend)
    slow = threading.Thread(target=task.refresh)
    slow.start()
    arrived.wait(DEADLINE_S)
    task.refresh()
    late.set()
    slow.join(DEADLINE_S)

    assert task.info.status == "success"
    assert task.is_terminal()


@pytest.mark.fault(83)
def test_fault_83_the_archive_decides_what_the_outputs_are(service, backend, run, tmp_path):
    metrics = {"output_total_files": 44, "output_size_bytes": 10**9, "output_zipped_size_bytes": 1}
    service.has(ID, "success", metrics=metrics)
    task = Task(ID, backend=backend)

    told = task.get_output_info()
    task.download_outputs(output_dir=tmp_path / "here")

    difference = f"The service counts 44 files, the archive has {len(NAMES)}."
    assert told.difference == difference
    assert difference in repr(told)
    assert difference not in str(told)
    assert run("tasks", "files", ID).err == f"{difference}\n"
    assert {one.name for one in told.contents} == files_in(tmp_path / "here") == set(NAMES)
    assert told.size == len(service.archive)
    assert run("tasks", "files", ID, "--json").json["size"] == len(service.archive)
    assert not [path for path in service.paths() if "contents" in path]


@pytest.mark.fault(84)
@pytest.mark.parametrize("name", ["", " ", "x" * 10_000, "ünï \U0001f30a 模拟", "same", None])
def test_fault_84_odd_names_are_whole_in_the_library_and_cut_in_the_list(
    service, backend, run, name
):
    service.has(ID, simulator=name, project=name)
    service.has(OTHER, simulator=name, project=name)
    service.answers[f"/tasks/{ID}/metadata"] = ok({"note": name, "": "empty", "k" * 10_000: "v"})

    frame = tasks.list(backend=backend)
    said = run("tasks", "list")

    assert list(frame.index) == [OTHER, ID]
    assert (Task(ID, backend=backend).info.simulator or None) == (name or None)
    assert run("tasks", "list", "--json").json[0]["simulator"] == name
    assert [line.split()[0] for line in said.out.splitlines()] == ["ID", OTHER, ID]
    assert max(map(len, said.out.splitlines())) < 600
    metadata = Task(ID, backend=backend).get_metadata()
    assert metadata["k" * 10_000] == "v"
    assert metadata["note"] == str(name)


# -- refusals in between -------------------------------------------------------------------------


@pytest.mark.fault(85)
def test_fault_85_a_key_refused_while_waiting_is_told_once_and_asking_stops(service, backend):
    service.has(ID)
    task = Task(ID, backend=backend)
    told = []
    watching = backend.watcher.watch(ID, told.append, limit_s=0.05)
    wait_until(lambda: told and told[-1].record)
    service.answers[f"/tasks/{ID}"] = refusal(401, "revoked")
    service.answers[f"/tasks/{ID}/status"] = refusal(401, "revoked")
    wait_until(lambda: told[-1].stale)
    asked = len(service.asked)
    assert backend.watcher.poll_once() == KEY_LOOK_S  # a look at the key, which asks nobody

    assert len(service.asked) == asked
    assert [seen.stale.retry_in_s for seen in told if seen.stale] == [None]
    assert told[-1].record.status == "computation-started"
    with pytest.raises(AuthenticationError) as caught:
        task.wait(timeout=DEADLINE_S)
    assert "auth login" in caught.value.hint

    service.answers.clear()
    service.has(ID, "success")
    task.refresh()
    assert task.wait(timeout=DEADLINE_S) == "success"
    assert told[-1].stale is None
    watching.close()


@pytest.mark.fault(85)
def test_fault_85_a_wait_goes_on_when_the_key_file_has_another_key(service, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(watch, "KEY_LOOK_S", 0.05)
    write_key(ApiKey("first"))
    good, used = ["first"], []
    service.has(ID)

    def checked(asked):
        used.append(asked.headers["X-API-Key"])
        return None if used[-1] in good else refusal(401, "revoked")

    service.route = lambda asked: checked(asked) or service.answer(asked)
    with contextlib.closing(backends.Backend(load(url=service.url))) as backend:
        told = []
        with contextlib.closing(backend.watcher.watch(ID, told.append, limit_s=0.05)):
            wait_until(lambda: told and told[-1].record)
            good[:] = ["second"]
            wait_until(lambda: told[-1].stale)
            write_key(ApiKey("second"))
            wait_until(lambda: told[-1].stale is None)

            write_key(ApiKey("third"))  # in good time, so that nobody notices
            good[:] = ["third"]
            seen = len(told)
            service.has(ID, "success")
            assert Task(ID, backend=backend).wait(timeout=DEADLINE_S) == "success"
        assert not any(one.stale for one in told[seen:])
    assert [key for key, _ in itertools.groupby(used)] == ["first", "second", "third"]


@pytest.mark.fault(85)
def test_fault_85_the_command_that_waits_ends_with_one_line(service, run):
    service.has(ID)

    def revoked(asked):
        if len(service.asked) > 2:
            for path in (f"/tasks/{ID}", f"/tasks/{ID}/status"):
                service.answers[path] = refusal(401, "revoked")

    service.before = revoked

    said = run("tasks", "wait", ID)

    assert said.code == 1
    (line,) = said.err.splitlines()
    assert "401" in line
    assert len(service.asked) < 8


@pytest.mark.fault(86)
@pytest.mark.parametrize(("status", "reason"), [(402, "No credits left."), (403, "Not yours.")])
def test_fault_86_a_refusal_for_one_task_is_of_that_row_only(service, backend, run, status, reason):
    service.has(OTHER, "success")
    for path in (f"/tasks/{ID}", f"/tasks/{ID}/status"):
        service.answers[path] = refusal(status, reason)

    listed = run("tasks", "list", "--id", ID, "--id", OTHER)
    fetched = run("tasks", "download", ID, OTHER, "-f", "stdout.txt")
    killed = run("tasks", "kill", ID, OTHER, "--yes", "--json")

    assert [listed.code, fetched.code, killed.code] == [1, 1, 1]
    assert OTHER in listed.out
    assert f"of task {OTHER} to " in fetched.out
    assert [one["outcome"] for one in killed.json] == ["failed", "already-ended"]
    for said in (listed, fetched, killed):
        assert f"task {ID}: " in said.err
        assert reason in said.err
    with pytest.raises(ApiError, match=reason):
        Task(ID, backend=backend).refresh()
    assert Task(OTHER, backend=backend).get_status() == "success"


# -- names of outputs ----------------------------------------------------------------------------

SPELLINGS = [
    ("artifacts/vtk/a.vtk", {"vtk/a.vtk"}),
    ("./vtk/a.vtk", {"vtk/a.vtk"}),
    ("vtk//a.vtk", {"vtk/a.vtk"}),
    ("vtk\\a.vtk", {"vtk/a.vtk"}),
    ("vtk", {"vtk/a.vtk", "vtk/b.vtk"}),
    ("vtk/", {"vtk/a.vtk", "vtk/b.vtk"}),
    ("*.txt", {"stdout.txt"}),
    ("**/*.vtk", {"vtk/a.vtk", "vtk/b.vtk"}),
]


@pytest.mark.fault(94)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_fault_94_one_rule_for_names_in_library_and_command_line(
    service, backend, run, tmp_path, spelling
):
    name, chosen = spelling
    service.has(ID, "success")

    Task(ID, backend=backend).download_outputs([name, name], tmp_path / "library")
    said = run("tasks", "download", ID, name, name, "--to", str(tmp_path / "line"))

    assert files_in(tmp_path / "library") == files_in(tmp_path / "line") == chosen
    assert said.code == 0
    assert said.out.startswith(f"Downloaded {counted(len(chosen), 'file')} (")


@pytest.mark.fault(94)
def test_fault_94_a_hundred_thousand_names_are_answered_soon_and_in_few_words(
    service, backend, tmp_path
):
    service.has(ID, "success")
    names = [*(f"vtk/none_{number}.vtk" for number in range(100_000)), "stdout.txt"]

    with pytest.raises(NotFoundError) as caught:
        Task(ID, backend=backend).download_outputs(names, tmp_path / "here")

    assert caught.value.missing == tuple(names[:-1])
    assert len(str(caught.value)) < 2000
    assert files_in(tmp_path / "here") == {"stdout.txt"}


@pytest.mark.fault(95)
@pytest.mark.parametrize("name", [*UNSAFE, "vtk/../../x", "..\\x", "C:\\x", "\\\\host\\x"])
def test_fault_95_a_name_that_leads_out_is_refused_even_if_the_archive_has_it(
    service, backend, run, tmp_path, name
):
    service.has(ID, "success")
    service.archive = packed(*NAMES, *UNSAFE)

    with pytest.raises(UserInputError):
        Task(ID, backend=backend).download_outputs([name], tmp_path / "here")
    said = run("tasks", "download", ID, name, "--to", str(tmp_path / "here"))

    assert said.code == 2
    assert service.asked == []
    assert not (tmp_path / "here").exists()


@pytest.mark.fault(96)
def test_fault_96_the_folder_is_shown_resolved_before_the_start(service, run, tmp_path):
    service.has(ID, "success")

    said = run("tasks", "download", ID, "stdout.txt", "--to", "~/results")

    assert said.err.splitlines()[0] == f"Downloading to {tmp_path / 'home' / 'results'}"
    assert files_in(tmp_path / "home") == {"results/stdout.txt"}


@pytest.mark.fault(85)
@pytest.mark.parametrize("status", [401, 403, 404])
def test_fault_85_a_wait_after_a_refusal_asks_anew(service, backend, status):
    task = Task(ID, backend=backend)
    for path in (f"/tasks/{ID}", f"/tasks/{ID}/status"):
        service.answers[path] = refusal(status, "not now")
    with pytest.raises((AuthenticationError, NotFoundError)):
        task.wait(timeout=DEADLINE_S)

    service.answers.clear()
    service.has(ID, "success")

    assert task.wait(timeout=DEADLINE_S) == "success"
