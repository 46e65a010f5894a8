"""The service that views speak to, on the real engine: every method, every event of a download."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import queue
import struct
import threading

import msgspec
import pytest
from waiting import wait_until

from inductiva_widgets import errors
from inductiva_widgets.api.config import ApiKey, Config, normalise_url
from inductiva_widgets.backend import Backend
from inductiva_widgets.outputs.remote import RemoteArchive
from inductiva_widgets.service.dispatch import Service, service_of
from inductiva_widgets.service.protocol import DownloadProgress, FileListing, TaskSummary

WAITING, FETCHING, VERIFIED, SKIPPED = 1, 2, 3, 4
SCRIPT = """
import os, random
random.seed(7)
os.makedirs("results/deep")
for i in range(40):
    with open(f"results/step_{i:03d}.vtk", "wb") as file:
        file.write(random.randbytes(2000 + 500 * i))
with open("results/deep/größe.csv", "w") as file:
    file.write("t,x\\n0,1\\n")
open("empty.dat", "w").close()
print("done")
"""


def connected(engine, folder):
    return Backend(
        Config(
            url=normalise_url(engine.url),
            key=ApiKey(engine.key),
            key_source="the test",
            output_dir=folder,
            is_local=True,
        )
    )


@pytest.fixture
def backend(engine, tmp_path):
    with contextlib.closing(connected(engine, tmp_path / "downloads")) as made:
        yield made


@pytest.fixture
def service(backend):
    with contextlib.closing(Service(backend)) as made:
        yield made


@pytest.fixture(scope="module")
def finished(engine):
    """A task that has ended, and its outputs by name."""
    record = engine.run("python make.py", files={"make.py": SCRIPT})
    assert record["status"] == "success"
    return record["task_id"]


@pytest.fixture(scope="module")
def contents(engine, finished):
    with engine.archive(finished) as archive:
        return {
            info.filename.removeprefix("artifacts/"): archive.read(info)
            for info in archive.infolist()
            if info.filename.startswith("artifacts/") and not info.is_dir()
        }


@pytest.fixture
def held(monkeypatch):
    """Downloads stop after their first bytes until `release` is set."""
    gate = Gate()
    stream = RemoteArchive.stream

    def slow(self, need, stop):
        for piece in stream(self, need, stop):
            yield piece
            gate.reached.set()
            while not gate.release.wait(0.01):
                stop.check()

    monkeypatch.setattr(RemoteArchive, "stream", slow)
    yield gate
    gate.release.set()


class Gate:
    def __init__(self):
        self.reached, self.release = threading.Event(), threading.Event()


class Page:
    """A view that listens to a topic."""

    def __init__(self, service, topic):
        self.messages = queue.Queue()
        self.listener = service.subscribe(topic, self.messages.put)
        self.seen = []

    def read(self, kind="download", **wanted):
        """Reads on until an event whose fields have these values."""
        while True:
            message = self.messages.get(timeout=20)
            self.seen.append(message)
            event = message["event"]
            if event["kind"] == kind and wanted.items() <= event[kind].items():
                return event[kind]

    def downloads(self):
        return [m["event"]["download"] for m in self.seen if m["event"]["kind"] == "download"]


def unpack(meta, frame):
    raw = gzip.decompress(frame)
    names = raw[: meta["names_bytes"]].decode().split("\n")
    numbers_at = -(-meta["names_bytes"] // 8) * 8
    sizes = struct.unpack_from(f"<{meta['count']}d", raw, numbers_at)
    return names, sizes


def ticked(names, chosen):
    bits = bytearray((len(names) + 7) // 8)
    for index in (names.index(name) for name in chosen):
        bits[index >> 3] |= 1 << (index & 7)
    return [gzip.compress(bytes(bits))]


def listed(service, task_id):
    meta, (frame,) = service.call("outputs.list", {"task_id": task_id})
    return meta, unpack(meta, frame)[0]


def on_disk(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def pairs(changed):
    return dict(itertools.zip_longest(changed[::2], changed[1::2]))


# -- tasks -------------------------------------------------------------------------------------


def test_a_task_is_told_in_full(service, backend, finished):
    result, buffers = service.call("task.get", {"task_id": finished})

    summary = msgspec.convert(result, TaskSummary)
    assert buffers == []
    assert (summary.status, summary.is_terminal, summary.is_killable) == ("success", True, False)
    assert summary.backend.name == "local engine"
    assert summary.backend.id == backend.id
    assert summary.output_files > 40
    assert summary.as_of <= summary.server_now


def test_a_known_task_is_not_asked_for_again_unless_wanted(service, backend, finished, monkeypatch):
    asked = []
    ask = backend.client.task
    monkeypatch.setattr(backend.client, "task", lambda *a, **k: asked.append(a) or ask(*a, **k))

    service.call("task.get", {"task_id": finished})
    service.call("task.get", {"task_id": finished, "refresh": False})
    assert len(asked) == 1

    service.call("task.get", {"task_id": finished, "refresh": True})
    assert len(asked) == 2


@pytest.mark.parametrize("method", ["task.get", "task.kill", "outputs.list", "outputs.download"])
def test_an_unknown_task_is_said_to_be_unknown(service, method):
    with pytest.raises(errors.NotFoundError):
        service.call(method, {"task_id": "nosuchtasknosuchtasknosuch"})


@pytest.mark.fault(87)
@pytest.mark.parametrize("method", ["task.get", "task.kill", "outputs.list", "outputs.download"])
@pytest.mark.parametrize("task_id", [None, 7, "", "../users/info", "a/b", ["x"], {}])
def test_what_is_no_id_is_refused_by_every_method(service, method, task_id):
    with pytest.raises(errors.UserInputError):
        service.call(method, {"task_id": task_id})


def test_a_kill_ends_the_task_and_says_so(service, running):
    result, _ = service.call("task.kill", {"task_id": running})

    assert result["outcome"] in ("killed", "pending")
    page = Page(service, f"task/{running}")
    assert page.read("task", is_terminal=True)["status"] == "killed"


def test_a_kill_that_comes_too_late_says_so(service, finished):
    result, _ = service.call("task.kill", {"task_id": finished})

    assert result["outcome"] == "already-ended"
    assert result["task"]["status"] == "success"


def test_the_list_has_the_newest_task_first_and_the_total(service, engine, finished):
    newest = engine.run("true")["task_id"]

    result, _ = service.call("tasks.list", {"last_n": 100})
    one, _ = service.call("tasks.list", {"last_n": 1, "status": "success"})

    ids = [task["task_id"] for task in result["tasks"]]
    assert ids[0] == newest
    assert finished in ids
    assert len(ids) == min(result["total"], 100)
    assert [task["task_id"] for task in one["tasks"]] == [newest]
    assert all(msgspec.convert(task, TaskSummary, strict=True) for task in result["tasks"])


@pytest.mark.fault(91)
@pytest.mark.parametrize("last_n", [0, -1, 501, True, "5", None, 1.5])
def test_a_wrong_count_of_tasks_is_refused(service, last_n):
    with pytest.raises(errors.UserInputError):
        service.call("tasks.list", {"last_n": last_n})


@pytest.mark.parametrize("status", ["nonsense", 3, ["success"], {}])
def test_a_wrong_status_is_refused(service, status):
    with pytest.raises(errors.UserInputError):
        service.call("tasks.list", {"last_n": 1, "status": status})


@pytest.mark.fault(109)
@pytest.mark.parametrize("method", ["", "task", "close", "__class__", None, 3, ["task.get"], {}])
def test_an_unknown_method_is_refused(service, method):
    with pytest.raises(errors.UserInputError, match="no method"):
        service.call(method, {"task_id": "x"})


def test_a_backend_has_one_service(backend, monkeypatch):
    monkeypatch.setattr("inductiva_widgets.service.dispatch._services", {})

    assert service_of(backend) is service_of(backend)


# -- listings ----------------------------------------------------------------------------------


def test_the_listing_is_that_of_the_archive(service, backend, finished, contents):
    meta, (frame,) = service.call("outputs.list", {"task_id": finished})

    names, sizes = unpack(meta, frame)
    assert msgspec.convert(meta, FileListing, strict=True).count == len(contents)
    assert dict(zip(names, sizes, strict=True)) == {n: len(b) for n, b in contents.items()}
    assert meta["size_bytes"] == sum(map(len, contents.values()))
    assert meta["target"] == str(backend.config.output_dir / finished / "outputs")


def test_the_revision_names_the_archive_and_not_the_reading(service, backend, finished):
    first, _ = listed(service, finished)
    again, _ = service.call("outputs.list", {"task_id": finished, "refresh": True})
    with contextlib.closing(Service(backend)) as other:
        elsewhere, _ = listed(other, finished)

    assert first["revision"] == again["revision"] == elsewhere["revision"]


@pytest.mark.parametrize("method", ["outputs.list", "outputs.download"])
def test_outputs_of_a_running_task_are_not_ready(service, running, method):
    with pytest.raises(errors.OutputsNotReadyError):
        service.call(method, {"task_id": running, "revision": "x"})


# -- downloads ---------------------------------------------------------------------------------


def test_a_selection_is_delivered_byte_for_byte_and_nothing_else(
    service, backend, finished, contents
):
    meta, names = listed(service, finished)
    chosen = ["results/step_003.vtk", "results/deep/größe.csv", "empty.dat"]
    page = Page(service, f"task/{finished}")

    state, buffers = service.call(
        "outputs.download",
        {"task_id": finished, "revision": meta["revision"]},
        ticked(names, chosen),
    )
    end = page.read(state="done")

    assert buffers == []
    assert state["download_id"] == end["download_id"]
    assert (end["files"], end["files_done"], end["error"]) == (3, 3, None)
    folder = backend.config.output_dir / finished / "outputs"
    assert end["target"] == str(folder)
    assert on_disk(folder) == {name: contents[name] for name in chosen}


def test_no_selection_means_all_files(service, backend, finished, contents):
    meta, _ = listed(service, finished)
    page = Page(service, f"task/{finished}")

    service.call("outputs.download", {"task_id": finished, "revision": meta["revision"]})
    page.read(state="done")

    assert on_disk(backend.config.output_dir / finished / "outputs") == contents


def test_events_of_a_download_tell_each_change_of_each_file(service, finished):
    meta, names = listed(service, finished)
    chosen = names[3:20]
    page = Page(service, f"task/{finished}")

    service.call(
        "outputs.download",
        {"task_id": finished, "revision": meta["revision"]},
        ticked(names, chosen),
    )
    page.read(state="done")

    told = {}
    for event in page.downloads():
        msgspec.convert(event, DownloadProgress, strict=True)
        assert len(event["changed"]) % 2 == 0
        for index, state in pairs(event["changed"]).items():
            assert told.get(index, 0) <= state
            told[index] = state
    assert told == {names.index(name): VERIFIED for name in chosen}
    assert [m["revision"] for m in page.seen] == [*range(1, len(page.seen) + 1)]
    assert {event["state"] for event in page.downloads()[:-1]} <= {"running"}


def test_what_is_there_already_is_skipped_and_the_reason_said(service, finished):
    meta, names = listed(service, finished)
    order = ("outputs.download", {"task_id": finished, "revision": meta["revision"]})
    page = Page(service, f"task/{finished}")
    service.call(*order, ticked(names, names[:2]))
    page.read(state="done")

    again, _ = service.call(*order, ticked(names, names[:2]))
    end = page.read(state="done", download_id=again["download_id"])

    told = {}
    reasons = dict(again["reasons"])
    for event in page.downloads():
        if event["download_id"] == again["download_id"]:
            told.update(pairs(event["changed"]))
            reasons.update(event["reasons"])
    assert end["files_done"] == 2
    assert told == {0: SKIPPED, 1: SKIPPED}
    assert set(reasons.values()) == {"already there"}


def test_a_file_in_the_way_fails_the_download_and_is_kept(service, backend, finished):
    meta, names = listed(service, finished)
    mine = backend.config.output_dir / finished / "outputs" / "stdout.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    page = Page(service, f"task/{finished}")

    service.call(
        "outputs.download",
        {"task_id": finished, "revision": meta["revision"]},
        ticked(names, ["stdout.txt"]),
    )
    end = page.read(state="failed")

    assert end["error"]["type"] == "FileConflictError"
    assert mine.read_text() == "mine"


def test_a_slow_download_is_cancelled_on_demand(service, backend, finished, held):
    meta, _ = listed(service, finished)
    page = Page(service, f"task/{finished}")
    state, _ = service.call("outputs.download", {"task_id": finished, "revision": meta["revision"]})
    assert held.reached.wait(10)

    assert service.call("outputs.cancel", {"download_id": state["download_id"]}) == ({}, [])

    end = page.read(state="cancelled")
    assert end["error"]["type"] == "DownloadCancelledError"
    left = on_disk(backend.config.output_dir / finished / "outputs")
    assert set(left) <= set(listed(service, finished)[1])


@pytest.mark.parametrize("download_id", [None, "", "nonsense", 7, []])
def test_cancelling_what_does_not_run_is_no_error(service, download_id):
    assert service.call("outputs.cancel", {"download_id": download_id}) == ({}, [])


@pytest.mark.parametrize("revision", [None, "", "00000000", 7])
def test_a_selection_made_in_another_listing_is_refused(service, backend, finished, revision):
    _, names = listed(service, finished)

    with pytest.raises(errors.UserInputError, match="no longer the one"):
        service.call(
            "outputs.download",
            {"task_id": finished, "revision": revision},
            ticked(names, names[:1]),
        )

    assert not backend.config.output_dir.exists()


def test_an_empty_selection_is_refused_and_does_not_mean_all(service, backend, finished):
    meta, names = listed(service, finished)

    with pytest.raises(errors.UserInputError, match="No file"):
        service.call(
            "outputs.download",
            {"task_id": finished, "revision": meta["revision"]},
            ticked(names, []),
        )

    assert not backend.config.output_dir.exists()


def test_a_late_listener_is_told_what_runs_and_the_first_one_misses_nothing(
    service, finished, held
):
    meta, names = listed(service, finished)
    first = Page(service, f"task/{finished}")
    state, _ = service.call(
        "outputs.download",
        {"task_id": finished, "revision": meta["revision"]},
        ticked(names, names[:10]),
    )
    assert held.reached.wait(10)

    late = Page(service, f"task/{finished}")
    shown = late.read(download_id=state["download_id"])
    assert shown["state"] == "running"
    assert set(pairs(shown["changed"])) == set(range(10))
    held.release.set()
    first.read(state="done")
    late.read(state="done")

    for page in (first, late):
        told = {}
        for event in page.downloads():
            told.update(pairs(event["changed"]))
        assert told == dict.fromkeys(range(10), VERIFIED)


def test_a_page_that_comes_back_still_sees_what_was_verified(service, finished):
    meta, names = listed(service, finished)
    first = Page(service, f"task/{finished}")
    state, _ = service.call(
        "outputs.download",
        {"task_id": finished, "revision": meta["revision"]},
        ticked(names, names[:3]),
    )
    first.read(state="done")
    first.listener.close()

    again = Page(service, f"task/{finished}").read(download_id=state["download_id"])

    assert again["state"] == "done"
    assert set(pairs(again["changed"])) == set(range(3))


def test_a_listener_of_another_task_hears_nothing_of_a_download(service, engine, finished):
    other = engine.run("true")["task_id"]
    meta, _ = listed(service, finished)
    mine, others = Page(service, f"task/{finished}"), Page(service, f"task/{other}")

    service.call("outputs.download", {"task_id": finished, "revision": meta["revision"]})
    mine.read(state="done")
    others.read("task", is_terminal=True)

    assert others.downloads() == []
    assert others.messages.empty()


def test_old_states_never_come_after_the_end(service, finished, tmp_path):
    meta, names = listed(service, finished)
    page = Page(service, f"task/{finished}")

    for name in names[:15]:  # small ones end before the call has returned
        state, _ = service.call(
            "outputs.download",
            {"task_id": finished, "revision": meta["revision"]},
            ticked(names, [name]),
        )
        page.read(state="done", download_id=state["download_id"])
    service.call("task.get", {"task_id": finished, "refresh": True})
    page.read("task", is_terminal=True)

    ended = set()
    for event in page.downloads():
        assert event["download_id"] not in ended or event["state"] != "running"
        if event["state"] != "running":
            ended.add(event["download_id"])
    assert len(ended) == len(names[:15]) > 1


def test_two_views_download_different_files_of_one_task_at_once(
    service, backend, finished, contents
):
    meta, names = listed(service, finished)
    page = Page(service, f"task/{finished}")
    order = ("outputs.download", {"task_id": finished, "revision": meta["revision"]})

    one, _ = service.call(*order, ticked(names, names[:5]))
    two, _ = service.call(*order, ticked(names, names[5:10]))
    waiting = {one["download_id"], two["download_id"]}
    while waiting:
        waiting.discard(page.read(state="done")["download_id"])

    folder = backend.config.output_dir / finished / "outputs"
    assert on_disk(folder) == {name: contents[name] for name in names[:10]}


def test_views_of_a_server_never_see_where_it_keeps_files(backend, finished, tmp_path, contents):
    root = tmp_path / "notebooks" / "inductiva_output"
    with contextlib.closing(Service(backend, root)) as service:
        meta, names = listed(service, finished)
        page = Page(service, f"task/{finished}")
        state, _ = service.call(
            "outputs.download",
            {"task_id": finished, "revision": meta["revision"]},
            ticked(names, ["empty.dat"]),
        )
        end = page.read(state="done")

    for shown in (meta, state, end):
        assert shown["target"] == f"inductiva_output/{finished}/outputs"
    assert str(tmp_path) not in repr((meta, page.seen))
    assert on_disk(root / finished / "outputs") == {"empty.dat": b""}


def test_close_ends_a_download_and_leaves_no_thread(backend, finished, held):
    before = set(threading.enumerate())
    service = Service(backend)
    meta, _ = listed(service, finished)
    page = Page(service, f"task/{finished}")
    service.workers.submit(int).result()
    service.call("outputs.download", {"task_id": finished, "revision": meta["revision"]})
    assert held.reached.wait(10)

    service.close()

    page.read(state="cancelled")
    wait_until(lambda: not {t for t in threading.enumerate() if t.is_alive()} - before)


# -- events of the engine ----------------------------------------------------------------------


def test_a_task_is_followed_to_its_end(service, engine):
    task_id = engine.submit("sleep 0.3")
    page = Page(service, f"task/{task_id}")

    end = page.read("task", is_terminal=True)

    assert end["status"] == "success"
    assert [m["revision"] for m in page.seen] == [*range(1, len(page.seen) + 1)]


def test_the_list_is_followed(service, engine):
    page = Page(service, "tasks")
    first = page.messages.get(timeout=20)["event"]

    task_id = engine.run("true")["task_id"]

    def ended():
        event = page.messages.get(timeout=20)["event"]
        return event["tasks"][0]["task_id"] == task_id and event["tasks"][0]["is_terminal"]

    assert first["kind"] == "tasks"
    assert wait_until(ended)


def test_the_topic_of_an_unknown_task_says_that_it_is_unknown(engine, tmp_path):
    # No fixtures: the error kept by the watcher holds its connection for as long as the backend.
    backend = connected(engine, tmp_path)
    with contextlib.closing(backend), contextlib.closing(Service(backend)) as service:
        told = Page(service, "task/nosuchtasknosuchtasknosuch").read("task")

    assert told["stale"]["error"]["type"] == "NotFoundError"
    assert told["stale"]["retry_in_s"] is None
