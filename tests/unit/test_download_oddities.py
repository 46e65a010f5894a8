"""Downloads from storages that answer strangely, on disks and machines that do: still right."""

from __future__ import annotations

import contextlib
import os
import random
import re

import psutil
import pytest
from archive_server import zipped
from test_download import ARCHIVE, FILES, Storage, cut, once

from inductiva_widgets.errors import (
    CorruptMemberError,
    DestinationError,
    DownloadError,
    IncompleteDownloadError,
)
from inductiva_widgets.outputs import folder as folders
from inductiva_widgets.outputs import journal
from inductiva_widgets.outputs.folder import OutputFolder

ALONE = "vtk/fluid_0.vtk"


@pytest.fixture
def make(tmp_path):
    with contextlib.ExitStack() as ends:

        def make(body=ARCHIVE):
            return ends.enter_context(contextlib.closing(Storage(body, tmp_path)))

        yield make


@pytest.fixture
def storage(make):
    return make()


def breaks_off(storage):
    """A download that ends too soon, with some of it received."""
    storage.outputs.directory()

    def fail(number, handler, span):
        return number > 4 and cut(storage.server, 0)(handler, *span)

    storage.server.faults.append(fail)
    with pytest.raises(IncompleteDownloadError):
        storage.get()
    storage.server.faults.clear()


# -- the storage ---------------------------------------------------------------------------------


@pytest.mark.fault(4)
def test_bytes_beyond_what_was_announced_are_never_used(storage):
    def too_much(handler, start, end):
        body = storage.server.body[start:end] + b"more"
        storage.server.send_range(handler, start, end, body)
        return True

    storage.server.faults.append(once(too_much))
    storage.get()

    assert storage.found == FILES


@pytest.mark.fault(3)
@pytest.mark.parametrize("is_ended", [True, False])
def test_a_chunked_body_that_is_cut_is_resumed(storage, is_ended):
    def chunked(handler, start, end):
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(ARCHIVE)}")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        piece = ARCHIVE[start : (start + end) // 2]
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n" if is_ended else b"")
        handler.close_connection = True
        return True

    storage.server.faults.append(once(chunked))
    storage.get(ALONE)

    assert storage.found == {ALONE: FILES[ALONE]}
    first, second = (asked for asked, _ in storage.server.requests[1:])
    assert int(second[6:].split("-")[0]) > int(first[6:].split("-")[0])  # from where it broke


@pytest.mark.fault(22)
@pytest.mark.parametrize("names", [(), (ALONE,)])
def test_a_storage_that_answers_a_condition_with_everything(storage, names):
    def whole(_, handler, span):
        if "If-Match" not in handler.headers:
            return False
        storage.server.send(handler, 200, storage.server.body)
        return True

    storage.server.faults.append(whole)
    storage.get(*names)

    assert storage.found == {name: FILES[name] for name in names or FILES}


@pytest.mark.fault(20, 22)
def test_another_archive_of_that_size_is_noticed_where_conditions_mean_nothing(make):
    contents = [random.Random(seed).randbytes(300_000) for seed in (1, 2)]
    older, newer = (zipped({"a.bin": content}, stored=True) for content in contents)
    storage = make(older)
    storage.outputs.directory()
    storage.server.body, storage.server.etag = newer, '"v2"'

    def ignore(_, handler, span):
        del handler.headers["If-Match"]
        return False

    storage.server.faults.append(ignore)
    storage.get()

    assert storage.found == {"a.bin": contents[1]}


@pytest.mark.fault(18)
def test_a_range_without_a_total_is_taken_when_the_size_is_known(storage):
    storage.outputs.directory()

    def no_total(_, handler, span):
        start, end = span
        said = {"Content-Range": f"bytes {start}-{end - 1}/*"}
        storage.server.send(handler, 206, ARCHIVE[start:end], said)
        return True

    storage.server.faults.append(no_total)
    storage.get(ALONE)

    assert storage.found == {ALONE: FILES[ALONE]}


@pytest.mark.fault(19)
def test_a_range_that_is_said_to_lie_beyond_the_end_is_begun_again_once(storage):
    def refuse(handler, start, end):
        storage.server.send(handler, 416, b"", {"Content-Range": f"bytes */{len(ARCHIVE)}"})
        return True

    storage.server.faults.append(once(refuse))
    storage.get()

    assert storage.found == FILES


