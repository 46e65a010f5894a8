"""Files looked into, compared and fetched through the service, on the real engine."""

from __future__ import annotations

import gzip
import threading

import pytest
from test_service import Page

from inductiva_widgets import errors
from inductiva_widgets.outputs.remote import RemoteArchive
from inductiva_widgets.service.preview import HEAD_BYTES, kind_of

SAME_SIZE, DIFFERS, SAME = 6, 7, 8
SCRIPT = """
import random, struct, zlib
random.seed(3)
open("log.txt", "w").write("".join(f"Time = {i}\\\\n" for i in range(200_000)))
open("table.csv", "w").write("a;b\\\\n1;--\\\\n")
open("data.json", "w").write('{"a": 1}')
file = open("points.vtk", "w")
file.write("# vtk DataFile Version 3.0\\\\nx\\\\nASCII\\\\nDATASET POLYDATA\\\\n")
open("picture.png", "wb").write(b"\\\\x89PNG\\\\r\\\\n\\\\x1a\\\\n" + random.randbytes(100_000))
open("huge.png", "wb").write(b"\\\\x89PNG\\\\r\\\\n\\\\x1a\\\\n" + bytes(9_000_000))
open("state.bin", "wb").write(random.randbytes(3_000_000))
open("empty.dat", "w").close()
""".replace("\\\\", "\\")


@pytest.fixture(scope="module")
def task_id(engine):
    record = engine.run("python make.py", files={"make.py": SCRIPT})
    assert record["status"] == "success"
    return record["task_id"]


@pytest.fixture
def names(service, task_id):
    """Call parameters of the listing, and the row of each name."""
    meta, buffers = service.call("outputs.list", {"task_id": task_id})
    raw = gzip.decompress(buffers[0])[: meta["names_bytes"]].decode()
    rows = {name: row for row, name in enumerate(raw.split("\n"))}
    return {"task_id": task_id, "revision": meta["revision"]}, rows


@pytest.fixture
def fetched(monkeypatch):
    """Bytes of the archive that were asked for."""
    total = [0]
    stream = RemoteArchive.stream

    def counting(self, need, *rest, **more):
        total[0] += len(need)
        return stream(self, need, *rest, **more)

    monkeypatch.setattr(RemoteArchive, "stream", counting)
    return total


def look(service, names, name, **rest):
    which, rows = names
    return service.call("outputs.preview", {**which, "index": rows[name], **rest})


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("log.txt", "text", HEAD_BYTES),
        ("table.csv", "csv", 9),
        ("data.json", "json", 8),
        ("points.vtk", "vtk", 52),
        ("picture.png", "image", 100_008),
        ("huge.png", "image", 0),
        ("state.bin", "binary", 512),
        ("empty.dat", "text", 0),
    ],
)
def test_each_kind_is_told_by_its_bytes_and_bounded(service, names, name, kind, size):
    meta, buffers = look(service, names, name)

    assert (kind, size) == (meta["kind"], len(buffers[0]))


def test_little_of_the_archive_is_fetched(service, names, fetched):
    look(service, names, "state.bin")

    assert fetched[0] < HEAD_BYTES * 1.5


def test_text_is_read_on_and_from_its_end(service, names):
    log = "".join(f"Time = {i}\n" for i in range(200_000)).encode()
    _, first = look(service, names, "log.txt")
    meta, more = look(service, names, "log.txt", offset=len(first[0]), length=100_000)
    end, last = look(service, names, "log.txt", end=True)

    assert log.startswith(first[0] + more[0])
    assert (len(first[0]), 100_000) == (meta["offset"], len(more[0]))
    assert log.endswith(last[0])
    assert len(log) - len(last[0]) == end["offset"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"index": 10**6},
        {"index": -1},
        {"index": "0"},
        {"index": True},
        {"index": 0, "offset": 10**9},
        {"index": 0, "offset": 1, "length": -5},
        {"index": 0, "revision": "another"},
    ],
)
def test_what_is_not_there_is_refused(service, names, wrong):
    with pytest.raises(errors.UserInputError):
        service.call("outputs.preview", {**names[0], **wrong})


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.png", b"<html>", "text"),
        ("a.txt", b"\x89PNG\r\n\x1a\n", "image"),
        ("a.svg", b"<?xml?><svg/>", "image"),
        ("a.svg", b"no picture", "text"),
        ("a.csv", b"\x00\x01", "binary"),
        ("a.log", "Die größte Zelle, 12 mm\n".encode("latin-1") * 20, "text"),
        ("a.log", b"\xff\xfea\x00", "text"),
        ("a", b"\x01\x02\x03\xff\xfe" * 9, "binary"),
        ("PART.TSV", b"a\tb", "csv"),
    ],
)
def test_the_first_bytes_decide_about_the_kind(name, head, kind):
    assert kind == kind_of(name, head)[0]


