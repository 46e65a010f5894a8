"""One task in several views at once: what is done twice is done once."""

from __future__ import annotations

import contextlib
import queue
import threading

import pytest
from support import backend_at

from inductiva_widgets.service.dispatch import Service

SCRIPT = "for i in range(9):\n    open(f'file_{i}.txt', 'w').write('x' * i)\n"


@pytest.fixture
def pages(engine, tmp_path):
    """Two kernels, or a kernel and a server: each with a backend and a service of its own."""
    with contextlib.ExitStack() as ends:
        backends = [
            ends.enter_context(
                contextlib.closing(
                    backend_at(engine.url, engine.key, tmp_path / "out", is_local=True)
                )
            )
            for _ in range(2)
        ]
        yield [ends.enter_context(contextlib.closing(Service(backend))) for backend in backends]


def at_once(calls):
    """Results of all calls, begun together."""
    start, results = threading.Barrier(len(calls)), [None] * len(calls)

    def work(place, call):
        start.wait()
        results[place] = call()

    threads = [threading.Thread(target=work, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.fault(107)
def test_a_kill_from_two_views_is_one_kill(engine, pages):
    task_id = engine.submit("sleep 60")
    engine.reach(task_id, "computation-started")

    told = at_once(
        [lambda page=page: page.call("task.kill", {"task_id": task_id})[0] for page in pages]
    )

    record = engine.finish(task_id)
    assert record["status"] == "killed"
    assert {one["outcome"] for one in told} <= {"killed", "pending", "already-ended"}
    ends = [step["status"] for step in record["status_history"]]
    assert ends.count("killed") == 1


@pytest.mark.fault(107)
def test_a_download_from_two_views_leaves_each_file_once(engine, pages, tmp_path):
    task_id = engine.run("python make.py", files={"make.py": SCRIPT})["task_id"]

    def download(page):
        told = queue.Queue()
        meta, _ = page.call("outputs.list", {"task_id": task_id})
        page.subscribe(f"task/{task_id}", told.put)
        page.call("outputs.download", {"task_id": task_id, "revision": meta["revision"]})
        while True:
            event = told.get(timeout=30)["event"]
            if event["kind"] == "download" and event["download"]["state"] != "running":
                return event["download"]

    ended = at_once([lambda page=page: download(page) for page in pages])

    folder = tmp_path / "out" / task_id / "outputs"
    names = {path.name for path in folder.iterdir()}
    with engine.archive(task_id) as archive:
        expected = {
            info.filename.removeprefix("artifacts/"): archive.read(info)
            for info in archive.infolist()
            if info.filename.startswith("artifacts/") and not info.is_dir()
        }
    assert [one["state"] for one in ended] == ["done", "done"], ended
    assert names == set(expected)
    assert all((folder / name).read_bytes() == data for name, data in expected.items())
