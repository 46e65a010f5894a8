"""Downloads from a real server on loopback, with faults: what arrives is right, or is named."""

from __future__ import annotations

import base64
import hashlib
import io
import random
import stat
import threading
import zipfile

import pytest
from archive_server import SIGNATURE, ArchiveServer, Source, zipped
from urllib3.connectionpool import HTTPConnectionPool

from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.errors import (
    BadArchiveError,
    CorruptMemberError,
    DestinationError,
    DownloadCancelledError,
    DownloadError,
    IncompleteDownloadError,
    LinkExpiredError,
    NotFoundError,
    RangeUnsupportedError,
    RemoteChangedError,
    UnsafeMemberError,
    UnsupportedMemberError,
    UserInputError,
    WaitTimeoutError,
)
from inductiva_widgets.outputs.archive import TAIL_BYTES
from inductiva_widgets.outputs.budget import Budget
from inductiva_widgets.outputs.engine import Outputs
from inductiva_widgets.outputs.folder import OutputFolder
from inductiva_widgets.outputs.ranges import MB
from inductiva_widgets.outputs.remote import RetryPolicy
from inductiva_widgets.outputs.stop import Stop
from inductiva_widgets.outputs.transfer import Tuning

_random = random.Random(7)
# Random bytes do not pack: offsets in the archive are as far apart as the files are long.
FILES = {
    "stdout.txt": b"step\n" * 2000,
    "empty.txt": b"",
    **{f"vtk/fluid_{number}.vtk": _random.randbytes(400_000) for number in range(8)},
    "log/SPH_log.txt": _random.randbytes(3_000_000),
}
ARCHIVE = zipped(FILES, folders=("vtk/", "log/", "nothing/"))


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


class Storage:
    """A server, what reads from it, and a folder to write to."""

    def __init__(self, body, folder):
        self.server = ArchiveServer(body)
        self.source = Source(self.server)
        self.transport = LinkTransport(timeouts=Timeouts(connect_s=2, read_s=0.4))
        self.folder = folder / "out"
        self.outputs = self.fresh()

    def fresh(self):
        retry = RetryPolicy(tries=3, first_pause_s=0.001)
        tuning = Tuning(chunk_bytes=MB)
        return Outputs(self.transport, self.source, retry=retry, tuning=tuning)

    def start(self, *names, **options):
        return self.outputs.start_download(self.folder, filenames=names or None, **options)

    def get(self, *names, **options):
        return self.start(*names, **options).result(20)

    @property
    def found(self):
        """Files that have a final name, and temporary ones: all but the journal for resuming."""
        files = (
            path
            for path in self.folder.rglob("*")
            if path.is_file() and not path.parent.name.startswith(".inductiva-")
        )
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files}

    def close(self):
        self.transport.close()
        self.server.close()


@pytest.fixture
def make(tmp_path, no_thread_is_left):
    made = []

    def make(body=ARCHIVE):
        made.append(Storage(body, tmp_path))
        return made[-1]

    yield make
    for storage in made:
        storage.close()


@pytest.fixture
def storage(make):
    return make()


# What is delivered.


def test_everything_is_delivered_as_zipfile_would(storage):
    path = storage.get()

    assert path == storage.folder
    assert storage.found == FILES
    assert (storage.folder / "nothing").is_dir()
    assert storage.server.sent < len(ARCHIVE) + TAIL_BYTES


def test_one_file_costs_one_request_for_the_directory_and_one_for_its_bytes(storage):
    storage.get("vtk/fluid_3.vtk")

    assert storage.found == {"vtk/fluid_3.vtk": FILES["vtk/fluid_3.vtk"]}
    assert len(storage.server.requests) == 2
    assert storage.server.sent < TAIL_BYTES + 400_000 + 1000


def test_neighbours_come_in_one_request_and_far_files_in_their_own(storage):
    storage.outputs.directory()
    storage.get("vtk/fluid_1.vtk", "vtk/fluid_2.vtk", "vtk/fluid_6.vtk")

    assert len(storage.server.requests) == 1 + 2
    assert storage.server.sent < TAIL_BYTES + 3 * 400_000 + 2000


