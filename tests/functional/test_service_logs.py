"""Logs and measures as views ask for them, read by ranges from the real engine's archives."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import threading

import pytest

from inductiva_widgets import errors
from inductiva_widgets.outputs.remote import RemoteArchive
from inductiva_widgets.service import log_text
from inductiva_widgets.service import logs as logs_module

SOLVE = """
import random, sys
random.seed(7)
for i in range(20000):
    print(f"Time = {i}  residual {random.random()}")
sys.stdout.flush()
with open("ballast.bin", "wb") as file:
    file.write(random.randbytes(3_000_000))
with open("network.bin", "wb") as file:
    file.write(random.randbytes(2_000_000))
sys.exit("ERROR: the mesh is bad")
"""
BINARY = r"""
import sys
sys.stdout.buffer.write(bytes(range(256)) * 40 + b"\n\xff\xfe\x1b[31mred\x1b[0m")
"""


@pytest.fixture(scope="module")
def failed(engine):
    """A task of two commands; the second one fails after 20,000 lines."""
    files = {"solve.py": SOLVE}
    return engine.run("python --version", "python solve.py", files=files)["task_id"]


@pytest.fixture
def fetched(monkeypatch):
    """Bytes that come from the storage."""
    sizes = []
    stream = RemoteArchive.stream

    def counted(self, *args, **kwargs):
        for piece in stream(self, *args, **kwargs):
            sizes.append(len(piece))
            yield piece

    monkeypatch.setattr(RemoteArchive, "stream", counted)
    return sizes


def opened(service, task_id):
    result, buffers = service.call("logs.open", {"task_id": task_id})
    assert buffers == []
    return result, {log["name"]: log for log in result["logs"]}


def read(service, result, name, offset, length):
    params = {"task_id": result["task_id"], "revision": result["revision"], "name": name}
    meta, (content,) = service.call("logs.read", {**params, "offset": offset, "length": length})
    assert meta["length"] == len(content)
    return content


def text_of(service, result, name, part):
    blocks = part["blocks"]
    return b"".join(
        read(service, result, name, offset, size)
        for offset, size in zip(blocks[::3], blocks[1::3], strict=True)
    ).decode()


def test_logs_are_told_by_command_with_exit_and_error(service, engine, failed):
    result, logs = opened(service, failed)
    out, err = logs["stdout.txt"], logs["stderr.txt"]

    assert [part["command"] for part in out["parts"]] == ["python --version", "python solve.py"]
    assert [(part["exit_code"], part["state"]) for part in out["parts"]] == [
        (0, "done"),
        (1, "failed"),
    ]
    assert all(part["seconds"] > 0 for part in out["parts"])
    assert out["parts"][1]["lines"] == 20_000
    assert out["errors"] == []
    assert err["parts"][1]["line"] == err["errors"][0]
    text = text_of(service, result, "stdout.txt", out["parts"][1])
    assert text.startswith("Time = 0 ")
    assert text in engine.output(failed)
    assert text_of(service, result, "stderr.txt", err["parts"][1]) == "ERROR: the mesh is bad\n"


def test_no_more_is_fetched_than_the_logs_and_the_directory(service, failed, fetched):
    service.call("outputs.list", {"task_id": failed})
    result, logs = opened(service, failed)
    after_opening = sum(fetched)
    read(service, result, "stdout.txt", 500_000, 100)
    service.call("logs.search", {**_names(result), "query": "Time = 19"})

    assert logs["stdout.txt"]["size"] > 600_000
    assert after_opening < 1_500_000  # of an archive of more than 5 MB
    assert sum(fetched) == after_opening


def _names(result, name="stdout.txt"):
    return {"task_id": result["task_id"], "revision": result["revision"], "name": name}


def test_a_search_tells_line_numbers(service, failed):
    result, logs = opened(service, failed)
    meta, (buffer,) = service.call("logs.search", {**_names(result), "query": "time = 1999"})
    lines = struct.unpack(f"<{meta['count']}d", buffer)

    first = logs["stdout.txt"]["parts"][1]["line"]
    assert [line - first for line in lines] == [1999, *range(19_990, 20_000)]


def test_views_that_open_at_once_read_once(engine, service, fetched):
    task_id = engine.run("python -c 'print(1)'")["task_id"]
    threads = [threading.Thread(target=opened, args=(service, task_id)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    held = sum(place[0] == task_id for place in service._plain["logs.open"].__self__._texts)
    assert held == 2


@pytest.mark.parametrize("offset", [-1, 1.5, "0", None])
def test_odd_ranges_are_refused(service, failed, offset):
    result, _ = opened(service, failed)
    with pytest.raises(errors.UserInputError):
        service.call("logs.read", {**_names(result), "offset": offset, "length": 5})


@pytest.mark.fault(106)
def test_a_range_is_never_longer_than_a_megabyte_and_ends_with_the_log(service, failed):
    result, logs = opened(service, failed)
    size = logs["stdout.txt"]["size"]

    assert len(read(service, result, "stdout.txt", 0, 1 << 40)) == min(size, 1 << 20)
    assert read(service, result, "stdout.txt", size, 10) == b""


@pytest.mark.parametrize(
    "other", [{"name": "../../etc/passwd"}, {"name": "ballast.bin"}, {"revision": "0"}]
)
def test_other_files_and_other_versions_are_refused(service, failed, other):
    result, _ = opened(service, failed)
    with pytest.raises(errors.UserInputError):
        service.call("logs.read", {**_names(result), "offset": 0, "length": 5, **other})


@pytest.mark.parametrize("query", ["", "x" * 201, None, 7])
def test_odd_searches_are_refused(service, failed, query):
    result, _ = opened(service, failed)
    with pytest.raises(errors.UserInputError):
        service.call("logs.search", {**_names(result), "query": query})


@pytest.mark.fault(106)
def test_a_binary_log_comes_as_it_is(service, engine):
    task_id = engine.run("python binary.py", files={"binary.py": BINARY})["task_id"]
    result, logs = opened(service, task_id)
    (part,) = logs["stdout.txt"]["parts"]
    blocks = part["blocks"]
    content = b"".join(
        read(service, result, "stdout.txt", offset, size)
        for offset, size in zip(blocks[::3], blocks[1::3], strict=True)
    )

    assert content.startswith(bytes(range(256)) * 40)
    assert part["exit_code"] == 0


@pytest.fixture
def little_room(service, monkeypatch):
    """Logs of which little is kept."""
    texts = service._plain["logs.open"].__self__._texts
    texts.clear()
    monkeypatch.setattr(logs_module, "HEAD_BYTES", 40_000)
    monkeypatch.setattr(logs_module, "TAIL_BYTES", 60_000)
    monkeypatch.setattr(logs_module, "PIECE_BYTES", 5_000)
    monkeypatch.setattr(log_text, "CHUNK_BYTES", 5_000)
    yield
    texts.clear()


@pytest.mark.usefixtures("little_room")
def test_of_a_long_log_its_beginning_and_its_end_are_there(service, engine, failed):
    result, logs = opened(service, failed)
    out = logs["stdout.txt"]
    part = out["parts"][1]
    blocks = list(zip(part["blocks"][::3], part["blocks"][1::3], part["blocks"][2::3], strict=True))
    lines = engine.output(failed).splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("Time = 0 "))

    assert 100_000 <= out["read"] < 120_000 < out["size"]
    assert [size < 0 for _, size, _ in blocks].count(True) == 1
    assert part["lines"] == sum(count for _, _, count in blocks) == 20_000
    last = blocks[-1]
    text = read(service, result, "stdout.txt", last[0], last[1]).decode()
    assert text.splitlines() == lines[begin + 20_000 - last[2] : begin + 20_000]
    meta, (buffer,) = service.call("logs.search", {**_names(result), "query": "Time = 19999 "})
    assert struct.unpack(f"<{meta['count']}d", buffer) == (part["line"] + 19_999,)


@pytest.mark.fault(106)
@pytest.mark.usefixtures("little_room")
def test_a_log_beyond_the_limit_is_told_as_cut(service, failed, monkeypatch):
    monkeypatch.setattr(logs_module, "LONGEST_LOG_BYTES", 100_000)
    _, logs = opened(service, failed)

    assert logs["stdout.txt"]["read"] == 100_000 < logs["stdout.txt"]["size"]


def test_a_running_task_has_no_logs_yet(service, engine):
    task_id = engine.submit("sleep 60")
    engine.reach(task_id, "computation-started")
    try:
        with pytest.raises(errors.OutputsNotReadyError):
            service.call("logs.open", {"task_id": task_id})
    finally:
        engine.call("POST", f"/tasks/{task_id}/kill")
        engine.finish(task_id)


# -- the machine -------------------------------------------------------------------------------


def measures(service, task_id):
    meta, (buffer,) = service.call("machine.metrics", {"task_id": task_id})
    raw = gzip.decompress(buffer)
    rows = meta["rows"]
    assert len(raw) == 8 * rows * (len(meta["columns"]) + 1)
    values = struct.unpack(f"<{len(raw) // 8}d", raw)
    columns = [values[i * rows : (i + 1) * rows] for i in range(len(meta["columns"]) + 1)]
    return meta, columns


def test_measures_of_the_engine_have_their_charts(service, failed):
    meta, (times, *columns) = measures(service, failed)

    assert [column["kind"] for column in meta["columns"]] == [
        "cpu",
        "memory",
        "disk-read",
        "disk-written",
    ]
    assert meta["rows"] >= 1
    assert list(times) == sorted(times)
    assert times[0] >= 0
    assert meta["start"].endswith("Z")
    assert all(0 <= value <= 100 for value in columns[1])


def test_the_service_loads_no_pandas():
    code = (
        "import sys, inductiva_widgets.service.dispatch;"
        "sys.exit('pandas' in sys.modules or 'numpy' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
