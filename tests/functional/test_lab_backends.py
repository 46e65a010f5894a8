"""Several backends and accounts behind one Jupyter server: nothing reaches the wrong one."""

from __future__ import annotations

import contextlib
import shutil
import stat

import pytest
from lab_server import Server, Stream
from raw_engine import launch

from inductiva_widgets import __version__, local
from inductiva_widgets import backend as backends
from inductiva_widgets.api.config import DEFAULT_URL, ApiKey, Config
from inductiva_widgets.lab.accounts import AccountMarks
from inductiva_widgets.local.server import EngineInfo

NOT_COPIED = shutil.ignore_patterns("api_key", "server.json", "*.lock", "engine.log")
TASKS = 4
WRONG_KEY = "canary-0123456789abcdef"
SECOND_KEY = "second-key-of-it"


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Two engines with the same tasks, each with a key of its own; the tasks wait for inputs."""
    home = tmp_path_factory.mktemp("twins")
    with contextlib.closing(launch(home / "one", "--port", "0")) as first:
        task_ids = [first.create("true") for _ in range(TASKS)]
    shutil.copytree(home / "one", home / "two", ignore=NOT_COPIED)
    with (
        contextlib.closing(launch(home / "one", "--port", "0")) as one,
        contextlib.closing(launch(home / "two", "--port", "0")) as two,
    ):
        assert one.key != two.key
        yield one, two, task_ids


@pytest.fixture(scope="module")
def server(twins, tmp_path_factory):
    """Knows the first engine by its settings, the second one by its folder."""
    one, two, _ = twins
    with contextlib.closing(
        Server(
            tmp_path_factory.mktemp("jupyter"),
            INDUCTIVA_API_KEY=one.key,
            INDUCTIVA_API_URL=one.url,
            INDUCTIVA_WIDGETS_DATA_DIR=str(two.data_dir),
        )
    ) as started:
        yield started


def place(entry):
    return {"backend": entry["id"], "account": entry["account"]}


# -- two engines with the same tasks -----------------------------------------------------------


def test_pages_learn_the_backends_and_no_key(server, twins):
    one, two, _ = twins

    told = server.ask("GET", "api/backends")

    first, second = told.json()["backends"]
    assert told.json()["default"] == first["id"]
    assert (told.json()["readonly"], told.json()["key_source"]) == (False, "environment")
    assert (first["name"], first["is_local"]) == (one.url.removeprefix("http://"), False)
    assert (second["name"], second["is_local"]) == ("local engine", True)
    assert len({first["id"], second["id"], first["account"], second["account"]}) == 4
    assert told.headers["Cache-Control"] == "no-store"
    for secret in (one.key, two.key, str(two.data_dir)):
        assert secret not in told.text


def test_a_kill_reaches_the_backend_that_is_named_and_no_other(server, twins):
    one, two, (first, second, third, _) = twins
    a, b = server.backends()["backends"]

    server.result("task.kill", {"task_id": first}, **place(b))
    server.result("task.kill", {"task_id": second}, **place(a))
    server.result("task.kill", {"task_id": third})  # the default

    states = [[engine.status(i)["status"] for i in (first, second, third)] for engine in (one, two)]
    assert states == [
        ["pending-input", "killed", "killed"],
        ["killed", "pending-input", "pending-input"],
    ]


def test_a_task_bears_the_name_of_its_own_backend(server, twins):
    _, _, (*_, task_id) = twins

    entries = server.backends()["backends"]
    assert len(entries) == 2
    for entry in entries:
        summary = server.result("task.get", {"task_id": task_id}, **place(entry))
        assert summary["backend"] == {"id": entry["id"], "name": entry["name"]}


def test_one_stream_carries_the_same_topic_of_two_backends(server, twins):
    _, _, (*_, task_id) = twins
    entries = server.backends()["backends"]
    topics = {f"{e['id']}:{e['account']}:task/{task_id}": e["id"] for e in entries}

    with Stream(server) as stream:
        assert server.subscribe(stream.page, *topics, f"task/{task_id}").ok
        told = {}
        while len(told) < 3:  # a topic may tell twice before another one tells at all
            message = stream.read("task")
            told[message["topic"]] = message["event"]["task"]["backend"]["id"]

    assert told == {**topics, f"task/{task_id}": entries[0]["id"]}


def test_a_backend_that_is_not_known_is_refused_by_name(server, twins):
    _, _, (*_, task_id) = twins

    error = server.error(
        "task.kill", {"task_id": task_id}, backend="0" * 12, backend_name="api.inductiva.ai"
    )

    assert error["type"] == "UnknownBackendError"
    assert "api.inductiva.ai" in error["message"]
    assert "local engine" in error["hint"]
    for engine in twins[:2]:
        assert engine.status(task_id)["status"] == "pending-input"


def test_another_account_is_refused_and_nothing_is_sent(server, twins):
    _, _, (*_, task_id) = twins
    a, b = server.backends()["backends"]

    for backend, account in [(a["id"], b["account"]), (b["id"], "0" * 16)]:
        error = server.error("task.kill", {"task_id": task_id}, backend=backend, account=account)
        assert error["type"] == "AccountChangedError"
        assert "nothing was sent" in error["message"]

    for engine in twins[:2]:
        assert engine.status(task_id)["status"] == "pending-input"


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ({"backend": 7}, "UserInputError"),
        ({"backend": ["x"]}, "UserInputError"),
        ({"backend": ""}, "UnknownBackendError"),
        ({"backend": "../x"}, "UnknownBackendError"),
        ({"account": 7}, "UserInputError"),
        ({"account": "x"}, "AccountChangedError"),
        ({"backend_name": {}}, "UserInputError"),
        ({"backend": "x", "backend_name": "<b>\u202eevil" * 50}, "UnknownBackendError"),
    ],
)
def test_places_that_are_none_are_refused(server, header, kind):
    error = server.error("tasks.list", {"last_n": 1}, **header)

    assert error["type"] == kind
    assert len(error["message"]) < 300
    assert "\u202e" not in error["message"]


def test_topics_of_others_are_refused_and_do_not_hide_the_good_ones(server, twins):
    _, _, (*_, task_id) = twins
    a, _ = server.backends()["backends"]
    topics = [f"{'0' * 12}::task/{task_id}", f"{a['id']}:{'0' * 16}:task/{task_id}"]

    with Stream(server) as stream:
        reply = server.subscribe(stream.page, *topics, f"{a['id']}::task/{task_id}")

        assert reply.status_code == 400
        assert stream.read("task")["topic"] == f"{a['id']}::task/{task_id}"


# -- the key -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def account_engine(tmp_path_factory):
    """An engine that takes a second key besides its own."""
    folder = tmp_path_factory.mktemp("accounts") / "data"
    with contextlib.closing(launch(folder, "--port", "0", INDUCTIVA_API_KEY=SECOND_KEY)) as started:
        yield started


@pytest.fixture(scope="module")
def keyless_server(account_engine, tmp_path_factory):
    with contextlib.closing(
        Server(tmp_path_factory.mktemp("keyless"), INDUCTIVA_API_URL=account_engine.url)
    ) as started:
        yield started


@pytest.fixture
def keyless(keyless_server):
    """A server that knows where a service is, and no key for it."""
    keyless_server.key_file.unlink(missing_ok=True)
    assert keyless_server.backends()["key_source"] is None
    return keyless_server


def test_a_key_that_is_replaced_while_a_card_is_open(keyless, account_engine):
    engine, server = account_engine, keyless
    first, second = engine.key, SECOND_KEY
    task_id = engine.create("true")
    assert server.ask("POST", "api/key", json={"key": first}).ok
    (before,) = server.backends()["backends"]
    topic = f"{before['id']}:{before['account']}:task/{task_id}"
    with Stream(server) as stream:
        assert server.subscribe(stream.page, topic).ok
        stream.read("task")

        refused = server.ask("POST", "api/key", json={"key": second})
        assert refused.status_code == 409
        assert refused.json()["error"]["type"] == "ConfigurationError"
        assert server.key_file.read_text() == first
        reply = server.ask("POST", "api/key", json={"key": second, "replace": True})

        (after,) = reply.json()["backends"]
        with pytest.raises(StopIteration):  # the card's events end
            stream.read("nothing")
    assert after["id"] == before["id"]
    assert after["account"] != before["account"]
    assert server.key_file.read_text() == second

    error = server.error("task.kill", {"task_id": task_id}, **place(before))
    assert error["type"] == "AccountChangedError"
    with Stream(server) as stream:
        assert server.subscribe(stream.page, topic).status_code == 400
    assert engine.status(task_id)["status"] == "pending-input"
    assert server.result("task.get", {"task_id": task_id}, **place(after))


@pytest.mark.fault(85)
def test_a_key_file_with_another_key_is_noticed_while_a_refused_one_is_in_use(
    keyless, account_engine
):
    server = keyless
    server.key_file.parent.mkdir(parents=True, exist_ok=True)
    server.key_file.write_text(WRONG_KEY)
    (before,) = server.backends()["backends"]
    with Stream(server) as stream:
        assert server.subscribe(stream.page, "tasks").ok
        assert server.error("tasks.list", {})["type"] == "AuthenticationError"
        server.key_file.write_text(account_engine.key)  # as another program does
        with pytest.raises(StopIteration):  # the page comes back then by itself
            stream.read("nothing")

    with Stream(server) as stream:
        assert server.subscribe(stream.page, "tasks").ok
        assert stream.read("tasks")
    (after,) = server.backends()["backends"]
    assert after["account"] != before["account"]  # as it may be another one, views are told


def test_the_first_key_takes_effect_at_once_and_is_for_its_owner_only(keyless, account_engine):
    key, server = account_engine.key, keyless
    assert server.backends() == {
        "default": None,
        "readonly": False,
        "key_source": None,
        "backends": [],
        "version": __version__,
    }
    with Stream(server) as stream:
        assert stream.next() == {"kind": "hello"}
        assert server.subscribe(stream.page, "tasks").status_code == 400

        reply = server.ask("POST", "api/key", json={"key": f" {key}\n"})

        assert reply.status_code == 200
        assert stream.next() == {"kind": "backends"}
        assert stream.read("tasks")["topic"] == "tasks"  # what was refused goes on by itself
    assert reply.json()["key_source"] == "file"
    assert stat.S_IMODE(server.key_file.stat().st_mode) == 0o600
    assert server.key_file.read_text() == key
    again = server.ask("POST", "api/key", json={"key": key})
    assert again.status_code == 200  # the same one replaces nothing
    for text in (reply.text, again.text, server.log.read_text()):
        assert key not in text


@pytest.mark.parametrize(
    "body",
    [
        {"key": "with a blank" + WRONG_KEY},
        {"key": ""},
        {"key": None},
        {"key": 7},
        {"key": WRONG_KEY * 100},
        {"key": WRONG_KEY, "url": "https://evil.example"},
        [WRONG_KEY],
        {},
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(keyless, body):
    reply = keyless.ask("POST", "api/key", json=body)

    assert reply.status_code == 400
    assert reply.json()["error"]["type"] in ("UserInputError", "ConfigurationError")
    assert WRONG_KEY not in reply.text
    assert WRONG_KEY not in keyless.log.read_text()
    assert not keyless.key_file.exists()


def test_a_key_of_the_environment_rules(server):
    reply = server.ask("POST", "api/key", json={"key": WRONG_KEY, "replace": True})

    assert reply.status_code == 403
    assert "INDUCTIVA_API_KEY" in reply.json()["error"]["message"]
    assert not server.key_file.exists()


def test_a_key_that_is_taken_away_is_used_no_more(keyless, account_engine):
    assert keyless.ask("POST", "api/key", json={"key": account_engine.key}).ok
    assert keyless.result("tasks.list", {"last_n": 1})
    keyless.key_file.unlink()

    assert keyless.backends()["backends"] == []
    assert keyless.error("tasks.list", {"last_n": 1})["type"] == "ConfigurationError"


@pytest.mark.full
def test_the_engine_is_started_by_a_click_and_found_again_at_another_port(tmp_path):
    folder = tmp_path / "engine"
    with contextlib.closing(
        Server(tmp_path / "jupyter", INDUCTIVA_WIDGETS_DATA_DIR=str(folder))
    ) as server:
        reply = server.ask("POST", "api/engine", json={})
        assert reply.ok, reply.text
        (before,) = reply.json()["backends"]
        assert (before["is_local"], reply.json()["default"]) == (True, before["id"])
        local.stop(folder)
        error = server.error("tasks.list", {"last_n": 1}, **place(before))
        assert error["retryable"]
        assert server.backends()["backends"] == [before]  # it may come back

        with contextlib.closing(launch(folder, "--port", "0")) as second:
            assert server.backends()["backends"] == [before]
            task_id = second.create("true")
            summary = server.result("task.get", {"task_id": task_id}, **place(before))
            assert summary["backend"]["id"] == before["id"]


def test_engines_of_both_folders_are_found_and_the_settings_come_first(tmp_path, monkeypatch):
    def found(folder):
        folder.mkdir(parents=True)
        key_file = folder / "api_key"
        key_file.write_text(folder.name)
        return EngineInfo(f"http://127.0.0.1:{len(engines) + 9}", key_file, 1, folder)

    named, usual = tmp_path / "named", local.default_data_dir()
    engines = {}
    engines[named] = found(tmp_path / "named-engine")
    engines[usual] = found(tmp_path / "usual-engine")
    monkeypatch.setattr("inductiva_widgets.local.server.find", engines.get)
    monkeypatch.setenv("INDUCTIVA_WIDGETS_DATA_DIR", str(named))
    urls = [engine.url for engine in engines.values()]

    assert [config.url for config in backends.find_all()] == urls
    monkeypatch.setenv("INDUCTIVA_API_KEY", WRONG_KEY)
    assert [config.url for config in backends.find_all()] == [DEFAULT_URL, *urls]
    monkeypatch.setenv("INDUCTIVA_WIDGETS_LOCAL", "1")
    assert [config.url for config in backends.find_all()] == [*urls, DEFAULT_URL]


def test_marks_of_accounts_outlive_the_server_and_are_of_no_use_elsewhere(tmp_path):
    one, other = (Config(DEFAULT_URL, ApiKey(key), "a test", tmp_path) for key in ("a", "b"))
    marks = AccountMarks(tmp_path / "mine")

    assert marks.of(one) == AccountMarks(tmp_path / "mine").of(one)
    assert marks.of(one) != marks.of(other)
    assert marks.of(one) != AccountMarks(tmp_path / "yours").of(one)
    assert stat.S_IMODE((tmp_path / "mine" / "salt").stat().st_mode) == 0o600


def test_a_salt_that_was_cut_is_made_anew_once(tmp_path):
    (tmp_path / "salt").write_bytes(b"cut")
    config = Config(DEFAULT_URL, ApiKey("a"), "a test", tmp_path)

    assert AccountMarks(tmp_path).of(config) == AccountMarks(tmp_path).of(config)


def test_marks_work_without_a_folder_to_write_to(tmp_path):
    (tmp_path / "file").touch()
    marks = AccountMarks(tmp_path / "file")
    config = Config(DEFAULT_URL, ApiKey("a"), "a test", tmp_path)

    assert marks.of(config) == marks.of(config)


# -- read-only ---------------------------------------------------------------------------------


def test_a_read_only_server_behind_a_prefix_has_no_way_to_change_anything(twins, tmp_path):
    one, two, (*_, task_id) = twins
    with contextlib.closing(
        Server(
            tmp_path / "jupyter",
            base="/user/x/",
            INDUCTIVA_WIDGETS_READONLY="1",
            INDUCTIVA_WIDGETS_DATA_DIR=str(two.data_dir),
        )
    ) as server:
        assert "/user/x/inductiva-widgets/" in server.url
        assert server.backends()["readonly"] is True
        for method in ("task.kill", "tasks.kill", "tasks.submit"):
            error = server.error(method, {"task_id": task_id, "task_ids": [task_id]})
            assert error["type"] == "UserInputError"
            assert "no method" in error["message"]
        for route, body in [("key", {"key": WRONG_KEY}), ("engine", {})]:
            reply = server.ask("POST", f"api/{route}", json=body)
            assert reply.status_code == 403
            assert "read-only" in reply.json()["error"]["message"]
        assert not server.key_file.exists()
        with Stream(server) as stream:
            assert server.subscribe(stream.page, f"task/{task_id}").ok
            assert stream.read("task")["event"]["task"]["status"] == "pending-input"

    assert one.status(task_id)["status"] == two.status(task_id)["status"] == "pending-input"