def test_a_small_archive_costs_one_request(make):
    storage = make(zipped({"a.txt": b"hello"}))

    storage.get()

    assert len(storage.server.requests) == 1
    assert storage.found == {"a.txt": b"hello"}


def test_a_member_longer_than_a_chunk_comes_in_parallel_parts(storage):
    storage.get("log/SPH_log.txt")

    assert storage.found == {"log/SPH_log.txt": FILES["log/SPH_log.txt"]}
    assert len(storage.server.requests) == 1 + 4  # 3 MB and a header, by 1 MB


def test_empty_files_need_no_request(storage):
    storage.outputs.directory()
    storage.get("empty.txt")

    assert storage.found == {"empty.txt": b""}
    assert len(storage.server.requests) == 1


@pytest.mark.fault(94)
@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["vtk/"], 8),
        (["vtk"], 8),
        (["artifacts/vtk/fluid_1.vtk", "./vtk/fluid_1.vtk", "vtk//fluid_1.vtk"], 1),
        (["vtk/*_[12].vtk"], 2),
        (["*.txt"], 2),
        (["**/*.txt"], 3),
        (["v*/"], 8),
        (["vtk\\fluid_1.vtk"], 1),
        (["artifacts/"], 11),
    ],
)
def test_names_folders_and_globs_choose(storage, names, count):
    storage.get(*names)

    assert len(storage.found) == count


def test_indices_choose_rows_of_the_listing(storage):
    listing = storage.outputs.directory()
    storage.outputs.start_download(
        storage.folder, indices=[listing.names.index("stdout.txt")]
    ).result(20)

    assert list(storage.found) == ["stdout.txt"]


@pytest.mark.fault(95)
@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../b", "C:\\x", "", "a\0b", 5])
def test_names_that_cannot_be_outputs_are_refused_before_any_request(storage, name):
    with pytest.raises(UserInputError):
        storage.start(name)

    assert storage.server.requests == []


@pytest.mark.fault(93)
def test_names_not_found_are_told_after_the_others_were_delivered(storage):
    with pytest.raises(NotFoundError, match=r"fluid_99.*Close to it: .*vtk/fluid_") as caught:
        storage.get("stdout.txt", "vtk/fluid_99.vtk", "zzz")

    assert caught.value.missing == ("vtk/fluid_99.vtk", "zzz")
    assert str(caught.value).endswith("The other files were delivered.")
    assert list(storage.found) == ["stdout.txt"]


def test_a_file_in_the_place_of_the_folder_is_told(storage):
    storage.folder.write_text("mine")

    with pytest.raises(DestinationError, match="it is a file, not a folder"):
        storage.get("stdout.txt")

    assert storage.folder.read_text() == "mine"


def test_the_archive_itself_can_be_kept(storage):
    assert storage.get(uncompress=False) == storage.folder

    assert storage.found == {"output.zip": ARCHIVE}


# What is there already.


@pytest.mark.fault(61)
def test_identical_files_are_skipped_without_transfer(storage):
    storage.get()
    requests = len(storage.server.requests)
    download = storage.start()
    download.result(20)

    assert len(storage.server.requests) == requests
    assert {file.state for file in download.files} == {"skipped"}


@pytest.mark.fault(60)
def test_other_content_is_an_error_before_any_transfer(storage):
    storage.folder.mkdir()
    (storage.folder / "stdout.txt").write_bytes(b"mine")

    with pytest.raises(DestinationError) as caught:
        storage.get()

    assert list(caught.value.failed)[:1] == ["stdout.txt"]
    assert storage.found == {"stdout.txt": b"mine"}
    assert len(storage.server.requests) == 1


@pytest.mark.fault(60)
@pytest.mark.parametrize(
    ("overwrite", "expected"),
    [
        ("skip", {"stdout.txt": b"mine"}),
        ("replace", {"stdout.txt": FILES["stdout.txt"]}),
        ("rename", {"stdout.txt": b"mine", "stdout (1).txt": FILES["stdout.txt"]}),
    ],
)
def test_overwrite_says_what_happens_to_existing_files(storage, overwrite, expected):
    storage.folder.mkdir()
    (storage.folder / "stdout.txt").write_bytes(b"mine")

    storage.get("stdout.txt", overwrite=overwrite)

    assert storage.found == expected