@pytest.mark.fault(19, 21)
@pytest.mark.parametrize("uncompress", [True, False])
def test_without_a_tag_what_was_kept_of_another_archive_of_that_size_is_not_used(make, uncompress):
    contents = [random.Random(seed).randbytes(3_000_000) for seed in (1, 2)]
    older, newer = (zipped({"a.bin": content}, stored=True) for content in contents)
    storage = make(older)
    storage.server.etag = None
    storage.outputs.directory()
    storage.server.faults.append(
        lambda number, handler, span: number > 2 and cut(storage.server, 0)(handler, *span)
    )
    with pytest.raises(IncompleteDownloadError):
        storage.get(uncompress=uncompress)
    storage.server.faults.clear()

    storage.server.body = newer
    order = {"uncompress": uncompress}
    storage.fresh().start_download(storage.folder, **order).result(20)

    assert len(newer) == len(older)
    assert storage.found == ({"a.bin": contents[1]} if uncompress else {"output.zip": newer})


@pytest.mark.fault(23)
def test_a_coded_range_is_not_taken_for_bytes_of_the_archive(storage):
    def coded(handler, start, end):
        storage.server.send_range(handler, start, end, None, **{"Content-Encoding": "gzip"})
        return True

    storage.server.faults.append(once(coded))
    storage.get()

    assert storage.found == FILES
    assert {headers["Accept-Encoding"] for headers in storage.server.headers} == {"identity"}


@pytest.mark.fault(14, 24)
@pytest.mark.parametrize("status", [200, 400, 403])
def test_pages_and_refusals_are_never_files(make, status):
    storage = make(b"<Error><Code>AccessDenied</Code></Error>")
    storage.server.faults.append(
        lambda _, handler, span: storage.server.send(handler, status, storage.server.body) or True
    )

    for uncompress in (True, False):
        with pytest.raises(DownloadError):
            storage.get(uncompress=uncompress)
    assert not storage.folder.exists()


@pytest.mark.fault(28)
def test_nobody_asks_by_head(storage):
    asked = []

    def head(handler):
        asked.append(handler.path)
        handler.send_response(200)
        handler.send_header("Content-Length", "7")  # a lie
        handler.end_headers()

    storage.server.http.RequestHandlerClass.do_HEAD = head

    storage.get()
    storage.outputs.check(storage.folder)
    storage.outputs.start_download(storage.folder, uncompress=False).result(20)

    assert storage.found == {**FILES, "output.zip": ARCHIVE}
    assert asked == []


@pytest.mark.fault(15, 31)
def test_after_an_hour_of_sleep_connection_and_link_are_gone_and_it_goes_on(storage):
    def wakes(handler, start, end):
        cut(storage.server, 0.5)(handler, start, end)
        storage.server.tokens.clear()
        return True

    storage.server.faults.append(once(wakes))
    storage.get(ALONE)

    assert storage.found == {ALONE: FILES[ALONE]}
    assert storage.source.renewed == 1
    half = len(FILES[ALONE]) // 2
    starts = [int(asked[6:].split("-")[0]) for asked, _ in storage.server.requests[1:]]
    assert starts[1] == starts[2] > starts[0] + half - 1000  # refused there, and on from there


# -- the disk and the machine --------------------------------------------------------------------


@pytest.mark.fault(68)
@pytest.mark.parametrize("moment", [0, 2**33])
def test_times_of_files_decide_nothing(storage, moment):
    storage.get()
    (storage.folder / ALONE).write_bytes(FILES[ALONE][::-1])
    for path in storage.folder.rglob("*"):
        os.utime(path, (moment, moment))

    download = storage.start(overwrite="replace")
    download.result(20)

    assert storage.found == FILES
    states = {file.name: file.state for file in download.files}
    assert states.pop(ALONE) == "verified"
    assert set(states.values()) == {"skipped"}


@pytest.mark.fault(65)
@pytest.mark.parametrize("moment", [0, 2**33])
def test_times_of_a_journal_decide_nothing(storage, moment):
    breaks_off(storage)
    for path in storage.folder.rglob("*"):
        os.utime(path, (moment, moment))
    storage.server.sent = 0

    storage.get()

    assert storage.found == FILES
    assert storage.server.sent < len(ARCHIVE)


@pytest.mark.fault(63)
def test_where_locks_do_nothing_no_file_is_wrong(make, monkeypatch):
    monkeypatch.setattr(journal, "_locked", lambda _: True)
    storage = make()
    storage.outputs.directory()
    storage.server.bytes_per_s = 20e6
    downloads = [storage.fresh().start_download(storage.folder) for _ in range(4)]
    for download in downloads:
        with contextlib.suppress(DownloadError):  # another one may have tidied up its files
            download.result(20)
    whole = {name: data for name, data in storage.found.items() if not name.endswith(".part")}
    assert whole.items() <= FILES.items()

    storage.get()

    assert storage.found == FILES


def test_a_journal_that_vanishes_while_it_is_made_is_made_again(make, monkeypatch):
    write_pin, tries = journal.Journal._write_pin, []

    def vanished_once(self, pin):
        tries.append(pin)
        if len(tries) == 1:
            raise FileNotFoundError(2, "another download has removed it")
        write_pin(self, pin)

    monkeypatch.setattr(journal.Journal, "_write_pin", vanished_once)
    storage = make()

    storage.get()  # and no descriptor is left, which every test is looked at for

    assert len(tries) == 2
    assert storage.found == FILES


