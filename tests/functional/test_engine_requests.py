"""Whatever is asked of the engine: it never fails, and says `{"detail": …}` when it refuses."""

from __future__ import annotations

import io
import json
import re
import zipfile
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_engine import ask, zipped
from test_engine_guard import table  # noqa: F401 - a fixture
from waiting import wait_until

# What exists, or nearly; the marks stand for what differs from engine to engine.
REAL = st.sampled_from(
    [
        *("stored", "stored/file.txt", "stored/file.txt/below", "stored/in.zip", "stored/odd.zip"),
        *(
            "{task_id}",
            "{task_id}/output.zip",
            "{running}",
            "{link}",
            "{upload}",
            "{upload_on_folder}",
        ),
        *("{upload_below_file}", "local", "default", "download", "upload", "a", "b.txt", "true"),
        *("x" * 255, "1", "add", "big.txt", "stdout.txt"),
    ]
)
ODD = st.sampled_from(
    [
        *("", ".", "..", "a/b", "/", "//", "a/", "/a", "a/../b", "a/b/c/d", "a\\b", "a\0b"),
        *("%2e%2e", "ü", "x" * 256, "x/" * 500, "\u202ea", "a\nb", "-1", "0", "1e3", "null"),
        *("NaN", "9" * 30, "success", "create_time:desc", "size", "false", "name", "asc"),
    ]
)
TEXTS = REAL | ODD | st.text(max_size=20)
PARAMETERS = (
    *("action", "active", "client", "filename", "machine_group_id", "machine_type", "nonce"),
    *("operation", "order", "page", "path", "path_filter", "paths", "per_page", "project"),
    *("project_name", "recursive", "sort", "sort_by", "source", "status", "target"),
    *("task_id_filter", "zip_relative_path", "start_year", "start_month"),
    *("lines", "name", "start"),
)
# Nobody waits, and nothing is fetched from or sent to other places.
FIXED = {"block_s": st.sampled_from(["0", "x", "-1"]), "url": st.just("http://127.0.0.1:1/x")}
QUERIES = st.fixed_dictionaries({}, optional={**dict.fromkeys(PARAMETERS, TEXTS), **FIXED})
FIELDS = (
    *("cmd", "commands", "compress_with", "container_image", "env", "extra_params", "name"),
    *("input_resources", "mpi_config", "options", "path", "project", "prompts", "receiver_id"),
    *("resource_pool", "sdp", "sender_id", "sim_dir", "simulator", "simulator_name_alias"),
    *("storage_path_prefix", "stream_zip", "time_to_live_seconds", "type", "upload_parts"),
)
SIMPLE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SIMPLE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS) | TEXTS, inner, max_size=4)
    ),
    max_leaves=12,
)
RIGHT = {
    "simulator": "arbitrary_commands",
    "resource_pool": "local",
    "container_image": "docker://none",
    "extra_params": {"commands": [{"cmd": "true"}]},
}
BODIES = (
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6).map(lambda some: {**RIGHT, **some})
    | st.dictionaries(TEXTS, TEXTS, max_size=3)
    | VALUES
).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40)

WAIT = "import time\nopen('big.txt', 'w').write('x' * 99)\nwhile True: time.sleep(1)"


@pytest.fixture(scope="module")
def state(engine):
    """Something to ask for: texts that stand for what differs from engine to engine."""
    task_id = engine.run("true")["task_id"]
    stock(engine)
    uploads = {
        "{upload}": "stored/new.txt",
        "{upload_on_folder}": "stored",
        "{upload_below_file}": "stored/file.txt/below",
    }
    running = engine.submit("python run.py", files={"run.py": WAIT})
    wait_until((engine.work_folder(running) / "big.txt").exists)
    yield {
        "{task_id}": task_id,
        "{running}": running,
        **{mark: token(engine, "upload", path) for mark, path in uploads.items()},
        "{link}": token(engine, "download", "stored/file.txt"),
    }
    engine.call("POST", f"/tasks/{running}/kill")
    engine.finish(running)


def stock(engine):
    engine.put("stored/file.txt", b"content")
    engine.put("stored/in.zip", zipped({"a/b.txt": "text"}))
    engine.put("stored/odd.zip", dateless_archive())


def token(engine, operation, path):
    return engine.link(operation, path).rpartition("/")[2]


def dateless_archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a/b.txt", (1980, 0, 0, 0, 0, 0)), "text")
    return buffer.getvalue()


def spelt(text, state):
    for mark, value in state.items():
        text = text.replace(mark, value)
    return text


@pytest.mark.fault(124)
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_request_makes_the_engine_fail(engine, table, state, data):  # noqa: F811
    path, method = data.draw(st.sampled_from(table))
    place = re.sub(
        r"{\w+(:path)?}", lambda _: quote(spelt(data.draw(TEXTS), state), errors="replace"), path
    )
    query = {name: spelt(text, state) for name, text in data.draw(QUERIES).items()}
    body = data.draw(BODIES) if method not in ("GET", "HEAD") else b""
    headers = {"X-API-Key": engine.key, "Content-Length": str(len(body))}

    code, reply = ask(
        engine, method, f"{place}?{urlencode(query, errors='replace')}", headers, body
    )

    if method == "DELETE":
        stock(engine)
    assert code < 500, reply
    if code >= 400 and method != "HEAD":
        assert reply["detail"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("PUT", "/signed/{upload_on_folder}", 409),
        ("PUT", "/signed/{upload_below_file}", 409),
        ("GET", "/storage/zip-contents?path=stored/odd.zip&recursive=true", 200),
        ("POST", "/storage/copy?source=stored&target=stored/file.txt/below", 400),
        ("POST", "/storage/copy?source=stored/file.txt&target=stored/file.txt/below", 400),
        ("POST", "/storage/copy?source=stored/file.txt&target=stored/in.zip/below", 409),
        ("POST", "/storage/copy?source=stored/file.txt&target=" + "x" * 255, 200),
        ("POST", "/storage/copy?source=other&target=stored/file.txt", 409),
        ("POST", "/storage/input_remote?path=stored/file.txt/below&url=http://127.0.0.1:1", 400),
    ],
)
def test_names_that_are_in_each_others_way_are_told(engine, state, method, path, code):
    stock(engine)
    engine.put("other/free.txt", b"")
    headers = {"X-API-Key": engine.key, "Content-Length": "0"}

    found, reply = ask(engine, method, spelt(path, state), headers)

    assert found == code
    assert code == 200 or reply["detail"]