# Faults of the network.


def once(act):
    """A fault for the first request for a member's bytes only."""
    hits = []

    def fault(number, handler, span):
        if number == 1 or hits:
            return False
        hits.append(number)
        return act(handler, *span)

    return fault


def cut(server, share):
    def act(handler, start, end):
        keep = int((end - start) * share)
        server.send_range(handler, start, end, server.body[start : start + keep])
        return True

    return act


@pytest.mark.fault(1, 2)
@pytest.mark.parametrize("share", [0, 0.5, 0.999])
def test_a_broken_connection_is_resumed_at_its_byte(storage, share):
    storage.server.faults.append(once(cut(storage.server, share)))

    storage.get("vtk/fluid_0.vtk")

    assert storage.found == {"vtk/fluid_0.vtk": FILES["vtk/fluid_0.vtk"]}
    assert storage.server.sent < TAIL_BYTES + 400_000 + 2000


@pytest.mark.fault(5)
def test_a_stalled_connection_is_left_and_resumed(storage):
    def stall(handler, start, end):
        said = {"Content-Range": f"bytes {start}-{end - 1}/{len(ARCHIVE)}"}
        storage.server.send(handler, 206, ARCHIVE[start : start + 100_000], said, end - start)
        handler.wfile.flush()
        storage.server.release.wait(5)
        return True

    storage.server.faults.append(once(stall))
    storage.get("vtk/fluid_0.vtk")

    assert storage.found == {"vtk/fluid_0.vtk": FILES["vtk/fluid_0.vtk"]}


@pytest.mark.fault(8, 9)
@pytest.mark.parametrize(("status", "headers"), [(500, {}), (503, {}), (429, {"Retry-After": "0"})])
def test_passing_failures_are_not_noticed(storage, status, headers):
    def fail(handler, start, end):
        storage.server.send(handler, status, b"busy", headers)
        return True

    storage.server.faults.append(once(fail))

    storage.get()

    assert storage.found == FILES


@pytest.mark.fault(1)
def test_no_progress_ends_with_the_names_not_delivered(storage):
    storage.outputs.directory()
    storage.server.faults.append(
        lambda number, handler, span: cut(storage.server, 0)(handler, *span)
    )

    with pytest.raises(IncompleteDownloadError) as caught:
        storage.get("stdout.txt", "vtk/fluid_0.vtk")

    assert set(caught.value.failed) == {"stdout.txt", "vtk/fluid_0.vtk"}
    assert storage.found == {}


@pytest.mark.fault(15)
def test_an_expired_link_is_renewed_once_for_all_workers(storage):
    storage.outputs.directory()
    storage.server.tokens.clear()

    storage.get()

    assert storage.source.renewed == 1
    assert storage.found == FILES


@pytest.mark.fault(14)
def test_a_fresh_link_that_is_refused_as_well_ends_it(storage):
    storage.source.fresh_works = False
    storage.server.tokens.clear()

    with pytest.raises(LinkExpiredError) as caught:
        storage.get()

    assert SIGNATURE not in str(caught.value) + repr(caught.value)
    assert storage.found == {}


def test_a_link_to_nothing_is_not_found(storage):
    storage.server.faults.append(
        lambda _, handler, span: storage.server.send(handler, 404, b"") or True
    )

    with pytest.raises(NotFoundError):
        storage.get()


@pytest.mark.fault(17, 18)
@pytest.mark.parametrize(
    "said",
    ["bytes 0-399999/{total}", "bytes {start}-{before}/{total}", "bytes */{total}", ""],
    ids=["start", "length", "none", "missing"],
)
def test_a_range_that_was_not_asked_for_is_not_used(storage, said):
    storage.outputs.directory()

    def lie(number, handler, span):
        start, end = span
        text = said.format(start=start, before=end - 2, total=len(ARCHIVE))
        storage.server.send(
            handler, 206, ARCHIVE[start:end], {"Content-Range": text} if text else {}
        )
        return True

    storage.server.faults.append(lie)
    with pytest.raises(IncompleteDownloadError):
        storage.get("vtk/fluid_2.vtk")

    assert storage.found == {}


