"""Signed URLs, ranges, uploads and archives behave as an object store does."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import socket
import zipfile
import zlib
from urllib.parse import urlsplit

import pytest
import requests
from raw_engine import zipped

from inductiva_widgets.local.routes_storage import MOST_EXCHANGES

CONTENT = bytes(range(256)) * 40


@pytest.fixture(scope="session")
def stored(engine):
    """Storage path of a file with known content."""
    engine.put("folder/data.bin", CONTENT)
    return "folder/data.bin"


@pytest.fixture
def url(engine, stored):
    return engine.link("download", stored)


def fetch(url, method="GET", **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, url, headers=names, timeout=10)


def test_a_download_needs_no_key_and_is_whole(url):
    reply = fetch(url)

    assert reply.status_code == 200
    assert reply.content == CONTENT
    assert reply.headers["content-length"] == str(len(CONTENT))
    assert reply.headers["accept-ranges"] == "bytes"
    assert "content-encoding" not in reply.headers


@pytest.mark.fault(125)
def test_the_etag_is_strong_and_made_of_the_content(engine, url):
    digest = hashlib.sha256(CONTENT).hexdigest()

    assert fetch(url).headers["etag"] == f'"{digest}"'
    engine.put("folder/same.bin", CONTENT)
    assert fetch(engine.link("download", "folder/same.bin")).headers["etag"] == f'"{digest}"'


def test_head_tells_the_size_and_sends_nothing(url):
    reply = fetch(url, "HEAD", Range="bytes=0-9")

    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-length"] == str(len(CONTENT))


@pytest.mark.fault(125)
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=5-99", (5, 99)),
        ("bytes=10200-", (10200, 10239)),
        ("bytes=-7", (10233, 10239)),
        ("bytes=-99999", (0, 10239)),
        ("bytes=10-99999", (10, 10239)),
    ],
)
def test_a_range_is_answered_with_206(url, asked, expected):
    reply = fetch(url, Range=asked)

    first, last = expected
    assert reply.status_code == 206
    assert reply.headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert reply.content == CONTENT[first : last + 1]


@pytest.mark.fault(125)
@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_beyond_the_end_is_a_416(url, asked):
    reply = fetch(url, Range=asked)

    assert reply.status_code == 416
    assert reply.headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert reply.json()["detail"]


@pytest.mark.parametrize("asked", ["bytes=9-5", "items=0-5", "bytes=a-b", "bytes=", "nonsense"])
def test_a_range_that_means_nothing_is_ignored(url, asked):
    assert fetch(url, Range=asked).content == CONTENT


@pytest.mark.fault(125)
def test_several_ranges_come_as_parts(url):
    reply = fetch(url, Range="bytes=0-1,100-103,99999-")

    assert reply.status_code == 206
    assert reply.headers["content-type"].startswith("multipart/byteranges")
    assert CONTENT[100:104] in reply.content
    assert reply.content.count(b"Content-Range") == 2


@pytest.mark.fault(125)
def test_if_range_protects_a_resumed_download(url):
    etag = fetch(url, "HEAD").headers["etag"]

    assert fetch(url, Range="bytes=0-4", If_Range=etag).status_code == 206
    assert fetch(url, Range="bytes=0-4", If_Range='"other"').content == CONTENT
    assert fetch(url, Range="bytes=0-4", If_Range="W/" + etag).content == CONTENT


def test_conditions_on_the_etag_are_kept(url):
    etag = fetch(url, "HEAD").headers["etag"]

    assert fetch(url, If_Match=etag).status_code == 200
    assert fetch(url, If_Match='"other"').status_code == 412
    assert fetch(url, If_None_Match=etag).status_code == 304
    assert fetch(url, If_None_Match='"other"').status_code == 200


def test_tokens_hold_unreserved_characters_only(url):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/signed/[A-Za-z0-9._~-]+", url)


@pytest.mark.fault(125)
def test_a_link_is_good_for_one_operation_on_one_file(engine, stored, url):
    upload = engine.link("upload", stored)
    token = url.rpartition("/")[2]
    claim, _, signature = token.rpartition(".")

    assert requests.put(url, data=b"x", timeout=10).status_code == 403
    assert fetch(upload).status_code == 403
    for forged in (
        f"{claim}x.{signature}",
        f"{claim.replace('download', 'upload')}.{signature}",
        f"{claim}.{signature[:-1]}",
        claim,
        "nonsense",
    ):
        reply = fetch(f"{engine.url}/signed/{forged}")
        assert reply.status_code == 403
        assert reply.json()["detail"]


@pytest.mark.fault(125)
def test_a_link_expires(start_engine):
    engine = start_engine("--link-ttl", "-1")

    upload = requests.put(engine.link("upload", "a.bin"), data=b"x", timeout=10)

    assert upload.status_code == 403
    assert "expired" in upload.json()["detail"]


def test_a_folder_gives_one_link_per_file(engine):
    for name in ("tree/a.txt", "tree/sub/b.txt"):
        engine.put(name, name.encode())

    links = engine.get("/storage/signed-urls", operation="download", paths="tree/")

    assert [fetch(link).text for link in links] == ["tree/a.txt", "tree/sub/b.txt"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("operation=download&paths=missing.zip", 404),
        ("operation=download", 422),
        ("paths=a", 422),
        ("operation=delete&paths=a", 422),
        ("operation=upload&paths=folder/", 400),
        ("operation=upload&paths=/", 400),
        ("operation=download&paths=../api_key", 400),
        ("operation=upload&paths=a/../../b", 400),
        ("operation=upload&paths=a//b", 400),
        ("operation=upload&paths=//etc/passwd", 400),
        ("operation=upload&paths=a%5Cb", 400),
        ("operation=upload&paths=a%00b", 400),
    ],
)
def test_bad_requests_for_links_are_refused(engine, query, code):
    reply = engine.call("GET", f"/storage/signed-urls?{query}")

    assert reply.status_code == code
    assert reply.json()["detail"]


def test_a_chunked_upload_is_stored_and_its_size_told(engine):
    blocks = [b"a" * 700_000, b"b" * 700_000, b"c"]

    reply = engine.put("/chunked.bin", iter(blocks))

    assert reply.headers["x-goog-stored-content-length"] == "1400001"
    assert fetch(engine.link("download", "chunked.bin")).content == b"".join(blocks)


@pytest.mark.parametrize("chunked", [True, False])
def test_an_upload_beyond_the_limit_is_refused_and_leaves_nothing(start_engine, chunked):
    engine = start_engine("--upload-limit", "1000")
    body = b"x" * 5000

    reply = requests.put(
        engine.link("upload", "big.bin"), data=iter([body]) if chunked else body, timeout=10
    )

    assert reply.status_code == 413
    assert reply.json()["detail"]
    assert engine.get("/storage/size") == 0


def test_outputs_are_laid_out_as_the_official_client_wants(engine):
    code = (
        "import os\nos.makedirs('vtk/deep')\nos.makedirs('empty', exist_ok=True)\n"
        "for name in ('vtk/a.vtk', 'vtk/deep/b.vtk', 'täglich.txt', 'changed.txt'):\n"
        "    open(name, 'w', encoding='utf-8').write(name * 100)\n"
        "os.symlink('changed.txt', 'link.txt')"
    )
    files = {"run.py": code, "changed.txt": "old", "left.txt": "alone", "sub/left.txt": "alone"}

    archive = engine.archive(engine.run("python run.py", files=files)["task_id"])

    names = archive.namelist()
    assert names[0] == "artifacts/"
    assert set(names) == {
        "artifacts/",
        "artifacts/changed.txt",
        "artifacts/täglich.txt",
        "artifacts/vtk/",
        "artifacts/vtk/a.vtk",
        "artifacts/vtk/deep/",
        "artifacts/vtk/deep/b.vtk",
        "artifacts/stdout.txt",
        "artifacts/stderr.txt",
        "artifacts/system_metrics.csv",
    }
    assert len(names) == len(set(names))
    for name in names:
        assert name.endswith("/") or names.index(name.rpartition("/")[0] + "/") < names.index(name)
    assert archive.getinfo("artifacts/täglich.txt").flag_bits & 0x800
    assert archive.getinfo("artifacts/vtk/a.vtk").compress_type == zipfile.ZIP_DEFLATED
    assert archive.testzip() is None


def test_an_output_named_like_a_log_is_kept_beside_it(engine):
    task = engine.run(
        "python run.py", files={"run.py": "print('log')\nopen('stdout.txt', 'w').write('mine')"}
    )

    assert engine.output(task["task_id"], "run-stdout.txt") == "mine"
    assert "log\n" in engine.output(task["task_id"])


def test_executable_inputs_stay_executable(engine):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("sim_dir/run.sh")
        entry.external_attr = 0o100755 << 16
        archive.writestr(entry, "#!/bin/sh\necho ran\n")
    task_id = engine.create("./run.sh")
    engine.put(f"{task_id}/input.zip", buffer.getvalue())
    engine.call("POST", f"/tasks/{task_id}/input_uploaded")

    assert engine.finish(task_id)["status"] == "success"
    assert "ran\n" in engine.output(task_id)


def test_the_listing_of_an_archive_follows_the_contract(engine):
    code = "import os\nos.mkdir('vtk')\nopen('vtk/a.vtk', 'w').write('a' * 999)\nopen('e', 'w')"
    task = engine.run("python run.py", files={"run.py": code})
    path = task["storage_output_path"]

    def listing(folder, recursive="false"):
        reply = engine.get(
            "/storage/zip-contents", path=path, zip_relative_path=folder, recursive=recursive
        )
        return reply["size"], {entry["name"]: entry for entry in reply["contents"]}

    size, first = listing("artifacts/")
    assert size == task["metrics"]["output_zipped_size_bytes"]
    assert set(first) == {"e", "stdout.txt", "stderr.txt", "system_metrics.csv", "vtk/"}
    assert (first["e"]["size"], first["vtk/"]["size"]) == (0, 0)
    assert all(type(entry["compressed_size"]) is int for entry in first.values())
    assert listing("artifacts")[1] == first
    assert set(listing("")[1]) == {"artifacts/"}
    assert "vtk/a.vtk" in listing("artifacts/", "true")[1]
    assert "artifacts/vtk/a.vtk" in listing("", "true")[1]
    assert listing("nowhere/")[1] == {}


def test_a_member_can_be_fetched_by_its_range(engine):
    task = engine.run("python run.py", files={"run.py": "open('a.txt', 'w').write('wave' * 500)"})
    path = task["storage_output_path"]

    found = engine.get(
        "/storage/zip-file-range", path=path, zip_relative_path="artifacts", filename="a.txt"
    )
    wanted = f"bytes={found['range_start']}-{found['range_end']}"
    reply = fetch(engine.link("download", path), Range=wanted)

    assert found["compress_type"] == 8
    assert zlib.decompress(reply.content, -15) == b"wave" * 500
    missing = engine.call("GET", f"/storage/zip-file-range?path={path}&filename=b.txt")
    assert missing.status_code == 404
    absent = engine.call("GET", "/storage/zip-contents?path=none/output.zip")
    assert absent.status_code == 404


@pytest.mark.parametrize("name", ["../evil.txt", "/abs.txt", "a/../../evil.txt", "c:\\evil.txt"])
def test_inputs_that_would_leave_their_folder_are_refused(engine, name):
    task_id = engine.create("true")
    engine.put(f"{task_id}/input.zip", zipped({name: "x"}, folder=""))
    engine.call("POST", f"/tasks/{task_id}/input_uploaded")

    task = engine.finish(task_id)

    assert task["status"] == "executer-failed"
    assert "unsafe name" in task["error_detail"]


def test_files_are_listed_copied_and_removed(start_engine):
    engine = start_engine()
    engine.put("a/one.txt", b"1")
    engine.put("a/two.txt", b"22")

    listed = engine.get("/storage/contents", path="/a", sort_by="size", order="desc")
    assert listed["total_files"] == 2
    assert [entry["name"] for entry in listed["contents"]] == ["two.txt", "one.txt"]
    assert engine.get("/storage/contents")["contents"][0]["name"] == "a/"
    assert engine.call("POST", "/storage/copy?source=a&target=b").json() == {}
    assert engine.get("/storage/size") == 6
    assert engine.call("DELETE", "/storage/?path=a/").json() == {}
    assert engine.call("DELETE", "/storage/?path=a/").status_code == 404
    assert engine.call("DELETE", "/storage/?path=/").status_code == 400
    assert engine.get("/storage/contents")["total_files"] == 1
    assert engine.get("/storage/cost")["currency"] == "USD"
    assert engine.call("GET", "/storage/contents?per_page=101").status_code == 422


def test_other_servers_that_are_slow_take_no_threads_that_answers_need(start_engine):
    engine = start_engine()
    place = urlsplit(engine.url)
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        silent.settimeout(20)
        asking = []
        for number in range(40):
            query = f"path=a{number}&url=http://127.0.0.1:{silent.getsockname()[1]}/"
            client = stack.enter_context(socket.create_connection(("127.0.0.1", place.port), 30))
            client.sendall(
                f"POST /storage/input_remote?{query} HTTP/1.1\r\nHost: {place.netloc}\r\n"
                f"X-API-Key: {engine.key}\r\nConnection: close\r\n\r\n".encode()
            )
            asking.append(client)
        waiting = [stack.enter_context(silent.accept()[0]) for _ in range(MOST_EXCHANGES)]

        assert engine.get("/tasks")["total_size"] == 0
        assert engine.run("true")["status"] == "success"
        silent.settimeout(0)
        with pytest.raises(BlockingIOError):
            silent.accept()

        silent.close()
        for connection in waiting:
            connection.close()
        for client in asking:
            with client.makefile("rb") as reply:
                assert b" 400 " in reply.readline()
