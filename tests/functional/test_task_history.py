"""The history as frames: what is asked of the service, and what comes of odd answers."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import sqlite3
import threading
from http.server import ThreadingHTTPServer

import pandas as pd
import pytest
from scripted import ScriptedServer, ok, refusal
from support import backend_at

from inductiva_widgets import tasks
from inductiva_widgets.errors import (
    AuthenticationError,
    BadPayloadError,
    OutputsNotReadyError,
    UserInputError,
)
from inductiva_widgets.tasks import Task, listing, paging

KEY = "canary-key.0123456789"
START = dt.datetime(2025, 6, 16, tzinfo=dt.timezone.utc)
EMPTY_PAGE = {"total_size": 0, "tasks": []}


def task_of(number, **more):
    """A task that was made `number` hours after the first."""
    made = START + dt.timedelta(hours=number)
    stamps = [(made + dt.timedelta(seconds=s)).isoformat() for s in (0, 2, 43, 50, 242, 244)]
    return {
        "task_id": f"t{number}",
        "status": "success",
        "simulator": ("swmm", "openfoam")[number % 2],
        "project": "default",
        "is_terminated": True,
        "num_retries": 0,
        "metrics": {"total_seconds": 244.0, "queue_time_seconds": 41.0},
        "create_time": stamps[0],
        "input_submit_time": stamps[1],
        "start_time": stamps[2],
        "computation_start_time": stamps[3],
        "computation_end_time": stamps[4],
        "end_time": stamps[5],
        "executer": {"vm_type": f"types/c{number % 3}", "host_type": "GCP", "n_mpi_hosts": 1},
        "task_metadata": {"spacing": f"{number / 10:g}"},
        **more,
    }


class Service(ScriptedServer):
    """Tasks, the newest first, by pages and one by one."""

    def __init__(self):
        super().__init__()
        self.tasks = []
        self.answers = {}  # task id → answer instead of the task
        self.before = lambda asked: None
        self.route = self.answer

    def has(self, count):
        self.tasks = [task_of(number) for number in reversed(range(count))]

    def answer(self, asked):
        self.before(asked)
        path, _, query = asked.path.partition("?")
        if path == "/tasks":
            wanted = dict(pair.split("=") for pair in query.split("&"))
            page, size = int(wanted["page"]), int(wanted["per_page"])
            some = self.tasks[(page - 1) * size : page * size]
            return ok({"total_size": len(self.tasks), "tasks": some})
        task_id = path.rpartition("/")[2]
        if task_id in self.answers:
            return self.answers[task_id]
        found = next((task for task in self.tasks if task["task_id"] == task_id), None)
        return ok(found) if found else refusal(404, "There is none.")

    def ids(self):
        return [task["task_id"] for task in self.tasks]

    def page_numbers(self):
        return sorted(int(re.search(r"\?page=(\d+)", path)[1]) for path in self.paths())


@pytest.fixture
def service(monkeypatch):
    # Sixteen connections at once; a full queue costs each a second.
    monkeypatch.setattr(ThreadingHTTPServer, "request_queue_size", 64)
    with contextlib.closing(Service()) as started:
        yield started


@pytest.fixture
def backend(service, tmp_path, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_WIDGETS_CACHE_DIR", str(tmp_path / "cache"))
    with contextlib.closing(backend_at(service.url, KEY, tmp_path / "out", is_local=False)) as made:
        yield made


@pytest.fixture
def pages_of(monkeypatch):
    return lambda size: monkeypatch.setattr(listing, "MAX_PAGE", size)


# -- the list, page by page ----------------------------------------------------------------------


def test_all_pages_are_asked_for_once_and_in_the_services_order(service, backend, pages_of):
    pages_of(10)
    service.has(94)

    frame = tasks.list(last_n=None, backend=backend)

    assert list(frame.index) == service.ids()
    assert service.page_numbers() == list(range(1, 11))
    assert frame["created_at"].is_monotonic_decreasing
    assert "warnings" not in frame.attrs


def test_pages_travel_at_the_same_time(service, backend, pages_of):
    pages_of(5)
    service.has(5 * paging.THREADS)
    together = threading.Barrier(paging.THREADS, timeout=10)
    meeting = [f"page={number}&" for number in range(2, 2 + paging.THREADS)]
    service.before = lambda asked: any(one in asked.path for one in meeting) and together.wait()

    assert len(tasks.list(last_n=None, backend=backend)) == 5 * paging.THREADS
    assert not together.broken


@pytest.mark.fault(75)
@pytest.mark.parametrize("moment", [1, 2, 5, 9, 10])
def test_tasks_that_arrive_meanwhile_lose_no_other(service, backend, pages_of, moment):
    pages_of(10)
    service.has(95)
    known = set(service.ids())
    arrived = []

    def arrive(asked):
        if f"?page={moment}&" in asked.path and not arrived:
            arrived.extend(task_of(number) for number in range(100, 112))
            service.tasks = [*reversed(arrived), *service.tasks]

    service.before = arrive

    frame = tasks.list(last_n=None, backend=backend)

    assert frame.index.is_unique
    assert known <= set(frame.index)
    assert len(frame) == 107


@pytest.mark.fault(75)
def test_tasks_that_leave_meanwhile_lose_no_other(service, backend, pages_of):
    pages_of(10)
    service.has(95)
    gone = []

    def leave(asked):
        if "?page=4&" in asked.path and not gone:
            gone.extend(service.ids()[:3])
            service.tasks = service.tasks[3:]

    service.before = leave

    frame = tasks.list(last_n=None, backend=backend)

    assert set(service.ids()) <= set(frame.index)
    assert frame.index.is_unique


def test_last_n_asks_for_no_more_than_it_needs(service, backend, pages_of):
    pages_of(10)
    service.has(95)

    assert list(tasks.list(last_n=25, backend=backend).index) == service.ids()[:25]
    assert service.page_numbers() == [1, 2, 3]


def test_an_empty_list_is_an_empty_frame_of_the_same_columns(service, backend):
    empty = tasks.list(backend=backend)
    service.has(1)

    assert len(empty) == 0
    kinds = tasks.list(backend=backend).dtypes.astype(str)
    assert list(empty.dtypes.astype(str).items()) == list(kinds.items())


@pytest.mark.fault(76)
def test_a_list_that_never_ends_is_given_up(service, backend, pages_of, monkeypatch):
    pages_of(1)
    monkeypatch.setattr(listing, "PAGE_LIMIT", 12)
    service.route = lambda _: ok({"total_size": 11, "tasks": [task_of(len(service.asked))]})

    with pytest.raises(BadPayloadError, match="without end"):
        tasks.list(last_n=None, backend=backend)

    assert len(service.asked) == 12


def test_a_failing_page_is_an_error_and_leaves_no_thread(service, backend, pages_of):
    pages_of(5)
    service.has(60)
    whole = service.answer
    service.route = lambda asked: refusal(400, "no") if "page=3&" in asked.path else whole(asked)

    with pytest.raises(Exception, match="refused the request"):
        tasks.list(last_n=None, backend=backend)


# -- which tasks ---------------------------------------------------------------------------------


def test_the_newest_of_a_kind_are_looked_for_among_older_ones(service, backend, pages_of):
    pages_of(10)
    service.has(100)

    frame = tasks.list(last_n=7, simulator="swmm", machine_type="c1", backend=backend)

    assert list(frame.index) == ["t94", "t88", "t82", "t76", "t70", "t64", "t58"]
    assert (frame["simulator"] == "swmm").all()
    assert list(frame["simulator"].cat.categories) == ["swmm"]


def test_since_and_until_bound_the_time_of_making_and_the_pages(service, backend, pages_of):
    pages_of(10)
    service.has(400)

    frame = tasks.list(None, since="2025-07-01", until="2025-07-01 12:00", backend=backend)

    assert list(frame.index) == [f"t{number}" for number in reversed(range(360, 372))]
    assert max(service.page_numbers()) < 20
    assert frame.attrs["query"]["since"] == "2025-07-01T00:00:00.000Z"


@pytest.mark.parametrize(
    "since",
    [
        "2025-06-18",
        " 2025-06-18T00:00:00Z ",
        "2025-06-18 02:00+02:00",
        dt.date(2025, 6, 18),
        dt.datetime(2025, 6, 18),  # noqa: DTZ001 - naive: taken as UTC
        dt.datetime(2025, 6, 17, 20, tzinfo=dt.timezone(dt.timedelta(hours=-4))),
        pd.Timestamp("2025-06-18"),
        pd.Timestamp("2025-06-18", tz="Europe/Lisbon") + pd.Timedelta(hours=1),
    ],
)
def test_a_moment_may_be_written_in_any_way(service, backend, since):
    service.has(60)

    assert tasks.list(None, since=since, backend=backend).index[-1] == "t48"


def test_a_timedelta_is_so_long_ago(service, backend):
    now = dt.datetime.now(dt.timezone.utc)
    ages = [1, 30, 90]
    service.tasks = [
        task_of(age, create_time=(now - dt.timedelta(minutes=age)).isoformat()) for age in ages
    ]

    assert list(tasks.list(since=dt.timedelta(hours=1), backend=backend).index) == ["t1", "t30"]


BAD_MOMENTS = ["", "soon", "16.06.2025", "2025-13-01", "2025-06-16T25:00", 5, True, [], pd.NaT]


@pytest.mark.parametrize("moment", BAD_MOMENTS)
@pytest.mark.parametrize("name", ["since", "until"])
def test_an_unreadable_date_is_refused_before_any_request(service, backend, name, moment):
    with pytest.raises(UserInputError, match=f"{name} is .* no date") as caught:
        tasks.list(backend=backend, **{name: moment})

    assert "2025-06-16" in caught.value.hint
    assert service.asked == []


@pytest.mark.parametrize("name", ["project", "simulator", "machine_type"])
@pytest.mark.parametrize("value", ["", 5, ["swmm"], b"swmm", True])
def test_a_filter_of_a_wrong_type_is_refused_before_any_request(service, backend, name, value):
    with pytest.raises(UserInputError, match=f"{name} is"):
        tasks.list(backend=backend, **{name: value})

    assert service.asked == []


def test_since_after_until_is_refused(service, backend):
    with pytest.raises(UserInputError, match="no task can lie between"):
        tasks.list(since="2025-06-17", until="2025-06-16", backend=backend)

    assert service.asked == []


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("succces", "success"),
        ("SUCCESS", "success"),
        ("In Progress", "computation-started"),
        ("spot-preempted", "spot-instance-preempted"),
    ],
)
def test_an_unknown_status_names_the_closest(service, backend, asked, meant):
    with pytest.raises(UserInputError, match=f"Did you mean '{meant}'"):
        tasks.list(status=asked, backend=backend)

    assert service.asked == []


def test_a_status_like_none_names_no_closest(backend):
    with pytest.raises(UserInputError) as caught:
        tasks.list(status="xyzzy", backend=backend)

    assert "Did you mean" not in str(caught.value)


# -- the cells -----------------------------------------------------------------------------------


def test_metadata_are_columns_without_another_request(service, backend):
    service.has(3)
    service.tasks[0]["task_metadata"] = {"height": "2"}

    frame = tasks.list(metadata=True, backend=backend)

    assert list(frame.columns[-2:]) == ["metadata.height", "metadata.spacing"]
    assert list(frame["metadata.spacing"].fillna("-")) == ["-", "0.1", "0"]
    assert str(frame["metadata.height"].dtype) == "string"
    assert len(service.asked) == 1
    assert not [name for name in tasks.list(backend=backend) if name.startswith("metadata.")]


@pytest.mark.fault(72)
def test_an_odd_row_is_empty_cells_and_a_warning(service, backend):
    service.has(5)
    service.tasks[1] |= {"metrics": {"total_seconds": "long"}, "create_time": "soon"}
    service.tasks[2] |= {"executer": 7, "simulator": ["swmm"]}

    with pytest.warns(UserWarning, match="4 cells .* are empty"):
        frame = tasks.list(backend=backend)

    assert list(frame.index) == service.ids()
    assert list(frame["total_time"].isna()) == [False, True, False, False, False]
    assert list(frame["created_at"].isna()) == [False, True, False, False, False]
    assert list(frame["machine_type"].isna()) == [False, False, True, False, False]
    (sentence,) = frame.attrs["warnings"]
    assert "create_time (1)" in sentence


def test_rows_that_are_no_tasks_are_left_out_with_a_warning(service, backend):
    service.has(2)
    service.tasks += [None, {"status": "success"}, "t9"]

    with pytest.warns(UserWarning, match="3 cells"):
        frame = tasks.list(backend=backend)

    assert list(frame.index) == ["t1", "t0"]


def test_the_frame_says_what_was_asked_in_plain_values(service, backend):
    frame = tasks.list(5, status="success", since="2025-06-01", backend=backend)

    assert frame.attrs["query"] == {
        "last_n": 5,
        "status": "success",
        "project": None,
        "since": "2025-06-01T00:00:00.000Z",
        "until": None,
        "simulator": None,
        "machine_type": None,
        "backend": backend.name,
    }


# -- tasks by their ids --------------------------------------------------------------------------


def test_ids_give_these_rows_in_this_order_and_name_the_others(service, backend):
    service.has(5)
    service.answers["t3"] = refusal(403, "not yours")
    asked = ["t2", "nobody", Task("t0", backend=backend), "../x", "t3", "t2"]

    with pytest.warns(UserWarning, match="3 of 5 tasks could not be read"):
        frame = tasks.list(ids=asked, metadata=True, backend=backend)

    assert list(frame.index) == ["t2", "t0"]
    assert list(frame["metadata.spacing"]) == ["0.2", "0"]
    assert list(frame.attrs["errors"]) == ["nobody", "../x", "t3"]
    assert "no task id" in frame.attrs["errors"]["../x"]
    assert len(service.asked) == 4


def test_ids_may_be_a_frame_of_the_history(service, backend):
    service.has(5)
    listed = tasks.list(None, backend=backend)

    some = tasks.list(ids=listed[1:3], backend=backend)

    assert list(some.index) == ["t3", "t2"]
    with pytest.raises(UserInputError, match="no index or column `task_id`"):
        tasks.list(ids=listed.reset_index(drop=True), backend=backend)


def test_no_ids_are_an_empty_frame(service, backend):
    assert len(tasks.list(ids=[], backend=backend)) == 0
    assert service.asked == []


@pytest.mark.parametrize("ids", [5, 2.5])
def test_ids_that_are_no_list_are_refused(backend, ids):
    with pytest.raises(UserInputError, match="ids is a list"):
        tasks.list(ids=ids, backend=backend)


def test_ids_and_filters_exclude_each_other(service, backend):
    with pytest.raises(UserInputError, match="give one"):
        tasks.list(ids=["t1"], status="success", backend=backend)

    assert service.asked == []


def test_a_refused_key_is_no_fault_of_a_row(service, backend):
    service.answers["t0"] = refusal(401, "who?")

    with pytest.raises(AuthenticationError):
        tasks.list(ids=["t0"], backend=backend)


# -- the timeline --------------------------------------------------------------------------------


def details(service):
    return [path for path in service.paths() if "/tasks/" in path]


def cache_files(tmp_path):
    return sorted((tmp_path / "cache").glob("*"))


def test_the_timeline_asks_once_for_each_task_and_never_again(service, backend):
    service.has(40)
    listed = tasks.list(None, backend=backend)

    first = tasks.timeline(listed, backend=backend)

    assert len(details(service)) == 40
    assert list(first["task_id"].unique()) == list(listed.index)
    assert first["duration"].sum() == pd.Timedelta(seconds=40 * 244)

    again = tasks.timeline(listed, backend=backend)

    assert len(details(service)) == 40
    pd.testing.assert_frame_equal(again, first)


def test_a_part_of_what_was_asked_for_is_not_asked_for_again(service, backend):
    service.has(10)

    tasks.timeline(["t1", "t2"], backend=backend)
    tasks.timeline(["t1", "t2", "t3"], backend=backend)

    assert sorted(details(service)) == ["GET /tasks/t1", "GET /tasks/t2", "GET /tasks/t3"]


def test_tasks_that_go_on_are_asked_for_anew(service, backend):
    service.has(2)
    service.tasks[0] |= {"is_terminated": False, "status": "computation-started", "end_time": None}

    tasks.timeline(["t0", "t1"], backend=backend)
    tasks.timeline(["t0", "t1"], backend=backend)

    assert details(service).count("GET /tasks/t1") == 2
    assert details(service).count("GET /tasks/t0") == 1


def test_a_task_that_the_frame_calls_alive_is_asked_for_though_it_is_kept(service, backend):
    service.has(1)
    tasks.timeline(["t0"], backend=backend)
    service.tasks[0] |= {"is_terminated": False, "status": "submitted", "end_time": None}

    tasks.timeline(tasks.list(backend=backend), backend=backend)

    assert len(details(service)) == 2


def test_a_task_that_ran_again_since_it_was_kept_is_asked_for(service, backend):
    service.has(2)
    tasks.timeline(["t0", "t1"], backend=backend)
    service.tasks[0]["end_time"] = "2030-06-16T18:20:38"

    frame = tasks.timeline(tasks.list(backend=backend), backend=backend)

    assert details(service).count("GET /tasks/t1") == 2
    assert details(service).count("GET /tasks/t0") == 1
    ends = frame[frame["task_id"] == "t1"]["end"]
    assert ends.max() == pd.Timestamp("2030-06-16T18:20:38Z")


def test_a_kept_task_whose_end_the_list_does_not_give_is_asked_for(service, backend):
    service.has(2)
    tasks.timeline(["t0", "t1"], backend=backend)
    service.tasks[0]["end_time"] = None

    tasks.timeline(tasks.list(backend=backend), backend=backend)

    assert details(service).count("GET /tasks/t1") == 2
    assert details(service).count("GET /tasks/t0") == 1


def test_nothing_is_kept_when_nobody_wants_it(service, backend, tmp_path, monkeypatch):
    service.has(1)

    tasks.timeline(["t0"], keep=False, backend=backend)
    monkeypatch.setenv("INDUCTIVA_WIDGETS_NO_CACHE", "1")
    tasks.timeline(["t0"], backend=backend)

    assert len(details(service)) == 2
    assert cache_files(tmp_path) == []


def test_an_interrupted_timeline_goes_on_where_it_stopped(service, backend, monkeypatch):
    service.has(30)
    monkeypatch.setattr(tasks.kept, "BATCH", 1)
    monkeypatch.setattr(tasks.details, "THREADS", 1)
    service.answers["t20"] = refusal(401, "the key is refused for a while")

    with pytest.raises(AuthenticationError):
        tasks.timeline([f"t{number}" for number in range(30)], backend=backend)
    del service.answers["t20"]
    before = len(details(service))
    tasks.timeline([f"t{number}" for number in range(30)], backend=backend)

    assert len(details(service)) - before == 10


@pytest.mark.parametrize("damage", ["text", "cut", "row", "version"])
def test_a_damaged_file_is_set_aside(service, backend, tmp_path, caplog, damage):
    service.has(20)
    ids = service.ids()
    whole = tasks.timeline(ids, backend=backend)
    (path,) = cache_files(tmp_path)
    if damage == "text":
        path.write_text("this is no database, whatever its name says" * 100)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            if damage == "row":
                database.execute("UPDATE ended SET record = x'c1c1' WHERE task_id = 't5'")
            else:
                database.execute("PRAGMA user_version=99")

    again = tasks.timeline(ids, backend=backend)

    pd.testing.assert_frame_equal(again, whole)
    assert len(details(service)) == 40
    assert "set aside" in caplog.text
    assert [one.suffix for one in cache_files(tmp_path)] == [".damaged", ".sqlite"]
    tasks.timeline(ids, backend=backend)
    assert len(details(service)) == 40


def test_a_folder_that_cannot_be_written_costs_only_requests(service, backend, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    service.has(1)

    assert len(tasks.timeline(["t0"], backend=backend)) == 5


def test_the_file_tells_neither_key_nor_address_and_is_ours_alone(service, backend, tmp_path):
    service.has(3)
    tasks.timeline(service.ids(), backend=backend)

    (path,) = cache_files(tmp_path)
    held = path.name.encode() + path.read_bytes()
    assert KEY.encode() not in held
    assert service.url.encode() not in held
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_another_key_has_another_file(service, backend, tmp_path):
    service.has(1)
    tasks.timeline(["t0"], backend=backend)
    with contextlib.closing(
        backend_at(service.url, "another-key", tmp_path / "out", is_local=False)
    ) as other:
        tasks.timeline(["t0"], backend=other)

    assert len(cache_files(tmp_path)) == 2
    assert len(details(service)) == 2


def test_the_timeline_names_tasks_that_cannot_be_read(service, backend):
    service.has(2)

    with pytest.warns(UserWarning, match="1 of 3 tasks could not be read"):
        frame = tasks.timeline(["t0", "nobody", "t1"], backend=backend)

    assert list(frame["task_id"].unique()) == ["t0", "t1"]
    assert "nobody" in frame.attrs["errors"]


@pytest.mark.parametrize("bad", [[5], 5, "../x", [None]])
def test_what_is_no_task_is_refused_before_any_request(service, backend, bad):
    with pytest.raises(UserInputError):
        tasks.timeline(bad, backend=backend)

    assert service.asked == []


def test_the_timeline_of_nothing_is_an_empty_frame(backend):
    assert len(tasks.timeline([], backend=backend)) == 0


def test_a_bar_says_how_many_requests_it_takes(service, backend, monkeypatch):
    service.has(40)
    made = []
    bars = tasks.details.host()
    bar = bars.ProgressBar
    monkeypatch.setattr(bars, "ProgressBar", lambda **how: made.append(how) or bar(**how))

    tasks.timeline(service.ids(), backend=backend)

    assert [(how["total"], how["desc"]) for how in made] == [(40, "One request a task")]


# -- the machine's figures -----------------------------------------------------------------------


def test_metrics_are_those_of_the_tasks_machine(engine, tmp_path):
    task_id = engine.run("python run.py", files={"run.py": "import time; time.sleep(0.3)"})[
        "task_id"
    ]
    with contextlib.closing(
        backend_at(engine.url, engine.key, tmp_path / "out", is_local=True)
    ) as backend:
        frame = tasks.metrics(task_id, backend=backend)

    assert list(frame.columns) == ["command", "cpu-usage", "memory", "disk-input", "disk-output"]
    assert len(frame) > 0
    assert (frame["command"] == "python run.py").all()
    assert str(frame["memory"].dtype) in ("Float64", "Int64")  # whole numbers, by chance


def test_metrics_of_a_task_without_outputs_are_an_error(service, backend):
    service.has(1)

    with pytest.raises(OutputsNotReadyError, match="without output files"):
        tasks.metrics("t0", backend=backend)


def test_a_real_tasks_phases_add_up_to_its_total(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_WIDGETS_CACHE_DIR", str(tmp_path / "cache"))
    one = engine.run("python -c 'print(1)'", "python -c 'print(2)'")
    two = engine.run("python -c 'raise SystemExit(3)'")
    with contextlib.closing(
        backend_at(engine.url, engine.key, tmp_path / "out", is_local=True)
    ) as backend:
        frame = tasks.timeline([one["task_id"], two["task_id"]], backend=backend)

    spent = frame.groupby("task_id", sort=False)["duration"].sum().dt.total_seconds()
    for task in (one, two):
        assert spent[task["task_id"]] == pytest.approx(task["metrics"]["total_seconds"], abs=1)
    assert list(frame["exit_code"].dropna()) == [0, 0, 3]