@pytest.mark.fault(20)
def test_an_archive_replaced_in_between_is_begun_again_once_and_never_mixed(storage):
    storage.outputs.directory()
    newer = {**FILES, "stdout.txt": b"another run"}
    storage.server.body, storage.server.etag = zipped(newer), '"v2"'

    storage.get()

    pins = [headers.get("If-Match") for headers in storage.server.headers]
    assert '"v1"' in pins
    assert pins[-1] == '"v2"'
    assert storage.found == newer
    assert storage.outputs.directory().etag == '"v2"'


@pytest.mark.fault(20)
def test_an_archive_that_keeps_changing_is_given_up(storage):
    storage.outputs.directory()

    def change(number, handler, span):
        storage.server.etag = f'"{number}"'
        return False

    storage.server.faults.append(change)

    with pytest.raises(RemoteChangedError):
        storage.get("stdout.txt")
    assert storage.found == {}


@pytest.mark.fault(20)
def test_files_of_the_older_archive_do_not_stay_beside_those_of_the_newer(storage):
    newer = {name: data[::-1] for name, data in FILES.items()}
    body = zipped(newer)

    def replace_later(number, handler, span):
        if number == 6:
            storage.server.body, storage.server.etag = body, '"v2"'
        return False

    storage.server.faults.append(replace_later)
    storage.get()

    assert storage.found == newer


def test_rows_of_a_replaced_archive_choose_nothing(storage):
    storage.outputs.directory()
    storage.server.etag = '"v2"'

    with pytest.raises(RemoteChangedError):
        storage.outputs.start_download(storage.folder, indices=[0]).result(20)
    assert storage.found == {}


@pytest.mark.fault(19, 21)
def test_another_size_is_another_archive_where_tags_are_missing(make):
    storage = make()
    storage.server.etag = None
    storage.outputs.directory()
    storage.server.body = zipped({"other.txt": b"short"})

    with pytest.raises(NotFoundError, match=r"stdout\.txt"):
        storage.get("stdout.txt")


@pytest.mark.fault(45)
def test_bytes_spoilt_on_the_way_are_fetched_once_more(storage):
    def spoil(handler, start, end):
        body = bytearray(ARCHIVE[start:end])
        body[200_000] ^= 1
        storage.server.send_range(handler, start, end, bytes(body))
        return True

    storage.server.faults.append(once(spoil))
    storage.get("vtk/fluid_4.vtk")

    assert storage.found == {"vtk/fluid_4.vtk": FILES["vtk/fluid_4.vtk"]}
    assert len(storage.server.requests) == 3


@pytest.mark.fault(16)
def test_a_storage_without_ranges_is_read_whole(make):
    storage = make(zipped({**FILES, "more.bin": random.Random(1).randbytes(9_000_000)}))
    storage.server.ranges_work = False

    with pytest.raises(RangeUnsupportedError):
        storage.outputs.directory()
    storage.get("stdout.txt", "vtk/fluid_1.vtk")

    assert storage.found == {name: FILES[name] for name in ("stdout.txt", "vtk/fluid_1.vtk")}


@pytest.mark.fault(16)
def test_ranges_that_stop_working_are_replaced_by_one_whole_reading(storage):
    storage.outputs.directory()
    storage.server.ranges_work = False

    storage.get()

    assert storage.found == FILES


@pytest.mark.fault(16)
def test_a_kept_archive_comes_without_ranges_as_well(storage):
    storage.server.ranges_work = False

    storage.get(uncompress=False)

    assert storage.found == {"output.zip": ARCHIVE}


@pytest.mark.fault(24)
@pytest.mark.parametrize("body", [b"", b"<html>Please log in</html>", ARCHIVE[:-30]])
def test_what_is_no_archive_is_said(make, body):
    storage = make(body)

    with pytest.raises(BadArchiveError):
        storage.get()


# Archives that lie.