@pytest.fixture
def held(monkeypatch):
    """As on Windows, where others may hold a file: renames are refused so many times."""
    left = [0]
    replace = os.replace

    def refused(*args, **kwargs):
        if left[0] > 0:
            left[0] -= 1
            raise PermissionError(13, "held by another program")
        return replace(*args, **kwargs)

    monkeypatch.setattr(folders, "_IS_WINDOWS", True)
    monkeypatch.setattr(folders, "rename_if_absent", lambda *_: False)
    monkeypatch.setattr(os, "replace", refused)
    return left


@pytest.mark.fault(70)
def test_a_rename_that_is_refused_for_a_moment_is_tried_again(make, held):
    storage = make(zipped({"a.txt": b"hello"}))
    held[0] = 3

    storage.get()

    assert storage.found == {"a.txt": b"hello"}


@pytest.mark.fault(70)
@pytest.mark.parametrize("size", [5, 3_000_000])
def test_a_rename_that_stays_refused_keeps_the_old_file_and_names_the_new(
    make, held, monkeypatch, size
):
    monkeypatch.setattr(folders, "RENAME_WITHIN_S", 0.1)
    storage = make(zipped({"a.txt": b"h" * size}))
    storage.folder.mkdir()
    (storage.folder / "a.txt").write_bytes(b"old")
    held[0] = 10**6

    with pytest.raises(DestinationError, match=r"a\.txt") as caught:
        storage.get(overwrite="replace")

    assert list(caught.value.failed) == ["a.txt"]
    (kept,) = re.findall(r"\.[0-9a-f]{12}-\d+\.part", caught.value.message)
    assert storage.found == {"a.txt": b"old", kept: b"h" * size}
    held[0] = 0
    storage.get(overwrite="replace")  # nothing of it is in the way
    assert storage.found["a.txt"] == b"h" * size


@pytest.mark.fault(70)
def test_an_archive_whose_rename_stays_refused_is_kept_and_named(make, held, monkeypatch):
    monkeypatch.setattr(folders, "RENAME_WITHIN_S", 0.1)
    storage = make(zipped({"a.txt": b"hello"}))
    held[0] = 10**6

    with pytest.raises(DestinationError, match=r"output\.zip is held") as caught:
        storage.get(uncompress=False)

    (kept,) = re.findall(r"\.[0-9a-f]{12}-\d+\.part", caught.value.message)
    assert storage.found == {kept: storage.server.body}


@pytest.mark.fault(70)
def test_no_new_file_is_kept_that_is_not_verified(make, held, monkeypatch):
    monkeypatch.setattr(folders, "RENAME_WITHIN_S", 0.1)
    body = bytearray(zipped({"a.txt": b"hello"}, stored=True))
    body[body.index(b"hello")] ^= 1
    storage = make(bytes(body))
    held[0] = 10**6

    with pytest.raises(CorruptMemberError):
        storage.get()

    assert storage.found == {}


@pytest.mark.fault(69)
@pytest.mark.parametrize("count", [3000, pytest.param(100_000, marks=pytest.mark.full)])
def test_many_small_files_cost_few_requests_and_few_open_files(make, count):
    files = {f"small/{number:06}.txt": b"%d" % number for number in range(count)}
    storage = make(zipped(files))
    process, most = psutil.Process(), []
    before = process.num_fds() if hasattr(process, "num_fds") else 0

    def look(_):
        if before:
            most.append(process.num_fds() - before)

    storage.start(on_progress=look).result(110)

    asked = len(storage.server.requests)
    assert asked <= 2 + -(-len(storage.server.body) // 1_000_000)  # chunks of 1 MB here
    # Each connection is counted twice: the server is in this process.
    assert max(most, default=0) <= 16 + 2 * len(storage.server.connections)
    assert len(list((storage.folder / "small").iterdir())) == count


@pytest.mark.fault(37)
@pytest.mark.parametrize("pair", [("A.txt", "a.txt"), ("é.txt", "e\u0301.txt"), ("a", "a.")])
def test_names_are_compared_as_this_disk_compares_them(make, pair):
    """Whatever disk the tests run on: both files, or the second one refused by name."""
    storage = make(zipped({pair[0]: b"one", pair[1]: b"two"}))
    failed = {}
    try:
        storage.get()
    except DownloadError as error:
        failed = error.failed

    with contextlib.closing(OutputFolder(storage.folder)) as folder:
        assert (storage.folder / pair[0]).read_bytes() == b"one"
        if failed:
            assert list(failed) == [pair[1]]
        else:
            assert folder.existing((pair[1],)) == "file"
            assert (storage.folder / pair[1]).read_bytes() == b"two"