def test_a_damaged_member_is_an_error_not_a_picture(service, names, monkeypatch):
    stream = RemoteArchive.stream

    def damaged(self, need, *rest, **more):
        for piece in stream(self, need, *rest, **more):
            yield bytes(piece[:-3000]) + bytes(3000) if len(piece) > 3000 else piece

    monkeypatch.setattr(RemoteArchive, "stream", damaged)

    with pytest.raises(errors.CorruptMemberError):
        look(service, names, "picture.png")


def test_the_target_folder_is_compared(service, names, tmp_path):
    which, rows = names
    target = tmp_path / "elsewhere" / which["task_id"] / "outputs"
    target.mkdir(parents=True)
    (target / "data.json").write_text('{"a": 1}')
    (target / "table.csv").write_text("a;b\n2;--\n")
    (target / "log.txt").write_text("short")
    (target / "points.vtk").symlink_to(target / "log.txt")

    answer, _ = service.call("outputs.check", {**which, "folder": str(tmp_path / "elsewhere")})

    pairs = dict(zip(answer["changed"][::2], answer["changed"][1::2], strict=True))
    assert {
        rows["data.json"]: SAME,
        rows["table.csv"]: DIFFERS,
        rows["log.txt"]: DIFFERS,
        rows["points.vtk"]: DIFFERS,
    } == pairs
    assert str(target) == answer["target"]


def test_contents_are_compared_as_far_as_allowed(service, names, tmp_path, monkeypatch):
    which, rows = names
    target = tmp_path / "downloads" / which["task_id"] / "outputs"
    target.mkdir(parents=True)
    (target / "data.json").write_text('{"b": 1}')
    monkeypatch.setattr("inductiva_widgets.service.outputs.COMPARED_BYTES", 4)

    answer, _ = service.call("outputs.check", which)

    assert [rows["data.json"], SAME_SIZE] == answer["changed"]


def test_a_file_in_place_of_the_folder_is_named(service, names, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(errors.DestinationError, match="is a file"):
        service.call("outputs.check", {**names[0], "folder": str(tmp_path / "file" / "x")})


def picked(names, *wanted):
    bits = bytearray((len(names[1]) + 7) // 8)
    for name in wanted:
        row = names[1][name]
        bits[row >> 3] |= 1 << (row & 7)
    return [gzip.compress(bytes(bits))]


def test_files_in_the_way_are_a_question_with_an_answer(service, names, tmp_path):
    which, rows = names
    target = tmp_path / "downloads" / which["task_id"] / "outputs"
    target.mkdir(parents=True)
    (target / "data.json").write_text("mine")
    page = Page(service, f"task/{which['task_id']}")
    wanted = picked(names, "data.json", "table.csv")

    service.call("outputs.download", which, wanted)
    asked = page.read(state="failed")
    states = service.call("outputs.state", {"task_id": which["task_id"]})[0]["downloads"][0]
    service.call("outputs.download", {**which, "overwrite": "rename"}, wanted)
    page.read(state="done")

    assert asked["error"]["type"] == "FileConflictError"
    pairs = dict(zip(states["changed"][::2], states["changed"][1::2], strict=True))
    assert pairs[rows["data.json"]] == DIFFERS
    assert (target / "data.json").read_text() == "mine"
    assert (target / "data (1).json").read_text() == '{"a": 1}'


def test_the_archive_as_it_is(service, names, tmp_path):
    which, _ = names
    page = Page(service, f"task/{which['task_id']}")

    started, _ = service.call("outputs.download", {**which, "uncompress": False})
    page.read(state="done")

    assert started["is_archive"]
    assert (tmp_path / "downloads" / which["task_id"] / "outputs" / "output.zip").stat().st_size > 0


def test_a_second_listener_asks_what_it_missed_and_holds_the_download(service, names, monkeypatch):
    which, rows = names
    reached, release = threading.Event(), threading.Event()
    stream = RemoteArchive.stream

    def slow(self, need, stop):
        for piece in stream(self, need, stop):
            yield piece
            reached.set()
            while not release.wait(0.01):
                stop.check()

    monkeypatch.setattr(RemoteArchive, "stream", slow)
    page = Page(service, f"task/{which['task_id']}")
    started, _ = service.call("outputs.download", which)
    assert reached.wait(20)

    answer, _ = service.call("outputs.state", {"task_id": which["task_id"]})
    service.call("outputs.pause", {"download_id": started["download_id"], "paused": True})
    page.read(paused=True)
    service.call("outputs.pause", {"download_id": started["download_id"], "paused": False})
    release.set()
    page.read(state="done")

    (mine,) = answer["downloads"]
    assert mine["download_id"] == started["download_id"]
    assert set(rows.values()) == set(mine["changed"][::2])
