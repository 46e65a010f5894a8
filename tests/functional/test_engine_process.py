"""One engine per folder, found only if it is alive and itself, and nothing lost when it dies."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time

import psutil
import pytest
from raw_engine import RawEngine, gone, launch
from waiting import wait_until

from inductiva_widgets import local
from inductiva_widgets.errors import EngineBusyError, LocalEngineError
from inductiva_widgets.local import finding, server
from inductiva_widgets.local.runner import Runner
from inductiva_widgets.local.service import DEFAULT_PORT


@pytest.fixture
def folder(tmp_path):
    """A data folder whose background engine, if a test starts one, is stopped at the end."""
    yield tmp_path / "data"
    local.stop(tmp_path / "data")


def kill_9(engine):
    os.kill(engine.pid, signal.SIGKILL)
    engine.process.communicate(timeout=10)
    engine.process = None


def raw(info):
    return RawEngine(info.url, info.key_file, info.pid, info.data_dir)


def test_importing_the_package_loads_no_web_server():
    code = (
        "import sys, inductiva_widgets.local as local; local.find; local.EngineInfo;"
        "print([name for name in ('starlette', 'uvicorn') if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert said == "[]\n"


def test_the_folder_is_argument_then_environment_then_platform(tmp_path, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_WIDGETS_DATA_DIR", str(tmp_path / "env"))

    assert local.data_dir(tmp_path / "arg") == tmp_path / "arg"
    assert local.data_dir() == tmp_path / "env"
    monkeypatch.delenv("INDUCTIVA_WIDGETS_DATA_DIR")
    assert "inductiva_widgets" in str(local.data_dir())


def test_start_makes_an_engine_that_find_finds_and_stop_stops(folder):
    assert local.find(folder) is None

    started = local.start(folder, slots=1)

    assert local.find(folder) == started == local.start(folder)
    assert raw(started).get("/tasks")["total_size"] == 0
    assert started.read_key() not in repr(started)
    assert local.stop(folder) is True
    assert local.find(folder) is None
    assert local.stop(folder) is False
    assert gone(psutil.Process(started.pid)) if psutil.pid_exists(started.pid) else True


def test_a_started_engine_is_in_its_own_session_and_knows_no_secret(folder, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_KEY", "users-real-key")
    monkeypatch.setenv("JUPYTER_TOKEN", "canary")
    monkeypatch.setenv("GITHUB_TOKEN", "canary")

    started = local.start(folder)

    process = psutil.Process(started.pid)
    assert os.getsid(started.pid) == started.pid
    assert not {"users-real-key", "canary"} & set(process.environ().values())
    assert started.read_key() not in " ".join(process.cmdline())
    engine = raw(started)
    engine.key = "users-real-key"
    assert engine.call("GET", "/tasks").status_code == 401


def test_callers_at_the_same_time_get_one_engine(folder):
    found = []
    threads = [threading.Thread(target=lambda: found.append(local.start(folder))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 4
    assert len(set(found)) == 1


@pytest.mark.fault(116)
def test_a_start_that_fails_says_why(tmp_path):
    (tmp_path / "data").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "engine.db")) as database:
        database.execute("PRAGMA user_version=99")

    with pytest.raises(LocalEngineError, match="newer version"):
        local.start(tmp_path / "data")


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(LocalEngineError, match="cannot be used"):
        local.start(tmp_path / "file" / "data")


def test_an_engine_that_cannot_begin_its_work_says_so(tmp_path, monkeypatch):
    def refuse(_):
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(Runner, "start", refuse)

    with pytest.raises(LocalEngineError, match="could not start"):
        local.serve(data_dir=tmp_path / "data", port=0)

    assert not (tmp_path / "data" / "server.json").exists()


@pytest.mark.parametrize(
    "text", ["", "{}", "nonsense", '{"url": "http://evil.example:80", "pid": 1}', "[]"]
)
def test_a_broken_note_is_no_engine(tmp_path, text):
    (tmp_path / "server.json").write_text(text)

    assert local.find(tmp_path) is None
    assert local.stop(tmp_path) is False


@pytest.mark.fault(114)
def test_the_note_of_a_dead_engine_is_ignored(start_engine):
    engine = start_engine()
    kill_9(engine)

    assert (engine.data_dir / "server.json").exists()
    assert local.find(engine.data_dir) is None
    assert local.stop(engine.data_dir) is False


class _Stranger(http.server.BaseHTTPRequestHandler):
    """Took the port of a dead engine, and notes what it is sent."""

    seen: list[str] = []  # noqa: RUF012 - one list for the class is the point

    def do_GET(self):
        self.seen.append(f"{self.path} {self.headers}")
        self.send_response(200)
        self.send_header("x-engine-proof", "0" * 64)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.fault(114)
def test_a_stranger_on_the_port_is_not_taken_for_the_engine_and_gets_no_key(tmp_path):
    (tmp_path / "api_key").write_text("secret-key")
    with http.server.HTTPServer(("127.0.0.1", 0), _Stranger) as stranger:
        thread = threading.Thread(target=stranger.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{stranger.server_port}"
        note = {"url": url, "pid": os.getpid(), "pid_create_time": 0.0}
        (tmp_path / "server.json").write_text(json.dumps(note))

        assert local.find(tmp_path) is None

        thread.join()
        assert len(_Stranger.seen) == 1
        assert "secret-key" not in _Stranger.seen[0]
        assert local.stop(tmp_path) is False


@pytest.mark.fault(114)
def test_a_stranger_that_answers_byte_by_byte_holds_nobody_up(tmp_path, monkeypatch):
    monkeypatch.setattr(finding, "HANDSHAKE_LIMIT_S", 0.3)
    is_over = threading.Event()
    sent = []

    def drip(stranger):
        with stranger.accept()[0] as connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not is_over.wait(0.05):
                sent.append(connection.send(b"x"))

    (tmp_path / "api_key").write_text("secret-key")
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        thread = threading.Thread(target=drip, args=(stranger,))
        thread.start()
        url = f"http://127.0.0.1:{stranger.getsockname()[1]}"
        note = {"url": url, "pid": os.getpid(), "pid_create_time": 0.0}
        (tmp_path / "server.json").write_text(json.dumps(note))

        assert local.find(tmp_path) is None  # though every byte came soon

        is_over.set()
        thread.join()
        assert sent


def test_an_engine_that_somebody_else_ended_is_collected(folder):
    started = local.start(folder)
    os.kill(started.pid, signal.SIGKILL)

    wait_until(lambda: local.stop(folder) is False and not server._started)


@pytest.mark.fault(115)
def test_a_second_engine_on_a_folder_is_refused_by_name(start_engine):
    engine = start_engine()

    with pytest.raises(EngineBusyError) as caught:
        local.serve(data_dir=engine.data_dir, port=0)

    assert (caught.value.pid, caught.value.url) == (engine.pid, engine.url)
    assert str(engine.pid) in str(caught.value)
    assert engine.get("/tasks")["total_size"] == 0


@pytest.mark.fault(115)
def test_a_lock_file_that_somebody_removed_lets_no_second_engine_in(start_engine):
    engine = start_engine()
    (engine.data_dir / "engine.lock").unlink()

    with pytest.raises(EngineBusyError, match=str(engine.pid)):
        local.serve(data_dir=engine.data_dir, port=0)


@pytest.mark.fault(114)
def test_a_taken_default_port_is_replaced_and_another_is_an_error(tmp_path):
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(socket.socket())
        with contextlib.suppress(OSError):  # somebody holds it already: just as good
            holder.bind(("127.0.0.1", DEFAULT_PORT))
            holder.listen()
        engine = launch(tmp_path / "data")
        stack.callback(engine.close)
        taken = int(engine.url.rpartition(":")[2])

        assert taken != DEFAULT_PORT
        with pytest.raises(LocalEngineError, match=f"Port {taken}"):
            local.serve(data_dir=tmp_path / "other", port=taken)


def test_the_first_line_tells_what_a_caller_needs(start_engine):
    engine = start_engine()

    assert engine.url.startswith("http://127.0.0.1:")
    assert engine.key_file == engine.data_dir / "api_key"
    assert engine.pid == engine.process.pid


@pytest.mark.fault(126)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_engine_in_order(start_engine, number):
    engine = start_engine("--kill-grace", "0.5")
    running = engine.submit("sleep 60")
    engine.reach(running, "computation-started")
    queued = engine.create("true")

    engine.process.send_signal(number)
    engine.process.communicate(timeout=10)

    assert engine.process.returncode == 0
    assert not (engine.data_dir / "server.json").exists()
    engine.process = None
    again = start_engine()
    task = again.get(f"/tasks/{running}")
    assert task["status"] == "executer-failed"
    assert task["error_detail"] == "The local engine was stopped while the task ran."
    assert "artifacts/stdout.txt" in again.archive(running).namelist()
    assert again.status(queued)["status"] == "pending-input"


@pytest.mark.fault(126)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_engine_ends_with_its_parent_and_what_it_ran(tmp_path, moment):
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    if moment == "before":  # a notebook that dies while its engine starts
        parent.kill()
        parent.wait()
    engine = launch(tmp_path / "data", "--port", "0", "--parent-pid", str(parent.pid))
    try:
        if moment == "after":
            code = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nopen('on', 'w')\n"
            running = engine.submit("python run.py", files={"run.py": code + "time.sleep(300)"})
            wait_until((engine.work_folder(running) / "on").exists)
            of_task = psutil.Process(engine.pid).children(recursive=True)
            assert of_task
            parent.kill()
            parent.wait()

        engine.process.communicate(timeout=30)

        assert engine.process.returncode == 0
        assert moment == "before" or all(map(gone, of_task))
    finally:
        engine.close()


@pytest.mark.fault(112)
def test_after_kill_9_every_task_is_in_a_true_state_and_no_process_is_left(start_engine):
    engine = start_engine("--slots", "2", "--kill-grace", "0.5")
    done = engine.run("true")["task_id"]
    code = (
        "import os, subprocess, time\nopen('part.txt', 'w').write('so far')\n"
        "child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        "open('pids', 'w').write(f'{os.getpid()} {child.pid}')\ntime.sleep(300)"
    )
    running = engine.submit("python run.py", files={"run.py": code})
    doomed = engine.submit(
        "python run.py", files={"run.py": "import signal\nsignal.signal(15, 1)\n" + code}
    )
    pids = [engine.work_folder(task) / "pids" for task in (running, doomed)]
    wait_until(lambda: all(path.exists() and path.read_text() for path in pids))
    orphans = [psutil.Process(int(pid)) for path in pids for pid in path.read_text().split()]
    queued = [engine.submit("true") for _ in range(3)]
    waiting = engine.create("true")
    killed = engine.create("true")
    engine.call("POST", f"/tasks/{killed}/kill")
    assert engine.call("POST", f"/tasks/{doomed}/kill").json()["status"] == "pending-kill"

    kill_9(engine)
    engine = start_engine("--slots", "2")

    assert engine.get("/tasks")["total_size"] == 8
    task = engine.finish(running)
    assert (task["status"], task["is_terminated"]) == ("executer-failed", True)
    assert task["error_detail"] == "The local engine was stopped while the task ran."
    assert engine.output(running, "part.txt") == "so far"
    operations = [one for entry in task["status_history"] for one in entry["operations"]]
    assert all(one["end_timestamp"] and one["status"] != "RUNNING" for one in operations)
    assert engine.finish(doomed)["status"] == "killed"
    assert [engine.finish(one)["status"] for one in queued] == ["success"] * 3
    assert engine.status(waiting)["status"] == "pending-input"
    assert engine.status(done)["status"] == "success"
    assert engine.status(killed)["status"] == "killed"
    wait_until(lambda: all(map(gone, orphans)))


@pytest.mark.fault(112)
def test_a_number_that_was_given_to_another_process_is_not_killed(start_engine):
    engine = start_engine("--kill-grace", "0.5")
    running = engine.submit("sleep 300")
    engine.reach(running, "computation-started")
    wait_until(lambda: rows(engine, "SELECT pid FROM processes"))
    kill_9(engine)
    (recorded,) = rows(engine, "SELECT pid FROM processes")
    seen_s = time.monotonic()
    wait_until(lambda: time.monotonic() > seen_s + 0.1)  # numbers do not come round in less
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as bystander:
        write(engine, "UPDATE processes SET pid = ?, session = ?", bystander.pid, bystander.pid)

        again = start_engine()
        assert again.finish(running)["status"] == "executer-failed"

        assert bystander.poll() is None
        assert not psutil.pid_exists(recorded[0]) or gone(psutil.Process(recorded[0]))
        bystander.kill()


@pytest.mark.fault(116)
@pytest.mark.parametrize(
    "content", [b"this was a database" * 500, None], ids=["damaged", "removed"]
)
def test_tasks_of_a_lost_database_are_found_again_by_their_files(start_engine, content):
    engine = start_engine("--kill-grace", "0.5")
    done = engine.run("touch result.txt")["task_id"]
    code = (
        "import os, time\nopen('part.txt', 'w').write('so far')\n"
        "open('pid', 'w').write(str(os.getpid()))\ntime.sleep(300)"
    )
    running = engine.submit("python run.py", files={"run.py": code})
    pid = engine.work_folder(running) / "pid"
    wait_until(lambda: pid.exists() and pid.read_text())
    orphan = psutil.Process(int(pid.read_text()))
    kill_9(engine)
    for path in engine.data_dir.glob("engine.db*"):
        path.unlink()
    if content is not None:
        (engine.data_dir / "engine.db").write_bytes(content)

    again = start_engine()

    assert again.get("/tasks")["total_size"] == 2
    task = again.get(f"/tasks/{done}")
    assert task["status"] == "executer-failed"
    assert "found again by its files; how it ended is not known" in task["error_detail"]
    assert "artifacts/result.txt" in again.archive(done).namelist()
    assert again.finish(running)["status"] == "executer-failed"
    assert again.output(running, "part.txt") == "so far"
    wait_until(lambda: gone(orphan))
    kept = list(again.data_dir.glob("engine.db.damaged-*"))
    assert [path.read_bytes() for path in kept] == ([] if content is None else [content])
    again.call("DELETE", f"/storage/?path={done}/")
    again.close()
    again.process = None
    assert start_engine().get("/tasks")["total_size"] == 2


@pytest.mark.fault(116)
def test_who_starts_an_engine_is_told_of_a_damaged_database(folder):
    folder.mkdir()
    (folder / "engine.db").write_bytes(b"this was a database" * 500)

    with pytest.warns(RuntimeWarning, match="is damaged .* kept as engine.db.damaged-"):
        started = local.start(folder)

    assert local.start(folder) == started  # and not told again


def test_a_key_survives_a_restart_and_its_file_is_made_private(start_engine):
    engine = start_engine()
    key = engine.key
    engine.close()
    engine.process = None
    engine.key_file.chmod(0o644)

    again = start_engine()

    assert again.key == key
    assert stat.S_IMODE(again.key_file.stat().st_mode) == 0o600


def rows(engine, sql):
    with contextlib.closing(sqlite3.connect(engine.data_dir / "engine.db")) as database:
        return database.execute(sql).fetchall()


def write(engine, sql, *values):
    with contextlib.closing(sqlite3.connect(engine.data_dir / "engine.db")) as database:
        database.execute(sql, values)
        database.commit()
