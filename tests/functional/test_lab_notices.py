"""Notices: what is told after an absence and at the end of a watched task, and told once."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import stat
import threading
from types import SimpleNamespace

import pytest
from lab_server import Server, Stream
from waiting import wait_until

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.formats import iso
from inductiva_widgets.lab.notices import Notices
from inductiva_widgets.lab.record import ENDED_KEPT, PENDING_KEPT, Record, load, save, take_in

TUESDAY = dt.datetime(2026, 11, 17, 18, 10, tzinfo=dt.timezone.utc)


class World:
    """A service with tasks, its clock, and servers that come and go. Nothing waits."""

    def __init__(self, folder):
        self.path = folder / "notices.json"
        self.now = TUESDAY
        self.tasks = {}  # newest last
        self.page_size = 100
        self.stale = None
        self.hub = SimpleNamespace(subscribe=self._subscribe)
        self._open = []
        self.server()

    def server(self):
        """A new server process: what the old one knew is in the file only."""
        self._open = []
        self.notices = Notices(SimpleNamespace(hub=self.hub), self.path, lambda: self.now)

    def pass_hours(self, hours):
        self.now += dt.timedelta(hours=hours)

    def submit(self, *task_ids):
        for task_id in task_ids:
            self.tasks[task_id] = {
                "task_id": task_id,
                "status": "computation-started",
                "is_terminal": False,
                "ended_at": None,
                "stale": None,
            }

    def end(self, *task_ids, status="success"):
        for task_id in task_ids:
            self.tasks[task_id] |= {
                "status": status,
                "is_terminal": True,
                "ended_at": iso(self.now),
            }

    def look(self):
        """What the feeds tell when something has changed."""
        for topic, send in list(self._open):
            self._tell(topic, send)

    @property
    def topics(self):
        return sorted(topic for topic, _ in self._open)

    def _subscribe(self, topic, send):
        entry = (topic, send)
        self._open.append(entry)
        self._tell(topic, send)
        return SimpleNamespace(close=lambda: entry in self._open and self._open.remove(entry))

    def _tell(self, topic, send):
        if topic == "tasks":
            newest = list(self.tasks.values())[: -self.page_size - 1 : -1]
            rows = [{**row, "stale": self.stale} for row in newest]
            send({"event": {"kind": "tasks", "tasks": rows, "total": len(self.tasks)}})
            return
        task_id = topic.removeprefix("task/")
        lost = {"error": {"type": "NotFoundError"}}
        row = self.tasks.get(task_id) or {
            "task_id": task_id,
            "status": "",
            "is_terminal": False,
            "ended_at": None,
            "stale": lost,
        }
        send({"event": {"kind": "task", "task": dict(row)}})


class Page:
    """A page that shows notices as pages do: it asks before."""

    def __init__(self, world):
        self.world = world
        self.told = []
        self.shown = []
        self._listener = world.notices.subscribe(lambda message: self.told.append(message["event"]))

    def show(self):
        for notice in self.told:
            answer = self.world.notices.seen({"notice_id": notice["notice_id"]})
            if answer["is_first"]:
                self.shown.append(notice)
        self.told = []
        return [
            (
                notice["since"],
                [task["task_id"] for task in notice["finished"]],
                [task["task_id"] for task in notice["failed"]],
            )
            if notice["kind"] == "away"
            else notice["task"]["task_id"]
            for notice in self.shown
        ]

    def leave(self):
        self._listener.close()


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


# -- since you were away -----------------------------------------------------------------------


def test_the_first_run_ever_reports_nothing(world):
    world.submit("old")
    world.end("old")

    assert Page(world).show() == []


def test_what_ended_meanwhile_is_told_once_over_reloads_and_restarts(world):
    world.submit("a", "b", "c", "d", "runs")
    first = Page(world)
    first.leave()
    world.pass_hours(20)
    world.end("a", "b")
    world.end("c", status="killed")
    world.end("d", status="executer-failed")
    world.server()

    page = Page(world)
    assert page.show() == [(iso(TUESDAY), ["c", "b", "a"], ["d"])]
    page.leave()  # a reload
    again = Page(world)
    assert again.show() == []
    again.leave()
    world.server()
    assert Page(world).show() == []


def test_tasks_that_came_and_went_meanwhile_are_told_as_well(world):
    Page(world).leave()
    world.pass_hours(1)
    world.submit("short")
    world.end("short")

    assert Page(world).show() == [(iso(TUESDAY), ["short"], [])]


def test_old_tasks_that_are_seen_for_the_first_time_are_no_news(world):
    """As when newer ones were deleted, and the page of the newest reaches further back."""
    world.submit("old", "new")
    world.end("old", "new")
    world.page_size = 1
    world.pass_hours(5)
    Page(world).leave()
    del world.tasks["new"]
    world.pass_hours(5)

    assert Page(world).show() == []


def test_of_several_pages_one_shows_a_notice(world):
    world.submit("a")
    Page(world).leave()
    world.end("a")

    pages = [Page(world), Page(world), Page(world)]

    assert sorted(len(page.show()) for page in pages) == [0, 0, 1]


def test_a_notice_that_no_page_has_shown_comes_again(world):
    world.submit("a")
    Page(world).leave()
    world.end("a")
    Page(world).leave()  # closed before it could ask
    world.server()

    assert Page(world).show() == [(iso(TUESDAY), ["a"], [])]


def test_a_task_that_is_no_longer_among_the_newest_is_told(world):
    world.submit("long", "lost")
    Page(world).leave()
    world.submit(*"xyz")
    world.page_size = 3
    world.end("long")
    del world.tasks["lost"]
    world.server()

    page = Page(world)
    assert page.show() == [(iso(TUESDAY), ["long"], [])]
    world.look()
    assert world.topics == ["tasks"]  # nothing goes on being asked for in vain
    page.leave()
    assert world.topics == []


def test_while_the_service_does_not_answer_nothing_is_told_or_forgotten(world):
    world.submit("a")
    Page(world).leave()
    world.pass_hours(1)
    world.stale = {"error": {"type": "ServerError"}}
    page = Page(world)
    world.pass_hours(1)
    assert page.show() == []
    page.leave()

    world.end("a")
    world.stale = None

    assert Page(world).show() == [(iso(TUESDAY), ["a"], [])]


def test_the_absence_begins_when_the_last_page_leaves(world):
    world.submit("a")
    one, two = Page(world), Page(world)
    one.leave()
    world.pass_hours(3)
    two.leave()
    world.end("a")

    assert Page(world).show() == [(iso(TUESDAY + dt.timedelta(hours=3)), ["a"], [])]


def test_a_server_that_ends_with_pages_open_notes_the_time(world):
    world.submit("a")
    Page(world)
    world.pass_hours(3)
    world.notices.keep()
    world.server()
    world.end("a")

    assert Page(world).show() == [(iso(TUESDAY + dt.timedelta(hours=3)), ["a"], [])]


def test_after_a_crash_nothing_is_told_twice(world):
    world.submit("a", "b")
    page = Page(world)
    world.notices.watch({"task_id": "a", "on": True})
    world.end("a")
    world.look()
    assert page.show() == ["a"]
    world.pass_hours(1)

    world.server()  # nobody said good-bye
    world.end("b")

    ((_, finished, _),) = Page(world).show()
    assert finished == ["b"]


# -- watched tasks -----------------------------------------------------------------------------


def test_the_end_of_a_watched_task_is_told_once(world):
    world.submit("a", "b")
    page, other = Page(world), Page(world)
    assert world.notices.watch({"task_id": "a", "on": True}) == {"on": True}
    world.end("a", "b")
    world.look()
    world.look()

    assert sorted((page.show(), other.show())) == [[], ["a"]]


def test_a_task_that_is_open_in_a_page_is_watched_unless_switched_off(world):
    world.submit("open", "muted")
    page = Page(world)
    world.notices.watch({"task_id": "muted", "on": False})
    for task_id in ("open", "muted"):
        world.notices.opened(task_id)
    world.end("open", "muted")
    world.look()

    assert page.show() == ["open"]


def test_an_ended_task_that_is_opened_is_no_news(world):
    world.submit("a")
    world.end("a")
    page = Page(world)
    world.notices.opened("a")
    world.look()

    assert page.show() == []
    assert load(world.path).watched == {}


def test_a_watched_task_that_ends_unseen_is_told_in_the_notice_of_the_absence(world):
    world.submit("a")
    page = Page(world)
    world.notices.watch({"task_id": "a", "on": True})
    page.leave()
    world.end("a")
    page = Page(world)
    world.look()

    assert page.show() == [(iso(TUESDAY), ["a"], [])]


@pytest.mark.parametrize(
    "params", [{}, {"task_id": "a"}, {"task_id": "a", "on": 1}, {"task_id": "../a", "on": True}]
)
def test_wishes_that_are_none_are_refused(world, params):
    with pytest.raises(UserInputError):
        world.notices.watch(params)


@pytest.mark.parametrize("notice_id", [None, 7, "", "none of ours"])
def test_an_unknown_notice_is_nobodys_first(world, notice_id):
    assert world.notices.seen({"notice_id": notice_id}) == {"is_first": False}


def test_of_many_threads_one_may_show_a_notice(world):
    world.submit("a")
    Page(world).leave()
    world.end("a")
    page = Page(world)
    (notice,) = page.told
    answers = []
    start = threading.Barrier(8)

    def ask():
        start.wait(10)
        answers.append(world.notices.seen(notice)["is_first"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 7 + [True]


# -- the file ----------------------------------------------------------------------------------


def test_the_record_is_for_its_owner_and_written_in_one_step(world):
    world.submit("a")
    Page(world).leave()

    assert stat.S_IMODE(world.path.stat().st_mode) == 0o600
    assert [path.name for path in world.path.parent.iterdir()] == [world.path.name]
    assert json.loads(world.path.read_bytes())["running"] == ["a"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"running": 7}', '{"version": 99}'])
def test_a_damaged_record_is_a_first_run(world, text):
    world.submit("a")
    world.end("a")
    world.path.write_text(text)

    assert Page(world).show() == []
    assert load(world.path).ended == ["a"]


def test_a_record_that_cannot_be_written_costs_no_more_than_itself(tmp_path, caplog):
    (tmp_path / "file").touch()
    world = World(tmp_path / "file")
    world.submit("a")
    Page(world).leave()
    world.end("a")

    assert Page(world).show() == [(iso(TUESDAY), ["a"], [])]  # as long as the server lives
    assert "cannot be written" in caplog.text


def test_the_record_stays_small(tmp_path):
    record = Record(seen_at=iso(TUESDAY))
    for number in range(30):
        rows = [
            {
                "task_id": f"t{number}x{i}",
                "status": "success",
                "is_terminal": True,
                "ended_at": iso(TUESDAY),
                "stale": None,
            }
            for i in range(100)
        ]
        record.watched |= {row["task_id"]: True for row in rows}
        take_in(record, rows, TUESDAY, is_back=False)

    assert (len(record.ended), len(record.pending)) == (ENDED_KEPT, PENDING_KEPT)
    assert record.watched == {}
    save(tmp_path / "r", record)
    assert load(tmp_path / "r") == record


# -- a real server -----------------------------------------------------------------------------


def away(stream):
    while True:
        message = stream.next()
        if message["kind"] == "event" and message["event"]["kind"] == "away":
            return message["event"]


def test_a_real_server_tells_it_once_after_a_restart(tmp_path, start_engine):
    engine = start_engine("--slots", "1")
    with contextlib.closing(
        Server(tmp_path / "jupyter", INDUCTIVA_WIDGETS_DATA_DIR=str(engine.data_dir))
    ) as server:
        task_id = engine.create("true")
        with Stream(server) as stream:
            assert server.subscribe(stream.page, "notices", "tasks").ok
            stream.read("tasks")
            records = server.home / "jupyter_data_dir" / "inductiva_widgets"
            (path,) = wait_until(lambda: list(records.glob("notices-*.json")))
            wait_until(lambda: task_id in path.read_text())
        server.close()
        engine.call("POST", f"/tasks/{task_id}/kill")
        server.start()
        with Stream(server) as stream:
            assert server.subscribe(stream.page, "notices").ok
            notice = away(stream)

        assert [task["task_id"] for task in notice["finished"]] == [task_id]
        notice_id = {"notice_id": notice["notice_id"]}
        assert server.result("notices.seen", notice_id) == {"is_first": True}
        assert server.result("notices.seen", notice_id) == {"is_first": False}
        assert json.loads(path.read_bytes())["pending"] == []
        assert engine.key not in path.read_text()