def hostile(change):
    """An archive with a good file and the members that `change(archive)` adds."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("artifacts/good.txt", b"good" * 100)
        change(archive)
    return buffer.getvalue()


def link(archive):
    info = zipfile.ZipInfo("artifacts/bad.txt")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def twice(archive):
    archive.writestr("artifacts/bad.txt", b"one")
    with pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("artifacts/bad.txt", b"two")


@pytest.mark.fault(33, 34, 36)
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda archive: archive.writestr("artifacts/../../bad.txt", b"x"), UnsafeMemberError),
        (lambda archive: archive.writestr("artifacts//etc/bad.txt", b"x"), UnsafeMemberError),
        (link, UnsafeMemberError),
        (twice, UnsafeMemberError),
    ],
    ids=["parent", "absolute", "link", "duplicate"],
)
def test_unsafe_members_are_refused_and_the_others_kept(make, tmp_path, change, error):
    storage = make(hostile(change))

    with pytest.raises(error) as caught:
        storage.get()

    assert len(caught.value.failed) == 1
    assert storage.found == {"good.txt": b"good" * 100}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.fault(36)
def test_equal_duplicates_are_written_once(make):
    def equal(archive):
        archive.writestr("artifacts/a.txt", b"same")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("artifacts/a.txt", b"same")

    storage = make(hostile(equal))
    storage.get()

    assert storage.found == {"good.txt": b"good" * 100, "a.txt": b"same"}


@pytest.mark.fault(44, 45, 48)
@pytest.mark.parametrize(
    ("at", "new", "error"),
    [
        (8, b"\1\0", UnsupportedMemberError),
        (10, b"\x5d\0", UnsupportedMemberError),
        (16, b"\1\2\3\4", CorruptMemberError),
        (24, b"\1", CorruptMemberError),
        (42, b"\xff\xff\xff\x7f", CorruptMemberError),
    ],
    ids=["encrypted", "zstd", "crc", "size", "offset"],
)
def test_one_bad_member_never_hides_the_good_ones(make, at, new, error):
    body = bytearray(hostile(lambda archive: archive.writestr("artifacts/bad.txt", b"bad" * 500)))
    entry = body.rindex(b"PK\x01\x02")
    body[entry + at : entry + at + len(new)] = new
    storage = make(bytes(body))

    with pytest.raises(error) as caught:
        storage.get()

    assert set(caught.value.failed) == {"bad.txt"}
    assert caught.value.path == str(storage.folder)
    assert storage.found == {"good.txt": b"good" * 100}


@pytest.mark.fault(49)
def test_streamed_archives_with_descriptors_and_zip64_fields(make):
    class Unseekable(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise io.UnsupportedOperation

        def tell(self):
            raise io.UnsupportedOperation

    buffer = Unseekable()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.txt", "b.txt"):
            with archive.open(f"artifacts/{name}", "w", force_zip64=True) as file:
                file.write(name.encode() * 1000)
    storage = make(buffer.getvalue())

    storage.get()

    assert storage.found == {name: name.encode() * 1000 for name in ("a.txt", "b.txt")}


# The future.


def test_progress_is_told_at_a_limited_rate_and_at_the_end(storage):
    told = []
    download = storage.start(on_progress=told.append)
    download.result(20)

    assert told[-1] == download.progress
    assert (told[-1].state, told[-1].files_done, told[-1].seconds_left) == (
        "done",
        len(FILES),
        None,
    )
    assert told[-1].bytes == told[-1].bytes_done > 0
    assert len(told) < 30
    assert {file.state for file in download.files} == {"verified"}
    assert download.done
    assert download.error is None


def test_a_callback_that_fails_is_switched_off_and_logged_once(storage, caplog):
    def broken(_):
        raise ValueError("no view")

    storage.get(on_progress=broken)

    assert storage.found == FILES
    assert [record.levelname for record in caplog.records if "inductiva" in record.name] == [
        "WARNING"
    ]


def stalled(storage):
    """A download in which every request for a member's bytes stops half-way."""
    reached = threading.Event()
    storage.transport._timeouts = Timeouts(connect_s=2, read_s=30)
    storage.outputs.directory()

    def stall(number, handler, span):
        start, end = span
        said = {"Content-Range": f"bytes {start}-{end - 1}/{len(ARCHIVE)}"}
        storage.server.send(handler, 206, ARCHIVE[start : start + 50_000], said, end - start)
        handler.wfile.flush()
        reached.set()
        storage.server.release.wait(10)
        return True

    storage.server.faults.append(stall)
    download = storage.start("log/", "vtk/")
    assert reached.wait(5)
    return download


