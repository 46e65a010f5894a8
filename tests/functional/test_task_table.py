"""TaskTable, the display of several tasks, and their comparison: without a browser."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
from types import SimpleNamespace

import pandas as pd
import pytest
import test_widgets
from test_widgets import EVIL, WIDGET_MIME, View, connected, settled
from waiting import wait_until

import inductiva_widgets as iw
from inductiva_widgets import Task, TaskList, TaskMonitor, TaskTable
from inductiva_widgets import backend as backends
from inductiva_widgets.api.models import TaskRecord
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.notebook import display, magics, session
from inductiva_widgets.service.dispatch import service_of

LAST = {"last_n": 100}
notebook, backend = test_widgets.notebook, test_widgets.backend


@pytest.fixture(scope="module")
def three(engine):
    """Ids of three ended tasks, newest first; the last two differ in an input and a note."""
    made = [
        engine.run("python run.py", files={"run.py": "print(1)", "same.txt": "a"}),
        engine.run("python run.py", files={"run.py": "print(2)", "same.txt": "a", "more.txt": "b"}),
        engine.run("false"),
    ]
    return [record["task_id"] for record in reversed(made)]


def got(ids, backend):
    """These tasks as the service lists them; other tests leave newer ones."""
    found = iw.tasks.get(None, backend=backend)
    ours = [task for task in found if task.id in ids]
    return TaskList(ours, listed=found.listed, as_of=found.as_of)


def listed(table, view, method="tasks.list", **params):
    view.call(method, {**LAST, **params}, call_id=f"{method}-{len(view.events)}-{params}")
    answer, buffers = view.answer(f"{method}-{len(view.events)}-{params}")
    assert answer["kind"] == "result", answer
    return answer["result"], buffers


# -- which tasks ---------------------------------------------------------------------------------


def test_a_table_shows_all_tasks_and_how_many_there_are(backend, three):
    table = TaskTable(last_n=2, backend=backend)

    result, _ = listed(table, View(table), last_n=2)

    newest = [task.id for task in iw.tasks.get(2, backend=backend)]
    assert [task["task_id"] for task in result["tasks"]] == newest
    assert result["total"] >= 3
    assert (table.last_n, table.is_chosen) == (2, False)


@pytest.mark.parametrize("kind", ["list", "ids", "frame"])
def test_a_table_of_chosen_tasks_knows_no_others(backend, three, kind):
    ids = [three[2], three[0]]
    given = {
        "list": TaskList(Task(one, backend=backend) for one in ids),
        "ids": ids,
        "frame": pd.DataFrame(index=pd.Index(ids, name="task_id")),
    }[kind]
    table = TaskTable(given, backend=backend)
    view = View(table)

    result, _ = listed(table, view)
    packed, (bulk,) = listed(table, view, "tasks.all")

    assert [task["task_id"] for task in result["tasks"]] == [three[0], three[2]]
    assert result["total"] == packed["total"] == 2
    assert json.loads(gzip.decompress(bulk))["task_id"] == [three[0], three[2]]
    assert table.is_chosen


def test_ids_that_the_service_does_not_know_are_left_out(backend, three):
    table = TaskTable([three[0], "nosuchtask"], backend=backend)

    result, _ = listed(table, View(table))

    assert [task["task_id"] for task in result["tasks"]] == [three[0]]
    assert result["total"] == 1


def test_chosen_tasks_that_have_ended_are_asked_for_once(backend, three, monkeypatch):
    asked = []
    real = type(backend.client).task
    monkeypatch.setattr(
        type(backend.client), "task", lambda self, one: asked.append(one) or real(self, one)
    )
    table = TaskTable(three, backend=backend)
    view = View(table)

    listed(table, view)
    listed(table, view, again=1)

    assert sorted(asked) == sorted(three)


def test_many_chosen_tasks_come_by_pages_of_the_list(backend, three, monkeypatch):
    from inductiva_widgets.service import chosen_tasks

    monkeypatch.setattr(chosen_tasks, "ASKED_ONE_BY_ONE", 1)
    monkeypatch.setattr(type(backend.client), "task", lambda *_: pytest.fail("asked one by one"))
    service = service_of(backend)

    result, _ = service.call("tasks.list", {"ids": three})

    assert [task["task_id"] for task in result["tasks"]] == three


def test_events_of_the_list_tell_a_table_of_chosen_tasks_of_these_only(backend, three):
    table = TaskTable(three[1:2], backend=backend)
    view = View(table)
    listed(table, view)

    view.send({"kind": "subscribe", "topic": "tasks"})
    while True:
        message, _ = view.next()
        if message["kind"] == "event":
            break

    assert [task["task_id"] for task in message["event"]["tasks"]] == [three[1]]
    assert message["event"]["total"] == 1


@pytest.mark.parametrize(
    "given",
    [
        {"last_n": 0},
        {"last_n": "10"},
        {"status": "done"},
        {"project": ""},
        {"tasks": 7},
        {"tasks": ["not an id"]},
        {"tasks": [None]},
    ],
)
def test_a_table_of_nonsense_is_refused(backend, given):
    with pytest.raises(UserInputError):
        TaskTable(**given, backend=backend)


@pytest.mark.parametrize(
    ("given", "meant"),
    [({"lastn": 3}, "'last_n'"), ({"layuot": {}}, "'layout'"), ({"q": 1}, "known")],
)
def test_a_misspelt_argument_is_a_type_error_with_the_closest_name(backend, three, given, meant):
    with pytest.raises(TypeError, match=meant):
        TaskTable(**given, backend=backend)
    with pytest.raises(TypeError, match="foo"):
        TaskMonitor(Task(three[0], backend=backend), foo=1)


def test_a_table_says_which_tasks_it_has(backend, three):
    tables = [
        TaskTable(last_n=2, status="success", backend=backend),
        TaskTable(last_n=None, backend=backend, layout={"height": "300px"}),
        TaskTable([Task(three[0], backend=backend)]),
    ]
    assert [repr(table) for table in tables] == [
        "<TaskTable: newest 2 tasks of local engine, status success>",
        "<TaskTable: all tasks of local engine>",
        "<TaskTable: 1 task of local engine>",
    ]
    for table in tables:
        table.close()


def test_tasks_of_several_services_are_no_table(engine, backend, three, tmp_path):
    with contextlib.closing(connected(engine.url, engine.key, tmp_path / "other")) as other:
        mixed = TaskList([Task(three[0], backend=backend), Task(three[1], backend=other)])

        with pytest.raises(UserInputError, match="several services"):
            TaskTable(mixed)
        with pytest.raises(UserInputError, match="several services"):
            mixed.to_dataframe()


@pytest.mark.parametrize(
    "params",
    [
        {"ids": "abc"},
        {"ids": ["not an id"]},
        {"ids": [7]},
        {"ids": ["a"] * 50_001},
        {"ids": ["a"], "last_n": 0},
    ],
)
def test_nonsense_ids_are_refused(backend, params):
    with pytest.raises(UserInputError):
        service_of(backend).call("tasks.list", params)


# -- what is ticked ------------------------------------------------------------------------------


def test_what_is_ticked_is_known_to_python_and_can_be_observed(backend, three):
    table = TaskTable(backend=backend)
    view = View(table)
    seen = []
    table.observe(lambda change: seen.append(change["new"]), "selected_ids")

    view.call("tasks.select", {"task_ids": three[:2]})
    view.answer()

    assert seen == [three[:2]]
    assert isinstance(table.selected, TaskList)
    assert [task.id for task in table.selected] == three[:2]
    frame = table.selected.to_dataframe()
    assert list(frame.index) == three[:2]
    assert list(frame["status"]) == ["failed", "success"]


@pytest.mark.parametrize("ids", [None, "abc", [7], ["../x"], ["a"] * 50_001])
def test_a_selection_that_is_none_is_refused(backend, ids):
    table = TaskTable(backend=backend)
    view = View(table)

    view.call("tasks.select", {"task_ids": ids})

    assert view.answer()[0]["error"]["type"] == "UserInputError"
    assert table.selected == []
    assert table.selected.to_dataframe().empty


def test_the_frame_of_no_tasks_has_the_same_columns(backend, three):
    some = TaskList([Task(three[0], backend=backend)]).to_dataframe()

    assert list(TaskList().to_dataframe().columns) == list(some.columns)


# -- a monitor below the table, and the end ------------------------------------------------------


def test_a_table_hears_of_tasks_below_it_and_close_frees_everything(backend, three):
    table = TaskTable(backend=backend)
    view = View(table)
    for topic in ("tasks", f"task/{three[0]}", f"task/{three[1]}", "secrets", "task/../x"):
        view.send({"kind": "subscribe", "topic": topic})
    settled(table)
    hub = service_of(backend).hub
    assert set(hub._listeners) == {"tasks", f"task/{three[0]}", f"task/{three[1]}"}

    view.send({"kind": "unsubscribe", "topic": f"task/{three[0]}"})
    assert set(hub._listeners) == {"tasks", f"task/{three[1]}"}
    table.close()
    table.close()

    assert hub._listeners == {}
    assert table.is_closed
    assert view.comm._closed


# -- comparison ----------------------------------------------------------------------------------


def test_two_tasks_are_compared_by_facts_and_inputs(backend, three):
    _, second, first = three

    result, _ = service_of(backend).call("tasks.compare", {"task_ids": [first, second]})

    assert [task["task_id"] for task in result["tasks"]] == [first, second]
    assert [one["commands"] for one in result["details"]] == [["python run.py"]] * 2
    assert result["inputs"] == {
        "same": 1,
        "differences": [
            {"name": "more.txt", "sizes": [None, 1]},
            {"name": "run.py", "sizes": [8, 8]},
        ],
        "left_out": 0,
        "error": None,
    }


def test_inputs_that_are_gone_are_said_and_the_rest_is_told(engine, backend, three):
    gone = engine.run("true")["task_id"]
    Task(gone, backend=backend).remove_remote_files()

    result, _ = service_of(backend).call("tasks.compare", {"task_ids": [three[0], gone]})

    assert "not stored" in result["inputs"]["error"]["message"]
    assert [task["task_id"] for task in result["tasks"]] == [three[0], gone]


@pytest.mark.parametrize("ids", [None, [], ["a"], ["a", "a"], ["a", "b", "c"], ["a", 7], "ab"])
def test_only_two_different_tasks_are_compared(backend, ids):
    with pytest.raises(UserInputError):
        service_of(backend).call("tasks.compare", {"task_ids": ids})


# -- a bare list ---------------------------------------------------------------------------------


def test_a_list_displays_as_text_html_and_one_table_of_exactly_these(backend, three):
    tasks = got(three, backend)

    data, metadata = tasks._repr_mimebundle_()
    again, _ = got(three, backend)._repr_mimebundle_()

    assert set(data) == {"text/plain", "text/html", WIDGET_MIME}
    assert metadata == {}
    assert all(task_id in data["text/html"] and task_id in data["text/plain"] for task_id in three)
    assert display.table(tasks)._ids == three
    assert data == again


def test_a_slice_of_a_list_is_a_list_that_displays_without_asking(backend, three, monkeypatch):
    tasks = got(three, backend)
    monkeypatch.setattr(type(backend.client), "task", lambda *_: pytest.fail("asked"))

    part = tasks[1:]

    assert isinstance(part, TaskList)
    assert [task.id for task in part] == three[1:]
    assert isinstance(part[0], Task)
    assert three[1] in part._repr_mimebundle_()[0]["text/html"]


def test_the_html_of_ended_tasks_has_no_time_of_asking_and_the_same_bytes_again(
    engine, backend, three, tmp_path
):
    with contextlib.closing(connected(engine.url, engine.key, tmp_path / "other")) as other:
        one, two = (got(three, where)._repr_mimebundle_()[0] for where in (backend, other))

    assert one["text/html"] == two["text/html"]
    assert one["text/plain"] == two["text/plain"]
    assert "as of" not in one["text/html"].lower()


def test_the_html_of_running_tasks_says_when_it_was_true(engine, backend):
    task_id = engine.submit("sleep 60")
    engine.reach(task_id, "computation-started")

    html = iw.tasks.get(1, backend=backend)._repr_mimebundle_()[0]["text/html"]

    assert re.search(r"1 task, as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", html)
    engine.call("POST", f"/tasks/{task_id}/kill")
    engine.finish(task_id)


def test_tasks_named_by_hand_are_asked_for_once_and_unknown_ones_say_so(backend, three):
    tasks = TaskList(Task(one, backend=backend) for one in [three[0], "nosuchtask"])

    data, _ = tasks._repr_mimebundle_()

    assert "Failed" in data["text/html"]
    assert "Not asked yet" in data["text/html"]


@pytest.mark.fault(104)
def test_no_list_is_too_long_or_its_names_too_wild_for_a_notebook(backend, engine):
    wild = EVIL + "&\"'<>" * 20 + "\u202e\U0001f600" * 20
    records = {
        f"task{number:021}": TaskRecord(
            task_id=f"task{number:021}", simulator=wild, status=wild, project=wild
        )
        for number in range(5000)
    }
    tasks = TaskList(
        (Task(one, backend=backend) for one in records),
        listed=records,
        as_of=backend.client.clock.now(),
    )

    data, _ = tasks._repr_mimebundle_()

    assert len(json.dumps(data, ensure_ascii=False).encode()) < 16_000
    assert len(data["text/html"].encode()) + len(data["text/plain"].encode()) < 16_000
    assert "of 5000 tasks" in data["text/html"]
    assert "<img" not in data["text/html"]
    assert "\u202e" not in data["text/html"] + data["text/plain"]


@pytest.mark.fault(108)
def test_nothing_secret_is_in_what_a_notebook_saves(engine, backend, three):
    tasks = got(three, backend)
    data, _ = tasks._repr_mimebundle_()
    table = display.table(tasks)

    saved = json.dumps(data) + json.dumps(
        {k: v for k, v in table.get_state().items() if k not in ("_esm", "_css")}
    )

    for secret in (engine.key, engine.url, str(backend.config.output_dir), "127.0.0.1"):
        assert secret not in saved


def test_an_empty_list_says_so(backend):
    data, _ = TaskList()._repr_mimebundle_()

    assert data["text/plain"] == "No tasks"
    assert "No tasks" in data["text/html"]
    assert WIDGET_MIME not in data


# -- magics --------------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch, backend):
    monkeypatch.setattr(backends, "_default", backend)
    found = []
    monkeypatch.setattr(magics, "_show", found.append)
    monkeypatch.setattr(session, "shows_widgets", lambda: True)
    return found


@pytest.fixture
def run():
    """The magics as the shell knows them."""
    lines = {}
    magics.load_ipython_extension(
        SimpleNamespace(
            register_magic_function=lambda magic, kind, name: lines.update({name: magic}),
            display_formatter=SimpleNamespace(
                mimebundle_formatter=SimpleNamespace(for_type_by_name=lambda *_: None)
            ),
        )
    )
    return lambda name, line: lines[name](line)


def test_magics_show_the_newest_tasks_and_one_task(shown, run, three):
    run("tasks", "")
    run("tasks", " 2 ")
    run("task", f'"{three[0]}"')

    assert list(map(isinstance, shown, [TaskTable, TaskTable, Task])) == [True] * 3
    assert [one.last_n for one in shown[:2]] == [50, 2]
    assert shown[2].id == three[0]


def test_outside_a_kernel_the_magic_shows_a_list(shown, run, three, monkeypatch):
    monkeypatch.setattr(session, "shows_widgets", lambda: False)

    run("tasks", "2")

    assert shown == [iw.tasks.get(2)]


@pytest.mark.parametrize(
    ("name", "line"),
    [("tasks", "0"), ("tasks", "many"), ("tasks", "-1"), ("task", ""), ("task", "../x")],
)
def test_magics_refuse_nonsense(shown, run, name, line):
    with pytest.raises(UserInputError):
        run(name, line)
    assert shown == []


def test_a_poller_of_a_closed_table_ends(backend, three):
    table = TaskTable(backend=backend)
    View(table).send({"kind": "subscribe", "topic": "tasks"})
    hub = service_of(backend).hub
    wait_until(lambda: "tasks" in hub._watched)

    table.close()

    wait_until(lambda: hub._watched == {})