@pytest.mark.fault(5)
def test_cancel_ends_a_read_that_waits_and_leaves_nothing(storage):
    download = stalled(storage)

    assert download.cancel()
    with pytest.raises(DownloadCancelledError) as caught:
        download.result(5)

    assert download.progress.state == "cancelled"
    assert "log/SPH_log.txt" in caught.value.failed
    assert storage.found == {}
    assert not download.cancel()


@pytest.mark.fault(66)
def test_waiting_has_a_limit_and_ctrl_c_cancels(storage, monkeypatch):
    download = stalled(storage)

    with pytest.raises(WaitTimeoutError):
        download.result(0.01)
    assert not download.done

    def interrupted(timeout=None, wait=download._finished.wait):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(download._finished, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download.result()
    assert download.done
    assert storage.found == {}


def test_no_text_shows_the_link(storage, caplog):
    caplog.set_level("DEBUG", logger="inductiva_widgets")
    storage.server.faults.append(
        lambda _, handler, span: storage.server.send(handler, 418, b"") or True
    )
    download = storage.start()
    with pytest.raises(DownloadError) as caught:
        download.result(20)

    ours = [record.getMessage() for record in caplog.records if "inductiva" in record.name]
    shown = f"{caught.value} {caught.value!r} {download!r} {download.files} {ours}"
    assert SIGNATURE not in shown


# Going on, and side by side.


def journals(storage):
    return sorted(path.name for path in storage.folder.glob(".inductiva-*"))


@pytest.mark.fault(1)
def test_what_was_received_before_a_failure_is_not_fetched_again(storage):
    storage.outputs.directory()
    storage.server.faults.append(
        lambda number, handler, span: number > 4 and cut(storage.server, 0)(handler, *span)
    )
    with pytest.raises(IncompleteDownloadError):
        storage.get()
    (journal,) = journals(storage)
    kept = [path.stat().st_size for path in (storage.folder / journal).iterdir()]
    verified = sum(map(len, storage.found.values()))
    storage.server.faults.clear()
    storage.server.sent = 0

    storage.get()

    assert storage.found == FILES
    assert journals(storage) == []
    assert storage.server.sent <= len(ARCHIVE) - sum(kept) + 2000
    assert sum(kept) + verified > 500_000


@pytest.mark.fault(65)
def test_a_journal_of_another_archive_is_removed_and_not_used(storage):
    storage.outputs.directory()
    storage.server.faults.append(
        lambda number, handler, span: number > 4 and cut(storage.server, 0)(handler, *span)
    )
    with pytest.raises(IncompleteDownloadError):
        storage.get("log/", "vtk/")
    storage.server.faults.clear()
    newer = {name: data[::-1] for name, data in FILES.items()}
    storage.server.body, storage.server.etag = zipped(newer), '"v2"'

    for path in storage.folder.rglob("*.vtk"):
        path.unlink()
    storage.fresh().start_download(storage.folder).result(20)

    assert storage.found == newer
    assert journals(storage) == []


@pytest.mark.fault(65)
def test_spoilt_bytes_in_a_journal_are_found_out(storage):
    storage.outputs.directory()
    storage.server.faults.append(
        lambda number, handler, span: number > 4 and cut(storage.server, 0)(handler, *span)
    )
    with pytest.raises(IncompleteDownloadError):
        storage.get("log/SPH_log.txt")
    storage.server.faults.clear()
    for path in storage.folder.glob(".inductiva-*/*"):
        if path.name.isdecimal():
            data = path.read_bytes()
            path.write_bytes(data[: len(data) // 2] + b"\1" + data[len(data) // 2 + 1 :])

    storage.get("log/SPH_log.txt")

    assert storage.found == {"log/SPH_log.txt": FILES["log/SPH_log.txt"]}
    assert journals(storage) == []


@pytest.mark.fault(63)
def test_two_downloads_into_one_folder_both_succeed(storage):
    storage.outputs.directory()
    downloads = [storage.fresh().start_download(storage.folder) for _ in range(4)]
    for download in downloads:
        download.result(20)

    assert storage.found == FILES
    assert journals(storage) == []


def test_a_kept_archive_goes_on_where_it_broke(storage):
    storage.outputs.directory()
    storage.server.faults.append(
        lambda number, handler, span: number > 4 and cut(storage.server, 0)(handler, *span)
    )
    with pytest.raises(IncompleteDownloadError):
        storage.get(uncompress=False)
    storage.server.faults.clear()

    storage.get(uncompress=False)

    assert storage.found == {"output.zip": ARCHIVE}
    assert journals(storage) == []
    assert storage.server.sent < len(ARCHIVE) + 3 * TAIL_BYTES


@pytest.mark.parametrize("is_right", [True, False])
def test_a_kept_archive_is_compared_with_the_checksum_of_the_storage(storage, is_right):
    digest = hashlib.md5(ARCHIVE if is_right else b"other").digest()
    said = f"crc32c=AAAAAA==,md5={base64.b64encode(digest).decode()}"

    def tell(number, handler, span):
        storage.server.send_range(handler, *span, None, **{"x-goog-hash": said})
        return True

    storage.server.faults.append(tell)
    if is_right:
        storage.get(uncompress=False)
        assert storage.found == {"output.zip": ARCHIVE}
    else:
        with pytest.raises(CorruptMemberError):
            storage.get(uncompress=False)
        assert storage.found == {}


def test_no_folder_is_made_when_there_is_no_archive(make):
    storage = make(b"")
    with pytest.raises(BadArchiveError):
        storage.get(uncompress=False)

    assert not storage.folder.exists()


def test_memory_for_received_bytes_is_limited_and_nothing_waits_for_ever(storage):
    budget = Budget(300_000)
    outputs = Outputs(
        storage.transport,
        storage.source,
        tuning=Tuning(connections=6, chunk_bytes=MB, budget=budget),
    )
    downloads = [outputs.start_download(storage.folder / str(number)) for number in range(3)]
    for number, download in enumerate(downloads):
        assert download.result(30) == storage.folder / str(number)

    assert budget.held_bytes == 0


def test_pause_holds_it_and_resume_goes_on(storage):
    storage.outputs.directory()
    download = storage.start(bytes_per_s=3_000_000)
    assert download.pause()
    assert download.is_paused
    assert not download._finished.wait(0.3)
    download.resume()
    download.result(20)

    assert storage.found == FILES
    assert not download.pause()


def test_a_rate_limit_is_kept(storage, monkeypatch):
    tuning = Tuning(clock=lambda: 0.0)  # stands still: the longest wait is that for all bytes
    outputs = Outputs(storage.transport, storage.source, tuning=tuning)
    listing = outputs.directory()
    packed = listing.packed_sizes[listing.names.index("vtk/fluid_1.vtk")]
    before = storage.server.sent
    waits = []
    monkeypatch.setattr(Stop, "pause", lambda _, seconds: waits.append(seconds))
    names = ["vtk/fluid_1.vtk"]
    outputs.start_download(storage.folder, filenames=names, bytes_per_s=1000).result(60)

    # A server may have sent more than was read, on a connection that was left.
    assert packed / 1000 <= max(waits) <= (storage.server.sent - before) / 1000 + 0.001


@pytest.mark.fault(6)
def test_a_drip_is_left_and_told_in_the_end(storage):
    storage.outputs.directory()
    retry = RetryPolicy(tries=2, first_pause_s=0.001, slow_s=0.05, slow_bytes_per_s=1_000_000)
    storage.server.bytes_per_s = 100_000
    outputs = Outputs(storage.transport, storage.source, retry=retry)

    with pytest.raises(IncompleteDownloadError, match="bytes came in"):
        outputs.start_download(storage.folder, filenames=["vtk/fluid_1.vtk"]).result(20)
    storage.server.release.set()


@pytest.mark.fault(44)
@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packing_methods_of_the_standard_library(make, method):
    buffer = io.BytesIO()
    content = b"one line of many\n" * 200_000
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("artifacts/a.txt", content)
        archive.writestr("artifacts/b.txt", content[:100])
    storage = make(buffer.getvalue())

    storage.get()

    assert storage.found == {"a.txt": content, "b.txt": content[:100]}


@pytest.mark.fault(37)
def test_names_that_this_disk_takes_for_one_are_refused(make, monkeypatch):
    monkeypatch.setattr(OutputFolder, "folds_names", lambda *_: True)
    storage = make(zipped({"A.txt": b"one", "a.txt": b"two"}))

    with pytest.raises(UnsafeMemberError, match="place of"):
        storage.get(overwrite="replace")

    assert storage.found == {"A.txt": b"one"}


def test_a_folder_is_compared_with_the_archive_without_fetching_members(storage):
    storage.get()
    assert storage.outputs.check(storage.folder).is_complete
    (storage.folder / "vtk/fluid_1.vtk").write_bytes(b"changed")
    (storage.folder / "stdout.txt").unlink()
    (storage.folder / "mine.txt").write_bytes(b"")
    (storage.folder / ".inductiva-0123456789ab").mkdir()
    (storage.folder / ".inductiva-0123456789ab/pin").write_bytes(b"of a download that was stopped")
    (storage.folder / "vtk/.0123456789ab-7.part").write_bytes(b"")
    requests = len(storage.server.requests)

    report = storage.outputs.check(storage.folder)

    assert (report.missing, report.different, report.extra) == (
        ["stdout.txt"],
        ["vtk/fluid_1.vtk"],
        ["mine.txt"],
    )
    assert str(report).splitlines() == [
        f"{storage.folder}: {len(FILES) - 2} right, 1 missing, 1 different, 1 extra",
        "  missing    stdout.txt",
        "  different  vtk/fluid_1.vtk",
        "  extra      mine.txt",
    ]
    assert len(storage.server.requests) == requests
    assert storage.outputs.check(storage.folder / "nowhere").missing == list(FILES)


def test_connections_opened_ahead_are_the_ones_that_requests_use(storage):
    opened = storage.transport.open_connections(storage.server.url, 3)

    replies = [storage.transport.get(storage.server.url, {"Range": "bytes=0-0"}) for _ in range(3)]

    assert opened == 3
    assert len(storage.server.connections) == 3
    for reply in replies:
        reply.close()


def test_a_connection_taken_out_of_a_pool_that_closes_is_closed(storage, monkeypatch):
    storage.transport.open_connections(storage.server.url, 1)
    get, taken = HTTPConnectionPool._get_conn, []

    def get_and_close(pool, *args):
        if taken:
            pool.close()
        taken.append(get(pool, *args))
        return taken[-1]

    monkeypatch.setattr(HTTPConnectionPool, "_get_conn", get_and_close)

    assert storage.transport.open_connections(storage.server.url, 2) == 0

    (connection,) = taken
    assert connection.sock is None


def test_no_connection_is_opened_ahead_where_none_answers(storage):
    storage.server.close()

    assert storage.transport.open_connections(storage.server.url, 2) == 0


def test_a_far_storage_is_met_with_connections_opened_ahead(storage, monkeypatch):
    monkeypatch.setattr("inductiva_widgets.outputs.delivery.FAR_AFTER_S", 0.01)
    opened = threading.Event()
    open_connections = storage.transport.open_connections

    def noted(url, count):
        try:
            return open_connections(url, count)
        finally:
            opened.set()

    monkeypatch.setattr(storage.transport, "_timeouts", Timeouts())  # five are opened meanwhile
    monkeypatch.setattr(storage.transport, "open_connections", noted)
    storage.server.faults.append(lambda *_: opened.wait(5) and False)

    storage.get()

    assert opened.is_set()
    assert storage.found == FILES
